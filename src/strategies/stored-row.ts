import type { Engine } from '../engines/engine.ts'
import type { Collations } from '../model/key.ts'
import { RowKey } from '../model/key.ts'
import type { Column, Table } from '../model/table.ts'
import { sameList } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow } from '../model/value.ts'
import type { ChunkReference, TableManifest } from '../store/manifest.ts'
import { boundFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'

/** The columns of a key and a row's cells in them. */
export interface KeyCells {
  columns: readonly string[]
  cells: Row
}

/**
 * Finds one row in full backups, reading only the chunks that may hold its key, and a chunk that several backups share
 * only once.
 */
export class StoredRowFinder {
  readonly #engine: Engine
  readonly #repository: Repository
  readonly #key: KeyCells
  /** The table as the database knows it, which alone can say how keys compare; undefined where it is gone. */
  readonly #shape: Table | undefined
  /** The row by the chunk that was looked through; null where it has none. */
  readonly #found = new Map<string, Row | null>()
  /** Keys, as text, that the table calls other ones. */
  readonly #others = new Set<string>()

  constructor(engine: Engine, repository: Repository, key: KeyCells, shape: Table | undefined) {
    this.#engine = engine
    this.#repository = repository
    this.#key = key
    this.#shape = key.columns.every((name) => shape?.columns.some((column) => column.name === name)) ? shape : undefined
  }

  /**
   * The row in the columns of the backup; null where there was none.
   * @throws RowbackError `backup.damaged`
   */
  async find(stored: TableManifest): Promise<Row | null> {
    for (const chunk of await this.#mayHold(stored)) {
      const row = await this.#findIn(stored, chunk)
      if (row) return row
    }
    return null
  }

  /** The one chunk whose range has the key, where chunks stand in the order of the key; all of them elsewhere. */
  async #mayHold(stored: TableManifest): Promise<ChunkReference[]> {
    const { chunks, order } = stored
    if (chunks.length < 2 || !order || !this.#shape || !comparesAsThen(this.#shape, stored, this.#key.columns)) {
      return chunks
    }
    const cells = order.map((name) => this.#key.cells[this.#key.columns.indexOf(name)] ?? null)
    const bounds = chunks.slice(1).map((chunk) => boundFromJson(chunk.from) as Row)
    const signs = await this.#engine.compareKeys(this.#shape, order, cells, bounds)
    return chunks.slice(signs.filter((sign) => sign <= 0).length).slice(0, 1)
  }

  async #findIn(stored: TableManifest, chunk: ChunkReference): Promise<Row | null> {
    const keyAt = this.#key.columns.map((name) => stored.columns.indexOf(name))
    const id = `${chunk.object} ${keyAt.join()}`
    const known = this.#found.get(id)
    if (known !== undefined) return known
    const rows = (await this.#repository.lines(chunk.object)).map(decodeRow)
    const found = await this.#lookThrough(stored.collations, keyAt, rows)
    this.#found.set(id, found)
    return found
  }

  /** The row whose key is plainly the same, else the one whose key the table calls the same. */
  async #lookThrough(collations: Collations, keyAt: readonly number[], rows: readonly Row[]): Promise<Row | null> {
    const { columns, cells } = this.#key
    const keyOf = (row: Row) => keyAt.map((at) => row[at] ?? null)
    const rowKey = new RowKey(columns, columns, collations)
    const wanted = rowKey.of(cells)
    const plain = rows.find((row) => rowKey.of(keyOf(row)) === wanted)
    if (plain || !this.#shape || comparesExactly(this.#shape, this.#key)) return plain ?? null
    const unknown = rows.filter((row) => !this.#others.has(encodeRow(keyOf(row))))
    const signs = await this.#engine.compareKeys(this.#shape, columns, cells, unknown.map(keyOf))
    for (const [i, row] of unknown.entries()) if (signs[i] !== 0) this.#others.add(encodeRow(keyOf(row)))
    return unknown.find((_, i) => signs[i] === 0) ?? null
  }
}

/** Whether keys were in the same order when the backup was taken: the same columns, under the same definitions. */
function comparesAsThen(shape: Table, stored: TableManifest, key: readonly string[]): boolean {
  if (!stored.order?.every((name) => key.includes(name)) || !sameList(shape.order ?? [], stored.order)) return false
  return shape.ddl[0] === stored.ddl[0] || stored.order.every((name) => isInteger(columnOf(shape, name)))
}

/** Whole numbers are the same only where they are equal. */
function comparesExactly(shape: Table, key: KeyCells): boolean {
  return key.columns.every((name, i) => isInteger(columnOf(shape, name)) && typeof key.cells[i] === 'bigint')
}

function columnOf(shape: Table, name: string): Column | undefined {
  return shape.columns.find((column) => column.name === name)
}

function isInteger(column: Column | undefined): boolean {
  return column?.type.kind === 'integer'
}
