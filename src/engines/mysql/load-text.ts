import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'
import type { MysqlColumn } from './columns.ts'
import { isBytes } from './columns.ts'
import { quote } from './sql-text.ts'

/** Bytes of one piece of a file that is being loaded; pieces are packets on the wire. */
const PIECE = 1 << 18
const NEEDS_ESCAPE = /[\\\t\n\0]/
const ESCAPES: Record<string, string> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\0': '\\0' }

/** The part of `LOAD DATA` that says how {@link LoadText} is to be read. */
const LOAD_FORMAT = "CHARACTER SET utf8mb4 FIELDS TERMINATED BY '\\t' ESCAPED BY '\\\\' LINES TERMINATED BY '\\n'"

/** Rows as `LOAD DATA` reads them: tabs between cells, backslash before what would mislead, `\N` for NULL. */
export class LoadText {
  readonly #pieces: Buffer[] = []
  #piece = Buffer.allocUnsafe(PIECE)
  #end = 0

  add(values: readonly Value[]): void {
    this.#write(`${values.map(encodeCell).join('\t')}\n`)
  }

  /** Adds a row with its number and line before its values. */
  addNumbered(number: number, line: number, values: readonly Value[]): void {
    this.#write(`${number}\t${line}\t${values.map(encodeCell).join('\t')}\n`)
  }

  #write(text: string): void {
    // A UTF-16 code takes at most three bytes of UTF-8.
    const most = text.length * 3
    if (most > PIECE - this.#end) this.#cut()
    if (most > PIECE) this.#pieces.push(Buffer.from(text))
    else this.#end += this.#piece.write(text, this.#end)
  }

  #cut(): void {
    if (this.#end === 0) return
    this.#pieces.push(this.#piece.subarray(0, this.#end))
    this.#piece = Buffer.allocUnsafe(PIECE)
    this.#end = 0
  }

  /** The pieces that are full, to be sent while more is added. */
  take(): Buffer[] {
    return this.#pieces.splice(0)
  }

  end(): Buffer[] {
    this.#cut()
    return this.take()
  }
}

function encodeCell(value: Value): string {
  switch (typeof value) {
    case 'string':
      return NEEDS_ESCAPE.test(value) ? value.replace(/[\\\t\n\0]/g, (sign) => ESCAPES[sign] as string) : value
    case 'number':
      return Object.is(value, -0) ? '-0' : String(value)
    case 'bigint':
      return value.toString()
    default:
      if (value === null) return '\\N'
      if (value instanceof RawText) throw new Error('text that is no text cannot be loaded as text')
      return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('hex')
  }
}

/** Whether a value of this column can stand in {@link LoadText}; numbers that stand for ENUM or SET cannot. */
export function isLoadable(column: MysqlColumn, value: Value): boolean {
  if (value instanceof RawText) return false
  return typeof value !== 'bigint' || (column.dataType !== 'enum' && column.dataType !== 'set')
}

/** Columns that a load fills besides those of the rows. */
export interface LoadExtras {
  /** Quoted columns whose cells stand before those of the row. */
  before?: readonly string[]
  /** Further columns with SQL for their value. */
  fixed?: readonly (readonly [name: string, sql: string])[]
}

/** The statement that loads {@link LoadText} into a table. @param table quoted */
export function loadStatement(table: string, columns: readonly MysqlColumn[], extras: LoadExtras): string {
  return `LOAD DATA LOCAL INFILE 'rowback' INTO TABLE ${table} ${LOAD_FORMAT} ${loadTargets(columns, extras)}`
}

/** The columns, and what is made of cells that do not go in as they are. */
function loadTargets(columns: readonly MysqlColumn[], { before = [], fixed = [] }: LoadExtras): string {
  const made = columns.map((column, i) => madeOf(column, `@rowback_${i}`))
  const hasSets = fixed.length > 0 || made.some((sql) => sql !== null)
  const targets = [...before]
  const sets = fixed.map(([name, sql]) => `${quote(name)} = ${sql}`)
  for (const [i, column] of columns.entries()) {
    const variable = `@rowback_${i}`
    // Where anything is SET, MariaDB makes the next number of a counter's 0, unless the counter itself is SET.
    const sql = made[i] ?? (hasSets && column.counts ? variable : null)
    targets.push(sql === null ? quote(column.name) : variable)
    if (sql !== null) sets.push(`${quote(column.name)} = ${sql}`)
  }
  return `(${targets.join(', ')})${sets.length > 0 ? ` SET ${sets.join(', ')}` : ''}`
}

function madeOf(column: MysqlColumn, variable: string): string | null {
  if (isBytes(column)) return `UNHEX(${variable})`
  // As text, the YEAR 0 would be 2000.
  return column.dataType === 'bit' || column.dataType === 'year' ? `CAST(${variable} AS UNSIGNED)` : null
}
