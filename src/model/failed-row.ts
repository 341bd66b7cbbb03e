/** A cell as the source gave it: text, or null where the source says null. Numbers keep their own digits. */
export type RawCell = string | null

/** Why a row failed; stable words that programs may rely on. */
export type FailureCode =
  | 'ragged'
  | 'syntax'
  | 'encoding'
  | 'type.integer'
  | 'type.decimal'
  | 'type.double'
  | 'type.boolean'
  | 'type.date'
  | 'type.datetime'
  | 'type.time'
  | 'type.blob'
  | 'type.json'
  | 'not_in_map'
  | 'required'
  | 'too_long'
  | 'out_of_range'
  | 'duplicate_key'
  | 'ambiguous_key'
  | 'not_found'
  | 'foreign_key'
  | 'check'
  | 'trigger'
  | 'database'

/** A row that was not written, with all that is needed to correct it and submit it again. */
export interface FailedRow {
  table: string
  /** The line of the source on which the row begins, the header counted; null for a row that only the table has. */
  line: number | null
  /** The column at fault, or null when it is the row as a whole. */
  column: string | null
  code: FailureCode
  /** One sentence for a person. */
  reason: string
  /** The source's own columns and cells; surplus cells stand under `_extra`. */
  raw: Record<string, RawCell>
}
