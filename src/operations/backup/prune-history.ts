import { ExitCode, RowbackError, usageError } from '../../errors.ts'
import { plural } from '../../model/plural.ts'
import { committed } from '../../strategies/lifetimes.ts'
import type { OldHistory } from '../../strategies/retention.ts'
import { findOldHistory, proveKept, takeOut } from '../../strategies/retention.ts'
import type { Context } from '../context.ts'

/** What went of the history of a table, or would go. */
export interface PrunedHistory {
  table: string
  /** Superseded rows. */
  rows: number
  /** Of these rows, as a backup would write them. */
  bytes: number
  /** The version from which on its history stays in the database. */
  since: number
}

/** A table whose history stays in the database, because the repository is not proven to have it. */
export interface KeptHistory {
  table: string
  /** As of an error: `history.not_kept`, `backup.missing`, `backup.damaged`. */
  code: string
  reason: string
  /** What to do about it. */
  hint: string
}

export interface PruneOfHistory {
  history: PrunedHistory[]
  /** Left out where all is proven. */
  historyKept?: KeptHistory[]
}

export interface HistoryOptions {
  /** A version by number, tag, or time. */
  before: string
  dryRun: boolean
  yes: boolean
  /** Milliseconds. */
  wait: number
}

/**
 * Takes history out of the database that the repository is proven to have as well, table by table.
 * @throws RowbackError `prune.history` (exit code 5); where no table is proven, `history.not_kept` (exit code 5),
 *   `backup.missing`, `backup.damaged` (exit code 7)
 */
export async function pruneHistory(context: Context, options: HistoryOptions): Promise<PruneOfHistory> {
  const repository = await (options.dryRun ? context.repository() : context.repositoryAlone(options.wait))
  if (!repository) return { history: [] }
  const { engine, ledger } = context
  const prune = async () => {
    const live = await context.liveState()
    const named = await context.versionNumberOrTime(options.before, live.versions)
    const before = committed(live.versions).findLast(({ number }) => number <= named)?.number ?? 0
    const old: OldHistory[] = []
    const refused: { table: string; error: RowbackError }[] = []
    for (const found of await findOldHistory(engine, live, before)) {
      const error = await whyNotProven(proveKept(engine, repository, live, found.tracked, before))
      if (error === null) old.push(found)
      else refused.push({ table: found.tracked.table, error })
    }
    if (old.length === 0 && refused[0]) throw refused[0].error
    if (!options.dryRun && old.length > 0) {
      if (!options.yes) throw asks(old, before)
      await takeOut(engine, ledger, old, before, options.wait)
    }
    const history = old.map(({ tracked, rows, bytes }) => ({ table: tracked.table, rows, bytes, since: before }))
    return refused.length === 0 ? { history } : { history, historyKept: refused.map(keptJson) }
  }
  return options.dryRun ? engine.readTransaction(prune) : engine.exclusively(options.wait, prune)
}

/** One table that cannot be proven is no reason to keep the history of others. */
async function whyNotProven(proof: Promise<void>): Promise<RowbackError | null> {
  try {
    await proof
    return null
  } catch (error) {
    if (error instanceof RowbackError && (error.exit === ExitCode.conflict || error.exit === ExitCode.backupDamaged)) {
      return error
    }
    throw error
  }
}

function keptJson({ table, error }: { table: string; error: RowbackError }): KeptHistory {
  return { table, code: error.code, reason: error.message, hint: error.hint }
}

/** @throws RowbackError `input.invalid` when backups are to be pruned as well */
export function assertHistoryAlone(rules: { keepLast?: unknown; keepDaily?: unknown; keepTagged: boolean }): void {
  if (rules.keepLast === undefined && rules.keepDaily === undefined && !rules.keepTagged) return
  throw usageError(
    'input.invalid',
    'History and backups are pruned one after the other.',
    'Leave out --keep-last, --keep-daily and --keep-tagged, or --history-before.'
  )
}

function asks(old: readonly OldHistory[], before: number): RowbackError {
  const rows = old.reduce((sum, table) => sum + table.rows, 0)
  const bytes = old.reduce((sum, table) => sum + table.bytes, 0)
  return new RowbackError({
    code: 'prune.history',
    message: `${plural(rows, 'superseded row')} (${bytes.toLocaleString('en')} bytes) would go from the database, and the states of versions before ${before} would be in the repository alone, which is proven to have them.`,
    hint: 'To take them out, add --yes; to see more, --dry-run.',
    exit: ExitCode.conflict
  })
}
