const ZERO = 48
const DASH = 45
const DOT = 46
const COLON = 58
const BLANK = 32
const PLUS = 43
const LETTER_T = 84
const LETTER_Z = 90

/** How a datetime is written, as bits: two texts have the same form when these bits are equal. */
export const DateTimeForm = { none: 0, valid: 1, letterT: 2, seconds: 4, utc: 8, offset: 16, all: 31 } as const

/** Bits of {@link dateTimeForm} above the form hold the number of fraction digits. */
export const FRACTION_SHIFT = 8

/** Whether a day exists in the calendar; years count from 1. */
export function isRealDay(year: number, month: number, day: number): boolean {
  return year >= 1 && month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month)
}

function daysIn(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
}

/** Whether the text is a `yyyy-MM-dd` that exists. */
export function isDate(text: string): boolean {
  return text.length === 10 && startsWithDate(text)
}

/**
 * Reads `yyyy-MM-dd[ T]HH:mm(:ss(.1-9 digits))?` with an optional `Z` or `±HH:mm`, without allocating.
 * @returns its {@link DateTimeForm} with the number of fraction digits above {@link FRACTION_SHIFT}, or 0
 */
export function dateTimeForm(text: string): number {
  if (text.length < 16 || !startsWithDate(text) || !isHourAndMinute(text, 11)) return 0
  const separator = text.charCodeAt(10)
  if (separator !== BLANK && separator !== LETTER_T) return 0
  let form: number = separator === LETTER_T ? DateTimeForm.valid | DateTimeForm.letterT : DateTimeForm.valid
  let at = 16
  if (text.charCodeAt(at) === COLON) {
    const fraction = secondsAt(text, at)
    if (fraction < 0) return 0
    form |= DateTimeForm.seconds | (fraction << FRACTION_SHIFT)
    at = endOfSeconds(at, fraction)
  }
  if (at === text.length) return form
  const zone = zoneAt(text, at)
  return zone === 0 ? 0 : form | zone
}

/** Reads `HH:mm:ss(.1-9 digits)?` of one day. @returns the number of fraction digits, or -1 */
export function timeFraction(text: string): number {
  if (text.length < 8 || !isHourAndMinute(text, 0)) return -1
  const fraction = secondsAt(text, 5)
  return fraction >= 0 && endOfSeconds(5, fraction) === text.length ? fraction : -1
}

/** Whether `±HH:mm` is within the offsets that exist. */
export function isOffset(hours: number, minutes: number): boolean {
  return hours >= 0 && minutes >= 0 && minutes <= 59 && hours * 60 + minutes <= 14 * 60
}

function startsWithDate(text: string): boolean {
  return (
    text.charCodeAt(4) === DASH &&
    text.charCodeAt(7) === DASH &&
    isRealDay(digitsAt(text, 0, 4), digitsAt(text, 5, 2), digitsAt(text, 8, 2))
  )
}

function isHourAndMinute(text: string, at: number): boolean {
  return isTwoDigits(text, at, 23) && text.charCodeAt(at + 2) === COLON && isTwoDigits(text, at + 3, 59)
}

/** Reads `:ss(.f)?`. @returns the number of fraction digits, or -1 */
function secondsAt(text: string, at: number): number {
  if (text.length < at + 3 || text.charCodeAt(at) !== COLON || !isTwoDigits(text, at + 1, 59)) return -1
  if (text.length === at + 3 || text.charCodeAt(at + 3) !== DOT) return 0
  let end = at + 4
  while (end < text.length && isDigit(text.charCodeAt(end))) end++
  const digits = end - at - 4
  return digits >= 1 && digits <= 9 ? digits : -1
}

function endOfSeconds(at: number, fraction: number): number {
  return fraction === 0 ? at + 3 : at + 4 + fraction
}

function zoneAt(text: string, at: number): number {
  const sign = text.charCodeAt(at)
  if (sign === LETTER_Z) return text.length === at + 1 ? DateTimeForm.utc : 0
  if ((sign !== PLUS && sign !== DASH) || text.length !== at + 6 || text.charCodeAt(at + 3) !== COLON) return 0
  return isOffset(digitsAt(text, at + 1, 2), digitsAt(text, at + 4, 2)) ? DateTimeForm.offset : 0
}

function isTwoDigits(text: string, at: number, max: number): boolean {
  const number = digitsAt(text, at, 2)
  return number >= 0 && number <= max
}

/** The number at a place that has exactly so many digits, or -1. */
function digitsAt(text: string, at: number, count: number): number {
  let number = 0
  for (let i = at; i < at + count; i++) {
    const code = text.charCodeAt(i)
    if (!isDigit(code)) return -1
    number = number * 10 + code - ZERO
  }
  return number
}

/** Whether a UTF-16 code is one of `0` to `9`. */
export function isDigit(code: number): boolean {
  return code >= ZERO && code <= 57
}
