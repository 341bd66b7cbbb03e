import { cellsOf, computed, keyOf } from './properties-model.ts'
import type { PlayedVersion } from './properties-scenario.ts'
import type { DatabaseState, ExactCell, TableState } from './properties-state.ts'
import { columnsOf, sortRows } from './properties-state.ts'
import type { TableSpec } from './properties-tables.ts'

type Choice = 'abort' | 'keep-current' | 'take-old'

/** What a revert has to do, by a model of its own. */
export type Expected =
  | { kind: 'reverted'; state: DatabaseState; conflicts: boolean }
  /** With one of these codes. */
  | { kind: 'refused'; codes: string[] }

/** What the model looks at. */
export interface RevertCase {
  tables: readonly TableSpec[]
  /** Made since the version that is reverted, the oldest first. */
  later: readonly PlayedVersion[]
  version: PlayedVersion
  now: DatabaseState
  choice: Choice
}

/** What becomes of one table; undefined where nothing does. */
type TableOutcome = { state: TableState | null; conflicts: boolean } | { refused: string } | undefined

export function expectedRevert({ tables, later, version, now, choice }: RevertCase): Expected {
  const state = new Map(now)
  const refused: string[] = []
  let conflicts = false
  let changed = false
  for (const spec of tables) {
    const outcome = revertTable(spec, version, later, now.get(spec.name), choice)
    if (!outcome) continue
    if ('refused' in outcome) {
      refused.push(outcome.refused)
      continue
    }
    conflicts ||= outcome.conflicts
    if (JSON.stringify(outcome.state) === JSON.stringify(now.get(spec.name) ?? null)) continue
    changed = true
    if (outcome.state) state.set(spec.name, outcome.state)
    else state.delete(spec.name)
  }
  if (refused.length > 0) return { kind: 'refused', codes: refused }
  if (conflicts && choice === 'abort') return { kind: 'refused', codes: ['revert.conflict'] }
  if (!changed) return { kind: 'refused', codes: ['revert.nothing'] }
  const broken = [...brokenUniques(tables, state), ...brokenReferences(tables, now, state)]
  return broken.length > 0 ? { kind: 'refused', codes: broken } : { kind: 'reverted', state, conflicts }
}

function revertTable(
  spec: TableSpec,
  { before, after, output }: PlayedVersion,
  later: readonly PlayedVersion[],
  live: TableState | undefined,
  choice: Choice
): TableOutcome {
  const [was, base] = [before.get(spec.name), after.get(spec.name)]
  const reports = output.tables.filter((report) => report.table === spec.name)
  if (reports.some((report) => report.created) && reports.some((report) => report.dropped)) {
    return { refused: 'schema.changed' }
  }
  if (reports.length === 0 && JSON.stringify(was) === JSON.stringify(base)) return undefined
  const isAnother =
    base &&
    later.some(
      ({ kind, output }) => kind === 'migrate' && output.tables.some((r) => r.table === spec.name && r.created)
    )
  const now = isAnother ? undefined : live
  if (!now) return revertGone(was, base, choice, live)
  if (definitionOf(now) !== definitionOf((was ?? base) as TableState)) return { refused: 'schema.changed' }
  const { rows, conflicts } = mergeRows(spec, was, base, now, choice)
  if (was || !base) return { state: { ...now, rows }, conflicts }
  const others = rows.length > 0 || conflicts
  if (!others || choice === 'take-old') return { state: null, conflicts: others || keptRows(spec, was, base, now) > 0 }
  return { state: { ...now, rows }, conflicts: true }
}

/** How many rows would stay in a table that goes. */
function keptRows(spec: TableSpec, was: TableState | undefined, base: TableState, now: TableState): number {
  return mergeRows(spec, was, base, now, 'keep-current').rows.length
}

function revertGone(
  was: TableState | undefined,
  base: TableState | undefined,
  choice: Choice,
  live: TableState | undefined
): TableOutcome {
  if (was && !base) return { state: was, conflicts: false }
  const there = new Map<string, number>()
  for (const row of base?.rows ?? []) there.set(row.join('|'), (there.get(row.join('|')) ?? 0) + 1)
  const lost = (was?.rows ?? []).some((row) => {
    const left = there.get(row.join('|')) ?? 0
    there.set(row.join('|'), left - 1)
    return left <= 0
  })
  if (!lost) return undefined
  return choice === 'take-old' ? { refused: 'revert.table_gone' } : { state: live ?? null, conflicts: true }
}

/** Names, types and key of the columns. */
function definitionOf(state: TableState): string {
  return JSON.stringify(columnsOf(state).map(({ name, type, pk, hidden }) => [name, type.toLowerCase(), pk, hidden]))
}

