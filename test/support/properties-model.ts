import { expect } from 'vitest'
import type { WriteMode } from '../../src/model/change.ts'
import type { SourceRow } from './properties-sources.ts'
import type { DatabaseState, ExactCell, TableState } from './properties-state.ts'
import { jsonCell, sortRows, textCell } from './properties-state.ts'
import type { ColumnSpec, TableSpec } from './properties-tables.ts'
import { stored } from './properties-tables.ts'

/** One source on its way into one table, as the test asked for it. */
export interface Load {
  spec: TableSpec
  mode: WriteMode
  key: string[] | null
  /** The columns that the source has. */
  columns: string[]
  /** Whether the table was there; if not, the source made it. */
  existed: boolean
  /** Whether rows of some table refer to rows of this one. */
  referred: boolean
  rows: SourceRow[]
}

export interface Counts {
  inserted: number
  updated: number
  deleted: number
  unchanged: number
}

/** A row by column. */
type Cells = Record<string, ExactCell>

/** What the rows say once they are read as the table's types; null where the column cannot hold the cell. */
interface ReadRow {
  line: number
  cells: Record<string, ExactCell | null>
  key: string | null
}

/**
 * The write modes once more, in memory and by the book: applies the rows that did not fail, in their order.
 * @param declared the table's types by column
 * @param failed lines of the rows that failed
 * @param after what the table really holds now: says which rows could not be deleted
 */
export function applyLoad(
  load: Load,
  before: TableState | undefined,
  declared: Map<string, string>,
  failed: ReadonlySet<number>,
  after: TableState
): { rows: ExactCell[][]; counts: Counts; kept: number } {
  const model = new TableModel(load, before, declared, after)
  for (const row of readRows(load, declared)) if (!failed.has(row.line)) model.write(row)
  const kept = load.mode === 'mirror' || (load.mode === 'replace' && load.key) ? model.deleteAbsent() : 0
  return { rows: model.result(), counts: model.counts, kept }
}

function readRows(load: Load, declared: Map<string, string>): ReadRow[] {
  // Deleting reads only the key, unless all columns were needed to make the table.
  const wanted = load.mode === 'delete' && load.existed ? (load.key ?? []) : load.columns
  return load.rows.map(({ line, cells }) => {
    const read = Object.fromEntries(wanted.map((name) => [name, stored(declared.get(name) ?? '', cells[name] ?? null)]))
    return { line, cells: read, key: load.key && keyOf(load.spec, load.key, read) }
  })
}

/** The key as text that is equal for equal keys; null when it cannot be told or has a NULL. */
export function keyOf(spec: TableSpec, key: string[], cells: Record<string, ExactCell | null>): string | null {
  const parts = key.map((name) => {
    const cell = cells[name] ?? null
    if (cell === null || cell === 'null') return null
    return spec.ignoresCase.includes(name) ? folded(spec, cell) : cell
  })
  return parts.includes(null) ? null : parts.join('|')
}

function folded(spec: TableSpec, cell: ExactCell): ExactCell {
  return cell.startsWith('text:') ? textCell(spec.fold(String(jsonCell(cell)))) : cell
}

