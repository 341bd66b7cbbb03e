import { usageError } from '../errors.ts'
import { SAMPLE_LENGTH } from './beginning.ts'
import { type CsvRecord, CsvRecords } from './csv-records.ts'
import type { Dialect } from './csv-scan.ts'
import type { SourceOptions } from './source.ts'

const DELIMITERS = ['\t', ';', '|', ',']
const QUOTES = ['"', "'"]
/** A delimiter counts when at least this share of the records has the same number of cells. */
const CONSISTENT = 0.6
/** A record longer than this at the end of a sample is one whose quote is not closed. */
const LONG_RECORD = 4096

/** How a sample reads with one delimiter and quote. */
interface Trial {
  delimiter: string
  quote: string
  records: CsvRecord[]
  /** The most frequent number of cells, and the share of records that have it. */
  width: number
  share: number
  /** Whether quotes are malformed or not closed. */
  flawed: boolean
}

/**
 * Finds out how a CSV file is written, as far as the options do not say.
 * @param sample the text, or as much of it as `beginning` gives
 * @param preferred a delimiter that the file's name promises
 * @throws RowbackError `source.delimiter` or `source.quote` (usage) for characters that cannot be one
 */
export function detectDialect(sample: string, options: SourceOptions, preferred?: string): Dialect {
  const delimiter = options.delimiter === undefined ? undefined : checkedDelimiter(options.delimiter)
  const quote = options.quote === undefined ? undefined : checkedQuote(options.quote, delimiter)
  const quotes = quote === undefined ? QUOTES.filter((q) => q !== delimiter) : [quote]
  const delimiters = (delimiter === undefined ? DELIMITERS : [delimiter]).filter((d) => d !== quote)
  const [usual = '"', unusual] = quotes
  const readWith = (q: string): Trial => {
    const newline = newlineOf(sample, q)
    const trials = delimiters.map((d) => tryOut(sample, { delimiter: d, quote: q, newline }))
    return bestTrial(trials, options.expectedColumns, preferred)
  }
  const trial = moreLikely(sample, readWith(usual), unusual === undefined ? undefined : () => readWith(unusual))
  return { delimiter: trial.delimiter, quote: trial.quote, newline: newlineOf(sample, trial.quote) }
}

/**
 * Apostrophes quote only when nothing else does, every cell that begins with one is well-formed that way, and they make
 * rows even or stand around a whole column: a few cells like `'x'` are text.
 */
function moreLikely(sample: string, usual: Trial, readWithOther?: () => Trial): Trial {
  if (!readWithOther || opensCells(sample, usual)) return usual
  const other = readWithOther()
  const isNeeded = other.share > usual.share || (other.share === usual.share && hasQuotedColumn(usual, other.quote))
  return isNeeded && !other.flawed && opensCells(sample, other) ? other : usual
}

function hasQuotedColumn({ records, width }: Trial, quote: string): boolean {
  const rows = records.slice(1)
  const isQuoted = (cell: string) => cell.length > 1 && cell.startsWith(quote) && cell.endsWith(quote)
  return (
    rows.length > 0 && Array.from({ length: width }).some((_, i) => rows.every(({ cells }) => isQuoted(cells[i] ?? '')))
  )
}

/** Line ends within quotes say nothing. */
function newlineOf(sample: string, quote: string): Dialect['newline'] {
  const unquoted =
    quote === '"' || quote === "'" ? sample.replaceAll(new RegExp(`${quote}[^${quote}]*${quote}`, 'g'), '') : sample
  return !unquoted.includes('\n') && unquoted.includes('\r') ? '\r' : '\n'
}

function tryOut(sample: string, dialect: Dialect): Trial {
  const { delimiter, quote } = dialect
  const reader = new CsvRecords(dialect, 0, Number.POSITIVE_INFINITY)
  const { good, broken } = reader.push(sample)
  const last = endOf(sample, reader, good.length)
  const records = [...good, ...last.records]
  return { delimiter, quote, records, ...usualWidth(records), flawed: broken.length > 0 || last.unclosed }
}

