import { z } from 'zod'
import { count } from './inputs.ts'
import { operation } from './operation.ts'
import type { VersionJson } from './version-json.ts'
import { versionJson } from './version-json.ts'

export interface LogOutput {
  versions: VersionJson[]
}

export const log = operation({
  name: 'log',
  summary: 'list the versions, newest first',
  details: '',
  example: 'rowback log',
  positional: [],
  input: z.object({ limit: count('at most so many versions').optional() }),
  makesDatabase: false,
  async run(context, { limit }): Promise<LogOutput> {
    const versions = (await context.ledger.versions()).reverse()
    return { versions: versions.slice(0, limit).map((version) => versionJson(version, context.config.repository)) }
  }
})
