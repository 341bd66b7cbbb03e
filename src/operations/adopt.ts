import { z } from 'zod'
import type { VersionHeader } from '../ledger/ledger.ts'
import { parseAuthor } from '../model/author.ts'
import type { DriftJson } from '../model/drift.ts'
import { driftJson } from '../model/drift.ts'
import type { Adopted } from '../strategies/adopt.ts'
import { adopt as adoptChanges } from '../strategies/adopt.ts'
import { rehearse, runVersion } from '../strategies/run.ts'
import { authorship, flag, names, text, wait } from './inputs.ts'
import { interruptedNotes } from './interrupted.ts'
import { operation } from './operation.ts'
import type { VersionJson } from './version-json.ts'
import { rehearsedJson, versionJson } from './version-json.ts'

export interface AdoptOutput extends Omit<VersionJson, 'version' | 'status'> {
  /** Null after a rehearsal. */
  version: number | null
  status: VersionJson['status'] | 'dry-run'
  /** A few of the rows of each table. */
  drift: DriftJson[]
  notes: string[]
}

export const adopt = operation({
  name: 'adopt',
  summary: 'record what others changed under the incremental strategy, as a version of its own',
  details: `Others are all who write the tables past rowback. No cell changes: their rows get the number of the new version, and the rows that they changed or deleted go to history as the version before left them. So what they did can be shown, compared, blamed on this version, rolled back and reverted.

It is found as status --drift finds it: the backup, the change sets and all rows of each table are read. Tables that are not under the incremental strategy are left alone: the backup before the next version has what others changed in them.`,
  example: 'rowback adopt -m "Prices corrected by hand" --dry-run',
  positional: [],
  input: z.object({
    description: text('what others did; "adopted: changed outside rowback" when left out', 'TEXT', {
      short: 'm'
    }).optional(),
    table: names('only these tables', 'TABLE,...').optional(),
    dryRun: flag('say what would be recorded and change nothing'),
    wait,
    ...authorship
  }),
  makesDatabase: false,
  whenInterrupted: ({ dryRun }) => (dryRun ? 'refuse' : 'recover'),
  async run(context, options): Promise<AdoptOutput> {
    const header: VersionHeader = {
      kind: 'adopt',
      strategy: 'incremental',
      author: parseAuthor(options.author ?? context.config.author),
      description: options.description ?? 'adopted: changed outside rowback',
      remarks: options.remarks ?? null,
      tag: options.tag ?? null,
      targetVersion: null,
      sourceName: null,
      sourceSha256: null
    }
    const only = options.table ?? null
    const waitMs = options.wait * 1000
    const how = { wait: waitMs, foreignKeys: false }
    if (options.dryRun) {
      const repository = await context.repository()
      const startedAt = new Date().toISOString()
      const live = await context.liveState()
      const { result, failed } = await rehearse(context.engine, live, how, (run) => adoptChanges(run, repository, only))
      failed.close()
      return { ...rehearsedJson(header, result.tables, startedAt), ...told(result, []) }
    }
    const session = await context.session(waitMs)
    let adopted: Adopted | undefined
    const result = await runVersion(session, header, how, async (run) => {
      adopted = await adoptChanges(run, session.repository, only)
      return adopted.tables
    })
    result.failed.close()
    return {
      ...versionJson(result.version, context.config.repository),
      ...told(adopted as Adopted, [...interruptedNotes(result.interrupted), ...result.notes])
    }
  }
})

function told({ drift, notes }: Adopted, more: readonly string[]): Pick<AdoptOutput, 'drift' | 'notes'> {
  return { drift: drift.map(driftJson), notes: [...more, ...notes] }
}
