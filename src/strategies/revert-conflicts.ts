import type { Engine } from '../engines/engine.ts'
import { ExitCode, NOTHING_CHANGED, RowbackError } from '../errors.ts'
import type { Cells } from '../model/cells.ts'
import { cellsOf } from '../model/cells.ts'
import { conflictsCounted } from '../model/conflicts-counted.ts'
import type { ThreeStates } from '../model/merge-rows.ts'
import { differingCells } from '../model/merge-rows.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import type { Repository } from '../store/repository.ts'
import { committed } from './lifetimes.ts'
import type { LiveState } from './session.ts'
import type { VersionChange } from './version-changes.ts'
import { VersionChanges } from './version-changes.ts'

/** What becomes of cells that were touched again after the version that is reverted. */
export const ON_CONFLICT = ['abort', 'keep-current', 'take-old'] as const
export type OnConflict = (typeof ON_CONFLICT)[number]

/** A row, or a table as a whole, that was touched again since. */
export interface Conflict {
  table: string
  /** Null where it is about the table as a whole. */
  key: Cells | null
  /** In words. */
  reason: string
  /** The cells in conflict. */
  columns: string[]
  /** What the version left in them; null where there was no such row. */
  base: Cells | null
  /** What stood there before the version. */
  then: Cells | null
  now: Cells | null
  /** Later versions that changed them; none where others did, or where it is not known. */
  versions: number[]
}

/** So many are told; all are counted. */
const MOST_TOLD = 1000

/** Collects conflicts, and tells the first of them. */
export class Conflicts {
  readonly told: Conflict[] = []
  count = 0
  /** Of told conflicts about rows: how the row is found again, and which of its cells are at stake. */
  readonly #rows = new Map<Conflict, { key: string; at: number[] }>()

  /** @param at positions of the cells in conflict */
  addRow(change: VersionChange, columns: readonly string[], states: ThreeStates, at: number[]): void {
    this.count++
    if (this.told.length >= MOST_TOLD) return
    const row = (states.now ?? states.base ?? states.was) as Row
    const key = change.key ?? columns
    const names = at.map((i) => columns[i] as string)
    const shown = (cells: Row | null) => cells && cellsOf(cells, columns, names)
    const { was, base, now } = states
    const conflict: Conflict = {
      table: change.table,
      key: cellsOf(row, columns, key),
      reason: reasonOf(states),
      columns: names,
      base: shown(base),
      // biome-ignore lint/suspicious/noThenProperty: it is data, and nothing to wait for
      then: shown(was),
      now: shown(now),
      versions: []
    }
    this.told.push(conflict)
    this.#rows.set(conflict, { key: encodeRow(key.map((name) => row[columns.indexOf(name)] ?? null)), at })
  }

  addOther(table: string, reason: string, key: Cells | null = null): void {
    this.count++
    if (this.told.length >= MOST_TOLD) return
    // biome-ignore lint/suspicious/noThenProperty: it is data, and nothing to wait for
    this.told.push({ table, key, reason, columns: [], base: null, then: null, now: null, versions: [] })
  }

  /** Finds which versions after `version` touched the cells of the conflicts that are told. */
  async findVersions(engine: Engine, live: LiveState, repository: Repository | null, version: number): Promise<void> {
    const tables = Map.groupBy(this.#rows, ([{ table }]) => table)
    for (const later of committed(live.versions)) {
      if (later.number <= version) continue
      const changes = new VersionChanges(engine, live, repository, later.number)
      const names = new Set([...changes.written(), ...changes.reached()])
      for (const [table, rows] of tables) {
        if (!names.has(table)) continue
        const wanted = new Map(rows.map(([conflict, { key, at }]) => [key, { conflict, at }]))
        const change = await changes.of(table).catch(notKnown)
        if (change) await noteTouched(change, later.number, wanted)
      }
    }
  }
}

function reasonOf({ was, base, now }: ThreeStates): string {
  if (now === null) return 'the row was deleted since'
  if (base === null) return 'a row of this key was inserted again since'
  return was === null ? 'the row was changed since' : 'the same cells were changed since'
}

/** What cannot be read any more is not told; the conflict is there all the same. */
function notKnown(error: unknown): null {
  if (error instanceof RowbackError) return null
  throw error
}

async function noteTouched(
  change: VersionChange,
  version: number,
  wanted: ReadonlyMap<string, { conflict: Conflict; at: number[] }>
): Promise<void> {
  const columns = change.definition.filter((column) => !column.generated).map((column) => column.name)
  const keyAt = (change.key ?? columns).map((name) => columns.indexOf(name))
  try {
    for await (const { before, after } of change.changes()) {
      const keyOf = (row: Row | null) => row && wanted.get(encodeRow(keyAt.map((at) => row[at] ?? null)))
      const found = keyOf(after) ?? keyOf(before)
      if (!found) continue
      const touched = before && after ? new Set(differingCells(before, after)) : null
      if (touched === null || found.at.some((at) => touched.has(at))) found.conflict.versions.push(version)
    }
  } catch (error) {
    notKnown(error)
  }
}

/** The version cannot be reverted without a word on rows that were touched again. */
export function revertConflict(version: number, { told, count }: Conflicts): RowbackError {
  const tables = [...new Set(told.map((conflict) => conflict.table))]
  const what = conflictsCounted(told, count)
  return new RowbackError({
    code: 'revert.conflict',
    message: `What version ${version} changed was touched again since: ${what} in ${tables.join(', ')}.`,
    state: NOTHING_CHANGED,
    hint: `To leave those cells as they are and take back the rest: rowback revert ${version} --on-conflict keep-current. To let the old values win: rowback revert ${version} --on-conflict take-old`,
    exit: ExitCode.conflict,
    details: { count, conflicts: told }
  })
}
