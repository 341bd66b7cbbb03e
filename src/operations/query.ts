import { z } from 'zod'
import type { Engine, QueryResult } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import { toJson } from '../model/value.ts'
import { headOf } from '../strategies/lifetimes.ts'
import type { KnownHistory } from '../strategies/session.ts'
import { StateReader } from '../strategies/state-reader.ts'
import { namesBackup, openBackup } from './backup/named-backup.ts'
import type { Context } from './context.ts'
import { stateReference, text } from './inputs.ts'
import { operation } from './operation.ts'

export interface QueryOutput {
  columns: string[]
  rows: (null | number | string)[][]
  /** Of --at: what is not as it was; sentences, left out where there are none. */
  notes?: string[]
}

export const query = operation({
  name: 'query',
  summary: 'run a query that can only read',
  details: `Under the incremental strategy each row says in version_id which version wrote it:
  SELECT * FROM customers JOIN rowback_version USING (version_id)
With --at the tables that the query names are as a version left them or a backup holds them, without version_id: any SELECT will do, joins and all. Views are as they are now, over the tables as they were. Rows of such tables that others changed past rowback are read as they stand, until rowback adopt or a rollback; rowback status --drift shows them.`,
  example: 'rowback query "SELECT count(*) FROM customers"',
  positional: ['sql'],
  input: z.object({
    sql: text('the query', 'SQL'),
    at: stateReference(
      'whose state is asked; a version by its number, its tag, or a time such as 2026-11-01T12:00Z'
    ).optional()
  }),
  makesDatabase: false,
  whenInterrupted: ({ at }) => (at !== undefined && namesBackup(at) ? null : 'refuse'),
  async run(context, { sql, at }): Promise<QueryOutput> {
    assertSingle(sql)
    const notes: string[] = []
    const asked = at === undefined ? context.engine.readOnlyQuery(sql) : askPast(context, sql, at, notes)
    const { columns, rows } = await asked.catch((error: unknown) => {
      throw explained(error)
    })
    return { columns, rows: rows.map((row) => row.map(toJson)), ...(notes.length > 0 && { notes }) }
  }
})

/** What is still the newest state is asked as it is, where that shows no version column. */
async function askPast(context: Context, sql: string, reference: string, notes: string[]): Promise<QueryResult> {
  const { engine } = context
  const backups = namesBackup(reference) ? await context.repository() : null
  if (backups) {
    const { title, reader } = await openBackup(context, backups, reference)
    return engine.readOnlyQueryAt(sql, { name: title, tables: reader.names(), table: (name) => reader.table(name) })
  }
  return engine.readTransaction(async () => {
    const live = await context.liveToRead()
    const at = await context.versionNumberOrTime(reference, live.versions)
    if (at === headOf(live.versions) && !(await showsVersions(engine, live, sql))) return engine.readOnlyQuery(sql)
    const repository = await context.repositoryIfNeeded(live, at)
    const reader = await StateReader.open(engine, live, repository, at)
    const read = new Set<string>()
    const table = (name: string) => {
      read.add(name)
      return reader.table(name)
    }
    const told = () => reader.unkept([...read])
    const result = await engine
      .readOnlyQueryAt(sql, { name: `version ${at}`, tables: reader.names(), table })
      .catch(async (error: unknown) => {
        throw withHint(error, await told())
      })
    notes.push(...(await told()))
    return result
  })
}

/** Whether a query of the tables as they are may come upon a version column, also by a view. */
async function showsVersions(engine: Engine, { tracked }: KnownHistory, sql: string): Promise<boolean> {
  if (engine.capabilities.invisibleColumns || tracked.size === 0) return false
  const asked = sql.toLowerCase()
  const isAsked = (name: string) => asked.includes(name.toLowerCase())
  return [...tracked.keys()].some(isAsked) || (await engine.schemaObjects()).objects.some(({ name }) => isAsked(name))
}

/** @throws RowbackError `query.several`, because the driver would leave out all but the first */
function assertSingle(sql: string): void {
  const bare = sql.replace(/'[^']*'|"[^"]*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\//g, ' ')
  if (!/;\s*\S/.test(bare)) return
  throw new RowbackError({ code: 'query.several', message: 'A query is one statement.', hint: 'Ask them one by one.' })
}

/** What is read as it is now may be why a query fails, as by a column that others dropped. */
function withHint(error: unknown, told: readonly string[]): unknown {
  if (!(error instanceof RowbackError) || error.code !== 'database' || told.length === 0) return error
  return new RowbackError({ code: 'query.invalid', message: error.message, hint: told.join(' '), cause: error })
}

function explained(error: unknown): unknown {
  if (!(error instanceof RowbackError)) return error
  const { code, message } = error
  if (code === 'target.read_only') {
    return new RowbackError({
      code: 'query.writes',
      message: 'A query can only read.',
      hint: 'Load changes as a version: rowback migrate FILE -m "..."'
    })
  }
  return code === 'database'
    ? new RowbackError({ code: 'query.invalid', message, hint: 'See tables and columns with: rowback inspect' })
    : error
}