class TableModel {
  readonly counts: Counts = { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
  readonly #load: Load
  readonly #columns: string[]
  readonly #declared: Map<string, string>
  readonly #after: TableState
  #rows: Cells[]

  constructor(load: Load, before: TableState | undefined, declared: Map<string, string>, after: TableState) {
    this.#load = load
    this.#columns = after.columns
    this.#declared = declared
    this.#after = after
    this.#rows = (before?.rows ?? []).map((row) => cellsOf(after.columns, row))
    if (load.mode !== 'replace' || load.key) return
    this.counts.deleted = this.#rows.length
    this.#rows = []
  }

  write(row: ReadRow): void {
    const { mode, key } = this.#load
    const found = key && this.#rows.find((other) => this.#keyOf(other) === row.key)
    if (mode === 'delete') {
      expect(found, `line ${row.line} is said to have deleted a row`).toBeTruthy()
      this.#rows = this.#rows.filter((other) => other !== found)
      this.counts.deleted++
    } else if (found) {
      expect(mode, `line ${row.line} met a row of its key`).not.toBe('insert')
      this.#update(found, row)
    } else {
      expect(mode, `line ${row.line} met no row of its key`).not.toBe('update')
      this.#rows.push(this.#complete({ ...this.#defaults(), ...this.#given(row) }))
      this.counts.inserted++
    }
  }

  #update(found: Cells, row: ReadRow): void {
    const wanted = { ...(this.#load.mode === 'replace' ? this.#defaults() : {}), ...this.#given(row) }
    const same = Object.entries(wanted).every(([name, cell]) => found[name] === cell)
    if (same) this.counts.unchanged++
    else this.counts.updated++
    Object.assign(found, this.#complete({ ...found, ...wanted }))
  }

  #given(row: ReadRow): Cells {
    for (const [name, cell] of Object.entries(row.cells)) {
      expect(cell, `line ${row.line} was written though ${name} cannot hold its cell`).not.toBeNull()
    }
    return row.cells as Cells
  }

  #defaults(): Cells {
    const absent = this.#load.spec.columns.filter(
      (column) => this.#declared.has(column.name) && !column.generated && !this.#load.columns.includes(column.name)
    )
    return Object.fromEntries(absent.map((column) => [column.name, column.defaultCell ?? 'null']))
  }

