import { z } from 'zod'
import { ExitCode } from '../errors.ts'
import type { DriftJson } from '../model/drift.ts'
import { driftJson } from '../model/drift.ts'
import type { Version } from '../model/version.ts'
import { changedTables } from '../strategies/carry-schema.ts'
import { DriftFinder } from '../strategies/find-drift.ts'
import { headOf } from '../strategies/lifetimes.ts'
import { historyGone } from '../strategies/lost-history.ts'
import { missingBackups } from '../strategies/recovery.ts'
import { unsettledChanges } from '../strategies/schema-change.ts'
import { describeChanges, madeAgain } from '../strategies/table-shapes.ts'
import type { Context } from './context.ts'
import { flag } from './inputs.ts'
import { operation } from './operation.ts'
import type { VersionJson } from './version-json.ts'
import { versionJson } from './version-json.ts'

export interface StatusOutput {
  database: string
  engine: string
  /** The newest version that left something; null where nothing was migrated yet. */
  head: VersionJson | null
  versions: number
  /** `historySince`: the version from which on the history of a tracked table is in the database; left out where it is all there. */
  tables: { table: string; rows: number; tracked: boolean; historySince?: number }[]
  /** Runs that did not end; the next one marks them as failed, or `recover` does. */
  interrupted: VersionJson[]
  /** Schema changes of versions that are over, or were interrupted, and that `recover` finishes or takes back. */
  unsettled: string[]
  /** Backups of the ledger that are not in the repository, its folder, and the versions that cannot be gone back to. */
  missing: { repository: string; backups: string[]; versions: number[] }
  /** What others did to the columns of tables whose history is kept; the next version, or `recover`, carries it there. */
  changedColumns: string[]
  /** Tables whose history is kept that others took away and made again, and what is to be done; sentences. */
  madeAgain: string[]
  /** Histories that others took away; sentences. */
  lostHistories: string[]
  /** Versions whose entry in the ledger was altered. */
  alteredVersions: number[]
  /** What others changed since the head; null where it was not asked for. */
  drift: { tables: DriftJson[]; notes: string[] } | null
}

export const status = operation({
  name: 'status',
  summary:
    'where the database stands: head, tables, interrupted runs, missing backups, and whether the ledger is whole',
  details:
    'With --drift the rows of each table are compared with what the last version that wrote it left, so all of them are read, as a backup reads them. Of a table under the incremental strategy that is made of its backup and change sets, which are read too. To bring the rows of other tables back to what the head left: rowback rollback HEAD --yes. To record what others changed under the incremental strategy as a version: rowback adopt.',
  example: 'rowback status --drift',
  positional: [],
  input: z.object({ drift: flag('say which rows others changed since the head; reads all rows') }),
  makesDatabase: false,
  exitCode(output: StatusOutput) {
    if (output.interrupted.length + output.unsettled.length > 0) return ExitCode.interrupted
    return output.missing.backups.length + output.lostHistories.length > 0 ? ExitCode.backupDamaged : ExitCode.done
  },
  async run(context, options): Promise<StatusOutput> {
    const { engine, ledger } = context
    const live = await context.liveState()
    const head = live.versions.find((version) => version.number === headOf(live.versions))
    const tables: StatusOutput['tables'] = []
    for (const table of live.tables) {
      const tracked = live.tracked.get(table.name)
      const historySince = tracked && !tracked.isLost ? tracked.keptFrom : 0
      tables.push({
        table: table.name,
        rows: await engine.countRows(table.name),
        tracked: tracked !== undefined,
        ...(historySince > 0 && { historySince })
      })
    }
    return {
      database: engine.database,
      engine: engine.product,
      head: head ? versionJson(head, context.config.repository) : null,
      versions: live.versions.length,
      tables,
      interrupted: live.versions
        .filter((version) => version.status === 'pending')
        .map((version) => versionJson(version, context.config.repository)),
      unsettled: await unsettledChanges(ledger),
      missing: { repository: context.config.repository, ...(await missing(context, live.versions)) },
      changedColumns: (await changedTables(engine, live)).map(({ table, changes }) =>
        describeChanges(table.name, changes)
      ),
      madeAgain: live.tables.filter(({ lacksVersions }) => lacksVersions).map(({ name }) => madeAgain(engine, name)),
      lostHistories: live.everTracked
        .filter(({ isLost }) => isLost)
        .map(({ table, history }) => `${historyGone(table, history)} ${wayOn(live.tables, table)}`),
      alteredVersions: ledger.exists ? await ledger.brokenLinks() : [],
      drift: options.drift ? await findDrift(context) : null
    }
  }
})

/** Only for a table that is there can a history be made again. */
function wayOn(tables: readonly { name: string }[], table: string): string {
  return tables.some(({ name }) => name === table)
    ? 'No version can write the table before it is made again: rowback recover'
    : 'What it held is in the repository alone.'
}

async function findDrift(context: Context): Promise<StatusOutput['drift']> {
  const repository = await context.repository()
  if (!repository) return { tables: [], notes: [] }
  const { tables, notes } = await context.engine.readTransaction(async () =>
    new DriftFinder(context.engine, repository, await context.liveState()).sinceHead()
  )
  return { tables: tables.map(driftJson), notes }
}

async function missing(context: Context, versions: readonly Version[]): ReturnType<typeof missingBackups> {
  const repository = await context.repository()
  return repository ? missingBackups(versions, repository) : { backups: [], versions: [] }
}
