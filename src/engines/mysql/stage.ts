import type { Refusal, TypedRow } from '../engine.ts'
import { applyBisecting } from './bisect.ts'
import type { MysqlColumn } from './columns.ts'
import { refusalOf } from './errors.ts'
import { LOAD_FORMAT, LoadText, loadTargets } from './load-text.ts'
import { list, literal, quote } from './sql-text.ts'
import type { Statements } from './statements.ts'

export const STAGE = '`rowback_stage`'
/** The number of a staged row within its chunk. */
export const NUMBER = '`rowback_row`'
/** The line of the source on which it begins. */
export const LINE = '`rowback_line`'
/** What is to be done with a staged row; 0 until that is known. */
export const STATE = '`rowback_state`'

/** One INSERT takes so many rows or characters, whichever is reached first; servers take 16 MiB and more. */
const INSERT_ROWS = 1000
const INSERT_CHARACTERS = 1 << 20

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
      [...rows.keys()],
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
    const columns = this.#columns.map((column) => `${quote(column.name)} ${bareDefinition(column)}`)
    await this.#statements.execute(
      `CREATE TEMPORARY TABLE ${STAGE} (${NUMBER} INT NOT NULL PRIMARY KEY, ${LINE} BIGINT NOT NULL, ${STATE} TINYINT NOT NULL DEFAULT 0, ` +
        `${columns.join(', ')}) ${options}`
    )
  }

  /** @returns whether every row went in as it is; `LOAD DATA LOCAL` makes warnings of what is wrong with others */
  async #load(rows: ReadonlyMap<number, TypedRow>): Promise<boolean> {
    if (!this.#statements.product.localInfile) return false
    const text = new LoadText()
    for (const [number, { line, values }] of rows) text.addNumbered(number, line, values)
    const loading = this.#statements.load(
      `LOAD DATA LOCAL INFILE 'rowback' INTO TABLE ${STAGE} ${LOAD_FORMAT} ${loadTargets(this.#columns, ['rowback_row', 'rowback_line'], [])}`,
      text.end()
    )
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

/** Runs an INSERT over many tuples in as few statements as are wise. */
export async function insertTuples(statements: Statements, insert: string, tuples: Iterable<string>): Promise<void> {
  let batch: string[] = []
  let characters = 0
  for (const tuple of tuples) {
    batch.push(tuple)
    characters += tuple.length
    if (batch.length < INSERT_ROWS && characters < INSERT_CHARACTERS) continue
    await statements.execute(insert + batch.join(', '))
    batch = []
    characters = 0
  }
  if (batch.length > 0) await statements.execute(insert + batch.join(', '))
}

/** A column's type with its character set, and nothing that would refuse or make up a value. */
export function bareDefinition(column: MysqlColumn): string {
  const { declared, charset, collation } = column
  const text = charset === null || declared === 'json' ? '' : ` CHARACTER SET ${charset} COLLATE ${collation}`
  // Without NULL an old server gives a TIMESTAMP a default and an update of its own.
  return `${declared}${text} NULL DEFAULT NULL`
}
