import { type RowbackError, usageError } from '../errors.ts'
import { isRealDay } from './calendar.ts'
import { quote } from './cell-failure.ts'

const TOKEN = /yyyy|MM?|dd?|HH?|mm|ss|T|[A-Za-z0-9]+|[^A-Za-z0-9]/g
const HINT =
  'A format is built of yyyy, MM, dd, HH, mm and ss with separators between them, such as yyyy/MM/dd HH:mm; ' +
  'M, d and H take one digit or two.'

/** Reads one way of writing dates. @returns ISO text, or null when the text is not written so or no such day exists */
export type DateReader = (text: string) => string | null

type Part = 'y' | 'M' | 'd' | 'H' | 'm' | 's'

/**
 * Compiles a format such as `dd.MM.yyyy HH:mm`. It names a whole date, a time of day, or both.
 * @throws RowbackError `plan.format`
 */
export function compileDatePattern(format: string): DateReader {
  const { parts, pattern } = readFormat(format)
  const hasDate = parts.includes('y')
  const hasTime = parts.includes('H')
  return (text) => {
    const match = pattern.exec(text)
    if (!match) return null
    const value = (part: Part): string => (match[parts.indexOf(part) + 1] ?? '').padStart(2, '0')
    const date = hasDate ? isoDate(value('y'), value('M'), value('d')) : ''
    const time = hasTime ? isoTime(value('H'), value('m'), parts.includes('s') ? value('s') : '00') : ''
    if (date === null || time === null) return null
    return date && time ? `${date} ${time}` : date + time
  }
}

function isoDate(year: string, month: string, day: string): string | null {
  return isRealDay(Number(year), Number(month), Number(day)) ? `${year}-${month}-${day}` : null
}

function isoTime(hour: string, minute: string, second: string): string | null {
  return Number(hour) <= 23 && Number(minute) <= 59 && Number(second) <= 59 ? `${hour}:${minute}:${second}` : null
}

function readFormat(format: string): { parts: Part[]; pattern: RegExp } {
  const parts: Part[] = []
  let pattern = ''
  let open = false
  for (const token of format.match(TOKEN) ?? []) {
    const digits = digitsOf(token)
    // Without a separator nobody could say where a part of one digit or two ends.
    if (digits !== null && open) throw badFormat(format, `needs a separator before ${token}`)
    if (digits === null) pattern += literal(format, token)
    else {
      parts.push(token[0] as Part)
      pattern += digits
    }
    open = digits === '(\\d{1,2})'
  }
  checkParts(format, parts)
  return { parts, pattern: new RegExp(`^${pattern}$`, 'u') }
}

function digitsOf(token: string): string | null {
  if (token === 'yyyy') return '(\\d{4})'
  if (/^(MM|dd|HH|mm|ss)$/.test(token)) return '(\\d{2})'
  return /^[MdH]$/.test(token) ? '(\\d{1,2})' : null
}

function literal(format: string, token: string): string {
  if (/^[A-Za-z0-9]/.test(token) && token !== 'T') throw badFormat(format, `has the unknown letters ${quote(token)}`)
  return token.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&')
}

function checkParts(format: string, parts: Part[]): void {
  if (new Set(parts).size < parts.length) throw badFormat(format, 'names a part twice')
  const date = (['y', 'M', 'd'] as const).filter((part) => parts.includes(part)).length
  if (date !== 0 && date !== 3) throw badFormat(format, 'does not name year, month and day')
  if (parts.includes('H') !== parts.includes('m') || (parts.includes('s') && !parts.includes('m'))) {
    throw badFormat(format, 'does not name hour and minute')
  }
  if (parts.length === 0) throw badFormat(format, 'names neither a date nor a time')
}

function badFormat(format: string, problem: string): RowbackError {
  return usageError('plan.format', `The format ${quote(format)} ${problem}.`, HINT)
}
