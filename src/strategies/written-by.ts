import { sameList } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import type { ChangeSet, Piece, TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { nameOf } from './increments.ts'

/** The versions that wrote some rows, by what stands for the row. */
export interface Writers {
  /** 0 for rows that no version wrote. */
  of: ReadonlyMap<string, number>
  /** Of these it is not known: the version named listed all rows, among them those that were there before. */
  unsure: ReadonlyMap<string, number>
}

/**
 * Finds which version wrote each of some rows: the last whose change set has it. The live row need not know it any more,
 * because others may have written it anew.
 */
export async function writersOf(
  repository: Repository,
  tracked: TrackedTable,
  changeSets: readonly ChangeSet[],
  names: Iterable<string>
): Promise<Writers> {
  const of = new Map<string, number>()
  for (const name of names) of.set(name, 0)
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
  return { of, unsure }
}

/** Whether the rows that a change set lists are those of its version alone: there were none before. */
export async function isAllNew(
  repository: Repository,
  { name, base }: TableChangeSet,
  rowsBefore: number | null | undefined
): Promise<boolean> {
  if (rowsBefore !== undefined) return rowsBefore === null || rowsBefore === 0
  if (base === null) return true
  return (await repository.manifest(base)).tables.find((table) => table.name === name)?.rows === 0
}