  #complete(cells: Cells): Cells {
    const generated = this.#load.spec.columns.filter((column) => column.generated)
    return { ...cells, ...Object.fromEntries(generated.map((column) => [column.name, computed(cells)])) }
  }

  /** @returns how many rows stayed though the source does not have them */
  deleteAbsent(): number {
    const named = readRows(this.#load, this.#declared)
    if (named.some((row) => row.key === null)) return 0
    const there = new Set(this.#after.rows.map((row) => this.#keyOf(cellsOf(this.#columns, row))))
    const keys = new Set(named.map((row) => row.key))
    const absent = this.#rows.filter((row) => !keys.has(this.#keyOf(row)))
    const gone = new Set(absent.filter((row) => !there.has(this.#keyOf(row))))
    this.#rows = this.#rows.filter((row) => !gone.has(row))
    this.counts.deleted += gone.size
    return absent.length - gone.size
  }

  #keyOf(cells: Cells): string | null {
    return keyOf(this.#load.spec, this.#load.key ?? [], cells)
  }

  result(): ExactCell[][] {
    return sortRows(this.#rows.map((row) => this.#columns.map((name) => row[name] ?? 'null')))
  }
}

/** The one computed column in these tests: `"sp ace" * 2`. */
export function computed(cells: Cells): ExactCell {
  const cell = cells['sp ace'] ?? 'null'
  if (cell === 'null') return 'null'
  const twice = BigInt(cell.slice('integer:'.length)) * 2n
  return BigInt.asIntN(64, twice) === twice ? `integer:${twice}` : `real:${Number(twice)}`
}

export function cellsOf(columns: string[], row: ExactCell[]): Cells {
  return Object.fromEntries(columns.map((name, i) => [name, row[i] ?? 'null']))
}

type Verdict = 'succeeds' | 'fails' | 'depends'

/**
 * Whether each row has to succeed or to fail whatever the order in which rows are written; `depends` where the rows of
 * the source or of other tables decide.
 */
export function verdicts(
  load: Load,
  before: DatabaseState,
  declared: Map<string, string>,
  failed: ReadonlySet<number>
): Map<number, Verdict> {
  const rows = readRows(load, declared)
  const judge = new Judge(load, before, rows)
  return new Map(rows.map((row, i) => [row.line, judge.verdict(row, rows.slice(0, i), failed)]))
}

class Judge {
  readonly #load: Load
  readonly #before: DatabaseState
  readonly #rows: ReadRow[]
  readonly #there: Cells[]

  constructor(load: Load, before: DatabaseState, rows: ReadRow[]) {
    this.#load = load
    this.#before = before
    this.#rows = rows
    this.#there = this.#rowsOf(load.spec.name)
  }

  #rowsOf(table: string): Cells[] {
    const state = this.#before.get(table)
    return (state?.rows ?? []).map((row) => cellsOf(state?.columns ?? [], row))
  }

  verdict(row: ReadRow, earlier: ReadRow[], failed: ReadonlySet<number>): Verdict {
    const { mode, key, spec } = this.#load
    if (Object.values(row.cells).includes(null)) return 'fails'
    if (spec.columns.some((column) => column.notNull && row.cells[column.name] === 'null')) return 'fails'
    if (!key) return 'succeeds'
    if (row.key === null) return 'fails'
    const same = earlier.filter((other) => other.key === row.key)
    if (same.some((other) => !failed.has(other.line))) return 'fails'
    if (same.length > 0) return 'depends'
    const exists = this.#there.some((other) => keyOf(spec, key, other) === row.key)
    if (!exists && (mode === 'update' || mode === 'delete')) return 'fails'
    if (exists && mode === 'insert') return 'fails'
    if (mode === 'delete') return this.#load.referred ? 'depends' : 'succeeds'
    if (!exists && spec.columns.some((column) => this.#isMissing(column))) return 'fails'
    if (mode === 'replace' && spec.columns.some((column) => this.#isMissing(column))) return 'depends'
    if (this.#mayCollide(row)) return 'depends'
    return this.#references(row)
  }

  #isMissing(column: ColumnSpec): boolean {
    return column.notNull === true && !this.#load.columns.includes(column.name) && column.defaultCell === undefined
  }

  /** Whether another row, old or new, has the same value in another unique column. */
  #mayCollide(row: ReadRow): boolean {
    const { spec, key } = this.#load
    const groups = [spec.key ?? [], ...spec.columns.filter((column) => column.unique).map((column) => [column.name])]
    return groups
      .filter((group) => group.join() !== key?.join())
      .some((group) => {
        const mine = keyOf(spec, group, row.cells)
        if (mine === null) return false
        const others = [
          ...this.#there.filter((other) => keyOf(spec, key ?? [], other) !== row.key),
          ...this.#rows.filter((other) => other !== row).map((other) => other.cells)
        ]
        return others.some((other) => keyOf(spec, group, other) === mine)
      })
  }

  #references(row: ReadRow): Verdict {
    for (const { column, table } of this.#load.spec.references) {
      const cell = row.cells[column] ?? 'null'
      if (cell === 'null' || this.#rowsOf(table).some((other) => other.id === cell)) continue
      if (table !== this.#load.spec.name) return 'fails'
      return 'depends'
    }
    return 'succeeds'
  }
}

/** How many rows differ between two states of a table, by key. */
export function countByKey(
  spec: TableSpec,
  key: string[],
  before: TableState | undefined,
  after: TableState | undefined
): Omit<Counts, 'unchanged'> {
  const a = rowsByKey(spec, key, before)
  const b = rowsByKey(spec, key, after)
  const counts = { inserted: 0, updated: 0, deleted: 0 }
  for (const [id, rows] of a) if (!b.has(id)) counts.deleted += rows.length
  for (const [id, rows] of b) {
    const old = a.get(id)
    if (!old) counts.inserted += rows.length
    else if (old.join() !== rows.join()) counts.updated++
  }
  return counts
}

/** Rows with a NULL in their key have no other row to be told apart from. */
function rowsByKey(spec: TableSpec, key: string[], state: TableState | undefined): Map<string, string[]> {
  const rows = new Map<string, string[]>()
  for (const row of state?.rows ?? []) {
    const text = row.join('|')
    const id = keyOf(spec, key, cellsOf(state?.columns ?? [], row)) ?? `null ${text}`
    rows.set(id, [...(rows.get(id) ?? []), text])
  }
  return rows
}
