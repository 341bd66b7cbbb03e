import type { RowChange, WriteCounts } from '../model/change.ts'
import { noCounts } from '../model/change.ts'
import type { SchemaObject, SchemaObjects } from '../model/schema-object.ts'
import type { Column, ColumnType, DefinedColumn, SeenValues, Table, TableDefinition } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'
import { decodeLines, encodeRow } from '../model/value.ts'
import type { CapturedTable, CaptureSql } from './capture.ts'
import { Capture } from './capture.ts'
import type { DumpText } from './dump-text.ts'
import type {
  Bookkeeping,
  Capabilities,
  ColumnChanges,
  Engine,
  Lines,
  PastState,
  QueryResult,
  RowRange,
  RowVersion,
  Shadow,
  StandIn,
  Tracking,
  TransactionOptions,
  TypedRow,
  Unholdable,
  WriteRequest
} from './engine.ts'
import { CONTROL_TABLES, SUPERSEDED_COLUMN, VERSION_COLUMN } from './engine.ts'
import type { ScriptDialect, ScriptOutcome, ScriptRun, ScriptStatement } from './script.ts'
import { statementFailed, withColumnsNamed } from './script.ts'
import { stateSelect } from './state-query.ts'

const VERSION_NUMBER: ColumnType = { kind: 'integer', min: 0n, max: 2n ** 63n - 1n }

/**
 * What engines share: the SQL of temporal rows (docs/architecture.md, "Incremental rows"). An engine adds its
 * differences: how to connect, inspect, read, write, and the few words of SQL that differ.
 */
export abstract class SqlEngine implements Engine {
  abstract readonly name: string
  abstract readonly product: string
  abstract readonly database: string
  abstract readonly capabilities: Capabilities
  readonly advice: readonly string[] = []
  abstract readonly isNew: boolean

  abstract close(): Promise<void>
  abstract openScratch(): Promise<Engine>
  abstract run(sql: string, parameters?: Value[]): Promise<number>
  abstract query(sql: string, parameters?: Value[]): Promise<QueryResult>
  abstract readOnlyQuery(sql: string): Promise<QueryResult>
  abstract readOnlyQueryAt(sql: string, past: PastState): Promise<QueryResult>
  abstract scriptDialect(): Promise<ScriptDialect>
  abstract quote(identifier: string): string
  abstract controlTable(name: string): string
  abstract hasControlTable(name: string): Promise<boolean>
  abstract controlTables(): Promise<string[]>
  abstract transaction<T>(options: TransactionOptions, work: () => Promise<T>): Promise<T>
  abstract readTransaction<T>(work: () => Promise<T>): Promise<T>
  abstract dumpText(): Promise<DumpText>
  abstract counterOf(table: string): Promise<bigint | null>
  abstract exclusively<T>(wait: number, work: () => Promise<T>): Promise<T>
  abstract relations(): Promise<string[]>
  abstract createScratchTable(definition: TableDefinition): Promise<Table>
  abstract tables(bookkeeping: Bookkeeping[]): Promise<Table[]>
  abstract unsupportedTables(): Promise<string[]>
  abstract schemaObjects(): Promise<SchemaObjects>
  abstract makeSchemaObject(object: SchemaObject): Promise<string[]>
  abstract declare(type: ColumnType, seen?: SeenValues): string
  abstract adapter(column: Column): ((value: Value) => Value | Unholdable) | null
  abstract readRows(table: Table, range: RowRange): AsyncIterable<Row[]>
  abstract findRows(table: Table, by: readonly string[], cells: readonly Row[]): Promise<(Row | null)[]>
  abstract writeRows<R extends TypedRow>(request: WriteRequest<R>): Promise<WriteCounts>
  abstract applyChanges(
    table: Table,
    changes: () => AsyncIterable<RowChange>,
    version: number,
    tracking: Tracking | null
  ): Promise<void>
  abstract triggerStatements(table: Table): string[]
  abstract liftTriggers(table: Table): Promise<string[]>
  abstract fill(table: Table, rows: AsyncIterable<Row[]>): Promise<void>
  abstract foreignKeyViolations(standIns?: readonly StandIn[]): Promise<string[]>
  abstract raiseCounter(table: string, counter: bigint): Promise<void>
  abstract compareKeys(table: Table, columns: readonly string[], key: Row, others: readonly Row[]): Promise<number[]>

