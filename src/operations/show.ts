import { z } from 'zod'
import { versionReference } from './inputs.ts'
import { operation } from './operation.ts'
import type { VersionJson } from './version-json.ts'
import { versionJson } from './version-json.ts'

export const show = operation({
  name: 'show',
  summary: 'show one version, whole',
  details: '',
  example: 'rowback show 3',
  positional: ['version'],
  input: z.object({ version: versionReference('the version') }),
  makesDatabase: false,
  async run(context, { version }): Promise<VersionJson> {
    return versionJson(await context.ledger.version(await context.versionNumber(version)), context.config.repository)
  }
})
