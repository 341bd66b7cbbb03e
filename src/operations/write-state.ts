import { z } from 'zod'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Manifest } from '../store/manifest.ts'
import { leftOutNotes } from '../strategies/anchor.ts'
import { headOf } from '../strategies/lifetimes.ts'
import type { NewestState } from '../strategies/lost-state.ts'
import { LostState, newestState } from '../strategies/lost-state.ts'
import { readingMade } from '../strategies/made-state.ts'
import { RebuiltState } from '../strategies/rebuilt-state.ts'
import type { Restored, RestoreRequest } from '../strategies/restore-into.ts'
import { restoreInto } from '../strategies/restore-into.ts'
import { StateReader } from '../strategies/state-reader.ts'
import type { NamedBackup } from './backup/named-backup.ts'
import { LATEST, namesBackup, openBackup } from './backup/named-backup.ts'
import type { Context } from './context.ts'
import { names, stateReference, text } from './inputs.ts'
import { ledgerNeeded, ledgerStays, restoreNewest } from './lost-database.ts'

/** A state that was written into another database. */
export interface WrittenState extends Restored {
  /** The version that left it. */
  from: number
  /** Its name, where a backup was asked for and not a version. */
  backup?: string
  /** The database that it is in. */
  to: string
}

/** What every operation that writes a state elsewhere asks for. */
export const writeStateInput = z.object({
  version: stateReference('whose state is written; version 0 is what was there before the first'),
  to: text('the database to write into, such as shop-at-6.db or mysql://user@host/shop_at_6', 'URL'),
  table: names('only these tables', 'TABLE[,TABLE]').optional()
})

export type WriteStateInput = z.output<typeof writeStateInput>

export const WRITE_STATE_DETAILS = `The database has none of these tables yet; a SQLite file is made. What is written is read back and compared; on any error nothing of it stays. In a database of the same kind the tables are what they were. In one of another kind (MySQL, SQLite) every value is the same, and notes say what else is not: types, defaults, indexes, foreign keys. A backup that is named as such (see: rowback backup list) needs nothing but the repository: it can be written when its database is lost, and holds what there was when it was taken. So does latest, the newest of them; but where the database is lost, latest is the newest state that the repository makes, of change sets as well.`

/**
 * Writes the state that a version left, or a backup holds, into another database.
 * @param fromRepository makes tracked tables of full backups and change sets, where it has them, instead of their history
 */
export async function writeState(
  context: Context,
  input: WriteStateInput,
  { fromRepository }: { fromRepository: boolean }
): Promise<WrittenState> {
  if (namesBackup(input.version)) return writeNamed(context, input)
  const isLost = context.lost !== null || !context.ledger.exists
  return fromRepository && isLost && /^\d+$/.test(input.version)
    ? writeLost(context, input, Number(input.version), context.whyNoLedger() ?? '')
    : writeVersion(context, input, fromRepository)
}

/** Writes what a backup holds; of a lost database the latest is the newest state that its repository makes. */
async function writeNamed(context: Context, input: WriteStateInput): Promise<WrittenState> {
  const repository = await context.repositoryByItself()
  const why = whyLost(context)
  const isLatest = input.version === LATEST
  const orphaned = isLatest ? (why ?? (await whyOthers(context))) : null
  if (orphaned !== null) {
    const newest = await newestState(repository, (await repository.backupsAsFound()).readable)
    if (newest?.fault) throw newestNotMade(newest, newest.fault)
    if (newest?.backup === null) return writeLost(context, input, newest.version, orphaned)
  }
  const backup = await openBackup(context, repository, input.version)
  const newer = isLatest && orphaned === null ? await newerVersions(context, backup) : []
  return writeBackup(context, input, backup, why, newer)
}

/** No older state stands in for the latest in silence. */
function newestNotMade(newest: NewestState, fault: RowbackError): RowbackError {
  return new RowbackError({
    code: fault.code,
    message: `The newest state cannot be made. ${fault.message}`,
    hint: `If what is missing stands elsewhere, put it back. The newest state that can be made is that of version ${newest.version}: ${restoreNewest(newest)}`,
    exit: fault.exit,
    cause: fault
  })
}

/** Why there is no ledger, a sentence; null where there is one, or where that can be asked later. */
function whyLost(context: Context): string | null {
  return context.lost?.exit === ExitCode.locked ? null : context.whyNoLedger()
}

/** Why the ledger that there is says nothing of the repository, a sentence; null where it does. */
async function whyOthers(context: Context): Promise<string | null> {
  if (context.lost) return null
  try {
    await context.repository()
    return null
  } catch (error) {
    if (error instanceof RowbackError && error.code === 'repository.other_database') return error.message
    throw error
  }
}

