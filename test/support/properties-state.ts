/** A cell with its type, exact to the bit: `null`, `integer:5`, `real:0.1`, `text:6869`, `blob:00ff` (bytes in hex). */
export type ExactCell = string

export interface TableState {
  columns: string[]
  /** Columns, indexes and foreign keys as the database tells them, in JSON; bookkeeping left out. */
  schema: string
  /** Whether it has a version column now. */
  tracked: boolean
  /** Sorted. */
  rows: ExactCell[][]
}

/** What of a column is in {@link TableState.schema}. */
export interface StateColumn {
  name: string
  type: string
  /** Its place in the primary key, from 1. */
  pk: number
  hidden: number
}

/** All user tables by name. */
export type DatabaseState = Map<string, TableState>

export function columnsOf({ schema }: TableState): StateColumn[] {
  const [columns] = JSON.parse(schema) as [StateColumn[]]
  return columns
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
  const tables = [...state].sort(([a], [b]) => (a < b ? -1 : 1))
  return tables.flatMap(([name, table]) => [
    `${name} ${table.schema}`,
    ...table.rows.map((row) => `${name}: ${row.map(readable).join(' | ')}`)
  ])
}

function readable(cell: ExactCell): string {
  if (!cell.startsWith('text:')) return cell
  const text = jsonCell(cell)
  return JSON.stringify(text)
}
