import { RowbackError } from '../../errors.ts'
import { digested, digestOf, RowsDigest } from '../../model/rows-digest.ts'
import type { Table } from '../../model/table.ts'
import { writableColumns } from '../../model/table.ts'
import type { Row } from '../../model/value.ts'
import type { PastState, PastTable } from '../engine.ts'
import { noTableThen, VERSIONS_VIEW } from '../engine.ts'
import type { Quotes, SqlWord } from '../sql-words.ts'
import { namesGiven, sourcesOf, wordsOf } from '../sql-words.ts'
import { columnsRead, readsAll, stateSelect } from '../state-query.ts'
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
/** Common table expressions of the statement's own. */
const OWN_WITH = /^\s*WITH(\s+RECURSIVE)?\s/i

/** A table or view that is there now. */
export interface Relation {
  name: string
  /** As the server says: `BASE TABLE`, `VIEW` and others. */
  type: string
}

/** What there is now. */
export interface LiveNames {
  database: string
  ignoresCase: boolean
  relations: readonly Relation[]
}

/** Where tables of the past are read and made. */
export interface Sessions {
  here: Statements
  /** Another one, in which temporary tables are made. */
  open(): Promise<Statements>
  /** The quoted place of a history table. */
  historyOf(history: string): string
}

/**
 * Puts tables as they were at some time before the real ones, under their names. Where history has their rows, the statement
 * is given a common table expression over them; else they become temporary tables of another session.
 */
export class PastTables {
  readonly #sessions: Sessions
  readonly #database: string
  readonly #past: PastState
  readonly #ignoresCase: boolean
  /** What is there now. */
  readonly #live: ReadonlyMap<string, Relation>
  readonly #made = new Set<string>()

  constructor(sessions: Sessions, { database, ignoresCase, relations }: LiveNames, past: PastState) {
    this.#sessions = sessions
    this.#database = database
    this.#ignoresCase = ignoresCase
    this.#past = past
    this.#live = new Map(relations.map((relation) => [this.#folded(relation.name), relation]))
  }

  /**
   * Makes what a statement reads from, and nothing else.
   * @returns the statement that is to be asked
   * @throws RowbackError `table.missing` or `query.live`
   */
  async make(sql: string): Promise<string> {
    const words = wordsOf(sql, QUOTES)
    await this.#assertTelling(sql, words)
    const expressions = new Map<string, string>()
    // A view's tables are temporary ones, which would also stand before those that expressions read.
    const throughViews = sourcesOf(words).some(({ name }) => this.#isView(name))
    const canExpress = !throughViews && takesExpressions(sql, words, this.#database)
    await this.#makeSources(words, canExpress ? expressions : null)
    return withExpressions(sql, [...expressions.values()])
  }

  #isView(name: string): boolean {
    return this.#live.get(this.#folded(name))?.type === 'VIEW'
  }

  #read(sql: string, ...parameters: string[]): Promise<Row[]> {
    return this.#sessions.here.read(bind(sql, [this.#database, ...parameters]))
  }

