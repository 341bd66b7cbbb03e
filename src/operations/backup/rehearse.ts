import { z } from 'zod'
import { ExitCode } from '../../errors.ts'
import type { Rehearsal } from '../../strategies/rehearse-restore.ts'
import { rehearseRestore } from '../../strategies/rehearse-restore.ts'
import { versionReference } from '../inputs.ts'
import { operation } from '../operation.ts'

export type { Rehearsal } from '../../strategies/rehearse-restore.ts'

export const backupRehearse = operation({
  name: 'backup rehearse',
  summary: 'restore a backup into a scratch database, compare every row, and drop it again',
  details: `Without a version the newest backup is taken. On SQLite the scratch database is a temporary file; on MySQL and MariaDB it is called DATABASE_rowback_rehearsal_..., which takes the privilege to make it. Exit code 7 tells that a row differs.`,
  example: 'rowback backup rehearse',
  positional: ['version'],
  input: z.object({ version: versionReference('the version whose state is restored').optional() }),
  makesDatabase: false,
  async run(context, { version }): Promise<Rehearsal> {
    const { engine, signal } = context
    const at = version === undefined ? null : await context.versionNumberOrTime(version)
    const repository = await context.repository()
    return engine.readTransaction(async () =>
      rehearseRestore(engine, await context.liveState(), repository, at, signal)
    )
  },
  exitCode: ({ tables }) => (tables.some((table) => table.differing > 0) ? ExitCode.backupDamaged : ExitCode.done)
})
