import { z } from 'zod'
import { recordStrategy } from '../config.ts'
import { RowbackError } from '../errors.ts'
import type { VersionHeader } from '../ledger/ledger.ts'
import { parseAuthor } from '../model/author.ts'
import { noCounts } from '../model/change.ts'
import type { StrategyName, TableReport, Version } from '../model/version.ts'
import { runVersion } from '../strategies/run.ts'
import { unsettledChanges } from '../strategies/schema-change.ts'
import type { LiveState } from '../strategies/session.ts'
import type { Surroundings } from '../strategies/strategy.ts'
import type { LeftTable } from '../strategies/switch.ts'
import {
  beginTracking,
  endTracking,
  keptHistories,
  planTracking,
  refusedAfterwards,
  refuseTheirRows
} from '../strategies/switch.ts'
import type { Context } from './context.ts'
import { authorship, flag, names, text, wait } from './inputs.ts'
import { interruptedNotes } from './interrupted.ts'
import { operation } from './operation.ts'
import { recoverRuns } from './recover.ts'
import type { VersionJson } from './version-json.ts'
import { rehearsedJson, versionJson } from './version-json.ts'

const input = z.object({
  strategy: z.enum(['snapshot', 'incremental']).meta({ description: 'how versions can be taken back from now on' }),
  description: text('why; "enable STRATEGY" when left out', 'TEXT', { short: 'm' }).optional(),
  table: names('only these tables; rowback.yaml stays as it is', 'TABLE[,TABLE]').optional(),
  dryRun: flag('say what would happen and change nothing'),
  yes: flag('close histories although others changed rows: earlier versions then show these rows as they are now'),
  wait,
  ...authorship
})

export interface EnableOutput extends Omit<VersionJson, 'version' | 'status'> {
  /** Null where nothing had to be done, or after a rehearsal. */
  version: number | null
  status: VersionJson['status'] | 'dry-run' | 'unchanged'
  /** Tables whose history cannot be kept, and why: they stay under snapshot. */
  left: LeftTable[]
  notes: string[]
}

export const enable = operation({
  name: 'enable',
  summary: 'switch the strategy of a database that has data, as a version',
  details: `A full backup is taken first. "enable incremental" then gives the tables a version column and a history table each; those that cannot have one are named and stay under snapshot. "enable snapshot" takes the version columns out again; the histories are closed and kept, so that every earlier version can still be read, compared and gone back to. Rows that others changed since must be recorded before, by rowback adopt: they are looked for, and refused. No row changes. rowback.yaml says the strategy for the next migrations. An interrupted switch is taken back or finished by the next command that writes, or by rowback recover.`,
  example: 'rowback enable incremental -m "keep history row by row"',
  positional: ['strategy'],
  input,
  makesDatabase: false,
  async run(context, options): Promise<EnableOutput> {
    const { strategy } = options
    const live = await context.liveState()
    const only = options.table?.map((name) => existing(live, name)) ?? null
    const run = { live, unsupported: await context.engine.unsupportedTables() }
    const plan = await planSwitch(context, strategy, run, only)
    if (only) refuseLeft(plan.left)
    else if (live.tracked.size === 0 && plan.tables.length === 0) refuseLeft(plan.left)
    const header = headerFor(context, options)
    const { left } = plan
    if (options.dryRun || plan.tables.length === 0) {
      if (strategy === 'snapshot' && !options.yes) plan.notes.push(...(await rehearseRefusal(context, live, only)))
      const status = options.dryRun ? 'dry-run' : 'unchanged'
      const notes = options.dryRun ? plan.notes : await finishEarlier(context, options, only, plan)
      return { ...rehearsedJson(header, plan.tables, new Date().toISOString()), status, left, notes }
    }
    const { version, notes } = await makeVersion(context, header, options, only)
    return { ...versionJson(version, context.config.repository), left, notes: [...notes, ...plan.notes] }
  }
})

async function makeVersion(
  context: Context,
  header: VersionHeader,
  { strategy, wait, yes }: z.output<typeof input>,
  only: readonly string[] | null
): Promise<{ version: Version; notes: string[] }> {
  const session = await context.session(wait * 1000, 'database')
  const configuration: string[] = []
  const unknown: string[] = []
  const result = await runVersion(session, header, { wait: wait * 1000, foreignKeys: true }, async (run) => {
    if (strategy === 'snapshot' && !yes) {
      unknown.push(...(await refuseTheirRows(run.engine, session.repository, run.live, only)))
    }
    const reports = await (strategy === 'incremental' ? beginTracking(run, only) : endTracking(run, only))
    // Before the commit: a switch that is interrupted after it must not leave a file that says the contrary.
    configuration.push(...configured(context, strategy, only))
    return reports
  })
  result.failed.close()
  return {
    version: result.version,
    notes: [...interruptedNotes(result.interrupted), ...result.notes, ...unknown, ...configuration]
  }
}

