import type { ColumnRule } from '../format/rules.ts'
import type { WriteMode } from '../model/change.ts'
import type { SourceOptions } from '../sources/source.ts'

/** What the user wants for one table; what is null is found out from the source and the table. */
export interface TableRequest {
  /** A path, or `-` for standard input. */
  source: string
  table: string | null
  key: string[] | null
  mode: WriteMode | null
  /** Make the table from the source when it is missing. */
  create: boolean
  /** Rules by the column's name in the table; null takes every column of the source by its name. */
  columns: Record<string, ColumnRule> | null
  options: SourceOptions
}

/** When failed rows make the whole migration fail. */
export interface FailurePolicy {
  onFailure: 'skip' | 'abort'
  /** At most so many rows, or so many percent of the rows read; null for any number. */
  maxFailed: { rows: number } | { percent: number } | null
}

/** Reads `100` or `5%`; null when the text is neither. */
export function parseMaxFailed(text: string): FailurePolicy['maxFailed'] {
  const match = /^(\d+(?:\.\d+)?)(%?)$/.exec(text.trim())
  if (!match) return null
  const number = Number(match[1])
  if (match[2]) return number <= 100 ? { percent: number } : null
  return Number.isInteger(number) ? { rows: number } : null
}
