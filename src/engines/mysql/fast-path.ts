import type { Table } from '../../model/table.ts'
import type { TypedRow } from '../engine.ts'
import type { MysqlColumn } from './columns.ts'
import { refusalOf } from './errors.ts'
import { LoadText, loadStatement } from './load-text.ts'
import { list, literal, quote } from './sql-text.ts'
import type { Statements } from './statements.ts'
import { allOrNothing, insertTuples } from './statements.ts'

/** Loads rows that can only be new straight into their table, whole or not at all. */
export class FastPath {
  readonly #statements: Statements
  readonly #table: string
  readonly #columns: readonly MysqlColumn[]
  readonly #fixed: readonly (readonly [name: string, sql: string])[]

  /** @param fixed further columns with SQL for their value */
  constructor(
    statements: Statements,
    table: Table,
    columns: readonly MysqlColumn[],
    fixed: readonly (readonly [name: string, sql: string])[]
  ) {
    this.#statements = statements
    this.#table = quote(table.name)
    this.#columns = columns
    this.#fixed = fixed
  }

  /**
   * Loads rows while they are being read.
   * @param rows tells how many there were, once the bytes are read
   * @returns whether every row went in as it is; if not, none did
   */
  async stream(bytes: AsyncIterable<Buffer>, rows: () => number): Promise<boolean> {
    return this.#wholeOrNothing(() => this.#load(bytes, rows))
  }

  /**
   * The same for rows that do not repeat one another, into a table that nobody wrote yet: the server sorts them once for
   * each index, and notes nothing but that the table was empty.
   */
  async streamInBulk(bytes: AsyncIterable<Buffer>, rows: () => number): Promise<boolean> {
    const before = '@rowback_unique_checks = @@unique_checks, @rowback_foreign_keys = @@foreign_key_checks'
    await this.#statements.execute(`SET ${before}, unique_checks = 0, foreign_key_checks = 0`)
    try {
      return await this.stream(bytes, rows)
    } finally {
      await this.#statements.execute(
        'SET unique_checks = @rowback_unique_checks, foreign_key_checks = @rowback_foreign_keys'
      )
    }
  }

  /** @returns whether every row went in as it is; if not, none did */
  async write(rows: ReadonlyMap<number, TypedRow>): Promise<boolean> {
    if (!this.#statements.product.localInfile) return this.#wholeOrNothing(() => this.#insert(rows))
    const text = new LoadText()
    for (const row of rows.values()) text.add(row.values)
    return this.#wholeOrNothing(() => this.#load(text.end(), () => rows.size))
  }

  async #wholeOrNothing(work: () => Promise<void>): Promise<boolean> {
    try {
      await allOrNothing(this.#statements, work)
      return true
    } catch (error) {
      if (error instanceof NotWhole || refusalOf(error)) return false
      throw error
    }
  }

  /** `LOAD DATA LOCAL` makes warnings of errors: only the count of rows and no warning at all prove it whole. */
  async #load(bytes: Iterable<Buffer> | AsyncIterable<Buffer>, rows: () => number): Promise<void> {
    const { affected, warnings } = await this.#statements.load(
      loadStatement(this.#table, this.#columns, { fixed: this.#fixed }),
      bytes
    )
    if (affected !== rows() || warnings > 0) throw new NotWhole()
  }

  async #insert(rows: ReadonlyMap<number, TypedRow>): Promise<void> {
    const names = [...this.#columns.map((column) => column.name), ...this.#fixed.map(([name]) => name)]
    const fixed = this.#fixed.map(([, sql]) => `, ${sql}`).join('')
    const tuples = rows.values().map((row) => `(${row.values.map((value) => literal(value)).join(', ')}${fixed})`)
    await insertTuples(this.#statements, `INSERT INTO ${this.#table} (${list(names)}) VALUES `, tuples)
  }
}

class NotWhole extends Error {}
