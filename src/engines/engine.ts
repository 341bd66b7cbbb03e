import { ExitCode, RowbackError } from '../errors.ts'
import type { RowChange, WriteCounts, WriteMode } from '../model/change.ts'
import type { FailureCode, RawCell } from '../model/failed-row.ts'
import type { SchemaObject, SchemaObjects } from '../model/schema-object.ts'
import type { Column, ColumnType, ForeignKey, SeenValues, Table, TableDefinition } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'
import type { DumpText } from './dump-text.ts'
import type { ScriptDialect, ScriptOutcome, ScriptRun } from './script.ts'

/** The column that says which version last wrote a tracked row. */
export const VERSION_COLUMN = 'version_id'
/** The column of a history table that says which version took the row away. */
export const SUPERSEDED_COLUMN = 'superseded_by'

/** Where the ledger is kept. */
export const CONTROL_TABLES = ['rowback_meta', 'rowback_version', 'rowback_failed_row', 'rowback_table'] as const

export interface Capabilities {
  /** CREATE, ALTER and DROP are undone with the transaction. */
  transactionalDdl: boolean
  /** {@link Engine.exclusively} keeps out the sessions of all servers, also where several are one cluster. */
  exclusiveEverywhere: boolean
  /** Bookkeeping columns can be hidden from `SELECT *`. */
  invisibleColumns: boolean
  /** The largest integer that a column can hold. */
  largestInteger: bigint
  /** Bytes of a primary key at most, four for each character that its columns may hold; null where there is no limit. */
  longestKey: number | null
  /** A column holds values of every type, whatever it was declared as. */
  typesPerValue: boolean
  /** Rows may be read in order by an index beside the table, which could lack some when it is damaged. */
  ordersByIndex: boolean
  /** What scripts change can be told from what others change at the same time. */
  capturesScripts: boolean
}

/** Where the rows that versions superseded are kept for one tracked table. */
export interface Tracking {
  history: string
  /** Whether the table itself is there; false for one that a rollback took away. */
  live: boolean
}

/** A row as it was from the version that wrote it until another took it away. */
export interface RowVersion {
  /** In the table's writable columns. */
  row: Row
  /** The version that wrote it; null in a table that is not tracked. */
  since: number | null
  /** The version that superseded it; null for the live row. */
  until: number | null
}

/** A value that a database would alter, with the reason. */
export class Unholdable {
  readonly reason: string

  constructor(reason: string) {
    this.reason = reason
  }
}

/** What is hidden from everything that looks at the user's tables. */
export interface Bookkeeping {
  /** The tracked table; null when only its history is left. */
  table: string | null
  history: string
  /** Statements that make the table as it was without bookkeeping when it was first tracked. */
  ddl: string[]
}

/** What others did to the columns of a tracked table. */
export interface ColumnChanges {
  added: Column[]
  /** By their new names. */
  renamed: { from: string; column: Column }[]
  retyped: Column[]
}

/** A table in the making, under another name than its own. */
export interface Shadow {
  /** Statements that make it. */
  make: string[]
  /** Statements to be run once it bears its own name. */
  finish: string[]
  /** Its foreign keys; where they are made only then, they are checked by {@link Engine.foreignKeyViolations}. */
  foreignKeys: ForeignKey[]
}

/** A table whose rows stand under another name until the version is committed. */
export interface StandIn {
  table: string
  under: string
  foreignKeys: ForeignKey[]
}

export interface QueryResult {
  columns: string[]
  rows: Row[]
}

/** A table as it was in some state, to be read whole. */
export interface PastTable {
  name: string
  /** All of them, computed ones included. */
  columns: Column[]
  key: string[] | null
  /** Statements that make the table anew: the table itself first, then its indexes and triggers. */
  ddl: string[]
  /** Names of the columns that rows are read in: all that can be written. */
  written: string[]
  /** Rows in batches, in the order of the key where there is one. */
  rows: () => AsyncIterable<Row[]>
  /** The same as whole canonical lines; null where they can only be had row by row. */
  lines: (() => AsyncIterable<Buffer>) | null
  /** Where the database itself holds these rows, live and superseded ones; null where they stand in a backup. */
  tracked: TrackedState | null
}

/** The state of a tracked table that a version left. */
export interface TrackedState {
  table: Table
  tracking: Tracking
  version: number
}

/** A state of the tables that questions can be asked about. */
export interface PastState {
  /** In words, for messages: `version 3`. */
  name: string
  /** The tables that there were. */
  tables: readonly string[]
  /** One of them; undefined where nothing is left of it. */
  table(name: string): Promise<PastTable | undefined>
}

