import type { Row } from './value.ts'
import { toJson } from './value.ts'

/** Cells by the names of their columns, as programs get them. */
export type Cells = Record<string, null | number | string>

/**
 * @param columns those of the row
 * @param wanted names of some of them
 */
export function cellsOf(row: Row, columns: readonly string[], wanted: readonly string[] = columns): Cells {
  return Object.fromEntries(wanted.map((name) => [name, toJson(row[columns.indexOf(name)] ?? null)]))
}
