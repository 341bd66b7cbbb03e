import { type RowbackError, usageError } from '../errors.ts'
import { CellFailure, quote } from './cell-failure.ts'
import { notANumber } from './coerce-number.ts'
import { compareDecimals, type Decimal, parseDecimal } from './decimal-text.ts'
import { type Moment, parseMoment } from './moment.ts'

/** Says why a text is out of bounds, or null when it is within. */
export type BoundsCheck = (text: string) => CellFailure | null

interface NumberBound {
  kind: 'number'
  number: Decimal
  text: string
}

interface MomentBound {
  kind: 'moment'
  text: string
}

type Bound = NumberBound | MomentBound

/**
 * Compiles `min` and `max` of a plan file: both numbers, compared digit by digit, or both dates or datetimes. A bound
 * that is a date covers its whole day; times are compared as written, zones aside.
 * @throws RowbackError `plan.bound`
 */
export function compileBounds(min: number | string | undefined, max: number | string | undefined): BoundsCheck {
  const low = min === undefined ? null : readBound(min)
  const high = max === undefined ? null : readBound(max)
  if (low && high && low.kind !== high.kind) {
    throw badBound(`min ${quote(String(min))} and max ${quote(String(max))} are of different kinds`)
  }
  if (low && high && isAbove(low, high)) {
    throw badBound(`min ${quote(low.text)} is above max ${quote(high.text)}`)
  }
  if (low?.kind === 'moment' || high?.kind === 'moment') return momentCheck(low?.text ?? null, high?.text ?? null)
  return numberCheck(low, high)
}

function readBound(bound: number | string): Bound {
  const text = String(bound)
  const number = parseDecimal(text)
  if (number) return { kind: 'number', number, text }
  const moment = parseMoment(text)
  if (moment === null || moment === 'unreal' || moment.zoned) {
    throw badBound(`${quote(text)} is neither a number nor a date`)
  }
  return { kind: 'moment', text: moment.time === null ? moment.date : instantText(moment) }
}

function isAbove(low: Bound, high: Bound): boolean {
  if (low.kind === 'number' && high.kind === 'number') return compareDecimals(low.number, high.number) > 0
  // A date is a prefix of its moments: `2020-01-01 10:00:00` to `2020-01-01` means until that evening.
  return low.text > high.text && !low.text.startsWith(high.text)
}

function badBound(problem: string): RowbackError {
  return usageError('plan.bound', `A bound cannot be used: ${problem}.`, 'Write numbers, or dates as yyyy-MM-dd.')
}

function numberCheck(low: NumberBound | null, high: NumberBound | null): BoundsCheck {
  return (text) => {
    const number = parseDecimal(text.trim())
    if (!number) return notANumber('type.decimal', text)
    if (low && compareDecimals(number, low.number) < 0) return outOfRange(text, `less than the minimum ${low.text}`)
    if (high && compareDecimals(number, high.number) > 0) return outOfRange(text, `more than the maximum ${high.text}`)
    return null
  }
}

function momentCheck(low: string | null, high: string | null): BoundsCheck {
  return (text) => {
    const moment = parseMoment(text.trim())
    if (moment === null || moment === 'unreal') {
      return new CellFailure('type.date', `${quote(text)} is not a date (yyyy-MM-dd)`)
    }
    if (low !== null && textLike(low, moment) < low) return outOfRange(text, `before the minimum ${low}`)
    if (high !== null && textLike(high, moment) > high) return outOfRange(text, `after the maximum ${high}`)
    return null
  }
}

/** As precise as the bound; ISO text orders as time does. */
function textLike(bound: string, moment: Moment): string {
  return bound.length === 'yyyy-MM-dd'.length ? moment.date : instantText(moment)
}

function instantText(moment: Moment): string {
  return `${moment.date} ${moment.time ?? '00:00:00'}`.replace(/\.0+$|(\.\d*[1-9])0+$/, '$1')
}

function outOfRange(text: string, problem: string): CellFailure {
  return new CellFailure('out_of_range', `${quote(text)} is ${problem}`)
}