/** A half-open range of rows in a table's `order`: `from` included, `to` not; null is open. */
export interface RowRange {
  from: Row | null
  to: Row | null
}

export const WHOLE_TABLE: RowRange = { from: null, to: null }

/** Rows as canonical lines of JSON, see `encodeRow`, in UTF-8. */
export interface Lines {
  bytes: Buffer
  /** Where each line ends, behind its line feed. */
  ends: number[]
}

/** A formatted row on its way into a table. */
export interface TypedRow {
  line: number
  /** In the order of {@link WriteRequest.columns}. */
  values: Value[]
}

export interface TypedBatch<R extends TypedRow = TypedRow> {
  rows: R[]
  /** Keys of rows that failed before they reached the engine: `mirror` and `replace` leave these rows alone. */
  failedKeys: Value[][]
}

export interface WriteRequest<R extends TypedRow = TypedRow> {
  table: Table
  columns: string[]
  /** Unique columns by which rows are found; null for a table without any, with mode `insert` or `replace`. */
  key: string[] | null
  mode: WriteMode
  batches: AsyncIterable<TypedBatch<R>>
  /**
   * Reads the source again, while the batches are in the middle of it: the same rows in the same order, without counting
   * or reporting anything twice.
   * @param from leaves out so many rows
   */
  reread: (from: number) => AsyncIterable<TypedBatch<R>>
  /** The number of the version that writes. */
  version: number
  tracking: Tracking | null
  /** About how many rows the source has, as far as can be told from what was read of it. */
  expectedRows: () => number
  /** Called when the engine has come to know the table's rows, in the middle of the batches. */
  onKnown: (filter: RowFilter) => void
  /** Asked once all rows are read: whether rows that the source does not have may be deleted. */
  mayDeleteAbsent: () => boolean
  /** Called for each row that the database refused; `row` is null for a row that only the table has. */
  onRefused: (row: R | null, refusal: Refusal) => void
  /** Called with changes as they are made, at least the first of each kind, for a sample. */
  onChange: (change: { key: Value[]; before: Value[] | null; after: Value[] | null }) => void
}

/** Knows rows that a table has already. */
export interface RowFilter {
  /**
   * Whether the table has this very row, as the source spells it, and the source brought its key for the first time.
   * Such a row needs neither be formatted nor sent; the engine counts it.
   * @param at positions of {@link WriteRequest.columns} among the cells
   */
  isUnchanged(cells: readonly RawCell[], at: readonly number[]): boolean
}

export interface Refusal {
  column: string | null
  code: FailureCode
  reason: string
}

export interface TransactionOptions {
  /** How long to wait for another writer, in milliseconds. */
  wait: number
  /** Off while rows are restored: cascades must not fire, and {@link Engine.foreignKeyViolations} is asked instead. */
  foreignKeys: boolean
}

/**
 * What rowback needs of a database. An engine is one connection; its methods run inside the transaction that is
 * open, or each on its own. All identifiers are quoted and all values bound by the engine.
 */
export interface Engine {
  /** The engine's name in words: `sqlite`. */
  readonly name: string
  /** Product and version of the server or library, for people. */
  readonly product: string
  /** The database as people call it; no secret. */
  readonly database: string
  readonly capabilities: Capabilities
  /** What makes loads slower here than they could be, and how to change it; sentences. */
  readonly advice: readonly string[]
  /** The database was not there when it was opened; it is made by the first write, and not before. */
  readonly isNew: boolean

  close(): Promise<void>
  /**
   * Opens an empty database of the same kind on the same server, which is gone when it is closed.
   * @throws RowbackError `privilege.missing`
   */
  openScratch(): Promise<Engine>

