import type { Engine } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import { cellsOf } from '../model/cells.ts'
import type { RowChange } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import type { ChangeSpool } from './change-spool.ts'
import type { Conflicts, OnConflict } from './revert-conflicts.ts'
import type { VersionChange } from './version-changes.ts'

/** Rows that are the same in all cells. */
interface EqualRows {
  row: Row
  /** How many more of them the version left than there were before. */
  added: number
  /** How many more there are now than the version left. */
  addedSince: number
  /** Those that are there, in the columns of the image. */
  live: Row[]
}

/**
 * Takes back changes of rows that no key tells apart: of equal rows it only counts how many there were, are and shall be.
 * It reads the whole table, if there is any such change.
 */
export class EqualRowsMerge {
  readonly #rows = new Map<string, EqualRows>()

  add({ before, after }: RowChange): void {
    if (before) this.#countFor(before).added--
    if (after) this.#countFor(after).added++
  }

  #countFor(row: Row): EqualRows {
    const line = encodeRow(row)
    const rows = this.#rows.get(line) ?? { row, added: 0, addedSince: 0, live: [] }
    this.#rows.set(line, rows)
    return rows
  }

  async takeBack(
    engine: Engine,
    change: VersionChange,
    table: Table,
    onConflict: OnConflict,
    conflicts: Conflicts,
    made: ChangeSpool
  ): Promise<void> {
    if (this.#rows.size === 0) return
    for await (const { before, after } of change.since()) {
      const [gone, come] = [before, after].map((row) => row && this.#rows.get(encodeRow(row)))
      if (gone) gone.addedSince--
      if (come) come.addedSince++
    }
    await this.#findLive(engine, table)
    const columns = writableColumns(table).map((column) => column.name)
    for (const rows of this.#rows.values()) {
      if (rows.added === 0) continue
      const [base, now] = [rows.live.length - rows.addedSince, rows.live.length]
      const then = base - rows.added
      const isConflict = rows.addedSince !== 0 && now !== then
      if (isConflict) conflicts.addOther(change.table, reasonOf(then, base, now), cellsOf(rows.row, columns))
      const wanted = isConflict && onConflict !== 'take-old' ? now : then
      for (const row of rows.live.slice(wanted)) made.add({ before: row, after: null })
      const image = table.hiddenOrder ? [null, ...rows.row] : rows.row
      for (let i = now; i < wanted; i++) made.add({ before: null, after: image })
    }
  }

  async #findLive(engine: Engine, table: Table): Promise<void> {
    for await (const batch of engine.readRows(table, WHOLE_TABLE)) {
      for (const image of batch) {
        this.#rows.get(encodeRow(table.hiddenOrder ? image.slice(1) : image))?.live.push(image)
      }
    }
  }
}

function reasonOf(then: number, base: number, now: number): string {
  return `of such rows there were ${then} before, ${base} after it, and there are ${now} now; no key tells them apart`
}
