import { z } from 'zod'
import { operation } from '../operation.ts'
import type { BackupJson } from './backup-json.ts'
import { backupJson } from './backup-json.ts'

export const backupList = operation({
  name: 'backup list',
  summary: 'the full backups: when, by which version, how many rows, and what each added on disk',
  details: '',
  example: 'rowback backup list',
  positional: [],
  input: z.object({}),
  makesDatabase: false,
  async run(context): Promise<{ backups: BackupJson[] }> {
    const repository = await context.repository()
    const backups = (await repository?.backups()) ?? []
    return { backups: backups.map(({ name, manifest }) => backupJson(name, manifest)).reverse() }
  }
})
