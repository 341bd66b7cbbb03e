import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { RowChange } from '../model/change.ts'
import type { DriftedRows } from '../model/drift.ts'
import { isAny } from '../model/drift.ts'
import { plural } from '../model/plural.ts'
import type { Table } from '../model/table.ts'
import { imageColumns, sameList } from '../model/table.ts'
import type { TrackedTable, Version } from '../model/version.ts'
import type { LeftRecord } from '../store/left-records.ts'
import type { Manifest, TableManifest } from '../store/manifest.ts'
import { DamagedFile } from '../store/objects.ts'
import type { Repository } from '../store/repository.ts'
import type { Gap } from './drift.ts'
import { driftBetween, driftLost, driftOf } from './drift.ts'
import { committed, headOf } from './lifetimes.ts'
import { isLost, readLeft } from './read-left.ts'
import type { StoredState } from './recovery.ts'
import type { TableRoute } from './route.ts'
import type { LiveState } from './session.ts'
import type { TableImage } from './table-image.ts'
import { liveImage, noImage, storedImage } from './table-image.ts'
import { reachedBy } from './touched.ts'
import type { TheirChanges } from './tracked-drift.ts'
import { TrackedDrift } from './tracked-drift.ts'
import { driftUndone } from './undone-drift.ts'

/** What was found of changes by others. */
export interface Drift {
  /** Tables with such rows. */
  tables: DriftedRows[]
  /** Tables of which that is not known, because what these versions left of it is lost or damaged. */
  unknown: UnknownDrift[]
  /** Where they could not be looked for, and why; sentences. */
  notes: string[]
}

interface UnknownDrift {
  table: string
  versions: number[]
}

export function noDrift(): Drift {
  return { tables: [], unknown: [], notes: [] }
}

/** Finds what others changed, by what each version found and what it left. */
export class DriftFinder {
  readonly #engine: Engine
  readonly #repository: Repository
  readonly #live: LiveState
  readonly #passesOverDamage: boolean

  /** @param passesOverDamage whether a damaged record of what a version left is as one that is lost, and no error */
  constructor(engine: Engine, repository: Repository, live: LiveState, passesOverDamage = false) {
    this.#engine = engine
    this.#repository = repository
    this.#live = live
    this.#passesOverDamage = passesOverDamage
  }

