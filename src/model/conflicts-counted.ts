import { plural } from './plural.ts'

/**
 * `1 conflict`; `2 conflicts (2 rows, 3 cells)` where a row has several cells in conflict, for each has a line of its own.
 * @param told the conflicts that are told, with the cells of each; about a table as a whole where there is no key
 * @param count of all conflicts
 */
export function conflictsCounted(
  told: readonly { key: object | null; columns: readonly string[] }[],
  count: number
): string {
  const what = plural(count, 'conflict')
  if (told.length < count || told.every(({ columns }) => columns.length <= 1)) return what
  const rows = told.filter(({ key }) => key !== null).length
  const cells = told.reduce((sum, { columns }) => sum + columns.length, 0)
  return `${what} (${plural(rows, 'row')}, ${plural(cells, 'cell')})`
}
