import type { Engine, RowRange, Tracking } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { AT_ONCE, ahead } from '../model/ahead.ts'
import type { RowChange } from '../model/change.ts'
import type { Collations } from '../model/key.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import { imageColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow, linesOf } from '../model/value.ts'
import type { TableManifest } from '../store/manifest.ts'
import { boundFromJson } from '../store/manifest.ts'
import type { Repository } from '../store/repository.ts'
import type { RebuiltTable } from './rebuilt-table.ts'

/** A key at which a table's rows can be cut, as text; the first cut is `null`, the beginning. */
export type Cut = string | null

/** All rows of a table in some state, readable range by range as canonical lines. */
export interface TableImage {
  columns: string[]
  /** By which rows of two images are matched. */
  key: RowKey
  /** Where it has to be cut; null when it can be cut anywhere. */
  cuts: Cut[] | null
  /** What the range holds, without reading it: equal names, equal rows. Null when that is not known. */
  nameOf(from: Cut, to: Cut): string | null
  /** Where it is stored; null when it is not. */
  stored: Stored | null
  lines(from: Cut, to: Cut): Promise<string[]>
}

/** An image that stands in a repository. */
export type StoredImage = TableImage & { stored: Stored }

interface Stored {
  repository: Repository
  objects(from: Cut, to: Cut): string[]
}

/** A table in a full backup. */
export function storedImage(repository: Repository, table: TableManifest): StoredImage {
  const key = new RowKey(table.columns, table.order ?? [], table.collations)
  const [only] = table.chunks
  if (only && table.rows === 0) {
    const stored = { repository, objects: () => [] }
    return { columns: table.columns, key, cuts: null, nameOf: () => only.object, stored, lines: async () => [] }
  }
  const cuts = table.chunks.map((chunk) => (chunk.from === null ? null : encodeRow(boundFromJson(chunk.from) as Row)))
  const objects = (from: Cut, to: Cut) =>
    table.chunks.slice(cuts.indexOf(from), to === null ? undefined : cuts.indexOf(to)).map((chunk) => chunk.object)
  return {
    columns: table.columns,
    key,
    cuts,
    nameOf: (from, to) => objects(from, to).join(),
    stored: { repository, objects },
    async lines(from, to) {
      const parts: string[][] = []
      for (const object of objects(from, to)) parts.push(await repository.lines(object))
      return parts.flat()
    }
  }
}

/** A table as it is now. */
export function liveImage(engine: Engine, table: Table): TableImage {
  const columns = imageColumns(table)
  return {
    columns,
    key: new RowKey(columns, table.order ?? [], table.collations),
    cuts: null,
    nameOf: () => null,
    stored: null,
    async lines(from, to) {
      const lines: string[] = []
      for await (const { bytes } of engine.readLines(table, rangeOf({ from, to }))) {
        for (const line of linesOf(bytes)) lines.push(line)
      }
      return lines
    }
  }
}

/** The range between two cuts, as an engine takes it. */
export function rangeOf({ from, to }: CutRange): RowRange {
  return { from: from === null ? null : decodeRow(from), to: to === null ? null : decodeRow(to) }
}

/** A tracked table as it was at a version. Its rows are matched by the table's key. */
export function stateImage(engine: Engine, table: Table, tracking: Tracking, version: number): TableImage {
  const columns = imageColumns({ ...table, hiddenOrder: false })
  return {
    columns,
    key: new RowKey(columns, table.key ?? [], table.collations),
    cuts: [null],
    nameOf: () => null,
    stored: null,
    lines: () => collectLines(engine.readState(table, tracking, version))
  }
}

/** A table made of change sets, whose rows come in no order. */
export function rebuiltImage({ written, key, collations, rows }: RebuiltTable): TableImage {
  return {
    columns: written,
    key: new RowKey(written, key ?? [], collations),
    cuts: [null],
    nameOf: () => null,
    stored: null,
    lines: () => collectLines(rows())
  }
}

/**
 * The image in some of its columns alone, matched by a key among them: so images compare that have other columns besides,
 * or that are in another order.
 * @param isCut off where the two images are not in the same order, and are only compared whole
 */
export function imageIn(
  image: TableImage,
  columns: string[],
  key: readonly string[],
  collations: Collations,
  isCut: boolean
): TableImage {
  const at = columns.map((name) => image.columns.indexOf(name))
  const projected = (line: string) => {
    const row = decodeRow(line)
    return encodeRow(at.map((place) => row[place] ?? null))
  }
  return {
    columns,
    key: new RowKey(columns, key, collations),
    cuts: isCut ? image.cuts : [null],
    nameOf: () => null,
    stored: null,
    lines: async (from, to) => (await image.lines(from, to)).map(projected)
  }
}

/** A table that is not there. */
export function noImage(like: TableImage): TableImage {
  return { ...like, cuts: null, nameOf: () => null, stored: null, lines: async () => [] }
}

async function collectLines(batches: AsyncIterable<Row[]>): Promise<string[]> {
  const lines: string[] = []
  for await (const batch of batches) for (const row of batch) lines.push(encodeRow(row))
  return lines
}

