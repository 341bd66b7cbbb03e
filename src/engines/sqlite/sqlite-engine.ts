import { existsSync, statSync, unlinkSync } from 'node:fs'
import { basename, resolve } from 'node:path'
import type { StatementSync } from 'node:sqlite'
import { DatabaseSync } from 'node:sqlite'
import { RowbackError } from '../../errors.ts'
import type { RowChange, WriteCounts } from '../../model/change.ts'
import type { SchemaObject, SchemaObjects } from '../../model/schema-object.ts'
import type { Column, ColumnType, SeenValues, Table, TableDefinition } from '../../model/table.ts'
import { imageColumns, writableColumns } from '../../model/table.ts'
import type { Row, Value } from '../../model/value.ts'
import { encodeRow, RawText } from '../../model/value.ts'
import type { CaptureSql } from '../capture.ts'
import type { DumpText } from '../dump-text.ts'
import type {
  Bookkeeping,
  PastState,
  QueryResult,
  RowRange,
  RowVersion,
  Tracking,
  TransactionOptions,
  TypedRow,
  Unholdable,
  WriteRequest
} from '../engine.ts'
import { SUPERSEDED_COLUMN, unlikeHistory, VERSION_COLUMN } from '../engine.ts'
import type { ScriptDialect } from '../script.ts'
import { plainlyDiffer, SqlEngine } from '../sql-engine.ts'
import { SqliteDumpText } from './dump-text.ts'
import { translate } from './errors.ts'
import { rowsWithoutParents } from './foreign-keys.ts'
import { allForeignKeys, hiddenRowid, inspectTable, isStrict, plainTables, views, virtualTables } from './inspect.ts'
import { missingThen, PastSession } from './past-tables.ts'
import { RowWriter } from './row-writer.ts'
import { SQLITE_DIALECT } from './script-dialect.ts'
import { bindable, hasBytesOf, isTriggerStatement, list, matching, quote, slotFor } from './sql-text.ts'
import { adapterFor, declaredType } from './types.ts'
import { versionOfLive } from './version-of-live.ts'

const BATCH = 1000
const KEPT_STATEMENTS = 32
const CACHE_KIB = 65_536
/** The name of a database in a temporary file, which SQLite itself removes: https://sqlite.org/inmemorydb.html */
const PRIVATE = ''
const REPLACEMENT = '\uFFFD'
const INDEX_OVER_VERSION = new RegExp(`^\\s*CREATE\\s+(UNIQUE\\s+)?INDEX\\b[\\s\\S]*\\b${VERSION_COLUMN}\\b`, 'i')

type Bound = null | number | bigint | string | Uint8Array

/** Where a row that was read can be read again. */
interface Place {
  table: string
  /** What stands after FROM, and its parameters. */
  sql: string
  parameters: Value[]
  columns: string[]
  /** Finds one row. */
  key: string[]
}

/** SQLite through Node's own driver: one file, bookkeeping beside the data as `rowback_*` tables. */
export class SqliteEngine extends SqlEngine {
  readonly name = 'sqlite'
  readonly product: string
  readonly database: string
  readonly isNew: boolean
  readonly capabilities = {
    transactionalDdl: true,
    exclusiveEverywhere: true,
    invisibleColumns: false,
    largestInteger: 2n ** 63n - 1n,
    longestKey: null,
    typesPerValue: true,
    ordersByIndex: true,
    capturesScripts: true
  }
  protected readonly keyEqual = 'IS'
  readonly #path: string
  readonly #db: DatabaseSync
  /** To be asked again: beginning one takes longer than most questions. */
  readonly #idleSessions: PastSession[] = []
  readonly #prepared = new Map<string, StatementSync>()
  /** The open transaction only reads. */
  #isReading = false
  /** What was read of the schema at this number of it. */
  #schema: { version: Value | undefined; known: Map<string, unknown> } = { version: undefined, known: new Map() }

