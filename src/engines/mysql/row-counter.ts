import type { WriteCounts } from '../../model/change.ts'
import { noCounts } from '../../model/change.ts'
import type { Table } from '../../model/table.ts'
import { writableColumns } from '../../model/table.ts'
import type { MysqlColumn } from './columns.ts'
import { cellsOf } from './columns.ts'
import { quote } from './sql-text.ts'
import type { Statements } from './statements.ts'

/** Counts what came and went in a table without a key, where equal rows cannot be told apart: as a bag of hashes. */
export class RowCounter {
  readonly #statements: Statements
  readonly #table: Table
  /** The temporary table that it makes. */
  readonly aside: string

  constructor(statements: Statements, table: Table, aside: string) {
    this.#statements = statements
    this.#table = table
    this.aside = aside
  }

  async begin(): Promise<void> {
    await this.#statements.execute(
      `CREATE TEMPORARY TABLE ${quote(this.aside)} (hash BINARY(32) NOT NULL, side TINYINT NOT NULL) ENGINE=InnoDB`
    )
    await this.#add(-1)
  }

  async end(): Promise<WriteCounts> {
    await this.#add(1)
    const [row] = await this.#statements.read(
      `SELECT coalesce(sum(greatest(n, 0)), 0), coalesce(sum(greatest(-n, 0)), 0) ` +
        `FROM (SELECT sum(side) AS n FROM ${quote(this.aside)} GROUP BY hash) rows_by_hash`
    )
    await this.#statements.execute(`DROP TEMPORARY TABLE ${quote(this.aside)}`)
    return { ...noCounts(), inserted: Number(row?.[0]), deleted: Number(row?.[1]) }
  }

  async #add(side: number): Promise<void> {
    const cells = cellsOf(writableColumns(this.#table) as MysqlColumn[]).map(
      (cell) => `coalesce(sha2(${cell}, 256), '-')`
    )
    await this.#statements.execute(
      `INSERT INTO ${quote(this.aside)} SELECT unhex(sha2(concat(${cells.join(', ')}), 256)), ${side} ` +
        `FROM ${quote(this.#table.name)} FOR UPDATE`
    )
  }
}
