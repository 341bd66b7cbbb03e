import type { Refusal, TypedRow } from '../engine.ts'
import { applyBisecting } from './bisect.ts'
import type { MysqlColumn } from './columns.ts'
import { bareColumns } from './columns.ts'
import { refusalOf } from './errors.ts'
import { LoadText, loadStatement } from './load-text.ts'
import { list, literal } from './sql-text.ts'
import type { Statements } from './statements.ts'
import { insertTuples } from './statements.ts'

export const STAGE = '`rowback_stage`'
/** The number of a staged row within its chunk. */
export const NUMBER = '`rowback_row`'
/** The line of the source on which it begins. */
export const LINE = '`rowback_line`'
/** What is to be done with a staged row; 0 until that is known. */
export const STATE = '`rowback_state`'

/** A temporary table with the rows of one chunk: no other session sees it, and making it does not commit. */
export class Stage {
  readonly #statements: Statements
  readonly #columns: readonly MysqlColumn[]

  constructor(statements: Statements, columns: readonly MysqlColumn[]) {
    this.#statements = statements
    this.#columns = columns
  }

  /**
   * Fills the stage with the rows that are given.
   * @returns the numbers of the rows that are in it; the others were refused
   */
  async fill(
    rows: ReadonlyMap<number, TypedRow>,
    refuse: (number: number, refusal: Refusal) => void
  ): Promise<number[]> {
    await this.#make(this.#statements.product.stageOptions)
    if (await this.#load(rows)) return [...rows.keys()]
    // Halving needs a table that takes a failed statement back.
    await this.#make('ENGINE=InnoDB')
    const bad = new Set<number>()
    await applyBisecting(
      this.#statements,
      [[...rows.keys()]],
      (from, to) => this.#insert(rows, from, to),
      (number, refusal) => {
        bad.add(number)
        refuse(number, refusal)
      }
    )
    return [...rows.keys()].filter((number) => !bad.has(number))
  }

  async #make(options: string): Promise<void> {
    await this.drop()
    await this.#statements.execute(
      `CREATE TEMPORARY TABLE ${STAGE} (${NUMBER} INT NOT NULL PRIMARY KEY, ${LINE} BIGINT NOT NULL, ${STATE} TINYINT NOT NULL DEFAULT 0, ` +
        `${bareColumns(this.#columns).join(', ')}) ${options}`
    )
  }

  /** @returns whether every row went in as it is; `LOAD DATA LOCAL` makes warnings of what is wrong with others */
  async #load(rows: ReadonlyMap<number, TypedRow>): Promise<boolean> {
    if (!this.#statements.product.localInfile) return false
    const text = new LoadText()
    for (const [number, { line, values }] of rows) text.addNumbered(number, line, values)
    const loading = this.#statements.load(loadStatement(STAGE, this.#columns, { before: [NUMBER, LINE] }), text.end())
    // Some values make the server give up the whole file; INSERT says of which row.
    const loaded = await loading.catch((error: unknown) => {
      if (refusalOf(error)) return null
      throw error
    })
    return loaded?.affected === rows.size && loaded.warnings === 0
  }

  async #insert(rows: ReadonlyMap<number, TypedRow>, from: number, to: number): Promise<void> {
    const numbered = function* () {
      for (const [number, { line, values }] of rows) {
        if (number >= from && number <= to)
          yield `(${number}, ${line}, ${values.map((value) => literal(value)).join(', ')})`
      }
    }
    const insert = `INSERT INTO ${STAGE} (${NUMBER}, ${LINE}, ${list(this.#columns.map((column) => column.name))}) VALUES `
    await insertTuples(this.#statements, insert, numbered())
  }

  async drop(): Promise<void> {
    await this.#statements.execute(`DROP TEMPORARY TABLE IF EXISTS ${STAGE}`)
  }
}
