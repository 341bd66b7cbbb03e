import { z } from 'zod'
import { RowbackError, usageError } from '../errors.ts'
import type { WriteCounts } from '../model/change.ts'
import { count as countChange, noCounts } from '../model/change.ts'
import type { TableChanges } from '../strategies/changes.ts'
import { compareStates } from '../strategies/changes.ts'
import { diffSql } from '../strategies/diff-sql.ts'
import { headOf } from '../strategies/lifetimes.ts'
import type { ColumnChanges } from '../strategies/shape.ts'
import type { ChangeJson } from './change-json.ts'
import { changeJson } from './change-json.ts'
import type { Context } from './context.ts'
import { diffCsv } from './diff-csv.ts'
import { count, flag, text, versionReference } from './inputs.ts'
import { operation } from './operation.ts'

export interface DiffOutput {
  from: number
  to: number
  /** What is not compared in whole, and why. */
  notes: string[]
  tables: TableDiff[]
  /** Statements that make the later state of the earlier one, where they were asked for. */
  sql?: string
  /** The changes cell by cell, where they were asked for so. */
  csv?: string
}

export interface TableDiff extends Omit<WriteCounts, 'unchanged'> {
  table: string
  /** What became of its columns; left out where nothing did. */
  columns?: ColumnChanges
  rows: ChangeJson[]
}

interface DiffInput {
  from: string
  to?: string | undefined
  table?: string | undefined
  limit?: number | undefined
  sql: boolean
  csv: boolean
}

export const diff = operation({
  name: 'diff',
  summary: 'compare the states that two versions left, row by row and cell by cell',
  details: `Without the second version the comparison is with the head: the data as it is now, under the snapshot strategy with what others changed since. Under it the state of a version is the backup taken before the next one. Where the columns of a table are not the same in both states, it says what became of them, and compares the rows in the columns that both have. With --csv each line is a cell that differs, for a spreadsheet: table, change, key, column, before, after; a row that came or went has a line for each of its cells, NULL is an empty cell, and empty text is in quotes. With --sql the answer is a script for mysql, mariadb or sqlite3 that makes the second state of the first, its rows in one transaction. Triggers are dropped before and made again after, because what they did is among the changes; on MySQL and MariaDB that, and making and dropping whole tables, is not part of the transaction.`,
  example: 'rowback diff 1 2 --table customers',
  positional: ['from', 'to'],
  input: z.object({
    from: versionReference('the earlier version'),
    to: versionReference('the later version; the head when left out').optional(),
    table: text('only this table', 'TABLE').optional(),
    limit: count('show at most so many rows of each table; all are counted').optional(),
    sql: flag('print SQL that turns the first state into the second'),
    csv: flag('print a CSV with a line for each cell that differs')
  }),
  makesDatabase: false,
  whenInterrupted: () => 'refuse',
  async run(context, options): Promise<DiffOutput> {
    if (options.sql && options.csv) {
      throw usageError('diff.both', 'A diff is printed in one form.', 'Choose one of --sql and --csv.')
    }
    // The rows are read more than once for a script, which must be of one moment.
    return options.sql ? context.engine.readTransaction(() => compare(context, options)) : compare(context, options)
  }
})

async function compare(context: Context, options: DiffInput): Promise<DiffOutput> {
  const whole = options.sql ? await context.liveState() : null
  const live = whole ?? (await context.liveToRead())
  const from = await context.versionNumber(options.from, live.versions)
  const to = options.to === undefined ? headOf(live.versions) : await context.versionNumber(options.to, live.versions)
  const repository = await context.repositoryIfNeeded(live, Math.min(from, to))
  const compared = await compareStates(context.engine, live, repository, from, to, options.table ?? null)
  if (options.table !== undefined && compared.length === 0) throw unknownTable(options.table, from, to)
  const tables: DiffOutput['tables'] = []
  for (const { table, columns, key, changes, columnChanges } of compared) {
    const { unchanged: _none, ...counts } = noCounts()
    const rows: ChangeJson[] = []
    for await (const change of changes()) {
      countChange(counts as WriteCounts, change)
      if (rows.length < (options.limit ?? Number.POSITIVE_INFINITY)) rows.push(changeJson(change, columns, key))
    }
    if (counts.inserted + counts.updated + counts.deleted > 0 || columnChanges) {
      tables.push({ table, ...counts, ...(columnChanges && { columns: columnChanges }), rows })
    }
  }
  const partial = compared.filter(({ isPartial }) => isPartial)
  const noted = partial.map((one) => ({ table: one.table, note: partialNote(one, options.sql) }))
  const unkept = compared.flatMap(({ note }) => note ?? [])
  const notes = [...noted.map(({ note }) => note), ...unkept]
  if (options.csv) return { from, to, notes, tables, csv: diffCsv(tables, noted) }
  if (whole === null) return { from, to, notes, tables }
  const sql = await diffSql(context.engine, whole, repository, { from, to }, compared)
  return { from, to, notes, tables, sql }
}

function partialNote({ table, columns }: TableChanges, isScript: boolean): string {
  const differ = `The columns of ${table} are not the same in both states`
  if (isScript) return `${differ}: it is left out of the script.`
  return `${differ}: its rows are compared in those that both have: ${columns.join(', ')}.`
}

function unknownTable(table: string, from: number, to: number): RowbackError {
  return new RowbackError({
    code: 'table.missing',
    message: `There was no table ${table}, neither at version ${from} nor at ${to}.`,
    hint: 'See the tables with: rowback inspect'
  })
}
