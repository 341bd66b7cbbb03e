import type { Engine, Lines, Tracking } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import type { Table } from '../model/table.ts'
import { sameList, writableColumns } from '../model/table.ts'
import type { TableReport, TrackedTable, Version } from '../model/version.ts'
import type { ChangeSet, Piece, TableChangeSet } from '../store/change-set.ts'
import { columnsToJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { GatheredLines } from './gathered-lines.ts'
import { shapeFromHistory } from './history-shape.ts'
import { committed, createdBetween, touching } from './lifetimes.ts'
import type { LiveState } from './session.ts'

/** Rows of one object, uncompressed. */
const TARGET_BYTES = 1 << 20
/** So many objects are stored at the same time. */
const IN_FLIGHT = 4

/** A version in the making, as far as its change set goes. */
export interface Making {
  engine: Engine
  repository: Repository
  database: string
  live: LiveState
  version: Pick<Version, 'number' | 'kind'>
  /** The version before it. */
  head: number
  /** The full backup that the version took before it wrote. */
  anchor: string | null
  /** Tables that the change sets before do not make, because a version was made beside or over rows of others. */
  misfits: ReadonlySet<string>
  signal: AbortSignal | undefined
}

/**
 * Writes what a version did to tracked tables into the repository, inside its transaction: with the full backup from before
 * they were tracked, and the change sets since, any state of them can be made again without the database.
 */
export async function keepChangeSet(making: Making, reports: readonly TableReport[]): Promise<void> {
  const names = new Set(reports.flatMap(({ history }) => history ?? []))
  if (names.size === 0) return
  const tables: TableChangeSet[] = []
  for (const history of names) {
    const tracked = making.live.everTracked.find((entry) => entry.history === history)
    const changes = tracked && (await changesOf(making, tracked, reports))
    if (changes) tables.push(changes)
  }
  const { engine, database, version, head } = making
  await making.repository.changeSets.put({
    database,
    engine: engine.name,
    version: version.number,
    after: head,
    kind: version.kind,
    madeAt: new Date().toISOString(),
    tables
  })
}

async function changesOf(
  making: Making,
  tracked: TrackedTable,
  reports: readonly TableReport[]
): Promise<TableChangeSet | undefined> {
  const { engine, live, version, repository, signal } = making
  const report = reports.find(({ history }) => history === tracked.history)
  if (report?.tracking === 'ended') return endOf(making, tracked, reports)
  const isLive = !reports.some((report) => report.history === tracked.history && report.dropped)
  const table = isLive
    ? live.tables.find(({ name }) => name === tracked.table)
    : await shapeFromHistory(engine, tracked)
  if (!table) return undefined
  const base = baseOf(making, tracked, reports)
  const columns = writableColumns(table).map(({ name }) => name)
  const rows = isLive ? await engine.countRows(table.name) : null
  const listing = isLive ? await listingOf(making, tracked, columns, base, reports) : 'changes'
  const all = listing !== 'changes'
  const tracking = { history: tracked.history, live: isLive }
  const writer = () => new PieceWriter(repository, signal)
  const removed = all ? [] : await writer().write(engine.readSuperseded(table, tracking, version.number))
  const added = await addedBy(making, table, tracking, all, writer())
  const known = { ...describe(making, tracked, table, base), rows, removed, added, all }
  if (listing !== 'all') return known
  return { ...known, own: await writer().write(engine.readWritten(table, version.number, version.number)) }
}

/** That the table is not tracked any more; its rows are in backups from then on. */
async function endOf(
  making: Making,
  tracked: TrackedTable,
  reports: readonly TableReport[]
): Promise<TableChangeSet | undefined> {
  const table = making.live.tables.find(({ name }) => name === tracked.table)
  return table && { ...describe(making, tracked, table, baseOf(making, tracked, reports)), rows: null, ended: true }
}

/** A table with no changes. */
function describe({ live }: Making, tracked: TrackedTable, table: Table, base: string | null): TableChangeSet {
  return {
    name: table.name,
    since: tracked.since,
    columns: writableColumns(table).map(({ name }) => name),
    definition: columnsToJson(table),
    key: table.key,
    collations: table.collations,
    ddl: table.ddl.length > 0 ? table.ddl : tracked.ddl,
    base,
    previous: touching(live.versions, tracked).at(-1) ?? null,
    rows: null,
    removed: [],
    added: [],
    all: false,
    ended: false
  }
}

async function addedBy(
  { engine, version }: Making,
  table: Table,
  tracking: Tracking,
  all: boolean,
  writer: PieceWriter
): Promise<Piece[]> {
  if (!tracking.live) return []
  // A hidden order is no column, and has no place among the rows of a change set.
  if (all && !table.hiddenOrder) return writer.write(engine.readLines(table, WHOLE_TABLE))
  return writer.write(engine.readWritten(table, all ? 0 : version.number, version.number))
}

/** The backup with the table as it was before it was tracked; null where the version that began to track it made it. */
function baseOf(
  { live, version, anchor }: Making,
  tracked: TrackedTable,
  reports: readonly TableReport[]
): string | null {
  if (tracked.since === version.number) {
    return reports.some(({ table, created }) => table === tracked.table && created) ? null : anchor
  }
  if (createdBetween(live.versions, tracked.table, tracked.since - 1, tracked.since)) return null
  return live.versions.find(({ number }) => number === tracked.since)?.anchor ?? null
}

/**
 * What a change set lists: `all` rows where those before had other columns, or do not fit; `new` where there were none before,
 * so that all are the version's own.
 */
async function listingOf(
  { live, version, repository, misfits }: Making,
  tracked: TrackedTable,
  columns: readonly string[],
  base: string | null,
  reports: readonly TableReport[]
): Promise<'changes' | 'all' | 'new'> {
  const report = reports.find(({ history }) => history === tracked.history)
  if (misfits.has(tracked.table)) return 'all'
  if (report?.created) return 'new'
  const listing = (rows: number | null, then: readonly string[]) => {
    if (rows === 0) return 'new'
    return sameList(then, columns) ? 'changes' : 'all'
  }
  for await (const before of repository.changeSets.before(version.number)) {
    const isCommitted = live.versions.some(({ number, status }) => number === before.version && status === 'committed')
    const known =
      isCommitted && before.tables.find(({ name, since }) => name === tracked.table && since === tracked.since)
    if (known) return listing(known.rows, known.columns)
  }
  const stored =
    base === null ? undefined : (await repository.manifest(base)).tables.find(({ name }) => name === tracked.table)
  if (!stored) return 'all'
  return listing(stored.rows, stored.hiddenOrder ? stored.columns.slice(1) : stored.columns)
}

/** Stores lines as objects, in the order in which they come. */
class PieceWriter {
  readonly #repository: Repository
  readonly #signal: AbortSignal | undefined
  readonly #pieces: Promise<Piece>[] = []
  readonly #gathered: GatheredLines

  constructor(repository: Repository, signal: AbortSignal | undefined) {
    this.#repository = repository
    this.#signal = signal
    this.#gathered = new GatheredLines(repository)
  }

  async write(batches: AsyncIterable<Lines>): Promise<Piece[]> {
    for await (const { bytes, ends } of batches) {
      this.#gathered.add(bytes, ends.length)
      if (this.#gathered.length >= TARGET_BYTES) await this.#cut()
    }
    if (this.#gathered.rows > 0) await this.#cut()
    return Promise.all(this.#pieces)
  }

  async #cut(): Promise<void> {
    this.#signal?.throwIfAborted()
    const { lines, rows } = this.#gathered.take()
    const stored = this.#store(lines, rows)
    // Whoever awaits it hears of a failure; until then it must not end the process.
    stored.catch(() => {})
    this.#pieces.push(stored)
    if (this.#pieces.length >= IN_FLIGHT) await this.#pieces.at(-IN_FLIGHT)
  }

  async #store(lines: Buffer<ArrayBuffer>, rows: number): Promise<Piece> {
    const bytes = lines.length
    const { object } = await this.#repository.putRows(lines, null)
    return { rows, bytes, object }
  }
}

/** Change sets of versions that left something, the oldest first. */
export async function committedChangeSets(repository: Repository, versions: readonly Version[]): Promise<ChangeSet[]> {
  const left = new Set(committed(versions).map(({ number }) => number))
  return (await repository.changeSets.all()).filter(({ version }) => left.has(version))
}
