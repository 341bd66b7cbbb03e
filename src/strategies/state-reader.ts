import type { Engine, Lines, Tracking } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import type { Collations } from '../model/key.ts'
import type { SchemaObjects } from '../model/schema-object.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import type { TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import { storedTable, withoutFirst } from './backup-reader.ts'
import { shapeFromHistory } from './history-shape.ts'
import { createdBetween, headOf, trackedAt } from './lifetimes.ts'
import type { StoredState } from './recovery.ts'
import { storedState } from './recovery.ts'
import type { LiveState } from './session.ts'

/** Where the rows of a table in some state can be read. */
export type Place =
  | { kind: 'none' }
  | { kind: 'live'; table: Table }
  | { kind: 'stored'; stored: TableManifest }
  | { kind: 'tracked'; tracked: TrackedTable; table: Table; tracking: Tracking }

/** Finds each table as it was in one state: its history, a full backup, or the live rows where nothing wrote them since. */
export class StateReader implements ReadableState {
  readonly #engine: Engine
  readonly #live: LiveState
  readonly #repository: Repository | null
  readonly #at: number
  readonly #tracked: Map<string, TrackedTable>
  /** Null where the live tables are in that state. */
  readonly #stored: StoredState | null

  private constructor(
    engine: Engine,
    live: LiveState,
    repository: Repository | null,
    at: number,
    tracked: Map<string, TrackedTable>,
    stored: StoredState | null
  ) {
    this.#engine = engine
    this.#live = live
    this.#repository = repository
    this.#at = at
    this.#tracked = tracked
    this.#stored = stored
  }

  /**
   * Finds where the state that version `at` left can be read.
   * @throws RowbackError `backup.missing` or `backup.damaged`
   */
  static async open(engine: Engine, live: LiveState, repository: Repository | null, at: number): Promise<StateReader> {
    const stored = await storedState(live, repository, at)
    const tracked = trackedAt(live.everTracked, live.versions, at)
    return new StateReader(engine, live, repository, at, tracked, stored)
  }

  get takenAt(): string | null {
    return (this.#stored && this.#stored.tables.length > 0 && this.#stored.takenAt) || null
  }

  /** Views, routines and the like: those of the backup, else those that there are now, of which no history is kept. */
  async objects(): Promise<SchemaObjects> {
    if (this.#stored?.objects === undefined) return this.#engine.schemaObjects()
    return { objects: this.#stored.objects, notes: this.#stored.objectNotes ?? [] }
  }

  /** The tables that there were. */
  names(): string[] {
    const stored = (this.#stored?.tables ?? []).map((table) => table.name)
    const live = this.#live.tables.filter((table) => this.#isAsLive(table)).map((table) => table.name)
    return [...this.#tracked.keys(), ...stored, ...live]
  }

  unkept(names: readonly string[]): string[] {
    if (this.#at === headOf(this.#live.versions)) return []
    const tables = this.#live.tables.filter((table) => names.includes(table.name) && this.#isAsLive(table))
    return tables.map(
      ({ name }) =>
        `${name} is in no backup after version ${this.#at}, because no version wrote it since: it is read as it is now.`
    )
  }

  /** Whether the rows of a live table stand for those of the state. */
  #isAsLive({ name }: Table): boolean {
    const { tracked, versions } = this.#live
    if (this.#stored?.isWhole || this.#tracked.has(name) || tracked.has(name)) return false
    if (this.#stored?.tables.some((table) => table.name === name)) return false
    return !createdBetween(versions, name, this.#at, headOf(versions))
  }

  async find(name: string): Promise<Place> {
    const tracked = this.#tracked.get(name)
    if (tracked) return this.#findTracked(tracked)
    const stored = this.#stored?.tables.find((table) => table.name === name)
    if (stored) return { kind: 'stored', stored }
    const table = this.#live.tables.find((candidate) => candidate.name === name)
    return table && this.#isAsLive(table) ? { kind: 'live', table } : { kind: 'none' }
  }

  /** A table that there was, to be read whole; undefined where there was none. */
  async table(name: string): Promise<StateTable | undefined> {
    const place = await this.find(name)
    if (place.kind === 'none') return undefined
    if (place.kind === 'stored') return storedTable(this.#repository as Repository, place.stored)
    const { table } = place
    const written = writableColumns(table).map((column) => column.name)
    if (place.kind === 'tracked') {
      const { tracking } = place
      const ddl = tracking.live ? table.ddl : place.tracked.ddl
      const rows = () => this.#engine.readState(table, tracking, this.#at)
      const tracked = { table, tracking, version: this.#at }
      return { name, columns: table.columns, key: table.key, ddl, written, rows, lines: null, tracked }
    }
    const rows = () => withoutFirst(table.hiddenOrder, this.#engine.readRows(table, WHOLE_TABLE))
    const lines = table.hiddenOrder ? null : () => bytesOf(this.#engine.readLines(table, WHOLE_TABLE))
    return { name, columns: table.columns, key: table.key, ddl: table.ddl, written, rows, lines, tracked: null }
  }

  async #findTracked(tracked: TrackedTable): Promise<Place> {
    const isLive = this.#live.tracked.get(tracked.table) === tracked
    const table = isLive ? this.#live.tables.find((candidate) => candidate.name === tracked.table) : undefined
    const shape = table ?? (await shapeFromHistory(this.#engine, tracked))
    if (!shape) return { kind: 'none' }
    return { kind: 'tracked', tracked, table: shape, tracking: { history: tracked.history, live: table !== undefined } }
  }
}

/** What the lines of batches are made of, to be kept. */
async function* bytesOf(batches: AsyncIterable<Lines>): AsyncIterable<Buffer> {
  for await (const { bytes } of batches) yield Buffer.from(bytes)
}

/** Whether the rows of a place come with a hidden order column. */
export function hiddenOf(place: Place): boolean {
  if (place.kind === 'live') return place.table.hiddenOrder
  return place.kind === 'stored' && place.stored.hiddenOrder
}

export function collationsOf(place: Place): Collations {
  if (place.kind === 'none') return {}
  return place.kind === 'stored' ? place.stored.collations : place.table.collations
}

export function keyOf(place: Place): string[] | null {
  if (place.kind === 'none') return null
  return place.kind === 'stored' ? place.stored.key : place.table.key
}

/** By which its rows are ordered; none for a table that is read whole. */
export function orderOf(place: Place): string[] {
  if (place.kind === 'live') return place.table.order ?? []
  return (place.kind === 'stored' && place.stored.order) || []
}

/** The columns that there were, computed ones included. */
export function shapesOf(place: Place): TableManifest['definition'] | Table['columns'] {
  if (place.kind === 'none') return []
  return place.kind === 'stored' ? place.stored.definition : place.table.columns
}

/** The names of the columns that can be written. */
export function namesOf(place: Place): string[] {
  return shapesOf(place)
    .filter((column) => !column.generated)
    .map((column) => column.name)
}
