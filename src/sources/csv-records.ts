import Papa from 'papaparse'
import { type Dialect, type MalformedRecord, scanRecord } from './csv-scan.ts'
import { inMiB, MAX_RECORD } from './limits.ts'
import { sourceError } from './source-error.ts'
import { countOf } from './strings.ts'

/** One record: the line on which it begins, and its cells as text. */
export interface CsvRecord {
  line: number
  cells: string[]
}

/** A record with malformed quotes: the cells before the fault, and the text from there on. */
export interface BrokenRecord extends CsvRecord {
  rest: string
}

export interface Records {
  good: CsvRecord[]
  broken: BrokenRecord[]
}

/** What papaparse does not tell of a record. */
interface WholeRecord {
  line: number
  lastQuoted: boolean
}

interface PapaResult {
  data: string[][]
  errors: unknown[]
  meta: { cursor: number }
}

/**
 * Turns windows of text into records with true line numbers. Papaparse does the work; only a window in which it
 * finds malformed quotes, or in which its result would be ambiguous, is gone through record by record.
 */
export class CsvRecords {
  readonly #dialect: Dialect
  readonly #width: number
  readonly #maxRecord: number
  readonly #parser: { parse(text: string, baseIndex: number, ignoreLastRow: boolean): PapaResult }
  #pending = ''
  #wanted = 0
  #line = 1

  /** @param width cells that a row should have; 0 while that is not known */
  constructor(dialect: Dialect, width = 0, maxRecord = MAX_RECORD) {
    this.#dialect = dialect
    this.#width = width
    this.#maxRecord = maxRecord
    this.#parser = new Papa.Parser({ delimiter: dialect.delimiter, quoteChar: dialect.quote, newline: dialect.newline })
  }

