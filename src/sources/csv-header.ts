import { sourceError } from './source-error.ts'

const NUMBER = /^[+-]?(\d+([.,]\d+)?|\.\d+)(e[+-]?\d+)?$/i
const ISO_DATE = /^\d{4}-\d{2}-\d{2}([T ].*)?$/

/**
 * Whether the first line names the columns: for sure when it has a name of the table, not when a cell is a number or a
 * date. Where a cell is empty and not at the end, it does when a text stands above nothing but numbers or dates. A name that appears twice is for {@link headerNames} to refuse: to take such a
 * line for a row would load the names as data.
 */
export function isHeader(
  firstCells: string[],
  expectedColumns: string[] = [],
  rows: readonly string[][] = []
): boolean {
  const cells = firstCells.map((cell) => cell.trim())
  const expected = new Set(expectedColumns.map((name) => name.toLowerCase()))
  if (cells.some((cell) => expected.has(cell.toLowerCase()))) return true
  // Spreadsheets end lines with separators that stand for no column.
  const named = cells.slice(0, cells.findLastIndex((cell) => cell !== '') + 1)
  if (named.length === 0 || named.some(isNumberOrDate)) return false
  return !hasNamelessColumn(named, cells) || named.some((cell, at) => cell !== '' && isAboveNumbers(at, rows))
}

/** Whether the first line may be names all the same, of which one is missing. */
export function mayBeHeader(firstCells: string[]): boolean {
  const cells = firstCells.map((cell) => cell.trim())
  return cells.some((cell) => cell !== '') && cells.includes('') && !cells.some(isNumberOrDate)
}

function hasNamelessColumn(named: readonly string[], cells: readonly string[]): boolean {
  return named.includes('') || named.length < Math.min(2, cells.length)
}

function isAboveNumbers(at: number, rows: readonly string[][]): boolean {
  const below = rows.map((row) => row[at]?.trim() ?? '').filter((cell) => cell !== '')
  return below.length > 0 && below.every(isNumberOrDate)
}

function isNumberOrDate(cell: string): boolean {
  return NUMBER.test(cell) || ISO_DATE.test(cell)
}

/**
 * The names in a header line; an empty one is called after its position.
 * @throws RowbackError `source.header` when a name appears twice
 */
export function headerNames(cells: string[], line: number): string[] {
  const names = cells.map((cell, i) => cell.trim() || `column${i + 1}`)
  const twice = repeated(names)
  if (twice.length > 0) {
    throw sourceError(
      'source.header',
      `The header on line ${line} has a name more than once: ${twice.map((name) => `"${name}"`).join(', ')}.`,
      'Give each column a name of its own, or say --no-header if the line is a row.'
    )
  }
  return names
}

function repeated(names: string[]): string[] {
  const seen = new Set<string>()
  const twice = new Set<string>()
  for (const name of names) (seen.has(name) ? twice : seen).add(name)
  return [...twice]
}

/** Names for a file without a header: the table's, in order, when it has as many columns. */
export function namesWithoutHeader(width: number, expectedColumns: string[] = []): string[] {
  if (expectedColumns.length === width) return [...expectedColumns]
  return Array.from({ length: width }, (_, i) => `column${i + 1}`)
}
