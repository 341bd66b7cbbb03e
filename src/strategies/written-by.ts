import { ExitCode, RowbackError } from '../errors.ts'
import { sameList } from '../model/table.ts'
import { encodeRow } from '../model/value.ts'
import type { Piece, TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { nameOf } from './increments.ts'
import type { TheirChanges } from './tracked-drift.ts'

/** The versions that wrote the rows that others changed. */
export interface Writers {
  /** By what stands for the row. */
  of: ReadonlyMap<string, number>
  /** All of them. */
  versions: number[]
}

/**
 * Finds which version wrote each row that others changed: the last whose change set has it. The live row need not know it any
 * more, because others may have written it anew.
 * @throws RowbackError `adopt.unknown` (exit code 5) where change sets do not tell
 */
export async function writersOf(
  repository: Repository,
  { tracked, changes, changeSets }: TheirChanges
): Promise<Writers> {
  const of = new Map<string, number>()
  // What no version wrote was there before.
  for await (const { before } of changes.read()) if (before) of.set(nameOf(encodeRow(before)), 0)
  const unsure = new Map<string, number>()
  let before: TableChangeSet | undefined
  for (const { version, tables } of changeSets) {
    const one = tables.find(({ name, since }) => name === tracked.table && since === tracked.since)
    if (!one) continue
    const isSure = !one.all || (await isAllNew(repository, one, before?.rows))
    // Where a version lists all rows though it found some, those that it did not write were written before, in other columns perhaps.
    const isLike = one.own !== undefined && before !== undefined && sameList(before.columns, one.columns)
    const note = async (pieces: readonly Piece[], isKnown: boolean) => {
      for (const { object } of pieces) {
        for (const line of await repository.lines(object)) {
          const name = nameOf(line)
          if (!of.has(name)) continue
          of.set(name, version)
          if (isKnown) unsure.delete(name)
          else unsure.set(name, version)
        }
      }
    }
    if (isSure || !isLike) await note(one.added, isSure)
    await note(one.own ?? [], true)
    before = one
  }
  const [at] = unsure.values()
  if (at !== undefined) throw unknownWriter(tracked.table, at)
  return { of, versions: [...new Set(of.values())] }
}

/** Whether the rows that a change set lists are those of its version alone: there were none before. */
async function isAllNew(
  repository: Repository,
  { name, base }: TableChangeSet,
  rowsBefore: number | null | undefined
): Promise<boolean> {
  if (rowsBefore !== undefined) return rowsBefore === null || rowsBefore === 0
  if (base === null) return true
  return (await repository.manifest(base)).tables.find((table) => table.name === name)?.rows === 0
}

function unknownWriter(table: string, version: number): RowbackError {
  return new RowbackError({
    code: 'adopt.unknown',
    message: `Others changed rows of ${table}, and which version wrote these before is not known, because its columns had changed before version ${version}.`,
    hint: 'Begin a new history with: rowback enable snapshot, and then: rowback enable incremental',
    exit: ExitCode.conflict
  })
}
