import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import type { DiceStatement, ExactQuery, PropertyDatabase, PropertyEngine } from './properties-engine.ts'

import type { DatabaseState, ExactCell, TableState } from './properties-state.ts'
import { sortRows } from './properties-state.ts'
import type { ColumnSpec, TableSpec } from './properties-tables.ts'
import { CASCADING, GROUPS, KEYLESS, ODD_VALUES, rawCell } from './properties-tables.ts'

export const sqliteEngine: PropertyEngine = {
  name: 'sqlite',
  groups: GROUPS,
  keyless: KEYLESS,
  cascading: CASCADING,
  quote: quoteName,
  literal,
  isAt({ name, key }, place) {
    const keys = (key ?? []).map(quoteName).join(', ')
    return `(${keys}) IS (SELECT ${keys} FROM ${quoteName(name)} ORDER BY ${keys} LIMIT 1 OFFSET ${place})`
  },
  scriptStatement,
  exactly: (table, { columns }) => exactly(table, columns),
  async make(folder, name) {
    return new SqliteFile(join(folder, `${name}.db`))
  }
}

class SqliteFile implements PropertyDatabase {
  readonly target: string
  readonly #path: string

  constructor(path: string) {
    this.#path = path
    this.target = `sqlite:${path}`
  }

  async run(sql: string): Promise<void> {
    withDatabase(this.#path, (db) => db.exec(sql))
  }

  async read(): Promise<DatabaseState> {
    return readState(this.#path)
  }

  async rehearse(statements: readonly string[]): Promise<DatabaseState | string> {
    return withDatabase(this.#path, (db) => {
      try {
        db.exec('PRAGMA foreign_keys = ON; BEGIN')
        for (const statement of statements) db.exec(statement)
        return readTables(db)
      } catch (error) {
        return (error as Error).message
      }
    })
  }

  async close(): Promise<void> {}
}

/** Reads every user table through a connection of its own. */
export function readState(path: string): DatabaseState {
  return withDatabase(path, readTables)
}

function withDatabase<T>(path: string, work: (db: DatabaseSync) => T): T {
  const db = new DatabaseSync(path)
  try {
    return work(db)
  } finally {
    db.close()
  }
}

function readTables(db: DatabaseSync): DatabaseState {
  return new Map(userTables(db).map((table) => [table, readTable(db, table)]))
}

function userTables(db: DatabaseSync): string[] {
  const names = db
    .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    .all()
    .map((row) => String(row.name))
  const history = new Set(
    names.includes('rowback_table')
      ? db
          .prepare('SELECT history FROM rowback_table')
          .all()
          .map((row) => String(row.history))
      : []
  )
  return names.filter((name) => !name.startsWith('sqlite_') && !name.startsWith('rowback_') && !history.has(name))
}

function readTable(db: DatabaseSync, table: string): TableState {
  const info = db.prepare('SELECT * FROM pragma_table_xinfo(?)').all(table)
  const own = info.filter((column) => column.name !== 'version_id').map(({ cid: _position, ...column }) => column)
  const indexes = db
    .prepare(
      "SELECT name, sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND tbl_name = ? AND name NOT LIKE 'rowback_%' ORDER BY name"
    )
    .all(table)
  const foreignKeys = db.prepare('SELECT * FROM pragma_foreign_key_list(?)').all(table)
  const columns = own.map((column) => String(column.name))
  return {
    columns,
    schema: JSON.stringify([own, indexes, foreignKeys]),
    tracked: own.length < info.length,
    rows: readRows(db, table, columns)
  }
}

function readRows(db: DatabaseSync, table: string, columns: string[]): ExactCell[][] {
  const { sql, cells } = exactly(table, columns)
  const statement = db.prepare(sql)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  return sortRows((statement.all() as unknown as unknown[][]).map(cells))
}

function exactly(table: string, columns: string[]): ExactQuery {
  const read = columns.map(quoteName).map((column) => `typeof(${column}), ${exactText(column)}`)
  return {
    sql: `SELECT ${read.join(', ')} FROM ${quoteName(table)}`,
    cells: (row) => columns.map((_, i) => exactCell(String(row[2 * i]), row[2 * i + 1]))
  }
}

/** Text as the bytes that stand in the file. */
function exactText(column: string): string {
  return `CASE typeof(${column}) WHEN 'text' THEN hex(CAST(${column} AS BLOB)) WHEN 'blob' THEN hex(${column}) ELSE ${column} END`
}

function exactCell(type: string, value: unknown): ExactCell {
  if (type === 'null') return 'null'
  return `${type}:${Object.is(value, -0) ? '-0' : String(value)}`
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function scriptStatement(spec: TableSpec, { kind, column, rows, values }: DiceStatement): string {
  const columns = spec.columns.filter((candidate) => !candidate.generated)
  const names = columns.map(({ name }) => quoteName(name))
  const table = quoteName(spec.name)
  const chosen = columns[column % columns.length] as ColumnSpec
  const name = quoteName(chosen.name)
  const some = `length(hex(CAST(${names[0]} AS BLOB))) % 3 ${rows % 2 === 0 ? '=' : '<>'} ${rows % 3}`
  const value = literal(spec, chosen, values[0] ?? 0)
  const onConflict = ['', ' OR REPLACE', ' OR IGNORE'][rows % 3]
  const order = `ORDER BY ${(spec.key ?? columns.map((candidate) => candidate.name)).map(quoteName).join(', ')}`
  const statements = [
    `UPDATE${onConflict} ${table} SET ${name} = ${value} WHERE ${some}`,
    `UPDATE${onConflict} ${table} SET ${name} = (SELECT ${name} FROM ${table} ${order} LIMIT 1)`,
    `DELETE FROM ${table} WHERE ${some}`,
    `INSERT OR REPLACE INTO ${table} (${names.join(', ')}) SELECT ${names.join(', ')} FROM ${table} WHERE ${some} ${order}`,
    `INSERT${onConflict} INTO ${table} (${names.join(', ')}) SELECT ${names
      .map((other, i) => (i === column % columns.length ? value : other))
      .join(', ')} FROM ${table} WHERE ${some} ${order}`,
    `INSERT${onConflict} INTO ${table} (${names.join(', ')}) VALUES (${columns.map((other, i) => literal(spec, other, values[i] ?? 0)).join(', ')})`,
    `DELETE FROM ${table}`
  ]
  // The last one only now and then: it leaves little to be changed by others.
  return statements[kind % 31 === 30 ? 6 : kind % 6] as string
}

/** What a column without any type keeps apart. */
const ANY_VALUES = ["'007'", '7', '7.0', "'7'", "'1e5'", "x'37'", 'NULL', '-0.0', '9223372036854775807']

/** Now and then a value that no source could give. */
function literal(spec: TableSpec, column: ColumnSpec, dice: number): string {
  const isKey = spec.key?.includes(column.name)
  const plain =
    !isKey && !column.unique && column.kind !== 'reference' && !spec.columns.some((other) => other.generated)
  if (plain && dice % 5 === 4) return ODD_VALUES[Math.floor(dice / 5) % ODD_VALUES.length] as string
  if (column.kind === 'any') return ANY_VALUES[dice % ANY_VALUES.length] as string
  const cell = rawCell(spec, column, dice)
  if (cell === null) return 'NULL'
  if (column.kind === 'blob' && /^0x([0-9a-f]{2})*$/i.test(cell)) return `x'${cell.slice(2)}'`
  return `CAST(x'${Buffer.from(cell).toString('hex')}' AS TEXT)`
}