  /** The operator by which the cells of a key are found. */
  protected abstract readonly keyEqual: string
  /**
   * Streams a query's rows in batches.
   * @param cells the query begins with {@link cellsOf} these columns
   */
  protected abstract stream(sql: string, parameters: Value[], cells: readonly Column[]): AsyncIterable<Row[]>
  /** Runs `work` while the table's triggers do not fire. */
  protected abstract withoutTriggers<T>(table: Table, work: () => Promise<T>): Promise<T>

  /** Runs one statement of a script. @returns what the server warned of */
  protected abstract runStatement(sql: string): Promise<string[]>
  /** What the capture of a table is made with; see {@link CaptureSql}. */
  protected abstract captureDifferences(
    table: Table
  ): Pick<CaptureSql, 'makeAside' | 'dropAside' | 'locking' | 'selfSetting' | 'readsTwice'>

  async runScript(script: ScriptRun): Promise<ScriptOutcome> {
    const captures = script.tables.map((entry, i) => this.captureOf(entry, i, script.version))
    for (const capture of captures) await capture.begin()
    const textOf = (statement: ScriptStatement) =>
      this.capabilities.invisibleColumns ? statement.text : withColumnsNamed(statement, (name) => columnsOf(name))
    const columnsOf = (name: string) => {
      const entry = script.tables.find(({ table, tracking }) => tracking && table.name.toLowerCase() === name)
      return entry ? this.list(this.names(entry.table)) : null
    }
    let statements = 0
    const warnings: string[] = []
    await this.inScriptSession(async () => {
      for (const statement of script.statements) {
        script.goOn()
        statements++
        const warned = await this.runStatement(textOf(statement)).catch((error: unknown) => {
          throw statementFailed(statement, error)
        })
        warnings.push(...warned.map((text) => `Statement ${statement.number} (line ${statement.line}): ${text}`))
      }
    })
    const counts: WriteCounts[] = []
    for (const capture of captures) counts.push(await capture.end())
    return { counts, statements, warnings }
  }

  /** Runs `work` in the session that the stock client would have. */
  protected async inScriptSession(work: () => Promise<void>): Promise<void> {
    await work()
  }

  protected captureOf(captured: CapturedTable, at: number, version: number): Pick<Capture, 'begin' | 'end'> {
    const { table, tracking } = captured
    return new Capture(captured, at, version, {
      ...this.captureDifferences(table),
      run: (sql) => this.run(sql),
      count: async (sql) => Number((await this.query(sql)).rows[0]?.[0]),
      quote: (identifier) => this.quote(identifier),
      copies: (alias) => this.copiesOf(table, alias),
      sameKey: (a, b) => this.sameKey(table, a, b),
      sameContent: (a, b) => this.sameContent(table, a, b),
      history: tracking && this.historyOf(tracking),
      withoutTriggers: (work) => this.withoutTriggers(table, async () => void (await work()))
    })
  }

  async *readLines(table: Table, range: RowRange): AsyncIterable<Lines> {
    yield* encoded(this.readRows(table, range))
  }

  readWritten(table: Table, from: number, to: number): AsyncIterable<Lines> {
    const version = this.quote(VERSION_COLUMN)
    return this.linesWhere(table, this.quote(table.name), `${version} >= ${from} AND ${version} <= ${to}`)
  }

  readSuperseded(table: Table, tracking: Tracking, by: number): AsyncIterable<Lines> {
    const where = `${this.quote(SUPERSEDED_COLUMN)} = ${by} AND ${this.quote(VERSION_COLUMN)} <> ${by}`
    return this.linesWhere(table, this.historyOf(tracking), where)
  }

  readReplaced(table: Table, tracking: Tracking, from: number): AsyncIterable<Lines> {
    const version = this.quote(VERSION_COLUMN)
    const where = `${version} >= ${from} AND ${this.quote(SUPERSEDED_COLUMN)} <> ${version}`
    return this.linesWhere(table, this.historyOf(tracking), where)
  }