  /**
   * @param path a file, made on the first write if it is missing, or `:memory:`
   * @throws RowbackError when the file cannot be opened, is read-only or is no database
   */
  constructor(path: string) {
    super()
    this.#path = isFile(path) ? resolve(path) : path
    this.database = isFile(path) ? basename(path) : path === PRIVATE ? 'private copy' : path
    this.isNew = isFile(path) && !existsSync(this.#path)
    this.#db = this.#translated(() => new DatabaseSync(this.#path))
    this.product = `SQLite ${String(this.#read('SELECT sqlite_version() AS v')[0]?.v)}`
    this.#translated(() => this.#db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA schema_version`))
  }

  async close(): Promise<void> {
    for (const session of this.#idleSessions.splice(0)) await session.close()
    this.#db.close()
    if (this.isNew && existsSync(this.#path) && statSync(this.#path).size === 0) unlinkSync(this.#path)
  }

  async openScratch(): Promise<SqliteEngine> {
    return new SqliteEngine(PRIVATE)
  }

  async run(sql: string, parameters: Value[] = []): Promise<number> {
    return this.#translated(() => Number(this.#db.prepare(sql).run(...parameters.map(bindable)).changes))
  }

  async query(sql: string, parameters: Value[] = []): Promise<QueryResult> {
    return this.#translated(() => {
      const statement = this.#prepared.get(sql) ?? prepare(this.#db, sql)
      const result = answerOf(statement, parameters.map(bindable))
      // What is asked often is asked in the same words; after others the oldest goes.
      this.#prepared.set(sql, statement)
      if (this.#prepared.size > KEPT_STATEMENTS) this.#prepared.delete(this.#prepared.keys().next().value as string)
      return result
    })
  }

  async readOnlyQuery(sql: string): Promise<QueryResult> {
    return this.#translated(() => {
      assertReads(sql)
      if (!isFile(this.#path)) return this.#readOnly(() => readAll(this.#db, sql, []))
      const reader = new DatabaseSync(this.#path, { readOnly: true })
      try {
        return readAll(reader, sql, [])
      } finally {
        reader.close()
      }
    })
  }

  async readOnlyQueryAt(sql: string, past: PastState): Promise<QueryResult> {
    this.#translated(() => assertReads(sql))
    const session = this.#idleSessions.pop() ?? new PastSession(await this.openScratch())
    const relations = await this.relations()
    try {
      return await session.ask(
        { file: isFile(this.#path) ? this.#path : null, relations, views: this.#views() },
        sql,
        past
      )
    } catch (error) {
      throw missingThen(error, past, relations)
    } finally {
      if (session.isClean && this.#db.isOpen) this.#idleSessions.push(session)
      else await session.close()
    }
  }

  /** That of a rowid is an integer; any other may hold what compares in ways of its own. */
  protected hasPlainKey({ key, order, hiddenOrder, ddl }: Table): boolean {
    return key?.length === 1 && !hiddenOrder && order?.[0] === key[0] && !/\bWITHOUT\s+ROWID\b/i.test(ddl[0] ?? '')
  }

  protected override versionOfLive(live: string, version: number): Promise<string> {
    return versionOfLive(this, live, version)
  }

  /** The statements that make the views, by name in lower case. */
  #views(): ReadonlyMap<string, string> {
    return this.#ofSchema('views', () => {
      const views = this.#read("SELECT name, sql FROM sqlite_schema WHERE type = 'view'")
      return new Map(views.map(({ name, sql }) => [String(name).toLowerCase(), String(sql)]))
    })
  }

  #readOnly<T>(work: () => T): T {
    this.#db.exec('PRAGMA query_only = ON')
    try {
      return work()
    } finally {
      this.#db.exec('PRAGMA query_only = OFF')
    }
  }

  quote(identifier: string): string {
    return quote(identifier)
  }

  controlTable(name: string): string {
    return quote(name)
  }

  async hasControlTable(name: string): Promise<boolean> {
    return this.#read("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", name).length > 0
  }

  async controlTables(): Promise<string[]> {
    return this.#read("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => String(name))
  }

  async transaction<T>(options: TransactionOptions, work: () => Promise<T>): Promise<T> {
    this.#begin(options)
    try {
      const result = await work()
      this.#translated(() => this.#db.exec('COMMIT'))
      return result
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
      throw translate(error, this.database)
    } finally {
      this.#db.exec('PRAGMA foreign_keys = ON')
    }
  }

  async readTransaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.#db.isTransaction) return work()
    // The moment is that of the first read.
    this.#translated(() => this.#db.exec('BEGIN; SELECT 1 FROM sqlite_schema LIMIT 1'))
    this.#isReading = true
    try {
      return await work()
    } catch (error) {
      throw translate(error, this.database)
    } finally {
      this.#isReading = false
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK')
    }
  }

  #begin(options: TransactionOptions): void {
    // SQLite ignores file modes for root; a file marked read-only is meant to stay as it is all the same.
    if (existsSync(this.#path) && (statSync(this.#path).mode & 0o222) === 0) {
      throw new RowbackError({
        code: 'target.read_only',
        message: `${this.database} is marked read-only.`,
        hint: `Make it writable first: chmod u+w ${this.database}`
      })
    }
    this.#translated(() => {
      this.#db.exec(`PRAGMA busy_timeout = ${Math.trunc(options.wait)}`)
      this.#db.exec(`PRAGMA foreign_keys = ${options.foreignKeys ? 'ON' : 'OFF'}`)
      this.#db.exec('BEGIN IMMEDIATE')
    })
  }

