import { RowbackError } from '../../errors.ts'
import type { Table } from '../../model/table.ts'
import type { Engine, PastState, PastTable, QueryResult } from '../engine.ts'
import { noTableThen } from '../engine.ts'
import type { Quotes, SqlWord } from '../sql-words.ts'
import { wordsOf } from '../sql-words.ts'
import { columnsRead, stateSelect } from '../state-query.ts'
import { list, quote } from './sql-text.ts'
import { versionOfLive } from './version-of-live.ts'

/** SQLite takes even 'text' for a name. */
const QUOTES: Quotes = { names: ['"', '`', '[', "'"], texts: [], backslash: false, hash: false }
/** What the live file is called beside a private database. */
const LIVE = 'rowback_live'
/** For how long another program's commit is waited for. */
const PATIENCE_MS = 5000
/** What only works on tables, and not on what stands for them. */
const OF_TABLES = /^(main|temp|rowid|oid|_rowid_|indexed|pragma_.*|rowback_live)$/i

/** What is there now. */
export interface LiveNames {
  /** Null for a database that no other connection can read. */
  file: string | null
  /** Names of tables and views. */
  relations: readonly string[]
  /** The statements that make the views, by name in lower case. */
  views: ReadonlyMap<string, string>
}

/**
 * A private database in which a statement finds the tables and views that it may read from, which is whatever it mentions by
 * name. A tracked table is read where it stands, by a view over its live and its superseded rows; the rows of others are
 * copied. One question is asked at a time.
 */
export class PastSession {
  readonly #session: Engine
  #isAttached = false
  #isClean = true

  constructor(session: Engine) {
    this.#session = session
  }

  /** Whether nothing is left of the last question, so that another can be asked. */
  get isClean(): boolean {
    return this.#isClean
  }

  close(): Promise<void> {
    return this.#session.close()
  }

  async ask(live: LiveNames, sql: string, past: PastState): Promise<QueryResult> {
    this.#isClean = false
    const hasCopies = await this.#make(live, sql, past)
    const result = await this.#session.readOnlyQuery(sql)
    if (!hasCopies) await this.#dropViews()
    return result
  }

  async #dropViews(): Promise<void> {
    const { rows } = await this.#session.query("SELECT name FROM temp.sqlite_schema WHERE type = 'view'")
    for (const [name] of rows) await this.#session.run(`DROP VIEW temp.${quote(String(name))}`)
    this.#isClean = true
  }

  /** @returns whether rows were copied, which stay */
  async #make(live: LiveNames, sql: string, past: PastState): Promise<boolean> {
    const words = allWords(sql, live.views)
    const mentioned = new Set(words.map(({ text }) => text.toLowerCase()))
    const tables = await mentionedTables(past, mentioned)
    const readInPlace = live.file !== null && !words.some(({ text }) => OF_TABLES.test(text))
    const inPlace = readInPlace ? tables.filter((table) => canBeReadInPlace(table, words)) : []
    const copied = tables.filter((table) => !inPlace.includes(table))
    // A transaction that writes would lock what is attached.
    if (copied.length > 0 || inPlace.length === 0) await this.#detach()
    if (copied.length > 0) await this.#copy(copied)
    if (inPlace.length > 0) await this.#attach(live, mentioned, tables)
    for (const table of inPlace) await this.#view(table.name, await this.#selectOf(table, words))
    for (const [name, statement] of live.views) {
      if (mentioned.has(name)) await this.#session.run(statement.replace(/^CREATE VIEW/i, 'CREATE TEMP VIEW'))
    }
    return copied.length > 0
  }

  async #copy(tables: readonly PastTable[]): Promise<void> {
    await this.#session.transaction({ wait: 0, foreignKeys: false }, async () => {
      for (const table of tables) await copy(this.#session, table)
    })
  }

  /** Puts the live file beside the private database. What the statement mentions and is no table of the past stays out of reach. */
  async #attach(live: LiveNames, mentioned: ReadonlySet<string>, tables: readonly PastTable[]): Promise<void> {
    if (!this.#isAttached) {
      await this.#session.run(`PRAGMA busy_timeout = ${PATIENCE_MS}`)
      await this.#session.run(`ATTACH ? AS ${LIVE}`, [live.file])
      this.#isAttached = true
    }
    const known = new Set([...tables.map(({ name }) => name.toLowerCase()), ...live.views.keys()])
    for (const name of live.relations) {
      if (!mentioned.has(name.toLowerCase()) || known.has(name.toLowerCase())) continue
      await this.#view(name, `SELECT * FROM main.${quote(name)}`)
    }
  }

  async #detach(): Promise<void> {
    if (this.#isAttached) await this.#session.run(`DETACH ${LIVE}`)
    this.#isAttached = false
  }

  async #selectOf({ tracked }: PastTable, words: readonly SqlWord[]): Promise<string> {
    const { table, tracking, version } = tracked as NonNullable<PastTable['tracked']>
    const place = (relation: string) => `${LIVE}.${quote(relation)}`
    const cells = list(columnsRead(words, table).map((column) => column.name))
    const live = tracking.live ? place(table.name) : null
    const ofLive = live === null ? undefined : await versionOfLive(this.#session, live, version)
    return stateSelect(live, place(tracking.history), cells, version, ofLive)
  }

  async #view(name: string, select: string): Promise<void> {
    await this.#session.run(`CREATE TEMP VIEW ${quote(name)} AS ${select}`)
  }
}

/** The words of a statement and of the views that it mentions. */
function allWords(sql: string, views: ReadonlyMap<string, string>): SqlWord[] {
  const words: SqlWord[] = []
  const read = new Set<string>()
  const toRead = [sql]
  for (let text = toRead.pop(); text !== undefined; text = toRead.pop()) {
    for (const word of wordsOf(text, QUOTES)) {
      words.push(word)
      const view = word.text.toLowerCase()
      if (read.has(view) || !views.has(view)) continue
      read.add(view)
      toRead.push(views.get(view) as string)
    }
  }
  return words
}

async function mentionedTables(past: PastState, mentioned: ReadonlySet<string>): Promise<PastTable[]> {
  const tables: PastTable[] = []
  for (const name of past.tables) {
    const table = mentioned.has(name.toLowerCase()) ? await past.table(name) : undefined
    if (table) tables.push(table)
  }
  return tables
}

function canBeReadInPlace({ tracked }: PastTable, words: readonly SqlWord[]): boolean {
  return tracked !== null && columnsRead(words, tracked.table).every(({ generated }) => !generated)
}

async function copy(session: Engine, table: PastTable): Promise<void> {
  await session.run(table.ddl[0] as string)
  const made = (await session.tables([])).find((candidate) => candidate.name === table.name) as Table
  await session.fill(made, table.rows())
  for (const statement of table.ddl.slice(1)) {
    if (!session.triggerStatements({ ...made, ddl: [statement] }).length) await session.run(statement)
  }
}

/** A table that is not there in a private database of the past, and is there now, was not there then. */
export function missingThen(error: unknown, past: PastState, now: readonly string[]): unknown {
  const missing = error instanceof RowbackError && /no such table: (?:main\.)?(.+?)(?:\)|$)/.exec(error.message)?.[1]
  if (!missing || !now.some((name) => name.toLowerCase() === missing.toLowerCase())) return error
  return noTableThen(missing, past)
}
