import type { Engine, Lines } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { RowChange } from '../model/change.ts'
import type { DriftedRows } from '../model/drift.ts'
import { hash128 } from '../model/hash128.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { imageColumns } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'
import { decodeRow, encodeRow, linesOf } from '../model/value.ts'
import type { TrackedTable } from '../model/version.ts'
import type { Piece, TableChangeSet } from '../store/change-set.ts'
import { columnsFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { driftOf } from './drift.ts'
import { linesIn, nameOf } from './increments.ts'
import { committed, headOf, touching } from './lifetimes.ts'
import type { LiveState } from './session.ts'
import { hasSameColumns } from './shape.ts'
import { isAllNew } from './written-by.ts'

const FOUND_AT_ONCE = 1000

/** A table that is to be brought to the state of version `to` by undoing what was written since. */
interface Undo {
  table: Table
  tracked: TrackedTable
  to: number
}

/** What a version did to the table. */
interface Written extends TableChangeSet {
  version: number
  /** The rows that it wrote itself; null where they stand among others. */
  ofItself: Piece[] | null
}

/**
 * Finds what others changed in the rows that an undo touches, and in no others, at the cost of these: what versions wrote
 * since `to` stands in their change sets, and must be live or superseded as it was. A sum over both tells whether it is; only
 * where it does not are rows looked at one by one.
 * @returns what would be overwritten, or come back though others deleted it; a sentence where that is not known
 */
export async function driftUndone(
  engine: Engine,
  repository: Repository,
  live: LiveState,
  undo: Undo
): Promise<DriftedRows | string> {
  try {
    return await compared(engine, repository, live, undo)
  } catch (error) {
    if (!(error instanceof RowbackError) || !error.code.startsWith('backup.')) throw error
    return `${undo.table.name}: what others changed is not known: ${error.message}`
  }
}

async function compared(
  engine: Engine,
  repository: Repository,
  live: LiveState,
  undo: Undo
): Promise<DriftedRows | string> {
  const { table, tracked, to } = undo
  const written = await writtenSince(repository, live, undo)
  const begin = written.findLastIndex(({ all }) => all)
  const kept = new Set(written.map(({ version }) => version))
  const lost = touching(live.versions, tracked).find(
    (version) => version > to && version >= (written[begin]?.version ?? 0) && !kept.has(version)
  )
  if (lost !== undefined) {
    return `${table.name}: what others changed is not known: the repository does not have the change set of version ${lost}.`
  }
  const last = written.at(-1)
  if (last && !hasSameColumns(table, last.columns, columnsFromJson(last.definition))) {
    return `${table.name}: others changed its columns, so its rows are not compared.`
  }
  const rows = new UndoneRows(engine, repository, undo, headOf(live.versions), written)
  return driftOf(table, imageColumns(table), (await rows.areAsWritten()) ? [] : rows.changes())
}

/** What versions after `to` did to the table, the oldest first. */
async function writtenSince(repository: Repository, live: LiveState, { tracked, to }: Undo): Promise<Written[]> {
  const versions = new Set(committed(live.versions).map(({ number }) => number))
  const written: Written[] = []
  /** Whether the oldest so far lists all rows, and it is not known yet whether there were others before. */
  let isOpen = false
  for await (const { version, tables } of repository.changeSets.before(Number.POSITIVE_INFINITY)) {
    if (version <= to && !isOpen) break
    const one =
      versions.has(version) && tables.find(({ name, since }) => name === tracked.table && since === tracked.since)
    if (!one) continue
    const [next] = written
    if (isOpen && next && (await isAllNew(repository, next, one.rows))) next.ofItself = next.added
    if (version <= to) return written
    written.unshift({ ...one, version, ofItself: one.own ?? (one.all ? null : one.added) })
    isOpen = one.all && one.own === undefined
  }
  const [first] = written
  if (isOpen && first && (await isAllNew(repository, first, undefined))) first.ofItself = first.added
  return written
}

class UndoneRows {
  readonly #engine: Engine
  readonly #repository: Repository
  readonly #undo: Undo
  readonly #head: number
  readonly #written: readonly Written[]
  readonly #key: RowKey

  constructor(engine: Engine, repository: Repository, undo: Undo, head: number, written: readonly Written[]) {
    this.#engine = engine
    this.#repository = repository
    this.#undo = undo
    this.#head = head
    this.#written = written
    const { key, collations } = undo.table
    this.#key = new RowKey(written.at(-1)?.columns ?? [], key ?? [], collations)
  }

  /** Whether all rows that versions wrote since are still there, live or superseded, and no others in their name. */
  async areAsWritten(): Promise<boolean> {
    const { table, tracked, to } = this.#undo
    const [there, written] = [new LinesSum(), new LinesSum()]
    for (const { ofItself } of this.#written) {
      if (ofItself === null) return false
      for await (const lines of linesIn(this.#repository, ofItself)) written.add(lines)
    }
    const tracking = { history: tracked.history, live: true }
    for (const rows of [this.#live(), this.#engine.readReplaced(table, tracking, to + 1)]) {
      for await (const { bytes } of rows) there.add(linesOf(bytes))
    }
    return there.equals(written)
  }

  /** From rows as versions left them to rows as they are; in memory are the keys that the undo touches. */
  async *changes(): AsyncIterable<RowChange> {
    const left = await this.#left()
    const then = new Map<string, string>()
    for await (const row of this.#then()) then.set(this.#keyOf(row), nameOf(encodeRow(row)))
    const seen = new Set<string>()
    for await (const line of linesFrom(this.#live())) {
      const after = decodeRow(line)
      const key = this.#keyOf(after)
      seen.add(key)
      const name = nameOf(line)
      // What is as it was at that version already stays.
      if (name === left.get(key) || name === then.get(key)) continue
      // Of what was there before only that it was counts.
      yield { before: left.get(key) ? after : null, after }
    }
    let gone: Row[] = []
    for await (const row of this.#then()) {
      const key = this.#keyOf(row)
      if (seen.has(key) || !left.get(key)) continue
      gone.push(row)
      if (gone.length < FOUND_AT_ONCE) continue
      yield* this.#deleted(gone)
      gone = []
    }
    yield* this.#deleted(gone)
  }

  /** Rows that come back though others deleted what versions had made of them: where others put rows in their place, these stay. */
  async *#deleted(rows: readonly Row[]): AsyncIterable<RowChange> {
    if (rows.length === 0) return
    const { table } = this.#undo
    const key = table.key ?? []
    const at = key.map((name) => (this.#written.at(-1) as Written).columns.indexOf(name))
    const cells = rows.map((row) => at.map((i): Value => row[i] ?? null))
    const found = await this.#engine.findRows(table, key, cells)
    for (const [i, row] of rows.entries()) if (found[i] === null) yield { before: row, after: null }
  }

  /** By key, what stands for the row as versions left it, of all that the undo touches; null for no row. */
  async #left(): Promise<Map<string, string | null>> {
    const left = new Map<string, string | null>()
    for await (const line of linesFrom(this.#live())) left.set(this.#keyOf(decodeRow(line)), null)
    for await (const row of this.#then()) left.set(this.#keyOf(row), null)
    const begin = this.#written.findLastIndex(({ all }) => all)
    for (const { removed, added } of this.#written.slice(Math.max(begin, 0))) {
      const note = async (pieces: readonly Piece[], isThere: boolean) => {
        for await (const lines of linesIn(this.#repository, pieces)) {
          for (const line of lines) {
            const key = this.#keyOf(decodeRow(line))
            if (left.has(key)) left.set(key, isThere ? nameOf(line) : null)
          }
        }
      }
      await note(removed, false)
      await note(added, true)
    }
    return left
  }

  /** What versions wrote since and is live. */
  #live(): AsyncIterable<Lines> {
    return this.#engine.readWritten(this.#undo.table, this.#undo.to + 1, this.#head)
  }

  /** What was there at the version and was superseded since. */
  async *#then(): AsyncIterable<Row> {
    const { table, tracked, to } = this.#undo
    for await (const rows of this.#engine.readState(table, { history: tracked.history, live: false }, to)) yield* rows
  }

  /** SQLite allows NULL in a primary key: such rows are told apart by all that they hold. */
  #keyOf(row: Row): string {
    return this.#key.of(row) ?? encodeRow(row)
  }
}

/** Lines in whatever order they come, as the sum of their hashes. Nobody gains by making texts that collide. */
class LinesSum {
  #lines = 0
  readonly #sums = new Uint32Array(4)
  readonly #hash = new Uint32Array(4)

  add(lines: readonly string[]): void {
    for (const line of lines) {
      hash128(line, this.#hash)
      for (let i = 0; i < 4; i++) this.#sums[i] = (this.#sums[i] as number) + (this.#hash[i] as number)
    }
    this.#lines += lines.length
  }

  equals(other: LinesSum): boolean {
    return this.#lines === other.#lines && this.#sums.every((sum, i) => sum === other.#sums[i])
  }
}

async function* linesFrom(batches: AsyncIterable<Lines>): AsyncIterable<string> {
  for await (const { bytes } of batches) yield* linesOf(bytes)
}
