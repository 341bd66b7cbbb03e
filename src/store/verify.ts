import { plural } from '../model/plural.ts'
import type { Value } from '../model/value.ts'
import { decodeRow } from '../model/value.ts'
import type { ChangeSet, Piece } from './change-set.ts'
import type { LeftRecord } from './left-records.ts'
import type { ChunkReference, Manifest, TableManifest } from './manifest.ts'
import { boundFromJson } from './manifest.ts'
import type { Repository } from './repository.ts'

/** What is looked at; each level includes those before it. */
export const VERIFY_LEVELS = ['manifests', 'objects', 'hashes', 'rows'] as const
export type VerifyLevel = (typeof VERIFY_LEVELS)[number]

export interface Problem {
  /** The file at fault; null where it is the contents of several. */
  file: string | null
  message: string
  /** The backups that it concerns. */
  backups: string[]
}

/** Gathers problems: one that several backups share is told once. */
export class Findings {
  readonly #problems = new Map<string, Problem>()

  /** @param backup null where it concerns none */
  add(backup: string | null, file: string | null, message: string): void {
    const known = this.#problems.get(message)
    const backups = backup === null ? [] : [backup]
    if (!known) this.#problems.set(message, { file, message, backups })
    else known.backups.push(...backups.filter((name) => !known.backups.includes(name)))
  }

  get problems(): Problem[] {
    return [...this.#problems.values()]
  }
}

/** Checks backups one after the other; what they share is looked at once. */
export class Verifier {
  readonly #repository: Repository
  readonly #level: VerifyLevel
  readonly #findings: Findings
  readonly #objects = new Map<string, { file: string; message: string } | null>()
  /** By the table's shape and the chunk's object. */
  readonly #contents = new Map<string, Contents>()

  constructor(repository: Repository, level: VerifyLevel, findings: Findings) {
    this.#repository = repository
    this.#level = level
    this.#findings = findings
  }

  /** How many objects were looked at. */
  get objects(): number {
    return this.#objects.size
  }

  /**
   * Looks at the objects of a backup, whose manifest was read.
   * @param onChunk called after each chunk
   */
  async check({ name, manifest }: { name: string; manifest: Manifest }, onChunk: () => void): Promise<void> {
    await this.#checkTables(manifest, onChunk, (file, message) => this.#findings.add(name, file, message))
  }

  /** Looks at the objects of the record of what a version left, which was read, but for those that were looked at before. */
  async checkRecord(record: LeftRecord): Promise<void> {
    const of = `The record of what version ${record.version} left`
    const known = new Set(this.#objects.keys())
    await this.#checkTables(
      record,
      () => {},
      (file, message, object) => {
        if (object === null || !known.has(object)) this.#findings.add(null, file, `${of}: ${message}`)
      }
    )
  }

  async #checkTables(
    { engine, tables }: Pick<Manifest, 'engine' | 'tables'>,
    onChunk: () => void,
    told: (file: string | null, message: string, object: string | null) => void
  ): Promise<void> {
    for (const table of tables) {
      let last: Key | null = null
      for (const chunk of this.#level === 'manifests' ? [] : table.chunks) {
        const fault = await this.#faultOf(chunk.object)
        onChunk()
        if (fault) told(fault.file, fault.message, chunk.object)
        else if (this.#level === 'rows')
          last = await this.#checkRows(engine, table, chunk, last, (message) => told(null, message, chunk.object))
      }
      const rows = table.chunks.reduce((sum, chunk) => sum + chunk.rows, 0)
      const wrong = `${table.name}: its chunks have ${plural(rows, 'row')} where it has ${table.rows.toLocaleString('en')}.`
      if (rows !== table.rows) told(null, wrong, null)
    }
  }

  /** Looks at the objects of a change set, which was read. */
  async checkChangeSet(changeSet: ChangeSet): Promise<void> {
    const of = `The change set of version ${changeSet.version}`
    for (const { name: table, columns, removed, added } of this.#level === 'manifests' ? [] : changeSet.tables) {
      for (const piece of [...removed, ...added]) {
        const fault = await this.#faultOf(piece.object)
        if (fault) this.#findings.add(null, fault.file, `${of}: ${fault.message}`)
        else if (this.#level === 'rows') await this.#checkPiece(`${of}, ${table}`, columns, piece)
      }
    }
  }

  async #checkPiece(of: string, columns: readonly string[], piece: Piece): Promise<void> {
    const lines = await this.#repository.lines(piece.object)
    const where = `${of}, ${this.#repository.fileOf(piece.object)}`
    const add = (message: string) => this.#findings.add(null, null, `${where}: ${message}`)
    if (lines.length !== piece.rows)
      add(`${plural(lines.length, 'row')} where ${piece.rows.toLocaleString('en')} should be.`)
    const wrong = lines.findIndex((line) => cellsIn(line) !== columns.length)
    if (wrong >= 0) add(`row ${wrong + 1} is no row of ${plural(columns.length, 'cell')}.`)
  }

  async #faultOf(object: string): Promise<{ file: string; message: string } | null> {
    let fault = this.#objects.get(object)
    if (fault === undefined) {
      fault = await this.#repository.faultOf(object, this.#level === 'objects' ? 'there' : 'right')
      this.#objects.set(object, fault)
    }
    return fault
  }

