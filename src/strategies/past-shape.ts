import type { Engine, Tracking } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Table } from '../model/table.ts'
import type { ShapeColumn, TrackedTable } from '../model/version.ts'
import { shapeFromHistory } from './history-shape.ts'

import { assertHistoryThere } from './lost-history.ts'
import type { LiveState, LiveToRead } from './session.ts'
import { asRead } from './session.ts'
import { assertHasVersions, changesOf, describeChanges, shapeAt } from './table-shapes.ts'

/** In which columns a state of a tracked table is read. */
export interface PastShape {
  table: Table
  ddl: string[]
  tracking: Tracking
  /** Why they are not those of then; a sentence. */
  note: string | null
}

/**
 * Finds in which columns the state that version `at` left can be read in full: those of then, unless others dropped or
 * renamed one while rows of that state were still live, so that its values went with it; else those of now.
 * @returns null when the history is gone
 * @throws RowbackError `schema.changed` when they must be carried into the history first
 */
export async function pastShape(
  engine: Engine,
  live: LiveState | LiveToRead,
  tracked: TrackedTable,
  at: number
): Promise<PastShape | null> {
  const isKept = live.tracked.get(tracked.table) === tracked
  const now = isKept ? await asRead(live).table(tracked.table) : undefined
  if (now) assertHasVersions(engine, now)
  assertHistoryThere(tracked)
  const tracking = { history: tracked.history, live: now !== undefined }
  const changes = now ? await changesOf(engine, tracked, now) : null
  const isOne = tracked.shapes.length === 1 && changes === null
  if (now && isOne) return { table: now, ddl: now.ddl, tracking, note: null }
  const history = await shapeFromHistory(engine, tracked)
  if (!history) return null
  if (isOne) return { table: history, ddl: tracked.ddl, tracking, note: null }
  const whole = now ?? history
  const { columns, ddl } = shapeAt(tracked, at)
  const lost: string[] = []
  let isLive = tracking.live
  for (const column of columns) {
    const gone = whenGone(tracked, column, at, now)
    if (gone === null) continue
    if (!has(history, column) || (await engine.hadRowsAlive(whole, tracking, at, gone.since))) lost.push(column.name)
    else isLive = false
  }
  if (lost.length === 0)
    return { table: only(whole, history, columns), ddl, tracking: { ...tracking, live: isLive }, note: null }
  const many = lost.length > 1
  const note =
    `${tracked.table} is read in its columns of now: others dropped or renamed ${lost.join(', ')} after version ${at}, ` +
    `and ${many ? 'their' : 'its'} values in rows of then went with ${many ? 'them' : 'it'}.`
  if (changes && changes.added.length + changes.renamed.length > 0)
    throw carryFirst(tracked.table, describeChanges(tracked.table, changes))
  if (now) return { table: now, ddl: now.ddl, tracking, note }
  const last = tracked.shapes.at(-1)?.columns ?? []
  return { table: only(history, history, last), ddl: tracked.ddl, tracking, note }
}

/** The version that noticed that a column is gone; null in it for now, null for a column that is there. */
function whenGone(
  tracked: TrackedTable,
  column: ShapeColumn,
  at: number,
  now: Table | undefined
): { since: number | null } | null {
  const without = tracked.shapes.find(
    ({ since, columns }) => since > at && !columns.some(({ name }) => name === column.name)
  )
  if (without) return { since: without.since }
  return now && !has(now, column) ? { since: null } : null
}

function has(table: Table, column: ShapeColumn): boolean {
  return table.columns.some(({ name }) => name === column.name)
}

/** A table with some of its columns, or of those that only its history still has; computed ones are not noted. */
function only(table: Table, history: Table, columns: readonly ShapeColumn[]): Table {
  const known = [...table.columns, ...history.columns]
  const written = columns.flatMap(({ name }) => known.find((column) => column.name === name) ?? [])
  return { ...table, columns: [...written, ...table.columns.filter(({ generated }) => generated)] }
}

function carryFirst(table: string, what: string): RowbackError {
  return new RowbackError({
    code: 'schema.changed',
    message: `${what} Its history does not know that yet, so that ${table} cannot be read as it was.`,
    hint: 'Carry it into the history, which changes none of your tables: rowback recover',
    exit: ExitCode.conflict
  })
}
