import { plural } from '../../model/plural.ts'
import type { Column, Table } from '../../model/table.ts'
import { unlikeHistory } from '../engine.ts'
import type { MysqlColumn } from './columns.ts'
import { bareColumns } from './columns.ts'
import { quote } from './sql-text.ts'
import type { Statements } from './statements.ts'

/** Stands in a history table while it is found out whether its values survive another type. */
const TRIED = 'rowback_retyped'
/** A default that is the same for all rows, as SHOW CREATE TABLE prints it behind a column's type. */
const CONSTANT = / DEFAULT ('(?:[^'\\]|''|\\[\s\S])*'|-?[\d.]+(?:e[+-]?\d+)?|b'[01]*')/i

/** The type of a column and, of text, what stands for its bytes. Widths of integers say nothing of their values. */
export function columnText({ declared, charset, collation }: MysqlColumn): string {
  const type = declared
    .replace(/\b(smallint|mediumint|int|integer|bigint|year|tinyint)\((?!1\))\d+\)/i, '$1')
    .toLowerCase()
  return charset === null ? type : `${type} ${charset} ${collation}`
}

/**
 * Adds a column to a history table. The server gives its rows what it gave to those of the table itself: the default, or
 * what it takes for one where there must be a value.
 * @param created the statement that makes the table
 */
export async function addColumn(
  { execute }: Statements,
  history: string,
  column: MysqlColumn,
  created: string
): Promise<void> {
  const [bare] = bareColumns([column]) as [string]
  const line = created.split('\n').find((it) => it.startsWith(`  ${quote(column.name)} `)) ?? ''
  const given = CONSTANT.exec(line)?.[0] ?? ''
  const first = column.nullable
    ? bare.replace(/ DEFAULT NULL$/, given)
    : bare.replace(/ NULL DEFAULT NULL$/, ` NOT NULL${given}`)
  await execute(`ALTER TABLE ${history} ADD COLUMN ${first}`)
  await execute(`ALTER TABLE ${history} MODIFY COLUMN ${bare}`)
}

export async function renameColumn(
  { execute }: Statements,
  history: string,
  from: string,
  column: MysqlColumn
): Promise<void> {
  await execute(`ALTER TABLE ${history} CHANGE COLUMN ${quote(from)} ${bareColumns([column])[0]}`)
}

/**
 * Gives a column of a history table another type, if all its values survive that.
 * @param held the column as the history table has it
 * @throws RowbackError `schema.changed`
 */
export async function retypeColumn(
  { execute, read }: Statements,
  history: string,
  table: Table,
  held: MysqlColumn,
  column: MysqlColumn
): Promise<void> {
  await execute(`ALTER TABLE ${history} DROP COLUMN IF EXISTS ${quote(TRIED)}`).catch(() => {})
  const [tried] = bareColumns([{ ...column, name: TRIED }])
  await execute(`ALTER TABLE ${history} ADD COLUMN ${tried}`)
  try {
    // What does not survive is found by comparing, not by an error that names one row.
    await execute(`UPDATE IGNORE ${history} SET ${quote(TRIED)} = ${quote(column.name)}`)
    const [lost] = await read(`SELECT count(*) FROM ${history} WHERE NOT (${survives(held, column)})`)
    const count = Number(lost?.[0])
    if (count > 0) throw unlikeHistory(table.name, column, plural(count, 'value'))
  } finally {
    await execute(`ALTER TABLE ${history} DROP COLUMN ${quote(TRIED)}`)
  }
  await execute(`ALTER TABLE ${history} MODIFY COLUMN ${bareColumns([column], table.key ?? [])[0]}`)
}

/** Condition: the value of the one type is exactly that of the other. */
function survives(held: Column, column: Column): string {
  const [a, b] = [quote(column.name), quote(TRIED)]
  const kinds = [held.type.kind, column.type.kind]
  const all = (...some: string[]) => kinds.every((kind) => some.includes(kind))
  if (all('blob')) return `HEX(${a}) <=> HEX(${b})`
  if (all('integer', 'decimal', 'boolean') || all('double') || all('datetime') || all('time')) return `${a} <=> ${b}`
  return `CAST(CAST(${a} AS CHAR) AS BINARY) <=> CAST(CAST(${b} AS CHAR) AS BINARY)`
}
