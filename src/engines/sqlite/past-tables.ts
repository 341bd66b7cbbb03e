import { RowbackError } from '../../errors.ts'
import type { Table } from '../../model/table.ts'
import type { Engine, PastState, PastTable } from '../engine.ts'
import { noTableThen } from '../engine.ts'
import type { Quotes, SqlWord } from '../sql-words.ts'
import { wordsOf } from '../sql-words.ts'
import { columnsRead, stateSelect } from '../state-query.ts'
import { list, quote } from './sql-text.ts'

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
 * Makes the tables and views that a statement may read from, which is whatever it mentions by name, in a private database.
 * A tracked table is read where it stands, by a view over its live and its superseded rows; the rows of others are copied.
 */
export async function makePast(session: Engine, live: LiveNames, sql: string, past: PastState): Promise<void> {
  const words = allWords(sql, live.views)
  const mentioned = new Set(words.map(({ text }) => text.toLowerCase()))
  const tables = await mentionedTables(past, mentioned)
  const readInPlace = live.file !== null && !words.some(({ text }) => OF_TABLES.test(text))
  const inPlace = readInPlace ? tables.filter((table) => canBeReadInPlace(table, words)) : []
  await session.transaction({ wait: 0, foreignKeys: false }, async () => {
    for (const table of tables) if (!inPlace.includes(table)) await copy(session, table)
  })
  // Only now: a transaction that writes would lock what is attached.
  if (inPlace.length > 0) await attach(session, live, mentioned, tables)
  for (const table of inPlace) await session.run(viewOf(table, words))
  for (const [name, statement] of live.views) {
    if (mentioned.has(name)) await session.run(statement.replace(/^CREATE VIEW/i, 'CREATE TEMP VIEW'))
  }
}

/** Puts the live file beside the private database. What the statement mentions and is no table of the past stays out of reach. */
async function attach(
  session: Engine,
  live: LiveNames,
  mentioned: ReadonlySet<string>,
  tables: readonly PastTable[]
): Promise<void> {
  await session.run(`PRAGMA busy_timeout = ${PATIENCE_MS}`)
  await session.run(`ATTACH ? AS ${LIVE}`, [live.file])
  const known = new Set([...tables.map(({ name }) => name.toLowerCase()), ...live.views.keys()])
  for (const name of live.relations) {
    if (!mentioned.has(name.toLowerCase()) || known.has(name.toLowerCase())) continue
    await session.run(`CREATE TEMP VIEW ${quote(name)} AS SELECT * FROM main.${quote(name)}`)
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

function viewOf({ name, tracked }: PastTable, words: readonly SqlWord[]): string {
  const { table, tracking, version } = tracked as NonNullable<PastTable['tracked']>
  const place = (relation: string) => `${LIVE}.${quote(relation)}`
  const cells = list(columnsRead(words, table).map((column) => column.name))
  const select = stateSelect(tracking.live ? place(table.name) : null, place(tracking.history), cells, version)
  return `CREATE TEMP VIEW ${quote(name)} AS ${select}`
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
