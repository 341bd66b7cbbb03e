import type { FailureCode, RawCell } from '../model/failed-row.ts'

/** A row as the source has it: one cell per column of {@link Source.columns}. */
export interface SourceRow {
  /** Line of the file on which the row begins, the header counted, the first line being 1. */
  line: number
  cells: RawCell[]
}

/** A line that could not be read as a row; it fails, and the rows after it are read on. */
export interface UnreadableRow {
  line: number
  code: Extract<FailureCode, 'ragged' | 'syntax' | 'encoding'>
  reason: string
  /** By column name as far as it could be read; surplus cells under `_extra`. */
  raw: Record<string, RawCell>
}

export interface SourceBatch {
  rows: SourceRow[]
  unreadable: UnreadableRow[]
  /** Bytes of the input consumed so far, for a progress bar. */
  bytesRead: number
}

/** An opened file or stream whose rows can be read as often as needed, in flat memory. */
export interface Source {
  /** As the ledger names it: a file's base name, or `-` for standard input. Never a secret. */
  name: string
  columns: string[]
  /** Columns of which some cell was text in the source's own types (a JSON string): never inferred as numbers. */
  textColumns: ReadonlySet<string>
  /** SHA-256 of the input's bytes as given (compressed input: of the compressed bytes), in hex. */
  sha256: string
  /** Size of the input in bytes, to compare with {@link SourceBatch.bytesRead}. */
  bytes: number
  /** What was detected, for people: `CSV, delimiter ";", gbk`. */
  summary: string
  /**
   * Streams all rows from the beginning, in batches of about a thousand rows.
   * @throws RowbackError `source.changed` when the input is no longer what was opened.
   */
  read(): AsyncIterable<SourceBatch>
  /** Removes what was spooled; the input itself is left alone. */
  close(): Promise<void>
}

/** What a user may say of a source where detection would guess otherwise. */
export interface SourceOptions {
  delimiter?: string
  quote?: string
  encoding?: string
  /** Whether the first line names the columns; detected when left out. */
  header?: boolean
  /** Columns of the table that will receive the rows, if it exists: they tell a header from a first row. */
  expectedColumns?: string[]
}
