import { z } from 'zod'
import { RowbackError } from '../errors.ts'
import type { WriteCounts } from '../model/change.ts'
import { count as countChange, noCounts } from '../model/change.ts'
import { compareStates } from '../strategies/changes.ts'
import { headOf } from '../strategies/lifetimes.ts'
import type { ChangeJson } from './change-json.ts'
import { changeJson } from './change-json.ts'
import { count, text, versionReference } from './inputs.ts'
import { operation } from './operation.ts'

export interface DiffOutput {
  from: number
  to: number
  /** Tables that could not be compared, and why. */
  notes: string[]
  tables: (Omit<WriteCounts, 'unchanged'> & { table: string; rows: ChangeJson[] })[]
}

export const diff = operation({
  name: 'diff',
  summary: 'compare the states that two versions left, row by row and cell by cell',
  details: `Without the second version the comparison is with the head: the data as it is now, under the snapshot strategy with what others changed since. Under it the state of a version is the backup taken before the next one.`,
  example: 'rowback diff 1 2 --table customers',
  positional: ['from', 'to'],
  input: z.object({
    from: versionReference('the earlier version'),
    to: versionReference('the later version; the head when left out').optional(),
    table: text('only this table', 'TABLE').optional(),
    limit: count('show at most so many rows of each table; all are counted').optional()
  }),
  makesDatabase: false,
  async run(context, options): Promise<DiffOutput> {
    const live = await context.liveState()
    const from = await context.versionNumber(options.from)
    const to = options.to === undefined ? headOf(live.versions) : await context.versionNumber(options.to)
    const compared = await compareStates(
      context.engine,
      live,
      await context.repository(),
      from,
      to,
      options.table ?? null
    )
    if (options.table !== undefined && compared.length === 0) throw unknownTable(options.table, from, to)
    const tables: DiffOutput['tables'] = []
    for (const { table, columns, key, changes } of compared) {
      const { unchanged: _none, ...counts } = noCounts()
      const rows: ChangeJson[] = []
      for await (const change of changes()) {
        countChange(counts as WriteCounts, change)
        if (rows.length < (options.limit ?? Number.POSITIVE_INFINITY)) rows.push(changeJson(change, columns, key))
      }
      if (counts.inserted + counts.updated + counts.deleted > 0) tables.push({ table, ...counts, rows })
    }
    const notes = compared.map(({ note }) => note).filter((note) => note !== null)
    return { from, to, notes, tables }
  }
})

function unknownTable(table: string, from: number, to: number): RowbackError {
  return new RowbackError({
    code: 'table.missing',
    message: `There was no table ${table}, neither at version ${from} nor at ${to}.`,
    hint: 'See the tables with: rowback inspect'
  })
}
