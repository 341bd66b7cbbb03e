import type { Column, Table } from '../model/table.ts'
import type { SqlWord } from './sql-words.ts'

/** What stands before the star that asks for all columns; after anything else it multiplies or counts. */
const BEFORE_STAR = /^(SELECT|DISTINCT|DISTINCTROW|ALL|HIGH_PRIORITY|STRAIGHT_JOIN|SQL_\w+)$/i

/**
 * Selects the rows of a tracked table that one version left, each at its own cost: see docs/architecture.md,
 * "Incremental rows".
 * @param live the quoted place of the table; null where it was dropped since
 * @param history the quoted place of its superseded rows
 * @param cells what is selected of both
 * @param ofLive the version of a live row, in a form that says whether an index over it may be used
 */
export function stateSelect(
  live: string | null,
  history: string,
  cells: string,
  version: number,
  ofLive = 'version_id'
): string {
  const superseded = `SELECT ${cells} FROM ${history} WHERE version_id <= ${version} AND superseded_by > ${version}`
  return live === null
    ? superseded
    : `SELECT ${cells} FROM ${live} WHERE ${ofLive} <= ${version} UNION ALL ${superseded}`
}

/**
 * The columns of a table that a statement may read, at least one: a database that has to put rows together first then carries
 * no others.
 */
export function columnsRead(words: readonly SqlWord[], table: Pick<Table, 'columns'>): Column[] {
  if (readsAll(words)) return table.columns
  const mentioned = new Set(words.map(({ text }) => text.toLowerCase()))
  const read = table.columns.filter(({ name }) => mentioned.has(name.toLowerCase()))
  return read.length > 0 ? read : table.columns.filter(({ generated }) => !generated).slice(0, 1)
}

/** Whether a statement asks for columns without naming them. */
export function readsAll(words: readonly SqlWord[]): boolean {
  return words.some(({ kind, text }, i) => {
    if (kind === 'word') return /^(NATURAL|TABLE)$/i.test(text)
    if (kind !== 'sign' || text !== '*') return false
    const before = words[i - 1]
    return before?.kind === 'sign' ? before.text === ',' || before.text === '.' : BEFORE_STAR.test(before?.text ?? '')
  })
}
