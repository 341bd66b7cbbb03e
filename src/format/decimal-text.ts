const DECIMAL = /^([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?$/

/** A decimal number without loss: its significant digits, and how many of them stand before the point. */
export interface Decimal {
  negative: boolean
  /** Without leading and trailing zeros; empty for zero. */
  digits: string
  /** Below zero: so many zeros follow the point first. May lie far outside the digits. */
  point: number
  /** Scientific notation that leaves out digits before the point: `1.2e5`. */
  leavesOutDigits: boolean
}

/** Reads plain or scientific notation; null when the text is no decimal number. */
export function parseDecimal(text: string): Decimal | null {
  const match = DECIMAL.exec(text)
  if (!match) return null
  const whole = match[2] ?? ''
  const fraction = match[3] ?? match[4] ?? ''
  const exponent = Number(match[5] ?? 0)
  const all = whole + fraction
  const first = countLeadingZeros(all)
  if (first === all.length) return { negative: false, digits: '', point: 0, leavesOutDigits: false }
  return {
    negative: match[1] === '-',
    digits: all.slice(first, endOfDigits(all)),
    point: whole.length - first + exponent,
    leavesOutDigits: exponent > fraction.length
  }
}

/** How many digits stand before the point; zero has none. */
export function wholeDigits(number: Decimal): number {
  return Math.max(number.point, 0)
}

/** How many digits stand after the point, trailing zeros left out. */
export function fractionDigits(number: Decimal): number {
  return number.digits === '' ? 0 : Math.max(number.digits.length - number.point, 0)
}

/**
 * The one text of a number at a scale, as SQL databases print it: `-1.50`.
 * The caller has checked that it has no more fraction digits, and whole digits in reason.
 */
export function toScale(number: Decimal, scale: number): string {
  const { digits, point } = number
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  const sign = number.negative ? '-' : ''
  if (scale === 0) return sign + whole
  const fraction = point < 0 ? '0'.repeat(-point) + digits : digits.slice(point)
  return `${sign}${whole}.${fraction.padEnd(scale, '0')}`
}

/** Below zero when `a` is less than `b`, above when it is more. */
export function compareDecimals(a: Decimal, b: Decimal): number {
  const sign = signOf(a)
  if (sign !== signOf(b)) return sign - signOf(b)
  if (a.point !== b.point) return a.point < b.point ? -sign : sign
  // Without leading zeros and with the point at the same place, digits order as text does.
  if (a.digits === b.digits) return 0
  return a.digits < b.digits ? -sign : sign
}

function signOf(number: Decimal): number {
  if (number.digits === '') return 0
  return number.negative ? -1 : 1
}

// Loops, because a pattern such as /0+$/ takes quadratic time on a long cell.
function countLeadingZeros(digits: string): number {
  let at = 0
  while (at < digits.length && digits[at] === '0') at++
  return at
}

function endOfDigits(digits: string): number {
  let end = digits.length
  while (end > 0 && digits[end - 1] === '0') end--
  return end
}
