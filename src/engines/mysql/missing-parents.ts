import type { ForeignKey, Table } from '../../model/table.ts'
import { quote } from './sql-text.ts'
import { NUMBER, STAGE } from './stage.ts'
import type { Statements } from './statements.ts'

/**
 * Finds staged rows whose references lead nowhere, all in one query per foreign key. References into the table itself
 * are left out: a parent may be among the rows.
 * @param columns that are staged
 * @returns the numbers of the rows, a list for each foreign key that has any
 */
export async function findOrphans(
  statements: Statements,
  table: Table,
  columns: readonly string[]
): Promise<number[][]> {
  const found: number[][] = []
  for (const key of table.foreignKeys) {
    const isStaged = key.columns.every((column) => columns.includes(column))
    if (!isStaged || key.parentTable === table.name) continue
    const rows = await statements.read(orphanQuery(key))
    if (rows.length > 0) found.push(rows.map(([number]) => Number(number)))
  }
  return found
}

/** A reference with a NULL in it refers to nothing, and is fine (MATCH SIMPLE). */
function orphanQuery(key: ForeignKey): string {
  const same = key.columns.map((column, i) => `p.${quote(key.parentColumns[i] as string)} = s.${quote(column)}`)
  const given = key.columns.map((column) => `s.${quote(column)} IS NOT NULL`)
  return (
    `SELECT s.${NUMBER} FROM ${STAGE} s WHERE ${given.join(' AND ')} ` +
    `AND NOT EXISTS (SELECT 1 FROM ${quote(key.parentTable)} p WHERE ${same.join(' AND ')}) ORDER BY s.${NUMBER}`
  )
}
