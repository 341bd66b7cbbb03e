import { createHash, randomBytes } from 'node:crypto'
import { ExitCode, RowbackError, usageError } from '../../errors.ts'
import type { RowChange, WriteCounts } from '../../model/change.ts'
import type { SchemaObject, SchemaObjects } from '../../model/schema-object.ts'
import type { Column, ColumnType, DefinedColumn, SeenValues, Table, TableDefinition } from '../../model/table.ts'
import { imageColumns, writableColumns } from '../../model/table.ts'
import type { Row, Value } from '../../model/value.ts'
import type { CapturedTable } from '../capture.ts'
import type { DumpText } from '../dump-text.ts'
import type {
  Bookkeeping,
  Capabilities,
  Engine,
  Lines,
  PastState,
  QueryResult,
  RowRange,
  Shadow,
  StandIn,
  Tracking,
  TransactionOptions,
  TypedRow,
  Unholdable,
  WriteRequest
} from '../engine.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from '../engine.ts'
import type { ScriptDialect } from '../script.ts'
import { SqlEngine } from '../sql-engine.ts'
import { adapterFor } from './adapt.ts'
import type { ReadTable } from './catalogue.ts'
import { Catalogue, columnShown, temporaryShape } from './catalogue.ts'
import { applyChanges, insertRows } from './change-writer.ts'
import type { MysqlColumn } from './columns.ts'
import { bareColumns, cellsOf, columnsNamed, copiesOf, copyExpression, readExpression, sameCell } from './columns.ts'
import { compareKeys } from './compare-keys.ts'
import type { RawResult } from './connection.ts'
import { Connection } from './connection.ts'
import { createText, withoutColumn } from './create-text.ts'
import { declaredType, SHORT_TEXT } from './declare.ts'
import { decodeRows } from './decode.ts'
import { MysqlDumpText } from './dump-text.ts'
import { isMysqlError, isRepeated, translate } from './errors.ts'
import { findRows } from './find-rows.ts'
import { findViolations, withStandIns } from './foreign-keys.ts'
import { addColumn, columnText, renameColumn, retypeColumn } from './history-columns.ts'
import { laterIndexes, otherDefinition } from './later-indexes.ts'
import { loadLines } from './line-loader.ts'
import type { Relation } from './past-tables.ts'
import { explainedOfPast, PastTables } from './past-tables.ts'
import type { Product } from './product.ts'
import { PRODUCT_VARIABLES, readProduct } from './product.ts'
import { rangeCondition } from './range.ts'
import { RowCounter } from './row-counter.ts'
import { makeSchemaObject, readSchemaObjects } from './schema-objects.ts'
import { ScriptSession } from './script-session.ts'
import { SetWriter } from './set-writer.ts'
import { isFinished, shadowOf } from './shadow.ts'
import { bind, list, literal, quote } from './sql-text.ts'
import type { Statements } from './statements.ts'
import type { MysqlTarget } from './target.ts'
import { parseTarget } from './target.ts'
import { definerOf, isTriggerStatement, sessionOf } from './trigger-text.ts'
import type { MemberColumn } from './true-members.ts'
import { trueDeclaration } from './true-members.ts'

