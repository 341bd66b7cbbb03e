import type { Row } from './value.ts'

/** How a migration writes its rows; see docs for what each does to rows that are absent from the source. */
export const WRITE_MODES = ['insert', 'upsert', 'update', 'replace', 'mirror', 'delete'] as const
export type WriteMode = (typeof WRITE_MODES)[number]

export type ChangeKind = 'insert' | 'update' | 'delete'

/** One row before and after; `before` is null for an insert and `after` for a delete. Cells stand in the image's columns. */
export interface RowChange {
  before: Row | null
  after: Row | null
}

export function kindOf(change: RowChange): ChangeKind {
  if (change.before === null) return 'insert'
  return change.after === null ? 'delete' : 'update'
}

/** How many rows a version wrote in one table. */
export interface WriteCounts {
  inserted: number
  updated: number
  deleted: number
  unchanged: number
}

export function noCounts(): WriteCounts {
  return { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
}

/** Adds a change to the counts. */
export function count(counts: WriteCounts, change: RowChange): void {
  const kind = kindOf(change)
  if (kind === 'insert') counts.inserted++
  else if (kind === 'update') counts.updated++
  else counts.deleted++
}