  /** Other writers wait for the transaction itself. */
  async exclusively<T>(_wait: number, work: () => Promise<T>): Promise<T> {
    return work()
  }

  async relations(): Promise<string[]> {
    return this.#ofSchema('relations', () =>
      this.#read("SELECT name FROM sqlite_schema WHERE type IN ('table', 'view')").map((row) => String(row.name))
    )
  }

  /**
   * What the schema says, read once for each state of it: https://sqlite.org/pragma.html#pragma_schema_version. A transaction
   * that writes may take its changes, and their number with them, back.
   */
  #ofSchema<T>(what: string, read: () => T): T {
    if (this.#db.isTransaction && !this.#isReading) return read()
    const version = this.#read('PRAGMA schema_version')[0]?.schema_version
    if (this.#schema.version !== version) this.#schema = { version, known: new Map() }
    const known = this.#schema.known.get(what) as T | undefined
    if (known !== undefined) return known
    const found = read()
    this.#schema.known.set(what, found)
    return found
  }

  async createScratchTable(definition: TableDefinition): Promise<Table> {
    await this.createTable(definition)
    return (await this.tables([])).find((table) => table.name === definition.name) as Table
  }

  async tables(bookkeeping: Bookkeeping[]): Promise<Table[]> {
    return this.#translated(() => {
      const hidden = this.bookkeepingNames(bookkeeping)
      const read = (sql: string, ...parameters: Value[]) => this.#read(sql, ...parameters)
      const tables = this.#ofSchema(`tables but ${JSON.stringify([...hidden])}`, () => {
        const entries = plainTables(read).filter(({ name }) => !hidden.has(name))
        const foreignKeys = allForeignKeys(read, entries)
        return entries.map((entry) => inspectTable(read, entry, foreignKeys))
      })
      return tables.map((table) => this.withoutBookkeeping(table, bookkeeping))
    })
  }

  /** SQLite keeps the text of a table, and puts an added column into it as it was said. */
  protected withoutVersionColumn([table = '', ...others]: readonly string[]): string[] | null {
    const added = `, ${this.versionColumn}`
    const at = table.lastIndexOf(added)
    if (at < 0) return null
    const kept = others.filter((statement) => !INDEX_OVER_VERSION.test(statement))
    return [table.slice(0, at) + table.slice(at + added.length), ...kept]
  }

  async unsupportedTables(): Promise<string[]> {
    return virtualTables((sql, ...parameters) => this.#read(sql, ...parameters))
  }

  async dumpText(): Promise<DumpText> {
    return new SqliteDumpText(String(this.#read('PRAGMA encoding')[0]?.encoding))
  }

  async schemaObjects(): Promise<SchemaObjects> {
    return { objects: views((sql, ...parameters) => this.#read(sql, ...parameters)), notes: [] }
  }

  async makeSchemaObject(object: SchemaObject): Promise<string[]> {
    for (const statement of object.statements) await this.run(statement)
    return []
  }

  declare(type: ColumnType, seen?: SeenValues): string {
    return declaredType(type, seen !== undefined)
  }

  adapter(column: Column): ((value: Value) => Value | Unholdable) | null {
    return adapterFor(column)
  }

  async *readRows(table: Table, range: RowRange): AsyncIterable<Row[]> {
    const order = table.order
    if (!order) throw noOrder(table.name)
    const columns = imageColumns(table)
    const slots = order.map(() => '?').join(', ')
    const conditions = [
      ...(range.from ? [`(${list(order)}) >= (${slots})`] : []),
      ...(range.to ? [`(${list(order)}) < (${slots})`] : [])
    ]
    const where = conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''
    const sql = `SELECT ${list(columns)} FROM ${quote(table.name)} ${where} ORDER BY ${list(order)}`
    const place: Place = { table: table.name, sql: quote(table.name), parameters: [], columns, key: order }
    for await (const batch of this.stream(sql, [...(range.from ?? []), ...(range.to ?? [])])) {
      for (const row of batch) this.#keepUndecodableText(place, row)
      yield batch
    }
  }

  /** Of the history of a table as of itself, a row is found again by its rowid: several may have one key. */
  protected override async *rowsWhere(table: Table, from: string, where: string): AsyncIterable<Row[]> {
    const columns = this.names(table)
    const isLive = from === quote(table.name)
    const rowid = isLive ? null : hiddenRowid(columns)
    const ofHistory = [...(table.key ?? []), VERSION_COLUMN, SUPERSEDED_COLUMN]
    const key = isLive ? (table.order ?? table.key ?? []) : rowid === null ? ofHistory : [rowid]
    const read = [...columns, ...key.filter((name) => !columns.includes(name))]
    const place: Place = { table: table.name, sql: from, parameters: [], columns: read, key }
    for await (const batch of this.stream(`SELECT ${list(read)} FROM ${from} WHERE ${where}`, [])) {
      for (const row of batch) {
        this.#keepUndecodableText(place, row)
        row.length = columns.length
      }
      yield batch
    }
  }

  /** A writer's transaction has the file for itself. */
  async findRows(table: Table, by: readonly string[], cells: readonly Row[]): Promise<(Row | null)[]> {
    const columns = imageColumns(table)
    const place: Place = { table: table.name, sql: quote(table.name), parameters: [], columns, key: table.order ?? [] }
    const prepared = (slots: readonly string[]) => {
      const where = by.map((name, i) => `${quote(name)} IS ${slots[i]}`).join(' AND ')
      return prepare(this.#db, `SELECT ${list(columns)} FROM ${quote(table.name)} WHERE ${where}`)
    }
    return this.#translated(() => {
      const plain = prepared(by.map(() => '?'))
      return cells.map((wanted) => {
        const isPlain = !wanted.some((value) => value instanceof RawText)
        const statement = isPlain ? plain : prepared(wanted.map(slotFor))
        const row = (statement.get(...wanted.map(bindable)) ?? null) as Row | null
        if (row) this.#keepUndecodableText(place, row)
        return row
      })
    })
  }

  override async *readState(table: Table, tracking: Tracking, version: number): AsyncIterable<Row[]> {
    const place = this.#stateAt(table, tracking, version)
    for await (const batch of super.readState(table, tracking, version)) {
      for (const row of batch) this.#keepUndecodableText(place, row)
      yield batch
    }
  }

  override async *changesBetween(table: Table, tracking: Tracking, from: number, to: number): AsyncIterable<RowChange> {
    const places = [this.#stateAt(table, tracking, from), this.#stateAt(table, tracking, to)] as const
    for await (const change of super.changesBetween(table, tracking, from, to)) {
      const { before, after } = change
      // A row that is found by such text cannot be asked for; it is shown as the driver has it.
      const isFound = !places[0].key.some((name) => {
        const key = (after ?? before)?.[places[0].columns.indexOf(name)] ?? null
        return key === null || String(key).includes(REPLACEMENT)
      })
      if (isFound && before) this.#keepUndecodableText(places[0], before)
      if (isFound && after) this.#keepUndecodableText(places[1], after)
      if (!before || !after || !isFound || plainlyDiffer(before, after)) yield change
      else if (encodeRow(before) !== encodeRow(after)) yield change
    }
  }

  override async rowVersions(table: Table, tracking: Tracking | null, key: Row): Promise<RowVersion[]> {
    const found = await super.rowVersions(table, tracking, key)
    const place = this.#everyVersion(table, tracking)
    for (const { row, since, until } of found) {
      const whole = [...row, since, until]
      this.#keepUndecodableText(place, whole)
      row.splice(0, row.length, ...whole.slice(0, row.length))
    }
    return found
  }

  /** Where the rows of a table stand with all that is known of them. */
  #everyVersion(table: Table, tracking: Tracking | null): Place {
    const columns = this.names(table)
    const own = list(columns)
    const [since, until] = [quote(VERSION_COLUMN), quote(SUPERSEDED_COLUMN)]
    const parts = tracking ? [`SELECT ${own}, ${since}, ${until} FROM ${this.historyOf(tracking)}`] : []
    if (!tracking || tracking.live) {
      parts.push(`SELECT ${own}, ${tracking ? since : 'NULL'} AS ${since}, NULL AS ${until} FROM ${quote(table.name)}`)
    }
    return {
      table: table.name,
      sql: `(${parts.join(' UNION ALL ')})`,
      parameters: [],
      columns: [...columns, VERSION_COLUMN, SUPERSEDED_COLUMN],
      key: [...(table.key ?? []), VERSION_COLUMN, SUPERSEDED_COLUMN]
    }
  }

  async compareKeys(table: Table, columns: readonly string[], key: Row, others: readonly Row[]): Promise<number[]> {
    const signs = columns.map((name, i) => {
      const collation = quote(table.collations[name] ?? 'BINARY')
      const [own, other] = [`?${2 * i + 1} COLLATE ${collation}`, `?${2 * i + 2}`]
      return `WHEN ${own} > ${other} THEN -1 WHEN ${own} < ${other} THEN 1`
    })
    return this.#translated(() => {
      const statement = prepare(this.#db, `SELECT CASE ${signs.join(' ')} ELSE 0 END`)
      return others.map((other) => {
        const cells = columns.flatMap((_, i) => [key[i] ?? null, other[i] ?? null]).map(bindable)
        return Number((statement.get(...cells) as unknown as Row)[0])
      })
    })
  }

  /** Where the rows of a tracked table stand that there were at a version. */
  #stateAt(table: Table, tracking: Tracking, version: number): Place {
    const columns = this.names(table)
    const parts = [`SELECT ${list(columns)} FROM ${this.historyOf(tracking)} h WHERE ${this.stateOf('h')}`]
    if (tracking.live) {
      parts.push(`SELECT ${list(columns)} FROM ${quote(table.name)} WHERE ${quote(VERSION_COLUMN)} <= ?`)
    }
    const parameters = [version, version, ...(tracking.live ? [version] : [])].map(BigInt)
    return { table: table.name, sql: `(${parts.join(' UNION ALL ')})`, parameters, columns, key: table.key ?? [] }
  }

  /** The driver turns bytes that are not UTF-8 into U+FFFD; where that sign stands, the bytes are read again as they are. */
  #keepUndecodableText(place: Place, row: Row): void {
    const { columns } = place
    for (let i = 0; i < row.length; i++) {
      const text = row[i]
      if (typeof text !== 'string' || !text.includes(REPLACEMENT)) continue
      const keyAt = place.key.map((name) => columns.indexOf(name))
      // Such a key may stand for several rows, and none of them can be asked for.
      if (keyAt.includes(i)) throw undecodableKey(place.table)
      const column = columns[i] as string
      const sql = `SELECT CAST(${quote(column)} AS BLOB), ${hasBytesOf(column)} FROM ${place.sql} WHERE ${matching(place.key)}`
      const key = keyAt.map((at) => row[at] as Value)
      const { rows } = readAll(this.#db, sql, [text, ...place.parameters, ...key].map(bindable))
      if (rows.length > 1) throw undecodableKey(place.table)
      const [bytes, same] = rows[0] ?? []
      if (same !== 1n && bytes instanceof Uint8Array) row[i] = new RawText(bytes)
    }
  }

  async writeRows<R extends TypedRow>(request: WriteRequest<R>): Promise<WriteCounts> {
    try {
      return await new RowWriter(this.#db, request).write()
    } catch (error) {
      throw translate(error, this.database)
    }
  }

  triggerStatements(table: Table): string[] {
    return table.ddl.filter(isTriggerStatement)
  }

  /** They are taken out inside the transaction. */
  async liftTriggers(): Promise<string[]> {
    return []
  }

  async applyChanges(
    table: Table,
    changes: () => AsyncIterable<RowChange>,
    version: number,
    tracking: Tracking | null
  ): Promise<void> {
    await this.withoutTriggers(table, async () => {
      await this.#deleteBefore(table, changes(), version, tracking)
      await this.#insertAfter(table, changes(), version, tracking)
    })
  }

  async #deleteBefore(
    table: Table,
    changes: AsyncIterable<RowChange>,
    version: number,
    tracking: Tracking | null
  ): Promise<void> {
    const order = table.order ?? []
    const where = matching(order)
    const remove = this.#db.prepare(`DELETE FROM ${quote(table.name)} WHERE ${where}`)
    const names = [...this.names(table), VERSION_COLUMN]
    const supersede = tracking
      ? this.#db.prepare(
          `INSERT INTO ${quote(tracking.history)} (${list([...names, SUPERSEDED_COLUMN])}) ` +
            `SELECT ${list(names)}, ${version} FROM ${quote(table.name)} WHERE ${where}`
        )
      : null
    const orderAt = order.map((name) => imageColumns(table).indexOf(name))
    for await (const { before } of changes) {
      if (!before) continue
      const key = orderAt.map((at) => bindable(before[at] as Value))
      supersede?.run(...key)
      remove.run(...key)
    }
  }

  async #insertAfter(
    table: Table,
    changes: AsyncIterable<RowChange>,
    version: number,
    tracking: Tracking | null
  ): Promise<void> {
    const columns = imageColumns(table)
    const insert = (slots: string[]) =>
      this.#db.prepare(
        `INSERT OR ABORT INTO ${quote(table.name)} (${list([...columns, ...(tracking ? [VERSION_COLUMN] : [])])}) ` +
          `VALUES (${[...slots, ...(tracking ? [String(version)] : [])].join(', ')})`
      )
    const plain = insert(columns.map(() => '?'))
    for await (const { after } of changes) {
      if (!after) continue
      const statement: StatementSync = after.some((value) => value instanceof RawText)
        ? insert(after.map(slotFor))
        : plain
      statement.run(...after.map(bindable))
    }
  }

  async fill(table: Table, rows: AsyncIterable<Row[]>): Promise<void> {
    // Rows that were there before a check was go in again.
    this.#db.exec('PRAGMA ignore_check_constraints = ON')
    try {
      await this.#insertAll(table, rows)
    } finally {
      this.#db.exec('PRAGMA ignore_check_constraints = OFF')
    }
  }

  async #insertAll(table: Table, rows: AsyncIterable<Row[]>): Promise<void> {
    const columns = this.names(table)
    const insert = (slots: string[]) =>
      this.#db.prepare(`INSERT OR ABORT INTO ${quote(table.name)} (${list(columns)}) VALUES (${slots.join(', ')})`)
    const plain = this.#translated(() => insert(columns.map(() => '?')))
    for await (const batch of rows) {
      this.#translated(() => {
        for (const row of batch) {
          const isPlain = !row.some((value) => value instanceof RawText)
          const statement = isPlain ? plain : insert(row.map(slotFor))
          statement.run(...row.map(bindable))
        }
      })
    }
  }

  /** Of AUTOINCREMENT; other keys go on behind the highest one that is there. */
  async counterOf(table: string): Promise<bigint | null> {
    if (!(await this.hasControlTable('sqlite_sequence'))) return null
    const [row] = this.#read('SELECT seq FROM sqlite_sequence WHERE name = ? COLLATE NOCASE', table)
    return (row?.seq as bigint | undefined) ?? null
  }

  async raiseCounter(table: string, counter: bigint): Promise<void> {
    if (!(await this.hasControlTable('sqlite_sequence'))) return
    await this.run('UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ? COLLATE NOCASE', [counter, table])
  }

  async foreignKeyViolations(): Promise<string[]> {
    return rowsWithoutParents((sql, ...parameters) => this.#read(sql, ...parameters))
  }

  protected async *stream(sql: string, parameters: Value[]): AsyncIterable<Row[]> {
    const statement = this.#translated(() => prepare(this.#db, sql))
    let batch: Row[] = []
    for (const row of statement.iterate(...parameters.map(bindable)) as Iterable<unknown> as Iterable<Row>) {
      batch.push(row)
      if (batch.length < BATCH) continue
      yield batch
      batch = []
    }
    if (batch.length > 0) yield batch
  }

  protected sameCell(_column: Column, a: string, b: string): string {
    return `${a} IS ${b} COLLATE BINARY AND typeof(${a}) = typeof(${b})`
  }

  override async addVersionColumn(table: Table): Promise<void> {
    await super.addVersionColumn(table)
    await this.run(`CREATE INDEX ${quote(versionIndex(table.name))} ON ${quote(table.name)} (${quote(VERSION_COLUMN)})`)
  }

  override async dropVersionColumn(table: Table): Promise<void> {
    await this.run(`DROP INDEX IF EXISTS ${quote(versionIndex(table.name))}`)
    await super.dropVersionColumn(table)
  }

  /** Names of indexes are unique in a file. */
  protected override indexName(history: string, column: string): string {
    return `${history}_${column}`
  }

  protected historyColumns(table: Table): string[] {
    return writableColumns(table).map(({ name, declared }) => {
      const collation = table.collations[name]
      return `${quote(name)} ${declared}${collation ? ` COLLATE ${quote(collation)}` : ''}`
    })
  }

  async scriptDialect(): Promise<ScriptDialect> {
    return SQLITE_DIALECT
  }

  /** The driver would run the first statement of a text and leave the rest without a word. */
  protected async runStatement(sql: string): Promise<string[]> {
    return this.#translated(() => {
      const statement = this.#db.prepare(sql)
      if (statement.sourceSQL.trim().length < sql.trim().length) throw new Error('this is more than one statement')
      statement.run()
      return []
    })
  }

  protected captureDifferences(table: Table): ReturnType<SqlEngine['captureDifferences']> {
    const makeAside: CaptureSql['makeAside'] = async (name, more, key) => {
      const place = `temp.${quote(name)}`
      const found = key && `${key.nullable ? 'UNIQUE' : 'PRIMARY KEY'} (${list(key.columns)})`
      const numbers = more.map((column) => `${quote(column)} INTEGER`)
      const body = [...this.historyColumns(table), ...numbers, ...(found === null ? [] : [found])].join(', ')
      // Without a rowid a key column INTEGER is not the rowid, which would refuse other values.
      const options = [
        ...(isStrict(this.#db, table.name) ? ['STRICT'] : []),
        ...(key && !key.nullable ? ['WITHOUT ROWID'] : [])
      ]
      await this.run(`CREATE TEMP TABLE ${quote(name)} (${body}) ${options.join(', ')}`)
      return place
    }
    const dropAside = async (place: string) => void (await this.run(`DROP TABLE ${place}`))
    return { makeAside, dropAside, locking: '', selfSetting: [], readsTwice: true }
  }

  /** What ADD COLUMN gives to rows that are there is a constant. */
  protected async addHistoryColumn(table: Table, tracking: Tracking, column: Column): Promise<void> {
    const [row] = this.#read('SELECT dflt_value FROM pragma_table_xinfo(?) WHERE name = ?', table.name, column.name)
    const given = row?.dflt_value
    const constant = typeof given === 'string' && !/^(CURRENT_|\()/i.test(given) ? ` DEFAULT ${given}` : ''
    await this.run(
      `ALTER TABLE ${this.historyOf(tracking)} ADD COLUMN ${quote(column.name)} ${column.declared}${constant}`
    )
  }

  protected async renameHistoryColumn(_: Table, tracking: Tracking, from: string, column: Column): Promise<void> {
    await this.run(`ALTER TABLE ${this.historyOf(tracking)} RENAME COLUMN ${quote(from)} TO ${quote(column.name)}`)
  }

  /** A column without a type holds every value as it is; a key cannot be made anew. */
  protected async retypeHistoryColumn(table: Table, tracking: Tracking, _: Column, column: Column): Promise<void> {
    const history = this.historyOf(tracking)
    const any = isStrict(this.#db, tracking.history) ? 'ANY' : ''
    if (table.key?.includes(column.name)) throw unlikeHistory(table.name, column)
    const [held] = this.#read('SELECT type FROM pragma_table_xinfo(?) WHERE name = ?', tracking.history, column.name)
    if (held?.type === any) return
    const under = quote('rowback_retyped')
    await this.run(`ALTER TABLE ${history} ADD COLUMN ${under} ${any}`)
    await this.run(`UPDATE ${history} SET ${under} = ${quote(column.name)}`)
    await this.run(`ALTER TABLE ${history} DROP COLUMN ${quote(column.name)}`)
    await this.run(`ALTER TABLE ${history} RENAME COLUMN ${under} TO ${quote(column.name)}`)
  }

  protected historyOptions(table: Table): string {
    return isStrict(this.#db, table.name) ? ' STRICT' : ''
  }

  /** SQLite cannot switch triggers off: they are taken out and put back in the same transaction. */
  protected async withoutTriggers<T>(table: Table, work: () => Promise<T>): Promise<T> {
    const triggers = this.#read(
      "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE",
      table.name
    )
    for (const trigger of triggers) this.#db.exec(`DROP TRIGGER ${quote(String(trigger.name))}`)
    const result = await work()
    for (const trigger of triggers) this.#db.exec(String(trigger.sql))
    return result
  }

  #read(sql: string, ...parameters: Value[]): Record<string, Value>[] {
    return this.#translated(() => {
      const statement = this.#db.prepare(sql)
      statement.setReadBigInts(true)
      return statement.all(...parameters.map(bindable)) as Record<string, Value>[]
    })
  }

  #translated<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw translate(error, this.database)
    }
  }
}

