import { relative } from 'node:path'
import { z } from 'zod'
import { assertNoConfigFile, withoutPassword, writeConfigFile } from '../config.ts'
import { text, wait } from './inputs.ts'
import { operation } from './operation.ts'

export interface InitOutput {
  configuration: string
  database: string
  tables: string[]
  notes: string[]
}

export const init = operation({
  name: 'init',
  summary: 'write rowback.yaml and record what is there as the baseline',
  details: 'The configuration names the target, the strategy and where backups are kept. Nothing in the data changes.',
  example: 'rowback init --target sqlite:shop.db --strategy incremental',
  positional: [],
  input: z.object({
    strategy: z
      .enum(['snapshot', 'incremental'])
      .default('snapshot')
      .meta({ description: 'how versions can be taken back' }),
    author: text('who does this, unless a command says otherwise', 'WHO').optional(),
    wait
  }),
  makesDatabase: true,
  async run(context, options): Promise<InitOutput> {
    const { target, repository } = context.config
    assertNoConfigFile()
    await context.session(options.wait * 1000)
    const path = writeConfigFile({
      target: withoutPassword(target),
      repository: relative(process.cwd(), repository) || repository,
      strategy: options.strategy,
      ...(options.author !== undefined && { author: options.author })
    })
    const { tables } = await context.liveState()
    return {
      configuration: relative(process.cwd(), path),
      database: context.engine.database,
      tables: tables.map((table) => table.name),
      notes:
        withoutPassword(target) === target
          ? []
          : ['The password is not written to the file: set ROWBACK_PASSWORD wherever rowback runs.']
    }
  }
})
