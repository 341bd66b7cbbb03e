import { z } from 'zod'
import { RowbackError } from '../../errors.ts'
import type { Version } from '../../model/version.ts'
import { assertNew, writeNewFile } from '../../store/new-file.ts'
import type { Repository } from '../../store/repository.ts'
import type { ReadableState } from '../../strategies/backup-reader.ts'
import type { ExportedTable } from '../../strategies/export-sql.ts'
import { exportState } from '../../strategies/export-sql.ts'
import type { LiveState } from '../../strategies/session.ts'
import { StateReader } from '../../strategies/state-reader.ts'
import type { Context } from '../context.ts'
import { stateReference, text } from '../inputs.ts'
import { operation } from '../operation.ts'
import { namesBackup, openBackup } from './named-backup.ts'

export interface ExportOutput {
  version: number
  /** Its name, where a backup was asked for and not a version. */
  backup?: string
  file: string
  /** The moment whose state it is: of the backup, else of the export; ISO 8601, UTC. */
  stateOf: string
  tables: ExportedTable[]
  rows: number
  /** Length of the file. */
  bytes: number
  /** What the file does not hold, or holds with a reservation. */
  notes: string[]
}

export const backupExport = operation({
  name: 'backup export',
  summary: 'write the state that a version left, or a backup holds, as an SQL file for mysql, mariadb or sqlite3',
  details: `The file is restored into an empty database by the stock client: mariadb DATABASE < FILE, mysql DATABASE < FILE or sqlite3 NEW.db < FILE. It is named after the database and the time (UTC) at which the state was backed up, or else of the export. A file that is there is never overwritten. Other programs go on writing meanwhile; what they write is not in the file. The rowids of SQLite tables without an INTEGER PRIMARY KEY are not kept, but the order of their rows is.`,
  example: 'rowback backup export 3 --out shop-at-3.sql',
  positional: ['version'],
  input: z.object({
    version: stateReference('whose state is written'),
    out: text('the file; {database}_backup_{YYYYMMDDHHmmss}.sql here when left out', 'FILE').optional()
  }),
  makesDatabase: false,
  whenInterrupted: ({ version }) => (namesBackup(version) ? null : 'refuse'),
  async run(context, options): Promise<ExportOutput> {
    const { engine, ledger } = context
    const repository = await context.repository()
    const backup =
      repository && namesBackup(options.version) ? await openBackup(context, repository, options.version) : null
    const number = backup ? backup.manifest.state : await context.versionNumber(options.version)
    const version = await ledger.version(number)
    return engine.readTransaction(async () => {
      const live = await context.liveState()
      const state = backup ? backup.reader : await wholeState(context, live, repository, number)
      const stateOf = state.takenAt ?? new Date().toISOString()
      const file = options.out ?? fileName(engine.database, stateOf)
      assertNew(file)
      const { objects, notes: unread } = await state.objects()
      const notes = [...(await state.unkept(state.names())), ...(await reservations(context, live, state)), ...unread]
      const about = [...description(context, version, stateOf), ...notes]
      const tables: ExportedTable[] = []
      const request = { engine, state, live, about, objects, signal: context.signal }
      const bytes = await writeNewFile(file, untilChanged(context, live, exportState(request, tables)))
      const rows = tables.reduce((sum, table) => sum + table.rows, 0)
      return { version: number, ...(backup && { backup: backup.name }), file, stateOf, tables, rows, bytes, notes }
    })
  }
})

/** @throws RowbackError `backup.missing` where tables of it are gone */
async function wholeState(
  { engine }: Context,
  live: LiveState,
  repository: Repository | null,
  number: number
): Promise<StateReader> {
  const state = await StateReader.open(engine, live, repository, number)
  state.assertKept(state.names())
  return state
}

/** The database's name, without the ending of a file and without what a file name cannot hold. */
function fileName(database: string, time: string): string {
  const name = database.replace(/\.(db|sqlite3?)$/i, '').replace(/[^\p{L}\p{M}\p{N}._-]/gu, '_')
  return `${name}_backup_${time.replace(/\D/g, '').slice(0, 14)}.sql`
}

function description({ engine, ledger }: Context, version: Version, stateOf: string): string[] {
  return [
    `Rowback ${ledger.toolVersion}`,
    `Database ${engine.database}, ${engine.product}`,
    `State of version ${version.number}: ${version.description}`,
    `by ${version.author.given}, ${version.finishedAt ?? version.startedAt}`,
    `The state is that of ${stateOf}.`,
    'Restore it into an empty database.'
  ]
}

async function reservations({ engine }: Context, live: LiveState, state: ReadableState): Promise<string[]> {
  const unsupported = await engine.unsupportedTables()
  const names = new Set(state.names())
  const loose = live.tables.filter((table) => !table.atomic && names.has(table.name)).map((table) => table.name)
  return [
    ...(unsupported.length > 0
      ? [`Left out, because they cannot be backed up as rows: ${unsupported.join(', ')}.`]
      : []),
    ...(loose.length > 0 ? [`Not of one moment, because they have no transactions: ${loose.join(', ')}.`] : [])
  ]
}

/**
 * The pieces of the file, if at its end the tables are still defined as when it began: definitions are not part of a
 * server's snapshot, and some change without an error.
 */
async function* untilChanged(context: Context, live: LiveState, pieces: AsyncIterable<string>): AsyncGenerator<string> {
  const before = definitions(live)
  yield* pieces
  const after = definitions(await context.liveState())
  const changed = [...new Set([...before.keys(), ...after.keys()])].filter(
    (name) => before.get(name) !== after.get(name)
  )
  if (changed.length > 0) throw changedMeanwhile(changed)
}

function definitions(live: LiveState): Map<string, string> {
  return new Map(
    live.tables.map(({ name, columns, ddl }) => [
      name,
      JSON.stringify([columns.map((column) => [column.name, column.declared, column.generated]), ddl])
    ])
  )
}

function changedMeanwhile(tables: readonly string[]): RowbackError {
  return new RowbackError({
    code: 'export.changed',
    message: `Others changed the definition of ${tables.join(', ')} while the state was read.`,
    state: 'No file was written.',
    hint: 'Do it again.'
  })
}
