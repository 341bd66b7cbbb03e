import type { Engine, RowVersion } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { Column, Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import type { TrackedTable } from '../model/version.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { shapeFromHistory } from './history-shape.ts'
import { anchorFor, committed, storedAt, trackedAt } from './lifetimes.ts'
import type { LiveState } from './session.ts'
import { StoredRowFinder } from './stored-row.ts'

/** One row in the state that a version left. */
export type RowState =
  | {
      kind: 'row'
      columns: string[]
      row: Row
      /** In a tracked table: the version that wrote the row, and the one that superseded it, if any. */
      writtenBy: number | null
      until: number | null
    }
  | { kind: 'absent' }
  /** It cannot be known any more, for this reason; a sentence. */
  | { kind: 'gone'; reason: string }

/** A row as a user names it. */
export interface NamedRow {
  table: string
  /** The columns of its key. */
  key: readonly string[]
  /** The cells of the key in columns of these types; null where such columns cannot hold what the user named. */
  cellsIn(columns: readonly Column[]): Row | null
}

const ABSENT: RowState = { kind: 'absent' }

/** A table by its name through all versions, in one lifetime or several. */
export class RowStates {
  /** The versions at which the row may have become another one, the oldest first. */
  readonly points: number[]
  readonly #engine: Engine
  readonly #live: LiveState
  readonly #repository: Repository | null
  readonly #named: NamedRow
  readonly #shape: Table | undefined
  /** By the cells of the key. */
  readonly #finders = new Map<string, StoredRowFinder>()
  readonly #states = new Map<number, Promise<RowState>>()
  /** By history table. */
  readonly #histories = new Map<string, Promise<{ columns: string[]; versions: RowVersion[] } | null>>()
  readonly #lives: TrackedTable[]
  #now: Promise<RowState> | null = null

  /** @param shape the table as the database knows it now, or its history; undefined where backups alone have it */
  constructor(
    engine: Engine,
    live: LiveState,
    repository: Repository | null,
    named: NamedRow,
    shape: Table | undefined
  ) {
    this.#engine = engine
    this.#live = live
    this.#repository = repository
    this.#named = named
    this.#shape = shape
    this.#lives = live.everTracked.filter((tracked) => tracked.table === named.table)
    this.points = committed(live.versions)
      .filter(
        ({ number, anchor, tables }) =>
          number === 0 || anchor !== null || tables.some(({ table }) => table === named.table)
      )
      .map(({ number }) => number)
  }

  /** The newest point up to a version. */
  pointAt(version: number): number {
    return this.points.findLast((point) => point <= version) ?? 0
  }

  /** The row in the state that a version left. */
  at(version: number): Promise<RowState> {
    const point = this.pointAt(version)
    const known = this.#states.get(point) ?? this.#read(point)
    this.#states.set(point, known)
    return known
  }

  async #read(at: number): Promise<RowState> {
    const tracked = trackedAt(this.#lives, this.#live.versions, at).get(this.#named.table)
    if (tracked) return this.#inHistory(tracked, at)
    const anchor = anchorFor(this.#live.versions, at)
    if (anchor === null || this.#repository === null) {
      this.#now ??= this.#readLive()
      return this.#now
    }
    const state = await this.#inBackup(this.#repository, anchor, at)
    if (state.kind !== 'gone') return state
    // What was there when a table was first tracked is in its history, too.
    const later = this.#lives.find(({ since }) => since > at && anchorFor(this.#live.versions, since - 1) === anchor)
    const row = later ? await this.#inHistory(later, later.since - 1) : ABSENT
    return row.kind === 'row' ? row : state
  }

  async #inHistory(tracked: TrackedTable, at: number): Promise<RowState> {
    const { history } = tracked
    const known = this.#histories.get(history) ?? this.#readHistory(tracked)
    this.#histories.set(history, known)
    const read = await known
    if (read === null) return { kind: 'gone', reason: `The history ${history} is gone, or has other columns.` }
    const found = read.versions.find(({ since, until }) => (since ?? 0) <= at && (until === null || until > at))
    if (!found) return ABSENT
    return { kind: 'row', columns: read.columns, row: found.row, writtenBy: found.since, until: found.until }
  }

  async #readHistory(tracked: TrackedTable): Promise<{ columns: string[]; versions: RowVersion[] } | null> {
    const isLive = this.#live.tracked.get(tracked.table) === tracked
    const table = isLive ? this.#liveTable() : undefined
    const shape = table ?? (await shapeFromHistory(this.#engine, tracked))
    if (!shape || !this.#hasKey(shape.columns.map(({ name }) => name))) return null
    return { columns: writableColumns(shape).map(({ name }) => name), versions: await this.#lookUp(shape, tracked) }
  }

  async #readLive(): Promise<RowState> {
    const table = this.#liveTable()
    if (!table || this.#live.tracked.has(table.name)) return ABSENT
    if (!this.#hasKey(table.columns.map(({ name }) => name))) return this.#otherKey()
    const [found] = await this.#lookUp(table, null)
    if (!found) return ABSENT
    const columns = writableColumns(table).map((column) => column.name)
    return { kind: 'row', columns, row: found.row, writtenBy: null, until: null }
  }

  async #lookUp(table: Table, tracked: TrackedTable | null): Promise<RowVersion[]> {
    const key = [...this.#named.key]
    const cells = this.#named.cellsIn(columnsNamed(table.columns, key))
    if (cells === null) return []
    const tracking = tracked && { history: tracked.history, live: this.#live.tracked.get(tracked.table) === tracked }
    return this.#engine.rowVersions({ ...table, key }, tracking, cells)
  }

  #hasKey(columns: readonly string[]): boolean {
    return this.#named.key.every((name) => columns.includes(name))
  }

  #otherKey(): RowState {
    const { table, key } = this.#named
    return { kind: 'gone', reason: `${table} did not have the columns ${key.join(', ')}.` }
  }

  #liveTable(): Table | undefined {
    return this.#live.tables.find((table) => table.name === this.#named.table)
  }

  async #inBackup(repository: Repository, anchor: string, at: number): Promise<RowState> {
    try {
      const stored = await this.#storedTable(repository, anchor, at)
      if (stored === null) return ABSENT
      if (!this.#hasKey(stored.columns)) return this.#otherKey()
      const row = (await this.#finderFor(repository, stored)?.find(stored)) ?? null
      if (!row) return ABSENT
      const own = <T>(cells: T[]) => (stored.hiddenOrder ? cells.slice(1) : cells)
      return { kind: 'row', columns: own(stored.columns), row: own(row), writtenBy: null, until: null }
    } catch (error) {
      if (!(error instanceof RowbackError) || !/^backup\./.test(error.code)) throw error
      return { kind: 'gone', reason: error.message }
    }
  }

  /** The columns as the database knows them say more of their types; undefined where the table cannot hold such a row. */
  #finderFor(repository: Repository, stored: TableManifest): StoredRowFinder | undefined {
    const { key } = this.#named
    const then = columnsFromJson(stored.definition)
    const now = this.#shape?.columns ?? []
    const same = then.map((old) => now.find(({ name, declared }) => name === old.name && declared === old.declared))
    const cells = this.#named.cellsIn(
      columnsNamed(
        then.map((old, i) => same[i] ?? old),
        key
      )
    )
    if (cells === null) return undefined
    const id = encodeRow(cells)
    const known = this.#finders.get(id)
    const finder = known ?? new StoredRowFinder(this.#engine, repository, { columns: key, cells }, this.#shape)
    this.#finders.set(id, finder)
    return finder
  }

  /**
   * The table in a full backup; null where there was none.
   * @throws RowbackError `backup.missing` or `backup.damaged`
   */
  async #storedTable(repository: Repository, anchor: string, at: number): Promise<TableManifest | null> {
    const { versions } = this.#live
    let manifest: Manifest
    try {
      manifest = await repository.manifest(anchor)
    } catch (error) {
      const pruned = await repository.pruned(anchor)
      const held = pruned && { state: pruned.state, tables: pruned.tables.map((name) => ({ name })) }
      if (held && !storedAt(versions, held, at).some(({ name }) => name === this.#named.table)) return null
      throw error
    }
    return storedAt(versions, manifest, at).find(({ name }) => name === this.#named.table) ?? null
  }
}

function columnsNamed(columns: readonly Column[], names: readonly string[]): Column[] {
  return names.map((name) => columns.find((column) => column.name === name) as Column)
}
