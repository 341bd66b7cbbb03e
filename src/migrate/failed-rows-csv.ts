import Papa from 'papaparse'
import type { FailedRow } from '../model/failed-row.ts'
import { EXTRA_COLUMN, FAILED_ROW_COLUMNS } from './bind-table.ts'

/**
 * A table's failed rows as a CSV to correct and submit again: the source's own columns, then `_line`, `_column`,
 * `_code` and `_reason`. Cells that no column could take stand under `_extra`.
 */
export async function* failedRowsCsv(
  columns: readonly string[],
  table: string,
  rows: AsyncIterable<FailedRow>
): AsyncIterable<string> {
  const header = [...columns.filter((name) => !isBookkeeping(name)), EXTRA_COLUMN, ...FAILED_ROW_COLUMNS]
  yield line(header)
  for await (const row of rows) {
    if (row.table !== table) continue
    const own = header.slice(0, -FAILED_ROW_COLUMNS.length).map((name) => row.raw[name] ?? '')
    yield line([...own, String(row.line ?? ''), row.column ?? '', row.code, row.reason])
  }
}

function isBookkeeping(name: string): boolean {
  return name === EXTRA_COLUMN || (FAILED_ROW_COLUMNS as readonly string[]).includes(name)
}

function line(cells: string[]): string {
  return `${Papa.unparse([cells], { newline: '\n' })}\n`
}

/** `3-customers.csv`; characters that a file name cannot have become `_`. */
export function failedRowsFileName(version: number, table: string): string {
  return `${version}-${table.replace(/[^\p{L}\p{N}._-]+/gu, '_')}.csv`
}
