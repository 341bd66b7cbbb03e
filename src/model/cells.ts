import type { Row } from './value.ts'
import { toJson } from './value.ts'

/** Cells by the names of their columns, as programs get them. */
export type Cells = Record<string, null | number | string>

/**
 * @param columns those of the row
 * @param wanted names of some of them
 */
export function cellsOf(row: Row, columns: readonly string[], wanted: readonly string[] = columns): Cells {
  const at = wanted === columns ? null : wanted.map((name) => columns.indexOf(name))
  return Object.fromEntries(wanted.map((name, i) => [name, toJson(row[at === null ? i : (at[i] as number)] ?? null)]))
}
