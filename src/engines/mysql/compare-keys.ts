import type { Row, Value } from '../../model/value.ts'
import type { MysqlColumn } from './columns.ts'
import { literalFor } from './range.ts'

/** Rows of one question. */
const ASKED_AT_ONCE = 500

/** Where rows stand, compared with one key, in the order of the columns: the server alone knows its collations. */
export async function compareKeys(
  read: (sql: string) => Promise<Row[]>,
  columns: readonly MysqlColumn[],
  key: Row,
  others: readonly Row[]
): Promise<number[]> {
  const signs: number[] = []
  for (let i = 0; i < others.length; i += ASKED_AT_ONCE) {
    const asked = others.slice(i, i + ASKED_AT_ONCE).map((other) => signOf(columns, key, other))
    const [row = []] = await read(`SELECT ${asked.join(', ')}`)
    signs.push(...row.map(Number))
  }
  return signs
}

function signOf(columns: readonly MysqlColumn[], key: Row, other: Row): string {
  const steps = columns.map((column, i) => {
    const [own, theirs] = [comparable(column, key[i] ?? null), comparable(column, other[i] ?? null)]
    return `WHEN ${own} > ${theirs} THEN -1 WHEN ${own} < ${theirs} THEN 1`
  })
  return `CASE ${steps.join(' ')} ELSE 0 END`
}

/** A value that compares with others as it would in the column. */
function comparable(column: MysqlColumn, value: Value): string {
  const sql = literalFor(column, value)
  const { dataType, charset, collation } = column
  if (dataType === 'time') return `CAST(${sql} AS TIME(6))`
  if (dataType === 'uuid' || dataType === 'inet4' || dataType === 'inet6') return `CAST(${sql} AS ${dataType})`
  return charset === null ? sql : `CONVERT(${sql} USING ${charset}) COLLATE ${collation}`
}