  /**
   * The records that end in this window.
   * @throws RowbackError `source.syntax` when one is too long to be meant
   */
  push(text: string): Records {
    this.#pending += text
    // A long record is not parsed again from its beginning with every window.
    if (this.#pending.length < this.#wanted) return { good: [], broken: [] }
    return this.#parsePending()
  }

  /**
   * The last record, if the text did not end with a line end.
   * @throws RowbackError `source.syntax` when a quote is still open
   */
  end(): Records {
    if (this.#pending === '') return { good: [], broken: [] }
    if (!this.#pending.endsWith(this.#dialect.newline)) this.#pending += this.#dialect.newline
    const records = this.#parsePending()
    if (this.#pending !== '') throw this.#unclosed('the file ends before its quote is closed')
    return records
  }

  /** How much text waits for the end of its record. */
  get rest(): number {
    return this.#pending.length
  }

  #parsePending(): Records {
    const text = this.#pending
    const { records, end } = this.#parse(text)
    this.#pending = text.slice(end)
    if (this.#pending.length > this.#maxRecord) {
      throw this.#unclosed(`it is longer than ${inMiB(this.#maxRecord)}; a quote may never be closed`)
    }
    this.#wanted = end === 0 ? Math.min(2 * text.length, this.#maxRecord + 1) : 0
    return records
  }

  #parse(text: string): { records: Records; end: number } {
    if (this.#isAmbiguous(text)) return this.#parseOneByOne(text)
    const { data, errors, meta } = this.#parser.parse(text, 0, true)
    if (errors.length > 0) return this.#parseOneByOne(text)
    return { records: { good: this.#number(data, text, meta.cursor), broken: [] }, end: meta.cursor }
  }

  /** Papaparse does not tell `x\r\n` from `"x\r"\n`, nor, in a file of one column, a blank line from `""`. */
  #isAmbiguous(text: string): boolean {
    const { quote, newline } = this.#dialect
    return (newline === '\n' && text.includes(`\r${quote}`)) || (this.#width === 1 && text.includes(quote))
  }

  #number(data: string[][], text: string, end: number): CsvRecord[] {
    const { quote, newline } = this.#dialect
    // Line ends within cells; a text without quotes has none.
    let inner = text.includes(quote) ? countOf(newline, text, 0, end) - data.length : 0
    const good: CsvRecord[] = []
    for (const cells of data) {
      const line = this.#line++
      if (inner > 0) {
        const within = linesWithin(cells, newline)
        this.#line += within
        inner -= within
      }
      if (newline === '\n') dropCarriageReturn(cells)
      if (!this.#isBlank(cells)) good.push({ line, cells })
    }
    return good
  }

  // A cell of blanks may be data where rows have one cell.
  #isBlank(cells: string[]): boolean {
    if (cells.length !== 1) return false
    return cells[0] === '' || (this.#width !== 1 && cells[0]?.trim() === '')
  }

  #parseOneByOne(text: string): { records: Records; end: number } {
    const records: Records = { good: [], broken: [] }
    let run: WholeRecord[] = []
    let runStart = 0
    let start = 0
    while (start < text.length) {
      const scan = scanRecord(text, start, this.#dialect)
      if (scan.kind === 'open') break
      const end = scan.kind === 'record' ? scan.end : this.#whereToGoOn(text, start, scan)
      const line = this.#line
      this.#line += countOf(this.#dialect.newline, text, start, end)
      if (scan.kind === 'record') {
        run.push({ line, lastQuoted: scan.lastQuoted })
      } else {
        this.#parseRun(run, text.slice(runStart, start), records.good)
        records.broken.push({ line, ...this.#salvage(text, start, scan.cellStart, end) })
        run = []
        runStart = end
      }
      start = end
    }
    this.#parseRun(run, text.slice(runStart, start), records.good)
    return { records, end: start }
  }

  /** Parses well-formed records of which the ends are known already. */
  #parseRun(run: WholeRecord[], text: string, good: CsvRecord[]): void {
    const { data } = this.#parser.parse(text, 0, true)
    if (data.length !== run.length) throw new Error(`${run.length} CSV records were parsed as ${data.length}`)
    for (const [i, { line, lastQuoted }] of run.entries()) {
      const cells = data[i] ?? []
      if (this.#dialect.newline === '\n' && !lastQuoted) dropCarriageReturn(cells)
      const blank = this.#isBlank(cells) && !(lastQuoted && this.#width === 1)
      if (!blank) good.push({ line, cells })
    }
  }

  /**
   * A malformed quote on a later line than its cell may mean that the cell's own quote was not meant to open it. If
   * each of the lines after the first is a well-formed row by itself, only the first is given up.
   */
  #whereToGoOn(text: string, start: number, { cellStart, end }: MalformedRecord): number {
    const firstLineEnd = text.indexOf(this.#dialect.newline, start) + 1
    if (cellStart >= firstLineEnd) return end
    for (let at = firstLineEnd; at < end; ) {
      const scan = scanRecord(text, at, this.#dialect)
      const fits = scan.kind === 'record' && scan.cells === this.#width && !scan.strayQuote
      if (!fits || scan.end !== text.indexOf(this.#dialect.newline, at) + 1) return end
      at = scan.end
    }
    return firstLineEnd
  }

  #salvage(text: string, start: number, cellStart: number, end: number): { cells: string[]; rest: string } {
    const { delimiter, newline } = this.#dialect
    const before = text.slice(start, Math.max(start, cellStart - delimiter.length)) + newline
    const cells = cellStart > start ? (this.#parser.parse(before, 0, true).data[0] ?? []) : []
    return { cells, rest: text.slice(cellStart, end).replace(/\r?[\r\n]$/, '') }
  }

  #unclosed(why: string) {
    return sourceError(
      'source.syntax',
      `The row that begins on line ${this.#line} has no end: ${why}.`,
      `Look at the quotes on line ${this.#line}, or say which character quotes cells (--quote).`
    )
  }
}

function linesWithin(cells: string[], newline: string): number {
  let count = 0
  for (const cell of cells) count += countOf(newline, cell)
  return count
}

function dropCarriageReturn(cells: string[]): void {
  const last = cells.length - 1
  const cell = cells[last]
  if (cell?.charCodeAt(cell.length - 1) === 13) cells[last] = cell.slice(0, -1)
}
