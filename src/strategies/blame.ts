import { ExitCode, RowbackError } from '../errors.ts'
import type { Value } from '../model/value.ts'
import { sameValue } from '../model/value.ts'
import type { Version } from '../model/version.ts'
import { mayReach } from './cascades.ts'
import { committed } from './lifetimes.ts'
import type { RowState, RowStates } from './row-states.ts'
import type { LiveState } from './session.ts'

/** Where something came from, as far as it can be told. */
export type Origin =
  /** A version; 0 is the baseline. */
  | { kind: 'version'; version: number }
  /** Nobody's version: it came after this version had begun and before that one did, or before now (null). */
  | { kind: 'outside'; after: number; before: number | null }
  /** A version after `after` and up to `upTo`; the states between them are gone. Null is the beginning. */
  | { kind: 'unknown'; after: number | null; upTo: number }

/** The origin of a value, and the rollbacks and reverts that brought it back since, the newest first. */
export interface Blame {
  origin: Origin
  via: number[]
}

export interface BlamedRow {
  columns: string[]
  row: Value[]
  /** One per column. */
  blames: Blame[]
  /** What took the row away; null for a row that is there. */
  deletedBy: Origin | null
  /** Between these versions states are gone: what changed there and changed back does not show. */
  gaps: { after: number | null; upTo: number; reason: string }[]
}

type Found = Extract<RowState, { kind: 'row' }>

/**
 * Finds for each cell of a row the version that set it: back to where the state before held another value, and from a
 * rollback or revert on in the state that it brought back.
 */
export class Blamer {
  readonly #states: RowStates
  readonly #live: LiveState
  readonly #table: string
  readonly #versions: Map<number, Version>
  readonly #gaps = new Map<number, BlamedRow['gaps'][number]>()

  constructor(states: RowStates, live: LiveState, table: string) {
    this.#states = states
    this.#live = live
    this.#table = table
    this.#versions = new Map(committed(live.versions).map((version) => [version.number, version]))
  }

