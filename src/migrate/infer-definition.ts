import { RowbackError } from '../errors.ts'
import { CellFailure } from '../format/cell-failure.ts'
import { TypeInference } from '../format/infer.ts'
import { KeyCheck } from '../format/key-check.ts'
import { proposeKey } from '../format/propose-key.ts'
import { compileRule } from '../format/rules.ts'
import { typeNamed } from '../format/type-name.ts'
import type { RawCell } from '../model/failed-row.ts'
import { plural } from '../model/plural.ts'
import type { TableDefinition } from '../model/table.ts'
import { display } from '../model/value.ts'
import type { Source } from '../sources/source.ts'
import type { TableRequest } from './request.ts'

interface ColumnPair {
  source: string | null
  target: string
}

/**
 * Finds the columns of a new table from all rows of the source, so that no later row can contradict an early one.
 * @throws RowbackError `key.duplicate` when the key that the user chose does not tell rows apart
 */
export async function inferDefinition(
  name: string,
  request: TableRequest,
  source: Source,
  pairs: readonly ColumnPair[]
): Promise<{ definition: TableDefinition; notes: string[] }> {
  const names = pairs.map((pair) => pair.target)
  const wanted = request.key ?? [proposeKey(names, name)].filter((column) => column !== null)
  const keyAt = wanted.map((column) => keyPosition(names, column))
  const inference = new TypeInference(names, textTargets(source, pairs))
  const check = new KeyCheck()
  const clean = cellCleaner(request, source, pairs)
  for await (const batch of source.read()) {
    for (const row of batch.rows) {
      const cells = clean(row.cells)
      inference.add(cells)
      if (keyAt.length > 0)
        check.add(
          row.line,
          keyAt.map((at) => cells[at] ?? null)
        )
    }
  }
  const { key, notes } = settleKey(request, names, keyAt, check)
  const columns = inference.columns().map((column) => {
    const wanted = typeNamed(request.columns?.[column.name]?.type ?? '')
    const { name, type, longest, fractionDigits, zoned } = column
    const nullable = !key?.includes(name)
    if (wanted) return { name, type: wanted, nullable }
    return { name, type, nullable, seen: { longest, fractionDigits, zoned } }
  })
  return { definition: { name, columns, key }, notes }
}

function keyPosition(names: string[], column: string): number {
  const at = names.findIndex((name) => name.toLowerCase() === column.toLowerCase())
  if (at >= 0) return at
  throw new RowbackError({
    code: 'key.missing',
    message: `The source has no column ${column}, which is part of the key.`,
    hint: `Its columns are ${names.join(', ')}.`
  })
}

function textTargets(source: Source, pairs: readonly ColumnPair[]): Set<string> {
  return new Set(
    pairs.filter((pair) => pair.source !== null && source.textColumns.has(pair.source)).map((pair) => pair.target)
  )
}

/** The cells as the plan's rules make them; one that fails its rule says nothing of the type. */
function cellCleaner(
  request: TableRequest,
  source: Source,
  pairs: readonly ColumnPair[]
): (cells: RawCell[]) => RawCell[] {
  const steps = pairs.map((pair) => {
    const rule = request.columns?.[pair.target]
    return {
      at: pair.source === null ? -1 : source.columns.indexOf(pair.source),
      clean: rule ? compileRule(rule, pair.target) : null
    }
  })
  if (steps.every((step, i) => step.clean === null && step.at === i)) return (cells) => cells
  return (cells) =>
    steps.map(({ at, clean }) => {
      const cell = at < 0 ? null : (cells[at] ?? null)
      const cleaned = clean ? clean(cell) : cell
      return cleaned instanceof CellFailure ? null : cleaned
    })
}

function settleKey(
  request: TableRequest,
  names: string[],
  keyAt: number[],
  check: KeyCheck
): { key: string[] | null; notes: string[] } {
  const key = keyAt.map((at) => names[at] as string)
  if (key.length === 0) return { key: null, notes: [] }
  if (request.key === null) {
    if (check.repeats > 0 || check.nulls > 0) return { key: null, notes: [] }
    return { key, notes: [`${key[0]} is the key: it is there and different in every row. Choose another with --key.`] }
  }
  if (check.firstRepeat) {
    const { firstLine, line, key: cells } = check.firstRepeat
    throw new RowbackError({
      code: 'key.duplicate',
      message:
        `(${key.join(', ')}) is not a key of this source: lines ${firstLine} and ${line} both have ` +
        `${cells.map(display).join(', ')}; ${plural(check.repeats, 'row')} ${check.repeats === 1 ? 'repeats' : 'repeat'} a key.`,
      hint: 'Choose columns that are unique together with --key, or take the repeated rows out of the source.'
    })
  }
  return { key, notes: [] }
}
