import { z } from 'zod'
import { takeAnchor } from '../../strategies/anchor.ts'
import { headOf } from '../../strategies/lifetimes.ts'
import { readLiveState } from '../../strategies/session.ts'
import { wait } from '../inputs.ts'
import { lossOf } from '../lost-repository.ts'
import { operation } from '../operation.ts'
import type { BackupJson } from './backup-json.ts'
import { backupJson } from './backup-json.ts'

export const backupCreate = operation({
  name: 'backup create',
  summary: 'back up all tables in full, as they are now',
  details: `Ranges of rows that did not change since an earlier backup cost nothing. A backup is also taken before each migration under the snapshot strategy. Where the repository is lost, this begins a new one.`,
  example: 'rowback backup create',
  positional: [],
  input: z.object({ wait }),
  makesDatabase: false,
  whenInterrupted: () => 'recover',
  async run(context, options): Promise<BackupJson> {
    const waitMs = options.wait * 1000
    const lost = await context.beginAnew(waitMs)
    const { engine, ledger, repository, signal } = await context.session(waitMs)
    const name = await engine.exclusively(waitMs, () =>
      engine.transaction({ wait: waitMs, foreignKeys: false }, async () => {
        const live = await readLiveState(engine, ledger)
        const database = await ledger.ensure(0, '')
        const { versions } = live
        const state = headOf(versions)
        const about = { state, version: null, versions, scope: 'database', database, signal } as const
        return takeAnchor(engine, repository, live.tables, about)
      })
    )
    const backup = backupJson(name, await repository.manifest(name))
    backup.notes.unshift(...context.recovered)
    if (lost.length > 0)
      backup.notes = [`Earlier backups are lost: this begins a new repository. ${lossOf(lost)}`, ...backup.notes]
    return backup
  }
})
