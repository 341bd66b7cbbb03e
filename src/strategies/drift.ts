import type { ChangeKind, RowChange } from '../model/change.ts'
import { kindOf } from '../model/change.ts'
import type { DriftedRows } from '../model/drift.ts'
import type { Collations } from '../model/key.ts'
import { RowKey } from '../model/key.ts'
import type { Row, Value } from '../model/value.ts'
import { encodeRow, encodeValue } from '../model/value.ts'
import type { Cut, TableImage } from './table-image.ts'
import { commonCuts, diffImages, diffLines, joinMovedRows } from './table-image.ts'

/** Two states of a table between which only others changed it. */
export interface Gap {
  before: TableImage
  after: TableImage
}

/** What is to be known of a table to tell its rows apart. */
export interface Keyed {
  name: string
  key: string[] | null
  order: string[] | null
  hiddenOrder: boolean
  collations: Collations
}

const MOST_EXAMPLES = 5

/** What others did between two states, all of it. */
export async function driftBetween(table: Keyed, gap: Gap): Promise<DriftedRows> {
  const changes = diffImages(table.name, gap.before, gap.after)
  const { key } = new Tally(table, gap.after.columns)
  return driftOf(table, gap.after.columns, rowsMove(table) ? joinMovedRows(changes, key) : changes)
}

/**
 * The same of changes that are known.
 * @param columns of the table's image, its hidden one included
 */
export async function driftOf(table: Keyed, columns: readonly string[], changes: Changes): Promise<DriftedRows> {
  const tally = new Tally(table, columns)
  for await (const change of changes) tally.add(kindOf(change), change)
  return tally.rows
}

/**
 * The rows that others changed between the states of each gap, whose work is still there, and would be lost by going from
 * `present` to `wanted`. Of a row that a version wrote after them, the cells decide that are as the others left them.
 * @param gaps in their order; all images have the same columns
 */
export async function driftLost(
  table: Keyed,
  gaps: readonly Gap[],
  present: TableImage,
  wanted: TableImage
): Promise<DriftedRows> {
  const [gap] = gaps
  if (gaps.length === 1 && gap && gap.before === wanted && gap.after === present) return driftBetween(table, gap)
  const tally = new Tally(table, present.columns)
  const route = { before: present, after: wanted }
  if (table.order === null) await tallyContents(tally, gaps, route)
  else if (rowsMove(table)) {
    const changes = (pair: Gap) => joinMovedRows(diffImages(table.name, pair.before, pair.after), tally.key)
    await tallyKept(tally, gaps.map(changes), changes(route), tally.key as RowKey)
  } else {
    for await (const range of differingRanges(gaps, route)) {
      await tallyKept(tally, range.gaps, range.route, present.key)
    }
  }
  return tally.rows
}

/** Whether a row may get another place without becoming another row. */
function rowsMove(table: Keyed): boolean {
  return table.hiddenOrder && table.key !== null
}

class Tally {
  readonly rows: DriftedRows
  /** Finds the key in a row without the hidden column; null for a table without a key. */
  readonly key: RowKey | null
  readonly #hidden: boolean

  constructor(table: Keyed, columns: readonly string[]) {
    const shown = table.hiddenOrder ? columns.slice(1) : [...columns]
    const key = table.key ?? shown
    this.key = table.key && new RowKey(shown, table.key, table.collations)
    this.rows = { table: table.name, inserted: 0, updated: 0, deleted: 0, examples: [], columns: shown, key }
    this.#hidden = table.hiddenOrder && table.key === null
  }

