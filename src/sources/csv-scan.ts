/** How a CSV file is written. */
export interface Dialect {
  delimiter: string
  quote: string
  /** `\n` also stands for `\r\n`; `\r` is the line end of old Macs. */
  newline: '\n' | '\r'
}

/** A whole record; `end` is the index after its line end. */
export interface ScannedRecord {
  kind: 'record'
  end: number
  cells: number
  /** Whether the last cell is quoted: then a `\r` at its end is its own. */
  lastQuoted: boolean
  /** Whether a quote stands within an unquoted cell, as in `5" pipe`. */
  strayQuote: boolean
}

/** A record with a quoted cell that goes on after its closing quote, as in `"a" b,`. */
export interface MalformedRecord {
  kind: 'malformed'
  /** Where that cell begins. */
  cellStart: number
  /** The index after the line in which the quote stands. */
  end: number
}

export type Scan = ScannedRecord | MalformedRecord | { kind: 'open' }

/**
 * Finds where one record ends, by the rules that papaparse has: a quoted cell may be followed by blanks.
 * @param start index at which the record begins
 * @returns `open` when the text ends before the record does
 */
export function scanRecord(text: string, start: number, dialect: Dialect): Scan {
  const { delimiter, quote, newline } = dialect
  let at = start
  let strayQuote = false
  for (let cells = 1; ; cells++) {
    const cellStart = at
    const quoted = text[at] === quote
    if (quoted) {
      const closing = closingQuote(text, at, quote)
      if (closing === -1) return { kind: 'open' }
      at = afterBlanks(text, closing + 1, dialect)
      if (at < text.length && !endsCell(text, at, dialect)) return malformed(text, closing, cellStart, newline)
    } else {
      at = endOfUnquoted(text, at, dialect)
      strayQuote ||= text.slice(cellStart, at).includes(quote)
    }
    if (at === text.length) return { kind: 'open' }
    if (text[at] === newline) return { kind: 'record', end: at + 1, cells, lastQuoted: quoted, strayQuote }
    at += delimiter.length
  }
}

function endOfUnquoted(text: string, from: number, { delimiter, newline }: Dialect): number {
  const delimiterStart = delimiter.charCodeAt(0)
  const lineEnd = newline.charCodeAt(0)
  for (let at = from; at < text.length; at++) {
    const c = text.charCodeAt(at)
    if (c === lineEnd || (c === delimiterStart && text.startsWith(delimiter, at))) return at
  }
  return text.length
}

function endsCell(text: string, at: number, { delimiter, newline }: Dialect): boolean {
  return text[at] === newline || text.startsWith(delimiter, at)
}

/** The first quote after the opening one that is not doubled. */
function closingQuote(text: string, opening: number, quote: string): number {
  let at = text.indexOf(quote, opening + 1)
  while (at !== -1 && text[at + 1] === quote) at = text.indexOf(quote, at + 2)
  // At the end of the text a second quote may still come.
  return at === text.length - 1 ? -1 : at
}

function afterBlanks(text: string, from: number, dialect: Dialect): number {
  let at = from
  while (at < text.length && !endsCell(text, at, dialect) && text[at]?.trim() === '') at++
  return at
}

function malformed(text: string, quoteAt: number, cellStart: number, newline: string): Scan {
  const lineEnd = text.indexOf(newline, quoteAt)
  return lineEnd === -1 ? { kind: 'open' } : { kind: 'malformed', cellStart, end: lineEnd + 1 }
}
