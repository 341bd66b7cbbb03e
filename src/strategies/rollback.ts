import { ExitCode, NOTHING_CHANGED, RowbackError } from '../errors.ts'
import type { RowChange, WriteCounts } from '../model/change.ts'
import { count, noCounts } from '../model/change.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { TableReport, TrackedTable } from '../model/version.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { Drift } from './find-drift.ts'
import { DriftFinder, leftByHead, noDrift } from './find-drift.ts'
import { shapeFromHistory } from './history-shape.ts'
import { headOf, trackedAt } from './lifetimes.ts'
import { putBackRebuilt } from './put-back-rebuilt.ts'
import { changesReadBack, readsBackAs } from './read-back.ts'
import { rebuildAt } from './rebuild-at.ts'
import type { RebuiltTable } from './rebuilt-table.ts'
import type { StoredState } from './recovery.ts'
import { goneTables, storedState } from './recovery.ts'
import { References } from './references.ts'
import { refuseDrift } from './refuse-drift.ts'
import type { TableRoute } from './route.ts'
import { describeRoute, planRoute } from './route.ts'
import type { OtherNames, Revive } from './route-schema.ts'
import { prepareSchema, remake, remakeRevived, takeAway, trackingOf } from './route-schema.ts'
import type { Run } from './run.ts'
import type { LiveState } from './session.ts'
import type { CutRange } from './table-image.ts'
import { differingRanges, diffImages, joinMovedRows, liveImage, noImage, storedImage } from './table-image.ts'
import { changesBetween, describeChanges, shapeAt } from './table-shapes.ts'
import type { Touched } from './touched.ts'

export interface RollbackOptions {
  to: number
  /** Back up all tables first even where the route does not need it. */
  alwaysBackUp: boolean
  /** Overwrite rows that no version changed. */
  overwriteDrift: boolean
  /** Make tables again whose columns others changed. */
  reshape: boolean
}

/**
 * Finds the route to the state of a version, reading the full backup it may need.
 * @throws RowbackError `backup.missing` (exit code 7) where backups of it were pruned or are not there; `backup.damaged`
 */
export async function findRoute(
  live: LiveState,
  repository: Repository | null,
  to: number
): Promise<{ tables: TableRoute[]; stored: StoredState | null }> {
  const isHead = to === headOf(live.versions)
  const stored = isHead ? await leftByHead(repository, live) : await storedState(live, repository, to)
  const tables = planRoute(live, to, stored)
  if (stored && stored.gone.size > 0) {
    const isAll = stored.isWhole && stored.tables.length + trackedAt(live.everTracked, live.versions, to).size === 0
    throw goneTables(to, stored.gone, !isAll)
  }
  return { tables, stored }
}

/** What a rollback did. */
export interface RolledBack {
  reports: TableReport[]
  /** Rows of others that it overwrote or took away. */
  drift: Drift
}

/**
 * Brings every table to the state that version `to` left, inside the run's transaction: the present state is backed up
 * first where rows would be overwritten that no history keeps.
 * @throws RowbackError `schema.changed`, `drift`, `drift.unknown` or `foreign_key.violated` (exit code 5), `backup.damaged`, `restore.mismatch`
 */
export async function rollBack(run: Run, repository: Repository | null, options: RollbackOptions): Promise<RolledBack> {
  const route = await findRoute(run.live, repository, options.to)
  if (!options.reshape) refuseReshaping(route.tables, options.to)
  const references = await References.before(run.engine)
  if (options.alwaysBackUp || route.tables.some(overwritesUntracked)) {
    const wanted = route.tables.flatMap((step) => (step.kind === 'restore' ? [step.stored] : []))
    await run.takeAnchor(touchedBy(route.tables), wanted)
  }
  const present = run.anchor && repository ? await repository.manifest(run.anchor) : null
  const finder = repository && new DriftFinder(run.engine, repository, run.live, options.overwriteDrift)
  const drift = (await finder?.onRoute(route.tables, options.to, present)) ?? noDrift()
  if (!options.overwriteDrift) refuseDrift(drift, options.to, run.head)
  const { aside, standIns } = await prepareSchema(run, route.tables, (step) => differs(repository, present, step))
  await run.guard(writtenInPlace(route.tables, aside))
  await run.hold()
  const executor = new RouteExecutor(run, repository, { present, finder, drift, aside, standIns }, options)
  const reports: TableReport[] = []
  for (const step of route.tables) {
    const report = await executor.execute(step)
    if (report) reports.push(report)
  }
  if (executor.wroteAll) await references.assertWhole(standIns)
  return { reports, drift }
}

/** No trigger fires and nothing cascades where rows are put back. */
function touchedBy(steps: readonly TableRoute[]): Touched {
  return { tables: steps.flatMap((step) => ('table' in step && step.kind !== 'leave' ? [step.table] : [])), note: null }
}

