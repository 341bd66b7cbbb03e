import { VERSION_COLUMN } from '../engines/engine.ts'
import type { ScriptDialect, ScriptStatement } from '../engines/script.ts'
import { calledIn, namesIn, refusalOf, statementsOf, writtenNames } from '../engines/script.ts'
import { RowbackError, usageError } from '../errors.ts'
import type { SchemaObjects } from '../model/schema-object.ts'
import type { Table } from '../model/table.ts'
import type { StrategyName } from '../model/version.ts'
import { reachedFrom } from './cascades.ts'
import { incremental } from './incremental.ts'
import { hasVersionColumn } from './schema-change.ts'
import type { Surroundings } from './strategy.ts'
import type { Touched } from './touched.ts'

/** A script that may run as a version. */
export interface Script {
  text: string
  dialect: ScriptDialect
  /** Names among which are all tables that its statements write, in lower case. */
  written: ReadonlySet<string>
  /** All names in it. */
  named: ReadonlySet<string>
  /** All names of functions that it calls. */
  called: ReadonlySet<string>
}

/** So many refused statements are named. */
const SHOWN = 5

/**
 * Reads all statements of a script, before any of them runs.
 * @param name of the script, for messages
 * @throws RowbackError `script.refused` or `script.empty` (exit code 2)
 */
export function readScript(name: string, text: string, dialect: ScriptDialect, live: Surroundings['live']): Script {
  const written = new Set<string>()
  const named = new Set<string>()
  const called = new Set<string>()
  const refused: string[] = []
  let statements = 0
  for (const statement of statementsOf(text, dialect)) {
    statements++
    const reason = refusalOf(statement, dialect) ?? bookkeepingIn(statement, live)
    if (reason !== null) refused.push(`line ${statement.line}: ${reason}`)
    addAll(written, writtenNames(statement.words))
    addAll(named, namesIn(statement.words))
    addAll(called, calledIn(statement.words))
  }
  if (refused.length > 0) throw notRunnable(name, refused)
  if (statements === 0)
    throw usageError('script.empty', `${name} has no statement.`, 'Give a script of SQL statements.')
  return { text, dialect, written, named, called }
}

function addAll(all: Set<string>, names: Iterable<string>): void {
  for (const name of names) all.add(name)
}

function bookkeepingIn({ words }: ScriptStatement, { tracked, everTracked }: Surroundings['live']): string | null {
  const names = namesIn(words)
  addAll(names, writtenNames(words))
  const history = everTracked.find((entry) => names.has(entry.history.toLowerCase()))
  if (history) return `${history.history} is bookkeeping of rowback`
  const isTracked = [...tracked.keys()].some((table) => names.has(table.toLowerCase()))
  return isTracked && names.has(VERSION_COLUMN) ? `${VERSION_COLUMN} is bookkeeping of rowback` : null
}

function notRunnable(name: string, refused: readonly string[]): RowbackError {
  const more = refused.length > SHOWN ? `; and ${refused.length - SHOWN} more` : ''
  return usageError(
    'script.refused',
    `${name} cannot run as a version: ${refused.slice(0, SHOWN).join('; ')}${more}.`,
    'Keep to statements that change rows. Change the schema with a client of your own, before or after.'
  )
}

/** What a script may change, and how that is taken back. */
export interface ScriptPlan {
  /** Tables that its statements name to be written. */
  targets: Table[]
  /** All tables that it may change, itself or by what the database does then. */
  touched: Touched
  /** Tables that begin to be tracked, from a backup on. */
  toTrack: Table[]
  /** Whether some of all these can only be taken back from a backup. */
  needsAnchor: boolean
  notes: string[]
}

/**
 * Finds out what a script may change.
 * @param objects views and stored functions, through which more can be written than a statement names
 * @param engine what it can do
 * @throws RowbackError `strategy.unfit` where that could not be taken back whole
 */
export function planScript(
  script: Script,
  strategy: StrategyName,
  around: Surroundings,
  objects: SchemaObjects,
  engine: { capturesScripts: boolean; transactionalDdl: boolean }
): ScriptPlan {
  const { tables, tracked } = around.live
  const targets = tables.filter((table) => script.written.has(table.name.toLowerCase()))
  const direct = withCascades(targets, tables)
  const trigger = direct.find((table) => table.triggers.length > 0)
  const unseen = trigger
    ? `The trigger ${trigger.triggers[0]} of ${trigger.name} may write any table`
    : writesUnseen(script, objects)
  const touched: Touched =
    unseen === null
      ? { tables: direct, note: null }
      : { tables, note: `${unseen}, so the whole database was backed up.` }
  refuseUnsupported(script, around.unsupported, trigger)
  for (const table of touched.tables) {
    refuseUnfit(table, tracked.has(table.name), engine, howReached(table, targets, direct, unseen))
  }
  const notes: string[] = []
  const toTrack = strategy === 'incremental' ? trackable(targets, around, engine.capturesScripts, notes) : []
  const needsAnchor = touched.tables.some((table) => !tracked.has(table.name))
  return { targets, touched, toTrack, needsAnchor, notes }
}

