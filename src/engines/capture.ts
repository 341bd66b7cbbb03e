import type { WriteCounts } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Value } from '../model/value.ts'
import type { Tracking } from './engine.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from './engine.ts'

/** A table whose rows somebody else is about to change. */
export interface CapturedTable {
  table: Table
  /** Null where only the changes are counted. */
  tracking: Tracking | null
}

/** What an engine lends to the capture of one table. */
export interface CaptureSql {
  run(sql: string, parameters?: Value[]): Promise<number>
  /** Runs a query for one number. */
  count(sql: string): Promise<number>
  quote(identifier: string): string
  /**
   * Makes a table that no other session sees and that is gone with the transaction, with the columns of the table and more.
   * @param more names of further columns, of numbers
   * @param key by which rows will be found, if any
   * @returns its quoted place
   */
  makeAside(
    name: string,
    more: readonly string[],
    key: { columns: string[]; nullable: boolean } | null
  ): Promise<string>
  dropAside(place: string): Promise<void>
  /** What is selected of an aliased table so that such columns take it as it is. */
  copies(alias: string): string
  sameKey(a: string, b: string): string
  sameContent(a: string, b: string): string
  /** The quoted place of the history. */
  history: string | null
  /** Reads rows as they are now, and keeps others from changing them before the transaction ends. */
  locking: string
  /** Columns that the database would set by itself when a row is updated. */
  selfSetting: string[]
  /** One statement can read a table aside more than once. */
  readsTwice: boolean
  withoutTriggers(work: () => Promise<unknown>): Promise<void>
}

/** Stands for the hidden column that tells rows apart, in tables aside. */
const PLACE = 'rowback_place'

/**
 * Finds what happens to the rows of a table between {@link begin} and {@link end}, whatever makes it happen: statements,
 * cascades or triggers. The rows are copied aside, and compared by the database afterwards, in its own order and exactly.
 */
export class Capture {
  readonly #sql: CaptureSql
  readonly #table: Table
  readonly #version: number
  /** Names of the tables aside. */
  readonly #names: readonly [before: string, gone: string]
  readonly #isTracked: boolean
  #before = ''
  #copied = 0

  constructor({ table, tracking }: CapturedTable, at: number, version: number, sql: CaptureSql) {
    this.#table = table
    this.#sql = sql
    this.#version = version
    this.#names = [`rowback_before_${at}`, `rowback_gone_${at}`]
    this.#isTracked = tracking !== null
  }

