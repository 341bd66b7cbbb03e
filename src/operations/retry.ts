import { z } from 'zod'
import { RowbackError, usageError } from '../errors.ts'
import type { TableRequest } from '../migrate/request.ts'
import { parseAuthor } from '../model/author.ts'
import type { TableReport, Version } from '../model/version.ts'
import type { Context } from './context.ts'
import { authorship, flag, scope, text, versionReference, wait } from './inputs.ts'
import type { Job, MigrateOutput } from './migrate.ts'
import { migrate, runMigration } from './migrate.ts'
import { operation } from './operation.ts'

const input = z.object({
  version: versionReference('the version whose rows failed'),
  file: text('the corrected rows', 'FILE'),
  description: text('what was corrected; made from the version when left out', 'TEXT', { short: 'm' }).optional(),
  table: text('the table, where the version wrote several', 'TABLE').optional(),
  scope,
  dryRun: flag('say what would happen and change nothing'),
  wait,
  ...authorship
})

export const retry = operation({
  name: 'retry',
  summary: 'submit the corrected failed rows of a version, as a new version',
  details: `The file is the one that the migration wrote under .rowback/failed, corrected; its columns _line, _column, _code and _reason are left out. Rows go into the same table by the same key; of mirror and replace only the upsert is repeated.`,
  example: 'rowback retry 3 .rowback/failed/3-customers.csv -m "corrected"',
  positional: ['version', 'file'],
  input,
  makesDatabase: false,
  whenInterrupted: ({ dryRun }) => (dryRun ? 'refuse' : 'recover'),
  ...(migrate.exitCode && { exitCode: migrate.exitCode }),
  async run(context, options): Promise<MigrateOutput> {
    const version = await context.ledger.version(await context.versionNumber(options.version))
    const reports = version.tables.filter(
      (report) => options.table === undefined || report.table.toLowerCase() === options.table.toLowerCase()
    )
    const [report] = reports
    if (version.kind !== 'migrate' || !report) {
      throw new RowbackError({
        code: 'retry.nothing',
        message: `Version ${version.number} did not load ${options.table ?? 'a file'}.`,
        hint: 'Choose the version whose rows failed; see them with: rowback log'
      })
    }
    const tables = [...new Set(reports.map((other) => other.table))]
    if (tables.length > 1) {
      throw usageError(
        'retry.table',
        `Version ${version.number} wrote several tables.`,
        `Say which: --table ${tables.join(' | --table ')}`
      )
    }
    return runMigration(context, jobFor(context, options, version, report), options.dryRun)
  }
})

function jobFor(context: Context, options: z.output<typeof input>, version: Version, report: TableReport): Job {
  const { table, mode, key, rules } = report
  const repeated = mode === 'mirror' || mode === 'replace' ? (key ? 'upsert' : 'insert') : (mode ?? null)
  return {
    requests: [
      {
        source: options.file,
        table,
        key: key ?? null,
        mode: repeated,
        create: false,
        columns: (rules as TableRequest['columns'] | undefined) ?? null,
        options: {}
      }
    ],
    header: {
      kind: 'migrate',
      strategy: version.strategy,
      author: parseAuthor(options.author ?? context.config.author),
      description: options.description ?? `retry of the failed rows of version ${version.number}`,
      remarks: options.remarks ?? null,
      tag: options.tag ?? null,
      targetVersion: null,
      sourceName: null,
      sourceSha256: null
    },
    policy: { onFailure: 'skip', maxFailed: null },
    scope: options.scope,
    wait: options.wait * 1000
  }
}