async function rehearseRefusal(context: Context, live: LiveState, only: readonly string[] | null): Promise<string[]> {
  const repository = await context.repository()
  return context.engine.readTransaction(() => refuseTheirRows(context.engine, repository, live, only))
}

/** Nothing has to be switched, but an earlier switch may have been interrupted after its commit. */
async function finishEarlier(
  context: Context,
  { strategy, wait }: z.output<typeof input>,
  only: readonly string[] | null,
  plan: SwitchPlan
): Promise<string[]> {
  const isLeft = (await unsettledChanges(context.ledger)).length > 0
  const { recovered, notes = [] } = isLeft ? await recoverRuns(context, wait * 1000) : { recovered: [] }
  return [...interruptedNotes(recovered), ...notes, ...plan.notes, ...configured(context, strategy, only)]
}

function existing(live: LiveState, name: string): string {
  const known = [...live.tables.map((table) => table.name), ...live.everTracked.map((tracked) => tracked.table)]
  const found = known.find((other) => other.toLowerCase() === name.toLowerCase())
  if (found !== undefined) return found
  throw new RowbackError({
    code: 'table.missing',
    message: `There is no table ${name}.`,
    hint: `There are: ${live.tables.map((table) => table.name).join(', ') || 'none'}.`
  })
}

interface SwitchPlan {
  tables: TableReport[]
  left: LeftTable[]
  notes: string[]
}

async function planSwitch(
  { engine }: Context,
  strategy: StrategyName,
  run: Surroundings,
  only: readonly string[] | null
): Promise<SwitchPlan> {
  const report = async (table: string, tracking: 'begun' | 'ended'): Promise<TableReport> => {
    const isThere = run.live.tables.some((other) => other.name === table)
    const unchanged = isThere ? await engine.countRows(table) : 0
    return { table, read: 0, ...noCounts(), unchanged, failed: 0, tracking }
  }
  const tables: TableReport[] = []
  if (strategy === 'snapshot') {
    for (const { table } of keptHistories(run.live, only)) tables.push(await report(table, 'ended'))
    return { tables, left: [], notes: tables.length === 0 ? ['No history is being kept.'] : [] }
  }
  const plan = planTracking(run, only)
  for (const { name } of plan.begin) tables.push(await report(name, 'begun'))
  const notes = tables.length === 0 ? ['There is no table whose history could be kept and is not.'] : []
  return { tables, left: plan.left, notes: [...notes, ...refusedAfterwards(run, plan)] }
}

/** @throws RowbackError `strategy.unfit` when a table that was named cannot be tracked, or none of all */
function refuseLeft(left: readonly LeftTable[]): void {
  const [first, ...others] = left
  if (!first) return
  const reasons = left.map(({ table, reason }) => `${table}: ${reason}`).join('; ')
  throw new RowbackError({
    code: 'strategy.unfit',
    message:
      others.length === 0
        ? `The history of ${first.table} cannot be kept row by row: ${first.reason}.`
        : `The history of these tables cannot be kept row by row. ${reasons}.`,
    hint: first.hint
  })
}

function headerFor(context: Context, options: z.output<typeof input>): VersionHeader {
  return {
    kind: 'enable',
    strategy: options.strategy,
    author: parseAuthor(options.author ?? context.config.author),
    description: options.description ?? `enable ${options.strategy}`,
    remarks: options.remarks ?? null,
    tag: options.tag ?? null,
    targetVersion: null,
    sourceName: null,
    sourceSha256: null
  }
}

/** Makes the next migrations use the strategy, as far as a file says what they use. */
function configured({ config }: Context, strategy: StrategyName, only: readonly string[] | null): string[] {
  if (only !== null) return [`Other tables go on as before; the next migrations use ${config.strategy ?? 'snapshot'}.`]
  switch (recordStrategy(config, strategy)) {
    case 'written':
      return [`rowback.yaml says strategy: ${strategy} now.`]
    case 'said':
      return []
    case 'failed':
      return [`rowback.yaml could not be written. Write into it: strategy: ${strategy}`]
    case 'none':
      return strategy === 'snapshot'
        ? []
        : [
            `Other tables still use snapshot: add --strategy ${strategy}, or write strategy: ${strategy} into rowback.yaml.`
          ]
  }
}
