import type { ForeignKey } from '../../model/table.ts'
import { display, type Row } from '../../model/value.ts'
import { list, quote } from './sql-text.ts'

/** So many rows of one foreign key are named. */
const NAMED = 1000

/** Rows whose references lead nowhere, as sentences; asked by anti-join, as the server itself never looks back. */
export async function findViolations(
  read: (sql: string) => Promise<Row[]>,
  foreignKeys: readonly ForeignKey[]
): Promise<string[]> {
  const found: string[] = []
  for (const key of foreignKeys) {
    const same = key.columns.map((column, i) => `p.${quote(key.parentColumns[i] as string)} = c.${quote(column)}`)
    const given = key.columns.map((column) => `c.${quote(column)} IS NOT NULL`)
    const rows = await read(
      `SELECT ${list(key.columns, 'c')} FROM ${quote(key.table)} c WHERE ${given.join(' AND ')} AND NOT EXISTS ` +
        `(SELECT 1 FROM ${quote(key.parentTable)} p WHERE ${same.join(' AND ')}) LIMIT ${NAMED}`
    )
    for (const row of rows) {
      const reference = key.columns.map((column, i) => `${column} = ${display(row[i] ?? null)}`).join(', ')
      found.push(`${key.table}: ${reference} refers to a row of ${key.parentTable} that does not exist`)
    }
  }
  return found
}
