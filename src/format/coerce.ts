import type { RawCell } from '../model/failed-row.ts'
import { plural } from '../model/plural.ts'
import type { Column, ColumnType } from '../model/table.ts'
import type { Value } from '../model/value.ts'
import { CellFailure, missingValue, quote } from './cell-failure.ts'
import { decimalCoercer, doubleCoercer, integerCoercer } from './coerce-number.ts'
import { coerceDate, coerceDateTime, coerceTime } from './coerce-time.ts'

/** Turns a source's text into the value of one column, or says why that cannot be done exactly. */
export type Coercer = (cell: RawCell) => Value | CellFailure

type TextCoercer = (text: string) => Value | CellFailure

/** The coercer of a column; made once, it allocates nothing for a cell that is written as the column holds it. */
export function coercerFor(column: Column): Coercer {
  const coerce = textCoercer(column.type)
  const missing = column.nullable ? null : missingValue(column.name)
  return (cell) => (cell === null ? missing : coerce(cell))
}

function textCoercer(type: ColumnType): TextCoercer {
  switch (type.kind) {
    case 'integer':
      return integerCoercer(type.min, type.max)
    case 'decimal':
      return decimalCoercer(type.precision, type.scale)
    case 'double':
      return doubleCoercer
    case 'boolean':
      return coerceBoolean
    case 'text':
      return stringCoercer(type.maxLength)
    case 'date':
      return coerceDate
    case 'datetime':
      return coerceDateTime
    case 'time':
      return coerceTime
    case 'blob':
      return coerceBlob
    case 'json':
      return coerceJson
  }
}

const BOOLEANS = new Map([
  ...['true', 't', 'yes', 'y', 'on', '1'].map((word) => [word, 1] as const),
  ...['false', 'f', 'no', 'n', 'off', '0'].map((word) => [word, 0] as const)
])

function coerceBoolean(text: string): number | CellFailure {
  return (
    BOOLEANS.get(text) ??
    BOOLEANS.get(text.trim().toLowerCase()) ??
    new CellFailure('type.boolean', `${quote(text)} is not a boolean (true/false, yes/no, on/off, 1/0)`)
  )
}

function stringCoercer(maxLength: number | null): TextCoercer {
  const limit = maxLength ?? Number.POSITIVE_INFINITY
  return (text) => {
    if (!text.isWellFormed()) return brokenText(text)
    // Characters are at most as many as UTF-16 codes.
    return text.length <= limit ? text : (tooLong(text, limit) ?? text)
  }
}

/** The failure of a text with more characters (code points) than the column holds, or null. */
export function tooLong(text: string, maxLength: number): CellFailure | null {
  const length = countCharacters(text)
  if (length <= maxLength) return null
  return new CellFailure(
    'too_long',
    `${quote(text)} has ${plural(length, 'character')}, ${maxLength} ${maxLength === 1 ? 'is' : 'are'} allowed`
  )
}

function countCharacters(text: string): number {
  let count = 0
  for (let i = 0; i < text.length; i++) {
    // The second half of a pair belongs to the character before it.
    if ((text.charCodeAt(i) & 0xfc00) !== 0xdc00) count++
  }
  return count
}

function brokenText(text: string): CellFailure {
  return new CellFailure('encoding', `${quote(text)} holds half a character (a lone surrogate)`)
}

function coerceBlob(text: string): Uint8Array | CellFailure {
  if (!/^0x(?:[0-9a-fA-F]{2})*$/.test(text)) {
    return new CellFailure('type.blob', `${quote(text)} is not a blob: write 0x and two hex digits per byte`)
  }
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'))
}

function coerceJson(text: string): string | CellFailure {
  if (!text.isWellFormed()) return brokenText(text)
  try {
    JSON.parse(text)
    return text
  } catch {
    return new CellFailure('type.json', `${quote(text)} is not valid JSON`)
  }
}
