import type { Row } from './value.ts'
import { sameValue } from './value.ts'

/** One row in the three states that a merge looks at, each in the same columns; null where there is no such row. */
export interface ThreeStates {
  /** Before the version that is taken back. */
  was: Row | null
  /** What that version left: the base of the merge. */
  base: Row | null
  now: Row | null
}

export interface MergedRow {
  /** The row with all taken back that nobody touched since; where somebody did, it is as it is now. */
  kept: Row | null
  /** The row with old values also where somebody touched it since. */
  old: Row | null
  /** Positions of the cells that were touched again since; none where the row could be taken back whole. */
  conflicts: number[]
}

/**
 * Takes a change of a row, from `was` to `base`, back out of the row as it is now, cell by cell: a cell that the change
 * did not touch keeps what it is now, and the same value arrived at by both sides is no conflict. A row that one side
 * took away and the other changed is a conflict in the cells that were changed.
 */
export function mergeRow({ was, base, now }: ThreeStates): MergedRow {
  if (was === null || base === null || now === null) return mergeWholeRow({ was, base, now })
  const kept: Row = []
  const restored: Row = []
  const conflicts: number[] = []
  for (let i = 0; i < now.length; i++) {
    const [old, left, is] = [was[i] ?? null, base[i] ?? null, now[i] ?? null]
    const isTouched = !sameValue(old, left)
    const isTouchedAgain = !sameValue(left, is)
    if (isTouched && isTouchedAgain && !sameValue(old, is)) conflicts.push(i)
    kept.push(isTouched && !isTouchedAgain ? old : is)
    restored.push(isTouched ? old : is)
  }
  return { kept, old: restored, conflicts }
}

function mergeWholeRow({ was, base, now }: ThreeStates): MergedRow {
  if (sameRow(was, now) || sameRow(base, was)) return { kept: now, old: now, conflicts: [] }
  if (sameRow(base, now)) return { kept: was, old: was, conflicts: [] }
  // By now just one of the three is not there.
  const [a, b] = [was, base, now].filter((row) => row !== null) as [Row, Row]
  return { kept: now, old: was, conflicts: differingCells(a, b) }
}

/** Positions of the cells that are not the same, in value, type and bytes. */
export function differingCells(a: Row, b: Row): number[] {
  return [...a.keys()].filter((i) => !sameValue(a[i] ?? null, b[i] ?? null))
}

/** Whether both hold the same cells, or neither is there. */
export function sameRow(a: Row | null, b: Row | null): boolean {
  return a === null || b === null ? a === b : differingCells(a, b).length === 0
}