/** A range of rows that two images do not have in common, as far as their names tell. */
export interface CutRange {
  from: Cut
  to: Cut
}

/**
 * What leads from one image of a table to another, row by row, reading only the ranges that differ.
 * @throws RowbackError `schema.changed` when the columns are not the same
 */
export async function* diffImages(table: string, before: TableImage, after: TableImage): AsyncIterable<RowChange> {
  const read = (range: CutRange) => differingLines(before, after, range)
  const ranges = differingRanges(table, before, after)
  // A database answers one question at a time.
  const atOnce = before.stored && after.stored ? AT_ONCE : 1
  for await (const lines of ahead(ranges, read, atOnce)) yield* diffLines(lines.before, lines.after, after.key)
}

/** The lines of a range, of which those are left out that both have, where that can be told without decoding them. */
async function differingLines(
  before: TableImage,
  after: TableImage,
  { from, to }: CutRange
): Promise<{ before: string[]; after: string[] }> {
  if (before.stored === null || after.stored === null || before.stored.repository !== after.stored.repository) {
    return { before: await before.lines(from, to), after: await after.lines(from, to) }
  }
  const { repository, objects } = before.stored
  const lines = await repository.difference(objects(from, to), after.stored.objects(from, to))
  return { before: linesOf(lines.before), after: linesOf(lines.after) }
}

/**
 * The ranges in which two images may differ; all, where one of them does not know its names.
 * @throws RowbackError `schema.changed` when the columns are not the same
 */
export function differingRanges(table: string, before: TableImage, after: TableImage): CutRange[] {
  if (before.columns.join('\n') !== after.columns.join('\n')) throw schemaChanged(table, before.columns, after.columns)
  const cuts = commonCuts(before.cuts, after.cuts) ?? [null]
  return cuts
    .map((from, i) => ({ from, to: cuts[i + 1] ?? null }))
    .filter(({ from, to }) => {
      const name = before.nameOf(from, to)
      return name === null || name !== after.nameOf(from, to)
    })
}

/** Null stands for anywhere. */
export function commonCuts(a: Cut[] | null, b: Cut[] | null): Cut[] | null {
  if (a === null || b === null) return a ?? b
  const known = new Set(b)
  return a.filter((cut) => known.has(cut))
}

/** What leads from one list of rows, as canonical lines, to another. */
export function* diffLines(before: readonly string[], after: readonly string[], rowKey: RowKey): Iterable<RowChange> {
  const stay = new Map<string, number>()
  for (const line of after) stay.set(line, (stay.get(line) ?? 0) + 1)
  const gone = new Map<string, Row>()
  for (const line of before) {
    const same = stay.get(line) ?? 0
    if (same > 0) {
      stay.set(line, same - 1)
      continue
    }
    const row = decodeRow(line)
    const key = rowKey.of(row)
    if (key === null) yield { before: row, after: null }
    else gone.set(key, row)
  }
  for (const [line, count] of stay) {
    for (let i = 0; i < count; i++) {
      const row = decodeRow(line)
      const key = rowKey.of(row) ?? ''
      yield { before: gone.get(key) ?? null, after: row }
      gone.delete(key)
    }
  }
  for (const row of gone.values()) yield { before: row, after: null }
}

/**
 * Drops the hidden order column and goes by the key instead: a row that only got another place is no change, and a
 * place that another row took is two.
 * @param rowKey finds the key in a row without the hidden column; null for a table without a key
 */
export async function* joinMovedRows(
  changes: AsyncIterable<RowChange>,
  rowKey: RowKey | null
): AsyncIterable<RowChange> {
  const gone = new Map<string, Row>()
  const come = new Map<string, Row>()
  for await (const change of changes) {
    const before = change.before?.slice(1) ?? null
    const after = change.after?.slice(1) ?? null
    const ids = [before, after].map((row) => row && (rowKey?.of(row) ?? null))
    if (before && after && (rowKey === null || ids[0] === ids[1])) {
      if (encodeRow(before) !== encodeRow(after)) yield { before, after }
      continue
    }
    if (before) {
      if (ids[0]) gone.set(ids[0], before)
      else yield { before, after: null }
    }
    if (after) {
      if (ids[1]) come.set(ids[1], after)
      else yield { before: null, after }
    }
  }
  for (const [id, before] of gone) {
    const after = come.get(id) ?? null
    come.delete(id)
    if (!after || encodeRow(before) !== encodeRow(after)) yield { before, after }
  }
  for (const after of come.values()) yield { before: null, after }
}

/** The error about rows that can only be compared in the same columns. */
export function schemaChanged(table: string, before: readonly string[], after: readonly string[]): RowbackError {
  const gone = before.filter((name) => !after.includes(name))
  const come = after.filter((name) => !before.includes(name))
  const difference = [...gone.map((name) => `-${name}`), ...come.map((name) => `+${name}`)].join(', ')
  return new RowbackError({
    code: 'schema.changed',
    message: `The columns of ${table} are not the same in both states (${difference || 'their order differs'}).`,
    hint: `Bring the columns of ${table} back to what they were, then try again.`,
    exit: ExitCode.conflict
  })
}