  /**
   * The rows of others that a route to version `to` would overwrite or take away.
   * @param present the backup just taken; null in a rehearsal, which reads the live rows instead
   * @throws RowbackError `backup.damaged`
   */
  async onRoute(steps: readonly TableRoute[], to: number, present: Manifest | null): Promise<Drift> {
    const drift = noDrift()
    for (const step of steps) {
      if (step.kind === 'undo') {
        const rows = await driftUndone(this.#engine, this.#repository, this.#live, { ...step, to })
        if (typeof rows === 'string') drift.notes.push(rows)
        else if (isAny(rows)) drift.tables.push(rows)
        continue
      }
      if (step.kind !== 'restore' && step.kind !== 'drop' && !isFromTracked(step)) continue
      const { table, tracked } = step
      if (isFromTracked(step) && !(await this.isWritten(table.name, to))) continue
      if (tracked || isFromTracked(step)) {
        const rows = await this.#inTrackedNow(table, drift.notes)
        if (rows) drift.tables.push(rows)
        continue
      }
      const stored = step.kind === 'restore' ? step.stored : null
      const rows = await this.#lostIn(table, stored, to, present, drift)
      if (rows) drift.tables.push(rows)
    }
    return drift
  }

  /** Rows of a table that is tracked now and is to be as a backup or an older history has it. */
  async #inTrackedNow(table: Table, notes: string[]): Promise<DriftedRows | null> {
    const tracked = this.#live.tracked.get(table.name)
    if (!tracked) {
      notes.push(notUnderIncremental(table.name))
      return null
    }
    const ofTracked = new TrackedDrift(this.#engine, this.#repository, this.#live)
    const rows = await inTracked(table, await ofTracked.of(table, tracked), notes)
    return rows && isAny(rows) ? rows : null
  }

  async #lostIn(
    table: Table,
    stored: TableManifest | null,
    to: number,
    present: Manifest | null,
    drift: Drift
  ): Promise<DriftedRows | null> {
    const entry = present?.tables.find(({ name }) => name === table.name)
    const now = entry ? storedImage(this.#repository, entry) : liveImage(this.#engine, table)
    const wanted = stored ? storedImage(this.#repository, stored) : noImage(now)
    const gaps = await this.#gapsOf(table, stored, wanted, now, to, drift)
    const rows = gaps.length === 0 ? null : await driftLost(table, gaps, now, wanted)
    return rows && isAny(rows) ? rows : null
  }

  /** From one version that wrote the table to the next, and from the last one to now. */
  async #gapsOf(
    table: Table,
    stored: TableManifest | null,
    wanted: TableImage,
    now: TableImage,
    to: number,
    drift: Drift
  ): Promise<Gap[]> {
    const gaps: Gap[] = []
    const unknown: number[] = []
    const imageOf = (entry: TableManifest) =>
      entry === stored ? wanted : isLike(entry, table) ? storedImage(this.#repository, entry) : null
    /** What the last of the versions so far left; undefined where that is not known, null where there was no table. */
    let left: TableManifest | null | undefined = stored
    let leftBy = to
    const close = (after: TableImage | null | undefined) => {
      if (left === null || after === null) return
      const before = left && imageOf(left)
      if (before && after) gaps.push({ before, after })
      else unknown.push(leftBy)
    }
    for (const version of await this.#writersOf(table.name, to)) {
      const found = await this.#foundBy(version, table.name)
      close(found && imageOf(found))
      left = await this.#leftBy(version, table.name)
      leftBy = version.number
    }
    close(now)
    if (unknown.length > 0) drift.notes.push(notKnown(table.name, unknown))
    const versions = await this.#withoutRecord(unknown)
    if (versions.length > 0) drift.unknown.push({ table: table.name, versions })
    return gaps
  }

  /** Those of some versions whose record the ledger names, and that is lost or damaged. */
  async #withoutRecord(numbers: readonly number[]): Promise<number[]> {
    const lost: number[] = []
    for (const version of this.#live.versions) {
      if (!numbers.includes(version.number) || version.leftRecord === null) continue
      const isThere = this.#repository.left.has(version.leftRecord)
      const isGone = isThere
        ? (await this.#recordOf(version)) === null
        : await isLost(this.#repository, this.#live.versions, version)
      if (isGone) lost.push(version.number)
    }
    return lost
  }

  async #recordOf(version: Version): Promise<LeftRecord | null> {
    try {
      return await readLeft(this.#repository, version)
    } catch (error) {
      if (error instanceof DamagedFile && this.#passesOverDamage) return null
      throw error
    }
  }

  /** Whether some version after this one may have written the table, itself or by the database's doing. */
  async isWritten(name: string, after: number): Promise<boolean> {
    return (await this.#writersOf(name, after)).length > 0
  }

  async #writersOf(name: string, after: number): Promise<Version[]> {
    const writers: Version[] = []
    for (const version of committed(this.#live.versions)) {
      if (version.number > after && (await this.#mayHaveWritten(version, name))) writers.push(version)
    }
    return writers
  }

  /** Of versions without a record it is taken from what cascades and triggers there are now. */
  async #mayHaveWritten(version: Version, name: string): Promise<boolean> {
    if (version.tables.some((report) => report.table === name && !report.tracking)) return true
    const record = await this.#recordOf(version)
    return record ? record.written.includes(name) : reachedBy(version.tables, this.#live.tables).has(name)
  }

  /** A table in the backup that a version took before it wrote; undefined where that is not known. */
  async #foundBy(version: Version, name: string): Promise<TableManifest | null | undefined> {
    if (version.anchor === null) return undefined
    try {
      const backup = await this.#repository.manifest(version.anchor)
      return backup.tables.find((table) => table.name === name) ?? null
    } catch (error) {
      if (error instanceof RowbackError && error.exit === ExitCode.backupDamaged) return undefined
      throw error
    }
  }

  async #leftBy(version: Version, name: string): Promise<TableManifest | null | undefined> {
    const ends = version.tables.filter((report) => report.table === name && (report.created || report.dropped))
    if (ends.at(-1)?.dropped) return null
    return (await this.#recordOf(version))?.tables.find((table) => table.name === name)
  }

  /**
   * Of histories that are still kept, the rows that others changed since the newest version that wrote each table; also those
   * that they wrote anew as they were, which count as updated: they forgot which version wrote them.
   */
  async inHistories(histories: readonly TrackedTable[]): Promise<Drift> {
    const drift = noDrift()
    const ofTracked = new TrackedDrift(this.#engine, this.#repository, this.#live)
    for (const tracked of histories) {
      const table = this.#live.tables.find(({ name }) => name === tracked.table)
      if (!table || this.#live.tracked.get(table.name) !== tracked) continue
      const theirs = await ofTracked.of(table, tracked)
      const rows = typeof theirs === 'string' ? null : await withRenewed(table, theirs)
      if (typeof theirs === 'string') drift.notes.push(theirs)
      if (rows && isAny(rows)) drift.tables.push(rows)
    }
    return drift
  }

  /** What others changed since the newest version that wrote each table, or that recorded it. */
  async sinceHead(): Promise<Drift> {
    const drift = noDrift()
    const ofTracked = new TrackedDrift(this.#engine, this.#repository, this.#live)
    for (const table of this.#live.tables) {
      const tracked = this.#live.tracked.get(table.name)
      const rows = tracked
        ? await inTracked(table, await ofTracked.of(table, tracked), drift.notes)
        : await this.#inUntracked(table, drift.notes)
      if (rows && isAny(rows)) drift.tables.push(rows)
    }
    return drift
  }

  async #inUntracked(table: Table, notes: string[]): Promise<DriftedRows | null> {
    const left = await this.#lastKnown(table, notes).catch((error: unknown) => {
      if (!(error instanceof DamagedFile)) throw error
      notes.push(`${table.name}: it is not known what others changed. ${error.message} ${error.hint}`)
      return null
    })
    if (!left) return null
    return driftBetween(table, { before: storedImage(this.#repository, left), after: liveImage(this.#engine, table) })
  }

  /** The table as the newest version left it whose record has it, if no version wrote it since. */
  async #lastKnown(table: Table, notes: string[]): Promise<TableManifest | null> {
    for (const version of committed(this.#live.versions).reverse()) {
      const left = await this.#leftBy(version, table.name)
      if (left && isLike(left, table)) return left
      if (left) notes.push(`${table.name}: others changed its columns, so its rows are not compared.`)
      else if (version.number > 0 && (await this.#mayHaveWritten(version, table.name))) {
        notes.push(notKnown(table.name, [version.number]))
      } else if (version.number > 0) continue
      return null
    }
    return null
  }
}

/** Whether rows come back that a tracked table had, into a table as it is now. */
function isFromTracked(step: TableRoute): step is Extract<TableRoute, { kind: 'recall' | 'replay' }> {
  return step.kind === 'recall' || step.kind === 'replay'
}

function isLike(entry: TableManifest, table: Table): boolean {
  return sameList(entry.columns, imageColumns(table)) && sameList(entry.order ?? [], table.order ?? [])
}

async function inTracked(table: Table, theirs: TheirChanges | string, notes: string[]): Promise<DriftedRows | null> {
  if (typeof theirs === 'string') {
    notes.push(theirs)
    return null
  }
  const { changes, renewed } = theirs
  try {
    if (renewed.length > 0) {
      const rows = plural(renewed.length, 'row')
      notes.push(
        `${table.name}: others wrote ${rows} anew as before, and with that the version was lost that wrote them, so that earlier states read wrong; rowback adopt puts it back.`
      )
    }
    return await driftOf(table, imageColumns(table), changes.read())
  } finally {
    changes.close()
    renewed.close()
  }
}

async function withRenewed(table: Table, { changes, renewed }: TheirChanges): Promise<DriftedRows> {
  async function* all(): AsyncIterable<RowChange> {
    yield* changes.read()
    yield* renewed.read()
  }
  try {
    return await driftOf(table, imageColumns(table), all())
  } finally {
    changes.close()
    renewed.close()
  }
}

function notUnderIncremental(table: string): string {
  return `${table}: under the incremental strategy a rollback does not look for changes of others; rowback status --drift does.`
}

function notKnown(table: string, versions: readonly number[]): string {
  const several = versions.length > 1
  return `${table}: what ${several ? 'versions' : 'version'} ${versions.join(', ')} left of it is not on record, so it is not known what others changed then.`
}

/** The state that the head left, as far as it is on record; null where it is not. */
export async function leftByHead(repository: Repository | null, live: LiveState): Promise<StoredState | null> {
  const state = headOf(live.versions)
  const record = await readLeft(
    repository,
    live.versions.find((version) => version.number === state)
  )
  return record && { tables: record.tables, gone: new Map(), isWhole: false, takenAt: record.recordedAt }
}
