import type { Collations } from '../model/key.ts'
import type { Row } from '../model/value.ts'
import type { ChangeSet, TableChangeSet } from '../store/change-set.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { StateTable } from './backup-reader.ts'
import type { Increments } from './increments.ts'
import { DoNotFit, decoded, linesIn, nameOf, storedLines } from './increments.ts'
import { rowsOfVersions } from './rows-of-versions.ts'

/** A tracked table as a version left it, made of a full backup and the change sets after it. */
export interface RebuiltTable extends StateTable {
  /** The full backup that it begins with. */
  base: string | null
  collations: Collations
  /** How many rows there were. */
  rowCount: number
  /** How many change sets follow. */
  increments: number
  /** The rows as versions alone made them, where others changed some before a version; see {@link rowsOfVersions}. */
  ofVersions: () => AsyncIterable<Row[]>
}

/**
 * Makes a table as the newest of some change sets left it.
 * @param changeSets of committed versions, the oldest first, up to the one whose state is wanted
 * @param since the version that began to track the table
 * @returns null where they do not have it
 * @throws RowbackError `backup.damaged` or `backup.missing`; from the rows, `backup.drift` when what is there does not fit together
 */
export async function rebuildTable(
  repository: Repository,
  changeSets: readonly ChangeSet[],
  name: string,
  since: number
): Promise<RebuiltTable | null> {
  const known = changeSets.flatMap(({ tables }) =>
    tables.filter((table) => table.name === name && table.since === since)
  )
  const last = known.at(-1)
  if (last === undefined || last.rows === null) return null
  const begin = known.findLastIndex(({ all }) => all)
  const changes = known.slice(Math.max(begin, 0))
  const base = begin >= 0 ? null : await baseOf(repository, last)
  if (begin < 0 && base === null) return null
  const rows = () => rowsOf(repository, { base, changes })
  const written = last.columns
  return {
    name,
    columns: columnsFromJson(last.definition),
    key: last.key,
    ddl: last.ddl,
    written,
    rows,
    lines: null,
    tracked: null,
    base: base?.name ?? null,
    collations: last.collations,
    rowCount: last.rows,
    increments: changes.length,
    ofVersions: () => rowsOfVersions(repository, { base, changes })
  }
}

async function baseOf(repository: Repository, { base, name }: TableChangeSet): Promise<Increments['base']> {
  if (base === null) return null
  const stored = (await repository.manifest(base)).tables.find((table) => table.name === name)
  return stored ? { name: base, stored } : null
}

/**
 * The rows, in no particular order. They are counted by what they say, not by their keys: which keys are equal only a
 * database knows.
 */
async function* rowsOf(repository: Repository, { base, changes }: Increments): AsyncIterable<Row[]> {
  const last = changes.at(-1) as TableChangeSet
  const net = new Net()
  for (const { removed, added } of changes) {
    for await (const lines of linesIn(repository, removed)) for (const line of lines) net.add(line, -1)
    for await (const lines of linesIn(repository, added)) for (const line of lines) net.add(line, 1)
  }
  let rows = 0
  if (base) {
    for await (const lines of storedLines(repository, base.stored)) {
      const kept = lines.filter((line) => !net.takesAway(line))
      rows += kept.length
      yield decoded(kept)
    }
  }
  for (const { added } of changes) {
    for await (const lines of linesIn(repository, added)) {
      const kept = lines.filter((line) => net.brings(line))
      rows += kept.length
      yield decoded(kept)
    }
  }
  if (!net.isEven || rows !== last.rows) throw new DoNotFit(repository, last)
}

/** How often each row comes and goes over all change sets; in memory is a hash of each. */
class Net {
  readonly #counts = new Map<string, number>()

  get isEven(): boolean {
    return this.#counts.size === 0
  }

  add(line: string, by: number): void {
    const name = nameOf(line)
    const count = (this.#counts.get(name) ?? 0) + by
    if (count === 0) this.#counts.delete(name)
    else this.#counts.set(name, count)
  }

  /** Whether a row of the base went. */
  takesAway(line: string): boolean {
    const isGone = (this.#counts.get(nameOf(line)) ?? 0) < 0
    if (isGone) this.add(line, 1)
    return isGone
  }

  /** Whether a row that came is still there. */
  brings(line: string): boolean {
    const isThere = (this.#counts.get(nameOf(line)) ?? 0) > 0
    if (isThere) this.add(line, -1)
    return isThere
  }
}
