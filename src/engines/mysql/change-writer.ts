import type { RowChange } from '../../model/change.ts'
import type { Table } from '../../model/table.ts'
import { imageColumns, writableColumns } from '../../model/table.ts'
import type { Row } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from '../engine.ts'
import type { MysqlColumn } from './columns.ts'
import { columnsNamed, copiesOf, isBytes } from './columns.ts'
import { isLoadable, LoadText, loadStatement } from './load-text.ts'
import { literalFor } from './range.ts'
import { list, literal, quote } from './sql-text.ts'
import type { Statements } from './statements.ts'
import { insertTuples } from './statements.ts'

/** Rows of one statement that deletes by key. */
const DELETED_AT_ONCE = 1000
const LOADED_AT_ONCE = 20_000

/**
 * Makes each change exactly: what goes is deleted first, so that unique keys may move between rows.
 * @param changes read twice
 * @param history quoted place of superseded rows; null for a table that is not tracked
 */
export async function applyChanges(
  statements: Statements,
  table: Table,
  changes: () => AsyncIterable<RowChange>,
  version: number,
  history: string | null
): Promise<void> {
  await new Deleter(statements, table, version, history).delete(changes())
  await new Inserter(statements, table, history === null ? null : version).insert(changes())
}

class Deleter {
  readonly #statements: Statements
  readonly #table: Table
  readonly #version: number
  readonly #history: string | null
  readonly #columns: MysqlColumn[]
  readonly #keyAt: number[]

  constructor(statements: Statements, table: Table, version: number, history: string | null) {
    this.#statements = statements
    this.#table = table
    this.#version = version
    this.#history = history
    this.#columns = columnsNamed(table, imageColumns(table))
    this.#keyAt = (table.key ?? []).map((name) => imageColumns(table).indexOf(name))
  }

  async delete(changes: AsyncIterable<RowChange>): Promise<void> {
    let conditions: string[] = []
    for await (const { before } of changes) {
      if (!before) continue
      if (this.#keyAt.length === 0) {
        await this.#statements.execute(`DELETE FROM ${quote(this.#table.name)} WHERE ${this.#sameRow(before)} LIMIT 1`)
        continue
      }
      conditions.push(this.#keyOf(before))
      if (conditions.length < DELETED_AT_ONCE) continue
      await this.#deleteKeys(conditions)
      conditions = []
    }
    if (conditions.length > 0) await this.#deleteKeys(conditions)
  }

  #keyOf(row: Row): string {
    const cells = this.#keyAt.map((at) => literalFor(this.#columns[at] as MysqlColumn, row[at]))
    return cells.length === 1 ? (cells[0] as string) : `(${cells.join(', ')})`
  }

  async #deleteKeys(keys: readonly string[]): Promise<void> {
    const names = this.#table.key ?? []
    const where = `WHERE ${names.length === 1 ? list(names) : `(${list(names)})`} IN (${keys.join(', ')})`
    if (this.#history !== null) {
      const columns = writableColumns(this.#table) as MysqlColumn[]
      const all = list([...columns.map((column) => column.name), VERSION_COLUMN])
      await this.#statements.execute(
        `INSERT INTO ${this.#history} (${all}, ${quote(SUPERSEDED_COLUMN)}) ` +
          `SELECT ${copiesOf(columns, 't')}, t.${quote(VERSION_COLUMN)}, ${this.#version} FROM ${quote(this.#table.name)} t ${where}`
      )
    }
    await this.#statements.execute(`DELETE FROM ${quote(this.#table.name)} ${where}`)
  }

  /** Without a key all cells together find a row; of equal rows, any will do. */
  #sameRow(row: Row): string {
    return this.#columns
      .map((column, i) => {
        const name = quote(column.name)
        const value = row[i] ?? null
        if (value === null) return `${name} IS NULL`
        if (value instanceof RawText) return `HEX(${name}) = '${Buffer.from(value.bytes).toString('hex')}'`
        if (column.dataType === 'float') return `${name} * 1e0 = ${literal(value)}`
        if (isBytes(column)) return `HEX(${name}) = '${Buffer.from(value as Uint8Array).toString('hex')}'`
        if (column.dataType === 'json')
          return `CAST(CAST(${name} AS CHAR) AS BINARY) = CAST(${literal(value)} AS BINARY)`
        if (column.charset !== null && typeof value === 'string') {
          return `CAST(CONVERT(${name} USING utf8mb4) AS BINARY) = CAST(${literal(value)} AS BINARY)`
        }
        return `${name} = ${literalFor(column, value)}`
      })
      .join(' AND ')
  }
}

class Inserter {
  readonly #statements: Statements
  readonly #table: Table
  readonly #columns: MysqlColumn[]
  readonly #fixed: (readonly [name: string, sql: string])[]
  #loaded: Row[] = []

  constructor(statements: Statements, table: Table, version: number | null) {
    this.#statements = statements
    this.#table = table
    this.#columns = columnsNamed(table, imageColumns(table))
    this.#fixed = version === null ? [] : [[VERSION_COLUMN, String(version)]]
  }

  async insert(changes: AsyncIterable<RowChange>): Promise<void> {
    const special: Row[] = []
    for await (const { after } of changes) {
      if (!after) continue
      // Half of a load that is refused would stay in a table that is not atomic.
      const isPlain =
        this.#table.atomic &&
        this.#statements.product.localInfile &&
        this.#columns.every((column, i) => isLoadable(column, after[i] ?? null))
      if (isPlain) this.#loaded.push(after)
      else special.push(after)
      if (this.#loaded.length >= LOADED_AT_ONCE) await this.#load()
      if (special.length >= DELETED_AT_ONCE) await this.#insertTuples(special.splice(0))
    }
    await this.#load()
    await this.#insertTuples(special)
  }

  /** Where loading says anything but all is well, INSERT says what is wrong. */
  async #load(): Promise<void> {
    const rows = this.#loaded
    if (rows.length === 0) return
    this.#loaded = []
    const text = new LoadText()
    for (const row of rows) text.add(row)
    await this.#statements.execute('SAVEPOINT rowback_load')
    const { affected, warnings } = await this.#statements.load(
      loadStatement(quote(this.#table.name), this.#columns, { fixed: this.#fixed }),
      text.end()
    )
    if (affected === rows.length && warnings === 0) return
    await this.#statements.execute('ROLLBACK TO SAVEPOINT rowback_load')
    await this.#insertTuples(rows)
  }

  /** Under the loose mode, values that an older or looser server let in go in again; what was read back is compared. */
  async #insertTuples(rows: readonly Row[]): Promise<void> {
    if (rows.length === 0) return
    const names = [...this.#columns.map((column) => column.name), ...this.#fixed.map(([name]) => name)]
    const fixed = this.#fixed.map(([, sql]) => `, ${sql}`).join('')
    const tuples = rows.map(
      (row) => `(${this.#columns.map((column, i) => this.#cell(column, row[i] ?? null)).join(', ')}${fixed})`
    )
    await this.#statements.execute("SET sql_mode = REPLACE(@@sql_mode, 'STRICT_ALL_TABLES', '')")
    try {
      await insertTuples(this.#statements, `INSERT INTO ${quote(this.#table.name)} (${list(names)}) VALUES `, tuples)
    } finally {
      await this.#statements.execute("SET sql_mode = CONCAT(@@sql_mode, ',STRICT_ALL_TABLES')")
    }
  }

  #cell(column: MysqlColumn, value: Row[number]): string {
    return value instanceof RawText ? literal(value) : literalFor(column, value)
  }
}
