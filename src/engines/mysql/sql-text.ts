import { escape as escapeText } from 'mysql2'
import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'

export function quote(identifier: string): string {
  return `\`${identifier.replaceAll('`', '``')}\``
}

export function list(names: readonly string[], alias?: string): string {
  return names.map((name) => (alias ? `${alias}.` : '') + quote(name)).join(', ')
}

/** Condition: two aliased rows have the same cells in these columns, as the server compares them; NULL is like nothing. */
export function equal(names: readonly string[], a: string, b: string): string {
  return names.map((name) => `${a}.${quote(name)} = ${b}.${quote(name)}`).join(' AND ')
}

/**
 * A value as SQL text. The session's character set is pinned to utf8mb4 and its sql_mode keeps the backslash, which is
 * what the driver's escaping takes for granted.
 * @param charset of the column, for text that is kept as bytes
 */
export function literal(value: Value, charset: string | null = null): string {
  if (value === null) return 'NULL'
  switch (typeof value) {
    case 'bigint':
      return value.toString()
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? String(value) : doubleLiteral(value)
    case 'string':
      return escapeText(value)
    default:
      return value instanceof RawText
        ? `${charset === null ? '' : `_${charset} `}${hexLiteral(value.bytes)}`
        : hexLiteral(value)
  }
}

/** With an exponent it is a DOUBLE; without, it would be a DECIMAL. */
function doubleLiteral(value: number): string {
  const text = Object.is(value, -0) ? '-0' : String(value)
  return text.includes('e') ? text : `${text}e0`
}

function hexLiteral(bytes: Uint8Array): string {
  return `X'${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}'`
}

/** Puts literals in the place of `?`, outside quoted text. */
export function bind(sql: string, parameters: readonly Value[]): string {
  if (parameters.length === 0) return sql
  let next = 0
  const bound = sql.replace(/'(?:[^'\\]|\\.|'')*'|`(?:[^`]|``)*`|\?/g, (part) =>
    part === '?' ? literal(parameters[next++] ?? null) : part
  )
  if (next !== parameters.length) throw new Error(`${next} places for ${parameters.length} parameters: ${sql}`)
  return bound
}