  readOldHistory(table: Table, tracking: Tracking, until: number): AsyncIterable<Lines> {
    return this.linesWhere(table, this.historyOf(tracking), `${this.quote(SUPERSEDED_COLUMN)} <= ${until}`)
  }

  deleteOldHistory(tracking: Tracking, until: number): Promise<number> {
    return this.run(`DELETE FROM ${this.historyOf(tracking)} WHERE ${this.quote(SUPERSEDED_COLUMN)} <= ?`, [
      BigInt(until)
    ])
  }

  /** Rows of a table, or of a history table with its columns, as lines. */
  protected async *linesWhere(table: Table, place: string, where: string): AsyncIterable<Lines> {
    yield* encoded(this.rowsWhere(table, place, where))
  }

  /** The same as rows. */
  protected rowsWhere(table: Table, place: string, where: string): AsyncIterable<Row[]> {
    const columns = writableColumns(table)
    return this.stream(`SELECT ${this.cellsOf(columns).join(', ')} FROM ${place} WHERE ${where}`, [], columns)
  }

  async makeToFill(_name: string, statement: string): Promise<() => Promise<void>> {
    await this.run(statement)
    return async () => {}
  }

  async fillLines(table: Table, lines: AsyncIterable<Buffer>): Promise<void> {
    await this.fill(table, decodedLines(lines))
  }

  async countRows(table: string): Promise<number> {
    return Number((await this.query(`SELECT count(*) FROM ${this.quote(table)}`)).rows[0]?.[0])
  }

  async createTable(definition: TableDefinition): Promise<void> {
    await this.run(`CREATE TABLE ${this.quote(definition.name)} ${this.tableBody(definition)}${this.tableOptions}`)
  }

  async createControlTable(definition: TableDefinition): Promise<void> {
    const place = this.controlTable(definition.name)
    await this.run(`CREATE TABLE IF NOT EXISTS ${place} ${this.tableBody(definition)}${this.controlOptions}`)
  }

  /** What follows the columns when a table, or a control table, is made. */
  protected readonly tableOptions: string = ''
  protected readonly controlOptions: string = ''

  /** The columns and the key, in brackets. */
  protected tableBody(definition: TableDefinition): string {
    const lines = definition.columns.map((column) => {
      const type = this.declareIn(definition, column)
      return `${this.quote(column.name)} ${type}${column.nullable ? '' : ' NOT NULL'}`
    })
    if (definition.key) lines.push(`PRIMARY KEY (${this.list(definition.key)})`)
    return `(\n  ${lines.join(',\n  ')}\n)`
  }

  /** The type of a column among the others of its table. */
  protected declareIn(_definition: TableDefinition, column: DefinedColumn): string {
    return this.declare(column.type, column.seen)
  }

  async commitNotes(): Promise<void> {}

  async hideBehindCopy(table: Table): Promise<void> {
    throw new Error(`${this.name} can abort what it writes into ${table.name}`)
  }

  async dropTable(name: string): Promise<void> {
    await this.run(`DROP TABLE ${this.quote(name)}`)
  }

  async renameTable(from: string, to: string): Promise<void> {
    await this.run(`ALTER TABLE ${this.quote(from)} RENAME TO ${this.quote(to)}`)
  }

  /** Where the transaction undoes changes of the schema, a table is dropped and made again in it. */
  shadowOf(_name: string, _ddl: readonly string[], _under: string): Shadow {
    throw new Error(`${this.name} needs no table under another name`)
  }

  async swapIn({ table }: { table: string }): Promise<void> {
    throw new Error(`${this.name} has no table to take the place of ${table}`)
  }

  /** The version column as it is added. */
  protected get versionColumn(): string {
    return `${this.quote(VERSION_COLUMN)} ${this.declare(VERSION_NUMBER)} NOT NULL DEFAULT 0`
  }

