import type { Engine } from '../engines/engine.ts'
import type { RowChange } from '../model/change.ts'
import { RowKey } from '../model/key.ts'
import type { ThreeStates } from '../model/merge-rows.ts'
import { mergeRow, sameRow } from '../model/merge-rows.ts'
import type { Table } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { encodeRow } from '../model/value.ts'
import { ChangeSpool } from './change-spool.ts'
import { EqualRowsMerge } from './merge-equal-rows.ts'
import type { Conflicts, OnConflict } from './revert-conflicts.ts'
import type { VersionChange } from './version-changes.ts'

const FOUND_AT_ONCE = 1000

/**
 * Finds out what has to be written into a table so that a version's change of it is taken back and what came after stays.
 * @param table as it is now, with the columns and the key that it had then
 * @returns changes in the columns of `imageColumns(table)`; whoever asks closes them
 */
export async function mergeTable(
  engine: Engine,
  change: VersionChange,
  table: Table,
  onConflict: OnConflict,
  conflicts: Conflicts
): Promise<ChangeSpool> {
  const made = new ChangeSpool()
  // Rows that the version took away come first: the key of one may be that of another that it wrote, spelled anew.
  const [changed, inserted] = [new ChangeSpool(), new ChangeSpool()]
  try {
    const equalRows = new EqualRowsMerge()
    const merge = new TableMerge(engine, change, table, onConflict, conflicts, made)
    // What is read must be read to its end before anything else can be asked.
    for await (const pair of change.changes()) {
      if (merge.isKeyed(pair)) (pair.before === null ? inserted : changed).add(pair)
      else equalRows.add(pair)
    }
    await merge.takeBack(changed)
    await merge.takeBack(inserted)
    merge.takeBackRespelled()
    await equalRows.takeBack(engine, change, table, onConflict, conflicts, made)
    return made
  } catch (error) {
    made.close()
    throw error
  } finally {
    changed.close()
    inserted.close()
  }
}

class TableMerge {
  readonly #engine: Engine
  readonly #change: VersionChange
  readonly #table: Table
  readonly #onConflict: OnConflict
  readonly #conflicts: Conflicts
  readonly #made: ChangeSpool
  readonly #columns: string[]
  readonly #keyAt: number[]
  readonly #key: RowKey
  /** Deleted rows, by the key of the live row that has theirs in another spelling. */
  readonly #respelled = new Map<string, { was: Row; found: Row }>()

  constructor(
    engine: Engine,
    change: VersionChange,
    table: Table,
    onConflict: OnConflict,
    conflicts: Conflicts,
    made: ChangeSpool
  ) {
    this.#engine = engine
    this.#change = change
    this.#table = table
    this.#onConflict = onConflict
    this.#conflicts = conflicts
    this.#made = made
    this.#columns = writableColumns(table).map((column) => column.name)
    this.#keyAt = (table.key ?? []).map((name) => this.#columns.indexOf(name))
    this.#key = new RowKey(this.#columns, table.key ?? [], table.collations)
  }

  /** Whether a row can be found by its key: it has one, without a NULL in it. */
  isKeyed({ before, after }: RowChange): boolean {
    return [before, after].every((row) => row === null || this.#key.of(row) !== null)
  }

  async takeBack(pairs: ChangeSpool): Promise<void> {
    for await (const batch of pairs.batches(FOUND_AT_ONCE)) {
      const keys = batch.map(({ before, after }) => this.#keyOf((after ?? before) as Row))
      const found = await this.#engine.findRows(this.#table, this.#table.key ?? [], keys)
      for (const [i, { before, after }] of batch.entries()) this.#takeBackOne(before, after, found[i] ?? null)
    }
  }

  /** Deleted rows whose other spelling no row of the version has. */
  takeBackRespelled(): void {
    for (const { was, found } of this.#respelled.values()) this.#merge({ was, base: null }, found)
  }

  #takeBackOne(was: Row | null, base: Row | null, found: Row | null): void {
    if (was && !base && found) {
      const spelled = encodeRow(this.#keyOf(this.#cells(found)))
      if (spelled !== encodeRow(this.#keyOf(was))) {
        this.#respelled.set(spelled, { was, found })
        return
      }
    }
    if (base && !was) {
      const spelled = encodeRow(this.#keyOf(base))
      const other = this.#respelled.get(spelled)
      this.#respelled.delete(spelled)
      this.#merge({ was: other?.was ?? null, base }, found)
      return
    }
    this.#merge({ was, base }, found)
  }

  #merge({ was, base }: Omit<ThreeStates, 'now'>, found: Row | null): void {
    const now = found && this.#cells(found)
    const { kept, old, conflicts } = mergeRow({ was, base, now })
    if (conflicts.length > 0) this.#conflicts.addRow(this.#change, this.#columns, { was, base, now }, conflicts)
    const merged = this.#onConflict === 'take-old' ? old : kept
    if (!sameRow(now, merged)) this.#made.add({ before: found, after: merged && this.#image(merged, found) })
  }

  #keyOf(row: Row): Row {
    return this.#keyAt.map((at) => row[at] ?? null)
  }

  /** Without the hidden order column. */
  #cells(row: Row): Row {
    return this.#table.hiddenOrder ? row.slice(1) : row
  }

  /** A row that comes anew gets a new place, because another one may have taken the old. */
  #image(row: Row, found: Row | null): Row {
    return this.#table.hiddenOrder ? [found?.[0] ?? null, ...row] : row
  }
}
