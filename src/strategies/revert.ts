import { ExitCode, RowbackError } from '../errors.ts'
import type { WriteCounts } from '../model/change.ts'
import { noCounts } from '../model/change.ts'
import { plural } from '../model/plural.ts'
import type { Table } from '../model/table.ts'
import type { TableReport, TrackedTable } from '../model/version.ts'
import type { Repository } from '../store/repository.ts'
import { applyMerged, assertUnchanged } from './apply-merged.ts'
import { ChangeSpool } from './change-spool.ts'
import { committed, endOf } from './lifetimes.ts'
import { mergeTable } from './merge-table.ts'
import { References } from './references.ts'
import type { OnConflict } from './revert-conflicts.ts'
import { Conflicts, revertConflict } from './revert-conflicts.ts'
import type { TableRoute } from './route.ts'
import { assertDroppable, liftTriggers, remake, remakeRevived, takeAway, trackingOf } from './route-schema.ts'
import type { Run } from './run.ts'
import { NothingToDo } from './run.ts'
import type { LiveState } from './session.ts'
import type { VersionChange } from './version-changes.ts'
import { assertSameCells, VersionChanges } from './version-changes.ts'

export interface RevertOptions {
  /** The version to take back. */
  version: number
  onConflict: OnConflict
  /** Back up all tables first even where history keeps what is overwritten. */
  alwaysBackUp: boolean
  /** Take back also what its cascades and triggers, or others, changed in tables that it did not write itself. */
  takeReached: boolean
}

export interface Reverted {
  tables: TableReport[]
  /** Those that were settled as the options say. */
  conflicts: Conflicts
}

/** What happens to one table. */
interface Step {
  change: VersionChange
  /** As it is now; null for one that is made again. */
  table: Table | null
  tracked: TrackedTable | null
  /** `drop`: the version made it; `make`: the version took it away. */
  kind: 'rows' | 'drop' | 'make'
  changes: ChangeSpool
}

/**
 * Takes the change of one version back out of the data as it is now, inside the run's transaction; what later versions
 * did stays. Nothing is written before all conflicts are known.
 * @throws RowbackError `revert.conflict`, `schema.changed`, `foreign_key.violated` or `unique.violated` (exit code 5);
 *   `revert.nothing`; `backup.missing` or `backup.damaged`; `restore.mismatch`
 */
export async function revert(run: Run, repository: Repository | null, options: RevertOptions): Promise<Reverted> {
  const conflicts = new Conflicts()
  const steps: Step[] = []
  try {
    for await (const step of plan(run, repository, options, conflicts)) steps.push(step)
    if (conflicts.count > 0) await conflicts.findVersions(run.engine, run.live, repository, options.version)
    if (conflicts.count > 0 && options.onConflict === 'abort') throw revertConflict(options.version, conflicts)
    const open = steps.filter((step) => step.kind !== 'rows' || step.changes.length > 0)
    if (open.length === 0) throw nothingLeft(options.version, conflicts.count)
    return { tables: await execute(run, open, options), conflicts }
  } finally {
    for (const step of steps) step.changes.close()
  }
}

async function* plan(
  run: Run,
  repository: Repository | null,
  options: RevertOptions,
  conflicts: Conflicts
): AsyncIterable<Step> {
  const { engine } = run
  const known = new VersionChanges(engine, run.live, repository, options.version)
  const names = new Set([...known.written(), ...known.reached()])
  const tables = run.live.tables.filter((table) => names.has(table.name))
  // Where nothing was backed up since, the present state is what the version left.
  const anchor = (await known.isLeftLive()) ? await run.takeAnchor({ tables, note: null }) : null
  const present = anchor && repository ? await repository.manifest(anchor) : null
  const changes = new VersionChanges(engine, run.live, repository, options.version, present)
  for (const name of changes.written()) {
    const change = await changes.of(name)
    const step = change && (await planTable(run, change, options, conflicts))
    if (step) yield step
  }
  for (const name of changes.reached()) {
    const step = await planReached(run, changes, name, options, conflicts)
    if (step) yield step
  }
}

