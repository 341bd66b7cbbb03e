import { expect } from 'vitest'
import type { FailedRow, MigratedVersion, Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import type { Workplace } from './cli.ts'
import type { MysqlShop } from './mysql-shop.ts'
import { openShop } from './mysql-shop.ts'

export type Strategy = 'snapshot' | 'incremental'
export const STRATEGIES: readonly Strategy[] = ['snapshot', 'incremental']
export type Cell = string | number | null
export type SourceRow = Record<string, Cell>

/** Everything goes in: zero dates, invalid dates, values that a strict server would refuse. */
const LOOSE = "SET sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00', foreign_key_checks = 0"

/** A database of its own: looked at and filled past rowback, loaded and rolled back through the library. */
export class MysqlBench {
  readonly server: { family: 'mariadb' | 'mysql'; version: string }
  readonly #shop: MysqlShop
  readonly #db: Rowback
  #files = 0

  private constructor(shop: MysqlShop, db: Rowback, version: string) {
    this.#shop = shop
    this.#db = db
    this.server = { family: /mariadb/i.test(version) ? 'mariadb' : 'mysql', version }
  }

  static async make(serverUrl: string): Promise<MysqlBench> {
    const shop = await openShop(serverUrl)
    await shop.sql.query(LOOSE)
    const db = await open({ target: shop.database.url, repository: shop.place.at('.rowback'), author: 'tester' })
    const [[version]] = (await shop.rows('SELECT VERSION()')) as [[string]]
    return new MysqlBench(shop, db, version)
  }

  get place(): Workplace {
    return this.#shop.place
  }

  get db(): Rowback {
    return this.#db
  }

  get url(): string {
    return this.#shop.database.url
  }

  /** A path in the folder beside the database. */
  at(name: string): string {
    return this.#shop.place.at(name)
  }

  async remove(): Promise<void> {
    await this.#db.close()
    await this.#shop.remove()
  }

  /** Runs statements past rowback. */
  async sql(...statements: string[]): Promise<void> {
    for (const statement of statements) await this.#shop.sql.query(statement)
  }

  /** @returns false when this server does not know the statement, such as a type of the other family */
  async accepts(statement: string): Promise<boolean> {
    return this.#shop.sql.query(statement).then(
      () => true,
      () => false
    )
  }

  /** Cells as the server prints them. */
  async rows(query: string): Promise<(string | null)[][]> {
    return this.#shop.rows(query)
  }

  /** Loads rows as NDJSON. */
  async load(
    rows: readonly SourceRow[],
    options: Partial<Parameters<Rowback['migrate']>[0]> & { table: string }
  ): Promise<MigratedVersion> {
    return this.loadText('ndjson', rows.map((row) => `${JSON.stringify(row)}\n`).join(''), options)
  }

  async loadText(
    kind: 'ndjson' | 'csv',
    text: string | Uint8Array,
    options: Partial<Parameters<Rowback['migrate']>[0]> & { table: string }
  ): Promise<MigratedVersion> {
    const source = await this.#shop.place.write(`source-${++this.#files}.${kind}`, text)
    return this.#db.migrate({ source, description: 'a test', ...options })
  }

  /** Goes back, or forward again, overwriting whatever others changed. */
  async rollback(version: number): Promise<void> {
    await this.#db.rollback(version, { description: 'back', yes: true })
  }

  /** Exactly what a table holds, by SQL of this file's own: one text per row, in no particular order. */
  async fingerprint(table: string): Promise<string[]> {
    const columns = await this.rows(
      'SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS ' +
        `WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = '${table}' AND COLUMN_NAME <> 'version_id' ORDER BY ORDINAL_POSITION`
    )
    const cells = columns.flatMap(([name, type]) => exactCells(`\`${name}\``, String(type).toLowerCase()))
    const rows = await this.rows(`SELECT ${cells.join(', ')} FROM \`${table}\``)
    return rows.map((row) => row.map((cell) => cell ?? 'NULL').join(' | ')).sort()
  }

  /** `SHOW CREATE TABLE` without what tracking adds, and the counter apart from it. */
  async definition(table: string): Promise<{ ddl: string; counter: number }> {
    const [row] = await this.rows(`SHOW CREATE TABLE \`${table}\``)
    const text = String(row?.[1])
    const ddl = text
      .split('\n')
      .filter((line) => !/^ {2}(`version_id` |KEY `rowback_version`)/.test(line))
      .map((line) => line.replace(/,$/, '').replace(/ AUTO_INCREMENT=\d+/, ''))
      .join('\n')
    return { ddl, counter: Number(/ AUTO_INCREMENT=(\d+)/.exec(text)?.[1] ?? 0) }
  }

  /**
   * Makes versions, and goes to the state before and the state after them and back, twice: each state must be what it
   * was, to the bit, and the table must be defined as it was.
   * @param work makes the versions
   */
  async goesBackAndForth(tables: string | readonly string[], work: () => Promise<unknown>): Promise<void> {
    const names = typeof tables === 'string' ? [tables] : tables
    const before = await this.#stateOf(names)
    await work()
    const last = (await this.#db.log())[0]?.version as number
    const after = await this.#stateOf(names)
    expect(after.rows, 'the versions change something').not.toEqual(before.rows)
    for (const [to, state] of [
      [0, before],
      [last, after],
      [0, before],
      [last, after],
      [0, before]
    ] as const) {
      await this.rollback(to)
      const now = await this.#stateOf(names)
      expect(now.rows, `rows at version ${to}`).toEqual(state.rows)
      expect(now.ddl).toEqual(before.ddl)
      for (const name of names) expect(now.counters[name]).toBeGreaterThanOrEqual(Number(after.counters[name]))
    }
  }

  async #stateOf(names: readonly string[]): Promise<Record<'rows' | 'ddl' | 'counters', Record<string, unknown>>> {
    const state = { rows: {}, ddl: {}, counters: {} } as Record<'rows' | 'ddl' | 'counters', Record<string, unknown>>
    for (const name of names) {
      const { ddl, counter } = await this.definition(name)
      state.rows[name] = await this.fingerprint(name)
      state.ddl[name] = ddl
      state.counters[name] = counter
    }
    return state
  }
}

/** SQL whose text tells any two values of a column apart. */
function exactCells(name: string, type: string): string[] {
  switch (type) {
    case 'bit':
      return [`HEX(${name} + 0)`]
    case 'enum':
    case 'set':
      return [`${name} + 0`, `HEX(${name})`]
    case 'float':
    case 'double':
      return [`CAST(${name} AS DOUBLE)`, name]
    case 'json':
      return [`HEX(CAST(${name} AS CHAR CHARACTER SET utf8mb4))`, `JSON_TYPE(${name})`]
    case 'date':
    case 'datetime':
    case 'timestamp':
    case 'time':
    case 'decimal':
    case 'year':
      return [`CAST(${name} AS CHAR)`]
    default:
      return /int$/.test(type) ? [name] : [`HEX(${name})`]
  }
}

export async function failedRows(version: MigratedVersion): Promise<FailedRow[]> {
  const failed: FailedRow[] = []
  for await (const row of version.failedRows()) failed.push(row)
  return failed
}
