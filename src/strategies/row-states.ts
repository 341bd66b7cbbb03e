import type { Engine, RowVersion } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { Column, Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import type { TrackedTable } from '../model/version.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { PrunedBackup } from '../store/prune.ts'
import type { Repository } from '../store/repository.ts'
import { committed, createdBetween, headOf, trackedAt } from './lifetimes.ts'
import { pastShape } from './past-shape.ts'
import { readLeft } from './read-left.ts'
import { heldOf, isPruned, manifestOrNote, scopeOf } from './recovery.ts'
import { replayedVersions } from './replayed-row.ts'
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

/** Where the row of a state is found that no history has. */
type Holder =
  /** The table was not there. */
  | { kind: 'none' }
  /** Nothing wrote the table since. */
  | { kind: 'live' }
  /** In the backup taken before this version. */
  | { kind: 'stored'; version: number; stored: TableManifest }
  | { kind: 'gone'; version: number; reason: string }

/** What a history has of the row, in whatever order. */
interface HistoryOfRow {
  columns: string[]
  versions: RowVersion[]
  /** Why states are not known that were taken out of the database; a sentence. */
  whyNotOlder: string | null
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
  readonly #histories = new Map<string, Promise<HistoryOfRow | null>>()
  readonly #lives: TrackedTable[]
  readonly #committed: ReadonlySet<number>
  readonly #backups = new Map<string, Promise<Manifest | PrunedBackup>>()
  readonly #holders = new Map<number, Promise<Holder>>()
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
    const versions = committed(live.versions)
    this.#committed = new Set(versions.map(({ number }) => number))
    this.points = versions
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

  /** The version before which the backup was taken that has the row as this version left it; null for the live row. */
  async backupAfter(version: number): Promise<number | null> {
    const holder = await this.#holderOf(this.pointAt(version))
    return 'version' in holder ? holder.version : null
  }

  /** The row as a version left it, before others came to it; null where that is not on record. */
  async leftBy(version: number): Promise<RowState | null> {
    const record = await readLeft(
      this.#repository,
      this.#live.versions.find(({ number }) => number === version)
    )
    const stored = record?.tables.find(({ name }) => name === this.#named.table)
    if (!stored) return null
    const state = await this.#inBackup({ kind: 'stored', version, stored })
    return state.kind === 'gone' ? null : state
  }

  async #read(at: number): Promise<RowState> {
    const tracked = trackedAt(this.#lives, this.#live.versions, at).get(this.#named.table)
    if (tracked) return this.#inHistory(tracked, at)
    const holder = await this.#holderOf(at)
    if (holder.kind === 'none') return ABSENT
    if (holder.kind === 'live') {
      this.#now ??= this.#readLive()
      return this.#now
    }
    const state = await this.#inBackup(holder)
    return state.kind === 'gone' ? ((await this.#trackedLater(at, holder.version)) ?? state) : state
  }

  /** What was there when a table was first tracked is in its history, too. */
  async #trackedLater(at: number, backup: number): Promise<RowState | null> {
    const later = this.#lives.find(({ since }) => since > at)
    if (!later || (await this.backupAfter(later.since - 1)) !== backup) return null
    const state = await this.#inHistory(later, later.since - 1)
    return state.kind === 'row' ? state : null
  }

  async #inHistory(tracked: TrackedTable, at: number): Promise<RowState> {
    const { history } = tracked
    const known = this.#histories.get(history) ?? this.#readHistory(tracked)
    this.#histories.set(history, known)
    const read = await known
    if (at < tracked.keptFrom && read?.whyNotOlder) return { kind: 'gone', reason: read.whyNotOlder }
    if (read === null) return { kind: 'gone', reason: `The history ${history} is gone, or has other columns.` }
    const found = read.versions.find(({ since, until }) => (since ?? 0) <= at && (until === null || until > at))
    if (!found) return ABSENT
    return { kind: 'row', columns: read.columns, row: found.row, writtenBy: found.since, until: found.until }
  }

  async #readHistory(tracked: TrackedTable): Promise<HistoryOfRow | null> {
    const shape = (await pastShape(this.#engine, this.#live, tracked, headOf(this.#live.versions)))?.table
    if (!shape) return null
    const kept = new Set((await this.#engine.historyShape(tracked.history))?.columns.map(({ name }) => name))
    // A column that others added or renamed since is not in the history.
    const common = { ...shape, columns: shape.columns.filter(({ name }) => kept.has(name)) }
    if (!this.#hasKey(common.columns.map(({ name }) => name))) return null
    const columns = writableColumns(common).map(({ name }) => name)
    const versions = await this.#lookUp(common, tracked)
    if (tracked.keptFrom === 0) return { columns, versions, whyNotOlder: null }
    const older = await this.#lookUpOlder(common, tracked)
    if (typeof older === 'string') return { columns, versions, whyNotOlder: older }
    return { columns, versions: [...older, ...versions], whyNotOlder: null }
  }

  /** From change sets. @returns why they do not say, as a sentence, where they do not */
  async #lookUpOlder(table: Table, tracked: TrackedTable): Promise<RowVersion[] | string> {
    const key = [...this.#named.key]
    const cells = this.#named.cellsIn(columnsNamed(table.columns, key))
    if (cells === null) return []
    const named = { ...table, key }
    try {
      const older = await replayedVersions(this.#engine, this.#repository, this.#live, tracked, named, cells)
      return (
        older ??
        `The history of ${table.name} before version ${tracked.keptFrom} is in the repository alone, in other columns.`
      )
    } catch (error) {
      return reasonOf(error)
    }
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

  #holderOf(at: number): Promise<Holder> {
    const known = this.#holders.get(at) ?? this.#findHolder(at)
    this.#holders.set(at, known)
    return known
  }

  /** The first backup after a version that has the table holds it as that version left it. */
  async #findHolder(at: number): Promise<Holder> {
    const { versions } = this.#live
    const { table } = this.#named
    for (const { number, anchor } of versions) {
      if (anchor === null || number <= at || this.#repository === null || !this.#committed.has(number)) continue
      try {
        const backup = await this.#backup(this.#repository, anchor)
        const { state, tables, scope } = heldOf(backup)
        if (tables.some(({ name }) => name === table)) {
          if (createdBetween(versions, table, at, state)) return { kind: 'none' }
          if (isPruned(backup)) await this.#repository.manifest(anchor)
          const stored = (backup as Manifest).tables.find(({ name }) => name === table) as TableManifest
          return { kind: 'stored', version: number, stored }
        }
        if (scopeOf({ scope }) === 'database') return { kind: 'none' }
      } catch (error) {
        return { kind: 'gone', version: number, reason: reasonOf(error) }
      }
    }
    return createdBetween(versions, table, at, headOf(versions)) ? { kind: 'none' } : { kind: 'live' }
  }

  #backup(repository: Repository, name: string): Promise<Manifest | PrunedBackup> {
    const known = this.#backups.get(name) ?? manifestOrNote(repository, name)
    this.#backups.set(name, known)
    return known
  }

  async #inBackup(holder: Extract<Holder, { version: number }>): Promise<RowState> {
    if (holder.kind === 'gone') return { kind: 'gone', reason: holder.reason }
    const { stored } = holder
    if (!this.#hasKey(stored.columns)) return this.#otherKey()
    try {
      const row = (await this.#finderFor(this.#repository as Repository, stored)?.find(stored)) ?? null
      if (!row) return ABSENT
      const own = <T>(cells: T[]) => (stored.hiddenOrder ? cells.slice(1) : cells)
      return { kind: 'row', columns: own(stored.columns), row: own(row), writtenBy: null, until: null }
    } catch (error) {
      return { kind: 'gone', reason: reasonOf(error) }
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
}

/** Why a backup cannot be read; whatever else went wrong is thrown. */
function reasonOf(error: unknown): string {
  if (error instanceof RowbackError && /^backup\./.test(error.code)) return error.message
  throw error
}

function columnsNamed(columns: readonly Column[], names: readonly string[]): Column[] {
  return names.map((name) => columns.find((column) => column.name === name) as Column)
}
