import type { FailureCode } from '../model/failed-row.ts'

const SHOWN = 60

/** Why a cell cannot be written; returned instead of a value, so that good cells cost nothing. */
export class CellFailure {
  readonly code: FailureCode
  /** One sentence for a person. */
  readonly reason: string

  constructor(code: FailureCode, reason: string) {
    this.code = code
    this.reason = reason
  }
}

/** A value as a sentence shows it: in quotes, at most 60 characters, control characters escaped. */
export function quote(text: string): string {
  return JSON.stringify(shorten(text))
}

function shorten(text: string): string {
  if (text.length <= SHOWN) return text
  // Half of a surrogate pair would show as an escape.
  return `${text.slice(0, SHOWN - 1).replace(/[\uD800-\uDBFF]$/, '')}…`
}

/** The failure of a column that has no value and needs one. */
export function missingValue(column: string): CellFailure {
  return new CellFailure('required', `column ${quote(column)} must have a value`)
}
