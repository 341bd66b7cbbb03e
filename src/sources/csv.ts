import type { RawCell } from '../model/failed-row.ts'
import { plural } from '../model/plural.ts'
import { Batches } from './batches.ts'
import { SAMPLE_LENGTH } from './beginning.ts'
import { type Content, emptyError } from './content.ts'
import { detectDialect, usualWidth } from './csv-dialect.ts'
import { headerNames, isHeader, mayBeHeader, namesWithoutHeader } from './csv-header.ts'
import { type BrokenRecord, type CsvRecord, CsvRecords, type Records } from './csv-records.ts'
import type { Dialect } from './csv-scan.ts'
import type { Source, SourceBatch, SourceOptions, UnreadableRow } from './source.ts'
import { sourceError } from './source-error.ts'
import { summarise } from './summary.ts'

/** What is known of a CSV file before its rows are read. */
interface Layout {
  dialect: Dialect
  columns: string[]
  /** Null when all lines are rows. */
  headerLine: number | null
  /** Columns of which the header has no name. */
  nameless?: string[]
  /** Whether the first line is a row only as far as can be told. */
  isInDoubt?: boolean
}

/**
 * Opens CSV or TSV text.
 * @param start the text from its first line that is not blank
 * @param preferred a delimiter that the file's name promises
 * @throws RowbackError `source.empty`, `source.no_rows`, `source.header`, `source.syntax`; `source.delimiter` and
 * `source.quote` (usage)
 */
export async function openCsv(
  content: Content,
  start: string,
  options: SourceOptions,
  preferred?: string
): Promise<Omit<Source, 'close'>> {
  const dialect = detectDialect(start, options, preferred)
  const first = await firstRecords(content, dialect)
  const layout = layOut(content, dialect, first, options)
  const read = () => readRows(content, layout)
  await expectRows(read(), content.name)
  return {
    name: content.name,
    columns: layout.columns,
    textColumns: new Set(),
    sha256: content.sha256,
    bytes: content.bytes,
    summary: summarise('CSV', content, details(layout, options)),
    read
  }
}

/** The records of about the first window; at least one. */
async function firstRecords(content: Content, dialect: Dialect): Promise<Records> {
  const records = new CsvRecords(dialect)
  let length = 0
  const found: Records = { good: [], broken: [] }
  for await (const { text } of content.windows()) {
    add(found, records.push(text))
    length += text.length
    if (length >= SAMPLE_LENGTH && found.good.length + found.broken.length > 0) return found
  }
  return add(found, records.end())
}

function add(all: Records, more: Records): Records {
  for (const record of more.good) all.good.push(record)
  for (const record of more.broken) all.broken.push(record)
  return all
}

function layOut(content: Content, dialect: Dialect, { good, broken }: Records, options: SourceOptions): Layout {
  const [first] = good
  const [fault] = broken
  if (options.header === false) return withoutHeader(dialect, good, options)
  if (fault && !(first && first.line < fault.line)) throw brokenHeader(fault)
  if (!first) throw emptyError(content.name)
  const rows = good.slice(1).map((record) => record.cells)
  if (!(options.header ?? isHeader(first.cells, options.expectedColumns, rows))) {
    return { ...withoutHeader(dialect, good, options), isInDoubt: mayBeHeader(first.cells) }
  }
  refuseUndecodable(first, content)
  const columns = headerNames(first.cells, first.line)
  const nameless = columns.filter((_, at) => first.cells[at]?.trim() === '')
  return { dialect, columns, headerLine: first.line, nameless }
}

function withoutHeader(dialect: Dialect, good: CsvRecord[], options: SourceOptions): Layout {
  const { width } = usualWidth(good)
  return { dialect, columns: namesWithoutHeader(width || 1, options.expectedColumns), headerLine: null }
}

function refuseUndecodable(header: CsvRecord, content: Content): void {
  if (header.cells.every((cell) => cell.isWellFormed())) return
  throw sourceError(
    'source.encoding',
    `The header on line ${header.line} of ${content.name} holds bytes that are not ${content.encoding.label}.`,
    'Say the right encoding, for example --encoding gbk or --encoding windows-1252.'
  )
}

function brokenHeader({ line }: BrokenRecord) {
  return sourceError(
    'source.syntax',
    `The first line with text (line ${line}) has malformed quotes, so that its columns are not known.`,
    'Correct the line, say which character quotes cells (--quote), or say --no-header if it is a row.'
  )
}

