import type { Engine } from '../engines/engine.ts'
import type { RowChange } from '../model/change.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Repository } from '../store/repository.ts'
import type { LiveState } from './session.ts'
import type { Place } from './state-reader.ts'
import { collationsOf, hiddenOf, keyOf, StateReader } from './state-reader.ts'
import type { TableImage } from './table-image.ts'
import {
  diffImages,
  joinMovedRows,
  liveImage,
  noImage,
  stateImage,
  storedImage,
  withoutHiddenOrder
} from './table-image.ts'

/** What changed in one table between two states. */
export interface TableChanges {
  table: string
  /** Of the rows of every change. */
  columns: string[]
  /** The columns that tell rows apart; all of them where there is no key. */
  key: string[]
  changes: () => AsyncIterable<RowChange>
  /** Why the table cannot be compared; it then has no changes. */
  note: string | null
}

/**
 * Compares the states that two versions left, table by table, reading only what can differ.
 * @param only compares this table alone; null compares all
 */
export async function compareStates(
  engine: Engine,
  live: LiveState,
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
  const compared: TableChanges[] = []
  for (const name of names.sort()) {
    const changes = comparePlaces(
      engine,
      repository,
      name,
      await before.find(name),
      await after.find(name),
      { from, to },
      only !== null
    )
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
  { from, to }: { from: number; to: number },
  named: boolean
): TableChanges | null {
  if (before.kind === 'tracked' && after.kind === 'tracked' && before.tracked === after.tracked) {
    const { table, tracking } = before
    const columns = writableColumns(table).map((column) => column.name)
    return {
      table: name,
      columns,
      key: table.key ?? columns,
      changes: () => engine.changesBetween(table, tracking, from, to),
      note: null
    }
  }
  // What no version wrote since the earlier state is the same rows in both.
  if (before.kind === 'live' && after.kind === 'live') return named ? unchanged(name, before.table) : null
  const key = keyOf(before) ?? keyOf(after)
  const collations = { ...collationsOf(before), ...collationsOf(after) }
  const byKey = hiddenOf(before) !== hiddenOf(after) && before.kind !== 'none' && after.kind !== 'none'
  const a = imageOf(engine, repository, before, from, byKey ? (key ?? []) : null)
  const b = imageOf(engine, repository, after, to, byKey ? (key ?? []) : null)
  if (!a && !b) return null
  const some = (a ?? b) as Image
  const hidden = some.hidden
  const columns = hidden ? some.image.columns.slice(1) : some.image.columns
  const imageBefore = a?.image ?? noImage(some.image)
  const imageAfter = b?.image ?? noImage(some.image)
  if (!named && imageBefore.columns.join('\n') !== imageAfter.columns.join('\n')) {
    const note = `${name} is left out: its columns are not the same in both states.`
    return { table: name, columns, key: key ?? columns, changes: async function* () {}, note }
  }
  const read = () => diffImages(name, imageBefore, imageAfter)
  const changes = hidden ? () => joinMovedRows(read(), key && new RowKey(columns, key, collations)) : read
  return { table: name, columns, key: key ?? columns, changes, note: null }
}

function unchanged(name: string, table: Table): TableChanges {
  const columns = writableColumns(table).map((column) => column.name)
  return { table: name, columns, key: table.key ?? columns, changes: async function* () {}, note: null }
}

interface Image {
  image: TableImage
  hidden: boolean
}

function imageOf(
  engine: Engine,
  repository: Repository | null,
  place: Place,
  at: number,
  byKey: string[] | null
): Image | null {
  if (place.kind === 'none') return null
  if (place.kind === 'tracked') {
    return { image: stateImage(engine, place.table, place.tracking, at), hidden: false }
  }
  const hidden = hiddenOf(place)
  const image =
    place.kind === 'live' ? liveImage(engine, place.table) : storedImage(repository as Repository, place.stored)
  return hidden && byKey
    ? { image: withoutHiddenOrder(image, byKey, collationsOf(place)), hidden: false }
    : { image, hidden }
}
