import type { Engine } from '../engines/engine.ts'
import type { RowChange } from '../model/change.ts'
import type { Collations } from '../model/key.ts'
import { RowKey } from '../model/key.ts'
import { sameList } from '../model/table.ts'
import type { Repository } from '../store/repository.ts'
import type { LiveState, LiveToRead } from './session.ts'
import type { ColumnChanges } from './shape.ts'
import { changedColumns } from './shape.ts'
import type { Place } from './state-reader.ts'
import { collationsOf, hiddenOf, keyOf, namesOf, orderOf, StateReader, shapesOf } from './state-reader.ts'
import type { TableImage } from './table-image.ts'
import {
  diffImages,
  imageIn,
  joinMovedRows,
  liveImage,
  noImage,
  rebuiltImage,
  stateImage,
  storedImage
} from './table-image.ts'

/** What changed in one table between two states. */
export interface TableChanges {
  table: string
  /** Of the rows of every change. */
  columns: string[]
  /** The columns that tell rows apart; all of them where there is no key. */
  key: string[]
  changes: () => AsyncIterable<RowChange>
  /** What became of its columns; null where nothing did, or where the table was not there in both states. */
  columnChanges: ColumnChanges | null
  /** Whether rows are compared only in the columns that both states have. */
  isPartial: boolean
  /** Why a state is not read in its own columns; a sentence. */
  note?: string | null
}

/**
 * Compares the states that two versions left, table by table, reading only what can differ.
 * @param only compares this table alone; null compares all
 */
export async function compareStates(
  engine: Engine,
  live: LiveState | LiveToRead,
  repository: Repository | null,
  from: number,
  to: number,
  only: string | null
): Promise<TableChanges[]> {
  const before = await StateReader.open(engine, live, repository, from)
  const after = await StateReader.open(engine, live, repository, to)
  const names = [...new Set([...before.names(), ...after.names()])].filter(
    (name) => only === null || name.toLowerCase() === only.toLowerCase()
  )
  before.assertKept(names)
  after.assertKept(names)
  const compared: TableChanges[] = []
  for (const name of names.sort()) {
    const places: [Place, Place] = [await before.find(name), await after.find(name)]
    const changes = comparePlaces(engine, repository, name, ...places, { from, to })
    if (changes) compared.push(changes)
  }
  return compared
}

/**
 * Compares one table in two states.
 * @param named says of other columns as an error, not as a note
 * @returns null where it was in neither
 */
export function comparePlaces(
  engine: Engine,
  repository: Repository | null,
  name: string,
  before: Place,
  after: Place,
  { from, to }: { from: number; to: number }
): TableChanges | null {
  if (before.kind === 'tracked' && after.kind === 'tracked' && before.tracked.history === after.tracked.history) {
    return compareInHistory(engine, before, after, from, to)
  }
  const a = imageOf(engine, repository, before, from)
  const b = imageOf(engine, repository, after, to)
  if (!a && !b) return null
  if (!a || !b) return compareWithNothing(name, before, after, a, b)
  if (before.kind === 'live' && after.kind === 'live') {
    const columns = namesOf(before)
    const key = keyOf(before) ?? columns
    return { table: name, columns, key, changes: async function* () {}, columnChanges: null, isPartial: false }
  }
  const found = changedColumns(shapesOf(before), shapesOf(after))
  const columnChanges = found.added.length + found.dropped.length + found.retyped.length > 0 ? found : null
  const alike = sameList(a.columns, b.columns) && hiddenOf(before) === hiddenOf(after)
  const compared = alike ? inTheirOrder(name, before, after, a, b) : inCommon(name, before, after, a, b)
  const isPartial = !sameList(namesOf(before), namesOf(after))
  return { table: name, ...compared, columnChanges, isPartial }
}

type Tracked = Extract<Place, { kind: 'tracked' }>

/** Compares in the columns of the later state: what the earlier one did not have yet is as it was when it came. */
function compareInHistory(engine: Engine, before: Tracked, after: Tracked, from: number, to: number): TableChanges {
  const [earlier, later] = from <= to ? [before, after] : [after, before]
  const { table } = later
  const columns = namesOf(later)
  const found = changedColumns(shapesOf(before), shapesOf(after))
  const tracking = { ...later.tracking, live: before.tracking.live || after.tracking.live }
  return {
    table: table.name,
    columns,
    key: table.key ?? columns,
    changes: () => engine.changesBetween(table, tracking, from, to),
    columnChanges: found.added.length + found.dropped.length + found.retyped.length > 0 ? found : null,
    isPartial: namesOf(earlier).some((name) => !columns.includes(name)),
    note: earlier.note ?? later.note
  }
}

type Compared = Pick<TableChanges, 'columns' | 'key' | 'changes'>

/** A table that is not there in one of the states. */
function compareWithNothing(
  name: string,
  before: Place,
  after: Place,
  a: TableImage | null,
  b: TableImage | null
): TableChanges {
  const some = (a ?? b) as TableImage
  const compared = inTheirOrder(name, before, after, a ?? noImage(some), b ?? noImage(some))
  return { table: name, ...compared, columnChanges: null, isPartial: false }
}

/** Range by range; a hidden order is no column. */
function inTheirOrder(name: string, before: Place, after: Place, a: TableImage, b: TableImage): Compared {
  const hidden = hiddenOf(before) || hiddenOf(after)
  const columns = hidden ? a.columns.slice(1) : a.columns
  const key = keyOf(before) ?? keyOf(after)
  const read = () => diffImages(name, a, b)
  const changes = hidden
    ? () => joinMovedRows(read(), key && new RowKey(columns, key, bothCollations(before, after)))
    : read
  return { columns, key: key ?? columns, changes }
}

/** In the columns that both have, and matched by a key of them; whole, where they are not in the same order. */
function inCommon(name: string, before: Place, after: Place, a: TableImage, b: TableImage): Compared {
  const then = new Set(namesOf(before))
  const columns = namesOf(after).filter((column) => then.has(column))
  const key = [keyOf(before), keyOf(after)].find((names) => names?.every((column) => columns.includes(column))) ?? null
  const isCut = !hiddenOf(before) && !hiddenOf(after) && sameList(orderOf(before), orderOf(after))
  const collations = bothCollations(before, after)
  const [x, y] = [a, b].map((image) => imageIn(image, columns, key ?? [], collations, isCut)) as [
    TableImage,
    TableImage
  ]
  return { columns, key: key ?? columns, changes: () => diffImages(name, x, y) }
}

function bothCollations(before: Place, after: Place): Collations {
  return { ...collationsOf(before), ...collationsOf(after) }
}

function imageOf(engine: Engine, repository: Repository | null, place: Place, at: number): TableImage | null {
  switch (place.kind) {
    case 'none':
      return null
    case 'tracked':
      return stateImage(engine, place.table, place.tracking, at)
    case 'live':
      return liveImage(engine, place.table)
    case 'rebuilt':
      return rebuiltImage(place.table)
    case 'stored':
      return storedImage(repository as Repository, place.stored)
  }
}
