import type { Value } from '../model/value.ts'
import { RawText } from '../model/value.ts'

const DATE = /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01])$/
const DATETIME = /^\d{4}-(0\d|1[0-2])-([0-2]\d|3[01]) ([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?$/
const TIME = /^-?([0-7]?\d{2}|8[0-2]\d|83[0-8]):[0-5]\d:[0-5]\d(\.\d{1,6})?$/
const DECIMAL = /^-?\d+(\.\d+)?$/
const SAFE = 2n ** 53n

export type ValueClass = 'integer' | 'real' | 'text' | 'bytes' | 'undecodable'

export function classOf(value: Exclude<Value, null>): ValueClass {
  if (typeof value === 'bigint') return 'integer'
  if (typeof value === 'number') return 'real'
  if (typeof value === 'string') return 'text'
  return value instanceof RawText ? 'undecodable' : 'bytes'
}

/** What the values of one column are like: all of them, so that a type chosen by it holds every one. */
export class ValueSurvey {
  readonly classes = new Set<ValueClass>()
  hasNull = false
  smallest = 0n
  largest = 0n
  /** Of text, in UTF-16 code units. */
  longest = 0
  /** The most digits after a second. */
  fractionDigits = 0
  areDates = true
  areDatetimes = true
  areTimes = true
  areDecimals = true
  /** Some text reads as a number, such as 5 or 1e3. */
  hasNumericText = false
  /** The most digits before and after the point, of numbers as they are shown. */
  wholeDigits = 0
  decimalDigits = 0
  /** Every integer is a floating-point number too. */
  areDoubles = true

  add(value: Value): void {
    if (value === null) {
      this.hasNull = true
      return
    }
    this.classes.add(classOf(value))
    if (typeof value === 'string') this.#addText(value)
    else if (typeof value === 'bigint') this.#addInteger(value)
    else if (typeof value === 'number') this.#addDigits(plainDigits(value))
  }

  /**
   * Numbers stand beside text, or integers beside numbers that have no room for them, and as text each is still told from
   * every other.
   */
  get canBeText(): boolean {
    return this.classes.size > 1 && this.only('integer', 'real', 'text') && !this.hasNumericText
  }

  /** All values that are there are of these classes. */
  only(...classes: ValueClass[]): boolean {
    return [...this.classes].every((seen) => classes.includes(seen))
  }

  #addInteger(value: bigint): void {
    if (value < this.smallest) this.smallest = value
    if (value > this.largest) this.largest = value
    if (value > SAFE || value < -SAFE) this.areDoubles = false
    this.#addDigits(String(value))
  }

  #addText(text: string): void {
    this.longest = Math.max(this.longest, text.length)
    this.areDates &&= DATE.test(text)
    this.areDatetimes &&= DATETIME.test(text)
    this.areTimes &&= TIME.test(text)
    this.areDecimals &&= DECIMAL.test(text)
    this.hasNumericText ||= text.trim() !== '' && !Number.isNaN(Number(text))
    const fraction = /\.(\d+)$/.exec(text)?.[1]
    if (fraction !== undefined) this.fractionDigits = Math.max(this.fractionDigits, fraction.length)
  }

  #addDigits(text: string | null): void {
    const [, whole = '', fraction = ''] = /^-?(\d+)(?:\.(\d+))?$/.exec(text ?? '') ?? []
    const [wholeDigits, decimalDigits] =
      text === null ? [Infinity, Infinity] : [whole.replace(/^0+/, '').length, fraction.length]
    this.wholeDigits = Math.max(this.wholeDigits, wholeDigits)
    this.decimalDigits = Math.max(this.decimalDigits, decimalDigits)
  }
}

/** A number as a text that no other number has: one with a point or an exponent where it is no integer. */
export function numberText(value: bigint | number): string {
  if (typeof value === 'bigint') return String(value)
  const text = Object.is(value, -0) ? '-0' : String(value)
  return /^-?\d+$/.test(text) ? `${text}.0` : text
}

/** A number as its shortest digits without an exponent; null where it is only shown with one. */
export function plainDigits(value: number): string | null {
  const text = String(value)
  return DECIMAL.test(text) ? text : null
}
