import type { ForeignKey } from '../../model/table.ts'
import { display, type Row } from '../../model/value.ts'
import type { StandIn } from '../engine.ts'
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
    const rows = await read(
      `SELECT ${list(key.columns, 'c')} FROM ${quote(key.table)} c WHERE ${leadsNowhere(key, 'c')} LIMIT ${NAMED}`
    )
    for (const row of rows) {
      const reference = key.columns.map((column, i) => `${column} = ${display(row[i] ?? null)}`).join(', ')
      found.push(`${key.table}: ${reference} refers to a row of ${key.parentTable} that does not exist`)
    }
  }
  return found
}

/** The foreign keys as they will be once some tables have given their names to others. */
export function withStandIns(foreignKeys: readonly ForeignKey[], standIns: readonly StandIn[]): ForeignKey[] {
  const under = new Map(standIns.map((standIn) => [standIn.table, standIn.under]))
  const place = (table: string) => under.get(table) ?? table
  const staying = foreignKeys.filter((key) => !under.has(key.table))
  return [...staying, ...standIns.flatMap((standIn) => standIn.foreignKeys)].map((key) => ({
    ...key,
    table: place(key.table),
    parentTable: place(key.parentTable)
  }))
}

/**
 * Condition: an aliased row refers to a row that does not exist. A reference with a NULL in it refers to nothing, and is
 * fine (MATCH SIMPLE).
 */
export function leadsNowhere(key: ForeignKey, child: string): string {
  const given = key.columns.map((column) => `${child}.${quote(column)} IS NOT NULL`)
  const same = key.columns.map((column, i) => `p.${quote(key.parentColumns[i] as string)} = ${child}.${quote(column)}`)
  return `${given.join(' AND ')} AND NOT EXISTS (SELECT 1 FROM ${quote(key.parentTable)} p WHERE ${same.join(' AND ')})`
}