function overwritesUntracked(step: TableRoute): boolean {
  return (
    'stored' in step ||
    ((step.kind === 'drop' || step.kind === 'recall' || step.kind === 'replay') && step.tracked === null)
  )
}

/** Columns go with their values, or come back: that is the user's to say. */
function refuseReshaping(steps: readonly TableRoute[], to: number): void {
  const changed = steps.filter((step) => step.kind === 'reshape').map(describeRoute)
  if (changed.length === 0) return
  throw new RowbackError({
    code: 'schema.changed',
    message: `Others changed columns since version ${to}. ${changed.join(' ')}`,
    hint: `If that is what shall be, add --yes. To see all that would happen: rowback rollback ${to} --dry-run`,
    exit: ExitCode.conflict
  })
}

/** Tables whose own rows are written, as opposed to those of a table that is made. */
function writtenInPlace(steps: readonly TableRoute[], aside: OtherNames['aside']): Table[] {
  return steps.flatMap((step) =>
    step.kind === 'restore' ||
    step.kind === 'recall' ||
    step.kind === 'replay' ||
    (step.kind === 'drop' && !aside.has(step.table.name))
      ? [step.table]
      : []
  )
}

/** What there was before the route was begun. */
interface Before extends OtherNames {
  /** The backup just taken; null in a rehearsal, which reads the live rows instead. */
  present: Manifest | null
  finder: DriftFinder | null
  /** What was found of it; more may come. */
  drift: Drift
}

/** Whether a table has any row that is not as the backup has it; unknown counts as yes. */
function differs(repository: Repository | null, present: Manifest | null, step: TableRoute): boolean {
  if (step.kind !== 'restore' || !repository) return true
  const before = present?.tables.find((entry) => entry.name === step.table.name)
  if (!before) return true
  return (
    differingRanges(step.table.name, storedImage(repository, before), storedImage(repository, step.stored)).length > 0
  )
}

class RouteExecutor {
  /** Off when a rehearsal only counted what it would have written. */
  wroteAll = true
  readonly #run: Run
  readonly #repository: Repository | null
  readonly #before: Before
  readonly #options: RollbackOptions

  constructor(run: Run, repository: Repository | null, before: Before, options: RollbackOptions) {
    this.#run = run
    this.#repository = repository
    this.#before = before
    this.#options = options
  }

  async execute(step: TableRoute): Promise<TableReport | null> {
    switch (step.kind) {
      case 'undo':
        return this.#undo(step.table, step.tracked)
      case 'drop':
        return this.#drop(step.table, step.tracked)
      case 'revive':
        return this.#revive(step)
      case 'recall':
        return this.#recall(step)
      case 'replay':
        return this.#replay(step)
      case 'rebuild':
        return this.#rebuild(step.stored)
      case 'reshape':
        return this.#reshape(step.table, step.stored)
      case 'leave':
        return null
      case 'restore':
        return this.#restore(step.table, step.stored, step.tracked)
    }
  }