/** That there are newer versions than the latest backup holds; none is said where the ledger cannot be asked. */
async function newerVersions(context: Context, { manifest }: NamedBackup): Promise<string[]> {
  if (context.lost) return []
  const head = headOf(await context.ledger.versions())
  if (head <= manifest.state) return []
  return [
    `It is the latest full backup, and not the newest version, which is ${head}: rowback backup restore ${head} --to URL`
  ]
}

/**
 * Writes the state of a version without its database, of full backups and change sets.
 * @param why there is no ledger, a sentence
 */
async function writeLost(context: Context, input: WriteStateInput, from: number, why: string): Promise<WrittenState> {
  const reader = await LostState.open(await context.repositoryByItself(), from)
  if (reader === null) return writeVersion(context, input, true)
  return writeInto(context, input, async (write, to) => {
    const writing = () => write({ reader, from: reader.engine, state: `version ${from}` })
    const { tables, notes } = await readingMade(reader, writing)
    return { from, to, tables, notes: [why, ...reader.notes, ...notes, ledgerStays(to)] }
  })
}

async function writeVersion(context: Context, input: WriteStateInput, fromRepository: boolean): Promise<WrittenState> {
  const from = await versionNumber(context, input.version)
  const repository = await context.repository()
  return writeInto(context, input, (write, to) =>
    context.engine.readTransaction(async () => {
      const live = await context.liveState()
      const stateReader = await StateReader.open(context.engine, live, repository, from)
      stateReader.assertKept(input.table ?? stateReader.names())
      const rebuilt =
        fromRepository && repository
          ? new RebuiltState(repository, live, from, stateReader, { hasHistory: true })
          : null
      const reader = rebuilt ?? stateReader
      const writing = () => write({ reader, from: context.engine.name, state: `version ${from}` })
      const restored = await (rebuilt ? readingMade(rebuilt, writing) : writing())
      const unkept = await reader.unkept(restored.tables.map(({ table }) => table))
      const notes = [
        ...(rebuilt?.notes ?? []),
        ...unkept,
        ...(input.table ? [] : await leftOutNotes(context.engine)),
        ...restored.notes
      ]
      // A backup says of itself, too, what it left out.
      return { from, to, tables: restored.tables, notes: [...new Set(notes)] }
    })
  )
}

/** Says of a backup that it is not of the database that is there, whose name it may stand for. */
async function ownerNotes(context: Context, { database }: Manifest): Promise<string[]> {
  const identity = context.lost === null ? await context.identity() : null
  if (identity === null || identity === database) return []
  return [`The backup is of another database than ${context.engine.database}.`]
}

/**
 * Writes what a backup holds, with nothing but the repository.
 * @param lost why there is no ledger; null where there is one
 * @param more to be said of it; sentences
 */
function writeBackup(
  context: Context,
  input: WriteStateInput,
  { name, title, manifest, reader }: NamedBackup,
  lost: string | null,
  more: readonly string[]
): Promise<WrittenState> {
  const { state, takenAt, engine } = manifest
  return writeInto(context, input, async (write, to) => {
    const { tables, notes } = await write({ reader, from: engine, state: title })
    const holds = `The backup holds the state of version ${state}, taken at ${takenAt}; changes made after that are not in it.`
    const stays = lost === null ? [] : [ledgerStays(to)]
    const owner = await ownerNotes(context, manifest)
    return { from: state, backup: name, to, tables, notes: [holds, ...owner, ...more, ...notes, ...stays] }
  })
}

async function versionNumber(context: Context, reference: string): Promise<number> {
  try {
    return await context.versionNumberOrTime(reference)
  } catch (error) {
    if (!context.lost && context.ledger.exists) throw error
    throw await ledgerNeeded(context, error, 'Which backup holds a version, only the ledger in its database knows.')
  }
}

type Write = (source: Pick<RestoreRequest, 'reader' | 'from' | 'state'>) => Promise<Restored>

/**
 * Opens the database to write into, and closes it again.
 * @param work is handed what writes a state there, and the database's name
 */
async function writeInto<T>(
  context: Context,
  input: WriteStateInput,
  work: (write: Write, to: string) => Promise<T>
): Promise<T> {
  const target = await context.openOther(urlOf(input.to))
  const asked = { tables: input.table ?? null, events: true, signal: context.signal }
  try {
    return await work((source) => restoreInto({ ...source, ...asked }, target), target.database)
  } finally {
    await target.close()
  }
}

/** A plain path is a SQLite file; a single letter before the colon is a drive. */
function urlOf(to: string): string {
  return /^[a-z][a-z0-9+.-]+:/i.test(to) ? to : `sqlite:${to}`
}