  /** @returns the last key of the chunk, or of the one before it where it is empty */
  async #checkRows(
    engine: string,
    table: TableManifest,
    chunk: ChunkReference,
    before: Key | null,
    add: (message: string) => void
  ): Promise<Key | null> {
    const id = JSON.stringify([engine, table.columns, table.order, table.collations, chunk.object])
    const order = new KeyOrder(engine, table)
    const contents = this.#contents.get(id) ?? readContents(await this.#repository.lines(chunk.object), table, order)
    this.#contents.set(id, contents)
    const where = `${table.name}, ${this.#repository.fileOf(chunk.object)}`
    for (const problem of contents.problems) add(`${where}, ${problem}.`)
    if (contents.rows !== chunk.rows)
      add(`${where}: ${plural(contents.rows, 'row')} where ${chunk.rows.toLocaleString('en')} should be.`)
    const from = boundFromJson(chunk.from)
    if (order.descends(from, contents.first, false)) add(`${where}: its first key comes before its beginning.`)
    if (order.descends(before, from ?? contents.first, true)) add(`${where}: the chunk before reaches into it.`)
    return contents.last ?? before
  }
}

/** How many cells a line has; null for one that is no row. */
function cellsIn(line: string): number | null {
  try {
    return decodeRow(line).length
  } catch {
    return null
  }
}

type Key = Value[]

/** What a chunk holds, by itself. */
interface Contents {
  rows: number
  first: Key | null
  last: Key | null
  problems: string[]
}

/** So many problems of one chunk are told. */
const MOST_TOLD = 10

function readContents(lines: string[], table: TableManifest, order: KeyOrder): Contents {
  const contents: Contents = { rows: lines.length, first: null, last: null, problems: [] }
  for (const [i, line] of lines.entries()) {
    const problem = checkRow(line, table, order, contents)
    if (problem !== null) contents.problems.push(`row ${i + 1}: ${problem}`)
    if (contents.problems.length === MOST_TOLD) break
  }
  return contents
}

function checkRow(line: string, table: TableManifest, order: KeyOrder, contents: Contents): string | null {
  let row: Value[]
  try {
    row = decodeRow(line)
  } catch (error) {
    return `it is no row: ${error instanceof Error ? error.message : String(error)}`
  }
  if (row.length !== table.columns.length) {
    return `it has ${plural(row.length, 'cell')} where ${table.columns.length} should be`
  }
  const key = order.keyOf(row)
  const last = contents.last
  contents.first ??= key
  contents.last = key
  return order.descends(last, key, true) ? 'its key does not come after that of the row before' : null
}

/** The order of a table's rows, as far as it can be told without the database. */
class KeyOrder {
  readonly #columns: { at: number; bytewise: boolean }[]

  constructor(engine: string, table: TableManifest) {
    this.#columns = (table.order ?? []).map((name) => ({
      at: table.columns.indexOf(name),
      bytewise: engine === 'sqlite' && table.collations[name] === undefined
    }))
  }

  keyOf(row: Value[]): Key | null {
    return this.#columns.length === 0 ? null : this.#columns.map(({ at }) => row[at] ?? null)
  }

  /** Whether b certainly does not come after a; where equal keys are allowed, whether it certainly comes before. */
  descends(a: Key | null, b: Key | null, strictly: boolean): boolean {
    if (a === null || b === null) return false
    for (const [i, { bytewise }] of this.#columns.entries()) {
      const compared = compareValues(a[i] ?? null, b[i] ?? null, bytewise)
      if (compared !== 0) return compared !== null && compared > 0
    }
    return strictly
  }
}

function compareValues(a: Value, b: Value, bytewise: boolean): number | null {
  if (a === b) return 0
  if (a === null || b === null) return a === null ? -1 : 1
  if (isNumber(a) && isNumber(b)) return a < b ? -1 : a > b ? 1 : 0
  if (bytewise && typeof a === 'string' && typeof b === 'string') return Buffer.compare(Buffer.from(a), Buffer.from(b))
  return null
}

function isNumber(value: Value): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}
