import { RowKey } from '../../model/key.ts'
import type { Table } from '../../model/table.ts'
import { imageColumns } from '../../model/table.ts'
import type { Row } from '../../model/value.ts'
import { encodeRow } from '../../model/value.ts'
import type { MysqlColumn } from './columns.ts'
import { columnsNamed } from './columns.ts'
import { literalFor } from './range.ts'
import { list, quote } from './sql-text.ts'

type Decode = (columns: readonly MysqlColumn[], alias: string, rest: string) => Promise<Row[]>

const FOUND_AT_ONCE = 1000

/**
 * Finds live rows by the cells of a unique key, and locks them; see {@link Engine.findRows}.
 * @param decode reads columns of an aliased table exactly; what follows the columns is given to it
 */
export async function findRows(
  decode: Decode,
  table: Table,
  by: readonly string[],
  cells: readonly Row[]
): Promise<(Row | null)[]> {
  const finder = new Finder(decode, table, by)
  const found: (Row | null)[] = []
  for (let from = 0; from < cells.length; from += FOUND_AT_ONCE) {
    found.push(...(await finder.find(cells.slice(from, from + FOUND_AT_ONCE))))
  }
  return found
}

class Finder {
  readonly #decode: Decode
  readonly #table: Table
  readonly #by: readonly string[]
  readonly #columns: MysqlColumn[]
  readonly #key: RowKey

  constructor(decode: Decode, table: Table, by: readonly string[]) {
    this.#decode = decode
    this.#table = table
    this.#by = by
    this.#columns = columnsNamed(table, by)
    this.#key = new RowKey(imageColumns(table), by, {})
  }

  async find(cells: readonly Row[]): Promise<(Row | null)[]> {
    const rows = new Map((await this.#read(cells)).map((row) => [this.#key.of(row), row]))
    const found = cells.map((wanted) => {
      const text = encodeRow(wanted)
      const row = rows.get(text) ?? null
      rows.delete(text)
      return row
    })
    // What is left is spelled in another way, as the collation allows.
    for (const [i, wanted] of cells.entries()) {
      if (rows.size === 0) break
      if (found[i]) continue
      const [row] = await this.#read([wanted])
      if (!row) continue
      found[i] = row
      rows.delete(this.#key.of(row))
    }
    return found
  }

  #read(cells: readonly Row[]): Promise<Row[]> {
    const columns = columnsNamed(this.#table, imageColumns(this.#table))
    const names = this.#by.length === 1 ? list(this.#by) : `(${list(this.#by)})`
    const wanted = cells.map((row) => this.#literals(row)).join(', ')
    const from = ` FROM ${quote(this.#table.name)} t WHERE ${names} IN (${wanted}) FOR UPDATE`
    return this.#decode(columns, 't', from)
  }

  #literals(row: Row): string {
    const literals = this.#columns.map((column, i) => literalFor(column, row[i]))
    return literals.length === 1 ? (literals[0] as string) : `(${literals.join(', ')})`
  }
}