  addVersionColumnSql(table: string): string {
    const hidden = this.capabilities.invisibleColumns ? ' INVISIBLE' : ''
    return `ALTER TABLE ${this.quote(table)} ADD COLUMN ${this.versionColumn}${hidden}`
  }

  async addVersionColumn(table: Table): Promise<void> {
    await this.run(this.addVersionColumnSql(table.name))
  }

  async startTracking(table: Table, tracking: Tracking): Promise<void> {
    await this.addVersionColumn(table)
    await this.makeHistory(table, tracking)
  }

  async makeHistory(table: Table, tracking: Tracking): Promise<void> {
    const version = this.quote(VERSION_COLUMN)
    const columns = this.historyColumns(table)
    const key = this.list([...(table.key ?? []), VERSION_COLUMN, SUPERSEDED_COLUMN])
    await this.run(
      `CREATE TABLE ${this.historyOf(tracking)} (\n  ${columns.join(',\n  ')},\n  ${version} ${this.declare(VERSION_NUMBER)} NOT NULL,\n` +
        `  ${this.quote(SUPERSEDED_COLUMN)} ${this.declare(VERSION_NUMBER)} NOT NULL,\n  PRIMARY KEY (${key})\n)${this.historyOptions(table)}`
    )
    // What one version did is found by what it superseded, and by what others superseded of it.
    for (const column of [VERSION_COLUMN, SUPERSEDED_COLUMN]) {
      const index = this.quote(this.indexName(tracking.history, column))
      await this.run(`CREATE INDEX ${index} ON ${this.historyOf(tracking)} (${this.quote(column)})`)
    }
  }

  /** The name of an index of a history table. */
  protected indexName(_history: string, column: string): string {
    return column
  }

  columnText(column: Column): string {
    return column.declared.toLowerCase()
  }

  async carryColumns(table: Table, tracking: Tracking, { added, renamed, retyped }: ColumnChanges): Promise<void> {
    const columns = async () => new Map((await this.historyShape(tracking.history))?.columns.map((it) => [it.name, it]))
    const there = await columns()
    for (const { from, column } of renamed) {
      if (!there.has(column.name)) await this.renameHistoryColumn(table, tracking, from, column)
    }
    for (const column of added) if (!there.has(column.name)) await this.addHistoryColumn(table, tracking, column)
    const then = await columns()
    for (const column of [...added, ...retyped]) {
      const held = then.get(column.name)
      if (held && this.columnText(held) !== this.columnText(column)) {
        await this.retypeHistoryColumn(table, tracking, held, column)
      }
    }
  }

  /** Adds a column, with what rows got that were there already. */
  protected abstract addHistoryColumn(table: Table, tracking: Tracking, column: Column): Promise<void>
  protected abstract renameHistoryColumn(table: Table, tracking: Tracking, from: string, column: Column): Promise<void>
  protected abstract retypeHistoryColumn(table: Table, tracking: Tracking, held: Column, column: Column): Promise<void>

  async hadRowsAlive(table: Table, tracking: Tracking, at: number, change: number | null): Promise<boolean> {
    const parts: string[] = []
    if (change !== null) {
      const alive = `${this.stateOf('h')} AND h.${this.quote(SUPERSEDED_COLUMN)} >= ${change}`
      parts.push(`SELECT 1 FROM ${this.historyOf(tracking)} h WHERE ${alive}`)
    }
    if (tracking.live) parts.push(`SELECT 1 FROM ${this.quote(table.name)} WHERE ${this.quote(VERSION_COLUMN)} <= ?`)
    const state = [...(change === null ? [] : [at, at]), ...(tracking.live ? [at] : [])].map(BigInt)
    if (parts.length === 0) return false
    return (await this.query(`${parts.join(' UNION ALL ')} LIMIT 1`, state)).rows.length > 0
  }

  async dropVersionColumn(table: Table): Promise<void> {
    await this.run(`ALTER TABLE ${this.quote(table.name)} DROP COLUMN ${this.quote(VERSION_COLUMN)}`)
  }

  async stopTracking(table: Table | null, tracking: Tracking): Promise<void> {
    if (table) await this.dropVersionColumn(table)
    await this.run(`DROP TABLE IF EXISTS ${this.historyOf(tracking)}`)
  }

