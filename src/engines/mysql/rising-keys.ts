import type { TypedRow } from '../engine.ts'
import type { MysqlTable } from './catalogue.ts'
import type { Product } from './product.ts'

/**
 * Watches over rows whose keys rise: none of them can repeat another, so that a server may load them all in bulk, which it
 * undoes as a whole. What else it could refuse of them is rare, and costs loading them a second time.
 */
export class RisingKeys<R extends TypedRow> {
  readonly #keyAt: number
  #last: bigint | number | null = null

  private constructor(keyAt: number) {
    this.#keyAt = keyAt
  }

  /**
   * @param columns of the rows
   * @returns null where the server has no such way, or a table more to check than one whole number as its key
   */
  static of<R extends TypedRow>(product: Product, table: MysqlTable, columns: readonly string[]): RisingKeys<R> | null {
    const [key] = Object.values(table.indexColumns)
    const isPlain =
      key?.length === 1 &&
      Object.keys(table.indexColumns).length === 1 &&
      table.foreignKeys.length === 0 &&
      table.triggers.length === 0
    const keyAt = isPlain ? columns.indexOf(key[0] as string) : -1
    const kind = table.columns.find((column) => column.name === key?.[0])?.type.kind
    return product.bulkLoads && keyAt >= 0 && kind === 'integer' ? new RisingKeys(keyAt) : null
  }

  /** Whether a row's key is above those of all rows before. */
  rises(row: R): boolean {
    const key = row.values[this.#keyAt]
    if (typeof key !== 'bigint' && typeof key !== 'number') return false
    const rises = this.#last === null || key > this.#last
    if (rises) this.#last = key
    return rises
  }
}
