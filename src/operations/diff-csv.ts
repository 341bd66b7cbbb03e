import Papa from 'papaparse'
import type { ColumnChanges } from '../strategies/shape.ts'
import type { ChangeJson } from './change-json.ts'

const HEADER = ['table', 'change', 'key', 'column', 'before', 'after']

/**
 * Changes as a table to be sorted and filtered: a line for each cell that differs, and for each cell of a row that came or
 * went. NULL is an empty cell, text without any character is `""`.
 * A column that came, went or was given another type has a line with its types.
 * @param notes of tables that are not compared in whole, which have a line of their own
 */
export function diffCsv(
  tables: readonly { table: string; columns?: ColumnChanges; rows: readonly ChangeJson[] }[],
  notes: readonly { table: string; note: string }[]
): string {
  const lines = [
    HEADER,
    ...tables.flatMap(({ table, columns, rows }) => [
      ...(columns ? columnLines(table, columns) : []),
      ...rows.flatMap((row) => cellLines(table, row))
    ]),
    ...notes.map(({ table, note }) => [table, 'note', null, null, null, note])
  ]
  return `${Papa.unparse(lines, { newline: '\n', quotes: (cell: unknown) => cell === '' })}\n`
}

function columnLines(table: string, { added, dropped, retyped }: ColumnChanges): (string | null)[][] {
  const line = (column: string, before: string | null, after: string | null) => [
    table,
    'column',
    null,
    column,
    before,
    after
  ]
  return [
    ...added.map(({ column, type }) => line(column, null, type)),
    ...dropped.map(({ column, type }) => line(column, type, null)),
    ...retyped.map(({ column, before, after }) => line(column, before, after))
  ]
}

function cellLines(table: string, { op, key, before, after, changed }: ChangeJson): (string | number | null)[][] {
  const columns = op === 'update' ? changed : Object.keys(after ?? before ?? {})
  const named = keyText(key)
  return columns.map((name) => [table, op, named, name, before?.[name] ?? null, after?.[name] ?? null])
}

/** As `blame` takes it: the value, or for several columns `a=1,b=x`. */
function keyText(key: ChangeJson['key']): string {
  const cells = Object.entries(key)
  const [only] = cells
  if (cells.length === 1 && only) return String(only[1] ?? '')
  return cells.map(([name, value]) => `${name}=${value ?? ''}`).join(',')
}
