import type { Engine, Lines } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { Collations } from '../model/key.ts'
import type { SchemaObjects } from '../model/schema-object.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import type { TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import { storedTable, withoutFirst } from './backup-reader.ts'
import { createdBetween, headOf, trackedAt } from './lifetimes.ts'
import type { PastShape } from './past-shape.ts'
import { pastShape } from './past-shape.ts'
import { rebuildAt } from './rebuild-at.ts'
import type { RebuiltTable } from './rebuilt-table.ts'
import type { StoredState } from './recovery.ts'

import { goneTables, storedState } from './recovery.ts'
import type { LiveState, LiveToRead } from './session.ts'
import { asRead } from './session.ts'

/** Where the rows of a table in some state can be read. */
export type Place =
  | { kind: 'none' }
  | { kind: 'live'; table: Table }
  | { kind: 'stored'; stored: TableManifest }
  /** The history of then was taken out of the database: the repository has it. */
  | { kind: 'rebuilt'; table: RebuiltTable }
  | ({ kind: 'tracked'; tracked: TrackedTable } & PastShape)

/** Finds each table as it was in one state: its history, a full backup, or the live rows where nothing wrote them since. */
export class StateReader implements ReadableState {
  readonly #engine: Engine
  readonly #live: LiveToRead
  readonly #repository: Repository | null
  readonly #at: number
  readonly #tracked: Map<string, TrackedTable>
  /** In which columns tracked tables were read, or why one cannot be; by history. */
  readonly #shapes = new Map<string, PastShape | RowbackError | null>()
  /** Null where the live tables are in that state. */
  readonly #stored: StoredState | null

  private constructor(
    engine: Engine,
    live: LiveToRead,
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
   * @throws RowbackError `backup.missing` or `backup.damaged`; of what was pruned, only when it is read
   */
  static async open(
    engine: Engine,
    live: LiveState | LiveToRead,
    repository: Repository | null,
    at: number
  ): Promise<StateReader> {
    const stored = await storedState(live, repository, at)
    const tracked = trackedAt(live.everTracked, live.versions, at)
    return new StateReader(engine, asRead(live), repository, at, tracked, stored)
  }

  get takenAt(): string | null {
    return (this.#stored && this.#stored.tables.length > 0 && this.#stored.takenAt) || null
  }

  /** Views, routines and the like: those of the backup, else those that there are now, of which no history is kept. */
  async objects(): Promise<SchemaObjects> {
    if (this.#stored?.objects === undefined) return this.#engine.schemaObjects()
    return { objects: this.#stored.objects, notes: this.#stored.objectNotes ?? [] }
  }

  /** The tables that there were, also those that cannot be read any more. */
  names(): string[] {
    const stored = [...(this.#stored?.tables ?? []).map((table) => table.name), ...(this.#stored?.gone.keys() ?? [])]
    const live = this.#live.names.filter((name) => this.#isAsLive(name))
    return [...this.#tracked.keys(), ...stored, ...live]
  }

  /**
   * Says beforehand that some tables cannot be read.
   * @throws RowbackError `backup.missing` (exit code 7) where only pruned backups held one of them
   */
  assertKept(names: readonly string[]): void {
    const wanted = new Set(names.map((name) => name.toLowerCase()))
    const all = [...(this.#stored?.gone ?? [])]
    const gone = new Map(all.filter(([name]) => wanted.has(name.toLowerCase())))
    if (gone.size > 0) throw goneTables(this.#at, gone, this.names().length > all.length)
  }

  /**
   * What is read as it is now although it is asked for as it was, of some tables: columns that others dropped, and whole
   * tables where no version wrote them since, so that no backup had to hold them. Sentences.
   */
  async unkept(names: readonly string[]): Promise<string[]> {
    return [...(await this.#unkeptColumns(names)), ...this.#unkeptTables(names)]
  }

  async #unkeptColumns(names: readonly string[]): Promise<string[]> {
    const notes: string[] = []
    for (const tracked of this.#tracked.values()) {
      if (!names.includes(tracked.table) || this.#at < tracked.keptFrom) continue
      const shape = await this.#shapeOf(tracked)
      if (shape && 'note' in shape && shape.note !== null) notes.push(shape.note)
    }
    return notes
  }

  #unkeptTables(names: readonly string[]): string[] {
    if (this.#at === headOf(this.#live.versions)) return []
    const asLive = this.#live.names.filter((name) => names.includes(name) && this.#isAsLive(name))
    return asLive.map(
      (name) =>
        `${name} is in no backup after version ${this.#at}, because no version wrote it since: it is read as it is now.`
    )
  }

  /** Whether the rows of a live table stand for those of the state. */
  #isAsLive(name: string): boolean {
    const { tracked, versions } = this.#live
    if (this.#stored?.isWhole || this.#tracked.has(name) || tracked.has(name)) return false
    if (this.#stored?.tables.some((table) => table.name === name) || this.#stored?.gone.has(name)) return false
    return !createdBetween(versions, name, this.#at, headOf(versions))
  }

  async find(name: string): Promise<Place> {
    const tracked = this.#tracked.get(name)
    if (tracked) return this.#findTracked(tracked)
    this.assertKept([name])
    const stored = this.#stored?.tables.find((table) => table.name === name)
    if (stored) return { kind: 'stored', stored }
    const table = this.#isAsLive(name) ? await this.#live.table(name) : undefined
    return table ? { kind: 'live', table } : { kind: 'none' }
  }

  /** A table that there was, to be read whole; undefined where there was none. */
  async table(name: string): Promise<StateTable | undefined> {
    const place = await this.find(name)
    if (place.kind === 'none') return undefined
    if (place.kind === 'rebuilt') return place.table
    if (place.kind === 'stored') return storedTable(this.#repository as Repository, place.stored)
    const { table } = place
    const written = writableColumns(table).map((column) => column.name)
    if (place.kind === 'tracked') {
      const { ddl, tracking } = place
      const rows = () => this.#engine.readState(table, tracking, this.#at)
      const tracked = { table, tracking, version: this.#at }
      return { name, columns: table.columns, key: table.key, ddl, written, rows, lines: null, tracked }
    }
    const rows = () => withoutFirst(table.hiddenOrder, this.#engine.readRows(table, WHOLE_TABLE))
    const lines = table.hiddenOrder ? null : () => bytesOf(this.#engine.readLines(table, WHOLE_TABLE))
    return { name, columns: table.columns, key: table.key, ddl: table.ddl, written, rows, lines, tracked: null }
  }

  async #findTracked(tracked: TrackedTable): Promise<Place> {
    if (this.#at < tracked.keptFrom) {
      return { kind: 'rebuilt', table: await rebuildAt(this.#repository, this.#live, tracked, this.#at) }
    }
    const past = await this.#shapeOf(tracked)
    if (past instanceof RowbackError) throw past
    return past ? { kind: 'tracked', tracked, ...past } : { kind: 'none' }
  }

  async #shapeOf(tracked: TrackedTable): Promise<PastShape | RowbackError | null> {
    const known = this.#shapes.get(tracked.history)
    if (known !== undefined) return known
    const shape = await pastShape(this.#engine, this.#live, tracked, this.#at).catch((error: unknown) => {
      if (error instanceof RowbackError && error.code === 'schema.changed') return error
      throw error
    })
    this.#shapes.set(tracked.history, shape)
    return shape
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
