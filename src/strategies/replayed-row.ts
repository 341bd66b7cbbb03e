import type { Engine, RowVersion } from '../engines/engine.ts'
import type { Table } from '../model/table.ts'
import { sameList, writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow } from '../model/value.ts'
import type { TrackedTable } from '../model/version.ts'
import type { Piece, TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { storedTable } from './backup-reader.ts'
import { endOf } from './lifetimes.ts'
import { allChangeSetsOf } from './rebuild-at.ts'
import type { LiveState } from './session.ts'

/**
 * What the history had of one row before that was taken out of the database, as the change sets tell: each form of it that
 * was superseded by then, with the version that wrote it. Reads all of them.
 * @param table as rows are read, its key that by which the row is named
 * @param key cells of that key, compared as the database does
 * @returns null where rows of then have other columns
 * @throws RowbackError `backup.missing` or `backup.damaged`
 */
export async function replayedVersions(
  engine: Engine,
  repository: Repository | null,
  live: LiveState,
  tracked: TrackedTable,
  table: Table,
  key: Row
): Promise<RowVersion[] | null> {
  const changeSets = await allChangeSetsOf(repository, live, tracked, tracked.keptFrom)
  const finder = new Finder(engine, repository as Repository, table, key)
  const found: RowVersion[] = []
  let now: { row: Row; since: number } | null = null
  for (const { version, tables } of changeSets) {
    const entry = tables.find(({ name, since }) => name === tracked.table && since === tracked.since) as TableChangeSet
    if (!sameList(entry.columns, finder.columns)) return null
    if (version === tracked.since && entry.base !== null) {
      const row = await finder.inBackup(entry.base, tracked.table)
      if (row) now = { row, since: 0 }
    }
    const before: Row | null = entry.all ? (now?.row ?? null) : await finder.in(entry.removed)
    const after = await finder.in(entry.added)
    if (entry.all && before && after && encodeRow(before) === encodeRow(after)) continue
    if (before && now) found.push({ ...now, until: version })
    if (before) now = null
    if (after) now = { row: after, since: version }
  }
  // What was there then went into the history, and no change set says so.
  const end = endOf(tracked, live.versions)
  if (now && end !== null && end <= tracked.keptFrom) found.push({ ...now, until: end })
  return found
}

class Finder {
  readonly columns: string[]
  readonly #engine: Engine
  readonly #repository: Repository
  readonly #table: Table
  readonly #key: Row
  readonly #at: number[]

  constructor(engine: Engine, repository: Repository, table: Table, key: Row) {
    this.#engine = engine
    this.#repository = repository
    this.#table = table
    this.#key = key
    this.columns = writableColumns(table).map(({ name }) => name)
    this.#at = (table.key ?? []).map((name) => this.columns.indexOf(name))
  }

  async in(pieces: readonly Piece[]): Promise<Row | null> {
    for (const { object } of pieces) {
      const row = await this.#among((await this.#repository.lines(object)).map(decodeRow))
      if (row) return row
    }
    return null
  }

  async inBackup(backup: string, name: string): Promise<Row | null> {
    const stored = (await this.#repository.manifest(backup)).tables.find((table) => table.name === name)
    if (!stored) return null
    const { rows, written } = storedTable(this.#repository, stored)
    if (!sameList(written, this.columns)) return null
    for await (const batch of rows()) {
      const row = await this.#among(batch)
      if (row) return row
    }
    return null
  }

  async #among(rows: readonly Row[]): Promise<Row | null> {
    if (rows.length === 0) return null
    const keys = rows.map((row) => this.#at.map((at) => row[at] ?? null))
    const order = await this.#engine.compareKeys(this.#table, this.#table.key ?? [], this.#key, keys)
    return rows[order.indexOf(0)] ?? null
  }
}