  /** Refuses what could read live rows without naming their table. @throws RowbackError `query.live` */
  async #assertTelling(sql: string, words: readonly SqlWord[]): Promise<void> {
    if (!/^(SELECT|WITH|VALUES|TABLE)$/i.test(words.find(({ text }) => text !== '(')?.text ?? '')) {
      throw live('Of a past state only SELECT, WITH, VALUES and TABLE can be asked.')
    }
    if (/\/\*M?!/.test(sql)) throw live('Comments that the server runs cannot be asked of a past state.')
    const called = [...words.entries()].filter(([i, { kind }]) => kind !== 'text' && words[i + 1]?.text === '(')
    if (called.length === 0) return
    const routines = await this.#read(
      "SELECT ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = ? AND ROUTINE_TYPE = 'FUNCTION'"
    )
    const functions = new Set(routines.map(([name]) => String(name).toLowerCase()))
    for (const [i, word] of called) {
      const isQualified = words[i - 1]?.text === '.'
      if (isQualified || functions.has(word.text.toLowerCase())) {
        throw live(`The function ${word.text} may read rows as they are now.`)
      }
    }
  }

  /** @param expressions takes those of tables whose rows are read where they stand; null where there can be none */
  async #makeSources(words: readonly SqlWord[], expressions: Map<string, string> | null): Promise<void> {
    const given = namesGiven(words).map((name) => this.#folded(name))
    for (const { schema, name } of sourcesOf(words)) {
      if (schema !== null && this.#folded(schema) !== this.#folded(this.#database)) {
        throw live(`${schema}.${name} is in another database, which has no state at ${this.#past.name}.`)
      }
      if (name.toLowerCase() === VERSIONS_VIEW && this.#isView(name)) throw noTableThen(name, this.#past)
      const folded = this.#folded(name)
      if (expressions?.has(folded)) continue
      const expression = expressions && !given.includes(folded) ? await this.#expressionFor(name, words) : null
      if (expression === null) await this.#makeSource(name)
      else expressions?.set(folded, expression)
    }
  }

  async #expressionFor(name: string, words: readonly SqlWord[]): Promise<string | null> {
    const table = await this.#pastTable(name)
    if (!table?.tracked) return null
    const columns = columnsRead(words, table.tracked.table) as MysqlColumn[]
    const isWhole = !readsAll(words) || !/\bINVISIBLE\b/i.test(table.ddl[0] as string)
    if (!isWhole || !columns.every(staysInUnion)) return null
    const { tracking, version } = table.tracked
    const live = tracking.live ? `${quote(this.#database)}.${quote(table.name)}` : null
    const cells = columns.map((column) => quote(column.name)).join(', ')
    // Under the name by which the statement calls it, in whatever case.
    return `${quote(name)} AS (${stateSelect(live, this.#sessions.historyOf(tracking.history), cells, version)})`
  }

  async #pastTable(name: string): Promise<PastTable | undefined> {
    const known = this.#past.tables.find((table) => this.#folded(table) === this.#folded(name))
    return known === undefined ? undefined : this.#past.table(known)
  }

  async #makeSource(name: string): Promise<void> {
    const folded = this.#folded(name)
    if (this.#made.has(folded)) return
    this.#made.add(folded)
    const isKnown = this.#past.tables.some((table) => this.#folded(table) === folded)
    const table = await this.#pastTable(name)
    const now = this.#live.get(folded)
    if (table) await this.#makeTable(table)
    else if (now && this.#isView(name) && !isKnown) await this.#makeView(name, now.name)
    else if (isKnown) throw notAsItWas(name, this.#past)
    else if (now) throw noTableThen(name, this.#past)
    // What is neither there now nor was then is a name of the statement's own, or the server says that it is not there.
  }

  async #makeTable(table: PastTable): Promise<void> {
    const { name } = table
    const session = await this.#sessions.open()
    await session.execute(temporary(table.ddl[0] as string))
    const shown = await session.read(`SHOW FULL COLUMNS FROM ${quote(name)}`)
    const columns = shown.map(columnShown).filter((column) => column !== null)
    const made = temporaryShape(name, columns, table.key)
    const wanted = new RowsDigest()
    await session.execute('START TRANSACTION')
    await insertRows(session, made, digested(table.rows(), wanted))
    await session.execute('COMMIT')
    if (!(await digestOf(rowsOf(session, made))).equals(wanted)) throw notAsItWas(name, this.#past)
  }

  /** Servers look past temporary tables when they read a view: its rows become a temporary table too. */
  async #makeView(name: string, nameNow: string): Promise<void> {
    const [row] = await this.#read(
      'SELECT VIEW_DEFINITION FROM information_schema.VIEWS WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ?',
      nameNow
    )
    const query = String(row?.[0] ?? '')
    if (query === '') throw live(`The definition of the view ${name} may not be read by this user.`)
    const words = wordsOf(query, QUOTES)
    await this.#assertTelling(query, words)
    await this.#makeSources(words, null)
    const session = await this.#sessions.open()
    await session.execute(`CREATE TEMPORARY TABLE ${quote(name)} ENGINE=InnoDB AS ${query}`)
  }

  #folded(name: string): string {
    return this.#ignoresCase ? name.toLowerCase() : name
  }
}

async function* rowsOf(session: Statements, made: Table): AsyncIterable<Row[]> {
  const columns = writableColumns(made) as MysqlColumn[]
  const decoders = columns.map((column) => readExpression(column, '').decoder)
  const sql = `SELECT ${cellsOf(columns).join(', ')} FROM ${quote(made.name)}`
  for await (const batch of session.stream(sql)) yield decodeRows(batch, decoders)
}

/** Whether a column of a union is as the columns that it is made of: to servers ENUM and SET are text there, and BIT a number. */
function staysInUnion({ dataType, declared, generated }: MysqlColumn): boolean {
  return !generated && !/^(enum|set|bit|float)$/.test(dataType) && !declared.includes('zerofill')
}

/** Whether names in a statement can be common table expressions, which no name of a database stands before. */
function takesExpressions(sql: string, words: readonly SqlWord[], database: string): boolean {
  const first = words[0]?.text.toUpperCase()
  if (first !== 'SELECT' && !(first === 'WITH' && OWN_WITH.test(sql)) && !(first === '(' && words[1]?.text !== 'WITH'))
    return false
  return !words.some(
    ({ text }, i) =>
      (words[i + 1]?.text === '.' && text.toLowerCase() === database.toLowerCase()) || /^(MATCH|INDEX|KEY)$/i.test(text)
  )
}

function withExpressions(sql: string, expressions: readonly string[]): string {
  if (expressions.length === 0) return sql
  const [own, recursive = ''] = OWN_WITH.exec(sql) ?? ['']
  return own === ''
    ? `WITH ${expressions.join(', ')} ${sql}`
    : `WITH${recursive} ${expressions.join(', ')}, ${sql.slice(own.length)}`
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
