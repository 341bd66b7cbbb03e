import type { Connection } from 'mysql2/promise'
import { createConnection } from 'mysql2/promise'
import type { DiceStatement, ExactQuery, PropertyDatabase, PropertyEngine } from './properties-engine.ts'
import type { DatabaseState, ExactCell, StateColumn, TableState } from './properties-state.ts'
import { columnsOf, sortRows } from './properties-state.ts'
import type { ColumnSpec, TableSpec } from './properties-tables.ts'
import { rawCell } from './properties-tables.ts'
import { MYSQL_CASCADING, MYSQL_GROUPS, MYSQL_KEYLESS } from './properties-tables-mysql.ts'
import { freshDatabase } from './servers/database.ts'

/** @param serverUrl of a server on which every database is made anew */
export function mysqlEngine(serverUrl: string): PropertyEngine {
  return {
    name: 'mysql',
    groups: MYSQL_GROUPS,
    keyless: MYSQL_KEYLESS,
    cascading: MYSQL_CASCADING,
    quote,
    literal,
    isAt,
    scriptStatement,
    exactly: (table, state) => exactly(table, columnsOf(state)),
    make: () => MysqlSchema.make(serverUrl)
  }
}

class MysqlSchema implements PropertyDatabase {
  readonly target: string
  readonly #sql: Connection
  readonly #drop: () => Promise<void>

  private constructor(target: string, sql: Connection, drop: () => Promise<void>) {
    this.target = target
    this.#sql = sql
    this.#drop = drop
  }

  static async make(serverUrl: string): Promise<MysqlSchema> {
    const { url, drop } = await freshDatabase(serverUrl)
    const sql = await createConnection({ uri: url, rowsAsArray: true, typeCast: (field) => field.string() })
    // As a script of rowback has it.
    await sql.query("SET SESSION sql_mode = CONCAT(@@GLOBAL.sql_mode, ',STRICT_ALL_TABLES')")
    return new MysqlSchema(url, sql, drop)
  }

  async run(statement: string): Promise<void> {
    await this.#sql.query(statement)
  }

  async read(): Promise<DatabaseState> {
    const tables = await this.#rows(
      "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_NAME"
    )
    const columns = await this.#rows(
      "SELECT TABLE_NAME, COLUMN_NAME, CONCAT_WS(' ', COLUMN_TYPE, COLLATION_NAME), EXTRA LIKE '%GENERATED%' FROM information_schema.COLUMNS " +
        "WHERE TABLE_SCHEMA = DATABASE() AND COLUMN_NAME <> 'version_id' ORDER BY TABLE_NAME, ORDINAL_POSITION"
    )
    const keys = await this.#rows(
      'SELECT TABLE_NAME, COLUMN_NAME, SEQ_IN_INDEX FROM information_schema.STATISTICS ' +
        "WHERE TABLE_SCHEMA = DATABASE() AND INDEX_NAME = 'PRIMARY'"
    )
    const state: DatabaseState = new Map()
    for (const [table] of tables) {
      const own = columns.flatMap(([of, name, type, hidden]): StateColumn[] => {
        if (of !== table) return []
        const pk = Number(keys.find(([keyed, column]) => keyed === table && column === name)?.[2] ?? 0)
        return [{ name: String(name), type: String(type), pk, hidden: Number(hidden) }]
      })
      state.set(String(table), await this.#readTable(String(table), own))
    }
    return state
  }

  async #readTable(table: string, own: StateColumn[]): Promise<TableState> {
    const [made] = await this.#rows(`SHOW CREATE TABLE ${quote(table)}`)
    const all = String(made?.[1])
      .split('\n')
      .map((line) => line.replace(/,$/, ''))
    const lines = all.filter((line) => !/^ {2}(`version_id` |KEY `rowback_version`)/.test(line))
    const { sql, cells } = exactly(table, own)
    const rows = (await this.#rows(sql)).map(cells)
    return {
      columns: own.map(({ name }) => name),
      schema: JSON.stringify([own, lines]),
      tracked: lines.length < all.length,
      rows: sortRows(rows)
    }
  }

  async #rows(query: string): Promise<(string | null)[][]> {
    return (await this.#sql.query(query))[0] as unknown as (string | null)[][]
  }

  async rehearse(statements: readonly string[]): Promise<DatabaseState | string> {
    await this.#sql.query('START TRANSACTION')
    try {
      for (const statement of statements) await this.#sql.query(statement)
      return await this.read()
    } catch (error) {
      return (error as Error).message
    } finally {
      await this.#sql.query('ROLLBACK')
    }
  }

  async close(): Promise<void> {
    await this.#sql.end()
    await this.#drop()
  }
}