  /** The columns of a history table; key columns compare as those of the table do. */
  protected abstract historyColumns(table: Table): string[]
  /** What follows the columns when a history table is made, so that its cells hold what those of the table hold. */
  protected abstract historyOptions(table: Table): string

  async undo(table: Table, tracking: Tracking, to: number, as: number): Promise<WriteCounts> {
    return this.withoutTriggers(table, async () => {
      const live = this.quote(table.name)
      const history = this.historyOf(tracking)
      const version = this.quote(VERSION_COLUMN)
      const differs =
        `${version} > ? AND NOT EXISTS (SELECT 1 FROM ${history} h WHERE ${this.stateOf('h')} ` +
        `AND ${this.sameKey(table, live, 'h')} AND ${this.sameContent(table, live, 'h')})`
      const taken = await this.supersede(table, tracking, as, differs, [to, to, to])
      const changed = await this.changeBack(table, tracking, to, as)
      if (changed !== taken) await this.run(`DELETE FROM ${live} WHERE ${version} < ? AND ${differs}`, [as, to, to, to])
      const isBack = changed !== null && changed === (await this.countSuperseded(history, to))
      const put = isBack ? 0 : await this.putBack(table, tracking, to, as)
      const again = changed === null ? await this.countRewritten(table, tracking, as) : 0
      const updated = (changed ?? 0) + again
      return { ...noCounts(), updated, inserted: put - again, deleted: taken - updated }
    })
  }

  /**
   * Changes superseded rows that were there at version `to` back in place, where that is faster than to delete them and to
   * write them again.
   * @returns how many; null when the engine does not, or when it could not: unique values may move between rows
   */
  protected async changeBack(_table: Table, _tracking: Tracking, _to: number, _as: number): Promise<number | null> {
    return null
  }

  /** Writes superseded rows that were there at version `to` and are not live, as version `as`. @returns how many */
  private putBack(table: Table, tracking: Tracking, to: number, as: number): Promise<number> {
    const live = this.quote(table.name)
    const columns = this.list(this.names(table))
    return this.run(
      `INSERT INTO ${live} (${columns}, ${this.quote(VERSION_COLUMN)}) SELECT ${this.copiesOf(table, 'h')}, ? ` +
        `FROM ${this.historyOf(tracking)} h ` +
        `WHERE ${this.stateOf('h')} AND NOT EXISTS (SELECT 1 FROM ${live} t WHERE ${this.sameKey(table, 't', 'h')})`,
      [as, to, to]
    )
  }

  /** How many superseded rows were there at a version. To count them takes less than to look each up. */
  private async countSuperseded(history: string, version: number): Promise<number> {
    const { rows } = await this.query(`SELECT count(*) FROM ${history} h WHERE ${this.stateOf('h')}`, [
      version,
      version
    ])
    return Number(rows[0]?.[0])
  }

  /** Rows that version `as` took away and wrote again. */
  private async countRewritten(table: Table, tracking: Tracking, as: number): Promise<number> {
    const both = await this.query(
      `SELECT count(*) FROM ${this.quote(table.name)} t JOIN ${this.historyOf(tracking)} h ON ${this.sameKey(table, 't', 'h')} ` +
        `WHERE t.${this.quote(VERSION_COLUMN)} = ? AND h.${this.quote(SUPERSEDED_COLUMN)} = ?`,
      [as, as]
    )
    return Number(both.rows[0]?.[0])
  }

