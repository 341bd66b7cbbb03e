import type { PastTable } from '../engines/engine.ts'
import { ahead } from '../model/ahead.ts'
import type { SchemaObjects } from '../model/schema-object.ts'
import type { Row } from '../model/value.ts'
import { decodeLines } from '../model/value.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'

/** A table as it was in one state, to be read whole. */
export type StateTable = PastTable

/** A state of which everything can be read. */
export interface ReadableState {
  /** When the backup was taken that some table is read from, ISO 8601, UTC; null where the database itself has them all. */
  readonly takenAt: string | null
  /** Views, routines and the like. */
  objects(): Promise<SchemaObjects>
  /** The tables that there were. */
  names(): string[]
  /** A table that there was; undefined where there was none. */
  table(name: string): Promise<StateTable | undefined>
  /**
   * What is read as it is now although it is asked for as it was, of some tables: no version wrote them since, so that no
   * backup had to hold them, and what others changed since cannot be told. Sentences.
   */
  unkept(names: readonly string[]): Promise<string[]>
}

/** Reads what one full backup holds, of all tables, with nothing but the repository. */
export class BackupReader implements ReadableState {
  readonly #repository: Repository
  readonly #backup: Manifest

  constructor(repository: Repository, backup: Manifest) {
    this.#repository = repository
    this.#backup = backup
  }

  get takenAt(): string {
    return this.#backup.takenAt
  }

  async unkept(): Promise<string[]> {
    return []
  }

  async objects(): Promise<SchemaObjects> {
    const { objects, objectNotes = [], scope } = this.#backup
    if (scope !== undefined) return { objects: [], notes: [partialNote(this.names())] }
    return objects ? { objects, notes: objectNotes } : { objects: [], notes: ['The backup holds tables alone.'] }
  }

  names(): string[] {
    return this.#backup.tables.map(({ name }) => name)
  }

  async table(name: string): Promise<StateTable | undefined> {
    const stored = this.#backup.tables.find((table) => table.name === name)
    return stored && storedTable(this.#repository, stored)
  }
}

function partialNote(tables: readonly string[]): string {
  return `The backup holds only what its version was about to change: ${tables.join(', ') || 'no table'}.`
}

/** A table of a full backup. */
export function storedTable(repository: Repository, stored: TableManifest): StateTable {
  const { name, key, ddl, hiddenOrder } = stored
  const written = hiddenOrder ? stored.columns.slice(1) : stored.columns
  const rows = () => withoutFirst(hiddenOrder, readChunks(repository, stored))
  const lines = hiddenOrder ? null : () => chunkBytes(repository, stored)
  return { name, columns: columnsFromJson(stored.definition), key, ddl, written, rows, lines, tracked: null }
}

function chunkBytes(repository: Repository, stored: TableManifest): AsyncIterable<Buffer> {
  return ahead(stored.chunks, (chunk) => repository.bytes(chunk.object))
}

async function* readChunks(repository: Repository, stored: TableManifest): AsyncIterable<Row[]> {
  for await (const lines of chunkBytes(repository, stored)) yield decodeLines(lines)
}

/** Rows without the hidden order column, where there is one. */
export async function* withoutFirst(isHidden: boolean, batches: AsyncIterable<Row[]>): AsyncIterable<Row[]> {
  for await (const rows of batches) yield isHidden ? rows.map((row) => row.slice(1)) : rows
}