  /** Copies the rows aside, and holds them against others where the database lets several write. */
  async begin(): Promise<void> {
    const sql = this.#sql
    this.#before = await this.#makeAside(this.#names[0], true)
    this.#copied = await sql.run(
      `INSERT INTO ${this.#before} (${this.#list()}) SELECT ${this.#copies('t', this.#place)} FROM ${this.#live} t${sql.locking}`
    )
  }

  /**
   * Compares. In a tracked table rows that changed get the version and the old ones go to history; rows that went and came
   * back as they were keep the version that wrote them.
   */
  async end(): Promise<WriteCounts> {
    const gone = this.#isTracked ? await this.#supersede() : await this.#putAside()
    if (this.#isTracked) await this.#sql.withoutTriggers(() => this.#stamp())
    const updated = await this.#count(`${gone.place} g JOIN ${this.#live} t ON ${this.#sameRow('t', 'g')}${gone.where}`)
    const come = this.#isTracked
      ? await this.#count(`${this.#live} t WHERE t.${this.#sql.quote(VERSION_COLUMN)} = ${this.#version}`)
      : (await this.#count(`${this.#live} t`)) - (this.#copied - gone.rows)
    await this.#sql.dropAside(this.#before)
    if (!this.#isTracked) await this.#sql.dropAside(gone.place)
    return { inserted: come - updated, updated, deleted: gone.rows - updated, unchanged: 0 }
  }

  #count(from: string): Promise<number> {
    return this.#sql.count(`SELECT count(*) FROM ${from}${this.#sql.locking}`)
  }

  /** Rows that are not there any more as they were. */
  get #vanished(): string {
    return `FROM ${this.#before} b WHERE NOT EXISTS (SELECT 1 FROM ${this.#live} t WHERE ${this.#same('t', 'b')})`
  }

  async #supersede(): Promise<{ place: string; rows: number; where: string }> {
    const history = this.#sql.history as string
    const columns = [...this.#columnNames(), VERSION_COLUMN, SUPERSEDED_COLUMN].map((name) => this.#sql.quote(name))
    const rows = await this.#sql.run(
      `INSERT INTO ${history} (${columns.join(', ')}) ` +
        `SELECT ${this.#sql.copies('b')}, b.${this.#sql.quote(VERSION_COLUMN)}, ${this.#version} ${this.#vanished}`
    )
    return { place: history, rows, where: ` WHERE g.${this.#sql.quote(SUPERSEDED_COLUMN)} = ${this.#version}` }
  }

  async #putAside(): Promise<{ place: string; rows: number; where: string }> {
    const place = await this.#makeAside(this.#names[1], false)
    const rows = await this.#sql.run(
      `INSERT INTO ${place} (${this.#list()}) SELECT ${this.#copies('b', PLACE)} ${this.#vanished}`
    )
    return { place, rows, where: '' }
  }

  /** An update by the user may have touched the column, and a row that was written again lost it. */
  async #stamp(): Promise<void> {
    const { quote, selfSetting, readsTwice } = this.#sql
    const version = quote(VERSION_COLUMN)
    const before = `SELECT b.${version} FROM ${this.#before} b WHERE ${this.#same(this.#live, 'b')}`
    const wanted = `coalesce((${before}), ${this.#version})`
    const kept = selfSetting.map((name) => `, ${quote(name)} = ${quote(name)}`).join('')
    // Where all rows are set, those that have the value already are not written.
    const where = readsTwice ? ` WHERE ${version} <> ${wanted}` : ''
    await this.#sql.run(`UPDATE ${this.#live} SET ${version} = ${wanted}${kept}${where}`)
  }

  get #live(): string {
    return this.#sql.quote(this.#table.name)
  }

  /** The hidden column that tells rows apart; null where the key does. */
  get #place(): string | null {
    return this.#table.hiddenOrder ? (this.#table.order?.[0] ?? null) : null
  }

  #same(live: string, aside: string): string {
    return `${this.#sameRow(live, aside)} AND ${this.#sql.sameContent(live, aside)}`
  }

  /** By the key; where it is NULL, rows are told apart by their place alone, and in history, which has none, not at all. */
  #sameRow(live: string, aside: string): string {
    const { key } = this.#table
    const place = this.#place
    const samePlace = place === null ? '' : `${live}.${this.#sql.quote(place)} = ${aside}.${this.#sql.quote(PLACE)}`
    if (key === null) return samePlace
    const sameKey = this.#sql.sameKey(live, aside)
    if (!this.#keyMayBeNull) return sameKey
    const isWhole = key.map((name) => `${aside}.${this.#sql.quote(name)} IS NOT NULL`).join(' AND ')
    return `${sameKey} AND (${isWhole}${aside === 'g' && this.#isTracked ? '' : ` OR ${samePlace}`})`
  }

  get #keyMayBeNull(): boolean {
    const { key, columns, hiddenOrder } = this.#table
    return hiddenOrder && columns.some((column) => column.nullable && key?.includes(column.name))
  }

  #makeAside(name: string, isSearched: boolean): Promise<string> {
    const columns = this.#table.key ?? [PLACE]
    return this.#sql.makeAside(name, this.#more(), isSearched ? { columns, nullable: this.#keyMayBeNull } : null)
  }

  #columnNames(): string[] {
    return writableColumns(this.#table).map((column) => column.name)
  }

  /** The columns of a table aside behind those of the table. */
  #more(): string[] {
    return [...(this.#isTracked ? [VERSION_COLUMN] : []), ...(this.#place === null ? [] : [PLACE])]
  }

  #list(): string {
    return [...this.#columnNames(), ...this.#more()].map((name) => this.#sql.quote(name)).join(', ')
  }

  /** @param place the name of the hidden column there */
  #copies(alias: string, place: string | null): string {
    const more = this.#more().map((name) => `${alias}.${this.#sql.quote(name === PLACE ? (place ?? PLACE) : name)}`)
    return [this.#sql.copies(alias), ...more].join(', ')
  }
}
