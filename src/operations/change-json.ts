import type { Cells } from '../model/cells.ts'
import { cellsOf } from '../model/cells.ts'
import type { ChangeKind, RowChange } from '../model/change.ts'
import { kindOf } from '../model/change.ts'
import type { Row } from '../model/value.ts'
import { sameValue } from '../model/value.ts'

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
    key: cellsOf(row, columns, key),
    before: before && cellsOf(before, columns),
    after: after && cellsOf(after, columns),
    changed: before && after ? columns.filter((_, i) => !sameValue(before[i] ?? null, after[i] ?? null)) : []
  }
}