/** Statements that commit what is open: https://dev.mysql.com/doc/refman/8.4/en/implicit-commit.html */
const COMMITS = /^\s*(?:\/\*[\s\S]*?\*\/\s*)?(CREATE(?!\s+TEMPORARY\b)|ALTER|DROP(?!\s+TEMPORARY\b)|RENAME|TRUNCATE)\b/i
const WRITES = /^\s*(INSERT|UPDATE|DELETE|REPLACE|LOAD)\b/i
const READS =
  /^(\s|--[^\n]*(\n|$)|#[^\n]*(\n|$)|\/\*(?!!)[\s\S]*?\*\/|\()*(SELECT|WITH|VALUES|TABLE|SHOW|DESCRIBE|DESC|EXPLAIN)\b/i
/** So many long VARCHARs would make a row longer than the 65,535 bytes that a server allows. */
const MOST_VARCHARS = 30
/** https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html#error_er_parse_error */
const NO_STATEMENT = 1064
/** Of InnoDB: https://dev.mysql.com/doc/refman/8.4/en/innodb-limits.html */
const LONGEST_KEY = 3072
const INNODB = ' ENGINE=InnoDB DEFAULT CHARSET=utf8mb4'
const SHOWN_OF_VERSIONS = [
  ...['version_id', 'kind', 'status', 'strategy', 'author', 'author_name', 'author_email', 'author_alias'],
  ...['description', 'remarks', 'tag', 'target_version', 'source_name', 'started_at', 'finished_at']
]
/** Collations in which only equal bytes are equal; utf8mb4_bin would ignore blanks at the end. */
const EXACT_TEXT: Record<Product['family'], string> = {
  mariadb: 'CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin',
  mysql: 'CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin',
  tidb: 'CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_bin'
}
const INFILE_OFF =
  'local_infile is off on this server, so rows go by INSERT, which takes longer. To turn it on: SET GLOBAL local_infile = 1'
const NAMES_DEFINERS = /\b(ALL PRIVILEGES ON \*\.\*|(SUPER|SET USER|SET_USER_ID|SET_ANY_DEFINER)\b)/i
/** Stands in the names of databases that are made for a rehearsal. */
const SCRATCH = '_rowback_rehearsal_'
const RELOCK_MS = 10_000
/** In which two columns of half a million rows have room; servers give 16 MiB unless they are told otherwise. */
const ROOM_BYTES = 64 << 20
/** Around a statement that is to be run in the session of another. */
const KEEP_SESSION =
  'SET @rowback_mode = @@sql_mode, @rowback_collation = @@collation_connection, ' +
  '@rowback_client = @@character_set_client, @rowback_zone = @@time_zone'
const RESTORE_SESSION =
  'SET sql_mode = @rowback_mode, character_set_client = @rowback_client, ' +
  'collation_connection = @rowback_collation, time_zone = @rowback_zone'

/** MySQL, MariaDB and what speaks like them: one session; bookkeeping stands in a schema beside the data. */
export class MysqlEngine extends SqlEngine {
  readonly name = 'mysql'
  readonly product: string
  readonly database: string
  readonly isNew = false
  readonly capabilities: Capabilities
  override readonly advice: readonly string[]
  // Only = lets the server look rows up one by one in a unique key; the keys of tracked tables have no NULLs.
  protected readonly keyEqual = '='
  protected override readonly tableOptions = INNODB
  protected override readonly controlOptions = `${INNODB} COLLATE=utf8mb4_bin`
  readonly #target: MysqlTarget
  readonly #server: Product
  readonly #controlSchema: string
  #connection: Connection
  /** Of the lock that is held; null for none. */
  #lockName: string | null = null
  /** Temporary tables of a rehearsal. */
  #scratch: string[] = []
  /** The database goes when it is closed. */
  #isScratch = false
  #inTransaction = false
  /** A session for what may be no part of a transaction; made when it is needed. */
  #besides: Connection | null = null
  /** Columns of ENUM and SET whose members the server does not tell: `t.c`. */
  readonly #hiddenMembers = new Set<string>()
  /** Tables as they were read last, see {@link tableToRead}. */
  readonly #toRead = new Map<string, ReadTable>()
  /** What there was when the names of tables were asked for in the open transaction. */
  #listed: Relation[] | null = null
  /** Sessions in which tables that are put together have room. */
  readonly #roomy = new WeakSet<Connection>()
  /** The open transaction only reads. */
  #isReading = false
  /** Rows were written in the open transaction: a statement that commits would leave half a version. */
  #hasWritten = false

  private constructor(target: MysqlTarget, connection: Connection, server: Product) {
    super()
    this.#target = target
    this.#connection = connection
    this.#server = server
    this.database = target.database
    this.product = server.name
    this.advice = server.localInfile ? [] : [INFILE_OFF]
    this.capabilities = {
      transactionalDdl: false,
      exclusiveEverywhere: !server.cluster,
      invisibleColumns: server.invisibleColumns,
      largestInteger: 2n ** 64n - 1n,
      longestKey: LONGEST_KEY,
      typesPerValue: false,
      ordersByIndex: false,
      // Its INSERT ... SELECT holds no rows against others.
      capturesScripts: server.family !== 'tidb'
    }
    this.#controlSchema = target.sameSchema ? target.database : `${target.database}_rowback`
  }

  /**
   * @param url `mysql://user:password@host:port/database`
   * @throws RowbackError `target.invalid`, `target.unreachable`, `target.denied` or `target.missing`
   */
  static async open(url: string): Promise<MysqlEngine> {
    const target = parseTarget(url)
    let connection: Connection | null = null
    try {
      connection = await connect(target)
      const server = readProduct(await readVariables(connection))
      if (server.cluster) await readCausally(connection)
      await assertControlPlace(target, connection)
      return new MysqlEngine(target, connection, server)
    } catch (error) {
      // An open one would keep the process alive after its last word.
      await connection?.close()
      throw translate(error, target.database)
    }
  }

  async #askMembers(schema: string, column: MemberColumn): Promise<string | null> {
    if (this.#besides?.lost) this.#besides = null
    this.#besides ??= await connect(this.#target).catch(() => null)
    const declared = this.#besides && (await trueDeclaration(this.#besides, schema, column))
    const name = `${column.table}.${column.column}`
    if (declared === null) this.#hiddenMembers.add(name)
    else this.#hiddenMembers.delete(name)
    return declared
  }

  async close(): Promise<void> {
    await this.#besides?.close()
    if (this.#isScratch) await this.run(`DROP DATABASE IF EXISTS ${quote(this.database)}`)
    await this.#connection.close()
  }

  async openScratch(): Promise<MysqlEngine> {
    const prefix = `${this.database.slice(0, 36)}${SCRATCH}`
    const database = `${prefix}${randomBytes(4).toString('hex')}`
    const scratch = new MysqlEngine(
      { ...this.#target, database },
      await this.#translated(() => connect(this.#target)),
      this.#server
    )
    try {
      await scratch.#makeScratch(prefix)
      return scratch
    } catch (error) {
      await scratch.close()
      throw cannotMake(error, prefix)
    }
  }

  /** The lock says that somebody is at work there: where it is free, the process ended before it could tidy up. */
  async #makeScratch(prefix: string): Promise<void> {
    await this.#lock(scratchLock(this.database), 0)
    const names = await this.#read('SELECT SCHEMA_NAME FROM information_schema.SCHEMATA')
    for (const [cell] of names) {
      const name = String(cell)
      if (!name.startsWith(prefix) || !/^[0-9a-f]{8}$/.test(name.slice(prefix.length))) continue
      const [row] = await this.#read('SELECT IS_FREE_LOCK(?)', [scratchLock(name)])
      if (row?.[0] === 1n) await this.#execute(`DROP DATABASE IF EXISTS ${quote(name)}`)
    }
    await this.#execute(`CREATE DATABASE ${quote(this.database)} CHARACTER SET utf8mb4`)
    this.#isScratch = true
    await this.#execute(`USE ${quote(this.database)}`)
  }

  async run(sql: string, parameters: Value[] = []): Promise<number> {
    const session = sessionOf(sql)
    if (session === null) return (await this.#execute(bind(sql, parameters))).affected
    await this.#execute(KEEP_SESSION)
    try {
      await this.#execute(`SET ${session}`)
      return (await this.#execute(sql)).affected
    } finally {
      await this.#execute(RESTORE_SESSION)
    }
  }

  async query(sql: string, parameters: Value[] = []): Promise<QueryResult> {
    return this.#translated(async () => {
      return toQueryResult(await (await this.#alive()).read(bind(sql, parameters)))
    })
  }

  async readOnlyQuery(sql: string): Promise<QueryResult> {
    await this.#assertReads(sql)
    if (this.#isReading) return this.query(sql)
    return this.#translated(async () => {
      const connection = await this.#alive()
      await connection.execute('START TRANSACTION READ ONLY')
      try {
        return toQueryResult(await connection.read(sql))
      } finally {
        if (!connection.lost) await connection.execute('ROLLBACK')
      }
    })
  }

  /** @throws RowbackError `target.read_only`, or the server's own error for what is no statement */
  async #assertReads(sql: string): Promise<void> {
    if (READS.test(sql) && !/\bINTO\s+(OUTFILE|DUMPFILE|@)/i.test(sql)) return
    await this.#translated(async () => assertIsStatement(await this.#alive(), sql))
    throw new RowbackError({
      code: 'target.read_only',
      message: 'Only what reads can be asked: SELECT, WITH, SHOW, DESCRIBE, EXPLAIN.'
    })
  }

  async readOnlyQueryAt(sql: string, past: PastState): Promise<QueryResult> {
    await this.#assertReads(sql)
    let session: MysqlEngine | null = null
    // Temporary tables are another session's, for in this one a transaction may be reading what they are made of.
    const open = async () => {
      session ??= new MysqlEngine(this.#target, await connect(this.#target), this.#server)
      return session.#statements()
    }
    try {
      const historyOf = (history: string) => this.historyOf({ history, live: false })
      const relations = this.#listed ?? (await this.#relations())
      const server = { database: this.database, ignoresCase: this.#server.ignoresCase, relations }
      const tables = new PastTables({ here: this.#statements(), open, historyOf }, server, past)
      const asked = await this.#translated(() => tables.make(sql))
      await this.#makeRoom()
      return await ((session as MysqlEngine | null) ?? this).readOnlyQuery(asked)
    } catch (error) {
      throw explainedOfPast(error)
    } finally {
      await (session as MysqlEngine | null)?.close()
    }
  }

  /** A past table is put together of two: servers would take it to the disk sooner than a table that is read as it stands. */
  async #makeRoom(): Promise<void> {
    const connection = await this.#alive()
    if (this.#server.family === 'tidb' || this.#roomy.has(connection)) return
    this.#roomy.add(connection)
    const raised = ['tmp_table_size', 'max_heap_table_size'].map(
      (name) => `${name} = GREATEST(@@${name}, ${ROOM_BYTES})`
    )
    // It is a matter of speed alone.
    await connection.execute(`SET ${raised.join(', ')}`).catch(() => {})
  }

  quote(identifier: string): string {
    return quote(identifier)
  }

  controlTable(name: string): string {
    return `${quote(this.#controlSchema)}.${quote(name)}`
  }

  async hasControlTable(name: string): Promise<boolean> {
    const rows = await this.#read(
      'SELECT 1 FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? AND TABLE_TYPE = ?',
      [this.#controlSchema, name, 'BASE TABLE']
    )
    return rows.length > 0
  }

  async controlTables(): Promise<string[]> {
    const rows = await this.#read('SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?', [
      this.#controlSchema
    ])
    return rows.map(([name]) => String(name))
  }

  override async createControlTable(definition: TableDefinition): Promise<void> {
    await this.#makeControlSchema()
    await super.createControlTable(definition)
  }

  async #makeControlSchema(): Promise<void> {
    if (this.#target.sameSchema) return
    const rows = await this.#read('SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?', [
      this.#controlSchema
    ])
    if (rows.length > 0) return
    try {
      await this.run(`CREATE DATABASE IF NOT EXISTS ${quote(this.#controlSchema)} CHARACTER SET utf8mb4`)
    } catch (error) {
      throw new RowbackError({
        code: 'privilege.missing',
        message: `The bookkeeping of ${this.database} belongs into the schema ${this.#controlSchema}, which this user may not make (${(error as Error).message}).`,
        hint: `Make it and grant it (docs/engines.md), or keep the bookkeeping among the data: add control=same-schema to the target URL.`,
        cause: error
      })
    }
  }

  async exclusively<T>(wait: number, work: () => Promise<T>): Promise<T> {
    if (this.#lockName !== null || this.#inTransaction) return work()
    const name = `rowback:${createHash('sha256').update(this.#controlSchema).digest('hex').slice(0, 40)}`
    await this.#lock(name, wait)
    this.#lockName = name
    try {
      return await work()
    } finally {
      this.#lockName = null
      if (!this.#connection.lost) await this.#read('SELECT RELEASE_LOCK(?)', [name])
    }
  }

  /** GET_LOCK answers 1, 0 when another holds it, and NULL when something went wrong. */
  async #lock(name: string, wait: number): Promise<void> {
    const [row] = await this.#read('SELECT GET_LOCK(?, ?)', [name, BigInt(Math.ceil(wait / 1000))])
    if (row?.[0] === 1n) return
    throw new RowbackError({
      code: 'locked',
      message:
        row?.[0] === 0n
          ? `Another migration is at work on ${this.database}.`
          : `The server gave no answer about the lock of ${this.database}.`,
      hint: 'Try again when it has finished, or wait for it with --wait SECONDS.',
      exit: ExitCode.locked
    })
  }

  async transaction<T>(options: TransactionOptions, work: () => Promise<T>): Promise<T> {
    return this.exclusively(options.wait, async () => {
      await this.#begin(options)
      try {
        const result = await work()
        await this.#execute('COMMIT')
        return result
      } catch (error) {
        await this.#rollback()
        throw translate(error, this.database)
      } finally {
        await this.#end()
      }
    })
  }

  async readTransaction<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inTransaction) return work()
    await this.#execute('START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY')
    this.#inTransaction = true
    this.#isReading = true
    try {
      return await work()
    } catch (error) {
      throw translate(error, this.database)
    } finally {
      this.#inTransaction = false
      this.#isReading = false
      this.#listed = null
      await this.#rollback()
    }
  }

  async #begin(options: TransactionOptions): Promise<void> {
    const seconds = Math.max(1, Math.ceil(options.wait / 1000))
    await this.#execute(
      `SET autocommit = 0, foreign_key_checks = ${options.foreignKeys ? 1 : 0}, innodb_lock_wait_timeout = ${seconds}, lock_wait_timeout = ${seconds}`
    )
    await this.#execute('START TRANSACTION WITH CONSISTENT SNAPSHOT')
    this.#inTransaction = true
    this.#hasWritten = false
  }

  override async commitNotes(): Promise<void> {
    if (this.#hasWritten) throw new Error('this would commit half a version')
    await this.#execute('COMMIT')
  }

  async #rollback(): Promise<void> {
    // On a lost connection the server does it.
    if (!this.#connection.lost) await this.#connection.execute('ROLLBACK').catch(() => {})
  }

  async #end(): Promise<void> {
    this.#inTransaction = false
    if (this.#connection.lost) return
    for (const name of this.#scratch.splice(0)) {
      await this.#connection.execute(`DROP TEMPORARY TABLE IF EXISTS ${quote(name)}`).catch(() => {})
    }
    await this.#connection.execute('SET autocommit = 1, foreign_key_checks = 1').catch(() => {})
  }

  async tables(bookkeeping: Bookkeeping[]): Promise<Table[]> {
    const hidden = this.#hiddenOf(bookkeeping)
    const tables = await this.#catalogue().tables((name) => hidden.has(name))
    return tables.map((table) => this.withoutBookkeeping(table, bookkeeping))
  }

  protected withoutVersionColumn([table = '', ...others]: readonly string[]): string[] {
    return [withoutColumn(table, VERSION_COLUMN), ...others]
  }

  protected hasPlainKey(table: Table): boolean {
    const key = columnsNamed(table, table.key ?? [])
    return key.length > 0 && key.every(({ dataType }) => /^(tiny|small|medium|big)?int$/.test(dataType))
  }

  async relations(): Promise<string[]> {
    return (await this.#relations()).map(({ name }) => name)
  }

  async #relations(): Promise<Relation[]> {
    const rows = await this.#read(
      'SELECT TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?',
      [this.database]
    )
    return rows.map(([name, type]) => ({ name: String(name), type: String(type) }))
  }

  override async tableNames(bookkeeping: Bookkeeping[]): Promise<string[]> {
    const hidden = this.#hiddenOf(bookkeeping)
    this.#listed = await this.#relations()
    return this.#listed.filter(({ name, type }) => type === 'BASE TABLE' && !hidden.has(name)).map(({ name }) => name)
  }

  override async tableToRead(name: string, bookkeeping: Bookkeeping[]): Promise<Table | undefined> {
    const found = await this.#catalogue().toRead(name, this.#toRead.get(name))
    if (found) this.#toRead.set(name, found)
    else this.#toRead.delete(name)
    return found && this.withoutBookkeeping(found.table, bookkeeping)
  }

  #hiddenOf(bookkeeping: readonly Bookkeeping[]): ReadonlySet<string> {
    return this.#target.sameSchema ? this.bookkeepingNames(bookkeeping) : new Set()
  }

  /**
   * By the primary key: in a smaller index, pages that this transaction wrote do not say which of their rows are there, and
   * each one would be looked up.
   */
  override async countRows(table: string): Promise<number> {
    const keys = await this.#read(
      "SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ? AND INDEX_NAME = 'PRIMARY' LIMIT 1",
      [table]
    )
    const index = keys.length > 0 ? ' FORCE INDEX (PRIMARY)' : ''
    const [row] = await this.#read(`SELECT count(*) FROM ${quote(table)}${index}`)
    return Number(row?.[0])
  }

  async unsupportedTables(): Promise<string[]> {
    return this.#catalogue().unsupported()
  }

  async schemaObjects(): Promise<SchemaObjects> {
    const { objects, notes } = await readSchemaObjects((sql, parameters) => this.#read(sql, parameters), this.database)
    const hidden = [...this.#hiddenMembers].map(
      (column) =>
        `The server prints members of ${column} as "?": a table made from the backup cannot hold these values.`
    )
    return { objects, notes: [...notes, ...hidden] }
  }

  async makeSchemaObject(object: SchemaObject): Promise<string[]> {
    const read = (sql: string, parameters?: Value[]) => this.#read(sql, parameters)
    return makeSchemaObject({ read, run: (sql) => this.run(sql), database: this.database }, object)
  }

  override async historyShape(history: string): Promise<Table | undefined> {
    return this.#catalogue(this.#controlSchema).shape(history)
  }

  #catalogue(schema = this.database): Catalogue {
    const read = (sql: string, parameters?: Value[]) => this.#read(sql, parameters)
    return new Catalogue(read, schema, this.#server.family === 'mariadb', (column) => this.#askMembers(schema, column))
  }

  async dumpText(): Promise<DumpText> {
    return new MysqlDumpText()
  }

  async counterOf(table: string): Promise<bigint | null> {
    // information_schema would say what it was a while ago.
    const [row] = await this.#read(`SHOW CREATE TABLE ${quote(table)}`)
    const counter = /^\) .*?AUTO_INCREMENT=(\d+)/m.exec(createText(row?.[1]))?.[1]
    return counter === undefined ? null : BigInt(counter)
  }

  declare(type: ColumnType, seen?: SeenValues): string {
    return declaredType(type, seen)
  }

  adapter(column: Column): ((value: Value) => Value | Unholdable) | null {
    // A column that is not made yet has no more than a type.
    return 'dataType' in column ? adapterFor(column as MysqlColumn) : null
  }

  /** A temporary table: making it commits nothing, and no other session sees it. */
  async createScratchTable(definition: TableDefinition): Promise<Table> {
    const { name, key } = definition
    await this.#execute(`CREATE TEMPORARY TABLE ${quote(name)} ${this.tableBody(definition)}${this.tableOptions}`)
    this.#scratch.push(name)
    const rows = await this.#read(`SHOW FULL COLUMNS FROM ${quote(name)}`)
    const columns = rows.map(columnShown).filter((column) => column !== null)
    return temporaryShape(name, columns, key)
  }

  /** A temporary table hides the one of its name from this session. */
  override async hideBehindCopy(table: Table): Promise<void> {
    const under = 'rowback_copy'
    const columns = list(writableColumns(table).map((column) => column.name))
    await this.#execute(`CREATE TEMPORARY TABLE ${quote(under)} LIKE ${quote(table.name)}`)
    this.#scratch.push(under)
    // Renaming commits; what went into the copy is nothing that would outlive the session.
    const fill = `INSERT INTO ${quote(under)} (${columns}) SELECT ${columns} FROM ${quote(table.name)}`
    await this.#translated(() => this.#connection.execute(fill))
    await this.#execute(`ALTER TABLE ${quote(under)} RENAME TO ${quote(table.name)}`)
    this.#scratch.push(table.name)
  }

  protected override declareIn({ columns, key }: TableDefinition, column: DefinedColumn): string {
    const declared = this.declare(column.type, column.seen)
    const isLong = columns.length > MOST_VARCHARS && declared.startsWith('VARCHAR')
    const fitting = key?.includes(column.name) ? keyType(declared) : isLong ? 'TEXT' : declared
    return column.exactText && /^VARCHAR|TEXT$/.test(fitting)
      ? `${fitting} ${EXACT_TEXT[this.#server.family]}`
      : fitting
  }

  /** Whether other tables refer to it was asked before; after the commit nothing may stop it. */
  override async dropTable(name: string): Promise<void> {
    await this.#execute('SET foreign_key_checks = 0')
    await super.dropTable(name)
    if (!this.#inTransaction) await this.#execute('SET foreign_key_checks = 1')
  }

  async raiseCounter(table: string, counter: bigint): Promise<void> {
    const shape = await this.#catalogue().shape(table)
    if (!shape?.columns.some((column) => (column as MysqlColumn).counts)) return
    await this.#execute(`ALTER TABLE ${quote(table)} AUTO_INCREMENT = ${counter}`)
  }

  override shadowOf(name: string, ddl: readonly string[], under: string): Shadow {
    return shadowOf(name, ddl, under, this.#server.family !== 'mariadb')
  }

  /**
   * Foreign keys of other tables follow a table that is renamed. Only where there are none can both tables change names
   * at once; else the old one is dropped, which leaves those keys waiting for a table of its name.
   */
  override async swapIn({ table, under, aside, finish }: Parameters<Engine['swapIn']>[0]): Promise<void> {
    const there = new Set((await this.#catalogue().tables(() => false)).map((entry) => entry.name))
    if (there.has(under)) {
      const children = (await this.#catalogue().foreignKeys()).filter(
        (key) => key.parentTable === table && key.table !== table
      )
      const isAtOnce = there.has(table) && children.length === 0
      await this.#withoutForeignKeys(async () => {
        if (there.has(table) && !isAtOnce) await this.#execute(`DROP TABLE ${quote(table)}`)
        const out = isAtOnce ? `${quote(table)} TO ${quote(aside)}, ` : ''
        await this.#execute(`RENAME TABLE ${out}${quote(under)} TO ${quote(table)}`)
      })
    }
    await this.#withoutForeignKeys(async () => {
      await this.#execute(`DROP TABLE IF EXISTS ${quote(aside)}`)
      const made = (await this.#catalogue().tables((name) => name !== table))[0]
      for (const statement of finish) {
        if (!isFinished(table, statement, made?.ddl ?? [])) await this.run(statement)
      }
    })
  }

  async #withoutForeignKeys(work: () => Promise<void>): Promise<void> {
    await this.#execute('SET foreign_key_checks = 0')
    try {
      await work()
    } finally {
      if (!this.#connection.lost) await this.#execute('SET foreign_key_checks = 1')
    }
  }

  override async dropVersionColumn(table: Table): Promise<void> {
    const indexes = await this.#read(`SHOW INDEX FROM ${quote(table.name)} WHERE Key_name = 'rowback_version'`)
    if (indexes.length > 0) await this.#execute(`ALTER TABLE ${quote(table.name)} DROP INDEX \`rowback_version\``)
    await super.dropVersionColumn(table)
    const left = await this.#read(
      "SELECT 1 FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = ? AND INDEX_NAME = 'rowback_version' LIMIT 1",
      [this.database]
    )
    if (left.length === 0 && (await this.#shownVersions()) === 'ours')
      await this.#execute('DROP VIEW `rowback_version`')
  }

  async *readRows(table: Table, range: RowRange): AsyncIterable<Row[]> {
    yield* this.stream(this.#selectImage(table, range), [], columnsNamed(table, imageColumns(table)))
  }

  override async *readLines(table: Table, range: RowRange): AsyncIterable<Lines> {
    yield* this.#lines(this.#selectImage(table, range), columnsNamed(table, imageColumns(table)))
  }

  protected override async *linesWhere(table: Table, place: string, where: string): AsyncIterable<Lines> {
    const columns = writableColumns(table) as MysqlColumn[]
    yield* this.#lines(`SELECT ${this.cellsOf(columns).join(', ')} FROM ${place} WHERE ${where}`, columns)
  }

  /** @param sql begins with the cells of these columns, and has no others */
  async *#lines(sql: string, columns: readonly MysqlColumn[]): AsyncIterable<Lines> {
    const decoders = columns.map((column) => readExpression(column, '').decoder)
    try {
      yield* (await this.#alive()).lines(sql, decoders)
    } catch (error) {
      throw translate(error, this.database)
    }
  }

  #selectImage(table: Table, range: RowRange): string {
    const names = imageColumns(table)
    const columns = columnsNamed(table, names)
    // Without a key the rows still come in the same order while they stay the same.
    const order = table.order ?? names
    const where = rangeCondition(table, range)
    return `SELECT ${this.cellsOf(columns).join(', ')} FROM ${quote(table.name)} ${where} ORDER BY ${list(order)}`
  }

  async findRows(table: Table, by: readonly string[], cells: readonly Row[]): Promise<(Row | null)[]> {
    const decode = (columns: readonly MysqlColumn[], alias: string, rest: string) =>
      this.#readCells(columns, alias, rest)
    return this.#translated(() => findRows(decode, table, by, cells))
  }

  async writeRows<R extends TypedRow>(request: WriteRequest<R>): Promise<WriteCounts> {
    this.#hasWritten = true
    const history = request.tracking && this.historyOf(request.tracking)
    const decode = (columns: readonly MysqlColumn[], alias: string, rest: string) =>
      this.#readCells(columns, alias, rest)
    return this.#translated(() => new SetWriter({ statements: this.#statements(), history, decode }, request).write())
  }

  async #readCells(columns: readonly MysqlColumn[], alias: string, rest: string): Promise<Row[]> {
    const cells = columns.map((column) => readExpression(column, `${alias}.${quote(column.name)}`))
    const result = await (await this.#alive()).read(`SELECT ${cells.map((cell) => cell.sql).join(', ')}${rest}`)
    return decodeRows(
      result,
      cells.map((cell) => cell.decoder)
    )
  }

  #statements(): Statements {
    const connection = this.#connection
    return {
      product: this.#server,
      execute: (sql) => connection.execute(sql),
      read: async (sql) => decodeRows(await connection.read(sql)),
      stream: (sql) => connection.stream(sql),
      scan: (sql, visit) => connection.scan(sql, visit),
      load: (sql, bytes) => connection.load(sql, bytes)
    }
  }

  triggerStatements(table: Table): string[] {
    return table.ddl.filter(isTriggerStatement)
  }

  async liftTriggers(table: Table): Promise<string[]> {
    const back = this.triggerStatements(table)
    await this.#assertCanMake(table.name, back)
    for (const trigger of table.triggers) await this.#execute(`DROP TRIGGER IF EXISTS ${quote(trigger)}`)
    return back
  }

  /** Triggers that were made by others can only be put back by who may name them as definers. */
  async #assertCanMake(table: string, triggers: readonly string[]): Promise<void> {
    const definers = new Set(triggers.map(definerOf).filter((definer) => definer !== null))
    const [row] = await this.#read('SELECT CURRENT_USER()')
    definers.delete(String(row?.[0]))
    const [stranger] = definers
    if (stranger === undefined) return
    const grants = (await this.#read('SHOW GRANTS')).map(([grant]) => String(grant))
    if (grants.some((grant) => NAMES_DEFINERS.test(grant))) return
    throw new RowbackError({
      code: 'privilege.missing',
      message: `The triggers of ${table} would have to be lifted and put back, and belong to ${stranger}, in whose name this user may not make any.`,
      hint: `Do it as ${stranger}, or as a user with the privilege SET USER (MariaDB) or SET_ANY_DEFINER (MySQL).`
    })
  }

  async applyChanges(
    table: Table,
    changes: () => AsyncIterable<RowChange>,
    version: number,
    tracking: Tracking | null
  ): Promise<void> {
    this.#hasWritten = true
    const history = tracking && this.historyOf(tracking)
    await this.#translated(() => applyChanges(this.#statements(), table, changes, version, history))
  }

  /** An index that is sorted as a whole costs a fraction of one that grows row by row. */
  override async makeToFill(name: string, statement: string): Promise<() => Promise<void>> {
    await this.run(statement)
    const { drop, add } = laterIndexes(statement)
    if (drop.length === 0) return async () => {}
    const shown = () => this.#catalogue().createStatement(name)
    const before = await shown()
    try {
      await this.#execute(`ALTER TABLE ${quote(name)} ${drop.join(', ')}`)
    } catch (error) {
      // Something needs one of them, as a counter does; all of them are still there.
      if (error instanceof RowbackError && (await shown()) === before) return async () => {}
      throw error
    }
    return () =>
      this.#aside(async (session) => {
        await session.#execute(`ALTER TABLE ${quote(name)} ${add.join(', ')}`)
        if ((await session.#catalogue().createStatement(name)) !== before) throw otherDefinition(name)
      })
  }

  /** Works in a session of its own, while this one may be busy. */
  async #aside(work: (session: MysqlEngine) => Promise<void>): Promise<void> {
    const session = new MysqlEngine(this.#target, await this.#translated(() => connect(this.#target)), this.#server)
    try {
      await work(session)
    } finally {
      await session.close()
    }
  }

  override async fillLines(table: Table, lines: AsyncIterable<Buffer>): Promise<void> {
    this.#hasWritten = true
    await this.#translated(() => loadLines(this.#statements(), table, lines))
  }

  async fill(table: Table, rows: AsyncIterable<Row[]>): Promise<void> {
    this.#hasWritten = true
    await this.#translated(() => insertRows(this.#statements(), table, rows))
  }

  async foreignKeyViolations(standIns: readonly StandIn[] = []): Promise<string[]> {
    const foreignKeys = withStandIns(await this.#catalogue().foreignKeys(), standIns)
    const found = await findViolations((sql) => this.#read(sql), foreignKeys)
    return found.map((text) => standIns.reduce((said, { under, table }) => said.replaceAll(under, table), text))
  }

  override async addVersionColumn(table: Table): Promise<void> {
    await super.addVersionColumn(table)
    await this.#execute(`ALTER TABLE ${quote(table.name)} ADD INDEX \`rowback_version\` (${quote(VERSION_COLUMN)})`)
    await this.#showVersions()
  }

  override async makeHistory(table: Table, tracking: Tracking): Promise<void> {
    await this.#makeControlSchema()
    await super.makeHistory(table, tracking)
  }

  /** A view among the data, so that rows can be joined with the versions that wrote them. */
  async #showVersions(): Promise<void> {
    if (this.#target.sameSchema || (await this.#shownVersions()) === 'foreign') return
    try {
      await this.#execute(
        `CREATE OR REPLACE VIEW \`rowback_version\` AS SELECT ${list(SHOWN_OF_VERSIONS)} FROM ${this.controlTable('rowback_version')}`
      )
    } catch (error) {
      // Without the privilege, or where the name is taken, the versions are still there in their own schema.
      if (!(error instanceof RowbackError)) throw error
    }
  }

  /** Whose the view of that name is, if there is one. */
  async #shownVersions(): Promise<'ours' | 'foreign' | null> {
    const [row] = await this.#read(
      "SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = 'rowback_version'",
      [this.database]
    )
    if (!row) return null
    return String(row[0]).includes(this.controlTable('rowback_version')) ? 'ours' : 'foreign'
  }

  protected async *stream(sql: string, parameters: Value[], cells: readonly Column[]): AsyncIterable<Row[]> {
    const decoders = cells.map((column) => readExpression(column as MysqlColumn, '').decoder)
    try {
      const connection = await this.#alive()
      for await (const batch of connection.stream(bind(sql, parameters))) yield decodeRows(batch, decoders)
    } catch (error) {
      throw translate(error, this.database)
    }
  }

  protected override cellsOf(columns: readonly Column[]): string[] {
    return cellsOf(columns as readonly MysqlColumn[])
  }

  protected override copiesOf(table: Table, alias: string): string {
    return copiesOf(writableColumns(table) as MysqlColumn[], alias)
  }

  protected override historyOf(tracking: Tracking): string {
    return `${quote(this.#controlSchema)}.${quote(tracking.history)}`
  }

  protected sameCell(column: Column, a: string, b: string): string {
    return sameCell(column as MysqlColumn, a, b)
  }

  /** Text would be compared with a DECIMAL as a floating-point number. */
  protected override isCell(column: Column): string {
    const { type } = column
    if (type.kind !== 'decimal') return super.isCell(column)
    return `${quote(column.name)} = CAST(? AS DECIMAL(${type.precision}, ${type.scale}))`
  }

  async compareKeys(table: Table, columns: readonly string[], key: Row, others: readonly Row[]): Promise<number[]> {
    return compareKeys((sql) => this.#read(sql), columnsNamed(table, columns), key, others)
  }

  protected override async changeBack(
    table: Table,
    tracking: Tracking,
    to: number,
    as: number
  ): Promise<number | null> {
    if (table.uniqueKeys.length > 1) return null
    const history = this.historyOf(tracking)
    const sets = (writableColumns(table) as MysqlColumn[]).map(
      (column) => `t.${quote(column.name)} = ${copyExpression(column, `h.${quote(column.name)}`)}`
    )
    return this.run(
      `UPDATE ${history} g JOIN ${quote(table.name)} t ON ${this.sameKey(table, 't', 'g')} ` +
        `JOIN ${history} h ON ${this.sameKey(table, 'h', 'g')} AND ${this.stateOf('h')} ` +
        `SET ${sets.join(', ')}, t.${quote(VERSION_COLUMN)} = ? ` +
        `WHERE g.${quote(SUPERSEDED_COLUMN)} = ?`,
      [to, to, as, as].map(BigInt)
    )
  }

  override columnText(column: Column): string {
    return columnText(column as MysqlColumn)
  }

  protected async addHistoryColumn(table: Table, tracking: Tracking, column: Column): Promise<void> {
    const history = this.historyOf(tracking)
    await addColumn(this.#statements(), history, column as MysqlColumn, table.ddl[0] ?? '')
  }

  protected async renameHistoryColumn(_: Table, tracking: Tracking, from: string, column: Column): Promise<void> {
    await renameColumn(this.#statements(), this.historyOf(tracking), from, column as MysqlColumn)
  }

  protected async retypeHistoryColumn(table: Table, tracking: Tracking, held: Column, column: Column): Promise<void> {
    const [from, to] = [held as MysqlColumn, column as MysqlColumn]
    await this.#translated(() => retypeColumn(this.#statements(), this.historyOf(tracking), table, from, to))
  }

  protected historyColumns(table: Table): string[] {
    return bareColumns(writableColumns(table) as MysqlColumn[], table.key ?? [])
  }

  protected historyOptions(): string {
    return INNODB
  }

  async scriptDialect(): Promise<ScriptDialect> {
    return this.#scriptSession().dialect(this.database, this.#controlSchema)
  }

  protected override async inScriptSession(work: () => Promise<void>): Promise<void> {
    this.#hasWritten = true
    await this.#translated(() => this.#scriptSession().during(work))
  }

  protected runStatement(sql: string): Promise<string[]> {
    return this.#translated(() => this.#scriptSession().run(sql))
  }

  #scriptSession(): ScriptSession {
    return new ScriptSession(this.#statements())
  }

  protected captureDifferences(table: Table): ReturnType<SqlEngine['captureDifferences']> {
    return {
      makeAside: async (name, more, key) => {
        this.#scratch.push(name)
        const numbers = more.map((column) => `${quote(column)} BIGINT NULL`)
        const body = [...numbers, ...(key ? [`PRIMARY KEY (${list(key.columns)})`] : [])].join(', ')
        const columns = list(writableColumns(table).map((column) => column.name))
        // Not by their definitions: servers print some members of ENUM as other ones.
        await this.#execute(
          `CREATE TEMPORARY TABLE ${quote(name)} ${body === '' ? '' : `(${body})`}${INNODB} AS SELECT ${columns} FROM ${quote(table.name)} LIMIT 0`
        )
        return quote(name)
      },
      dropAside: async (place) => void (await this.#execute(`DROP TEMPORARY TABLE ${place}`)),
      locking: ' FOR UPDATE',
      selfSetting: (writableColumns(table) as MysqlColumn[])
        .filter(({ dataType }) => dataType === 'timestamp' || dataType === 'datetime')
        .map(({ name }) => name),
      readsTwice: false
    }
  }

  protected override captureOf(captured: CapturedTable, at: number, version: number) {
    if (captured.table.key !== null) return super.captureOf(captured, at, version)
    const counter = new RowCounter(this.#statements(), captured.table, `rowback_before_${at}`)
    this.#scratch.push(counter.aside)
    return counter
  }

  /** Triggers are lifted before the transaction, see {@link liftTriggers}: here it would commit. */
  protected async withoutTriggers<T>(_table: Table, work: () => Promise<T>): Promise<T> {
    return work()
  }

  async #execute(sql: string) {
    if (this.#inTransaction) {
      if (COMMITS.test(sql) && this.#hasWritten)
        throw new Error(`this would commit half a version: ${sql.slice(0, 60)}`)
      if (WRITES.test(sql) && !this.#isBookkeeping(sql)) this.#hasWritten = true
    }
    return this.#translated(async () => {
      const outcome = await (await this.#alive()).execute(sql).catch((error: unknown) => {
        throw this.#isBookkeeping(sql) && isRepeated(error) ? overtaken(this.database, error) : error
      })
      if (COMMITS.test(sql)) this.#hasWritten = false
      return outcome
    })
  }

  /** The ledger's own notes may be committed early: whoever settles a run knows what to make of them. */
  #isBookkeeping(sql: string): boolean {
    return sql.includes(`${quote(this.#controlSchema)}.\`rowback_`)
  }

  async #read(sql: string, parameters: Value[] = []): Promise<Row[]> {
    return this.#translated(async () => decodeRows(await (await this.#alive()).read(bind(sql, parameters))))
  }

  /** The session; a new one where the old one was lost and nothing was open in it. */
  async #alive(): Promise<Connection> {
    if (this.#connection.lost && !this.#inTransaction) {
      this.#connection = await connect(this.#target)
      if (this.#server.cluster) await readCausally(this.#connection)
      // The lock went with the session; the server may still be busy taking back what was open in it.
      if (this.#lockName !== null) await this.#lock(this.#lockName, RELOCK_MS)
    }
    return this.#connection
  }

  async #translated<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw translate(error, this.database)
    }
  }
}

