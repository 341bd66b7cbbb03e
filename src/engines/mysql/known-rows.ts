import type { RawCell } from '../../model/failed-row.ts'
import type { Value } from '../../model/value.ts'
import type { RowFilter } from '../engine.ts'
import type { MysqlColumn } from './columns.ts'
import { cellsOf, readExpression } from './columns.ts'
import type { RawRow } from './connection.ts'
import { RowHash } from './row-hash.ts'
import { quote } from './sql-text.ts'
import type { Statements } from './statements.ts'
import { endOfCell, WireRow } from './wire-rows.ts'

/** Two words of key, two of content. */
const WORDS = 4
/** Slots for each row that is expected. */
const ROOM = 1.3
const FREE = 0
const LIVE = 1
/** The source had this key already. */
const SEEN = 2
/** A row with this key is on its way to the server, changed. */
const SENT = 4
/** Two keys share their hash: none of them is known. */
const MIXED = 3

/**
 * The rows of a table as hashes, 17 bytes a row: those that a source brings unchanged need neither be formatted nor
 * sent. Two 64-bit hashes, of key and of content, have to agree; what does not agree the server compares itself. By the
 * birthday bound, among a million rows a changed one passes for unchanged with a probability below 10^-13.
 */
export class KnownRows implements RowFilter {
  /** Rows that were found to be there as they are. */
  unchanged = 0
  readonly #keyAt: readonly number[]
  /** Positions of the columns that are no part of the key. */
  readonly #restAt: readonly number[]
  readonly #tagged: readonly boolean[]
  readonly #key = new RowHash()
  readonly #content = new RowHash()
  readonly #row = new WireRow()
  #words: Uint32Array
  #states: Uint8Array
  #size = 0

  private constructor(columns: readonly MysqlColumn[], keyAt: readonly number[], expected: number) {
    this.#keyAt = keyAt
    this.#restAt = columns.map((_, i) => i).filter((i) => !keyAt.includes(i))
    this.#tagged = columns.map((column) => readExpression(column, '').decoder !== null)
    const slots = Math.max(1024, Math.ceil(expected * ROOM))
    this.#words = new Uint32Array(slots * WORDS)
    this.#states = new Uint8Array(slots)
  }

  /**
   * Reads all rows of a table, in some of its columns.
   * @param keyAt positions of the key among the columns
   * @param limits about how many rows there are, and how many are too many
   * @returns null when there are too many
   */
  static async read(
    statements: Statements,
    table: string,
    columns: readonly MysqlColumn[],
    keyAt: readonly number[],
    limits: { expected: number; most: number }
  ): Promise<KnownRows | null> {
    const known = new KnownRows(columns, keyAt, Math.min(limits.expected, limits.most))
    const picked = [...keyAt, ...known.#restAt].map((at) => columns[at] as MysqlColumn)
    const sql = `SELECT ${cellsOf(picked).join(', ')} FROM ${quote(table)}`
    await statements.scan(sql, (bytes, at, end) => {
      if (known.#size <= limits.most) known.#add(bytes, at, end)
    })
    return known.#size > limits.most ? null : known
  }

  /** Takes a row whose cells stand in the protocol, those of the key first. */
  #add(bytes: Buffer, at: number, end: number): void {
    if (this.#size * 8 >= this.#states.length * 7) this.#grow()
    let rest = at
    for (let i = 0; i < this.#keyAt.length; i++) rest = endOfCell(bytes, rest)
    this.#key.take(bytes, at, rest)
    const slot = this.#find(this.#key)
    if (this.#states[slot] !== FREE) {
      this.#states[slot] = MIXED
      return
    }
    this.#content.take(bytes, rest, end)
    this.#put(slot, this.#key.high, this.#key.low, this.#content.high, this.#content.low, LIVE)
    this.#size++
  }

  isUnchanged(cells: readonly RawCell[], at: readonly number[]): boolean {
    const row = this.#row
    row.begin()
    for (const i of this.#keyAt) row.addText(cells[at[i] as number] ?? null, this.#tagged[i] as boolean)
    const slot = this.#findRow()
    if (this.#states[slot] !== LIVE) return false
    row.begin()
    for (const i of this.#restAt) row.addText(cells[at[i] as number] ?? null, this.#tagged[i] as boolean)
    return this.#settle(slot)
  }

  /** The same for formatted values, which may be written otherwise in the source; others are on their way from now on. */
  isUnchangedRow(values: readonly Value[]): boolean {
    const row = this.#row
    row.begin()
    for (const i of this.#keyAt) row.addValue(values[i] ?? null, this.#tagged[i] as boolean)
    const slot = this.#findRow()
    if (this.#states[slot] !== LIVE) return false
    row.begin()
    for (const i of this.#restAt) row.addValue(values[i] ?? null, this.#tagged[i] as boolean)
    if (this.#settle(slot)) return true
    this.#states[slot] = SENT
    return false
  }

  #settle(slot: number): boolean {
    this.#content.take(this.#row.bytes, 0, this.#row.length)
    const at = slot * WORDS
    if (this.#words[at + 2] !== this.#content.high || this.#words[at + 3] !== this.#content.low) return false
    this.#states[slot] = SEEN
    this.unchanged++
    return true
  }

  /**
   * Takes a key of the table that the source brought, changed.
   * @param key cells as the server has them
   * @returns whether the source had it before
   */
  takeKey(key: RawRow): boolean {
    this.#row.begin()
    for (const cell of key) this.#row.addBytes(cell)
    const slot = this.#findRow()
    if (this.#states[slot] === SEEN) return true
    if (this.#states[slot] === LIVE || this.#states[slot] === SENT) this.#states[slot] = SEEN
    return false
  }

  /** The slot of the key that was written last. */
  #findRow(): number {
    this.#key.take(this.#row.bytes, 0, this.#row.length)
    return this.#find(this.#key)
  }

  /** The slot of a key, or the free one where it belongs. */
  #find(hash: RowHash): number {
    const slots = this.#states.length
    const { high, low } = hash
    let slot = low % slots
    while (this.#states[slot] !== FREE) {
      const at = slot * WORDS
      if (this.#words[at] === high && this.#words[at + 1] === low) return slot
      slot = slot + 1 === slots ? 0 : slot + 1
    }
    return slot
  }

  #put(slot: number, high: number, low: number, contentHigh: number, contentLow: number, state: number): void {
    const at = slot * WORDS
    this.#words[at] = high
    this.#words[at + 1] = low
    this.#words[at + 2] = contentHigh
    this.#words[at + 3] = contentLow
    this.#states[slot] = state
  }

  #grow(): void {
    const words = this.#words
    const states = this.#states
    this.#words = new Uint32Array(words.length * 2)
    this.#states = new Uint8Array(states.length * 2)
    const slots = this.#states.length
    for (let old = 0; old < states.length; old++) {
      if (states[old] === FREE) continue
      const at = old * WORDS
      let slot = (words[at + 1] as number) % slots
      while (this.#states[slot] !== FREE) slot = slot + 1 === slots ? 0 : slot + 1
      const [high, low, contentHigh, contentLow] = words.subarray(at, at + WORDS) as unknown as [
        number,
        number,
        number,
        number
      ]
      this.#put(slot, high, low, contentHigh, contentLow, states[old] as number)
    }
  }
}
