import type { Value } from '../../model/value.ts'
import { display } from '../../model/value.ts'
import { hiddenRowid, type Read } from './inspect.ts'
import { list, quote } from './sql-text.ts'

/** So many rows are told with their references. */
const NAMED = 1000

/** Rows whose references lead nowhere, as sentences. */
export function rowsWithoutParents(read: Read): string[] {
  return read('PRAGMA foreign_key_check').map((found, i) => {
    const reference = i < NAMED ? referenceOf(read, found) : ''
    return `${found.table}: row ${found.rowid ?? '?'}${reference} refers to a row of ${found.parent} that does not exist`
  })
}

/** ` (parent_id = 7)`; empty where the row cannot be asked for. */
function referenceOf(read: Read, { table, rowid, fkid }: Record<string, Value>): string {
  const columns = read('SELECT name FROM pragma_table_xinfo(?)', table as Value).map(({ name }) => String(name))
  const place = hiddenRowid(columns)
  const key = read(
    'SELECT "from" FROM pragma_foreign_key_list(?) WHERE id = ? ORDER BY seq',
    table as Value,
    fkid as Value
  )
  const names = key.map(({ from }) => String(from))
  if (rowid === null || place === null || names.length === 0) return ''
  const [row] = read(`SELECT ${list(names)} FROM ${quote(String(table))} WHERE ${place} = ?`, rowid as Value)
  return ` (${names.map((name) => `${name} = ${display(row?.[name] ?? null)}`).join(', ')})`
}
