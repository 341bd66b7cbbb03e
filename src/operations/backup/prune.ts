import { z } from 'zod'
import { ExitCode, RowbackError } from '../../errors.ts'
import type { Repository } from '../../store/repository.ts'
import { anchorsAfter, committed } from '../../strategies/lifetimes.ts'
import { assertChangeSets } from '../../strategies/lost-change-sets.ts'
import { expectedBackups } from '../../strategies/recovery.ts'
import type { LiveState } from '../../strategies/session.ts'
import { count, flag, versionReference, wait } from '../inputs.ts'
import { operation } from '../operation.ts'
import { ranges } from '../ranges.ts'
import { keptBy } from './keep-rules.ts'
import type { ListedBackup } from './list.ts'
import { listBackups } from './list.ts'
import { shownName } from './named-backup.ts'
import type { KeptHistory, PrunedHistory } from './prune-history.ts'
import { assertHistoryAlone, pruneHistory } from './prune-history.ts'

const HOUR_MS = 3_600_000
const HOURS = 'write a number of hours from 0 on, such as 48'

const input = z.object({
  keepLast: count('keep so many of the newest backups').optional(),
  keepDaily: count('keep the newest backup of each day, for so many days that have any').optional(),
  keepTagged: flag('keep the backups of versions that have a tag'),
  historyBefore: versionReference(
    'instead of backups, take the history out of the database that only states before this version need; by number, tag or time'
  ).optional(),
  dryRun: flag('say what would go and change nothing'),
  yes: flag('give up the versions that cannot be gone back to afterwards, or leave old history to the repository'),
  grace: z.coerce.number(HOURS).min(0, HOURS).default(24).meta({
    description: 'how long things stay in the trash before a later prune deletes them',
    placeholder: 'HOURS'
  }),
  wait
})

export interface BackupPruneOutput {
  dryRun: boolean
  /** Backups that went, or would go; the oldest first. */
  pruned: ListedBackup[]
  kept: number
  /** Of --history-before: what went from the database, or would go, by table; left out without it. */
  history?: PrunedHistory[]
  /** Tables whose history stays, and why; left out where there are none. */
  historyKept?: KeptHistory[]
  /** Records of what versions left that went with them, or were of no version. */
  records: number
  /** Versions that cannot be gone back to any more. */
  lostVersions: number[]
  /** Files of rows that no other backup needs. */
  objects: number
  /** Their size. */
  bytes: number
  /** The folder of the trash where all this is now; null when nothing went there. */
  trash: string | null
  /** Folders of the trash that were deleted for good. */
  emptied: string[]
}

