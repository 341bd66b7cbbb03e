import type { Cells } from './cells.ts'
import { cellsOf } from './cells.ts'
import type { ChangeKind } from './change.ts'
import { plural } from './plural.ts'
import type { Row } from './value.ts'

/** Rows of one table that others changed, whom rowback knows nothing of. */
export interface DriftedRows {
  table: string
  /** What the others did. */
  inserted: number
  updated: number
  deleted: number
  /** A few of the rows. */
  examples: { op: ChangeKind; row: Row }[]
  /** Of these rows. */
  columns: string[]
  /** The columns that tell rows apart; all where there is no key. */
  key: string[]
}

export function isAny({ inserted, updated, deleted }: DriftedRows): boolean {
  return inserted + updated + deleted > 0
}

/** Rows of one table that others changed, as programs get them. */
export interface DriftJson {
  table: string
  inserted: number
  updated: number
  deleted: number
  /** A few of them. */
  rows: { op: ChangeKind; key: Cells }[]
}

export function driftJson({ table, inserted, updated, deleted, examples, columns, key }: DriftedRows): DriftJson {
  const rows = examples.map(({ op, row }) => ({ op, key: cellsOf(row, columns, key) }))
  return { table, inserted, updated, deleted, rows }
}

/** `3 rows of customers (id 1, 5, ...)`, for people. */
export function driftInWords({ table, inserted, updated, deleted, rows }: DriftJson): string {
  const changed = inserted + updated + deleted
  const keys = rows.length > 0 ? ` (${keysInWords(rows, changed)})` : ''
  return `${plural(changed, 'row')} of ${table}${keys}`
}

/** So many tables are named. */
export const MOST_NAMED = 3

/** The same of several tables. */
export function driftsInWords(drift: readonly DriftJson[]): string {
  const named = drift.slice(0, MOST_NAMED).map(driftInWords)
  const more = drift.length - named.length
  return listed(more > 0 ? [...named, `rows of ${plural(more, 'more table')}`] : named)
}

/** `a, b and c`. */
export function listed(parts: readonly string[]): string {
  return parts.length < 2 ? parts.join() : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`
}

function keysInWords(rows: DriftJson['rows'], changed: number): string {
  const [first] = rows
  const names = Object.keys(first?.key ?? {})
  const cells = rows.map(({ key }) =>
    Object.values(key)
      .map((cell) => shortened(cell))
      .join('/')
  )
  return `${names.join('/')} ${cells.join(', ')}${changed > rows.length ? ', ...' : ''}`
}

const LONGEST_CELL = 40

function shortened(cell: null | number | string): string {
  const text = String(cell)
  return text.length > LONGEST_CELL ? `${text.slice(0, LONGEST_CELL - 1)}…` : text
}
