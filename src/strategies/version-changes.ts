import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { RowChange } from '../model/change.ts'
import type { Collations } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { sameList } from '../model/table.ts'
import type { TableReport, TrackedTable, Version } from '../model/version.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import { comparePlaces } from './changes.ts'
import { exactChanges } from './exact-changes.ts'
import { shapeFromHistory } from './history-shape.ts'
import { committed, headOf, trackedAt } from './lifetimes.ts'
import { readLeft } from './read-left.ts'
import type { LiveState } from './session.ts'
import { cellDifferences } from './shape.ts'
import type { Place } from './state-reader.ts'
import { collationsOf, keyOf, namesOf, StateReader } from './state-reader.ts'
import { schemaChanged } from './table-image.ts'
import { touchedBy } from './touched.ts'

type Shape = Parameters<typeof cellDifferences>[0]

/** What one version did to one table. */
export interface VersionChange {
  table: string
  /** The columns that it had then. */
  definition: Shape
  /** By which its rows were told apart; null where nothing did. */
  key: string[] | null
  collations: Collations
  /** Whether the version made the table, or took it away. */
  fate: 'made' | 'dropped' | 'stayed'
  /** Of a table that was tracked. */
  tracked: TrackedTable | null
  /** Statements that make the table as it was before, or as the version made it. */
  ddl: string[]
  /** From the state before the version to what it left, one change per key; cells in the columns that can be written. */
  changes: () => AsyncIterable<RowChange>
  /** From what the version left to now. */
  since: () => AsyncIterable<RowChange>
}

/**
 * Tells what one version changed: from the change set and the history of tracked tables, else from the backup before it and the record of
 * what it left, or the backup after it where there is no record.
 */
export class VersionChanges {
  readonly #engine: Engine
  readonly #live: LiveState
  readonly #repository: Repository | null
  readonly #version: Version
  readonly #present: Manifest | null
  readonly #previous: number
  #readers: Promise<[StateReader, StateReader]> | null = null

  /**
   * @param number of a committed version
   * @param present a backup of the live tables as they are now, which can then be read in their place
   */
  constructor(
    engine: Engine,
    live: LiveState,
    repository: Repository | null,
    number: number,
    present: Manifest | null = null
  ) {
    this.#engine = engine
    this.#live = live
    this.#repository = repository
    this.#version = live.versions.find((version) => version.number === number) as Version
    this.#present = present
    this.#previous = committed(live.versions).findLast((version) => version.number < number)?.number ?? 0
  }

