import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { Workplace } from './cli.ts'
import { MysqlBench } from './mysql-bench.ts'

export type Strategy = 'snapshot' | 'incremental'
type Load = Partial<Parameters<Rowback['migrate']>[0]>

/** A database of either kind: loaded through the library, and looked at and changed past it. */
export class BlameBench {
  readonly db: Rowback
  readonly place: Workplace
  /** Text in which upper and lower case are the same, as a column's type. */
  readonly anyCase: string
  readonly #run: (statement: string) => Promise<unknown>
  readonly #remove: () => Promise<void>
  #files = 0

  private constructor(
    db: Rowback,
    place: Workplace,
    anyCase: string,
    run: (statement: string) => Promise<unknown>,
    remove: () => Promise<void>
  ) {
    this.db = db
    this.place = place
    this.anyCase = anyCase
    this.#run = run
    this.#remove = remove
  }

  static async sqlite(): Promise<BlameBench> {
    const place = await Workplace.make('rowback-blame-')
    const target = `sqlite:${place.at('shop.db')}`
    const db = await open({ target, repository: place.at('.rowback'), author: 'tester' })
    const run = async (statement: string) => place.sql(statement)
    return new BlameBench(db, place, 'VARCHAR(20) COLLATE NOCASE', run, async () => {
      await db.close()
      await place.remove()
    })
  }

  static async mysql(server: string): Promise<BlameBench> {
    const bench = await MysqlBench.make(server)
    const anyCase = 'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci'
    return new BlameBench(
      bench.db,
      bench.place,
      anyCase,
      (statement) => bench.sql(statement),
      () => bench.remove()
    )
  }

  /** Runs statements past rowback. */
  async sql(...statements: string[]): Promise<void> {
    for (const statement of statements) await this.#run(statement)
  }

  /** Loads rows as a version. @returns its number */
  async load(table: string, strategy: Strategy, rows: Record<string, unknown>[], options: Load = {}): Promise<number> {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('')
    const source = await this.place.write(`source-${++this.#files}.ndjson`, text)
    const made = await this.db.migrate({ source, table, strategy, description: `load ${this.#files}`, ...options })
    return made.number as number
  }

  remove(): Promise<void> {
    return this.#remove()
  }
}