  async recall(table: Table, from: Tracking, to: number, as: number, tracking: Tracking | null): Promise<WriteCounts> {
    return this.withoutTriggers(table, async () => {
      const live = this.quote(table.name)
      const history = this.historyOf(from)
      const then = `EXISTS (SELECT 1 FROM ${history} h WHERE ${this.stateOf('h')} AND ${this.sameKey(table, live, 'h')}`
      const differs = `NOT ${then} AND ${this.sameContent(table, live, 'h')})`
      const state = [to, to].map(BigInt)
      if (tracking) await this.supersede(table, tracking, as, differs, state)
      const changed = await this.query(`SELECT count(*) FROM ${live} WHERE ${differs} AND ${then})`, [
        ...state,
        ...state
      ])
      const updated = Number(changed.rows[0]?.[0])
      const taken = await this.run(`DELETE FROM ${live} WHERE ${differs}`, state)
      const names = this.list([...this.names(table), ...(tracking ? [VERSION_COLUMN] : [])])
      const put = await this.run(
        `INSERT INTO ${live} (${names}) SELECT ${this.copiesOf(table, 'h')}${tracking ? `, ${as}` : ''} FROM ${history} h ` +
          `WHERE ${this.stateOf('h')} AND NOT EXISTS (SELECT 1 FROM ${live} t WHERE ${this.sameKey(table, 't', 'h')})`,
        state
      )
      return { ...noCounts(), updated, inserted: put - updated, deleted: taken - updated }
    })
  }

  async closeHistory(table: Table, tracking: Tracking, as: number): Promise<number> {
    return this.supersede(table, tracking, as, '1 = 1', [])
  }

  async supersedeAll(table: Table, tracking: Tracking, as: number): Promise<number> {
    const moved = await this.closeHistory(table, tracking, as)
    await this.withoutTriggers(table, () => this.run(`DELETE FROM ${this.quote(table.name)}`))
    return moved
  }

  /** Copies live rows to history as superseded by `as`. */
  protected async supersede(
    table: Table,
    tracking: Tracking,
    as: number,
    where: string,
    parameters: Value[]
  ): Promise<number> {
    const columns = this.list([...this.names(table), VERSION_COLUMN])
    const live = this.quote(table.name)
    return this.run(
      `INSERT INTO ${this.historyOf(tracking)} (${columns}, ${this.quote(SUPERSEDED_COLUMN)}) ` +
        `SELECT ${this.copiesOf(table, live)}, ${this.quote(VERSION_COLUMN)}, ? FROM ${live} WHERE ${where}`,
      [as, ...parameters]
    )
  }

  async *changesBetween(table: Table, tracking: Tracking, from: number, to: number): AsyncIterable<RowChange> {
    if (from > to) {
      for await (const change of this.changesBetween(table, tracking, to, from)) {
        yield { before: change.after, after: change.before }
      }
      return
    }
    const names = this.names(table)
    const keyAt = (table.key ?? []).map((name) => names.indexOf(name))
    const [sql, parameters] = this.changedRows(table, tracking, from, to)
    yield* foldByKey(this.stream(sql, parameters, writableColumns(table)), keyAt, !this.hasPlainKey(table))
  }

  /** Whether the cells of the table's key, as they are read, are equal where the database calls them so, and only there. */
  protected abstract hasPlainKey(table: Table): boolean

  /**
   * Rows that were live at `from` and not at `to` (side 0), and the other way round (side 1), in the order of their keys; each
   * with the rank of its key, unless it is plain: the database says which keys are equal, in the collations of the table.
   */
  private changedRows(table: Table, tracking: Tracking, from: number, to: number): [string, Value[]] {
    const version = this.quote(VERSION_COLUMN)
    const superseded = this.quote(SUPERSEDED_COLUMN)
    const history = this.historyOf(tracking)
    const cells = this.cellsOf(writableColumns(table)).map((cell, i) => `${cell} AS ${this.quote(`c${i}`)}`)
    const key = (table.key ?? []).map((name, i) => `${this.quote(name)} AS ${this.quote(`k${i}`)}`)
    const select = (side: number) => `SELECT ${[...cells, ...key].join(', ')}, ${side} AS side`
    const parts = [
      `${select(0)} FROM ${history} WHERE ${version} <= ? AND ${superseded} > ? AND ${superseded} <= ?`,
      `${select(1)} FROM ${history} WHERE ${version} > ? AND ${version} <= ? AND ${superseded} > ?`
    ]
    const parameters = [from, from, to, from, to, to]
    if (tracking.live) {
      parts.push(`${select(1)} FROM ${this.quote(table.name)} WHERE ${version} > ? AND ${version} <= ?`)
      parameters.push(from, to)
    }
    const shown = this.list(cells.map((_, i) => `c${i}`))
    const ranks = this.list(key.map((_, i) => `k${i}`))
    const rank = this.hasPlainKey(table) ? '' : `, dense_rank() OVER (ORDER BY ${ranks})`
    const ranked = `SELECT ${shown}, side${rank} FROM (${parts.join(' UNION ALL ')}) changed`
    return [`${ranked} ORDER BY ${ranks}`, parameters.map(BigInt)]
  }

