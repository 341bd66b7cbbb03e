import Table from 'cli-table3'
import type { Style } from '../render.ts'

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  '
}

const LONGEST_CELL = 60

/**
 * Columns that align, without borders; numbers to the right.
 * @param grouped whether thousands are set apart: for counts, not for data
 */
export function textTable(style: Style, head: string[], rows: (string | number | null)[][], grouped = true): string {
  const numeric = head.map(
    (_, i) => rows.length > 0 && rows.every((row) => row[i] === null || typeof row[i] === 'number')
  )
  const table = new Table({
    head: head.map((name) => style.dim(name)),
    chars: NO_BORDERS,
    colAligns: numeric.map((right) => (right ? 'right' : 'left')),
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] }
  })
  for (const row of rows) table.push(row.map((cell) => shown(style, cell, grouped)))
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n')
}

function shown(style: Style, cell: string | number | null, grouped: boolean): string {
  if (cell === null) return style.dim('null')
  if (typeof cell === 'number') return grouped ? cell.toLocaleString('en') : String(cell)
  return shorten(cell)
}

/** One line, and not too long; the whole value is in `--json`. */
export function shorten(text: string, longest = LONGEST_CELL): string {
  const line = text.replace(/\r?\n|\r/g, '⏎')
  return line.length > longest ? `${line.slice(0, longest - 1)}…` : line
}

/** A word that a shell takes as it is. */
export function shellWord(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
