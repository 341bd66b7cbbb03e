import type { Table } from '../model/table.ts'
import { assertFit, strategyNamed } from '../strategies/choose.ts'
import type { Run } from '../strategies/run.ts'
import type { Strategy } from '../strategies/strategy.ts'
import type { Write } from '../strategies/touched.ts'
import type { BoundTable } from './bind-table.ts'
import type { FailurePolicy } from './request.ts'
import type { OnProgress, WrittenTable } from './write-table.ts'
import { tableOf, writeTable } from './write-table.ts'

/**
 * Writes all sources of one version: recovery material first, then table by table.
 * @throws RowbackError `strategy.unfit` before anything is written
 */
export async function migrateTables(
  run: Run,
  strategy: Strategy,
  bounds: readonly BoundTable[],
  policy: FailurePolicy,
  onProgress: OnProgress
): Promise<WrittenTable[]> {
  for (const bound of bounds) {
    if (bound.table) assertFit(fitFor(run, strategy, bound.table), tableOf(run, bound), bound.mode, run)
  }
  await strategy.prepare(run, writesOf(run, bounds))
  const made = new Set<BoundTable>()
  for (const bound of bounds) if (await makeTable(run, strategy, bound)) made.add(bound)
  await run.hold()
  const written: WrittenTable[] = []
  for (const bound of bounds) {
    const table = tableOf(run, bound)
    const result = await writeTable(run, asItIs(bound, table), table, policy, onProgress)
    if (made.has(bound)) result.report.created = true
    written.push(result)
  }
  return written
}

/** A table that is tracked keeps its history whatever the strategy of the version, so it must fit that too. */
function fitFor(run: Run, strategy: Strategy, table: Table): Strategy {
  return run.live.tracked.has(table.name) ? strategyNamed('incremental') : strategy
}

/** @returns whether the table was made: it may be there, or be made by an earlier entry of the same plan */
async function makeTable(run: Run, strategy: Strategy, bound: BoundTable): Promise<boolean> {
  if (run.table(bound.name) || bound.definition === null) return false
  await run.createTable(bound.definition)
  assertFit(strategy, tableOf(run, bound), bound.mode, run)
  await strategy.prepareNew(run, tableOf(run, bound))
  await run.reread()
  return true
}

/** The bound columns with the types that the table really has: those of a new table are the database's choice. */
function asItIs(bound: BoundTable, table: Table): BoundTable {
  const columns = bound.columns.map((column) => {
    const real = table.columns.find((candidate) => candidate.name === column.target.name) ?? column.target
    return { ...column, target: { ...real, nullable: real.nullable && column.target.nullable } }
  })
  return { ...bound, columns }
}

/** What is written into tables that are there by now. */
function writesOf(run: Run, bounds: readonly BoundTable[]): Write[] {
  return bounds.flatMap(({ name, mode }) => {
    const table = run.table(name)
    return table ? [{ table, mode }] : []
  })
}
