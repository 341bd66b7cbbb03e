import { isOffset, isRealDay } from './calendar.ts'

const MOMENT =
  /^(\d{4})([-/]?)(\d{2})\2(\d{2})(?:[ T](\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(?:(Z)|[+-](\d{2}):(\d{2}))?)?$/

/** A point in time as written, nothing shifted. */
export interface Moment {
  /** `yyyy-MM-dd` */
  date: string
  /** `HH:mm:ss` with the fraction as written; null for a plain date. */
  time: string | null
  midnight: boolean
  /** Written with `Z` or an offset. */
  zoned: boolean
}

/**
 * Reads a date (`yyyy-MM-dd`, `yyyy/MM/dd` or `yyyyMMdd`) with an optional time of day.
 * @returns null when it is not written so; `unreal` when no calendar or clock shows it
 */
export function parseMoment(text: string): Moment | 'unreal' | null {
  const match = MOMENT.exec(text)
  if (!match) return null
  const [, year = '', , month = '', day = '', hour, minute = '', second = '00', fraction, utc, hours, minutes] = match
  if (!isRealDay(Number(year), Number(month), Number(day))) return 'unreal'
  const date = `${year}-${month}-${day}`
  if (hour === undefined) return { date, time: null, midnight: true, zoned: false }
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 59) return 'unreal'
  if (hours !== undefined && !isOffset(Number(hours), Number(minutes))) return 'unreal'
  const time = `${hour}:${minute}:${second}${fraction === undefined ? '' : `.${fraction}`}`
  return { date, time, midnight: /^[0:.]+$/.test(time), zoned: utc !== undefined || hours !== undefined }
}
