import type { Table } from '../../model/table.ts'
import type { Row } from '../../model/value.ts'
import type { RowRange } from '../engine.ts'
import type { MysqlColumn } from './columns.ts'
import { columnsNamed } from './columns.ts'
import { literal, quote } from './sql-text.ts'

/** The WHERE clause of a half-open range in the table's order; empty for all rows. */
export function rangeCondition(table: Table, range: RowRange): string {
  const order = columnsNamed(table, table.order ?? [])
  const conditions = [
    ...(range.from && order.length > 0 ? [fromBound(order, range.from)] : []),
    ...(range.to && order.length > 0 ? [`NOT (${fromBound(order, range.to)})`] : [])
  ]
  if (conditions.length === 0) return ''
  // Besides the exact condition, one on the first column alone: servers do not use an index for the other kind.
  const [first] = order as [MysqlColumn]
  const rough = [
    ...(range.from ? [`${quote(first.name)} >= ${literalFor(first, range.from[0])}`] : []),
    ...(range.to ? [`${quote(first.name)} <= ${literalFor(first, range.to[0])}`] : [])
  ]
  return `WHERE ${[...rough, ...conditions].join(' AND ')}`
}

/** `(a, b) >= (x, y)`, spelled out. */
function fromBound(order: readonly MysqlColumn[], bound: Row): string {
  const [column, ...rest] = order as [MysqlColumn, ...MysqlColumn[]]
  const name = quote(column.name)
  const value = literalFor(column, bound[0])
  if (rest.length === 0) return `${name} >= ${value}`
  return `(${name} > ${value} OR (${name} = ${value} AND ${fromBound(rest, bound.slice(1))}))`
}

/** A value as it compares with a column; as text, a DECIMAL would be compared as a floating-point number. */
export function literalFor(column: MysqlColumn, value: Row[number] | undefined): string {
  if (column.dataType === 'decimal' && typeof value === 'string' && /^-?\d+(\.\d+)?$/.test(value)) return value
  return literal(value ?? null, column.charset)
}