async function expectRows(batches: AsyncIterable<SourceBatch>, name: string): Promise<void> {
  for await (const _ of batches) return
  throw sourceError(
    'source.no_rows',
    `${name} has a header but no rows.`,
    'If its first line is a row, say --no-header.'
  )
}

function details({ dialect, headerLine, columns, nameless = [], isInDoubt }: Layout, options: SourceOptions): string[] {
  const delimiter = dialect.delimiter === '\t' ? 'tab' : JSON.stringify(dialect.delimiter)
  const quote = dialect.quote === '"' ? [] : dialect.quote === '\0' ? ['no quotes'] : [`quote ${dialect.quote}`]
  const unnamed = nameless.length > 0 ? [`no name in the header for ${nameless.join(', ')}`] : []
  const doubt = isInDoubt ? ['the first line has an empty cell and is taken for a row, unless you say --header'] : []
  return [`delimiter ${delimiter}`, ...quote, ...headerDetail(headerLine, columns, options), ...unnamed, ...doubt]
}

function headerDetail(headerLine: number | null, columns: string[], { expectedColumns }: SourceOptions): string[] {
  if (headerLine !== null) return []
  return [columns.length === expectedColumns?.length ? "no header (the table's columns in order)" : 'no header']
}

async function* readRows(content: Content, layout: Layout): AsyncGenerator<SourceBatch> {
  const records = new CsvRecords(layout.dialect, layout.columns.length)
  const batches = new Batches()
  let bytesRead = 0
  for await (const window of content.windows()) {
    bytesRead = window.bytesRead
    sortOut(records.push(window.text), layout, content, batches)
    yield* batches.full(bytesRead)
  }
  sortOut(records.end(), layout, content, batches)
  yield* batches.full(bytesRead)
  yield* batches.rest(bytesRead)
}

/** Good rows to the rows, others to the unreadable ones. */
function sortOut({ good, broken }: Records, layout: Layout, content: Content, batches: Batches): void {
  const { columns, headerLine } = layout
  const mayBeUndecodable = !content.encoding.sound
  const unreadable = broken.map((record) => malformed(record, layout))
  for (const record of good) {
    if (record.line === headerLine) continue
    if (mayBeUndecodable && !record.cells.every((cell) => cell.isWellFormed())) {
      unreadable.push(undecodable(record, layout, content.encoding.label))
    } else if (record.cells.length !== columns.length) {
      unreadable.push(ragged(record, layout))
    } else {
      batches.rows.push({ line: record.line, cells: emptyToNull(record.cells) })
    }
  }
  if (broken.length > 0) unreadable.sort((a, b) => a.line - b.line)
  for (const row of unreadable) batches.unreadable.push(row)
}

function emptyToNull(cells: string[]): RawCell[] {
  const row: RawCell[] = cells
  for (let i = 0; i < row.length; i++) if (row[i] === '') row[i] = null
  return row
}

function ragged({ line, cells }: CsvRecord, layout: Layout): UnreadableRow {
  const reason = `has ${plural(cells.length, 'cell')}, ${layout.columns.length} expected`
  return { line, code: 'ragged', reason, raw: byName(cells, layout) }
}

function undecodable({ line, cells }: CsvRecord, layout: Layout, encoding: string): UnreadableRow {
  const at = cells.findIndex((cell) => !cell.isWellFormed())
  const reason = `column "${layout.columns[at] ?? '_extra'}" holds bytes that are not ${encoding}, shown here as \ufffd`
  const shown = cells.map((cell) => cell.toWellFormed())
  return { line, code: 'encoding', reason, raw: byName(shown, layout) }
}

function malformed({ line, cells, rest }: BrokenRecord, layout: Layout): UnreadableRow {
  const reason = 'a quoted cell goes on after its closing quote'
  const { _extra, ...raw } = byName(
    cells.map((cell) => cell.toWellFormed()),
    layout
  )
  const before = _extra ? _extra + layout.dialect.delimiter : ''
  return { line, code: 'syntax', reason, raw: { ...raw, _extra: before + rest.toWellFormed() } }
}

function byName(cells: string[], { columns, dialect }: Layout): Record<string, RawCell> {
  const entries = columns.map((column, i): [string, RawCell] => [column, cells[i] || null])
  const surplus = cells.slice(columns.length)
  if (surplus.length > 0) entries.push(['_extra', surplus.join(dialect.delimiter)])
  return Object.fromEntries(entries)
}