  /**
   * The row in the state that a version left, or as it was last before; null where it never was.
   * @throws RowbackError `backup.missing` (exit code 7) where that state is gone
   */
  async blame(at: number): Promise<BlamedRow | null> {
    const asked = await this.#states.at(at)
    if (asked.kind === 'gone') throw stateGone(at, asked.reason)
    const newest = await this.#newestRow(at)
    if (!newest) return null
    const { state, point, deletedBy } = newest
    const blames: Blame[] = []
    for (const column of state.columns) blames.push(await this.#blameCell(column, cellOf(state, column), point))
    return { columns: state.columns, row: state.row, blames, deletedBy, gaps: [...this.#gaps.values()] }
  }

  async #newestRow(at: number): Promise<{ state: Found; point: number; deletedBy: Origin | null } | null> {
    let next: number | null = null
    for (let point: number | null = this.#states.pointAt(at); point !== null; ) {
      const state: RowState = await this.#states.at(point)
      if (state.kind === 'row') {
        return { state, point, deletedBy: next === null ? null : await this.#whoDeleted(state, point, next) }
      }
      next = state.kind === 'absent' ? point : next
      point = await this.#knownBefore(point)
    }
    return null
  }

  async #blameCell(column: string, value: Value, from: number): Promise<Blame> {
    const via: number[] = []
    for (let point = from; ; ) {
      point = await this.#sameRowSince(point)
      const before = await this.#knownBefore(point)
      if (before === null) return { origin: this.#beginning(point), via }
      const earlier = await this.#states.at(before)
      if (holds(earlier, column, value)) {
        point = before
        continue
      }
      const state = (await this.#states.at(point)) as Found
      const origin = await this.#unlessLeft(await this.#whoSet(state, before, point), state, point, (left) =>
        holds(left, column, value)
      )
      if (origin.kind !== 'version') return { origin, via }
      const source = this.#sourceOf(origin.version)
      if (source === null) return { origin, via }
      const brought = await this.#states.at(source)
      if (brought.kind === 'gone') {
        via.push(origin.version)
        return { origin: { kind: 'unknown', after: null, upTo: source }, via }
      }
      if (!holds(brought, column, value)) return { origin: await this.#afterwards(origin, state, before, point), via }
      via.push(origin.version)
      point = this.#states.pointAt(source)
    }
  }

  /** Where a row of a history was written: it was the same ever since. */
  async #sameRowSince(point: number): Promise<number> {
    const state = await this.#states.at(point)
    if (state.kind !== 'row' || state.writtenBy === null || state.writtenBy >= point) return point
    const first = await this.#states.at(state.writtenBy)
    return first.kind === 'row' && first.row === state.row ? this.#states.pointAt(state.writtenBy) : point
  }

  /** The newest point before this one whose state is known; null where there is none. */
  async #knownBefore(point: number): Promise<number | null> {
    const { points } = this.#states
    let reason = ''
    for (let i = points.indexOf(point) - 1; i >= 0; i--) {
      const before = points[i] as number
      const state = await this.#states.at(before)
      if (state.kind !== 'gone') {
        if (reason !== '') this.#gaps.set(point, { after: before, upTo: point, reason })
        return before
      }
      reason ||= state.reason
    }
    if (reason !== '') this.#gaps.set(point, { after: null, upTo: point, reason })
    return null
  }

  #beginning(point: number): Origin {
    const isFirst = this.#states.points[0] === point
    return isFirst ? { kind: 'version', version: point } : { kind: 'unknown', after: null, upTo: point }
  }

  async #whoSet(state: Found, before: number, point: number): Promise<Origin> {
    const { writtenBy, until } = state
    if (writtenBy !== null) {
      if (writtenBy > before && writtenBy <= point) return { kind: 'version', version: writtenBy }
      return { kind: 'outside', after: await this.#begun(before, point), before: until }
    }
    return this.#oneOf(before, point, 'set')
  }

  async #whoDeleted(state: Found, before: number, point: number): Promise<Origin> {
    const { until } = state
    if (until !== null && !this.#closed(until)) return { kind: 'version', version: until }
    const origin = await this.#oneOf(before, point, 'delete')
    return this.#unlessLeft(origin, state, point, (left) => left.kind === 'absent')
  }

  /** A version that did not leave it so is innocent: others came before the next backup. */
  async #unlessLeft(
    origin: Origin,
    { writtenBy }: Found,
    point: number,
    isSo: (left: RowState) => boolean
  ): Promise<Origin> {
    if (origin.kind !== 'version' || origin.version === 0 || writtenBy !== null) return origin
    const left = await this.#states.leftBy(origin.version)
    if (left === null || isSo(left)) return origin
    return { kind: 'outside', after: origin.version, before: await this.#states.backupAfter(point) }
  }

  /** Whether a version closed the table's history: the rows went into it, and stayed in the table, too. */
  #closed(version: number): boolean {
    const reports = this.#versions.get(version)?.tables ?? []
    return reports.some(({ table, tracking }) => table === this.#table && tracking === 'ended')
  }

  /** Who of the versions after `before` and up to `point` did it: those that cannot have done it are left out. */
  async #oneOf(before: number, point: number, change: 'set' | 'delete'): Promise<Origin> {
    const candidates = this.#states.points.filter(
      (number) => number > before && number <= point && this.#canHave(this.#versions.get(number) as Version, change)
    )
    const [only, another] = candidates
    if (another !== undefined) return { kind: 'unknown', after: before, upTo: candidates.at(-1) as number }
    if (only !== undefined) return { kind: 'version', version: only }
    return this.#outside(before, point)
  }

  /** Whether a version may have changed a row so: by its counts, or because the database may have done it by itself. */
  #canHave({ tables }: Version, change: 'set' | 'delete'): boolean {
    const counted = tables.filter((report) => report.table === this.#table)
    // A load that finds its rows by another key may give a row a new key, and so take it away under its old one.
    const wrote = counted.some(({ inserted, updated, deleted }) =>
      change === 'delete' ? deleted + updated > 0 : inserted + updated > 0
    )
    const written = tables.map((report) => report.table)
    return wrote || mayReach(this.#live.tables, written, this.#table)
  }

  /** A rollback restores exactly: what differs from its target was changed by others after it. */
  async #afterwards(
    origin: Extract<Origin, { kind: 'version' }>,
    state: Found,
    before: number,
    point: number
  ): Promise<Origin> {
    if (this.#versions.get(origin.version)?.kind !== 'rollback') return origin
    const outside = await this.#outside(before, point)
    return state.writtenBy === null ? outside : { ...outside, before: state.until }
  }

  /** The state that a rollback or revert takes its values from; null for other versions. */
  #sourceOf(number: number): number | null {
    const version = this.#versions.get(number)
    const target = version?.targetVersion ?? null
    if (target === null) return null
    if (version?.kind === 'rollback') return target
    if (version?.kind !== 'revert') return null
    return [...this.#versions.keys()].findLast((other) => other < target) ?? null
  }

  async #outside(before: number, point: number): Promise<Extract<Origin, { kind: 'outside' }>> {
    return {
      kind: 'outside',
      after: await this.#begun(before, point),
      before: await this.#states.backupAfter(point)
    }
  }

  /** The version whose backup shows that something was not so yet. */
  async #begun(before: number, point: number): Promise<number> {
    return Math.min(point, (await this.#states.backupAfter(before)) ?? point)
  }
}

function stateGone(at: number, reason: string): RowbackError {
  return new RowbackError({
    code: 'backup.missing',
    message: `The state of version ${at} is gone. ${reason}`,
    hint: 'See which versions still have their backups with: rowback backup list',
    exit: ExitCode.backupDamaged
  })
}

function holds(state: RowState, column: string, value: Value): boolean {
  return state.kind === 'row' && state.columns.includes(column) && sameValue(cellOf(state, column), value)
}

function cellOf(state: Found, column: string): Value {
  return state.row[state.columns.indexOf(column)] ?? null
}