async function planTable(
  run: Run,
  change: VersionChange,
  options: RevertOptions,
  conflicts: Conflicts
): Promise<Step | null> {
  const table = liveTable(run.live, change, options.version)
  if (!table) return change.fate === 'dropped' ? planMaking(run.live, change) : planGone(change, options, conflicts)
  assertSameCells(change, table, options.version)
  const tracked = run.live.tracked.get(table.name) ?? null
  const changes = await mergeTable(run.engine, change, table, options.onConflict, conflicts)
  const step: Step = { change, table, tracked, kind: 'rows', changes }
  return change.fate === 'made' ? planDropping(run, step, table, options, conflicts) : step
}

/** The table, as long as it is not another one of the same name that was made since. */
function liveTable({ tables, versions }: LiveState, change: VersionChange, version: number): Table | null {
  const isAnother = committed(versions).some(
    (later) =>
      later.number > version &&
      later.kind !== 'rollback' &&
      later.kind !== 'revert' &&
      later.tables.some((report) => report.table === change.table && report.created)
  )
  if (isAnother && change.fate !== 'dropped') return null
  return tables.find((table) => table.name === change.table) ?? null
}

/** A table that the version made goes again, if nothing is in it that the version did not put there. */
async function planDropping(
  run: Run,
  step: Step,
  table: Table,
  options: RevertOptions,
  conflicts: Conflicts
): Promise<Step> {
  const others = (await run.engine.countRows(table.name)) - step.changes.length
  if (others === 0) return { ...step, kind: 'drop' }
  const what = `version ${options.version} made the table, and ${rowsInWords(others)} in it that it did not leave so`
  conflicts.addOther(table.name, what)
  return options.onConflict === 'take-old' ? { ...step, kind: 'drop' } : step
}

function rowsInWords(rows: number): string {
  return `${plural(rows, 'row')} ${rows === 1 ? 'is' : 'are'}`
}

/** Its rows are in no table yet. */
async function planMaking({ versions }: LiveState, change: VersionChange): Promise<Step> {
  const changes = new ChangeSpool()
  for await (const { before } of change.changes()) if (before) changes.add({ before: null, after: before })
  const isKept = change.tracked !== null && endOf(change.tracked, versions) === null
  return { change, table: null, tracked: isKept ? change.tracked : null, kind: 'make', changes }
}

/** With the table went the rows that the version inserted; others cannot be put back without it. */
async function planGone(change: VersionChange, options: RevertOptions, conflicts: Conflicts): Promise<null> {
  let isOpen = false
  // Read to its end, because nothing else can be asked before.
  for await (const { before } of change.changes()) isOpen ||= before !== null
  if (!isOpen) return null
  const reason = `the table was taken away since, and with it rows that version ${options.version} changed`
  if (options.onConflict === 'take-old') {
    throw new RowbackError({
      code: 'revert.table_gone',
      message: `In ${change.table} ${reason}.`,
      hint: 'Go back to a version that has the table first, or leave it out with: --on-conflict keep-current',
      exit: ExitCode.conflict
    })
  }
  conflicts.addOther(change.table, reason)
  return null
}

/** Whether the version or others changed such a table cannot be told, so that is for the user to say. */
async function planReached(
  run: Run,
  changes: VersionChanges,
  name: string,
  options: RevertOptions,
  conflicts: Conflicts
): Promise<Step | null> {
  const change = await changes.of(name)
  if (!change) return null
  if (options.takeReached || options.onConflict === 'take-old') return planTable(run, change, options, conflicts)
  let rows = 0
  for await (const _ of change.changes()) rows++
  if (rows === 0) return null
  conflicts.addOther(
    name,
    `${plural(rows, 'row')} ${rows === 1 ? 'was' : 'were'} changed about that time, by cascades or triggers of version ${options.version} or by others, which cannot be told; --yes takes ${rows === 1 ? 'it' : 'them'} back, too`
  )
  return null
}

