import { ExitCode, RowbackError } from '../errors.ts'
import type { RowChange } from '../model/change.ts'
import type { DriftedRows } from '../model/drift.ts'
import { isAny } from '../model/drift.ts'
import { plural } from '../model/plural.ts'
import type { Table } from '../model/table.ts'
import { imageColumns, writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import type { TableReport } from '../model/version.ts'
import type { Repository } from '../store/repository.ts'
import { applyMerged, assertUnchanged } from './apply-merged.ts'
import { ChangeSpool } from './change-spool.ts'
import { driftOf } from './drift.ts'
import { nameOf } from './increments.ts'
import { liftTriggers, trackingOf } from './route-schema.ts'
import type { Run } from './run.ts'
import { NothingToDo } from './run.ts'
import type { TheirChanges } from './tracked-drift.ts'
import { isMisfit, TrackedDrift } from './tracked-drift.ts'
import { writersOf } from './written-by.ts'

const FOUND_AT_ONCE = 1000

export interface Adopted {
  tables: TableReport[]
  drift: DriftedRows[]
  /** Where nothing is adopted, and why; sentences. */
  notes: string[]
}

interface Step {
  table: Table
  theirs: TheirChanges
  drift: DriftedRows
}

/**
 * Records what others changed in tracked tables since the newest version that wrote each as the work of this version: their
 * rows get its number, and the rows from before go to history. No cell of the live rows changes.
 * @param names of the tables to look at; null for all
 * @throws RowbackError `adopt.nothing`; `adopt.unknown` where it is not known which version wrote the rows from before;
 *   `locked` when others change such a row meanwhile
 */
export async function adopt(
  run: Run,
  repository: Repository | null,
  names: readonly string[] | null
): Promise<Adopted> {
  if (repository === null) throw nothingToAdopt([])
  const notes: string[] = []
  const found: Step[] = []
  try {
    for await (const step of find(run, repository, names, notes)) found.push(step)
    const steps = found.filter(({ theirs }) => theirs.changes.length + theirs.renewed.length > 0)
    if (steps.length === 0) throw nothingToAdopt(notes)
    notes.push(...steps.flatMap(({ table, theirs }) => renewedNote(table, theirs)))
    const { engine } = run
    if (!engine.capabilities.transactionalDdl && run.canChangeSchema) {
      for (const { table } of steps) await liftTriggers(run, table)
    }
    const tables = steps.map(({ table }) => table)
    // What cannot be aborted is put back from a backup.
    if (tables.some((table) => !table.atomic)) await run.takeAnchor({ tables, note: null })
    await run.guard(tables)
    await run.hold()
    for (const { table, theirs } of steps) {
      if (await isMisfit(theirs)) run.noteMisfit(table.name)
      // A rehearsal that cannot hold triggers off only counts.
      if (run.canChangeSchema || table.triggers.length === 0) await record(run, repository, table, theirs)
    }
    const reports: TableReport[] = []
    for (const { table, theirs } of steps) reports.push(reportOf(table, theirs))
    return { tables: reports, drift: steps.map(({ drift }) => drift).filter(isAny), notes }
  } finally {
    for (const { changes, renewed } of found.map(({ theirs }) => theirs)) {
      changes.close()
      renewed.close()
    }
  }
}

async function* find(
  run: Run,
  repository: Repository,
  names: readonly string[] | null,
  notes: string[]
): AsyncIterable<Step> {
  const { engine, live } = run
  const known = new TrackedDrift(engine, repository, live)
  const wanted = names === null ? live.tables : names.map((name) => existing(run, name))
  const untracked = wanted.filter(({ name }) => !live.tracked.has(name))
  if (untracked.length > 0) notes.push(notTracked(untracked))
  for (const table of wanted) {
    const tracked = live.tracked.get(table.name)
    if (!tracked) continue
    run.assertCarried(table.name)
    const theirs = await known.of(table, tracked)
    if (typeof theirs === 'string') notes.push(theirs)
    else yield { table, theirs, drift: await driftOf(table, imageColumns(table), theirs.changes.read()) }
  }
}

function existing(run: Run, name: string): Table {
  const table = run.table(name)
  if (table) return table
  throw new RowbackError({
    code: 'table.missing',
    message: `There is no table ${name}.`,
    hint: `There are: ${run.live.tables.map((other) => other.name).join(', ')}.`
  })
}

/**
 * First the table is made as it was left, each row as the version that wrote it; then it is changed as others changed it, by
 * this version. So nothing else needs to know how histories are written.
 */
async function record(run: Run, repository: Repository, table: Table, theirs: TheirChanges): Promise<void> {
  const again = await makeFormer(run, repository, table, theirs, theirs.renewed)
  again.close()
  const now = await makeFormer(run, repository, table, theirs, theirs.changes)
  try {
    const changes = await asTheyDid(run, table, theirs.changes, now)
    try {
      await applyMerged(run, table, changes, trackingOf(theirs.tracked), false)
    } finally {
      changes.close()
    }
  } finally {
    now.close()
  }
}

/**
 * Puts rows as they were left in the place of those that others left.
 * @returns the latter, as rows that went; to be closed
 */
async function makeFormer(
  run: Run,
  repository: Repository,
  table: Table,
  { tracked, changeSets }: TheirChanges,
  changes: ChangeSpool
): Promise<ChangeSpool> {
  const { engine } = run
  const names = new Set<string>()
  for await (const { before } of changes.read()) if (before) names.add(nameOf(encodeRow(before)))
  const { of, unsure } = await writersOf(repository, tracked, changeSets, names)
  const [at] = unsure.values()
  if (at !== undefined) throw unknownWriter(table.name, at)
  const now = await liveRows(run, table, changes)
  await assertUnchanged(engine, table, now)
  await engine.applyChanges(table, () => now.read(), run.number, null)
  for (const version of new Set(of.values())) {
    await engine.applyChanges(table, () => formerRows(table, changes, of, version), version, trackingOf(tracked))
  }
  return now
}

/** The rows that others left, as rows to be taken away; in their order. */
async function liveRows(run: Run, table: Table, changes: ChangeSpool): Promise<ChangeSpool> {
  const now = new ChangeSpool()
  for await (const batch of changes.batches(FOUND_AT_ONCE)) {
    const rows = batch.flatMap(({ after }) => (after ? [after] : []))
    for (const before of await inImage(run, table, rows)) now.add({ before, after: null })
  }
  return now
}

/** A row that had a hidden place gets any. */
async function* formerRows(
  table: Table,
  changes: ChangeSpool,
  writers: ReadonlyMap<string, number>,
  version: number
): AsyncIterable<RowChange> {
  for await (const { before } of changes.read()) {
    if (!before || writers.get(nameOf(encodeRow(before))) !== version) continue
    yield { before: null, after: table.hiddenOrder ? [null, ...before] : before }
  }
}

/** From the rows that were made again to those that others left. */
async function asTheyDid(run: Run, table: Table, changes: ChangeSpool, now: ChangeSpool): Promise<ChangeSpool> {
  const placed = new ChangeSpool()
  const live = now.read()[Symbol.asyncIterator]()
  for await (const batch of changes.batches(FOUND_AT_ONCE)) {
    const rows = batch.flatMap(({ before }) => (before ? [before] : []))
    const former = (await inImage(run, table, rows)).values()
    for (const { before, after } of batch) {
      const change: RowChange = { before: null, after: null }
      if (before) change.before = former.next().value ?? null
      if (after) change.after = (await live.next()).value.before
      placed.add(change)
    }
  }
  return placed
}

/** Rows of the table, which are looked up where they have a hidden place. */
async function inImage(run: Run, table: Table, rows: Row[]): Promise<Row[]> {
  if (!table.hiddenOrder) return rows
  const columns = writableColumns(table).map(({ name }) => name)
  const key = table.key ?? []
  const cells = rows.map((row) => key.map((name) => row[columns.indexOf(name)] ?? null))
  if (cells.some((row) => row.includes(null))) throw withoutKey(table)
  const found = await run.engine.findRows(table, key, cells)
  return found.map((row) => {
    if (row === null) throw new Error(`A row of ${table.name} was not found by its key.`)
    return row
  })
}

function reportOf(table: Table, { tracked, changes }: TheirChanges): TableReport {
  return { table: table.name, read: 0, ...changes.counts, failed: 0, history: tracked.history }
}

function withoutKey({ name }: Table): RowbackError {
  return new RowbackError({
    code: 'adopt.no_key',
    message: `Others changed rows of ${name} that have NULL in its key, so they cannot be told from others.`,
    hint: `Give them a key, or leave the table out with: --table`
  })
}

function renewedNote({ name }: Table, { renewed }: TheirChanges): string[] {
  if (renewed.length === 0) return []
  const [rows, wrote] =
    renewed.length === 1
      ? ['1 row belongs to the version again that wrote it', 'it anew as it was']
      : [`${plural(renewed.length, 'row')} belong to the versions again that wrote them`, 'them anew as they were']
  return [`${name}: ${rows}, as others had written ${wrote}.`]
}

function notTracked(tables: readonly Table[]): string {
  const names = tables.map(({ name }) => name).join(', ')
  return `Not under the incremental strategy, so that the backup before the next version has what others changed in it: ${names}.`
}

function nothingToAdopt(notes: readonly string[]): NothingToDo {
  const known = notes.length === 0 ? 'was' : 'is known to be'
  return new NothingToDo({
    code: 'adopt.nothing',
    message: [
      `Under the incremental strategy no row ${known} changed by others since the newest version: there is nothing to adopt.`,
      ...notes
    ].join(' '),
    hint: 'See what others changed with: rowback status --drift'
  })
}

function unknownWriter(table: string, version: number): RowbackError {
  return new RowbackError({
    code: 'adopt.unknown',
    message: `Others changed rows of ${table}, and which version wrote these before is not known, because its columns had changed before version ${version}.`,
    hint: 'Begin a new history with: rowback enable snapshot --yes, and then: rowback enable incremental',
    exit: ExitCode.conflict
  })
}