/** The last line of a text that is all there; of a longer one it may be cut. */
function endOf(sample: string, reader: CsvRecords, before: number): { records: CsvRecord[]; unclosed: boolean } {
  if (sample.length >= SAMPLE_LENGTH && before > 0) return { records: [], unclosed: reader.rest > LONG_RECORD }
  try {
    return { records: reader.end().good, unclosed: false }
  } catch {
    return { records: [], unclosed: true }
  }
}

/** The number of cells that most records have; of the first when there is no such number. */
export function usualWidth(records: CsvRecord[]): { width: number; share: number } {
  const counts = new Map<number, number>()
  for (const { cells } of records) counts.set(cells.length, (counts.get(cells.length) ?? 0) + 1)
  let width = records[0]?.cells.length ?? 0
  for (const [cells, count] of counts) if (count > (counts.get(width) ?? 0)) width = cells
  return { width, share: records.length === 0 ? 0 : (counts.get(width) ?? 0) / records.length }
}

function bestTrial(trials: Trial[], expected: string[] = [], preferred?: string): Trial {
  const promised = trials.find((t) => t.delimiter === preferred && t.width > 1)
  if (promised) return promised
  const named = maxBy(trials, (t) => expectedCells(t, expected))
  if (named && cellsOfFirst(named) > 1 && expectedCells(named, expected) > 0) return named
  const viable = trials.filter((t) => t.width > 1 && t.share >= CONSISTENT)
  const candidates = viable.filter((t) => !(t.delimiter === ',' && viable.length > 1 && onlyDecimalCommas(t)))
  const consistent = maxBy(candidates, (t) => Math.round(t.share * 20) * 1000 + t.width)
  if (consistent) return consistent
  const widest = maxBy(trials, cellsOfFirst)
  return (widest && cellsOfFirst(widest) > 1 ? widest : trials.at(-1)) as Trial
}

function cellsOfFirst(trial: Trial): number {
  return trial.records[0]?.cells.length ?? 0
}

function expectedCells(trial: Trial, expected: string[]): number {
  const names = new Set(expected.map((name) => name.toLowerCase()))
  return trial.records[0]?.cells.filter((cell) => names.has(cell.trim().toLowerCase())).length ?? 0
}

/** Whether each comma could be that of a number like `1,5`, as in `1,5;2,5`. */
function onlyDecimalCommas(trial: Trial): boolean {
  return trial.records.every(({ cells }) =>
    cells.slice(1).every((cell, i) => /\d$/.test(cells[i] ?? '') && /^\d/.test(cell))
  )
}

function opensCells(sample: string, { delimiter, quote }: Trial): boolean {
  return sample.startsWith(quote) || ['\n', '\r', delimiter].some((before) => sample.includes(before + quote))
}

function checkedDelimiter(given: string): string {
  const delimiter = given === '\\t' || given.toLowerCase() === 'tab' ? '\t' : given
  if (delimiter === '' || /[\r\n"\ufeff]/.test(delimiter)) {
    throw usageError('source.delimiter', `${JSON.stringify(given)} cannot separate cells.`, 'Use , ; | or tab.')
  }
  return delimiter
}

function checkedQuote(given: string, delimiter?: string): string {
  // No text has NUL characters, so that nothing is quoted.
  if (given === '' || given === 'none') return '\0'
  if (given.length !== 1 || /[\r\n\ufeff]/.test(given) || given === delimiter) {
    throw usageError('source.quote', `${JSON.stringify(given)} cannot quote cells.`, 'Use " or \' or none.')
  }
  return given
}

function maxBy<T>(items: T[], score: (item: T) => number): T | undefined {
  let best: T | undefined
  for (const item of items) if (best === undefined || score(item) > score(best)) best = item
  return best
}