export const backupPrune = operation({
  name: 'backup prune',
  summary: 'take old backups away, by rules that say which stay',
  details: `A backup is the way back to the versions before it: what can no longer be gone back to is said, and needs --yes. Tables under the incremental strategy keep their history in the database and lose nothing. The records of what versions left, by which changes of others are told, go with the backups of their states. What stays is read whole first: if anything of it is damaged, nothing goes. What goes is moved to the folder trash in the repository, and deleted by a later prune when its grace period is over.
With --history-before the database gets smaller instead: superseded rows that only older states need go from it, after the repository is proven to make each of those states from its base backup and change sets. They can still be read, compared and gone back to, more slowly. A table of which that cannot be proven keeps its history and is named, with exit code 5, or 7 where something is damaged or missing.`,
  example: 'rowback backup prune --keep-last 10 --keep-daily 30 --keep-tagged --dry-run',
  positional: [],
  input,
  makesDatabase: false,
  async run(context, options): Promise<BackupPruneOutput> {
    if (options.historyBefore !== undefined) {
      assertHistoryAlone(options)
      const pruned = await pruneHistory(context, {
        before: options.historyBefore,
        dryRun: options.dryRun,
        yes: options.yes,
        wait: options.wait * 1000
      })
      return { ...NOTHING, dryRun: options.dryRun, ...pruned }
    }
    keptBy(options, [])
    const repository = options.dryRun ? await context.repository() : await context.repositoryAlone(options.wait * 1000)
    if (!repository) return { ...NOTHING, dryRun: options.dryRun }
    // Only now, with nobody else at work, does the ledger say which backups there must be.
    const live = await context.liveState()
    await assertComplete(repository, live)
    const all = await listBackups(repository, live)
    const begun = await beginnings(repository)
    const kept = new Set([...keptBy(options, all), ...all.filter(({ backup }) => begun.has(backup))])
    const going = all.filter((backup) => !kept.has(backup)).map(({ backup }) => backup)
    const plan = await repository.planPrune(
      going,
      await recordsGoing(repository, live, new Set([...kept].map(({ backup }) => backup)))
    )
    const pruned = all.filter(({ backup }) => plan.backups.some(({ name }) => name === backup))
    const output = {
      dryRun: options.dryRun,
      pruned,
      kept: all.length - pruned.length,
      records: plan.records.length,
      lostVersions: pruned.flatMap((backup) => backup.neededBy).sort((a, b) => a - b),
      objects: plan.objects.length,
      bytes: plan.objects.reduce((sum, object) => sum + object.bytes, 0),
      trash: null,
      emptied: []
    }
    if (options.dryRun) return output
    if (output.lostVersions.length > 0 && !options.yes) throw losesVersions(output)
    // What goes may be the only good copy of what stays.
    for (const { backup } of all.filter((one) => kept.has(one))) {
      await repository.prove((await repository.manifest(backup)).tables)
    }
    return { ...output, ...(await repository.prune(plan, options.grace * HOUR_MS)) }
  },
  exitCode({ historyKept = [] }) {
    if (historyKept.length === 0) return ExitCode.done
    return historyKept.some(({ code }) => /^backup\.(damaged|missing)$/.test(code))
      ? ExitCode.backupDamaged
      : ExitCode.conflict
  }
})

const NOTHING = {
  pruned: [],
  kept: 0,
  records: 0,
  lostVersions: [],
  objects: 0,
  bytes: 0,
  trash: null,
  emptied: []
}

/**
 * The record of what a version left goes with the backup that holds the version's state, with which it has most in common;
 * that after which none was taken stays as long as there is a backup. One that the ledger does not name is of a version that was not committed.
 */
async function recordsGoing(repository: Repository, live: LiveState, kept: ReadonlySet<string>): Promise<string[]> {
  const stays = new Set(
    committed(live.versions)
      .filter(({ number }) => {
        const [next] = anchorsAfter(live.versions, number)
        return next === undefined ? kept.size > 0 : kept.has(next)
      })
      .map((version) => version.leftRecord)
  )
  return (await repository.left.names()).filter((name) => !stays.has(name))
}

/** The backups that change sets go on from: without them no version under the incremental strategy could be made again. */
async function beginnings(repository: Repository): Promise<Set<string>> {
  const tables = (await repository.changeSets.all()).flatMap((changeSet) => changeSet.tables)
  return new Set(tables.flatMap(({ base }) => base ?? []))
}

/**
 * A backup that the ledger names and that is gone, and a change set, may come back from another disk; the rows must not be swept away before.
 * @throws RowbackError `backup.missing` or `backup.damaged`
 */
async function assertComplete(repository: Repository, live: LiveState): Promise<void> {
  for (const anchor of await expectedBackups(live.versions, repository)) await repository.manifest(anchor)
  await assertChangeSets(repository, live.versions)
}

function losesVersions({ pruned, lostVersions, bytes }: BackupPruneOutput): RowbackError {
  const several = lostVersions.length > 1
  const backups = pruned.map(({ backup }) => shownName(backup)).join(', ')
  return new RowbackError({
    code: 'prune.loses_versions',
    message: `Without ${pruned.length === 1 ? 'the backup' : 'the backups'} ${backups} (${bytes.toLocaleString('en')} bytes) ${several ? 'versions' : 'version'} ${ranges(lostVersions)} could no longer be gone back to, compared or read.`,
    hint: 'To give them up, add --yes; to see more, --dry-run; to keep more, use other rules.',
    exit: ExitCode.conflict
  })
}
