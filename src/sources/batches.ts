import type { SourceBatch, SourceRow, UnreadableRow } from './source.ts'

const BATCH_ROWS = 1000

/** Collects rows and hands them out in batches. */
export class Batches {
  rows: SourceRow[] = []
  unreadable: UnreadableRow[] = []

  #takeUnreadable(): UnreadableRow[] {
    const taken = this.unreadable
    this.unreadable = []
    return taken
  }

  /** All full batches. */
  *full(bytesRead: number): Generator<SourceBatch> {
    let from = 0
    while (this.rows.length - from >= BATCH_ROWS || this.unreadable.length >= BATCH_ROWS) {
      yield { rows: this.rows.slice(from, from + BATCH_ROWS), unreadable: this.#takeUnreadable(), bytesRead }
      from += BATCH_ROWS
    }
    if (from > 0) this.rows = this.rows.slice(from)
  }

  /** What is left. */
  *rest(bytesRead: number): Generator<SourceBatch> {
    if (this.rows.length === 0 && this.unreadable.length === 0) return
    yield { rows: this.rows, unreadable: this.#takeUnreadable(), bytesRead }
    this.rows = []
  }
}
