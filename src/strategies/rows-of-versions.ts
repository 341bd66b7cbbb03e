import { RowKey } from '../model/key.ts'
import type { Row } from '../model/value.ts'
import { decodeRow } from '../model/value.ts'
import type { TableChangeSet } from '../store/change-set.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { Increments } from './increments.ts'
import { DoNotFit, decoded, linesIn, nameOf, storedLines } from './increments.ts'

/**
 * The rows as versions made them, whatever others changed in between: of each key what the last version wrote that touched it,
 * else what the base has. In memory is a hash of each row that versions touched.
 * @throws RowbackError `backup.drift`, from the rows, where keys do not tell
 */
export async function* rowsOfVersions(repository: Repository, { base, changes }: Increments): AsyncIterable<Row[]> {
  const last = changes.at(-1) as TableChangeSet
  const rowKey = new RowKey(last.columns, last.key ?? [], last.collations)
  const keyOf = (line: string): string => {
    const key = rowKey.of(decodeRow(line))
    if (key === null) throw new DoNotFit(repository, last)
    return key
  }
  /** By key, what stands for the row; null where it went. */
  const touched = new Map<string, string | null>()
  const fromBase = new Set<string>()
  for (const { removed, added } of changes) {
    for await (const lines of linesIn(repository, removed)) {
      for (const line of lines) {
        const key = keyOf(line)
        if (!touched.has(key)) fromBase.add(key)
        touched.set(key, null)
      }
    }
    for await (const lines of linesIn(repository, added))
      for (const line of lines) touched.set(keyOf(line), nameOf(line))
  }
  if (base) {
    for await (const lines of storedLines(repository, base.stored)) {
      const untouched: string[] = []
      for (const line of lines) {
        const key = keyOf(line)
        fromBase.delete(key)
        if (!touched.has(key)) untouched.push(line)
      }
      yield decoded(untouched)
    }
  }
  // Others had put such a row there; or they had spelled a key in another way, which only the database would know.
  if (fromBase.size > 0 && hasText(last)) throw new DoNotFit(repository, last)
  for (const { added } of changes) {
    for await (const lines of linesIn(repository, added)) {
      const kept: string[] = []
      for (const line of lines) {
        const key = keyOf(line)
        if (touched.get(key) !== nameOf(line)) continue
        touched.set(key, null)
        kept.push(line)
      }
      yield decoded(kept)
    }
  }
}

function hasText({ definition, key }: TableChangeSet): boolean {
  return columnsFromJson(definition).some(({ name, type }) => type.kind === 'text' && key?.includes(name))
}