  async *readState(table: Table, tracking: Tracking, version: number): AsyncIterable<Row[]> {
    const columns = writableColumns(table)
    const live = tracking.live ? this.quote(table.name) : null
    const ofLive = live === null ? undefined : await this.versionOfLive(live, version)
    const cells = this.cellsOf(columns).join(', ')
    yield* this.stream(stateSelect(live, this.historyOf(tracking), cells, version, ofLive), [], columns)
  }

  /** The version of a live row where those up to `version` are asked for; the server knows which index is worth it. */
  protected async versionOfLive(_live: string, _version: number): Promise<string> {
    return VERSION_COLUMN
  }

  async rowVersions(table: Table, tracking: Tracking | null, key: Row): Promise<RowVersion[]> {
    const columns = writableColumns(table)
    const cells = this.cellsOf(columns).join(', ')
    const version = this.quote(VERSION_COLUMN)
    const where = (table.key ?? []).map((name) => this.isCell(columnOf(table, name))).join(' AND ')
    const parts: string[] = []
    if (tracking) {
      const until = this.quote(SUPERSEDED_COLUMN)
      parts.push(`SELECT ${cells}, ${version}, ${until} FROM ${this.historyOf(tracking)} WHERE ${where}`)
    }
    if (!tracking || tracking.live) {
      parts.push(`SELECT ${cells}, ${tracking ? version : 'NULL'}, NULL FROM ${this.quote(table.name)} WHERE ${where}`)
    }
    const found: RowVersion[] = []
    for await (const batch of this.stream(
      parts.join(' UNION ALL '),
      parts.flatMap(() => key),
      columns
    )) {
      for (const row of batch) {
        const [since, until] = row.splice(columns.length).map((cell) => (cell === null ? null : Number(cell)))
        found.push({ row, since: since ?? null, until: until ?? null })
      }
    }
    return found
  }

  /** Condition with one parameter: a key's cell is this value, as the column compares. */
  protected isCell(column: Column): string {
    return `${this.quote(column.name)} ${this.keyEqual} ?`
  }

  /** Condition (two parameters, both the version): the history row was live at that version. */
  protected stateOf(alias: string): string {
    return `${alias}.${this.quote(VERSION_COLUMN)} <= ? AND ${alias}.${this.quote(SUPERSEDED_COLUMN)} > ?`
  }

  protected sameKey(table: Table, a: string, b: string): string {
    return (table.key ?? [])
      .map((name) => `${a}.${this.quote(name)} ${this.keyEqual} ${b}.${this.quote(name)}`)
      .join(' AND ')
  }

  /** Condition: both rows hold the same, exactly. */
  protected sameContent(table: Table, a: string, b: string): string {
    return writableColumns(table)
      .map((column) => this.sameCell(column, `${a}.${this.quote(column.name)}`, `${b}.${this.quote(column.name)}`))
      .join(' AND ')
  }

  /** Condition: both cells hold the same, in value, type and bytes. */
  protected abstract sameCell(column: Column, a: string, b: string): string

  /** The expressions by which columns are read exactly. */
  protected cellsOf(columns: readonly Column[]): string[] {
    return columns.map((column) => this.quote(column.name))
  }

  /** What is selected of an aliased table so that a column of the same type takes it as it is. */
  protected copiesOf(table: Table, alias: string): string {
    return this.list(this.names(table), alias)
  }

  /** The quoted place of a history table. */
  protected historyOf(tracking: Tracking): string {
    return this.quote(tracking.history)
  }

  /** Names of the bookkeeping among the user's tables. */
  protected bookkeepingNames(bookkeeping: readonly Bookkeeping[]): Set<string> {
    return new Set<string>([...CONTROL_TABLES, ...bookkeeping.map((entry) => entry.history)])
  }

