import { ExitCode, RowbackError, usageError } from '../../errors.ts'
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

export interface HistoryOptions {
  /** A version by number, tag, or time. */
  before: string
  dryRun: boolean
  yes: boolean
  /** Milliseconds. */
  wait: number
}

/**
 * Takes history out of the database that the repository is proven to have as well.
 * @throws RowbackError `history.not_kept`, `prune.history` (exit code 5), `backup.missing`, `backup.damaged` (exit code 7)
 */
export async function pruneHistory(context: Context, options: HistoryOptions): Promise<PrunedHistory[]> {
  const repository = await (options.dryRun ? context.repository() : context.repositoryAlone(options.wait))
  if (!repository) return []
  const { engine, ledger } = context
  const prune = async () => {
    const live = await context.liveState()
    const named = await context.versionNumberOrTime(options.before, live.versions)
    const before = committed(live.versions).findLast(({ number }) => number <= named)?.number ?? 0
    const old = await findOldHistory(engine, live, before)
    for (const { tracked } of old) await proveKept(engine, repository, live, tracked, before)
    if (!options.dryRun && old.length > 0) {
      if (!options.yes) throw asks(old, before)
      await takeOut(engine, ledger, old, before, options.wait)
    }
    return old.map(({ tracked, rows, bytes }) => ({ table: tracked.table, rows, bytes, since: before }))
  }
  return options.dryRun ? engine.readTransaction(prune) : engine.exclusively(options.wait, prune)
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
    message: `${rows.toLocaleString('en')} superseded rows (${bytes.toLocaleString('en')} bytes) would go from the database, and the states of versions before ${before} would be in the repository alone, which is proven to have them.`,
    hint: 'To take them out, add --yes; to see more, --dry-run.',
    exit: ExitCode.conflict
  })
}
