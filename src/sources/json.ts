import { plural } from '../model/plural.ts'
import { Batches } from './batches.ts'
import type { Content } from './content.ts'
import { type JsonElement, JsonElements, type JsonPart, jsonError } from './json-elements.ts'
import { cellsOf, isTextual, type JsonFault, type JsonRow, parseJsonRow } from './json-row.ts'
import { type JsonShape, shapeOf } from './json-shape.ts'
import { inMiB, MAX_RECORD } from './limits.ts'
import { lineElements } from './ndjson.ts'
import type { Source, SourceBatch } from './source.ts'
import { sourceError } from './source-error.ts'
import { summarise } from './summary.ts'

/** Where elements come from, what that is called, and whether one that is malformed spoils the others. */
interface JsonRows {
  kind: string
  parts: () => AsyncGenerator<JsonPart>
  separate: boolean
}

/**
 * Opens JSON: an array of objects, an object that holds one, or a single object.
 * @param start the text from its first line that is not blank
 * @throws RowbackError `source.syntax`, `source.no_rows`
 */
export async function openJson(content: Content, start: string): Promise<Omit<Source, 'close'>> {
  const shape = await shapeOf(content, start)
  return shape.rows === 'lines' ? openNdjson(content) : openRows(content, jsonRows(content, shape))
}

/**
 * Opens NDJSON: one object per line.
 * @throws RowbackError `source.syntax` when no line is an object, `source.no_rows`
 */
export async function openNdjson(content: Content): Promise<Omit<Source, 'close'>> {
  return openRows(content, { kind: 'NDJSON', parts: () => lineElements(content), separate: true })
}

function jsonRows(content: Content, shape: Exclude<JsonShape, { rows: 'lines' }>): JsonRows {
  if (shape.rows === 'object') return { kind: 'JSON object', parts: () => wholeElement(content), separate: false }
  const member = shape.rows === 'member' ? shape.member : null
  return { kind: 'JSON array', parts: () => arrayElements(content, member), separate: false }
}

async function* arrayElements(content: Content, member: number | null): AsyncGenerator<JsonPart> {
  const elements = new JsonElements(content.name, member)
  for await (const { text, bytesRead } of content.windows()) yield { elements: elements.push(text), bytesRead }
  elements.end()
}

async function* wholeElement(content: Content): AsyncGenerator<JsonPart> {
  let text = ''
  for await (const window of content.windows()) {
    text += window.text
    if (text.length > MAX_RECORD) throw jsonError(content.name, 1, `it is one object of more than ${inMiB(MAX_RECORD)}`)
  }
  const blankLines = text.slice(0, text.length - text.trimStart().length).split('\n').length - 1
  const element = { line: blankLines + 1, text: text.trim() }
  yield { elements: [element], bytesRead: content.bytes }
}

async function openRows(content: Content, rows: JsonRows): Promise<Omit<Source, 'close'>> {
  const { columns, textColumns } = await collectColumns(content, rows)
  return {
    name: content.name,
    columns,
    textColumns,
    sha256: content.sha256,
    bytes: content.bytes,
    summary: summarise(rows.kind, content),
    read: () => readRows(content, rows, columns)
  }
}

/** A first pass over all rows: any of them may have a key that no other has. */
async function collectColumns(content: Content, rows: JsonRows): Promise<Pick<Source, 'columns' | 'textColumns'>> {
  const columns = new Set<string>()
  const textColumns = new Set<string>()
  let count = 0
  let firstFault: JsonFault | undefined
  for await (const { elements } of rows.parts()) {
    for (const element of elements) {
      const row = parse(element, content, rows)
      count++
      if ('code' in row) {
        firstFault ??= row
        continue
      }
      for (const key of Object.keys(row.values)) {
        if (!columns.has(key)) columns.add(key)
        if (!textColumns.has(key) && isTextual(row.values[key])) textColumns.add(key)
      }
      if (rows.kind === 'JSON object') refuseEmptyList(row, content.name)
    }
  }
  if (columns.size === 0) throw firstFault ? noObjectError(content.name, firstFault) : noRowsError(content.name, count)
  return { columns: [...columns], textColumns }
}

async function* readRows(content: Content, rows: JsonRows, columns: string[]): AsyncGenerator<SourceBatch> {
  const batches = new Batches()
  let bytes = 0
  for await (const { elements, bytesRead } of rows.parts()) {
    bytes = bytesRead
    for (const element of elements) {
      const row = parse(element, content, rows)
      if ('code' in row) batches.unreadable.push(unreadable(row))
      else batches.rows.push({ line: row.line, cells: cellsOf(row, columns) })
    }
    yield* batches.full(bytes)
  }
  yield* batches.rest(bytes)
}

function parse({ text, line }: JsonElement, content: Content, rows: JsonRows): JsonRow | JsonFault {
  const row = parseJsonRow(text, line)
  if ('code' in row && row.malformed && !rows.separate) throw jsonError(content.name, line, `a row ${row.reason}`)
  return row
}

function unreadable({ line, code, reason, raw }: JsonFault) {
  return { line, code, reason, raw }
}

/** `{"data":[]}` is a list without rows, not a row. */
function refuseEmptyList({ values }: JsonRow, name: string): void {
  const [only, ...others] = Object.values(values)
  if (Array.isArray(only) && only.length === 0 && others.length === 0) throw noRowsError(name, 0)
}

function noRowsError(name: string, count: number) {
  const message = count > 0 ? `${name} holds ${plural(count, 'object')} without any key.` : `${name} holds no rows.`
  return sourceError('source.no_rows', message, 'Check the query or the program that wrote it.')
}

function noObjectError(name: string, { line, reason }: JsonFault) {
  return sourceError(
    'source.syntax',
    `${name} holds no object that could be a row; what begins on line ${line} ${reason}.`,
    'Give an array of objects, or NDJSON with one object per line.'
  )
}
