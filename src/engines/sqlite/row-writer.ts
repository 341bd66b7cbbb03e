import type { DatabaseSync } from 'node:sqlite'
import { RowbackError } from '../../errors.ts'
import type { WriteCounts } from '../../model/change.ts'
import { noCounts } from '../../model/change.ts'
import type { Table } from '../../model/table.ts'
import type { Value } from '../../model/value.ts'
import type { Refusal, TypedRow, WriteRequest } from '../engine.ts'
import { KeyRefusals, MOST_POSTPONED, SAMPLED, waitingCodes } from '../refusals.ts'
import { refusalOf } from './errors.ts'
import { IgnoredByTrigger, RowStatements } from './row-statements.ts'
import { SeenKeys } from './seen-keys.ts'
import { quote } from './sql-text.ts'

/**
 * Writes a source's rows one by one: read the row that is there, compare, write what differs. In-process that is
 * faster than staging (docs/benchmarks.md), and each refusal by the database concerns exactly one row: a failed
 * statement leaves nothing behind (https://sqlite.org/lang_conflict.html, ABORT).
 */
export class RowWriter<R extends TypedRow> {
  readonly #db: DatabaseSync
  readonly #request: WriteRequest<R>
  readonly #counts: WriteCounts = noCounts()
  readonly #refusals: KeyRefusals
  readonly #keyAt: number[]
  /** For which refusals a later row of the same source may clear the way. */
  readonly #mayWait: ReadonlySet<Refusal['code']>
  readonly #statements: RowStatements
  /** Null where every row can only be new: the table was empty, or has no key. */
  readonly #seen: SeenKeys | null
  #postponed: R[] = []

  constructor(db: DatabaseSync, request: WriteRequest<R>) {
    const { table, key, mode } = request
    this.#db = db
    this.#request = request
    this.#refusals = new KeyRefusals(key ?? [])
    this.#keyAt = (key ?? []).map((name) => request.columns.indexOf(name))
    this.#mayWait = waitingCodes(table)
    const plain = request as unknown as WriteRequest<TypedRow>
    this.#statements = new RowStatements(db, plain)
    const onlyNew = mode !== 'update' && mode !== 'delete' && isEmpty(db, table.name)
    this.#seen = key && !onlyNew ? new SeenKeys(db, table, key) : null
    if (this.#seen) this.#statements.prepareKeyed(plain)
  }

  async write(): Promise<WriteCounts> {
    const { mode, key, batches, table } = this.#request
    const violationsBefore = deferredViolations(this.#db, table)
    if (mode === 'replace' && !key) this.#counts.deleted += clear(this.#db, table.name)
    for await (const batch of batches) {
      for (const failedKey of batch.failedKeys) this.#seen?.keep(failedKey)
      for (const row of batch.rows) if (this.#isFirstOfItsKey(row)) this.#writeRow(row, true)
    }
    this.#writePostponed(true)
    if ((mode === 'mirror' || mode === 'replace') && this.#seen && this.#request.mayDeleteAbsent()) this.#deleteAbsent()
    this.#writePostponed(false)
    this.#seen?.close()
    if (deferredViolations(this.#db, table) > violationsBefore) throw deferredViolation(table)
    return this.#counts
  }

  #isFirstOfItsKey(row: R): boolean {
    const first = this.#seen?.take(this.#keyOf(row), row.line) ?? null
    if (first === null) return true
    this.#request.onRefused(row, this.#refusals.repeated(this.#keyOf(row), first))
    return false
  }

  #writeRow(row: R, mayPostpone: boolean): void {
    try {
      if (this.#seen) this.#writeKeyed(row)
      else this.#insertRow(row)
    } catch (error) {
      this.#refuse(row, error, mayPostpone)
    }
  }

  /**
   * Rows that waited for a parent further down, or for a unique value that another row gave up, go in as soon as they can.
   * @param mayStay keeps those that still cannot, because rows that are absent from the source may yet go
   */
  #writePostponed(mayStay: boolean): void {
    let before = Number.POSITIVE_INFINITY
    while (this.#postponed.length > 0) {
      const waiting = this.#postponed
      const progressed = waiting.length < before
      if (!progressed && mayStay) return
      before = waiting.length
      this.#postponed = []
      for (const row of waiting) this.#writeRow(row, progressed)
    }
  }

  #writeKeyed(row: R): void {
    const { mode, columns } = this.#request
    const key = this.#keyOf(row)
    const found = this.#statements.find(key)
    if (!found) {
      if (mode === 'update' || mode === 'delete') this.#request.onRefused(row, this.#refusals.notFound(key))
      else this.#insertRow(row)
    } else if (mode === 'insert') {
      this.#request.onRefused(row, this.#refusals.alreadyThere(key))
    } else if (mode === 'delete') {
      this.#statements.delete(key)
      this.#counts.deleted++
      this.#request.onChange({ key, before: found.slice(0, columns.length), after: null })
    } else this.#updateRow(row, key, found)
  }

  #insertRow(row: R): void {
    this.#statements.insert(row.values)
    this.#counts.inserted++
    if (this.#counts.inserted > SAMPLED) return
    this.#request.onChange({ key: this.#keyOf(row), before: null, after: row.values })
  }

  #updateRow(row: R, key: Value[], found: Value[]): void {
    const wanted = this.#statements.wanted(row.values)
    if (wanted.every((value, i) => this.#isStored(key, i, found[i] ?? null, value))) {
      this.#counts.unchanged++
      return
    }
    this.#statements.update(key, wanted)
    this.#counts.updated++
    this.#request.onChange({ key, before: found.slice(0, this.#request.columns.length), after: row.values })
  }

  #isStored(key: Value[], at: number, stored: Value, wanted: Value): boolean {
    if (!sameStored(stored, wanted)) return false
    return typeof wanted !== 'string' || !wanted.includes('\uFFFD') || this.#statements.holdsText(key, at, wanted)
  }

  /** Deletes the rows that the source does not have; one that others refer to stays and is reported. */
  #deleteAbsent(): void {
    for (const key of this.#seen?.absent() ?? []) {
      const before = this.#statements.find(key)
      // A cascade may have taken it already.
      if (!before) continue
      try {
        this.#counts.deleted += this.#statements.delete(key)
        this.#request.onChange({ key, before: before.slice(0, this.#request.columns.length), after: null })
      } catch (error) {
        this.#request.onRefused(null, this.#refusals.kept(key, refusalFor(error)))
      }
    }
  }

  #refuse(row: R, error: unknown, mayPostpone: boolean): void {
    const refusal = refusalFor(error)
    if (!this.#db.isTransaction) throw rolledBack(this.#request.table, row, refusal)
    if (mayPostpone && this.#mayWait.has(refusal.code) && this.#postponed.length < MOST_POSTPONED) {
      this.#postponed.push(row)
    } else this.#request.onRefused(row, refusal)
  }

  #keyOf(row: R): Value[] {
    return this.#keyAt.map((at) => row.values[at] ?? null)
  }
}