function scratchLock(database: string): string {
  return `rowback:scratch:${createHash('sha256').update(database).digest('hex').slice(0, 40)}`
}

function cannotMake(error: unknown, prefix: string): unknown {
  if (!(error instanceof RowbackError) || error.code !== 'target.denied') return error
  return new RowbackError({
    code: 'privilege.missing',
    message: `A rehearsal takes a database of its own, ${prefix}..., which this user may not make.`,
    hint: `GRANT ALL PRIVILEGES ON \`${prefix.replaceAll('_', '\\_')}%\`.* TO this user.`,
    cause: error
  })
}

function toQueryResult(result: RawResult): QueryResult {
  return { columns: result.fields.map((field) => field.name), rows: decodeRows(result) }
}

async function connect(target: MysqlTarget): Promise<Connection> {
  const connection = await Connection.open(target.connection)
  try {
    await connection.execute(`USE ${quote(target.database)}`)
    // Under READ COMMITTED the server would leave snapshots out without a word.
    await connection.execute('SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ')
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** A node of a cluster answers only when it has what the others committed before: the ledger's end above all. */
async function readCausally(connection: Connection): Promise<void> {
  await connection.execute('SET SESSION wsrep_sync_wait = 1')
}

/** A second ledger beside the first would be no end of trouble. @throws RowbackError `control.elsewhere` (exit code 2) */
async function assertControlPlace({ database, sameSchema }: MysqlTarget, connection: Connection): Promise<void> {
  const sibling = `${database}_rowback`
  const found = decodeRows(
    await connection.read(
      bind(
        "SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_SCHEMA IN (?, ?) AND TABLE_NAME = 'rowback_meta'",
        [database, sibling]
      )
    )
  ).map(([schema]) => String(schema))
  const [here, there] = sameSchema ? [database, sibling] : [sibling, database]
  if (found.includes(here) || !found.includes(there)) return
  throw usageError(
    'control.elsewhere',
    `The bookkeeping of ${database} stands in ${there}, and the target URL says otherwise.`,
    sameSchema ? 'Leave control=same-schema out of the target URL.' : 'Add control=same-schema to the target URL.'
  )
}

async function readVariables(connection: Connection): Promise<Map<string, string>> {
  const names = PRODUCT_VARIABLES.map((name) => `'${name}'`).join(', ')
  const rows = decodeRows(await connection.read(`SHOW VARIABLES WHERE Variable_name IN (${names})`))
  return new Map(rows.map(([name, value]) => [String(name).toLowerCase(), String(value)]))
}

/** A key needs a length. */
function keyType(declared: string): string {
  return /^(LONG)?TEXT$/.test(declared) ? `VARCHAR(${SHORT_TEXT * 2})` : declared
}

/** Bookkeeping that was not there when it was asked for: another node of the cluster wrote it meanwhile. */
function overtaken(database: string, cause: unknown): RowbackError {
  return new RowbackError({
    code: 'locked',
    message: `Another migration is at work on ${database}.`,
    hint: 'Try again.',
    exit: ExitCode.locked,
    cause
  })
}

/** The server reads a statement that is prepared, and does not run it. @throws the driver's error for what is none */
async function assertIsStatement(connection: Connection, sql: string): Promise<void> {
  try {
    await connection.execute(`PREPARE rowback_asked FROM ${literal(sql)}`)
    await connection.execute('DEALLOCATE PREPARE rowback_asked')
  } catch (error) {
    if (isMysqlError(error) && error.errno === NO_STATEMENT) throw error
  }
}
