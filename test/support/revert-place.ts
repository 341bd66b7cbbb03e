import { DatabaseSync } from 'node:sqlite'
import type { MigratedVersion, Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { Workplace } from './cli.ts'
import type { SourceRow, Strategy } from './mysql-bench.ts'
import { MysqlBench } from './mysql-bench.ts'

/** A database of its own, written past rowback and through it. */
export interface RevertPlace {
  readonly db: Rowback
  /** Runs statements past rowback. */
  sql(...statements: string[]): Promise<void>
  rows(query: string): Promise<unknown[][]>
  load(rows: readonly SourceRow[], options: LoadOptions): Promise<MigratedVersion>
  remove(): Promise<void>
}

export type LoadOptions = Partial<Parameters<Rowback['migrate']>[0]> & { table: string; strategy: Strategy }

/** How to come by one. */
export interface RevertHost {
  make(): Promise<RevertPlace>
  /** Text in which capitals do not count. */
  caseless: string
  /** A trigger on the table `orders` that notes each deletion in the table `noted`. */
  trigger: string
}

class SqlitePlace implements RevertPlace {
  readonly #place: Workplace
  readonly #sql: DatabaseSync
  readonly db: Rowback
  #files = 0

  private constructor(place: Workplace, sql: DatabaseSync, db: Rowback) {
    this.#place = place
    this.#sql = sql
    this.db = db
  }

  static async make(): Promise<SqlitePlace> {
    const place = await Workplace.make()
    const sql = new DatabaseSync(place.at('shop.db'))
    sql.exec('PRAGMA foreign_keys = OFF')
    const db = await open({
      target: `sqlite:${place.at('shop.db')}`,
      repository: place.at('.rowback'),
      author: 'tester'
    })
    return new SqlitePlace(place, sql, db)
  }

  async sql(...statements: string[]): Promise<void> {
    for (const statement of statements) this.#sql.exec(statement)
  }

  async rows(query: string): Promise<unknown[][]> {
    const statement = this.#sql.prepare(query)
    statement.setReturnArrays(true)
    return (statement.all() as unknown as unknown[][]).map((row) => row.map(asText))
  }

  async load(rows: readonly SourceRow[], options: LoadOptions): Promise<MigratedVersion> {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    const source = await this.#place.write(`source-${++this.#files}.ndjson`, text)
    return this.db.migrate({ source, description: 'a test', ...options })
  }

  async remove(): Promise<void> {
    await this.db.close()
    this.#sql.close()
    await this.#place.remove()
  }
}

/** As the MySQL client of the tests has it. */
function asText(value: unknown): string | null {
  return value === null ? null : String(value)
}

export const SQLITE_PLACE: RevertHost = {
  make: () => SqlitePlace.make(),
  caseless: 'VARCHAR(20) COLLATE NOCASE',
  trigger: 'CREATE TRIGGER note_it AFTER DELETE ON orders BEGIN INSERT INTO noted VALUES (OLD.id); END'
}

export function mysqlPlace(serverUrl: string): RevertHost {
  return {
    make: () => MysqlBench.make(serverUrl),
    caseless: 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci',
    trigger: 'CREATE TRIGGER note_it AFTER DELETE ON orders FOR EACH ROW INSERT INTO noted VALUES (OLD.id)'
  }
}