/** @throws the error itself when it is not about one row */
function refusalFor(error: unknown): Refusal {
  if (error instanceof IgnoredByTrigger) {
    return { column: null, code: 'trigger', reason: 'a trigger made the database ignore this row' }
  }
  const refusal = refusalOf(error)
  if (!refusal) throw error
  return refusal
}

/** Whether the row that is there holds what the source says: exact, except that integers may come as `number`. */
function sameStored(stored: Value, wanted: Value): boolean {
  if (stored === wanted) return true
  if (typeof stored === 'bigint' && typeof wanted === 'number') {
    return Number.isSafeInteger(wanted) && stored === BigInt(wanted)
  }
  if (stored instanceof Uint8Array && wanted instanceof Uint8Array) return Buffer.from(stored).equals(wanted)
  return false
}

function isEmpty(db: DatabaseSync, table: string): boolean {
  return db.prepare(`SELECT 1 FROM ${quote(table)} LIMIT 1`).get() === undefined
}

function clear(db: DatabaseSync, table: string): number {
  return Number(db.prepare(`DELETE FROM ${quote(table)}`).run().changes)
}

function rolledBack(table: Table, row: TypedRow, refusal: Refusal): RowbackError {
  return new RowbackError({
    code: 'trigger.rolled_back',
    message: `A trigger or constraint of ${table.name} rolled back the whole transaction at line ${row.line}: ${refusal.reason}.`,
    hint: 'Correct that line, or change the trigger to RAISE(ABORT, ...), which refuses one row.'
  })
}

/** Deferred foreign keys are checked at the commit, too late to tell which row is at fault. */
function deferredViolations(db: DatabaseSync, table: Table): number {
  if (!table.foreignKeys.some((key) => key.deferred)) return 0
  return db.prepare(`PRAGMA foreign_key_check(${quote(table.name)})`).all().length
}

function deferredViolation(table: Table): RowbackError {
  const parents = table.foreignKeys.filter((key) => key.deferred).map((key) => key.parentTable)
  return new RowbackError({
    code: 'foreign_key.deferred',
    message: `Rows for ${table.name} refer to rows that do not exist, through a deferred foreign key.`,
    hint: `Load the referenced rows first (${parents.join(', ')}), then try again.`
  })
}
