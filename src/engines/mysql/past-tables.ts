import { RowbackError } from '../../errors.ts'
import { digested, digestOf, RowsDigest } from '../../model/rows-digest.ts'
import type { Table } from '../../model/table.ts'
import { writableColumns } from '../../model/table.ts'
import type { Row } from '../../model/value.ts'
import type { PastState, PastTable } from '../engine.ts'
import { noTableThen } from '../engine.ts'
import type { Quotes, SqlWord } from '../sql-words.ts'
import { sourcesOf, wordsOf } from '../sql-words.ts'
import { columnShown, temporaryShape } from './catalogue.ts'
import { insertRows } from './change-writer.ts'
import type { MysqlColumn } from './columns.ts'
import { cellsOf, readExpression } from './columns.ts'
import { decodeRows } from './decode.ts'
import { isMysqlError } from './errors.ts'
import { bind, quote } from './sql-text.ts'
import type { Statements } from './statements.ts'

const QUOTES: Quotes = { names: ['`'], texts: ["'", '"'], backslash: true, hash: true }
/** Of a MySQL server; MariaDB reads a temporary table as often as it is named. */
const CANNOT_REOPEN = 1137
const DENIED = 1044

/**
 * Makes temporary tables that are what tables were at some time, under their names: in this session they stand before the
 * real ones, wherever a statement names those.
 */
export class PastTables {
  readonly #statements: Statements
  readonly #database: string
  readonly #past: PastState
  #ignoresCase = false
  /** What is there now: `VIEW` with its query, or anything else. */
  readonly #live = new Map<string, string | null>()
  readonly #made = new Set<string>()

  constructor(statements: Statements, database: string, past: PastState) {
    this.#statements = statements
    this.#database = database
    this.#past = past
  }

  /**
   * Makes what a statement reads from, and nothing else.
   * @throws RowbackError `table.missing` or `query.live`
   */
  async make(sql: string): Promise<void> {
    const [row] = await this.#statements.read('SELECT @@lower_case_table_names')
    this.#ignoresCase = row?.[0] !== 0n
    await this.#readLive()
    const words = wordsOf(sql, QUOTES)
    await this.#assertTelling(sql, words)
    await this.#makeSources(words)
  }