  add(op: ChangeKind, { before, after }: RowChange): void {
    if (op === 'insert') this.rows.inserted++
    else if (op === 'update') this.rows.updated++
    else this.rows.deleted++
    if (this.rows.examples.length >= MOST_EXAMPLES) return
    const row = (after ?? before) as Row
    this.rows.examples.push({ op, row: this.#hidden ? row.slice(1) : row })
  }
}

type Changes = AsyncIterable<RowChange> | Iterable<RowChange>

/** Counts the rows of the route that bear a trace of others. */
async function tallyKept(tally: Tally, gaps: readonly Changes[], route: Changes, key: RowKey): Promise<void> {
  const theirs = new Map<string, RowChange[]>()
  for (const gap of gaps) {
    for await (const change of gap) {
      for (const [id, one] of byKey(change, key)) {
        const known = theirs.get(id)
        if (known) known.push(one)
        else theirs.set(id, [one])
      }
    }
  }
  if (theirs.size === 0) return
  for await (const change of route) {
    for (const [id, one] of byKey(change, key)) {
      const first = theirs.get(id)?.find((theirChange) => isLost(theirChange, one))
      if (!first) continue
      const op = one.before === null ? 'delete' : first.before === null ? 'insert' : 'update'
      tally.add(op, { before: one.after, after: one.before })
    }
  }
}

/** SQLite allows NULL in a primary key: such rows are told apart by all that they hold. */
function byKey(change: RowChange, key: RowKey): [id: string, change: RowChange][] {
  const { before, after } = change
  const id = key.of((before ?? after) as Row)
  if (id !== null) return [[id, change]]
  return [
    ...(before ? [[encodeRow(before), { before, after: null }] as [string, RowChange]] : []),
    ...(after ? [[encodeRow(after), { before: null, after }] as [string, RowChange]] : [])
  ]
}

/** Whether what others did to a row is still to be seen in it, and goes when the row changes from `before` to `after`. */
function isLost(theirs: RowChange, { before: present, after: wanted }: RowChange): boolean {
  if (present === null || theirs.after === null) return present === null && theirs.after === null
  if (theirs.before === null && wanted === null) return true
  return present.some((cell, i) => {
    const left = theirs.after?.[i] ?? null
    const isTheirs = theirs.before === null || !isSame(theirs.before[i] ?? null, left)
    return isTheirs && isSame(cell, left) && (wanted === null || !isSame(wanted[i] ?? null, cell))
  })
}

/** Also 0 and -0 differ, as they do in the rows of backups. */
function isSame(a: Value, b: Value): boolean {
  return encodeValue(a) === encodeValue(b)
}

/** Equal rows of a table without any order are told apart by nothing: they are counted. */
async function tallyContents(tally: Tally, gaps: readonly Gap[], route: Gap): Promise<void> {
  const { table } = tally.rows
  const come = new Map<string, number>()
  const add = (row: Row | null, by: number) => {
    if (row) come.set(encodeRow(row), (come.get(encodeRow(row)) ?? 0) + by)
  }
  for (const gap of gaps) {
    for await (const { before, after } of diffImages(table, gap.before, gap.after)) {
      add(before, -1)
      add(after, 1)
    }
  }
  for await (const { before, after } of diffImages(table, route.before, route.after)) {
    if (before && (come.get(encodeRow(before)) ?? 0) > 0) {
      add(before, -1)
      tally.add('insert', { before: null, after: before })
    }
    if (after && (come.get(encodeRow(after)) ?? 0) < 0) {
      add(after, 1)
      tally.add('delete', { before: after, after: null })
    }
  }
}

/** The ranges in which both some gap and the route have differences, each read once. */
async function* differingRanges(
  gaps: readonly Gap[],
  route: Gap
): AsyncIterable<{ gaps: Iterable<RowChange>[]; route: Iterable<RowChange> }> {
  const pairs = [route, ...gaps]
  const cuts = pairs.flatMap(({ before, after }) => [before.cuts, after.cuts]).reduce(commonCuts) ?? [null]
  for (const [i, from] of cuts.entries()) {
    const to = cuts[i + 1] ?? null
    const mayDiffer = ({ before, after }: Gap) => {
      const name = before.nameOf(from, to)
      return name === null || name !== after.nameOf(from, to)
    }
    const differing = gaps.filter(mayDiffer)
    if (differing.length === 0 || !mayDiffer(route)) continue
    const lines = await readOnce([route, ...differing], from, to)
    const changes = ({ before, after }: Gap) =>
      diffLines(lines.get(before) ?? [], lines.get(after) ?? [], route.before.key)
    yield { gaps: differing.map(changes), route: changes(route) }
  }
}

async function readOnce(pairs: readonly Gap[], from: Cut, to: Cut): Promise<Map<TableImage, string[]>> {
  const lines = new Map<TableImage, string[]>()
  for (const image of pairs.flatMap(({ before, after }) => [before, after])) {
    if (!lines.has(image)) lines.set(image, await image.lines(from, to))
  }
  return lines
}
