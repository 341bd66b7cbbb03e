import type { RowbackError } from '../errors.ts'
import { sourceError } from './source-error.ts'

interface Kind {
  magic: string
  at?: number
  looksLike: string
  hint: string
}

const NOT_ROWS = 'Give a CSV, JSON or NDJSON file.'
const SAVE_AS_CSV = 'Open it in the spreadsheet program and save the sheet as CSV (UTF-8).'

const KINDS: Kind[] = [
  { magic: '\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1', looksLike: 'an old Office file (.xls, .doc)', hint: SAVE_AS_CSV },
  { magic: 'SQLite format 3\0', looksLike: 'an SQLite database', hint: 'Export the table as CSV first.' },
  { magic: 'PAR1', looksLike: 'a Parquet file', hint: 'Export it as CSV or NDJSON first.' },
  { magic: 'ARROW1', looksLike: 'an Arrow file', hint: 'Export it as CSV or NDJSON first.' },
  { magic: 'ORC', looksLike: 'an ORC file', hint: 'Export it as CSV or NDJSON first.' },
  { magic: 'Obj\x01', looksLike: 'an Avro file', hint: 'Export it as NDJSON first.' },
  { magic: '\x89PNG\r\n', looksLike: 'a PNG image', hint: NOT_ROWS },
  { magic: '\xff\xd8\xff', looksLike: 'a JPEG image', hint: NOT_ROWS },
  { magic: 'GIF8', looksLike: 'a GIF image', hint: NOT_ROWS },
  { magic: '%PDF-', looksLike: 'a PDF document', hint: NOT_ROWS },
  { magic: '\x7fELF', looksLike: 'a program', hint: NOT_ROWS },
  { magic: 'BZh', looksLike: 'a bzip2 archive', hint: 'Unpack it first, or use .gz or .zst.' },
  { magic: '\xfd7zXZ\0', looksLike: 'an xz archive', hint: 'Unpack it first, or use .gz or .zst.' },
  { magic: '7z\xbc\xaf\x27\x1c', looksLike: 'a 7-Zip archive', hint: 'Unpack it first.' },
  { magic: 'ustar', at: 257, looksLike: 'a tar archive', hint: 'Unpack it first.' }
]

/**
 * Refuses files that are known to be no text by how they begin.
 * @param head the first bytes, decompressed
 * @throws RowbackError `source.binary`
 */
export function refuseKnownBinary(head: Buffer, name: string): void {
  const start = head.toString('latin1', 0, 512)
  if (start.startsWith('PK\x03\x04') || start.startsWith('PK\x05\x06')) throw zipError(head, name)
  const kind = KINDS.find((k) => start.startsWith(k.magic, k.at ?? 0) && !isPlainWord(k.magic, start))
  if (kind) throw binary(name, kind.looksLike, kind.hint)
}

/** The error for content with NUL bytes, which no text has. */
export function nulError(name: string, offset: number): RowbackError {
  return sourceError(
    'source.binary',
    `${name} looks like a binary file: byte ${offset + 1} is NUL.`,
    'Give a text file. If it is UTF-16 text, say --encoding utf-16le or utf-16be.'
  )
}

function zipError(head: Buffer, name: string): RowbackError {
  const isExcel = /\.xls[xm]$/i.test(name) || head.includes('xl/')
  return isExcel
    ? binary(name, 'an Excel workbook (.xlsx)', SAVE_AS_CSV)
    : binary(name, 'a ZIP archive', 'Unpack it and give the CSV or JSON file that is in it.')
}

// "ORC", "BZh" and "PAR1" could begin a header; binary files have control characters soon after.
function isPlainWord(magic: string, start: string): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what is looked for
  return /^[A-Za-z0-9]+$/.test(magic) && magic !== 'ustar' && !/[\x00-\x08\x0e-\x1f]/.test(start)
}

function binary(name: string, looksLike: string, hint: string): RowbackError {
  return sourceError('source.binary', `${name} looks like ${looksLike}, not like text with rows.`, hint)
}
