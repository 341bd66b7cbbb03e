import type { Engine, Tracking } from '../engines/engine.ts'
import type { ErrorDetail } from '../errors.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { FailedRowSpool } from '../ledger/failed-row-spool.ts'
import type { VersionHeader } from '../ledger/ledger.ts'
import { takenOver } from '../ledger/ledger.ts'
import type { Table, TableDefinition } from '../model/table.ts'
import type { BackupScope, TableReport, TrackedTable, Version } from '../model/version.ts'
import type { TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { takeAnchor } from './anchor.ts'
import type { Carried } from './carry-schema.ts'
import { carrySchema } from './carry-schema.ts'
import { keepChangeSet } from './keep-change-set.ts'
import { recordLeft } from './left-record.ts'
import { headOf } from './lifetimes.ts'
import type { SchemaChange } from './schema-change.ts'
import { announce, hasVersionColumn, settleSchema } from './schema-change.ts'
import type { LiveState, Session } from './session.ts'
import { bookkeepingOf, readLiveState } from './session.ts'
import { shapeOf } from './table-shapes.ts'
import type { Touched } from './touched.ts'

export interface RunOptions {
  /** How long to wait for another migration, in milliseconds. */
  wait: number
  /** Off where rows are restored; see {@link Engine.transaction}. */
  foreignKeys: boolean
}

/** Of tables; databases that allow longer ones need none. */
const LONGEST_NAME = 64

/** One version in the making: everything it does happens in one transaction. */
export class Run {
  readonly engine: Engine
  readonly number: number
  readonly head: number
  readonly failed: FailedRowSpool
  readonly unsupported: string[]
  /** What to say of the version; sentences. */
  readonly notes: string[] = []
  live: LiveState
  /** By table, why its history cannot go on. */
  refused: ReadonlyMap<string, RowbackError> = new Map()
  readonly #session: Session | null
  #anchor: string | null = null
  readonly #misfits = new Set<string>()
  readonly #restored = new Map<string, TableManifest>()

  constructor(
    engine: Engine,
    session: Session | null,
    number: number,
    live: LiveState,
    unsupported: string[],
    failed: FailedRowSpool
  ) {
    this.engine = engine
    this.#session = session
    this.number = number
    this.live = live
    this.head = headOf(live.versions)
    this.unsupported = unsupported
    this.failed = failed
  }

  /** @throws the signal's reason when the user gave the run up */
  throwIfGivenUp(): void {
    this.#session?.signal?.throwIfAborted()
  }

  /** Whether tables can be made, changed and dropped now: a rehearsal cannot where that outlives the transaction. */
  get canChangeSchema(): boolean {
    return this.#session !== null || this.engine.capabilities.transactionalDdl
  }

  /** Notes a schema change that is about to be made, for whoever has to finish it or take it back. */
  async announce(change: SchemaChange): Promise<void> {
    if (this.#session) await announce(this.engine, this.#session.ledger, this.number, change)
  }

  /** Writes to the run's entry, so that whoever declares it interrupted from now on makes its transaction fail. */
  async hold(): Promise<void> {
    await this.#session?.ledger.holdPending(this.number)
  }

  /**
   * Notes durably that tables are about to be written which the database cannot abort: whoever comes after a run that
   * failed or was killed puts their rows back from its backup. A rehearsal works on copies of them. To be called when the
   * backup is taken and before the first row is written.
   */
  async guard(tables: readonly Table[]): Promise<void> {
    const guarded = tables.filter((table) => !table.atomic)
    if (guarded.length === 0) return
    if (this.#session === null) {
      for (const table of guarded) await this.engine.hideBehindCopy(table)
      return
    }
    const anchor = this.#anchor as string
    for (const { name, storage } of guarded) {
      await this.announce({ kind: 'guarded', table: name, storage: storage ?? '', anchor })
    }
    await this.engine.commitNotes()
  }

  /** Makes a table. */
  async createTable(definition: TableDefinition): Promise<void> {
    if (this.canChangeSchema) {
      await this.announce({ kind: 'created', table: definition.name })
      await this.engine.createTable(definition)
      await this.reread()
    } else this.live.tables.push(await this.engine.createScratchTable(definition))
  }

  get anchor(): string | null {
    return this.#anchor
  }

  /** What the backup before the version holds. */
  get scope(): BackupScope {
    return this.#session?.scope ?? 'database'
  }

  /**
   * Backs up once per version; a rehearsal takes none.
   * @param touched what the version may change, which is all that is backed up where the scope is `tables`
   * @param compared tables of backups with which this one is to be compared
   */
  async takeAnchor(touched: Touched, compared: readonly TableManifest[] = []): Promise<string | null> {
    if (this.#session === null) return null
    const { engine, ledger, repository, signal } = this.#session
    const database = await ledger.ensure(0, '')
    const isWhole = this.scope === 'database' || touched.note !== null
    if (this.scope === 'tables' && touched.note !== null) this.notes.push(touched.note)
    const scope = isWhole ? 'database' : 'tables'
    const { versions } = this.live
    const about = { state: this.head, version: this.number, versions, scope, database, compared, signal } as const
    this.#anchor ??= await takeAnchor(engine, repository, isWhole ? this.live.tables : touched.tables, about)
    return this.#anchor
  }

  /** Notes that a table has been restored, and proven to be as a backup has it. */
  noteRestored(stored: TableManifest): void {
    this.#restored.set(stored.name, stored)
  }

  /** Notes a table that the change sets before do not make as it was, so that this version's has all rows. */
  noteMisfit(table: string): void {
    this.#misfits.add(table)
  }

  /**
   * Records how this version leaves the tables, where it backed them up before; to be called when it has written its rows.
   * @returns the record's name; null where none is made
   */
  async recordLeft(reports: readonly TableReport[]): Promise<string | null> {
    if (this.#session === null || this.#anchor === null) return null
    const { engine, repository, signal } = this.#session
    const of = { version: this.number, live: this.live, anchor: this.#anchor, restored: this.#restored }
    return recordLeft({ engine, repository, signal, reports, ...of })
  }

  /** Keeps what the version did to tracked tables beside its backups; a rehearsal keeps nothing. */
  async keepChangeSet(kind: Version['kind'], reports: readonly TableReport[]): Promise<void> {
    if (this.#session === null) return
    const { engine, ledger, repository, signal } = this.#session
    const { live, head, anchor } = this
    const misfits = this.#misfits
    const version = { number: this.number, kind }
    const database = await ledger.ensure(0, '')
    await keepChangeSet({ engine, repository, database, live, version, head, anchor, misfits, signal }, reports)
  }

  /**
   * Begins to track a table: adds its version column and its history table.
   * @throws RowbackError `strategy.version_column` when the table has such a column of its own
   */
  async track(table: Table): Promise<void> {
    if (hasVersionColumn(table)) {
      throw new RowbackError({
        code: 'strategy.version_column',
        message: `${table.name} has a column version_id of its own, where the incremental strategy keeps the version of a row.`,
        hint: 'Rename that column, or use --strategy snapshot.'
      })
    }
    const shape = shapeOf(this.engine, table, this.number)
    const history = this.#freeHistoryName(table.name)
    const tracked = { table: table.name, since: this.number, history, ddl: table.ddl, shapes: [shape], keptFrom: 0 }
    if (!this.canChangeSchema) return
    await this.announce({ kind: 'tracked', table: table.name, history: tracked.history, ddl: table.ddl })
    await this.engine.startTracking(table, { history: tracked.history, live: true })
    this.live.tracked.set(table.name, tracked)
    this.live.everTracked.push(tracked)
    await this.#session?.ledger.addTableShape(tracked, shape)
  }

  /** Keeps how a table that will not be tracked any more is made, with the indexes and triggers that it has now. */
  async keepDefinition(tracked: TrackedTable, { ddl }: Table): Promise<void> {
    tracked.ddl = ddl
    await this.#session?.ledger.keepDefinition(tracked)
  }

  #freeHistoryName(table: string): string {
    const taken = new Set(
      [...this.live.everTracked.map((entry) => entry.history), ...this.live.tables.map((entry) => entry.name)].map(
        (name) => name.toLowerCase()
      )
    )
    const name = `history_${table}`.slice(0, LONGEST_NAME)
    const end = `_${this.number}`
    return taken.has(name.toLowerCase()) ? `${name.slice(0, LONGEST_NAME - end.length)}${end}` : name
  }

  /** @throws RowbackError `schema.changed` when others changed a table so that its history cannot go on */
  assertCarried(table: string): void {
    const refused = this.refused.get(table)
    if (refused) throw refused
  }

  /**
   * How a table's superseded rows are kept; null when they are not.
   * @throws RowbackError as {@link assertCarried} does
   */
  tracking(table: string): Tracking | null {
    this.assertCarried(table)
    const tracked = this.live.tracked.get(table)
    return tracked ? { history: tracked.history, live: true } : null
  }

  /** Reads the tables anew after DDL. */
  async reread(): Promise<void> {
    const { engine } = this
    const scratch = this.canChangeSchema ? [] : this.live.tables.filter((table) => table.ddl.length === 0)
    this.live.tables = [...(await engine.tables(bookkeepingOf(this.live))), ...scratch]
  }

  table(name: string): Table | undefined {
    return this.live.tables.find((table) => table.name.toLowerCase() === name.toLowerCase())
  }
}

export interface RunResult {
  version: Version
  /** Runs found interrupted, and now marked as failed. */
  interrupted: number[]
  failed: FailedRowSpool
  /** Of earlier runs, which rows were put back; of this one, what it says. Sentences. */
  notes: string[]
}

/**
 * Makes one version: `pending` entry, recovery material, rows and `committed` entry, in this order, the last two in
 * one transaction. When anything throws, the transaction is aborted and the entry says `failed`.
 * @param work writes the rows and says what it did to each table
 */
export async function runVersion(
  session: Session,
  header: VersionHeader,
  options: RunOptions,
  work: (run: Run) => Promise<TableReport[]>
): Promise<RunResult> {
  return session.engine.exclusively(options.wait, async () => {
    const failed = new FailedRowSpool()
    const { number, interrupted } = await session.ledger.begin(header, options.wait)
    const notes: string[] = [...session.told]
    const version = await makeOrFail(session, { number, kind: header.kind }, failed, options, work, notes)
    await settle(session)
    return { version, interrupted, failed, notes }
  })
}

/** What {@link settle} works with; without a repository no rows can be put back. */
type Settling = Pick<Session, 'engine' | 'ledger'> & { repository: Repository | null }

/**
 * Finishes or takes back what earlier runs left of their schema changes, and of rows in tables that are not atomic; see
 * {@link settleSchema}.
 */
export async function settle({ engine, ledger, repository }: Settling): Promise<string[]> {
  return engine.capabilities.transactionalDdl ? [] : settleSchema(engine, ledger, repository)
}

async function makeOrFail(
  session: Session,
  { number, kind }: Pick<Version, 'number' | 'kind'>,
  failed: FailedRowSpool,
  options: RunOptions,
  work: (run: Run) => Promise<TableReport[]>,
  notes: string[]
): Promise<Version> {
  const { engine, ledger } = session
  try {
    // Only now, with their entries failed, can earlier runs that are alive on another server no longer commit.
    notes.push(...(await settle(session)))
    const before = engine.capabilities.transactionalDdl ? null : await carry(session, number)
    return await engine.transaction(options, async () => {
      await ledger.assertPending(number)
      const { notes: noticed, refused } = before ?? (await carry(session, number))
      const live = await readLiveState(engine, ledger)
      const run = new Run(engine, session, number, live, await engine.unsupportedTables(), failed)
      run.refused = refused
      notes.push(...noticed)
      const tables = await work(run)
      await ledger.addFailedRows(number, failed.rows())
      notes.push(...run.notes)
      const leftRecord = await run.recordLeft(tables)
      await run.keepChangeSet(kind, tables)
      return ledger.commit(number, { tables, anchor: run.anchor, leftRecord })
    })
  } catch (error) {
    const settled = await recordFailure(session, number, error, failed)
    // The connection was lost while the commit was being answered, and it had gone through.
    if (settled?.status === 'committed') return settled
    if (settled?.status === 'failed' && isUnexplained(error)) throw takenOver(number, error)
    throw error
  }
}

/** What others did to the columns of tracked tables; see {@link carrySchema}. */
async function carry({ engine, ledger }: Session, since: number): Promise<Carried> {
  if ((await ledger.trackedTables()).length === 0) return { notes: [], refused: new Map() }
  return carrySchema(engine, ledger, await readLiveState(engine, ledger), since)
}

/**
 * The error to tell is the one that failed the run; one met while noting it down must not hide it.
 * @returns the entry where it is settled already: committed after all, or declared interrupted by another run
 */
async function recordFailure(
  session: Session,
  number: number,
  error: unknown,
  failed: FailedRowSpool
): Promise<Version | undefined> {
  const { ledger } = session
  const message =
    error instanceof RowbackError ? error.recorded : error instanceof Error ? error.message : String(error)
  const tables = error instanceof RunAborted ? error.tables : []
  let entry: Version | undefined
  try {
    entry = await ledger.find(number)
    if (entry?.status === 'committed') return entry
    // A conflict is a question to the user, not a run, and neither is what found nothing to do.
    if (error instanceof RowbackError && isNoRun(error)) await ledger.withdraw(number)
    else await ledger.fail(number, message, tables, failed.rows())
    tellPutBack(error, await settle(session))
  } catch (met) {
    // That a table holds half of a version matters more than why the version failed.
    if (met instanceof RowbackError && met.code === 'rows.half_written') throw met
    // The entry stays `pending`; the next run marks it as interrupted.
  }
  return entry?.status === 'failed' ? entry : undefined
}

/** Whether it was refused, or found to have nothing to do, before it wrote a row. */
function isNoRun(error: RowbackError): boolean {
  return error instanceof NothingToDo || error.exit === ExitCode.conflict || error.code === 'history.missing'
}

/** What became of the rows is part of the state that the error tells. */
function tellPutBack(error: unknown, putBack: readonly string[]): void {
  if (putBack.length === 0 || !(error instanceof RowbackError)) return
  error.state = `${error.state} ${putBack.join(' ')}`
}

/** What a run met whose tables were taken away under it says little. */
function isUnexplained(error: unknown): boolean {
  return error instanceof RowbackError && error.exit === ExitCode.failed && !(error instanceof RunAborted)
}

/** A run that found all as it shall be: it leaves no entry. */
export class NothingToDo extends RowbackError {}

/** A run that was given up by rule, with what it counted until then. */
export class RunAborted extends RowbackError {
  readonly tables: TableReport[]

  constructor(detail: ErrorDetail, tables: TableReport[]) {
    super(detail)
    this.tables = tables
  }
}

/**
 * Does the work of a version in a transaction that is always aborted: nothing changes, the ledger included.
 * @returns what the work would have done
 */
export async function rehearse<T>(
  engine: Engine,
  live: LiveState,
  options: RunOptions,
  work: (run: Run) => Promise<T>
): Promise<{ result: T; failed: FailedRowSpool }> {
  const failed = new FailedRowSpool()
  let result: T | undefined
  try {
    await engine.transaction(options, async () => {
      const next = (live.versions.at(-1)?.number ?? 0) + 1
      const run = new Run(engine, null, next, live, await engine.unsupportedTables(), failed)
      run.refused = (await carrySchema(engine, null, live, next)).refused
      result = await work(run)
      throw new RehearsalOver()
    })
  } catch (error) {
    if (!(error instanceof RehearsalOver)) throw error
  }
  return { result: result as T, failed }
}

class RehearsalOver extends Error {}
