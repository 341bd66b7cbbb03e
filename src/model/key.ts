import type { Row, Value } from './value.ts'
import { encodeRow } from './value.ts'

/** How the cells of some columns compare, where that is not byte by byte: `NOCASE` or `RTRIM`, by column name. */
export type Collations = Record<string, string>

/** Finds the key of a row as text: rows with the same text have the same key, in the table's own collations. */
export class RowKey {
  readonly #at: number[]
  readonly #collations: (string | undefined)[]

  constructor(columns: readonly string[], key: readonly string[], collations: Collations) {
    this.#at = key.map((name) => columns.indexOf(name))
    this.#collations = key.map((name) => collations[name]?.toUpperCase())
  }

  /** Null for a key that tells nothing: one with a cell without a value, or none at all. */
  of(row: Row): string | null {
    const cells = this.#at.map((at, i) => folded(row[at] ?? null, this.#collations[i]))
    return cells.length === 0 || cells.includes(null) ? null : encodeRow(cells)
  }
}

/** https://sqlite.org/datatype3.html, section 7: NOCASE folds the 26 letters of ASCII, RTRIM ignores blanks at the end. */
function folded(cell: Value, collation: string | undefined): Value {
  if (typeof cell !== 'string') return cell
  if (collation === 'NOCASE') return cell.replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
  return collation === 'RTRIM' ? cell.replace(/ +$/, '') : cell
}