  /** Runs one statement. @returns the number of rows it changed */
  run(sql: string, parameters?: Value[]): Promise<number>
  query(sql: string, parameters?: Value[]): Promise<QueryResult>
  /** Runs one statement that can only read, whatever it says. */
  readOnlyQuery(sql: string): Promise<QueryResult>
  /**
   * Runs one statement that can only read on the tables as they were, in a session of its own, which leaves nothing
   * behind. Only the tables that the statement names are made there; views are as they are now, over those tables.
   * @throws RowbackError `table.missing` for a table that is there now and was not then; `query.live` for what could
   *   only be read as it is now
   */
  readOnlyQueryAt(sql: string, past: PastState): Promise<QueryResult>
  /** How scripts are written, and what in them is refused. */
  scriptDialect(): Promise<ScriptDialect>
  /**
   * Runs the statements of a script inside the transaction, in the session that the stock client would give them, and finds
   * what that did to the rows of the tables it may change: in tracked ones, rows that changed get the version and the old
   * ones go to history. Other writers of these tables wait.
   * @throws RowbackError `script.failed` naming the statement, or `script.committed` when one ended the transaction
   */
  runScript(script: ScriptRun): Promise<ScriptOutcome>
  quote(identifier: string): string
  /** The quoted place of a control table such as `rowback_version`. */
  controlTable(name: string): string
  hasControlTable(name: string): Promise<boolean>
  /** The names of the tables in the schema of the control tables, histories among them. */
  controlTables(): Promise<string[]>
  /** Makes a control table where it is missing; beside the data, or in a schema of its own. */
  createControlTable(definition: TableDefinition): Promise<void>

  /**
   * Holds the database's migration lock while `work` runs: of all that call this, one is at work. Where a transaction
   * excludes other writers anyway, this only runs the work.
   * @param wait in milliseconds
   * @throws RowbackError `locked` (exit code 4) when another does not finish in time
   */
  exclusively<T>(wait: number, work: () => Promise<T>): Promise<T>

  /**
   * Runs `work` in one write transaction: committed when it returns, aborted when it throws.
   * @throws RowbackError `locked` (exit code 4) when another writer does not finish in time
   */
  transaction<T>(options: TransactionOptions, work: () => Promise<T>): Promise<T>
  /**
   * Runs `work` in one read transaction: all that it reads is of the moment in which it began. Other writers go on
   * meanwhile, and what they write is not seen; only a SQLite file without a write-ahead log makes their commits wait.
   * Within a transaction that is open it only runs the work. Definitions of tables are no part of that moment where
   * {@link Capabilities.transactionalDdl} is false.
   */
  readTransaction<T>(work: () => Promise<T>): Promise<T>

  /**
   * Makes what the open transaction wrote so far outlive it, which must be bookkeeping alone; does nothing where every
   * table is atomic.
   */
  commitNotes(): Promise<void>

  /** Names of all that tables would collide with: tables of every kind and views, bookkeeping included. */
  relations(): Promise<string[]>
  /** Reads the user's tables; bookkeeping columns and tables are left out. */
  tables(bookkeeping: Bookkeeping[]): Promise<Table[]>
  /** The names of the user's tables. */
  tableNames(bookkeeping: Bookkeeping[]): Promise<string[]>
  /**
   * One of these tables as far as reading its rows takes, which costs less: its triggers, what it refers to and what refers
   * to it are left out.
   */
  tableToRead(name: string, bookkeeping: Bookkeeping[]): Promise<Table | undefined>
  /** Tables of a kind that can be neither backed up nor restored, by name. */
  unsupportedTables(): Promise<string[]>
  /**
   * Reads what there is besides tables: views, stored routines, events and sequences, in an order in which they can be
   * made. Triggers are in {@link Table.ddl}; bookkeeping is left out.
   */
  schemaObjects(): Promise<SchemaObjects>
  /**
   * Makes one object anew, in this database or another of the same kind, outside a transaction that writes rows.
   * @returns what is not as it was; sentences, none when all is
   * @throws RowbackError when the database refuses it, above all where a table or object that it uses is missing
   */
  makeSchemaObject(object: SchemaObject): Promise<string[]>
  /** The columns and the key of a history table; undefined when there is none. */
  historyShape(history: string): Promise<Table | undefined>
  countRows(table: string): Promise<number>
  /** How SQL files are written that the stock client of this database restores. */
  dumpText(): Promise<DumpText>
  /** Where the counter of automatic keys stands, for {@link raiseCounter} and {@link DumpText.counter}; null without one. */
  counterOf(table: string): Promise<bigint | null>
  /**
   * The type as this database declares it.
   * @param seen where the type was read off some rows: digits and lengths are then no limits
   */
  declare(type: ColumnType, seen?: SeenValues): string
  createTable(definition: TableDefinition): Promise<void>
  /** Makes a table that is gone with the transaction, for a rehearsal. @returns what it is like */
  createScratchTable(definition: TableDefinition): Promise<Table>
  /** Makes a copy of a table that takes its place until the transaction ends, for a rehearsal of what cannot be aborted. */
  hideBehindCopy(table: Table): Promise<void>
  dropTable(name: string): Promise<void>
  renameTable(from: string, to: string): Promise<void>
  /** Makes the counter go on with this value, or with a higher one that the rows need. */
  raiseCounter(table: string, counter: bigint): Promise<void>
  /**
   * How a table is made under another name beside the one that bears its name; asked only where changes of the schema
   * commit.
   * @param ddl the table's, as {@link Table.ddl} has it
   */
  shadowOf(name: string, ddl: readonly string[], under: string): Shadow
  /**
   * Gives a table its own name and drops the one that had it, at one moment where no foreign key of others points to it.
   * Foreign keys of others then point to the new one. May be repeated after it was interrupted at any moment.
   * @param aside a free name
   * @param finish of {@link shadowOf}
   */
  swapIn(swap: { table: string; under: string; aside: string; finish: readonly string[] }): Promise<void>
  /**
   * How a formatted value becomes the one that this database will hold in the column, so that equal rows compare as
   * equal; null when values are held as they are.
   */
  adapter(column: Column): ((value: Value) => Value | Unholdable) | null