  /** A table as it is without the version column, where it is tracked. */
  protected withoutBookkeeping(table: Table, bookkeeping: readonly Bookkeeping[]): Table {
    const tracked = bookkeeping.find((entry) => entry.table === table.name)
    if (!tracked) return table
    const columns = table.columns.filter((column) => column.name !== VERSION_COLUMN)
    if (columns.length === table.columns.length) return { ...table, lacksVersions: true }
    return { ...table, columns, ddl: this.withoutVersionColumn(table.ddl) ?? tracked.ddl }
  }

  /**
   * The statements of a tracked table as it would be made without its version column: indexes and triggers that others
   * made since are among them.
   * @returns null where the column cannot be found in the text
   */
  protected abstract withoutVersionColumn(ddl: readonly string[]): string[] | null

  async tableNames(bookkeeping: Bookkeeping[]): Promise<string[]> {
    return (await this.tables(bookkeeping)).map(({ name }) => name)
  }

  async tableToRead(name: string, bookkeeping: Bookkeeping[]): Promise<Table | undefined> {
    return (await this.tables(bookkeeping)).find((table) => table.name === name)
  }

  async historyShape(history: string): Promise<Table | undefined> {
    return (await this.tables([])).find((table) => table.name === history)
  }

  protected names(table: Table): string[] {
    return writableColumns(table).map((column) => column.name)
  }

  protected list(names: readonly string[], alias?: string): string {
    return names.map((name) => (alias ? `${alias}.` : '') + this.quote(name)).join(', ')
  }
}

function columnOf(table: Table, name: string): Column {
  return table.columns.find((column) => column.name === name) as Column
}

/** Joins the before (side 0) and after (side 1) rows of each key: the last cells are the side and, if it is there, the key's rank. */
async function* foldByKey(batches: AsyncIterable<Row[]>, keyAt: number[], isRanked: boolean): AsyncIterable<RowChange> {
  let pending: (RowChange & { rank: Value; key: Row }) | null = null
  for await (const batch of batches) {
    for (const row of batch) {
      const rank = isRanked ? (row.pop() as Value) : null
      const side = Number(row.pop())
      // A key without a value tells no rows apart: each is a change of its own.
      const known: Row | undefined = pending?.key
      const isOther = isRanked ? pending?.rank !== rank : keyAt.some((at) => known?.[at] !== row[at])
      if (pending && (isOther || keyAt.some((at) => row[at] === null))) {
        if (differs(pending)) yield { before: pending.before, after: pending.after }
        pending = null
      }
      pending ??= { rank, key: row, before: null, after: null }
      if (side === 0) pending.before = row
      else pending.after = row
    }
  }
  if (pending && differs(pending)) yield { before: pending.before, after: pending.after }
}

/**
 * A row that went and came back with the same content did not change. U+FFFD may stand for bytes that are not text, so
 * with it nothing is called the same.
 */
function differs({ before, after }: RowChange): boolean {
  if (!before || !after) return true
  if (plainlyDiffer(before, after)) return true
  const text = encodeRow(after)
  return encodeRow(before) !== text || text.includes('\uFFFD')
}

/** Whether some cell shows, without being written out, that two rows do not hold the same. */
export function plainlyDiffer(a: Row, b: Row): boolean {
  return a.some((cell, i) => typeof cell !== 'object' && typeof b[i] !== 'object' && !Object.is(cell, b[i]))
}

async function* encoded(batches: AsyncIterable<Row[]>): AsyncIterable<Lines> {
  for await (const rows of batches) {
    const ends: number[] = []
    let length = 0
    const lines = rows.map((row) => {
      const line = `${encodeRow(row)}\n`
      length += Buffer.byteLength(line)
      ends.push(length)
      return line
    })
    yield { bytes: Buffer.from(lines.join('')), ends }
  }
}

async function* decodedLines(lines: AsyncIterable<Buffer>): AsyncIterable<Row[]> {
  for await (const piece of lines) yield decodeLines(piece)
}
