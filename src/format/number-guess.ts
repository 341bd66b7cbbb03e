import type { ColumnType } from '../model/table.ts'
import { isDigit } from './calendar.ts'
import { parseDecimal } from './decimal-text.ts'

const MINUS = 45
const PLUS = 43
const DOT = 46
const ZERO = 48
const INT64_DIGITS = 19
const INT64_MAX = '9223372036854775807'
const INT64_MIN = '-9223372036854775808'
/** Decimal digits that a double always gives back as they were. */
const DOUBLE_DIGITS = 15
/** Below this, doubles have fewer digits. */
const SMALLEST_NORMAL = 2.2250738585072014e-308
/** The widest decimal of MySQL; longer numbers stay text. */
const MAX_PRECISION = 65
const MAX_SCALE = 30

/** Signed 64-bit integers, the type of every inferred integer column. */
export const INT64: ColumnType = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n }

/** Follows a column of numbers and knows the narrowest type that holds them all exactly. */
export class NumberGuess {
  #wholeDigits = 0
  #scale = 0
  #int64 = true
  #scientific = false
  #double = true

  /** Takes one more cell. @returns false when it is no number, or one whose text a number would not give back */
  accept(text: string): boolean {
    const end = text.length
    const start = text.charCodeAt(0) === MINUS ? 1 : 0
    const point = skipDigits(text, start)
    const digits = point - start
    if (digits === 0 || (digits > 1 && text.charCodeAt(start) === ZERO)) return false
    if (point === end) return this.#integer(text, start, digits)
    if (text.charCodeAt(point) !== DOT) return false
    const afterFraction = skipDigits(text, point + 1)
    const scale = afterFraction - point - 1
    if (scale === 0) return false
    if (afterFraction === end) this.#decimal(text, digits, scale)
    else if (!isExponent(text, afterFraction)) return false
    else this.#exponential(text)
    return true
  }

  /** The type of all cells so far; null when only text holds them. */
  type(): ColumnType | null {
    if (this.#scientific) return this.#double ? { kind: 'double' } : null
    if (this.#scale === 0 && this.#int64) return INT64
    const precision = this.#wholeDigits + this.#scale
    if (precision > MAX_PRECISION || this.#scale > MAX_SCALE) return null
    return { kind: 'decimal', precision, scale: this.#scale }
  }

  #integer(text: string, start: number, digits: number): boolean {
    // -0 would come back as 0.
    if (start === 1 && text.charCodeAt(1) === ZERO) return false
    if (digits > this.#wholeDigits) this.#wholeDigits = digits
    if (digits >= INT64_DIGITS && this.#int64) this.#int64 = fitsInt64(text, digits)
    if (digits > DOUBLE_DIGITS && this.#double) this.#double = survivesDouble(text)
    return true
  }

  #decimal(text: string, digits: number, scale: number): void {
    if (digits > this.#wholeDigits) this.#wholeDigits = digits
    if (scale > this.#scale) this.#scale = scale
    if (digits + scale > DOUBLE_DIGITS && this.#double) this.#double = survivesDouble(text)
  }

  #exponential(text: string): void {
    this.#scientific = true
    if (this.#double) this.#double = survivesDouble(text)
  }
}

function skipDigits(text: string, from: number): number {
  let at = from
  while (at < text.length && isDigit(text.charCodeAt(at))) at++
  return at
}

function isExponent(text: string, at: number): boolean {
  const letter = text.charCodeAt(at)
  if (letter !== 69 && letter !== 101) return false
  const sign = text.charCodeAt(at + 1)
  const digits = sign === PLUS || sign === MINUS ? at + 2 : at + 1
  return digits < text.length && skipDigits(text, digits) === text.length
}

function fitsInt64(text: string, digits: number): boolean {
  if (digits > INT64_DIGITS) return false
  // Texts of the same length order as their numbers do.
  return text.charCodeAt(0) === MINUS ? text <= INT64_MIN : text <= INT64_MAX
}

function survivesDouble(text: string): boolean {
  const digits = parseDecimal(text)?.digits ?? ''
  const size = Math.abs(Number(text))
  if (digits === '') return true
  return digits.length <= DOUBLE_DIGITS && size >= SMALLEST_NORMAL && Number.isFinite(size)
}