function withCascades(targets: readonly Table[], tables: readonly Table[]): Table[] {
  const reached = new Set([...targets.map((table) => table.name), ...reachedFrom(targets, tables)])
  return tables.filter((table) => reached.has(table.name))
}

/** Why more may be written than is seen in the statements: through a view, or by a function of the database; null if not. */
function writesUnseen({ written, named, called }: Script, { objects, notes }: SchemaObjects): string | null {
  const views = objects.filter((object) => object.kind === 'view').map((object) => object.name.toLowerCase())
  const writtenView = views.find((view) => written.has(view))
  if (writtenView !== undefined) return `The view ${writtenView} may write any table`
  // What the server does not show may be a function too.
  if (notes.length > 0) return 'There are objects that this user may not read, which may write any table'
  const functions = objects.filter((object) => object.kind === 'function' || object.kind === 'package')
  const calledOne = functions.find((object) => called.has(object.name.toLowerCase()))
  if (calledOne) return `The function ${calledOne.name} may write any table`
  const readView = functions.length > 0 ? views.find((view) => named.has(view)) : undefined
  return readView === undefined ? null : `The view ${readView} may call a function that writes any table`
}

/** Why a table that the script does not name may be written by it, a sentence; empty for one that it names. */
function howReached(table: Table, targets: readonly Table[], direct: readonly Table[], unseen: string | null): string {
  if (targets.includes(table)) return ''
  const cascading = (one: Table) => reachedFrom([one], [one]).includes(table.name)
  const from = direct.includes(table) ? direct.find(cascading) : undefined
  const why = from ? `A foreign key of ${table.name} changes its rows with those of ${from.name}` : unseen
  return `The script does not name ${table.name}. ${why}.`
}

function refuseUnsupported(script: Script, unsupported: readonly string[], trigger: Table | undefined): void {
  const written = unsupported.find((name) => script.written.has(name.toLowerCase()))
  if (written !== undefined) {
    throw unfit(written, 'it cannot be backed up as rows', `Write ${written} outside of the script.`)
  }
  const [virtual] = unsupported
  if (trigger && virtual !== undefined) {
    throw unfit(
      trigger.name,
      `its triggers may write ${virtual}, which cannot be backed up as rows`,
      `Drop the triggers for the script and rebuild ${virtual} afterwards.`
    )
  }
}

function refuseUnfit(
  table: Table,
  isTracked: boolean,
  { capturesScripts, transactionalDdl }: { capturesScripts: boolean; transactionalDdl: boolean },
  how: string
): void {
  const { name, storage, triggers } = table
  if (!table.atomic) {
    throw unfit(
      name,
      `its storage engine ${storage} undoes nothing when a script fails half-way`,
      `Convert it first: ALTER TABLE ${name} ENGINE=InnoDB`,
      how
    )
  }
  if (!isTracked) return
  if (!capturesScripts) {
    throw unfit(
      name,
      'its history is kept row by row, and this server cannot tell what a script changes',
      `Change the rows of ${name} by a migration.`,
      how
    )
  }
  const [trigger] = triggers
  if (trigger !== undefined && !transactionalDdl) {
    throw unfit(
      name,
      `its history is kept row by row, and its trigger ${trigger} would fire when changed rows are marked`,
      'Drop the trigger for the script and make it again afterwards.',
      how
    )
  }
}

function unfit(table: string, reason: string, hint: string, how = ''): RowbackError {
  return new RowbackError({
    code: 'strategy.unfit',
    message: `What a script does to ${table} cannot be taken back: ${reason}. ${how}`.trimEnd(),
    hint
  })
}

/** Tables whose changes can be kept row by row from now on; the others are backed up, and that is said. */
function trackable(targets: readonly Table[], around: Surroundings, captures: boolean, notes: string[]): Table[] {
  const untracked = targets.filter((table) => !around.live.tracked.has(table.name))
  return untracked.filter((table) => {
    const reason = captures ? whyNotTracked(table, around) : 'this server cannot tell what a script changes'
    if (reason !== null) notes.push(`${table.name} is backed up instead of being tracked: ${reason}.`)
    return reason === null
  })
}

function whyNotTracked(table: Table, around: Surroundings): string | null {
  if (hasVersionColumn(table)) return 'it has a column version_id of its own'
  // What cascades and triggers do is captured; but no later load may write a table with triggers.
  return incremental.objection(table, 'insert', around)?.reason ?? null
}
