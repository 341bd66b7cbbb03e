import type { Row } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'
import type { MysqlColumn } from './columns.ts'
import { isBytes } from './columns.ts'
import { literalFor } from './range.ts'
import { literal, quote } from './sql-text.ts'

/** Condition: a row has these very cells, whatever collations call equal. */
export function sameCells(columns: readonly MysqlColumn[], row: Row): string {
  return columns
    .map((column, i) => {
      const name = quote(column.name)
      const value = row[i] ?? null
      if (value === null) return `${name} IS NULL`
      if (value instanceof RawText) return `HEX(${name}) = '${Buffer.from(value.bytes).toString('hex')}'`
      if (column.dataType === 'float') return `${name} * 1e0 = ${literal(value)}`
      if (isBytes(column)) return `HEX(${name}) = '${Buffer.from(value as Uint8Array).toString('hex')}'`
      if (column.dataType === 'json') return `CAST(CAST(${name} AS CHAR) AS BINARY) = CAST(${literal(value)} AS BINARY)`
      if (column.charset !== null && typeof value === 'string') {
        return `CAST(CONVERT(${name} USING utf8mb4) AS BINARY) = CAST(${literal(value)} AS BINARY)`
      }
      return `${name} = ${literalFor(column, value)}`
    })
    .join(' AND ')
}