  /** Streams rows in the columns of `imageColumns(table)`, in the table's `order`, in batches. */
  readRows(table: Table, range: RowRange): AsyncIterable<Row[]>
  /**
   * The same rows as the lines that backups hold, which an engine may write without decoding the rows. What comes is good
   * until the next is asked for.
   */
  readLines(table: Table, range: RowRange): AsyncIterable<Lines>
  /**
   * Finds live rows by the cells of a unique key, as the table compares them, and keeps them as they are until the
   * transaction ends.
   * @param by the columns of one of the table's unique keys
   * @param cells in those columns, none of them NULL
   * @returns a row for each of `cells`, in the columns of `imageColumns(table)`; null where there is none
   */
  findRows(table: Table, by: readonly string[], cells: readonly Row[]): Promise<(Row | null)[]>
  /**
   * The rows of a tracked table that versions wrote which are still live, as lines of `writableColumns(table)`.
   * @param from the oldest of these versions, `to` the newest
   */
  readWritten(table: Table, from: number, to: number): AsyncIterable<Lines>
  /** The rows that a version superseded and did not write itself, as lines of `writableColumns(table)`. */
  readSuperseded(table: Table, tracking: Tracking, by: number): AsyncIterable<Lines>
  /** The rows that some version from `from` on wrote and another superseded, as lines of `writableColumns(table)`. */
  readReplaced(table: Table, tracking: Tracking, from: number): AsyncIterable<Lines>
  /** The rows that versions up to this one superseded, which only states before it need, as lines of `writableColumns(table)`. */
  readOldHistory(table: Table, tracking: Tracking, until: number): AsyncIterable<Lines>
  /** Deletes them. @returns how many */
  deleteOldHistory(tracking: Tracking, until: number): Promise<number>
  /** Writes a source's rows; unchanged rows are left alone. Rows refused by the database are reported, not thrown. */
  writeRows<R extends TypedRow>(request: WriteRequest<R>): Promise<WriteCounts>
  /** Statements that make a table's triggers, as {@link run} takes them. */
  triggerStatements(table: Table): string[]
  /**
   * Takes out the triggers of a table that {@link applyChanges} and {@link undo} would fire, to be called before a
   * transaction; an engine that holds triggers off inside the transaction takes out none.
   * @returns statements that put them back
   * @throws RowbackError `privilege.missing`, before any is taken out, where they could not be put back
   */
  liftTriggers(table: Table): Promise<string[]>
  /**
   * Makes each change exactly, without firing triggers, see {@link liftTriggers}. `changes` is read twice: what goes is
   * deleted first, so that unique keys may move between rows.
   */
  applyChanges(
    table: Table,
    changes: () => AsyncIterable<RowChange>,
    version: number,
    tracking: Tracking | null
  ): Promise<void>
  /**
   * Makes a table by its own statement, to be filled.
   * @returns makes what was left out because it costs less on a full table, to be called outside a transaction; rows may
   *   be read meanwhile
   * @throws RowbackError `restore.mismatch`, from what is returned, when the table did not become what it was to be
   */
  makeToFill(name: string, statement: string): Promise<() => Promise<void>>
  /**
   * Writes rows exactly as they are into a table that has neither rows nor triggers, inside a transaction.
   * @param rows in the table's writable columns
   */
  fill(table: Table, rows: AsyncIterable<Row[]>): Promise<void>
  /** The same for rows as whole canonical lines, which an engine may write without decoding them. */
  fillLines(table: Table, lines: AsyncIterable<Buffer>): Promise<void>
  /**
   * Rows whose references lead nowhere, as sentences; empty when all is well.
   * @param standIns looked at in the place of the tables whose names they will bear
   */
  foreignKeyViolations(standIns?: readonly StandIn[]): Promise<string[]>