function quote(name: string): string {
  return `\`${name.replaceAll('`', '``')}\``
}

function exactly(table: string, columns: readonly StateColumn[]): ExactQuery {
  const how = columns.map(({ name, type }) => exactCell(quote(name), type))
  return {
    sql: `SELECT ${how.map(({ sql }) => sql).join(', ')} FROM ${quote(table)}`,
    cells: (row) => how.map(({ cell }, i) => (row[i] === null ? 'null' : cell(String(row[i]))))
  }
}

/** ASCII that tells any two values apart. */
function exactCell(name: string, type: string): { sql: string; cell: (text: string) => ExactCell } {
  const isText = (text: string) => `text:${text}`
  if (/^(tiny|small|medium|big)?int/.test(type)) return { sql: name, cell: (text) => `integer:${text}` }
  if (type.startsWith('bit')) return { sql: `${name} + 0`, cell: (text) => `integer:${text}` }
  if (type.startsWith('double')) return { sql: name, cell: (text) => `real:${Number(text)}` }
  if (/blob|binary/.test(type)) return { sql: `HEX(${name})`, cell: (text) => `blob:${text}` }
  return { sql: `HEX(CONVERT(CAST(${name} AS CHAR) USING utf8mb4))`, cell: isText }
}

function isAt({ name, key }: TableSpec, place: number): string {
  const keys = (key ?? []).map(quote).join(', ')
  return `(${keys}) IN (SELECT * FROM (SELECT ${keys} FROM ${quote(name)} ORDER BY ${keys} LIMIT 1 OFFSET ${place}) AS one)`
}

function literal(spec: TableSpec, column: ColumnSpec, dice: number): string {
  const cell = rawCell(spec, column, dice)
  if (cell === null) return 'NULL'
  if (column.kind === 'blob' && /^0x([0-9a-f]{2})*$/i.test(cell)) return `x'${cell.slice(2)}'`
  if (column.kind === 'boolean' && /^(true|false)$/.test(cell)) return cell
  if (column.kind !== 'text' && /^-?\d+(\.\d+)?(e\d+)?$/.test(cell)) return cell
  return `CONVERT(x'${Buffer.from(cell).toString('hex')}' USING utf8mb4)`
}

function scriptStatement(spec: TableSpec, { kind, column, rows, values }: DiceStatement): string {
  const columns = spec.columns.filter((candidate) => !candidate.generated)
  const names = columns.map(({ name }) => quote(name))
  const table = quote(spec.name)
  const chosen = columns[column % columns.length] as ColumnSpec
  const name = quote(chosen.name)
  const some = `LENGTH(HEX(CAST(${names[0]} AS CHAR))) % 3 ${rows % 2 === 0 ? '=' : '<>'} ${rows % 3}`
  const value = literal(spec, chosen, values[0] ?? 0)
  const order = `ORDER BY ${(spec.key ?? columns.map((candidate) => candidate.name)).map(quote).join(', ')}`
  const insert = ['INSERT', 'REPLACE', 'INSERT IGNORE'][rows % 3]
  const update = ['UPDATE', 'UPDATE', 'UPDATE IGNORE'][rows % 3]
  const changed = names.map((other, i) => (i === column % columns.length ? value : other)).join(', ')
  const into = `${table} (${names.join(', ')})`
  const statements = [
    `${update} ${table} SET ${name} = ${value} WHERE ${some} ${order}`,
    `${update} ${table} SET ${name} = (SELECT * FROM (SELECT ${name} FROM ${table} ${order} LIMIT 1) AS first) ${order}`,
    `DELETE FROM ${table} WHERE ${some}`,
    `REPLACE INTO ${into} SELECT ${names.join(', ')} FROM ${table} WHERE ${some} ${order}`,
    `${insert} INTO ${into} SELECT ${changed} FROM ${table} WHERE ${some} ${order}`,
    `INSERT INTO ${into} SELECT ${names.join(', ')} FROM ${table} AS old WHERE ${some} ${order} ON DUPLICATE KEY UPDATE ${name} = ${value}`,
    `${insert} INTO ${into} VALUES (${columns.map((other, i) => literal(spec, other, values[i] ?? 0)).join(', ')})`,
    `DELETE FROM ${table}`
  ]
  // The last one only now and then: it leaves little to be changed by others.
  return statements[kind % 31 === 30 ? 7 : kind % 7] as string
}
