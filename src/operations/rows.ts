import { z } from 'zod'
import { usageError } from '../errors.ts'
import type { FailedRow } from '../model/failed-row.ts'
import type { Version } from '../model/version.ts'
import { compareStates } from '../strategies/changes.ts'
import { committed } from '../strategies/lifetimes.ts'
import type { ChangeJson } from './change-json.ts'
import { changeJson } from './change-json.ts'
import type { Context } from './context.ts'
import { count, flag, text, versionReference } from './inputs.ts'
import { operation } from './operation.ts'

/** A row that a version wrote. */
export interface SucceededRow extends ChangeJson {
  table: string
}

export interface RowsOutput {
  version: number
  which: 'failed' | 'succeeded'
  rows: FailedRow[] | SucceededRow[]
}

export const rows = operation({
  name: 'rows',
  summary: 'the rows of a version: those that failed, or those that succeeded',
  details: `Failed rows come with their line in the source, column, code, reason and the row as it was. Succeeded rows are those that the version inserted, updated or deleted, before and after; rows that were the same already are only counted.`,
  example: 'rowback rows 3 --failed',
  positional: ['version'],
  input: z.object({
    version: versionReference('the version'),
    failed: flag('the rows that failed; so it is when nothing else is said'),
    succeeded: flag('the rows that the version wrote'),
    table: text('only rows of this table', 'TABLE').optional(),
    limit: count('at most so many rows').optional()
  }),
  makesDatabase: false,
  whenInterrupted: ({ succeeded }) => (succeeded ? 'refuse' : null),
  async run(context, options): Promise<RowsOutput> {
    if (options.failed && options.succeeded)
      throw usageError('rows.both', 'Rows either failed or succeeded.', 'Choose one of --failed and --succeeded.')
    const number = await context.versionNumber(options.version)
    const version = await context.ledger.version(number)
    const limit = options.limit ?? Number.POSITIVE_INFINITY
    const wanted = (table: string) => options.table === undefined || options.table.toLowerCase() === table.toLowerCase()
    if (!options.succeeded) {
      const failed: FailedRow[] = []
      for await (const row of context.ledger.failedRows(number)) {
        if (failed.length >= limit) break
        if (wanted(row.table)) failed.push(row)
      }
      return { version: number, which: 'failed', rows: failed }
    }
    const succeeded: SucceededRow[] = []
    for await (const row of succeededRows(context, version)) {
      if (succeeded.length >= limit) break
      if (wanted(row.table)) succeeded.push(row)
    }
    return { version: number, which: 'succeeded', rows: succeeded }
  }
})

/** Streams the rows that a version inserted, updated or deleted. */
export async function* succeededRows(context: Context, version: Version): AsyncIterable<SucceededRow> {
  if (version.status !== 'committed' || version.number === 0) return
  const live = await context.liveState()
  const before = committed(live.versions).findLast((earlier) => earlier.number < version.number)?.number ?? 0
  const repository = await context.repository()
  for (const name of new Set(version.tables.map((report) => report.table))) {
    const compared = await compareStates(context.engine, live, repository, before, version.number, name)
    for (const { table, columns, key, changes } of compared) {
      for await (const change of changes()) yield { table, ...changeJson(change, columns, key) }
    }
  }
}
