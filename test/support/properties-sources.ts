import { writeFileSync } from 'node:fs'

export type SourceFormat = 'csv' | 'json' | 'ndjson'

/** A row as the test wrote it: the line on which it begins, and its cells by column. */
export interface SourceRow {
  line: number
  cells: Record<string, string | null>
}

export interface SourceSketch {
  format: SourceFormat
  columns: string[]
  rows: (string | null)[][]
  /** Columns whose cells JSON gives as numbers or booleans where their text allows it. */
  bare: ReadonlySet<string>
  /** JSON leaves the keys of nulls out. */
  sparse: boolean
}

/**
 * Writes a source file.
 * @returns its rows as rowback will understand them, with their lines
 */
export function writeSource(path: string, sketch: SourceSketch): SourceRow[] {
  if (sketch.format === 'csv') return writeCsv(path, sketch)
  // The first row names all columns.
  const lines = sketch.rows.map((row, i) => jsonObject(i > 0 ? sketch : { ...sketch, sparse: false }, row))
  const array = sketch.format === 'json'
  writeFileSync(path, array ? `[\n${lines.join(',\n')}\n]\n` : `${lines.join('\n')}\n`)
  return sketch.rows.map((row, i) => ({ line: i + (array ? 2 : 1), cells: byName(sketch.columns, row) }))
}

function byName(columns: string[], row: (string | null)[]): SourceRow['cells'] {
  return Object.fromEntries(columns.map((name, i) => [name, row[i] ?? null]))
}

function jsonObject({ columns, bare, sparse }: SourceSketch, row: (string | null)[]): string {
  const members = columns.map((name, i) => {
    const cell = row[i] ?? null
    if (cell === null) return sparse ? null : `${JSON.stringify(name)}:null`
    return `${JSON.stringify(name)}:${bare.has(name) && isBareJson(cell) ? cell : JSON.stringify(cell)}`
  })
  return `{${members.filter((member) => member !== null).join(',')}}`
}

function isBareJson(text: string): boolean {
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(text) || text === 'true' || text === 'false'
}

/** NUL cannot stand in CSV, and an empty cell is NULL. */
function writeCsv(path: string, { columns, rows }: SourceSketch): SourceRow[] {
  const quoted = (text: string) => `"${text.replaceAll('"', '""')}"`
  let line = 2
  let text = `${columns.map(quoted).join(',')}\n`
  const written = rows.map((row) => {
    const cells = row.map((cell) => cell?.replaceAll('\0', '') || null)
    const record = `${cells.map((cell) => (cell === null ? '' : quoted(cell))).join(',')}\n`
    const at = line
    line += record.split('\n').length - 1
    text += record
    return { line: at, cells: byName(columns, cells) }
  })
  writeFileSync(path, text)
  return written
}
