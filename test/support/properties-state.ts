import { DatabaseSync } from 'node:sqlite'

/** A cell with its storage class, exact to the bit: `null`, `integer:5`, `real:0.1`, `text:6869`, `blob:00ff` (bytes in hex). */
export type ExactCell = string

export interface TableState {
  columns: string[]
  /** Columns, indexes and foreign keys as SQLite tells them; bookkeeping left out. */
  schema: string
  /** Sorted. */
  rows: ExactCell[][]
}

/** All user tables by name. */
export type DatabaseState = Map<string, TableState>

/** Reads every user table through a connection of its own. */
export function readState(path: string): DatabaseState {
  const db = new DatabaseSync(path)
  try {
    return new Map(userTables(db).map((table) => [table, readTable(db, table)]))
  } finally {
    db.close()
  }
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
  return { columns, schema: JSON.stringify([own, indexes, foreignKeys]), rows: readRows(db, table, columns) }
}

function readRows(db: DatabaseSync, table: string, columns: string[]): ExactCell[][] {
  const cells = columns.map(quoteName).map((column) => `typeof(${column}), ${exactly(column)}`)
  const statement = db.prepare(`SELECT ${cells.join(', ')} FROM ${quoteName(table)}`)
  statement.setReturnArrays(true)
  statement.setReadBigInts(true)
  const rows = (statement.all() as unknown as unknown[][]).map((row) =>
    columns.map((_, i) => exactCell(String(row[2 * i]), row[2 * i + 1]))
  )
  return sortRows(rows)
}

/** Text as the bytes that stand in the file. */
function exactly(column: string): string {
  return `CASE typeof(${column}) WHEN 'text' THEN hex(CAST(${column} AS BLOB)) WHEN 'blob' THEN hex(${column}) ELSE ${column} END`
}

function exactCell(type: string, value: unknown): ExactCell {
  if (type === 'null') return 'null'
  return `${type}:${Object.is(value, -0) ? '-0' : String(value)}`
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

export function sortRows(rows: ExactCell[][]): ExactCell[][] {
  const texts = new Map(rows.map((row) => [row, row.join('|')]))
  return rows.sort((a, b) => {
    const [x = '', y = ''] = [texts.get(a), texts.get(b)]
    return x < y ? -1 : x > y ? 1 : 0
  })
}

export function textCell(text: string): ExactCell {
  return `text:${Buffer.from(text).toString('hex').toUpperCase()}`
}

export function blobCell(hex: string): ExactCell {
  return `blob:${hex.toUpperCase()}`
}

/** The cell as programs get it in JSON: integers beyond 2^53 as text, bytes as `0x…`. */
export function jsonCell(cell: ExactCell): null | number | string {
  if (cell === 'null') return null
  const type = cell.slice(0, cell.indexOf(':'))
  const value = cell.slice(type.length + 1)
  if (type === 'integer') return Number.isSafeInteger(Number(value)) ? Number(value) : value
  if (type === 'real') return Number.isFinite(Number(value)) ? Number(value) : value
  if (type === 'blob') return `0x${value.toLowerCase()}`
  const bytes = Buffer.from(value, 'hex')
  const text = bytes.toString('utf8')
  return Buffer.from(text).equals(bytes) ? text : `0x${value.toLowerCase()}`
}

/** A state in lines that a failed comparison can show. */
export function show(state: DatabaseState): string[] {
  return [...state].flatMap(([name, table]) => [
    `${name} ${table.schema}`,
    ...table.rows.map((row) => `${name}: ${row.map(readable).join(' | ')}`)
  ])
}

function readable(cell: ExactCell): string {
  if (!cell.startsWith('text:')) return cell
  const text = jsonCell(cell)
  return JSON.stringify(text)
}
