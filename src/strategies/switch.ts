import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import { noCounts } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import type { TableReport, TrackedTable } from '../model/version.ts'
import type { Repository } from '../store/repository.ts'
import { reachedByCascade } from './cascades.ts'
import { strategyNamed } from './choose.ts'
import { DriftFinder } from './find-drift.ts'
import { endOf } from './lifetimes.ts'
import { refuseClosing } from './refuse-drift.ts'
import type { Run } from './run.ts'
import { hasVersionColumn } from './schema-change.ts'
import type { LiveState } from './session.ts'
import type { Surroundings } from './strategy.ts'

/** A table whose history cannot be kept row by row. */
export interface LeftTable {
  table: string
  reason: string
  hint: string
}

/** What a switch to the incremental strategy does. */
export interface TrackingPlan {
  begin: Table[]
  /** They stay under the snapshot strategy. */
  left: LeftTable[]
}

/**
 * Chooses the tables whose history can be kept, of those that are not tracked yet. One that the database itself would
 * change when a table without history is written stays without one, too: its history would have holes.
 * @param only these tables; null for all
 */
export function planTracking(run: Surroundings, only: readonly string[] | null): TrackingPlan {
  const untracked = run.live.tables.filter((table) => !run.live.tracked.has(table.name))
  const chosen = untracked.filter((table) => only === null || only.includes(table.name))
  const left = new Map<string, LeftTable>()
  for (const table of chosen) {
    const objection = objectionTo(table, run)
    if (objection) left.set(table.name, { table: table.name, ...objection })
  }
  const stays = () => untracked.filter((table) => left.has(table.name) || !chosen.includes(table))
  for (let found = true; found; ) {
    const reached = chosen.flatMap((table) => {
      const from = left.has(table.name) ? undefined : stays().find((other) => reaches(other, table, run))
      return from ? [{ table: table.name, from: from.name }] : []
    })
    for (const { table, from } of reached) {
      const reason = `a cascade of ${from}, which stays under snapshot, would change it`
      left.set(table, {
        table,
        reason,
        hint: `Change the foreign key that refers to ${from}, or use snapshot for both.`
      })
    }
    found = reached.length > 0
  }
  return { begin: chosen.filter((table) => !left.has(table.name)), left: [...left.values()] }
}

/** The write that could change most is asked about. */
function objectionTo(table: Table, run: Surroundings): Omit<LeftTable, 'table'> | null {
  if (!hasVersionColumn(table)) return strategyNamed('incremental').objection(table, 'mirror', run)
  return { reason: 'it has a column version_id of its own', hint: 'Rename that column.' }
}

function reaches(from: Table, table: Table, { live }: Surroundings): boolean {
  return reachedByCascade(from, 'mirror', live.tables).includes(table.name)
}

/** Tables without history that could be written until now, and no longer when others keep theirs; sentences. */
export function refusedAfterwards(run: Surroundings, { begin }: TrackingPlan): string[] {
  const begun = begin.map((table): [string, TrackedTable] => [
    table.name,
    { table: table.name, since: 0, history: '', ddl: [], shapes: [], keptFrom: 0 }
  ])
  const tracked = new Map([...run.live.tracked, ...begun])
  const after = { ...run, live: { ...run.live, tracked } }
  const { objection } = strategyNamed('snapshot')
  return run.live.tables.flatMap((table) => {
    const refused = tracked.has(table.name) ? null : objection(table, 'mirror', after)
    if (!refused || objection(table, 'mirror', run)) return []
    return [`Not every migration can write ${table.name} then: ${refused.reason}. ${refused.hint}`]
  })
}

/** Backs up everything, then begins to keep the history of tables; see {@link planTracking}. */
export async function beginTracking(run: Run, only: readonly string[] | null): Promise<TableReport[]> {
  const { begin } = planTracking(run, only)
  await run.takeAnchor({ tables: run.live.tables, note: null })
  const reports: TableReport[] = []
  for (const table of begin) {
    await run.track(table)
    const unchanged = await run.engine.countRows(table.name)
    const history = run.live.tracked.get(table.name)?.history
    reports.push({ ...reportOf(table.name, unchanged), ...(history !== undefined && { history }), tracking: 'begun' })
  }
  await run.hold()
  return reports
}

/** Histories that are still kept, also of tables that are not there just now. */
export function keptHistories(live: LiveState, only: readonly string[] | null): TrackedTable[] {
  return live.everTracked.filter(
    (tracked) => endOf(tracked, live.versions) === null && (only === null || only.includes(tracked.table))
  )
}

/**
 * @param only these tables; null for all
 * @returns where it is not known what others changed, and why; sentences
 * @throws RowbackError `drift` (exit code 5) where others changed rows of histories that are to be closed
 */
export async function refuseTheirRows(
  engine: Engine,
  repository: Repository | null,
  live: LiveState,
  only: readonly string[] | null
): Promise<string[]> {
  if (!repository) return []
  const drift = await new DriftFinder(engine, repository, live).inHistories(keptHistories(live, only))
  refuseClosing(drift)
  return drift.notes
}

/**
 * Backs up everything, then ends the histories of tables: their rows of now are copied into them, so that they alone have
 * every state until now, and the tables lose their version columns.
 * @throws RowbackError `strategy.version_column` where something else uses such a column
 */
export async function endTracking(run: Run, only: readonly string[] | null): Promise<TableReport[]> {
  const { engine, live, number } = run
  const histories = keptHistories(live, only)
  for (const { table } of histories) run.assertCarried(table)
  await run.takeAnchor({ tables: run.live.tables, note: null })
  const reports: TableReport[] = []
  const tables: [Table, TrackedTable][] = []
  for (const tracked of histories) {
    const table = live.tracked.get(tracked.table) === tracked ? run.table(tracked.table) : undefined
    const unchanged = table ? await engine.closeHistory(table, { history: tracked.history, live: true }, number) : 0
    if (table) {
      tables.push([table, tracked])
      await run.keepDefinition(tracked, table)
    }
    reports.push({ ...reportOf(tracked.table, unchanged), history: tracked.history, tracking: 'ended' })
  }
  await run.hold()
  for (const [table, tracked] of tables) await dropColumn(run, table, tracked)
  return reports
}

/** Where that would commit, the column goes after the commit. */
async function dropColumn(run: Run, table: Table, { history, ddl }: TrackedTable): Promise<void> {
  if (!run.engine.capabilities.transactionalDdl) {
    await run.announce({ kind: 'untracked', table: table.name, history, ddl })
    return
  }
  try {
    await run.engine.dropVersionColumn(table)
  } catch (error) {
    if (!(error instanceof RowbackError)) throw error
    throw new RowbackError({
      code: 'strategy.version_column',
      message: `The column version_id of ${table.name} cannot be dropped: ${error.message}`,
      hint: 'Drop the view, index or trigger that uses it first, then try again.',
      cause: error
    })
  }
}

function reportOf(table: string, unchanged: number): TableReport {
  return { table, read: 0, ...noCounts(), unchanged, failed: 0 }
}
