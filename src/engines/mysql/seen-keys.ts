import type { Value } from '../../model/value.ts'
import type { MysqlColumn } from './columns.ts'
import { bareColumns } from './columns.ts'
import { equal, list, literal, quote } from './sql-text.ts'
import { LINE, NUMBER, STAGE } from './stage.ts'
import type { Statements } from './statements.ts'
import { insertTuples } from './statements.ts'

const SEEN = '`rowback_seen`'
const ABSENT = '`rowback_absent`'
/** Stands for the line of a row that failed before its key was used. */
const ONLY_FAILED = 0

/** The keys that a source had so far, in a temporary table: the server compares them in the table's own collations. */
export class SeenKeys {
  readonly #statements: Statements
  readonly #key: readonly MysqlColumn[]
  #made = false

  constructor(statements: Statements, key: readonly MysqlColumn[]) {
    this.#statements = statements
    this.#key = key
  }

  /** Where the keys stand. */
  readonly place = SEEN

  get #names(): string[] {
    return this.#key.map((column) => column.name)
  }

  async #make(): Promise<void> {
    if (this.#made) return
    this.#made = true
    await this.close()
    await this.#statements.execute(
      `CREATE TEMPORARY TABLE ${SEEN} (${bareColumns(this.#key).join(', ')}, ${LINE} BIGINT NOT NULL, KEY (${list(this.#names)})) ENGINE=InnoDB`
    )
  }

  /** Takes keys of rows that failed: their rows of the table are not absent from the source. */
  async keep(keys: readonly (readonly Value[])[]): Promise<void> {
    if (keys.length === 0) return
    await this.#make()
    const tuples = keys.map((key) => `(${key.map((value) => literal(value)).join(', ')}, ${ONLY_FAILED})`)
    await insertTuples(this.#statements, `INSERT INTO ${SEEN} VALUES `, tuples)
  }

  /**
   * Finds staged rows whose key the source had before.
   * @param lineOf gives the line of a staged row
   * @returns by number, the first line that had the key
   */
  async repeated(lineOf: (number: number) => number): Promise<Map<number, number>> {
    await this.#make()
    const names = this.#names
    // A key without a value tells no rows apart.
    const whole = names.map((name) => `${quote(name)} IS NOT NULL`).join(' AND ')
    const inChunk = await this.#statements.read(
      `SELECT ${NUMBER}, first FROM (SELECT ${NUMBER}, MIN(${NUMBER}) OVER (PARTITION BY ${list(names)}) AS first ` +
        `FROM ${STAGE} WHERE ${whole}) numbered WHERE first < ${NUMBER} ORDER BY ${NUMBER}`
    )
    const before = await this.#statements.read(
      `SELECT s.${NUMBER}, MIN(k.${LINE}) FROM ${STAGE} s JOIN ${SEEN} k ON ${equal(this.#names, 's', 'k')} ` +
        `WHERE k.${LINE} > ${ONLY_FAILED} GROUP BY s.${NUMBER}`
    )
    const repeated = new Map(inChunk.map(([number, first]) => [Number(number), lineOf(Number(first))]))
    for (const [number, line] of before) repeated.set(Number(number), Number(line))
    return repeated
  }

  /** Takes the keys of all rows that are staged. */
  async takeStaged(): Promise<void> {
    await this.#make()
    await this.#statements.execute(`INSERT INTO ${SEEN} SELECT ${list(this.#names)}, ${LINE} FROM ${STAGE}`)
  }

  /**
   * Collects the keys of rows of the table that the source did not have.
   * @returns where they stand, their numbers being 1 to `count`
   */
  async absent(table: string): Promise<{ place: string; count: number }> {
    await this.#make()
    await this.#statements.execute(`DROP TEMPORARY TABLE IF EXISTS ${ABSENT}`)
    await this.#statements.execute(
      `CREATE TEMPORARY TABLE ${ABSENT} (${NUMBER} INT NOT NULL PRIMARY KEY, ${bareColumns(this.#key).join(', ')}) ENGINE=InnoDB`
    )
    // Not AUTO_INCREMENT: in a cluster, and wherever several servers write, it counts in larger steps.
    const { affected } = await this.#statements.execute(
      `INSERT INTO ${ABSENT} (${NUMBER}, ${list(this.#names)}) SELECT ROW_NUMBER() OVER (), ${list(this.#names, 't')} FROM ${quote(table)} t ` +
        `WHERE NOT EXISTS (SELECT 1 FROM ${SEEN} k WHERE ${equal(this.#names, 'k', 't')})`
    )
    return { place: ABSENT, count: affected }
  }

  async close(): Promise<void> {
    await this.#statements.execute(`DROP TEMPORARY TABLE IF EXISTS ${SEEN}, ${ABSENT}`)
  }
}