  async #readLive(): Promise<void> {
    const relations = await this.#read('SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ?')
    for (const [name] of relations) this.#live.set(this.#folded(String(name)), null)
    const views = await this.#read(
      'SELECT TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ?'
    )
    for (const [name, query] of views) this.#live.set(this.#folded(String(name)), String(query ?? ''))
  }

  #read(sql: string): Promise<Row[]> {
    return this.#statements.read(bind(sql, [this.#database]))
  }

  /** Refuses what could read live rows without naming their table. @throws RowbackError `query.live` */
  async #assertTelling(sql: string, words: readonly SqlWord[]): Promise<void> {
    if (!/^(SELECT|WITH|VALUES|TABLE)$/i.test(words.find(({ text }) => text !== '(')?.text ?? '')) {
      throw live('Of a past state only SELECT, WITH, VALUES and TABLE can be asked.')
    }
    if (/\/\*M?!/.test(sql)) throw live('Comments that the server runs cannot be asked of a past state.')
    const routines = await this.#read(
      "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? AND ROUTINE_TYPE = 'FUNCTION'"
    )
    const functions = new Set(routines.map(([name]) => String(name).toLowerCase()))
    for (const [i, word] of words.entries()) {
      if (words[i + 1]?.text !== '(' || word.kind === 'text') continue
      const isQualified = words[i - 1]?.text === '.'
      if (isQualified || functions.has(word.text.toLowerCase())) {
        throw live(`The function ${word.text} may read rows as they are now.`)
      }
    }
  }

  async #makeSources(words: readonly SqlWord[]): Promise<void> {
    for (const { schema, name } of sourcesOf(words)) {
      if (schema !== null && this.#folded(schema) !== this.#folded(this.#database)) {
        throw live(`${schema}.${name} is in another database, which has no state at ${this.#past.name}.`)
      }
      await this.#makeSource(name)
    }
  }

  async #makeSource(name: string): Promise<void> {
    const folded = this.#folded(name)
    if (this.#made.has(folded)) return
    this.#made.add(folded)
    const known = this.#past.tables.find((table) => this.#folded(table) === folded)
    const table = known === undefined ? undefined : await this.#past.table(known)
    const view = this.#live.get(folded)
    if (table) await this.#makeTable(table)
    else if (view !== undefined && view !== null && known === undefined) await this.#makeView(name, view)
    else if (known !== undefined) throw notAsItWas(name, this.#past)
    else if (view !== undefined) throw noTableThen(name, this.#past)
    // What is neither there now nor was then is a name of the statement's own, or the server says that it is not there.
  }

  async #makeTable(table: PastTable): Promise<void> {
    const { name } = table
    await this.#statements.execute(temporary(table.ddl[0] as string))
    const shown = await this.#statements.read(`SHOW FULL COLUMNS FROM ${quote(name)}`)
    const columns = shown.map(columnShown).filter((column) => column !== null)
    const made = temporaryShape(name, columns, table.key)
    const wanted = new RowsDigest()
    await this.#statements.execute('START TRANSACTION')
    await insertRows(this.#statements, made, digested(table.rows(), wanted))
    await this.#statements.execute('COMMIT')
    if (!(await digestOf(this.#rowsOf(made))).equals(wanted)) throw notAsItWas(name, this.#past)
  }

  async *#rowsOf(made: Table): AsyncIterable<Row[]> {
    const columns = writableColumns(made) as MysqlColumn[]
    const decoders = columns.map((column) => readExpression(column, '').decoder)
    const sql = `SELECT ${cellsOf(columns).join(', ')} FROM ${quote(made.name)}`
    for await (const batch of this.#statements.stream(sql)) yield decodeRows(batch, decoders)
  }

  /** Servers look past temporary tables when they read a view: its rows become a temporary table too. */
  async #makeView(name: string, query: string): Promise<void> {
    if (query === '') throw live(`The definition of the view ${name} may not be read by this user.`)
    const words = wordsOf(query, QUOTES)
    await this.#assertTelling(query, words)
    await this.#makeSources(words)
    await this.#statements.execute(`CREATE TEMPORARY TABLE ${quote(name)} ENGINE=InnoDB AS ${query}`)
  }

  #folded(name: string): string {
    return this.#ignoresCase ? name.toLowerCase() : name
  }
}

/** The statement of a temporary table: one has no foreign keys, partitions, text and geometry indexes or storage options. */
function temporary(create: string): string {
  const lines = create.split('\n')
  const end = lines.findIndex((line) => /^\) ?ENGINE=|^\)$/.test(line))
  const body = lines
    .slice(1, end)
    .map((line) => line.replace(/,$/, '').replace(/ AUTO_INCREMENT(?= COMMENT '|$)/, ''))
    .filter((line) => !/^ {2}(CONSTRAINT `(?:[^`]|``)*` (FOREIGN KEY|CHECK)|FULLTEXT |SPATIAL |VECTOR )/.test(line))
  const charset = /\bDEFAULT CHARSET=\w+( COLLATE=\w+)?/.exec(lines[end] ?? '')?.[0] ?? ''
  const head = (lines[0] as string).replace(/^CREATE TABLE/, 'CREATE TEMPORARY TABLE')
  return `${head}\n${body.join(',\n')}\n) ENGINE=InnoDB ${charset}`
}

function live(message: string): RowbackError {
  return new RowbackError({
    code: 'query.live',
    message,
    hint: 'Write the state into a database of its own and ask there: rowback checkout N --to state.db'
  })
}

function notAsItWas(table: string, past: PastState): RowbackError {
  return new RowbackError({
    code: 'restore.mismatch',
    message: `${table} cannot be made exactly as it was at ${past.name} in a temporary table.`,
    hint: 'Write the state into a database of its own and ask there: rowback checkout N --to state.db'
  })
}

/** Says what to do about what only temporary tables cannot do. */
export function explainedOfPast(error: unknown): unknown {
  const cause = error instanceof RowbackError ? error.cause : error
  if (!isMysqlError(cause)) return error
  if (cause.errno === CANNOT_REOPEN) {
    return live('This server cannot read a past table twice in one query.')
  }
  if (cause.errno === DENIED && /to database/i.test(cause.message)) {
    return new RowbackError({
      code: 'privilege.missing',
      message: 'Questions about a past state take temporary tables, which this user may not make.',
      hint: 'GRANT CREATE TEMPORARY TABLES ON the database to this user, or use: rowback checkout N --to state.db',
      cause
    })
  }
  return error
}