  async #undo(table: Table, tracked: TrackedTable): Promise<TableReport> {
    this.#run.assertCarried(table.name)
    const counts = await this.#run.engine.undo(table, trackingOf(tracked), this.#options.to, this.#run.number)
    return { ...report(table.name, counts), history: tracked.history }
  }

  async #drop(table: Table, tracked: TrackedTable | null): Promise<TableReport> {
    const place = this.#before.aside.get(table.name) ?? table
    const deleted = await this.#run.engine.countRows(place.name)
    if (this.#run.canChangeSchema) await takeAway(this.#run, table, place, tracked)
    const dropped = { ...report(table.name, { ...noCounts(), deleted }), dropped: true }
    return tracked ? { ...dropped, history: tracked.history } : dropped
  }

  /** What a history brings back is only known when it is done: all of it was changed by others where no version wrote. */
  async #takeForDrift({ name, key, columns }: Table, { inserted, updated, deleted }: WriteCounts): Promise<void> {
    const { drift, finder } = this.#before
    const { to, overwriteDrift } = this.#options
    if (inserted + updated + deleted === 0 || (await finder?.isWritten(name, to))) return
    const all = columns.map((column) => column.name)
    const counts = { inserted: deleted, updated, deleted: inserted }
    drift.tables.push({ table: name, ...counts, examples: [], columns: all, key: key ?? all })
    if (!overwriteDrift) refuseDrift(drift, to, this.#run.head)
  }

  async #revive(step: Revive): Promise<TableReport> {
    const { engine, number } = this.#run
    const { name, tracked, isEnded } = step
    const made = isEnded ? { created: true } : { created: true, history: tracked.history }
    if (!this.#run.canChangeSchema) return { ...report(name, await this.#countState(step)), ...made }
    if (engine.capabilities.transactionalDdl) await remakeRevived(this.#run, step)
    const { to } = this.#options
    if (step.isReplayed) {
      const table = this.#made(name)
      return { ...report(name, await this.#putBackRebuilt(table, tracked, isEnded ? null : tracked)), ...made }
    }
    const counts = isEnded
      ? await engine.recall(this.#made(name), trackingOf(tracked), to, number, null)
      : await engine.undo(this.#made(name), trackingOf(tracked), to, number)
    return { ...report(name, counts), ...made }
  }

  async #recall({ table, from, tracked }: Extract<TableRoute, { kind: 'recall' }>): Promise<TableReport | null> {
    const { engine, number } = this.#run
    const tracking = tracked && trackingOf(tracked)
    if (tracked) this.#run.assertCarried(table.name)
    await assertRecallable(this.#run, table, from)
    const counts = await engine.recall(table, trackingOf(from), this.#options.to, number, tracking)
    await this.#takeForDrift(table, counts)
    if (counts.inserted + counts.updated + counts.deleted === 0) return null
    return tracked ? { ...report(table.name, counts), history: tracked.history } : report(table.name, counts)
  }

  async #replay({ table, from, tracked }: Extract<TableRoute, { kind: 'replay' }>): Promise<TableReport | null> {
    if (tracked) this.#run.assertCarried(table.name)
    const counts = await this.#putBackRebuilt(table, from, tracked)
    if (tracked !== from) await this.#takeForDrift(table, counts)
    if (counts.inserted + counts.updated + counts.deleted === 0) return null
    return tracked ? { ...report(table.name, counts), history: tracked.history } : report(table.name, counts)
  }

  #rebuilt(tracked: TrackedTable): Promise<RebuiltTable> {
    return rebuildAt(this.#repository, this.#run.live, tracked, this.#options.to)
  }

  async #putBackRebuilt(table: Table, from: TrackedTable, tracked: TrackedTable | null): Promise<WriteCounts> {
    return putBackRebuilt(this.#run, table, await this.#rebuilt(from), tracked && trackingOf(tracked))
  }

  /** What a rehearsal that cannot make the table would put into it. */
  async #countState({ tracked, isReplayed }: Revive): Promise<WriteCounts> {
    const { engine } = this.#run
    if (isReplayed) return { ...noCounts(), inserted: (await this.#rebuilt(tracked)).rowCount }
    const shape = await shapeFromHistory(engine, tracked)
    if (!shape) return noCounts()
    let inserted = 0
    const state = engine.readState(shape, { history: tracked.history, live: false }, this.#options.to)
    for await (const batch of state) inserted += batch.length
    return { ...noCounts(), inserted }
  }

  async #rebuild(stored: TableManifest): Promise<TableReport> {
    if (!this.#run.canChangeSchema) {
      return { ...report(stored.name, { ...noCounts(), inserted: stored.rows }), created: true }
    }
    if (this.#run.engine.capabilities.transactionalDdl) await remake(this.#run, stored.name, stored.ddl)
    const table = this.#made(stored.name)
    const counts = await this.#apply(table, stored, null, null)
    this.#run.noteRestored(stored)
    return { ...report(stored.name, counts), created: true }
  }

  /** All rows go with the old table, and come with the new one. */
  async #reshape(table: Table, stored: TableManifest): Promise<TableReport> {
    const { engine } = this.#run
    const { name } = table
    const counts = { ...noCounts(), inserted: stored.rows, deleted: await engine.countRows(name) }
    if (!this.#run.canChangeSchema) return report(name, counts)
    const standIn = this.#before.standIns.find((entry) => entry.table === name)
    if (standIn) await this.#apply(this.#made(standIn.under), stored, null, null)
    else {
      const counter = await engine.counterOf(name)
      await engine.dropTable(name)
      await remake(this.#run, name, stored.ddl)
      await this.#apply(this.#made(name), stored, null, null)
      if (counter !== null) await engine.raiseCounter(name, counter)
    }
    this.#run.noteRestored(stored)
    return report(name, counts)
  }

  async #restore(table: Table, stored: TableManifest, tracked: TrackedTable | null): Promise<TableReport | null> {
    if (tracked) this.#run.assertCarried(table.name)
    const before = this.#before.present?.tables.find((entry) => entry.name === table.name) ?? null
    const counts = await this.#apply(table, stored, before, tracked)
    // Its indexes and triggers stay as they are now.
    if (!tracked) this.#run.noteRestored({ ...stored, ddl: table.ddl })
    if (counts.inserted + counts.updated + counts.deleted === 0) return null
    return tracked ? { ...report(table.name, counts), history: tracked.history } : report(table.name, counts)
  }

  /** Writes what differs between the backup just taken and the one to return to, then reads it back. */
  async #apply(
    table: Table,
    stored: TableManifest,
    before: TableManifest | null,
    tracked: TrackedTable | null
  ): Promise<WriteCounts> {
    const wanted = storedImage(this.#repository as Repository, stored)
    if (this.#before.present === null) {
      return this.#rehearse(table, diffImages(table.name, liveImage(this.#run.engine, table), wanted), tracked)
    }
    const present = before ? storedImage(this.#repository as Repository, before) : noImage(wanted)
    const read = () => diffImages(table.name, present, wanted)
    const few = await keepFew(this.#run, read())
    const changes = few ? () => each(few) : read
    const counts = await countByKey(table, changes())
    await this.#run.engine.applyChanges(table, changes, this.#run.number, tracked && trackingOf(tracked))
    await this.#proveRestored(table, stored, few, () => differingRanges(table.name, present, wanted))
    return counts
  }

  /** Live rows cannot be read a second time once some of them went: many changes are only counted. */
  async #rehearse(
    table: Table,
    differences: AsyncIterable<RowChange>,
    tracked: TrackedTable | null
  ): Promise<WriteCounts> {
    const kept: RowChange[] = []
    const counts = await countByKey(table, keepingFew(differences, kept))
    if (kept.length <= MOST_KEPT) {
      const changes = () => each(kept)
      await this.#run.engine.applyChanges(table, changes, this.#run.number, tracked && trackingOf(tracked))
    } else this.wroteAll = false
    return counts
  }

  /**
   * @param changes all that were made, where they are known
   * @param ranges the ranges with them
   * @throws RowbackError `restore.mismatch` when the rows that were written do not read back as the backup has them
   */
  async #proveRestored(
    table: Table,
    stored: TableManifest,
    changes: RowChange[] | null,
    ranges: () => CutRange[]
  ): Promise<void> {
    const { engine } = this.#run
    const isWhole = (await engine.countRows(table.name)) === stored.rows
    const areMade = changes && isWhole && (await changesReadBack(engine, table, changes))
    const wanted = storedImage(this.#repository as Repository, stored)
    if (areMade ?? (isWhole && (await readsBackAs(engine, table, wanted, ranges())))) return
    throw new RowbackError({
      code: 'restore.mismatch',
      message: `${table.name} did not read back as the backup has it.`,
      state: `The transaction was aborted. ${NOTHING_CHANGED}`,
      hint: 'Check whether other programs or generated defaults change the rows of this table as they are written.'
    })
  }

  #made(name: string): Table {
    return this.#run.table(name) as Table
  }
}

/** An ended history does not follow what others do to the columns. @throws RowbackError `schema.changed` (exit code 5) */
async function assertRecallable(run: Run, table: Table, from: TrackedTable): Promise<void> {
  const last = shapeAt(from, run.head)
  const changes = changesBetween(run.engine, last.columns, table)
  if (!changes) return
  throw new RowbackError({
    code: 'schema.changed',
    message: `${describeChanges(table.name, changes)} That was after its history was closed.`,
    hint: `Bring the columns of ${table.name} back to what they were, then try again. To see the rows of then: rowback query --at`,
    exit: ExitCode.conflict
  })
}

function report(table: string, counts: WriteCounts): TableReport {
  return { table, read: 0, ...counts, failed: 0 }
}

async function countByKey(table: Table, changes: AsyncIterable<RowChange>): Promise<WriteCounts> {
  const counts = noCounts()
  const columns = writableColumns(table).map((column) => column.name)
  const joined = table.hiddenOrder
    ? joinMovedRows(changes, table.key && new RowKey(columns, table.key, table.collations))
    : changes
  for await (const change of joined) count(counts, change)
  return counts
}

/** So many changes are kept instead of being computed again. */
const MOST_KEPT = 50_000

/** Passes changes on and keeps them, as far as one more than {@link MOST_KEPT}. */
async function* keepingFew(changes: AsyncIterable<RowChange>, kept: RowChange[]): AsyncIterable<RowChange> {
  for await (const change of changes) {
    if (kept.length <= MOST_KEPT) kept.push(change)
    yield change
  }
}

/** Changes are needed several times: they are kept while they are few. @returns null where they are many */
async function keepFew(run: Run, changes: AsyncIterable<RowChange>): Promise<RowChange[] | null> {
  const kept: RowChange[] = []
  for await (const change of changes) {
    run.throwIfGivenUp()
    if (kept.length === MOST_KEPT) return null
    kept.push(change)
  }
  return kept
}

async function* each<T>(items: readonly T[]): AsyncIterable<T> {
  yield* items
}
