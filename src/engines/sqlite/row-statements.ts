import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { writableColumns } from '../../model/table.ts'
import type { Value } from '../../model/value.ts'
import type { TypedRow, WriteRequest } from '../engine.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from '../engine.ts'
import type { Bound } from './sql-text.ts'
import { hasBytesOf, list, matching, quote } from './sql-text.ts'

/** What `replace` sets although the source does not have it. */
interface Defaults {
  columns: string[]
  values: Bound[]
}

/** The prepared statements of one load. */
export class RowStatements {
  readonly #db: DatabaseSync
  readonly #request: WriteRequest<TypedRow>
  readonly #defaults: Defaults
  readonly #insert: StatementSync
  #find: StatementSync | null = null
  #update: StatementSync | null = null
  #delete: StatementSync | null = null
  #supersede: StatementSync | null = null
  /** RAISE(FAIL) keeps what a statement and its triggers did until then. */
  readonly #hasTriggers: boolean

  constructor(db: DatabaseSync, request: WriteRequest<TypedRow>) {
    this.#db = db
    this.#request = request
    this.#hasTriggers = request.table.triggers.length > 0
    this.#defaults = request.mode === 'replace' ? readDefaults(db, request) : { columns: [], values: [] }
    this.#insert = this.#prepareInsert(request)
  }

  #prepareInsert({ table, columns, tracking, version }: WriteRequest<TypedRow>): StatementSync {
    const names = [...columns, ...this.#defaults.columns]
    const slots = names.map(() => '?')
    if (tracking) {
      names.push(VERSION_COLUMN)
      slots.push(String(version))
    }
    // OR ABORT outranks an ON CONFLICT clause of the table, which might replace or drop rows unasked.
    return this.#db.prepare(`INSERT OR ABORT INTO ${quote(table.name)} (${list(names)}) VALUES (${slots.join(', ')})`)
  }

  /** Prepares what finds rows by their key and changes them. */
  prepareKeyed({ table, columns, key, tracking, version }: WriteRequest<TypedRow>): void {
    const where = matching(key ?? [])
    const written = [...columns, ...this.#defaults.columns]
    this.#find = this.#db.prepare(`SELECT ${list(written)} FROM ${quote(table.name)} WHERE ${where}`)
    this.#find.setReturnArrays(true)
    this.#find.setReadBigInts(true)
    const set = written.map((name) => `${quote(name)} = ?`)
    if (tracking) {
      set.push(`${quote(VERSION_COLUMN)} = ${version}`)
      const all = list([...writableColumns(table).map((column) => column.name), VERSION_COLUMN])
      this.#supersede = this.#db.prepare(
        `INSERT INTO ${quote(tracking.history)} (${all}, ${quote(SUPERSEDED_COLUMN)}) ` +
          `SELECT ${all}, ${version} FROM ${quote(table.name)} WHERE ${where} AND ${quote(VERSION_COLUMN)} <> ${version}`
      )
    }
    this.#update = this.#db.prepare(`UPDATE OR ABORT ${quote(table.name)} SET ${set.join(', ')} WHERE ${where}`)
    this.#delete = this.#db.prepare(`DELETE FROM ${quote(table.name)} WHERE ${where}`)
  }

  /** @returns the row that is there, in the written columns */
  find(key: readonly Value[]): Value[] | undefined {
    return this.#find?.get(...(key as Bound[])) as unknown as Value[] | undefined
  }

  /** Whether a text that the driver shows as it is wanted has these very bytes: it shows what is not UTF-8 as U+FFFD. */
  holdsText(key: readonly Value[], at: number, text: string): boolean {
    const { table, columns } = this.#request
    const name = [...columns, ...this.#defaults.columns][at] as string
    const read = this.#db.prepare(
      `SELECT ${hasBytesOf(name)} AS same FROM ${quote(table.name)} WHERE ${matching(this.#request.key ?? [])}`
    )
    return (read.get(text, ...(key as Bound[])) as { same: number }).same === 1
  }

  /** The row as it shall be, in the written columns. */
  wanted(values: Value[]): Value[] {
    return this.#defaults.values.length === 0 ? values : [...values, ...this.#defaults.values]
  }

  /** @throws IgnoredByTrigger, and what the database has against the row */
  insert(values: Value[]): void {
    const insert = () => changedBy(this.#insert.run(...(this.wanted(values) as Bound[])))
    if (this.#hasTriggers) this.#allOrNothing(insert)
    else insert()
  }

  /** Keeps the old row in history and changes it, both or neither. */
  update(key: readonly Value[], wanted: readonly Value[]): void {
    this.#replace(key, () => this.#update?.run(...([...wanted, ...key] as Bound[])))
  }

  /**
   * Keeps the old row in history and takes it away, both or neither.
   * @returns how many rows went: a unique key may have several rows without a value
   */
  delete(key: readonly Value[]): number {
    return this.#replace(key, () => this.#delete?.run(...(key as Bound[])))
  }

  #replace(key: readonly Value[], change: () => { changes: number | bigint } | undefined): number {
    if (!this.#supersede && !this.#hasTriggers) return changedBy(change())
    return this.#allOrNothing(() => {
      this.#supersede?.run(...(key as Bound[]))
      return changedBy(change())
    })
  }

  #allOrNothing(work: () => number): number {
    this.#db.exec('SAVEPOINT rowback_row')
    try {
      const changed = work()
      this.#db.exec('RELEASE rowback_row')
      return changed
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK TO rowback_row; RELEASE rowback_row')
      throw error
    }
  }
}

/** RAISE(IGNORE) makes a statement succeed without doing anything. */
export class IgnoredByTrigger extends Error {}

function changedBy(done: { changes: number | bigint } | undefined): number {
  const changes = Number(done?.changes)
  if (changes === 0) throw new IgnoredByTrigger()
  return changes
}

function readDefaults(db: DatabaseSync, { table, columns }: WriteRequest<TypedRow>): Defaults {
  const info = db.prepare('SELECT name, dflt_value AS value FROM pragma_table_info(?)').all(table.name) as {
    name: string
    value: string | null
  }[]
  const missing = writableColumns(table).filter((column) => !columns.includes(column.name))
  const values = missing.map((column) => {
    const expression = info.find((row) => row.name === column.name)?.value ?? 'NULL'
    const read = db.prepare(`SELECT (${expression}) AS value`)
    read.setReadBigInts(true)
    return (read.get() as { value: Bound }).value
  })
  return { columns: missing.map((column) => column.name), values }
}
