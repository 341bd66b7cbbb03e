import { z } from 'zod'
import { RowbackError } from '../errors.ts'
import type { Version } from '../model/version.ts'
import type { Reverted, RevertOptions } from '../strategies/revert.ts'
import { revert as revertVersion } from '../strategies/revert.ts'
import type { Conflict, OnConflict } from '../strategies/revert-conflicts.ts'
import { ON_CONFLICT } from '../strategies/revert-conflicts.ts'
import { rehearse, runVersion } from '../strategies/run.ts'
import { authorship, choice, flag, scope, text, versionReference, wait } from './inputs.ts'
import { interruptedNotes } from './interrupted.ts'
import { operation } from './operation.ts'
import { undoHeader } from './undo-header.ts'
import type { VersionJson } from './version-json.ts'
import { rehearsedJson, versionJson } from './version-json.ts'

export interface RevertOutput extends Omit<VersionJson, 'version' | 'status'> {
  version: number | null
  status: VersionJson['status'] | 'dry-run'
  onConflict: OnConflict
  /** Cells that were touched again since: how many places there are, and the first 1000 of them. */
  conflictCount: number
  conflicts: Conflict[]
  notes: string[]
}

export const revert = operation({
  name: 'revert',
  summary: 'take back one version out of the middle and keep what came after, as a new version',
  details: `Rows that the version inserted are deleted, rows that it deleted are inserted again, and cells that it changed get their old values; cells that it did not touch keep what they are now. What was touched again since is a conflict, shown with base (what the version left), then (before it) and now; nothing is changed until you choose. A table that the version made goes, if nothing else is in it.`,
  example: 'rowback revert 3 --on-conflict keep-current -m "the prices of April were wrong"',
  positional: ['version'],
  input: z.object({
    version: versionReference('the version to take back'),
    description: text('why; "revert of N" when left out', 'TEXT', { short: 'm' }).optional(),
    onConflict: choice(
      ON_CONFLICT,
      'abort',
      'what becomes of cells that were touched again since: abort and show them, keep them as they are, or let the old values win'
    ),
    scope,
    dryRun: flag('say what would happen and change nothing'),
    yes: flag(
      'take back also what changed at that time in tables which only cascades or triggers of the version may have written'
    ),
    wait,
    ...authorship
  }),
  makesDatabase: false,
  whenInterrupted: ({ dryRun }) => (dryRun ? 'refuse' : 'recover'),
  async run(context, options): Promise<RevertOutput> {
    const number = await context.versionNumber(options.version)
    const live = await context.liveState()
    const version = live.versions.find((entry) => entry.number === number) as Version
    assertRevertible(version)
    const description = options.description ?? `revert of ${number}`
    const header = undoHeader(context, live, options, { kind: 'revert', description, targetVersion: number })
    const { onConflict, yes: takeReached } = options
    const how: RevertOptions = {
      version: number,
      onConflict,
      takeReached,
      alwaysBackUp: header.strategy === 'snapshot'
    }
    const told = ({ conflicts }: Reverted) => ({
      onConflict,
      conflictCount: conflicts.count,
      conflicts: conflicts.told
    })
    if (options.dryRun) {
      const repository = await context.repository()
      const startedAt = new Date().toISOString()
      const { result, failed } = await rehearse(context.engine, live, { wait: 0, foreignKeys: false }, (run) =>
        revertVersion(run, repository, { ...how, alwaysBackUp: false })
      )
      failed.close()
      return { ...rehearsedJson(header, result.tables, startedAt), ...told(result), notes: [] }
    }
    const waitMs = options.wait * 1000
    const session = await context.session(waitMs, options.scope)
    let reverted: Reverted | undefined
    const result = await runVersion(session, header, { wait: waitMs, foreignKeys: false }, async (run) => {
      reverted = await revertVersion(run, session.repository, how)
      return reverted.tables
    })
    result.failed.close()
    return {
      ...versionJson(result.version, context.config.repository),
      ...told(reverted as Reverted),
      notes: [...interruptedNotes(result.interrupted), ...result.notes]
    }
  }
})

function assertRevertible({ number, kind, status }: Version): void {
  if (kind === 'baseline') {
    throw new RowbackError({
      code: 'revert.baseline',
      message: 'The baseline is what was there before the first version; there is nothing to take back of it.',
      hint: 'See the versions with: rowback log'
    })
  }
  if (kind === 'enable') {
    throw new RowbackError({
      code: 'revert.enable',
      message: `Version ${number} switched the strategy and changed no row; there is nothing to take back of it.`,
      hint: 'Switch it once more with: rowback enable snapshot|incremental'
    })
  }
  if (status === 'committed') return
  throw new RowbackError({
    code: 'version.failed',
    message: `Version ${number} left nothing that could be taken back: it is ${status}.`,
    hint: 'See the versions with: rowback log'
  })
}
