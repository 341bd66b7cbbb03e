import { z } from 'zod'
import { RowbackError } from '../errors.ts'
import { findTable } from '../migrate/bind-table.ts'
import type { Column, Table } from '../model/table.ts'
import { strategyNamed } from '../strategies/choose.ts'
import type { LiveState } from '../strategies/session.ts'
import { planTracking } from '../strategies/switch.ts'
import { operation } from './operation.ts'

export interface InspectedTable {
  table: string
  rows: number
  columns: { name: string; type: string; nullable: boolean; generated: boolean }[]
  key: string[] | null
  /** Where a database has several storage engines: which, and whether it undoes what failed. */
  storage: string | null
  atomic: boolean
  foreignKeys: string[]
  referencedBy: string[]
  triggers: string[]
  /** Since which version its superseded rows are kept; null where they are not. */
  trackedSince: number | null
  fitness: { snapshot: string; incremental: string }
  advice: string
}

export interface InspectOutput {
  database: string
  engine: string
  tables: InspectedTable[]
  /** Tables that can be neither backed up nor restored. */
  unsupported: string[]
}

export const inspect = operation({
  name: 'inspect',
  summary: 'what the tables look like, how fit they are for each strategy, and advice',
  details: '',
  example: 'rowback inspect customers',
  positional: ['tables'],
  input: z.object({
    tables: z.array(z.string()).default([]).meta({ description: 'only these tables', placeholder: 'TABLE' })
  }),
  makesDatabase: false,
  async run(context, options): Promise<InspectOutput> {
    const { engine } = context
    const live = await context.liveState()
    const unsupported = await engine.unsupportedTables()
    const chosen = options.tables.length === 0 ? live.tables : options.tables.map((name) => existing(live, name))
    const tables: InspectedTable[] = []
    const left = new Map(planTracking({ live, unsupported }, null).left.map(({ table, reason }) => [table, reason]))
    for (const table of chosen) tables.push(judge(table, await engine.countRows(table.name), live, unsupported, left))
    return { database: engine.database, engine: engine.product, tables, unsupported }
  }
})

function existing(live: LiveState, name: string): Table {
  const table = findTable(live.tables, name)
  if (table) return table
  throw new RowbackError({
    code: 'table.missing',
    message: `There is no table ${name}.`,
    hint: `There are: ${live.tables.map((other) => other.name).join(', ') || 'none'}.`
  })
}

function judge(
  table: Table,
  rows: number,
  live: LiveState,
  unsupported: string[],
  left: ReadonlyMap<string, string>
): InspectedTable {
  const fitness = {
    snapshot: fitFor(table, 'snapshot', live, unsupported),
    incremental: fitFor(table, 'incremental', live, unsupported, left.get(table.name))
  }
  return {
    table: table.name,
    rows,
    columns: table.columns.map(({ name, declared, nullable, generated }: Column) => ({
      name,
      type: declared,
      nullable,
      generated
    })),
    key: table.key,
    storage: table.storage,
    atomic: table.atomic,
    foreignKeys: table.foreignKeys.map(
      (key) => `(${key.columns.join(', ')}) -> ${key.parentTable} (${key.parentColumns.join(', ')})`
    ),
    referencedBy: table.referencedBy.map((key) => `${key.table} (${key.columns.join(', ')})`),
    triggers: table.triggers,
    trackedSince: live.tracked.get(table.name)?.since ?? null,
    fitness,
    advice: adviceFor(table, fitness)
  }
}

/** `fit`, or the reason against. The mode that could change most is asked about. */
function fitFor(
  table: Table,
  strategy: 'snapshot' | 'incremental',
  live: LiveState,
  unsupported: string[],
  left?: string
): string {
  if (left !== undefined) return `no: ${left}`
  const objection = strategyNamed(strategy).objection(table, 'mirror', { live, unsupported })
  return objection ? `no: ${objection.reason}` : 'fit'
}

function adviceFor(table: Table, fitness: InspectedTable['fitness']): string {
  if (!table.atomic) {
    return fitness.snapshot === 'fit'
      ? `Convert it to InnoDB: ${table.storage} cannot abort a load that fails; its rows are then put back from the backup taken before.`
      : `Convert it to InnoDB: ${table.storage} keeps half of a load that fails, so nothing is loaded into it.`
  }
  if (!table.key) return 'Add a primary key: without one rows can only be added, or replaced all at once.'
  if (fitness.incremental === 'fit')
    return 'Fit for both: incremental undoes in the time of what changed, snapshot adds no column.'
  return 'Use the snapshot strategy.'
}
