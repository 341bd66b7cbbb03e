import { z } from 'zod'
import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { VersionHeader } from '../ledger/ledger.ts'
import type { DriftJson } from '../model/drift.ts'
import { driftJson, driftsInWords } from '../model/drift.ts'
import type { Repository } from '../store/repository.ts'
import type { Drift } from '../strategies/find-drift.ts'
import { DriftFinder, leftByHead, noDrift } from '../strategies/find-drift.ts'
import { headOf } from '../strategies/lifetimes.ts'
import { assertHistoryThere } from '../strategies/lost-history.ts'
import { readLeft } from '../strategies/read-left.ts'
import { proveReplayed } from '../strategies/rebuild-at.ts'
import { findRoute, rollBack } from '../strategies/rollback.ts'
import { describeRoute, planRoute } from '../strategies/route.ts'
import { rehearse, runVersion } from '../strategies/run.ts'
import { changedObjectNotes } from '../strategies/schema-objects.ts'
import type { LiveState } from '../strategies/session.ts'
import { assertHasVersions, stayingColumns } from '../strategies/table-shapes.ts'
import type { Context } from './context.ts'
import { authorship, flag, scope, text, versionReference, wait } from './inputs.ts'
import { interruptedNotes } from './interrupted.ts'
import { operation } from './operation.ts'
import { undoHeader } from './undo-header.ts'
import type { VersionJson } from './version-json.ts'
import { rehearsedJson, versionJson } from './version-json.ts'

const input = z.object({
  version: versionReference(
    'the version to go back (or forward) to; 0 is what was there before the first, the head what others changed since'
  ),
  description: text('why; "rollback to N" when left out', 'TEXT', { short: 'm' }).optional(),
  scope,
  dryRun: flag('say what would happen and change nothing'),
  yes: flag(
    'overwrite rows that others changed since, or may have, and make tables again whose columns others changed'
  ),
  wait,
  ...authorship
})

export interface RollbackOutput extends Omit<VersionJson, 'version' | 'status'> {
  version: number | null
  status: VersionJson['status'] | 'dry-run'
  /** How each table gets there, in words. */
  route: string[]
  /** Rows of others that were overwritten, or would be; they are in the backup taken before, or in history. */
  drift: DriftJson[]
  notes: string[]
}

export const rollback = operation({
  name: 'rollback',
  summary: 'bring the data back to what an earlier version left, as a new version',
  details: `The present state is backed up first (snapshot) or kept in history (incremental), so that a rollback can itself be rolled back: history is never rewritten. A table that a later version made is dropped; going forward again makes it anew. Rows that others changed since, and that would be overwritten, are named and need --yes, and so does a table of which that is not known because the record of what a version left is lost; under incremental it looks at those rows alone that it touches, and rowback status --drift at all.`,
  example: 'rowback rollback 6 -m "the Q3 file was wrong"',
  positional: ['version'],
  input,
  makesDatabase: false,
  whenInterrupted: ({ dryRun }) => (dryRun ? 'refuse' : 'recover'),
  async run(context, options): Promise<RollbackOutput> {
    const to = await context.versionNumber(options.version)
    const live = await context.liveState()
    assertReachable(live, (await context.ledger.version(to)).number)
    const description = options.description ?? `rollback to ${to}`
    const header = undoHeader(context, live, options, { kind: 'rollback', description, targetVersion: to })
    const repository = await context.repository()
    if (to === headOf(live.versions)) await assertDrifted(context.engine, live, repository, to)
    const { tables: steps, stored } = await findRoute(live, repository, to)
    for (const step of steps) {
      if ('table' in step) assertHasVersions(context.engine, step.table)
      // What was ended is only read, and that from the repository.
      const isEnded = step.kind === 'revive' && step.isEnded
      if ('tracked' in step && step.tracked && !isEnded) assertHistoryThere(step.tracked)
    }
    // A damaged backup is found before anything begins.
    await repository?.prove(steps.flatMap((step) => ('stored' in step ? [step.stored] : [])))
    await proveReplayed(repository, live, steps, to)
    // By what versions left it is told what others changed: a record that is damaged is found here, too.
    if (!options.yes) for (const version of live.versions) if (version.number > to) await readLeft(repository, version)
    const told = {
      route: steps.map(describeRoute),
      notes: [
        ...(stored ? await changedObjectNotes(context.engine, stored) : []),
        ...steps.flatMap((step) => (step.kind === 'undo' ? stayingColumns(step.tracked, step.table, to) : []))
      ]
    }
    return options.dryRun
      ? rehearseRollback(context, header, live, to, told, options.yes)
      : makeVersion(context, header, options, to, told)
  }
})

