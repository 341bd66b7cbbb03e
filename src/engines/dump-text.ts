import type { RowChange } from '../model/change.ts'
import type { Column } from '../model/table.ts'
import type { Row } from '../model/value.ts'

/** The rows of one table on their way into an SQL file. */
export interface DumpedTable {
  name: string
  /** Of the cells, in their order; computed columns are not among them. */
  columns: Column[]
  /** The table has columns that the database computes. */
  hasGenerated: boolean
}

/** One table in which changes are to be made again. */
export interface ChangedTable {
  name: string
  /** Of the rows of every change. */
  columns: Column[]
  /** The columns by which rows are found; null where all cells together find one. */
  key: string[] | null
}

/**
 * The parts of an SQL file for the stock client of a database: text to be written in the order of
 * `begin`, then for each table `table`, `inserts` and `afterRows`, then `triggers` and `object`, then `end`.
 * Literals are exact: a cell is restored byte for byte.
 */
export interface DumpText {
  /** Sets the session so that text and times mean what they say, and nothing is checked that comes later. */
  begin(): string
  /** Sets the session back. */
  end(): string
  /** Where one transaction of changes to rows begins; tables are made before and dropped after it. */
  startChanges(): string
  endChanges(): string
  /** Makes the table, without rows. @param ddl as {@link Table.ddl} has it */
  table(ddl: readonly string[]): string
  /** Sets the counter that numbers rows; the rows may need it higher, never lower. */
  counter(table: string, counter: bigint): string
  /** INSERT statements of many rows, each less than 4 MiB long unless it is one row alone. */
  inserts(table: DumpedTable, batches: AsyncIterable<Row[]>): AsyncIterable<string>
  /** What is made faster once the rows are there. @param ddl as {@link Table.ddl} has it */
  afterRows(ddl: readonly string[]): string
  /** Makes the triggers, which must not fire before. @param ddl as {@link Table.ddl} has it */
  triggers(ddl: readonly string[]): string
  /** Makes a view, a routine or the like. @param statements whose bodies may hold semicolons */
  object(statements: readonly string[]): string
  /** DELETE of the row before a change. */
  deleteRow(table: ChangedTable, before: Row): string
  /** UPDATE of the cells that differ; never of a row that came or went. */
  updateRow(table: ChangedTable, change: RowChange): string
  dropTable(name: string): string
  dropTriggers(names: readonly string[]): string
}

/** A text that stands in a comment of one line. */
export function commentLine(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not end the line
  return `-- ${text.replace(/[\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, ' ').trimEnd()}\n`
}

/** Joins rows to statements of limited length. */
export class InsertBuilder {
  readonly #head: string
  readonly #between: string
  readonly #limit: number
  #tuples = ''

  /** @param limit in characters, of which each takes at most three bytes */
  constructor(head: string, between: string, limit: number) {
    this.#head = head
    this.#between = between
    this.#limit = limit
  }

  /** @returns the statement that is full; the row belongs to the next one */
  add(tuple: string): string {
    const full = this.#tuples.length + tuple.length > this.#limit ? this.take() : ''
    this.#tuples += this.#tuples === '' ? tuple : this.#between + tuple
    return full
  }

  /** What has gathered, as a statement; empty for nothing. */
  take(): string {
    if (this.#tuples === '') return ''
    const statement = `${this.#head}${this.#tuples};\n`
    this.#tuples = ''
    return statement
  }
}
