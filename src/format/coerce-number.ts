import { isDigit } from './calendar.ts'
import { CellFailure, quote } from './cell-failure.ts'
import { type Decimal, fractionDigits, parseDecimal, toScale, wholeDigits } from './decimal-text.ts'

const MINUS = 45
const DOT = 46
const ZERO = 48
/** So many characters of digits are always a safe integer. */
const SAFE_LENGTH = 15
/** No integer column is wider; longer numbers are refused unread. */
const LONGEST_INTEGER = 100
const DOUBLE = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/

/**
 * Integers, also written `+5`, `007` or `42.0`. Scientific notation passes only where no digit is left out (`4.2e1`):
 * `1.23457E+11` is what spreadsheets make of long numbers, and its last digits are lost.
 * @returns a number where it is safe, else a bigint
 */
export function integerCoercer(min: bigint, max: bigint): (text: string) => number | bigint | CellFailure {
  const low = Number(min)
  const high = Number(max)
  return (text) => {
    const small = readShortInteger(text)
    if (small >= low && small <= high) return small
    return coerceInteger(text, min, max)
  }
}

function coerceInteger(text: string, min: bigint, max: bigint): number | bigint | CellFailure {
  const number = parseDecimal(text.trim())
  if (!number || fractionDigits(number) > 0) return new CellFailure('type.integer', `${quote(text)} is not an integer`)
  if (number.leavesOutDigits) {
    return new CellFailure('type.integer', `${quote(text)} leaves out digits of an integer: write it in full`)
  }
  if (wholeDigits(number) > LONGEST_INTEGER) return outside(text, min, max)
  const integer = BigInt(toScale(number, 0))
  if (integer < min || integer > max) return outside(text, min, max)
  return Number.isSafeInteger(Number(integer)) ? Number(integer) : integer
}

function outside(text: string, min: bigint, max: bigint): CellFailure {
  return new CellFailure('out_of_range', `${quote(text)} is outside ${min} to ${max}`)
}

/** Reads an optional minus and up to 15 digits; NaN for anything else. */
function readShortInteger(text: string): number {
  const length = text.length
  const start = text.charCodeAt(0) === MINUS ? 1 : 0
  if (length === start || length > SAFE_LENGTH) return Number.NaN
  let number = 0
  for (let i = start; i < length; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return Number.NaN
    number = number * 10 + code - ZERO
  }
  // Subtracting keeps -0 out.
  return start === 1 ? 0 - number : number
}

/**
 * Decimals, also in scientific notation, as text with exactly the column's digits after the point: `1.50`, as SQL
 * databases print them. Zero has no sign.
 */
export function decimalCoercer(precision: number, scale: number): (text: string) => string | CellFailure {
  const whole = precision - scale
  return (text) => {
    if (isWrittenToScale(text, whole, scale)) return text
    const number = parseDecimal(text.trim())
    if (!number) return notANumber('type.decimal', text)
    return decimalOutside(text, number, whole, scale) ?? toScale(number, scale)
  }
}

function decimalOutside(text: string, number: Decimal, whole: number, scale: number): CellFailure | null {
  if (wholeDigits(number) > whole) {
    return new CellFailure(
      'out_of_range',
      `${quote(text)} has ${wholeDigits(number)} digits before the point, the column holds ${whole}`
    )
  }
  if (fractionDigits(number) > scale) {
    return new CellFailure(
      'out_of_range',
      `${quote(text)} would be rounded: it has ${fractionDigits(number)} digits after the point, the column holds ${scale}`
    )
  }
  return null
}

/** Whether the text is already what {@link toScale} would give; zeros with a sign are left to it. */
function isWrittenToScale(text: string, whole: number, scale: number): boolean {
  const start = text.charCodeAt(0) === MINUS ? 1 : 0
  const point = scale === 0 ? text.length : text.length - scale - 1
  const digits = point - start
  if (digits < 1 || digits > whole) return false
  if (text.charCodeAt(start) === ZERO && (digits > 1 || start === 1)) return false
  for (let i = start; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (i === point ? code !== DOT : !isDigit(code)) return false
  }
  return true
}

/** Floating-point numbers: the nearest one, as such columns are approximate by nature. */
export function doubleCoercer(text: string): number | CellFailure {
  const trimmed = text.trim()
  if (!DOUBLE.test(trimmed)) return notANumber('type.double', text)
  const number = Number(trimmed)
  if (Number.isFinite(number)) return number
  return new CellFailure('out_of_range', `${quote(text)} is beyond the largest floating-point number`)
}

/** The failure of a text that is no number at all. */
export function notANumber(code: 'type.decimal' | 'type.double', text: string): CellFailure {
  return new CellFailure(code, `${quote(text)} is not a number`)
}