interface Merged {
  rows: ExactCell[][]
  conflicts: boolean
}

function mergeRows(
  spec: TableSpec,
  was: TableState | undefined,
  base: TableState | undefined,
  now: TableState,
  choice: Choice
): Merged {
  const states = [was, base, now].map((state) => (state?.rows ?? []).map((row) => cellsOf(now.columns, row)))
  const grouped = states.map((rows) => Map.groupBy(rows, (cells) => idOf(spec, now.columns, cells)))
  const ids = new Set(grouped.flatMap((groups) => [...groups.keys()]))
  const merged: Record<string, ExactCell>[] = []
  let conflicts = false
  for (const id of ids) {
    const [a, b, c] = grouped.map((groups) => groups.get(id) ?? []) as [Cells[], Cells[], Cells[]]
    const outcome = id.startsWith('key ') ? mergeOne(spec, a[0], b[0], c[0], choice) : mergeEqual(a, b, c, choice)
    merged.push(...outcome.rows)
    conflicts ||= outcome.conflict
  }
  return { rows: sortRows(merged.map((cells) => now.columns.map((name) => cells[name] ?? 'null'))), conflicts }
}

type Cells = Record<string, ExactCell>

function idOf(spec: TableSpec, columns: readonly string[], cells: Cells): string {
  const key = spec.key && keyOf(spec, spec.key, cells)
  return key === null ? `all ${columns.map((name) => cells[name]).join('|')}` : `key ${key}`
}

/** Of rows without a key there are as many as before, unless others made more or less of them since. */
function mergeEqual(was: Cells[], base: Cells[], now: Cells[], choice: Choice): { rows: Cells[]; conflict: boolean } {
  const one = (was[0] ?? base[0] ?? now[0]) as Cells
  const conflict = was.length !== base.length && base.length !== now.length && now.length !== was.length
  const untouched = was.length === base.length
  const wanted = untouched || (conflict && choice !== 'take-old') ? now.length : was.length
  return { rows: Array.from({ length: wanted }, () => one), conflict }
}

function mergeOne(
  spec: TableSpec,
  was: Cells | undefined,
  base: Cells | undefined,
  now: Cells | undefined,
  choice: Choice
): { rows: Cells[]; conflict: boolean } {
  const same = (a: Cells | undefined, b: Cells | undefined) => JSON.stringify(a) === JSON.stringify(b)
  const rows = (row: Cells | undefined) => (row ? [row] : [])
  if (same(was, base) || same(was, now)) return { rows: rows(now), conflict: false }
  if (same(base, now)) return { rows: rows(was), conflict: false }
  if (!was || !base || !now) return { rows: rows(choice === 'take-old' ? was : now), conflict: true }
  const names = spec.columns.filter((column) => !column.generated).map((column) => column.name)
  const merged: Cells = { ...now }
  let conflict = false
  for (const name of names) {
    if (was[name] === base[name]) continue
    const clash = base[name] !== now[name] && was[name] !== now[name]
    conflict ||= clash
    if (!clash || choice === 'take-old') merged[name] = was[name] as ExactCell
  }
  for (const { name, generated } of spec.columns) if (generated) merged[name] = computed(merged)
  return { rows: [merged], conflict }
}

function brokenUniques(tables: readonly TableSpec[], state: DatabaseState): string[] {
  return tables.flatMap((spec) => {
    const table = state.get(spec.name)
    const unique = spec.columns.filter((column) => column.unique)
    return unique.flatMap(({ name }) => {
      const rows = (table?.rows ?? []).map((row) => keyOf(spec, [name], cellsOf(table?.columns ?? [], row)))
      const cells = rows.filter((cell) => cell !== null)
      return new Set(cells).size < cells.length ? ['unique.violated'] : []
    })
  })
}

/** References that lead nowhere, and did not do so before. */
function brokenReferences(tables: readonly TableSpec[], now: DatabaseState, state: DatabaseState): string[] {
  const known = new Set(orphans(tables, now))
  return orphans(tables, state).some((orphan) => !known.has(orphan)) ? ['foreign_key.violated'] : []
}

function orphans(tables: readonly TableSpec[], state: DatabaseState): string[] {
  return tables.flatMap((spec) =>
    spec.references.flatMap(({ column, table }) => {
      const parents = new Set(state.get(table)?.rows.map((row) => row[0]))
      const child = state.get(spec.name)
      return (child?.rows ?? []).flatMap((row) => {
        const cell = row[child?.columns.indexOf(column) ?? 0] ?? 'null'
        return cell === 'null' || parents.has(cell) ? [] : [`${spec.name} ${row[0]} ${cell}`]
      })
    })
  )
}
