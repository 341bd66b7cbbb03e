import type { ChangeKind, RowChange } from '../model/change.ts'
import { kindOf } from '../model/change.ts'
import type { Row } from '../model/value.ts'
import { sameValue, toJson } from '../model/value.ts'

type Cells = Record<string, null | number | string>

/** One changed row as programs get it. */
export interface ChangeJson {
  op: ChangeKind
  key: Cells
  before: Cells | null
  after: Cells | null
  /** Names of the cells that differ; empty for inserts and deletes. */
  changed: string[]
}

/** A change with its cells by name; bookkeeping is not in it. */
export function changeJson(change: RowChange, columns: readonly string[], key: readonly string[]): ChangeJson {
  const { before, after } = change
  const row = (after ?? before) as Row
  return {
    op: kindOf(change),
    key: cells(
      key.map((name) => row[columns.indexOf(name)] ?? null),
      key
    ),
    before: before && cells(before, columns),
    after: after && cells(after, columns),
    changed: before && after ? columns.filter((_, i) => !sameValue(before[i] ?? null, after[i] ?? null)) : []
  }
}

function cells(row: Row, names: readonly string[]): Cells {
  return Object.fromEntries(names.map((name, i) => [name, toJson(row[i] ?? null)]))
}
