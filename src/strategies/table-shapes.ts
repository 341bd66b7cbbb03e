import type { ColumnChanges, Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Column, Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { ShapeColumn, TableShape, TrackedTable } from '../model/version.ts'

/** What a table is like, as it is noted from version `since` on. */
export function shapeOf(engine: Engine, table: Table, since: number): TableShape {
  const columns = writableColumns(table).map((column) => ({ name: column.name, type: engine.columnText(column) }))
  return { since, ddl: table.ddl, columns }
}

/** What a tracked table was like in the state of a version, as far as that was noticed. */
export function shapeAt(tracked: TrackedTable, at: number): TableShape {
  return tracked.shapes.findLast(({ since }) => since <= at) ?? (tracked.shapes[0] as TableShape)
}

/** How the columns of a table differ from those that were noted last. */
export interface ShapeChanges extends ColumnChanges {
  dropped: ShapeColumn[]
}

/**
 * @param table a tracked one
 * @throws RowbackError `schema.changed` (exit code 5) where others made it again: its rows do not say which version wrote them
 */
export function assertHasVersions(engine: Engine, table: Table): void {
  if (!table.lacksVersions) return
  throw new RowbackError({
    code: 'schema.changed',
    message: `${withoutVersions(table.name)} No version can go on from it, and earlier states of it cannot be read.`,
    hint: wayBack(engine, table.name),
    exit: ExitCode.conflict
  })
}

/** What is said of a table that has no version column any more. */
export function madeAgain(engine: Engine, table: string): string {
  return `${withoutVersions(table)} ${wayBack(engine, table)}`
}

function withoutVersions(table: string): string {
  return `Others took ${table} away and made it again, and its rows do not say which version wrote them.`
}

/** An adopt tells what others changed from what versions wrote. */
function wayBack(engine: Engine, table: string): string {
  return `Give it its column back: ${engine.addVersionColumnSql(table)}; and record what others changed: rowback adopt -m "..."`
}

/** How a table differs from what was noted of it last; null when it does not. */
export async function changesOf(engine: Engine, tracked: TrackedTable, table: Table): Promise<ShapeChanges | null> {
  const before = tracked.shapes.at(-1)?.columns ?? []
  const changes = changesBetween(engine, before, table)
  if (changes === null) return null
  const [come, gone] = [changes.added[0], changes.dropped[0]]
  const isOne = changes.added.length === 1 && changes.dropped.length === 1
  if (!isOne || !come || !gone || !(await isRenamed(engine, before, table, gone, come))) return changes
  return { ...changes, added: [], dropped: [], renamed: [{ from: gone.name, column: come }] }
}

/** How the columns of a table differ from these; null when they do not. Renamed ones went, and came. */
export function changesBetween(engine: Engine, before: readonly ShapeColumn[], table: Table): ShapeChanges | null {
  const now = writableColumns(table)
  const then = new Map(before.map((column) => [column.name, column]))
  const added = now.filter(({ name }) => !then.has(name))
  const dropped = before.filter(({ name }) => !now.some((column) => column.name === name))
  const retyped = now.filter((column) => {
    const old = then.get(column.name)
    return old && old.type !== engine.columnText(column)
  })
  if (added.length + dropped.length + retyped.length === 0) return null
  return { added, dropped, renamed: [], retyped }
}

/**
 * Whether one column went and another came by being renamed. It stands in the same place and has the same type; in the last
 * place, where a new one would stand, too, it also has values that a new one would not.
 */
async function isRenamed(
  engine: Engine,
  before: readonly ShapeColumn[],
  table: Table,
  gone: ShapeColumn,
  come: Column
): Promise<boolean> {
  const now = writableColumns(table)
  const place = before.indexOf(gone)
  if (now.indexOf(come) !== place || now.length !== before.length || gone.type !== engine.columnText(come)) return false
  if (place < before.length - 1) return true
  const [name, from] = [engine.quote(come.name), engine.quote(table.name)]
  const filled = `SELECT 1 FROM ${from} WHERE ${name} IS NOT NULL LIMIT 1`
  return !come.hasDefault && (await engine.query(filled)).rows.length > 0
}

/** The name that a column had at a version, whatever it was renamed to since; null where it came later. */
export function nameThen({ shapes }: TrackedTable, at: number, name: string): string | null {
  let now = name
  const begin = Math.max(
    shapes.findLastIndex(({ since }) => since <= at),
    0
  )
  for (let i = shapes.length - 1; i > begin; i--) {
    const [before, after] = [shapes[i - 1]?.columns ?? [], shapes[i]?.columns ?? []]
    if (before.some((column) => column.name === now)) continue
    const place = after.findIndex((column) => column.name === now)
    const old = before[place]
    // As isRenamed has it: only one went, and only one came.
    const isLost = old !== undefined && !after.some((column) => column.name === old.name)
    if (!isLost || before.length !== after.length || old.type !== after[place]?.type) return null
    now = old.name
  }
  return now
}

/** What others did, in words. */
export function describeChanges(table: string, { added, dropped, renamed, retyped }: ShapeChanges): string {
  const parts = [
    ...added.map(({ name }) => `column ${name} was added`),
    ...dropped.map(({ name }) => `column ${name} was dropped`),
    ...renamed.map(({ from, column }) => `column ${from} seems to have been renamed to ${column.name}`),
    ...retyped.map(({ name, declared }) => `column ${name} became ${declared || 'untyped'}`)
  ]
  return `Others changed ${table}: ${parts.join(', ')}.`
}

/** What a rollback leaves as it is: it writes rows, and none of the columns that others dropped comes back. */
export function stayingColumns(tracked: TrackedTable, table: Table, to: number): string[] {
  const gone = shapeAt(tracked, to).columns.filter(({ name }) => !table.columns.some((column) => column.name === name))
  if (gone.length === 0) return []
  return [
    `${table.name} keeps its columns of now: what others dropped or renamed does not come back (${gone.map(({ name }) => name).join(', ')}).`
  ]
}
