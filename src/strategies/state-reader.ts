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
import { storedAt, trackedAt } from './lifetimes.ts'
import type { StoredState } from './recovery.ts'
import { storedState } from './recovery.ts'
import type { LiveState } from './session.ts'

/** Where the rows of a table in some state can be read. */
export type Place =
  | { kind: 'none' }
  | { kind: 'live'; table: Table }
  | { kind: 'stored'; stored: TableManifest }
  | { kind: 'tracked'; tracked: TrackedTable; table: Table; tracking: Tracking }

/** Finds each table as it was in one state: its history, a full backup, or the live rows. */
export class StateReader implements ReadableState {
  readonly #engine: Engine
  readonly #live: LiveState
  readonly #repository: Repository | null
  readonly #at: number
  readonly #tracked: Map<string, TrackedTable>
  /** Null where the live tables are in that state. */
  readonly #stored: TableManifest[] | null
  readonly #backup: StoredState | null

  private constructor(
    engine: Engine,
    live: LiveState,
    repository: Repository | null,
    at: number,
    tracked: Map<string, TrackedTable>,
    backup: StoredState | null,
    stored: TableManifest[] | null
  ) {
    this.#engine = engine
    this.#live = live
    this.#repository = repository
    this.#at = at
    this.#tracked = tracked
    this.#backup = backup
    this.#stored = stored
  }

  /**
   * Finds where the state that version `at` left can be read.
   * @throws RowbackError `backup.missing` or `backup.damaged`
   */
  static async open(engine: Engine, live: LiveState, repository: Repository | null, at: number): Promise<StateReader> {
    const stored = await storedState(live, repository, at)
    const tracked = trackedAt(live.everTracked, live.versions, at)
    return new StateReader(engine, live, repository, at, tracked, stored, stored && storedAt(live.versions, stored, at))
  }

  /** When the backup was taken that some table is read from, ISO 8601, UTC; null where the database itself has them all. */
  get takenAt(): string | null {
    return (this.#stored && this.#stored.length > 0 && this.#backup?.takenAt) || null
  }

  /** Views, routines and the like: those of the backup, else those that there are now, of which no history is kept. */
  async objects(): Promise<SchemaObjects> {
    if (this.#backup?.objects === undefined) return this.#engine.schemaObjects()
    return { objects: this.#backup.objects, notes: this.#backup.objectNotes ?? [] }
  }

  /** The tables that there were. */
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

  /** A table that there was, to be read whole; undefined where there was none. */
  async table(name: string): Promise<StateTable | undefined> {
    const place = await this.find(name)
    if (place.kind === 'none') return undefined
    if (place.kind === 'stored') return storedTable(this.#repository as Repository, place.stored)
    const { table } = place
    const written = writableColumns(table).map((column) => column.name)
    if (place.kind === 'tracked') {
      const { ddl } = place.tracked
      const rows = () => this.#engine.readState(table, place.tracking, this.#at)
      return { name, columns: table.columns, key: table.key, ddl, written, rows, lines: null }
    }
    const rows = () => withoutFirst(table.hiddenOrder, this.#engine.readRows(table, WHOLE_TABLE))
    const lines = table.hiddenOrder ? null : () => bytesOf(this.#engine.readLines(table, WHOLE_TABLE))
    return { name, columns: table.columns, key: table.key, ddl: table.ddl, written, rows, lines }
  }

  async #findTracked(tracked: TrackedTable): Promise<Place> {
    const isLive = this.#live.tracked.get(tracked.table) === tracked
    const table = isLive ? this.#live.tables.find((candidate) => candidate.name === tracked.table) : undefined
    const shape = table ?? (await shapeFromHistory(this.#engine, tracked))
    if (!shape) return { kind: 'none' }
    return { kind: 'tracked', tracked, table: shape, tracking: { history: tracked.history, live: table !== undefined } }
  }
}

/** What the lines of batches are made of. */
async function* bytesOf(batches: AsyncIterable<Lines>): AsyncIterable<Buffer> {
  for await (const { bytes } of batches) yield bytes
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
