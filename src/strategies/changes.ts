import type { Engine, Tracking } from '../engines/engine.ts'
import type { RowChange } from '../model/change.ts'
import type { Collations } from '../model/key.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import type { TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { shapeFromHistory } from './history-shape.ts'
import { anchorFor, storedAt, trackedAt } from './lifetimes.ts'
import type { LiveState } from './session.ts'
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

/** Where the rows of a table in some state can be read. */
type Place =
  | { kind: 'none' }
  | { kind: 'live'; table: Table }
  | { kind: 'stored'; stored: TableManifest }
  | { kind: 'tracked'; tracked: TrackedTable; table: Table; tracking: Tracking }

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

/** Finds each table as it was in one state: its history, a full backup, or the live rows. */
class StateReader {
  readonly #engine: Engine
  readonly #live: LiveState
  readonly #tracked: Map<string, TrackedTable>
  /** Null where the live tables are in that state. */
  readonly #stored: TableManifest[] | null

  private constructor(
    engine: Engine,
    live: LiveState,
    tracked: Map<string, TrackedTable>,
    stored: TableManifest[] | null
  ) {
    this.#engine = engine
    this.#live = live
    this.#tracked = tracked
    this.#stored = stored
  }

  static async open(engine: Engine, live: LiveState, repository: Repository | null, at: number): Promise<StateReader> {
    const anchor = anchorFor(live.versions, at)
    const stored = anchor && repository ? await repository.manifest(anchor) : null
    const tracked = trackedAt(live.everTracked, live.versions, at)
    return new StateReader(engine, live, tracked, stored && storedAt(live.versions, stored, at))
  }

  names(): string[] {
    const untracked = this.#stored ?? this.#live.tables.filter((table) => !this.#live.tracked.has(table.name))
    return [...this.#tracked.keys(), ...untracked.map((table) => table.name)]
  }

  async find(name: string): Promise<Place> {
    const tracked = this.#tracked.get(name)
    if (tracked) return this.#findTracked(tracked)
    if (this.#stored) {
      const stored = this.#stored.find((table) => table.name === name)
      return stored ? { kind: 'stored', stored } : { kind: 'none' }
    }
    const table = this.#live.tables.find((candidate) => candidate.name === name)
    return table && !this.#live.tracked.has(name) ? { kind: 'live', table } : { kind: 'none' }
  }

  async #findTracked(tracked: TrackedTable): Promise<Place> {
    const isLive = this.#live.tracked.get(tracked.table) === tracked
    const table = isLive ? this.#live.tables.find((candidate) => candidate.name === tracked.table) : undefined
    const shape = table ?? (await shapeFromHistory(this.#engine, tracked))
    if (!shape) return { kind: 'none' }
    return { kind: 'tracked', tracked, table: shape, tracking: { history: tracked.history, live: table !== undefined } }
  }
}

function comparePlaces(
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

/** Whether the rows of a place come with a hidden order column. */
function hiddenOf(place: Place): boolean {
  if (place.kind === 'live') return place.table.hiddenOrder
  return place.kind === 'stored' && place.stored.hiddenOrder
}

function collationsOf(place: Place): Collations {
  if (place.kind === 'none') return {}
  return place.kind === 'stored' ? place.stored.collations : place.table.collations
}

function keyOf(place: Place): string[] | null {
  if (place.kind === 'none') return null
  return place.kind === 'stored' ? place.stored.key : place.table.key
}