function assertReachable(live: LiveState, to: number): void {
  const version = live.versions.find((entry) => entry.number === to)
  if (version?.status !== 'committed') {
    throw new RowbackError({
      code: 'version.failed',
      message: `Version ${to} left nothing: it is ${version?.status ?? 'unknown'}.`,
      hint: `Go to the version before it: rowback rollback ${Math.max(0, to - 1)}`
    })
  }
}

/**
 * Going back to the head only takes away what others changed since.
 * @throws RowbackError `rollback.head` when there is nothing to do, or nothing is known
 */
async function assertDrifted(
  engine: Engine,
  live: LiveState,
  repository: Repository | null,
  to: number
): Promise<void> {
  const left = await leftByHead(repository, live)
  const finder = repository && new DriftFinder(engine, repository, live)
  const tables = left ? planRoute(live, to, left) : []
  const drift = left && (await engine.readTransaction(async () => finder?.onRoute(tables, to, null)))
  if (drift && (drift.tables.length > 0 || tables.some((step) => step.kind === 'rebuild'))) return
  const theirs = await engine.readTransaction(async () => finder?.inHistories([...live.tracked.values()]))
  if (theirs && theirs.tables.length > 0) throw toBeAdopted(theirs, to)
  if (!drift) {
    throw new RowbackError({
      code: 'rollback.head',
      message: `Version ${to} is the head, and what it left is not on record, so it is not known what others changed since.`,
      hint: 'Choose an earlier version; see them with: rowback log'
    })
  }
  throw new RowbackError({
    code: 'rollback.head',
    message: `Version ${to} is the head, and no row was changed since by others: there is nothing to do.`,
    hint: 'To go further back, choose an earlier version; see them with: rowback log'
  })
}

/** Under the incremental strategy a rollback undoes versions, and what others did is none until it is adopted. */
function toBeAdopted(drift: Drift, to: number): RowbackError {
  const tables = drift.tables.map(driftJson)
  return new RowbackError({
    code: 'rollback.head',
    message: `Version ${to} is the head, and others changed ${driftsInWords(tables)} since, under the incremental strategy: a rollback takes that back once it is a version.`,
    hint: `Record it: rowback adopt. Then take it back: rowback rollback ${to}. To see it: rowback status --drift`,
    details: { drift: tables }
  })
}

/** What is said of a rollback before it begins. */
type Told = Pick<RollbackOutput, 'route' | 'notes'>

async function makeVersion(
  context: Context,
  header: VersionHeader,
  options: z.output<typeof input>,
  to: number,
  told: Told
): Promise<RollbackOutput> {
  const waitMs = options.wait * 1000
  const session = await context.session(waitMs, options.scope)
  let drift = noDrift()
  const result = await runVersion(session, header, { wait: waitMs, foreignKeys: false }, async (run) => {
    const done = await rollBack(run, session.repository, {
      to,
      alwaysBackUp: header.strategy === 'snapshot',
      overwriteDrift: options.yes,
      reshape: options.yes
    })
    drift = done.drift
    return done.reports
  })
  result.failed.close()
  return {
    ...versionJson(result.version, context.config.repository),
    route: told.route,
    drift: drift.tables.map(driftJson),
    notes: [...interruptedNotes(result.interrupted), ...result.notes, ...told.notes, ...drift.notes]
  }
}

async function rehearseRollback(
  context: Context,
  header: VersionHeader,
  live: LiveState,
  to: number,
  told: Told,
  overwriteDrift: boolean
): Promise<RollbackOutput> {
  const repository = await context.repository()
  const startedAt = new Date().toISOString()
  const { result, failed } = await rehearse(context.engine, live, { wait: 0, foreignKeys: false }, (run) =>
    rollBack(run, repository, { to, alwaysBackUp: false, overwriteDrift, reshape: true })
  )
  failed.close()
  const { reports, drift } = result
  return {
    ...rehearsedJson(header, reports, startedAt),
    route: told.route,
    drift: drift.tables.map(driftJson),
    notes: [...told.notes, ...drift.notes]
  }
}