  /** The tables that it wrote. */
  written(): string[] {
    return [...new Set(this.#version.tables.filter((report) => !report.tracking).map((report) => report.table))]
  }

  /**
   * Other tables that the database may have changed because of it, by cascades or triggers; none of them is tracked. What
   * puts rows back fires none, and a script tells all that it changed.
   */
  reached(): string[] {
    if (this.#version.kind !== 'migrate') return []
    const written = new Set(this.written())
    const { tables, everTracked, versions } = this.#live
    const writes = tables.filter(({ name }) => written.has(name)).map((table) => ({ table, mode: 'mirror' as const }))
    const tracked = trackedAt(everTracked, versions, this.#version.number)
    return touchedBy(writes, tables)
      .tables.map(({ name }) => name)
      .filter((name) => !written.has(name) && !tracked.has(name))
  }

  /** Whether live rows of some table are what it left, as far as backups know. */
  async isLeftLive(): Promise<boolean> {
    for (const name of [...this.written(), ...this.reached()]) {
      if (this.#trackedFor(name) !== null) continue
      const [then, left] = await this.#open()
      if ((await left.find(name)).kind === 'live' && (await then.find(name)).kind !== 'live') return true
    }
    return false
  }

  /**
   * What it did to one table; null where that is nothing.
   * @throws RowbackError `schema.changed` (exit code 5), `backup.missing` or `backup.damaged`
   */
  async of(table: string): Promise<VersionChange | null> {
    const tracked = this.#trackedFor(table)
    if (tracked && this.#previous >= tracked.keptFrom) return this.#fromHistory(table, tracked)
    return this.#fromStates(table, tracked)
  }

  #trackedFor(table: string): TrackedTable | null {
    const { everTracked, versions } = this.#live
    const then = trackedAt(everTracked, versions, this.#previous).get(table)
    const left = trackedAt(everTracked, versions, this.#version.number).get(table)
    const reports = this.#reportsOf(table)
    const isMadeAnew = reports.some((report) => report.dropped) && reports.some((report) => report.created)
    if (isMadeAnew || (then && left && then !== left)) throw madeAnew(table, this.#version.number, this.#previous)
    return left ?? then ?? null
  }

  #reportsOf(table: string): TableReport[] {
    return this.#version.tables.filter((report) => report.table === table)
  }

  #fateOf(table: string): VersionChange['fate'] {
    const reports = this.#reportsOf(table)
    if (reports.some((report) => report.created)) return 'made'
    return reports.some((report) => report.dropped) ? 'dropped' : 'stayed'
  }

  async #fromHistory(name: string, tracked: TrackedTable): Promise<VersionChange> {
    const { number } = this.#version
    const isLive = this.#live.tracked.get(name) === tracked
    const table = isLive ? this.#live.tables.find((candidate) => candidate.name === name) : undefined
    const shape = await shapeFromHistory(this.#engine, tracked)
    if (!shape) throw historyMissing(name, tracked)
    const differences = table ? cellDifferences(shape.columns, table.columns) : ''
    if (differences !== '') throw columnsChanged(name, number, differences)
    const tracking = { history: tracked.history, live: table !== undefined }
    const between = (from: number, to: number) => this.#engine.changesBetween(table ?? shape, tracking, from, to)
    // A history that is not kept on does not tell how the rows are now.
    const left: Place = { kind: 'tracked', tracked, table: shape, tracking, ddl: tracked.ddl, note: null }
    const sinceThen = () =>
      table ? between(number, headOf(this.#live.versions)) : this.#compared(name, left, this.#livePlace(name))
    return {
      table: name,
      definition: shape.columns,
      key: (table ?? shape).key,
      collations: (table ?? shape).collations,
      fate: this.#fateOf(name),
      tracked,
      ddl: tracked.ddl,
      changes: await exactChanges(this.#repository, {
        version: this.#version,
        tracked,
        table: table ?? shape,
        changes: () => between(number - 1, number)
      }),
      since: sinceThen
    }
  }

  /** From what is kept elsewhere of the state before it and of what it left. */
  async #fromStates(name: string, tracked: TrackedTable | null): Promise<VersionChange | null> {
    const { number } = this.#version
    const [then, left] = await this.#open()
    const before = await then.find(name)
    const found = await left.find(name)
    const recorded = await this.#recordedLeft(name)
    // The backup before the next version has also what others changed until then: that is theirs, not this version's.
    const after: Place = recorded ? { kind: 'stored', stored: recorded } : this.#presentOf(found)
    const fate = this.#fateOf(name)
    const isThere = { before: before.kind !== 'none', after: after.kind !== 'none' }
    // No backup after it holds the table, so no version wrote it.
    if (before.kind === 'live' && found.kind === 'live') return null
    if (isThere.before !== (fate !== 'made') || isThere.after !== (fate !== 'dropped')) return null
    const [was, is] = [definitionOf(before), definitionOf(after)]
    if (was && is) {
      const differences = cellDifferences(was.definition, is.definition)
      if (differences !== '') throw columnsChanged(name, number, differences)
    }
    const known = (was ?? is) as Definition
    return {
      table: name,
      ...known,
      key: keyOf(before) ?? keyOf(after),
      collations: { ...collationsOf(before), ...collationsOf(after) },
      fate,
      tracked,
      changes: () => this.#compared(name, before, after),
      since: () =>
        found.kind === 'live' && !recorded
          ? nothing()
          : this.#compared(name, after, this.#presentOf(this.#livePlace(name)))
    }
  }

  async #recordedLeft(name: string): Promise<TableManifest | null> {
    const record = await readLeft(this.#repository, this.#version)
    return record?.tables.find((table) => table.name === name) ?? null
  }

  #compared(name: string, from: Place, to: Place): AsyncIterable<RowChange> {
    const { number } = this.#version
    const range = { from: number, to: number }
    const compared = comparePlaces(this.#engine, this.#repository, name, from, to, range)
    // Rows of which not every cell is compared cannot be written back.
    if (compared?.isPartial) throw schemaChanged(name, namesOf(from), namesOf(to))
    return compared?.changes() ?? nothing()
  }

  #open(): Promise<[StateReader, StateReader]> {
    const open = (at: number) => StateReader.open(this.#engine, this.#live, this.#repository, at)
    this.#readers ??= (async () => [await open(this.#previous), await open(this.#version.number)])()
    return this.#readers
  }

  #livePlace(name: string): Place {
    const table = this.#live.tables.find((candidate) => candidate.name === name)
    return table ? { kind: 'live', table } : { kind: 'none' }
  }

  /** A backup of the live rows is compared with others without reading what is the same. */
  #presentOf(place: Place): Place {
    if (place.kind !== 'live') return place
    const stored = this.#present?.tables.find((table) => table.name === place.table.name)
    return stored ? { kind: 'stored', stored } : place
  }
}

type Definition = Pick<VersionChange, 'definition' | 'ddl'>

function definitionOf(place: Place): Definition | null {
  if (place.kind === 'none') return null
  if (place.kind === 'stored') return { definition: place.stored.definition, ddl: place.stored.ddl }
  return { definition: place.table.columns, ddl: place.table.ddl }
}

async function* nothing(): AsyncIterable<RowChange> {}

/** Whether rows of the version stand in the table as it is. @throws RowbackError `schema.changed` (exit code 5) */
export function assertSameCells(change: VersionChange, table: Table, version: number): void {
  const differences = cellDifferences(change.definition, table.columns)
  if (differences !== '') throw columnsChanged(table.name, version, differences)
  if (sameList(change.key ?? [], table.key ?? [])) return
  throw columnsChanged(
    table.name,
    version,
    `its key is ${table.key?.join(', ') ?? 'none'}, and was ${change.key?.join(', ') ?? 'none'}`
  )
}

function columnsChanged(table: string, version: number, differences: string): RowbackError {
  return new RowbackError({
    code: 'schema.changed',
    message: `The columns of ${table} are not those that version ${version} wrote (${differences}), so its cells cannot be told one from another.`,
    hint: `Bring the columns of ${table} back to what they were, then try again.`,
    exit: ExitCode.conflict
  })
}

function madeAnew(table: string, version: number, previous: number): RowbackError {
  return new RowbackError({
    code: 'schema.changed',
    message: `Version ${version} took ${table} away and made another table of that name; the rows of the two have nothing in common.`,
    hint: `Go back to what was there before it: rowback rollback ${previous}`,
    exit: ExitCode.conflict
  })
}

function historyMissing(table: string, { history }: TrackedTable): RowbackError {
  return new RowbackError({
    code: 'history.missing',
    message: `The history of ${table}, ${history}, is not there.`,
    hint: 'See what is kept with: rowback status'
  })
}
