import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { Table } from '../model/table.ts'
import { imageColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import type { ChunkReference, Manifest, TableManifest } from '../store/manifest.ts'
import { boundFromJson, boundToJson, columnsToJson } from '../store/manifest.ts'
import { Repository } from '../store/repository.ts'

/** Rows of one chunk, uncompressed: small enough that a local change costs little, large enough to compress well. */
const TARGET_BYTES = 1 << 20
/** Neighbours smaller than this are joined, so that deletions do not leave a litter of tiny chunks. */
const SMALL_BYTES = TARGET_BYTES / 8
const IN_FLIGHT = 2

/**
 * Backs up all tables in full, and the definitions of views and the like, inside the transaction that will change them. Chunk bounds are taken from the newest
 * backup, so that an unchanged range of rows is the same object and costs nothing.
 * @param about the version whose state this is, the version that takes it, the database's identity, and what gives the
 *   backup up
 * @returns the backup's identity
 * @throws RowbackError `backup.incomplete` when the rows read are not all rows, or `backup.damaged`
 */
export async function takeAnchor(
  engine: Engine,
  repository: Repository,
  tables: Table[],
  about: { state: number; version: number | null; database: string; signal: AbortSignal | undefined }
): Promise<string> {
  const parent = await repository.latestManifest()
  const manifests: TableManifest[] = []
  let added = 0
  for (const table of tables) {
    const stored = await backUpTable(engine, repository, table, parent, about.signal)
    manifests.push(stored.manifest)
    added += stored.added
  }
  const { objects, notes } = await engine.schemaObjects()
  return repository.putManifest({
    database: about.database,
    engine: engine.name,
    takenAt: new Date().toISOString(),
    state: about.state,
    version: about.version,
    added,
    tables: manifests,
    objects,
    objectNotes: notes
  })
}

async function backUpTable(
  engine: Engine,
  repository: Repository,
  table: Table,
  parent: Manifest | null,
  signal: AbortSignal | undefined
): Promise<{ manifest: TableManifest; added: number }> {
  const columns = imageColumns(table)
  const writer = new ChunkWriter(repository, signal)
  const bounds = knownBounds(table, columns, parent)
  for (let i = 0; i < bounds.length; i++) {
    const from = bounds[i] ?? null
    const to = bounds[i + 1] ?? null
    await writer.beginRange(from, to === null)
    await writeRange(engine, table, columns, { from, to }, writer)
  }
  const chunks = await writer.end()
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
  const counted = await engine.countRows(table.name)
  if (rows !== counted) {
    throw new RowbackError({
      code: 'backup.incomplete',
      message: `The backup of ${table.name} read ${rows} rows where the table has ${counted}.`,
      hint: 'Check the table and its indexes for damage (SQLite: PRAGMA integrity_check).'
    })
  }
  const { name, order, hiddenOrder, key, collations, ddl } = table
  const definition = columnsToJson(table)
  const manifest = { name, columns, definition, order, hiddenOrder, key, collations, ddl, rows, chunks }
  return { manifest, added: writer.added }
}

async function writeRange(
  engine: Engine,
  table: Table,
  columns: string[],
  range: { from: Row | null; to: Row | null },
  writer: ChunkWriter
): Promise<void> {
  const orderAt = (table.order ?? []).map((name) => columns.indexOf(name))
  for await (const batch of engine.readRows(table, range)) {
    for (const row of batch) {
      if (writer.isFull) await writer.cut(orderAt.map((at) => row[at] ?? null))
      writer.add(encodeRow(row))
    }
  }
}

/** Where the newest backup cut this table; only when its rows had the same columns in the same order. */
function knownBounds(table: Table, columns: string[], parent: Manifest | null): (Row | null)[] {
  const before = parent?.tables.find((candidate) => candidate.name === table.name)
  const same =
    before &&
    sameNames(before.columns, columns) &&
    sameNames(before.order ?? [], table.order ?? []) &&
    before.chunks.length > 0
  return same ? before.chunks.map((chunk) => boundFromJson(chunk.from)) : [null]
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}

/** Gathers encoded rows into chunks that follow each other without gap: each begins where the one before ends. */
class ChunkWriter {
  /** Compressed bytes that the repository did not have before. */
  added = 0
  readonly #repository: Repository
  readonly #signal: AbortSignal | undefined
  readonly #chunks: Promise<ChunkReference>[] = []
  #from: Row | null = null
  #lines: string[] = []
  #length = 0
  #limit = TARGET_BYTES

  constructor(repository: Repository, signal: AbortSignal | undefined) {
    this.#repository = repository
    this.#signal = signal
  }

  get isFull(): boolean {
    return this.#length >= this.#limit
  }

  /** Goes on with the next range of the parent's; the last one grows at its end and is cut sooner. */
  async beginRange(from: Row | null, isLast: boolean): Promise<void> {
    if (from !== null && this.#length >= SMALL_BYTES) await this.cut(from)
    this.#limit = isLast ? TARGET_BYTES : 2 * TARGET_BYTES
  }

  add(line: string): void {
    this.#lines.push(line)
    this.#length += line.length + 1
  }

  /** Ends the chunk before a key; waits while too many are still being stored. */
  async cut(next: Row): Promise<void> {
    this.#signal?.throwIfAborted()
    this.#store()
    this.#from = next
    if (this.#chunks.length >= IN_FLIGHT) await this.#chunks.at(-IN_FLIGHT)
  }

  #store(): void {
    const packed = Repository.pack(this.#lines)
    const { object, rows, bytes } = packed
    const reference: ChunkReference = { from: boundToJson(this.#from), rows, bytes: bytes.length, object }
    this.#lines = []
    this.#length = 0
    const stored = this.#repository.putRows(packed).then((added) => {
      this.added += added
      return reference
    })
    // Whoever awaits it hears of a failure; until then it must not end the process.
    stored.catch(() => {})
    this.#chunks.push(stored)
  }

  async end(): Promise<ChunkReference[]> {
    if (this.#lines.length > 0 || this.#chunks.length === 0) this.#store()
    return Promise.all(this.#chunks)
  }
}
