import type { Value } from '../../model/value.ts'
import { Unholdable } from '../engine.ts'
import type { MysqlColumn } from './columns.ts'

type Adapter = (value: Value) => Value | Unholdable

/**
 * How a formatted value becomes the one that the server will hold. What it would alter without a word is refused here:
 * blanks at the end of CHAR, two-digit years, fractions beyond the column's, members in another case.
 * @returns null where values are held as they are
 */
export function adapterFor(column: MysqlColumn): Adapter | null {
  const { dataType, declared } = column
  switch (dataType) {
    case 'tinyint':
    case 'bit':
      return column.type.kind === 'boolean' ? (value) => (typeof value === 'number' ? BigInt(value) : value) : null
    case 'year':
      return adaptYear
    case 'float':
      return column.rounded ? roundedAdapter(declared) : adaptFloat
    case 'double':
      return column.rounded ? roundedAdapter(declared) : null
    case 'char':
      return adaptChar
    case 'binary':
      return binaryAdapter(Number(/\d+/.exec(declared)?.[0] ?? 1))
    case 'enum':
      return memberAdapter(column.members)
    case 'set':
      return setAdapter(column.members)
    case 'datetime':
    case 'timestamp':
    case 'time':
      return timeAdapter(column)
    default:
      return null
  }
}

/** Two digits would become 1970 to 2069. */
function adaptYear(value: Value): Value | Unholdable {
  if (value === null || Number(value) === 0 || Number(value) >= 1901) return value
  return new Unholdable(`a YEAR is 0 or from 1901 to 2155, not ${value}`)
}

function adaptFloat(value: Value): Value | Unholdable {
  if (typeof value !== 'number') return value
  const held = Math.fround(value)
  return Number.isFinite(held) ? held : new Unholdable(`${value} is beyond the largest FLOAT`)
}

/** FLOAT(M,D) and DOUBLE(M,D) would round without a warning. */
function roundedAdapter(declared: string): Adapter {
  const digits = Number(/,\s*(\d+)\)/.exec(declared)?.[1] ?? 0)
  return (value) => {
    if (typeof value !== 'number' || Number(value.toFixed(digits)) === value) return value
    return new Unholdable(`${value} would be rounded: the column holds ${digits} digits after the point`)
  }
}

function adaptChar(value: Value): Value | Unholdable {
  if (typeof value !== 'string' || !value.endsWith(' ')) return value
  return new Unholdable('CHAR would drop the blanks at the end')
}

function binaryAdapter(length: number): Adapter {
  return (value) => {
    if (!(value instanceof Uint8Array) || value.length === length) return value
    if (value.length > length) return new Unholdable(`${value.length} bytes are too long for BINARY(${length})`)
    return new Unholdable(`BINARY(${length}) would fill ${value.length} bytes up with zeros`)
  }
}

function memberAdapter(members: readonly string[]): Adapter {
  const known = new Set(members)
  return (value) =>
    typeof value !== 'string' || known.has(value)
      ? value
      : new Unholdable(`"${value}" is not one of ${members.join(', ')}`)
}

function setAdapter(members: readonly string[]): Adapter {
  return (value) => {
    if (typeof value !== 'string' || value === '') return value
    const chosen = new Set(value.split(','))
    const stranger = [...chosen].find((member) => !members.includes(member))
    if (stranger !== undefined) return new Unholdable(`"${stranger}" is not one of ${members.join(', ')}`)
    if (chosen.has('')) return new Unholdable('text cannot name the empty member of a SET')
    return members.filter((member) => chosen.has(member)).join(',')
  }
}

const ZONE = /(?:Z|[+-]\d{2}(?::?\d{2})?)$/i

function timeAdapter({ dataType, fractionDigits }: MysqlColumn): Adapter {
  const type = dataType.toUpperCase()
  return (value) => {
    if (typeof value !== 'string') return value
    const zoned = dataType !== 'time' && value.length > 10 && ZONE.test(value.slice(10))
    if (zoned && dataType === 'datetime') return new Unholdable(`"${value}" names a time zone, and a ${type} has none`)
    const local = zoned ? inUtc(value) : value
    if (local instanceof Unholdable) return local
    return (
      withFraction(local, fractionDigits) ??
      new Unholdable(
        `"${value}" would be rounded: ${type}(${fractionDigits}) holds ${fractionDigits} digits after the second`
      )
    )
  }
}

/** The moment in UTC, the session's time zone; digits after the second stay as they are. */
function inUtc(text: string): string | Unholdable {
  const [, seconds, fraction = '', zone = ''] = /^(.{10}.\d{2}:\d{2}(?::\d{2})?)(\.\d+)?\s*(.*)$/.exec(text) ?? []
  const offset = /^z$/i.test(zone) ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3).replace(':', '') || '00'}`
  const moment = new Date(`${(seconds ?? '').replace(' ', 'T')}${offset}`)
  if (Number.isNaN(moment.getTime())) return new Unholdable(`"${text}" is not a moment`)
  return moment.toISOString().slice(0, 19).replace('T', ' ') + fraction
}

/** @returns null when digits other than zeros would be lost */
function withFraction(text: string, digits: number): string | null {
  const point = text.indexOf('.')
  if (point < 0) return digits === 0 ? text : `${text}.${'0'.repeat(digits)}`
  const fraction = text.slice(point + 1)
  if (/[1-9]/.test(fraction.slice(digits))) return null
  const kept = fraction.slice(0, digits).padEnd(digits, '0')
  return digits === 0 ? text.slice(0, point) : `${text.slice(0, point)}.${kept}`
}
