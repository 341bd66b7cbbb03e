import type { Table } from '../../model/table.ts'
import { leadsNowhere } from './foreign-keys.ts'
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
    const rows = await statements.read(
      `SELECT s.${NUMBER} FROM ${STAGE} s WHERE ${leadsNowhere(key, 's')} ORDER BY s.${NUMBER}`
    )
    if (rows.length > 0) found.push(rows.map(([number]) => Number(number)))
  }
  return found
}