async function execute(run: Run, steps: readonly Step[], options: RevertOptions): Promise<TableReport[]> {
  const { engine } = run
  const references = await References.before(engine)
  const tables = steps.flatMap(({ table }) => (table ? [table] : []))
  if (options.alwaysBackUp || steps.some((step) => step.tracked === null)) await run.takeAnchor({ tables, note: null })
  const wereLocksLost = await prepareSchema(run, steps)
  await run.guard(tables)
  await run.hold()
  if (wereLocksLost) for (const { table, changes } of steps) if (table) await assertUnchanged(engine, table, changes)
  const reports: TableReport[] = []
  let wroteAll = true
  for (const step of steps) {
    const { report, wrote } = await executeStep(run, step)
    reports.push(report)
    wroteAll &&= wrote
  }
  if (wroteAll) await references.assertWhole()
  return reports
}

/**
 * Makes tables and lifts triggers before the first row is written, where changes of the schema commit.
 * @returns whether anything was committed, and with it locks were given back
 */
async function prepareSchema(run: Run, steps: readonly Step[]): Promise<boolean> {
  if (run.engine.capabilities.transactionalDdl || !run.canChangeSchema) return false
  const drops = steps.flatMap(({ kind, table, tracked }): TableRoute[] =>
    kind === 'drop' && table ? [{ kind, table, tracked }] : []
  )
  assertDroppable(drops)
  for (const step of steps) {
    if (step.kind === 'make') await makeAgain(run, step)
    else if (step.kind === 'rows') await liftTriggers(run, step.table as Table)
  }
  await run.reread()
  return true
}

async function makeAgain(run: Run, { change, tracked }: Step): Promise<void> {
  if (tracked)
    await remakeRevived(run, { kind: 'revive', name: change.table, tracked, isEnded: false, isReplayed: false })
  else await remake(run, change.table, change.ddl)
}

async function executeStep(run: Run, step: Step): Promise<{ report: TableReport; wrote: boolean }> {
  const { change, kind, tracked, changes } = step
  const { counts } = changes
  const history = tracked ? { history: tracked.history } : {}
  const report = (written: WriteCounts) => ({ table: change.table, read: 0, ...written, failed: 0, ...history })
  if (kind === 'drop') {
    const table = step.table as Table
    const deleted = await run.engine.countRows(table.name)
    if (run.canChangeSchema) await takeAway(run, table, table, tracked)
    return { report: { ...report({ ...noCounts(), deleted }), dropped: true }, wrote: run.canChangeSchema }
  }
  // A rehearsal that cannot make a table, or hold triggers off, only counts.
  if (kind === 'make' && !run.canChangeSchema) return { report: { ...report(counts), created: true }, wrote: false }
  if (kind === 'make' && run.engine.capabilities.transactionalDdl) await makeAgain(run, step)
  const table = kind === 'make' ? (run.table(change.table) as Table) : (step.table as Table)
  if (tracked) run.assertCarried(change.table)
  const canWrite = run.canChangeSchema || table.triggers.length === 0
  if (canWrite) await applyMerged(run, table, changes, tracked && trackingOf(tracked), kind === 'make')
  return { report: kind === 'make' ? { ...report(counts), created: true } : report(counts), wrote: canWrite }
}

function nothingLeft(version: number, conflicts: number): NothingToDo {
  const kept = conflicts === 0 ? '' : ', apart from what was touched again since and stays'
  return new NothingToDo({
    code: 'revert.nothing',
    message: `Nothing is left to take back of version ${version}: what it changed already is as it was before${kept}.`,
    hint: `See what it changed with: rowback rows ${version} --succeeded`
  })
}
