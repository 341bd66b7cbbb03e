import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'

/** What the driver binds. */
export type Bound = null | number | bigint | string | Uint8Array

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

export function list(names: readonly string[]): string {
  return names.map(quote).join(', ')
}

/** A condition with a parameter per column; NULL equals NULL. */
export function matching(names: readonly string[]): string {
  return names.map((name) => `${quote(name)} IS ?`).join(' AND ')
}

/** An expression with a parameter: the text in the column has the parameter's bytes, in whatever encoding the file is. */
export function hasBytesOf(column: string): string {
  return `CAST(${quote(column)} AS BLOB) = CAST(? AS BLOB)`
}

/** Undecodable text is bound as bytes and cast back to text. */
export function slotFor(value: Value): string {
  return value instanceof RawText ? 'CAST(? AS TEXT)' : '?'
}

export function bindable(value: Value): Bound {
  return value instanceof RawText ? value.bytes : value
}

export function isTriggerStatement(sql: string): boolean {
  return /^\s*CREATE\s+(TEMP\w*\s+)?TRIGGER\b/i.test(sql)
}
