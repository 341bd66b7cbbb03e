import type { Column, ColumnType } from '../../model/table.ts'
import type { Value } from '../../model/value.ts'
import { Unholdable } from '../engine.ts'

const INT64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n }

/**
 * What a declared type means: SQLite keeps any name and decides by affinity (https://sqlite.org/datatype3.html,
 * section 3.1); names that say more (VARCHAR(20), DATE, BOOLEAN) are taken at their word.
 */
export function columnType(declared: string): ColumnType {
  const name = declared.toUpperCase()
  const [first, second] = [...name.matchAll(/\d+/g)].map((match) => Number(match[0]))
  if (name.includes('INT')) return { kind: 'integer', ...INT64 }
  if (name.includes('CHAR')) return { kind: 'text', maxLength: first ?? null }
  if (name.includes('CLOB') || name.includes('TEXT')) return { kind: 'text', maxLength: null }
  if (name.includes('BLOB')) return { kind: 'blob' }
  if (name.includes('REAL') || name.includes('FLOA') || name.includes('DOUB')) return { kind: 'double' }
  if (name.startsWith('BOOL')) return { kind: 'boolean' }
  if (name.startsWith('DATETIME') || name.startsWith('TIMESTAMP')) return { kind: 'datetime' }
  if (name.startsWith('DATE')) return { kind: 'date' }
  if (name.startsWith('TIME')) return { kind: 'time' }
  if (name.startsWith('JSON')) return { kind: 'json' }
  if (name.startsWith('DEC') || name.startsWith('NUM')) {
    return first === undefined
      ? { kind: 'decimal', precision: 65, scale: 30 }
      : { kind: 'decimal', precision: first, scale: second ?? 0 }
  }
  return { kind: 'text', maxLength: null }
}

/**
 * The declared type for a new column. Decimals of up to 15 digits are exact as SQLite's floating-point numbers;
 * longer ones become text, because SQLite would round them.
 */
export function declaredType(type: ColumnType, inferred = false): string {
  switch (type.kind) {
    case 'integer':
      return 'INTEGER'
    case 'decimal':
      if (type.precision > 15) return 'TEXT'
      return inferred ? 'REAL' : `DECIMAL(${type.precision}, ${type.scale})`
    case 'double':
      return 'REAL'
    case 'boolean':
      return 'BOOLEAN'
    case 'text':
      return type.maxLength === null ? 'TEXT' : `VARCHAR(${type.maxLength})`
    case 'date':
      return 'DATE'
    case 'datetime':
      return 'DATETIME'
    case 'time':
      return 'TIME'
    case 'blob':
      return 'BLOB'
    case 'json':
      return 'JSON'
  }
}

/** Numeric affinity turns text that looks like a number into one; which columns do so. */
function hasNumericAffinity(declared: string): boolean {
  const name = declared.toUpperCase()
  if (name === '') return false
  return !/INT|CHAR|CLOB|TEXT|BLOB|REAL|FLOA|DOUB/.test(name)
}

/**
 * How a formatted value becomes the one that SQLite will hold, so that a row that is there already compares as equal.
 * @returns null where values are held as they are
 */
export function adapterFor(column: Column): ((value: Value) => Value | Unholdable) | null {
  if (column.type.kind === 'decimal') return (value) => (typeof value === 'string' ? exactNumber(value) : value)
  if (column.type.kind === 'boolean') return (value) => (typeof value === 'number' ? BigInt(value) : value)
  if (!hasNumericAffinity(column.declared)) return null
  return (value) => (typeof value === 'string' ? asNumericAffinityHolds(value, column.declared) : value)
}

/** What SQLite takes for a number, blanks around it included (https://sqlite.org/datatype3.html, section 3). */
const LOOKS_NUMERIC = /^[ \t\n\v\f\r]*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?[ \t\n\v\f\r]*$/

/** Numeric affinity turns text that looks like a number into one: fine where the number shows as the same text. */
function asNumericAffinityHolds(text: string, declared: string): Value | Unholdable {
  if (!LOOKS_NUMERIC.test(text)) return text
  const number = exactNumber(text)
  if (!(number instanceof Unholdable) && String(number) === text) return number
  return new Unholdable(`the declared type ${declared} would turn "${text}" into a number and change it`)
}

function exactNumber(text: string): bigint | number | Unholdable {
  if (/^-?\d+(\.0*)?$/.test(text)) {
    const integer = BigInt(text.replace(/\.0*$/, ''))
    if (integer >= INT64.min && integer <= INT64.max) return integer
  }
  const digits = text.replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '')
  if (digits.length > 15) return new Unholdable('SQLite holds at most 15 digits of a decimal exactly')
  return Number(text)
}
