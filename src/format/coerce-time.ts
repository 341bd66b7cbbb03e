import { DateTimeForm, dateTimeForm, isDate, timeFraction } from './calendar.ts'
import { CellFailure, quote } from './cell-failure.ts'
import { parseMoment } from './moment.ts'

/** Hours, as in MySQL, up to 838: a TIME is also a span. */
const TIME = /^(-?)(\d{1,3}):([0-5]\d)(?::([0-5]\d)(\.\d{1,9})?)?$/
const MAX_HOURS = 838
/** Blank, minutes and seconds; no zone. */
const CANONICAL = DateTimeForm.valid | DateTimeForm.seconds
const ZONED = DateTimeForm.utc | DateTimeForm.offset

/** Dates as `yyyy-MM-dd`; a datetime passes when it is midnight without a zone. */
export function coerceDate(text: string): string | CellFailure {
  if (isDate(text)) return text
  const moment = parseMoment(text.trim())
  if (moment === null) return new CellFailure('type.date', `${quote(text)} is not a date (yyyy-MM-dd)`)
  if (moment === 'unreal') return unreal('type.date', text)
  if (!moment.midnight) return new CellFailure('type.date', `${quote(text)} would lose the time in a date`)
  if (moment.zoned) return new CellFailure('type.date', `${quote(text)} would lose the time zone in a date`)
  return moment.date
}

/**
 * Datetimes as `yyyy-MM-dd HH:mm:ss(.f)`; a plain date is its midnight. With `Z` or an offset the text stays as it is:
 * a time is never shifted in silence.
 */
export function coerceDateTime(text: string): string | CellFailure {
  const form = dateTimeForm(text)
  if ((form & DateTimeForm.all) === CANONICAL || (form & ZONED) !== 0) return text
  const trimmed = text.trim()
  const moment = parseMoment(trimmed)
  if (moment === null) {
    return new CellFailure('type.datetime', `${quote(text)} is not a datetime (yyyy-MM-dd HH:mm:ss)`)
  }
  if (moment === 'unreal') return unreal('type.datetime', text)
  return moment.zoned ? trimmed : `${moment.date} ${moment.time ?? '00:00:00'}`
}

function unreal(code: 'type.date' | 'type.datetime', text: string): CellFailure {
  return new CellFailure(code, `${quote(text)} does not exist in the calendar or on the clock`)
}

/** Times as `HH:mm:ss(.f)`, from -838:59:59 to 838:59:59. */
export function coerceTime(text: string): string | CellFailure {
  if (timeFraction(text) >= 0) return text
  const match = TIME.exec(text.trim())
  if (!match) return new CellFailure('type.time', `${quote(text)} is not a time (HH:mm:ss)`)
  const [, minus = '', hours = '', minutes = '', seconds = '00', fraction = ''] = match
  if (Number(hours) > MAX_HOURS) {
    return new CellFailure('out_of_range', `${quote(text)} is outside -838:59:59 to 838:59:59`)
  }
  const time = `${String(Number(hours)).padStart(2, '0')}:${minutes}:${seconds}${fraction}`
  return /^[0:.]+$/.test(time) ? time : minus + time
}