  /** The statement that adds the column `version_id` to a table. */
  addVersionColumnSql(table: string): string
  /** Adds the column `version_id` to a table. */
  addVersionColumn(table: Table): Promise<void>
  /** Makes the history table. */
  makeHistory(table: Table, tracking: Tracking): Promise<void>
  /** Adds the column and makes the history table. */
  startTracking(table: Table, tracking: Tracking): Promise<void>
  /** The type of a column in full: columns of the same text hold the same values. */
  columnText(column: Column): string
  /**
   * Makes a history table take rows with the columns that its table has now; to be called where changes of the schema
   * commit nothing, and may be repeated. Rows that it has get what the database gave to those of the table when a column
   * was added, and keep what they hold where its type changed.
   * @throws RowbackError `schema.changed` (exit code 5) where they hold what no column of the new type can
   */
  carryColumns(table: Table, tracking: Tracking, changes: ColumnChanges): Promise<void>
  /**
   * Whether a tracked table had rows at version `at` that were still live when version `change` was made.
   * @param change null for now
   */
  hadRowsAlive(table: Table, tracking: Tracking, at: number, change: number | null): Promise<boolean>
  /** Takes the column `version_id` out of a table; the history stays. */
  dropVersionColumn(table: Table): Promise<void>
  /**
   * Takes the version column out of a table and drops its history, which may be gone already.
   * @param table null when it has no such column
   */
  stopTracking(table: Table | null, tracking: Tracking): Promise<void>
  /**
   * Brings a tracked table back to what it was at version `to`, as version `as`.
   * @returns what was written
   */
  undo(table: Table, tracking: Tracking, to: number, as: number): Promise<WriteCounts>
  /**
   * Brings a table to what it was at version `to`, as version `as`, from a history that was closed before version `as`.
   * @param from the history
   * @param tracking how superseded rows are kept now; null when they are not
   * @returns what was written
   */
  recall(table: Table, from: Tracking, to: number, as: number, tracking: Tracking | null): Promise<WriteCounts>
  /** Moves every live row to history as superseded by `as`. */
  supersedeAll(table: Table, tracking: Tracking, as: number): Promise<number>
  /** Copies every live row to history as superseded by `as`: afterwards the history alone has all that it ever had. */
  closeHistory(table: Table, tracking: Tracking, as: number): Promise<number>
  /**
   * What changed in a tracked table between the states `from` and `to`, one change per key.
   * Cells stand in the table's writable columns.
   */
  changesBetween(table: Table, tracking: Tracking, from: number, to: number): AsyncIterable<RowChange>
  /** Rows of a tracked table as they were at a version, in the columns of `imageColumns(table)` without the hidden one. */
  readState(table: Table, tracking: Tracking, version: number): AsyncIterable<Row[]>
  /**
   * What there is of one row: as it is now and, in a tracked table, as versions left it. Costs a look-up, however large the
   * table is.
   * @param key cells of the table's `key`, compared as the table does
   */
  rowVersions(table: Table, tracking: Tracking | null, key: Row): Promise<RowVersion[]>
  /**
   * Where the cells of other rows stand, as the table orders these columns: negative before those of `key`, zero where the
   * table calls them the same, positive behind.
   */
  compareKeys(table: Table, columns: readonly string[], key: Row, others: readonly Row[]): Promise<number[]>
}

/** The error about a column whose type others changed, so that its history cannot go on. */
export function unlikeHistory(table: string, column: Column, values = 'its key'): RowbackError {
  return new RowbackError({
    code: 'schema.changed',
    message: `Others made the column ${column.name} of ${table} ${column.declared || 'untyped'}, and its history has ${values} that such a column does not hold exactly.`,
    hint: `Give ${column.name} its former type back, or one that holds those values, then try again.`,
    exit: ExitCode.conflict
  })
}

/** By this name the versions are found among the user's tables. */
export const VERSIONS_VIEW = 'rowback_version'

/** The error about a table that is there now and was not in some state. */
export function noTableThen(table: string, past: PastState): RowbackError {
  const isLedger = table.toLowerCase() === VERSIONS_VIEW
  return new RowbackError({
    code: 'table.missing',
    message: `There was no table ${table} at ${past.name}.`,
    hint: isLedger
      ? 'Versions are joined with rows as they are now: ask without --at.'
      : past.tables.length === 0
        ? 'There were no tables.'
        : `There were: ${[...past.tables].sort().join(', ')}.`
  })
}
