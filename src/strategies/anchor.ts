import type { Engine, Lines, RowRange } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import { plural } from '../model/plural.ts'
import type { Table } from '../model/table.ts'
import { imageColumns, sameList } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow } from '../model/value.ts'
import type { BackupScope, Version } from '../model/version.ts'
import type { ChunkReference, TableManifest } from '../store/manifest.ts'
import { boundFromJson, boundToJson, columnsToJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { GatheredLines } from './gathered-lines.ts'
import { isOneScan, readRanges } from './range-reader.ts'
import { latestTables } from './read-left.ts'

/** Rows of one chunk, uncompressed: small enough that a local change costs little, large enough to compress well. */
const TARGET_BYTES = 1 << 20
/** Neighbours smaller than this are joined, so that deletions do not leave a litter of tiny chunks. */
const SMALL_BYTES = TARGET_BYTES / 8
const IN_FLIGHT = 4

/**
 * Backs up tables in full, and the definitions of views and the like, inside the transaction that will change them. Chunk
 * bounds are taken from the newest backup, so that an unchanged range of rows is the same object and costs nothing.
 * @param tables all that there are, unless `about` says `scope: 'tables'`
 * @param about the version whose state this is, the version that takes it, all versions, the database's identity, and what
 *   gives the backup up; and tables of backups with which this one is to be compared
 * @returns the backup's identity
 * @throws RowbackError `backup.incomplete` when the rows read are not all rows, or `backup.damaged`
 */
export async function takeAnchor(
  engine: Engine,
  repository: Repository,
  tables: readonly Table[],
  about: {
    state: number
    version: number | null
    scope: BackupScope
    versions: readonly Version[]
    database: string
    compared?: readonly TableManifest[]
    signal: AbortSignal | undefined
  }
): Promise<string> {
  const parents = await latestTables(repository, about.versions)
  const manifests: TableManifest[] = []
  let added = 0
  for (const table of tables) {
    const near = { parent: parents.get(table.name), compared: about.compared?.find(({ name }) => name === table.name) }
    const stored = await backUpTable(engine, repository, table, near, about.signal)
    manifests.push(stored.manifest)
    added += stored.added
  }
  const { objects, notes } = await engine.schemaObjects()
  const leftOut = about.scope === 'database' ? await leftOutNotes(engine) : []
  return repository.putManifest({
    database: about.database,
    engine: engine.name,
    takenAt: new Date().toISOString(),
    state: about.state,
    version: about.version,
    ...(about.scope === 'tables' && { scope: about.scope }),
    added,
    tables: manifests,
    objects,
    objectNotes: [...notes, ...leftOut]
  })
}

/** Which tables no backup holds, as sentences. */
export async function leftOutNotes(engine: Engine): Promise<string[]> {
  const names = await engine.unsupportedTables()
  return names.map((name) => `${name} is left out of backups: it is no plain table, or has a type that is not known.`)
}

/** The same table as other backups or records hold it. */
interface Near {
  /** Which cut it before, and holds much the same rows. */
  parent: TableManifest | undefined
  /** Which is to be compared with it. */
  compared?: TableManifest | undefined
}

/**
 * Stores the rows of a table, cut where a parent cut them, which may be an earlier backup or a record.
 * @throws RowbackError as {@link takeAnchor} does
 */
export async function backUpTable(
  engine: Engine,
  repository: Repository,
  table: Table,
  { parent, compared }: Near,
  signal: AbortSignal | undefined
): Promise<{ manifest: TableManifest; added: number }> {
  const columns = imageColumns(table)
  const writer = new ChunkWriter(repository, compared?.chunks ?? [], signal)
  const ranges = knownRanges(table, columns, parent)
  let begun = 0
  const beginUpTo = async (last: number) => {
    for (; begun <= last; begun++) {
      const { from, chunk } = ranges[begun] as KnownRange
      await writer.beginRange(from, chunk, begun === ranges.length - 1)
    }
  }
  const orderAt = (table.order ?? []).map((name) => columns.indexOf(name))
  for await (const lines of readRanges(engine, table, ranges)) {
    await beginUpTo(lines.range)
    await writeLines(lines, orderAt, writer)
  }
  await beginUpTo(ranges.length - 1)
  const counting = isOneScan(engine, table, ranges) ? null : engine.countRows(table.name)
  const [chunks, counted] = await Promise.all([writer.end(), counting])
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
  if (counted !== null && rows !== counted) {
    throw new RowbackError({
      code: 'backup.incomplete',
      message: `The backup of ${table.name} read ${plural(rows, 'row')} where the table has ${counted.toLocaleString('en')}.`,
      hint: 'Check the table and its indexes for damage (SQLite: PRAGMA integrity_check).'
    })
  }
  const { name, order, hiddenOrder, key, collations, ddl } = table
  const definition = columnsToJson(table)
  const manifest = { name, columns, definition, order, hiddenOrder, key, collations, ddl, rows, chunks }
  return { manifest, added: writer.added }
}

/** Hands lines to the writer, and cuts where a chunk is full. */
async function writeLines({ bytes, ends }: Lines, orderAt: readonly number[], writer: ChunkWriter): Promise<void> {
  let handed = 0
  let rows = 0
  let begin = 0
  for (const end of ends) {
    if (writer.isFullWith(begin - handed)) {
      writer.add(bytes.subarray(handed, begin), rows)
      const row = decodeRow(bytes.toString('utf8', begin, end - 1))
      await writer.cut(orderAt.map((at) => row[at] ?? null))
      handed = begin
      rows = 0
    }
    rows++
    begin = end
  }
  writer.add(bytes.subarray(handed), rows)
}

/** A range of a table's rows, and the chunk that the newest backup has for it. */
interface KnownRange extends RowRange {
  chunk: ChunkReference | null
}

/** Where the newest backup cut this table; only when its rows had the same columns in the same order. */
function knownRanges(table: Table, columns: string[], before: TableManifest | undefined): KnownRange[] {
  const same =
    before &&
    sameList(before.columns, columns) &&
    sameList(before.order ?? [], table.order ?? []) &&
    before.chunks.length > 0
  if (!same) return [{ ...WHOLE_TABLE, chunk: null }]
  const bounds = before.chunks.map((chunk) => boundFromJson(chunk.from))
  return before.chunks.map((chunk, i) => ({ from: bounds[i] ?? null, to: bounds[i + 1] ?? null, chunk }))
}

/** Gathers rows, as lines, into chunks that follow each other without gap: each begins where the one before ends. */
class ChunkWriter {
  /** Compressed bytes that the repository did not have before. */
  added = 0
  readonly #repository: Repository
  /** Of the table to compare with, by where they begin. */
  readonly #compared: ReadonlyMap<string, string>
  readonly #signal: AbortSignal | undefined
  readonly #chunks: Promise<ChunkReference>[] = []
  #from: Row | null = null
  readonly #gathered: GatheredLines
  #limit = TARGET_BYTES
  /** The largest of the newest backup's chunks for the rows at hand. */
  #parent: ChunkReference | null = null
  #isLastRange = true

  constructor(repository: Repository, compared: readonly ChunkReference[], signal: AbortSignal | undefined) {
    this.#repository = repository
    this.#compared = new Map(compared.map(({ from, object }) => [JSON.stringify(from), object]))
    this.#signal = signal
    this.#gathered = new GatheredLines(repository)
  }

  /** @param more bytes of lines that are about to be added */
  isFullWith(more: number): boolean {
    return this.#gathered.length + more >= this.#limit
  }

  /**
   * Goes on with the next range of the newest backup's; the last one grows at its end and is cut sooner.
   * @param parent the chunk that backup has for the range
   */
  async beginRange(from: Row | null, parent: ChunkReference | null, isLast: boolean): Promise<void> {
    if (from !== null && this.#gathered.length >= SMALL_BYTES) await this.cut(from)
    // A range that was not cut off goes on into this one: both had a parent, and the larger one helps more.
    const goesOn = this.#gathered.rows > 0
    if (!goesOn || (parent?.bytes ?? 0) > (this.#parent?.bytes ?? 0)) this.#parent = parent
    this.#isLastRange = isLast
    this.#limit = isLast ? TARGET_BYTES : 2 * TARGET_BYTES
  }

  /** @param lines whole lines */
  add(lines: Buffer, rows: number): void {
    this.#gathered.add(lines, rows)
  }

  /** Ends the chunk before a key; waits while too many are still being stored. */
  async cut(next: Row): Promise<void> {
    this.#signal?.throwIfAborted()
    this.#store()
    this.#from = next
    // What follows in the last range was mostly appended, and has nothing in common with its parent.
    if (this.#isLastRange) this.#parent = null
    if (this.#chunks.length >= IN_FLIGHT) await this.#chunks.at(-IN_FLIGHT)
  }

  #store(): void {
    const { lines, rows } = this.#gathered.take()
    const stored = this.#put(lines, rows, this.#from, this.#parent?.object ?? null)
    // Whoever awaits it hears of a failure; until then it must not end the process.
    stored.catch(() => {})
    this.#chunks.push(stored)
  }

  async #put(lines: Buffer<ArrayBuffer>, rows: number, from: Row | null, base: string | null): Promise<ChunkReference> {
    const bytes = lines.length
    const begin = boundToJson(from)
    const other = this.#compared.get(JSON.stringify(begin)) ?? null
    const { object, added } = await this.#repository.putRows(lines, base, other)
    this.added += added
    return { from: begin, rows, bytes, object }
  }

  async end(): Promise<ChunkReference[]> {
    if (this.#gathered.rows > 0 || this.#chunks.length === 0) this.#store()
    return Promise.all(this.#chunks)
  }
}
