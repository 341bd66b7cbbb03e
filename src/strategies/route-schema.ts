import type { StandIn, Tracking } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Table } from '../model/table.ts'
import type { TrackedTable } from '../model/version.ts'
import type { TableRoute } from './route.ts'
import type { Run } from './run.ts'
import { keptColumns } from './shape.ts'

/** Tables that bear another name than their own until the version is settled. */
export interface OtherNames {
  /** Put aside because one of the same name is made, by that name. */
  aside: ReadonlyMap<string, Table>
  /** Made as they were, beside the ones whose places they will take. */
  standIns: readonly StandIn[]
}

/**
 * Makes, renames and lifts what a route needs before its first row is written: where changes of the schema commit, none
 * may come later. Triggers are lifted from every table whose rows are put back.
 * @param isWritten whether a table has any row that is not as it shall be
 * @returns tables that bear another name meanwhile
 * @throws RowbackError `foreign_key.violated` (exit code 5)
 */
export async function prepareSchema(
  run: Run,
  steps: readonly TableRoute[],
  isWritten: (step: TableRoute) => boolean
): Promise<OtherNames> {
  const aside = new Map<string, Table>()
  const standIns: StandIn[] = []
  assertReferable(steps)
  if (run.engine.capabilities.transactionalDdl || !run.canChangeSchema) return { aside, standIns }
  assertDroppable(steps)
  for (const step of steps) {
    if (step.kind === 'drop' && isMadeAgain(steps, step.table.name)) {
      aside.set(step.table.name, await putAside(run, step.table))
    }
  }
  for (const step of steps) {
    if (step.kind === 'revive') await remakeRevived(run, step)
    if (step.kind === 'rebuild') await remake(run, step.stored.name, step.stored.ddl)
    if (step.kind === 'reshape') standIns.push(await makeShadow(run, step, standIns.length))
    if (
      (step.kind === 'undo' || step.kind === 'restore' || step.kind === 'recall' || step.kind === 'replay') &&
      isWritten(step)
    )
      await liftTriggers(run, step.table)
  }
  return { aside, standIns }
}

/**
 * Makes a table as it was beside the one that is there, to be filled; it takes that one's place after the commit. Its
 * triggers are made then, and not at all by a user who may not: that is found now.
 */
async function makeShadow(run: Run, { table, stored }: Reshape, position: number): Promise<StandIn> {
  const { engine, number } = run
  const under = `rowback_shadow_${number}_${position}`
  const { make, finish, foreignKeys } = engine.shadowOf(table.name, stored.ddl, under)
  await engine.liftTriggers({ ...table, triggers: [], ddl: stored.ddl })
  const counter = await engine.counterOf(table.name)
  await run.announce({ kind: 'swap', table: table.name, under, aside: `rowback_gone_${number}_${position}`, finish })
  for (const statement of make) await engine.run(statement)
  if (counter !== null) await engine.raiseCounter(under, counter)
  await run.reread()
  return { table: table.name, under, foreignKeys }
}

type Reshape = Extract<TableRoute, { kind: 'reshape' }>

/** Foreign keys of other tables must find the columns that they refer to, of the type that they have now. */
function assertReferable(steps: readonly TableRoute[]): void {
  const again = new Set(steps.flatMap((step) => (step.kind === 'reshape' ? [step.table.name] : [])))
  for (const step of steps) {
    if (step.kind !== 'reshape') continue
    const { table, stored } = step
    const kept = new Set(keptColumns(table, stored))
    const lost = table.referencedBy.find(
      (key) => !again.has(key.table) && key.parentColumns.some((name) => !kept.has(name))
    )
    if (!lost) continue
    throw new RowbackError({
      code: 'foreign_key.violated',
      message: `${table.name} would be made again without the columns, or the types of them, that a foreign key of ${lost.table} refers to (${lost.parentColumns.join(', ')}).`,
      hint: 'Drop that foreign key first, then try again.',
      exit: ExitCode.conflict
    })
  }
}

/**
 * The table goes after the commit, when it is too late to find that another one still needs it.
 * @throws RowbackError `foreign_key.violated` (exit code 5)
 */
export function assertDroppable(steps: readonly TableRoute[]): void {
  const going = new Set(steps.flatMap((step) => (step.kind === 'drop' ? [step.table.name] : [])))
  for (const step of steps) {
    if (step.kind !== 'drop') continue
    const child = step.table.referencedBy.find((key) => !going.has(key.table))
    if (!child) continue
    throw new RowbackError({
      code: 'foreign_key.violated',
      message: `${step.table.name} would be dropped, and a foreign key of ${child.table} refers to it.`,
      hint: `Drop that foreign key first, then try again.`,
      exit: ExitCode.conflict
    })
  }
}

function isMadeAgain(steps: readonly TableRoute[], name: string): boolean {
  return steps.some(
    (step) => (step.kind === 'revive' && step.name === name) || (step.kind === 'rebuild' && step.stored.name === name)
  )
}

async function putAside(run: Run, table: Table): Promise<Table> {
  const under = `rowback_aside_${run.number}_${table.name}`.slice(0, 64)
  await run.announce({ kind: 'aside', table: table.name, under })
  await run.engine.renameTable(table.name, under)
  await run.reread()
  return { ...table, name: under }
}

export type Revive = Extract<TableRoute, { kind: 'revive' }>

/** Makes a table as it was, to be filled from its history. */
export async function remakeRevived(run: Run, { tracked, isEnded }: Revive): Promise<void> {
  await remake(run, tracked.table, tracked.ddl)
  if (isEnded) return
  await run.engine.addVersionColumn(run.table(tracked.table) as Table)
  run.live.tracked.set(tracked.table, tracked)
  await run.reread()
}

/** Makes a table from the statements that it was made with, to be filled. */
export async function remake(run: Run, name: string, ddl: readonly string[]): Promise<void> {
  await run.announce({ kind: 'created', table: name })
  for (const statement of ddl) await run.engine.run(statement)
  await run.reread()
  await liftTriggers(run, run.table(name) as Table)
}

export async function liftTriggers(run: Run, table: Table): Promise<void> {
  if (table.triggers.length === 0) return
  await run.announce({ kind: 'triggers', table: table.name, statements: run.engine.triggerStatements(table) })
  await run.engine.liftTriggers(table)
  await run.reread()
}

/**
 * Takes a table away. Where dropping would commit, it is emptied now and goes after the commit.
 * @param place the table where it stands now, under another name perhaps
 */
export async function takeAway(run: Run, table: Table, place: Table, tracked: TrackedTable | null): Promise<void> {
  const { engine, number, live } = run
  run.assertCarried(table.name)
  if (tracked) {
    await engine.supersedeAll(place, trackingOf(tracked), number)
    await run.keepDefinition(tracked, table)
  }
  if (!engine.capabilities.transactionalDdl) {
    if (place !== table) return
    if (!tracked) await engine.run(`DELETE FROM ${engine.quote(place.name)}`)
    await run.announce({ kind: 'emptied', table: place.name })
  } else await engine.dropTable(place.name)
  live.tracked.delete(table.name)
  await run.reread()
}

export function trackingOf(tracked: TrackedTable): Tracking {
  return { history: tracked.history, live: true }
}