function isFile(path: string): boolean {
  return path !== ':memory:' && path !== PRIVATE
}

/** The index by which the rows of a version are found. */
function versionIndex(table: string): string {
  return `rowback_version_${table}`
}

/**
 * A read-only connection still lets VACUUM INTO and ATTACH make files.
 * @throws RowbackError `target.read_only`, or the database's own error for what is no statement
 */
function assertReads(sql: string): void {
  const statement = sql.replace(/^(\s|--[^\n]*(\n|$)|\/\*[\s\S]*?\*\/)+/, '')
  if (
    /^(SELECT|WITH|VALUES|EXPLAIN)\b/i.test(statement) &&
    !/^WITH\b[\s\S]*\b(INSERT|UPDATE|DELETE)\s/i.test(statement)
  )
    return
  assertIsStatement(statement)
  throw new RowbackError({ code: 'target.read_only', message: 'Only SELECT, WITH, VALUES and EXPLAIN can be asked.' })
}

/** A statement is read by a database of its own, and not run. @throws the driver's error for what is none */
function assertIsStatement(statement: string): void {
  // Some of these take effect when they are read: https://sqlite.org/pragma.html
  if (/^PRAGMA\b/i.test(statement)) return
  const db = new DatabaseSync(':memory:')
  try {
    db.prepare(statement)
  } catch (error) {
    if (error instanceof Error && /syntax error|incomplete input|unrecognized token/.test(error.message)) throw error
  } finally {
    db.close()
  }
}

function prepare(db: DatabaseSync, sql: string): StatementSync {
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  return statement
}

function readAll(db: DatabaseSync, sql: string, parameters: Bound[]): QueryResult {
  return answerOf(prepare(db, sql), parameters)
}

/** Columns last: a statement that was prepared before the schema changed notices when it runs. */
function answerOf(statement: StatementSync, parameters: Bound[]): QueryResult {
  const rows = statement.all(...parameters) as unknown as Row[]
  return { columns: statement.columns().map((column) => column.name), rows }
}

function undecodableKey(table: string): RowbackError {
  return new RowbackError({
    code: 'value.undecodable',
    message: `${table} has bytes that may be no valid text, in a key or beside one that is NULL, and they cannot be read exactly.`,
    hint: 'Correct that key, or, where the table is WITHOUT ROWID, give it a rowid.'
  })
}

function noOrder(table: string): RowbackError {
  return new RowbackError({
    code: 'table.no_rowid',
    message: `The columns of ${table} take all names of SQLite's rowid, so its rows cannot be told apart.`,
    hint: 'Give the table a primary key, or rename its column rowid, oid or _rowid_.'
  })
}
