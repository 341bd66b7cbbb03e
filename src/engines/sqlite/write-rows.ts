import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { RowbackError } from '../../errors.ts'
import type { WriteCounts } from '../../model/change.ts'
import { noCounts } from '../../model/change.ts'
import type { Table } from '../../model/table.ts'
import { writableColumns } from '../../model/table.ts'
import type { Value } from '../../model/value.ts'
import { display, RawText } from '../../model/value.ts'
import type { Refusal, TypedRow, WriteRequest } from '../engine.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from '../engine.ts'
import { refusalOf } from './errors.ts'

/** Rows that wait for a row of the same table to refer to; beyond this many they fail at once. */
const MOST_POSTPONED = 100_000
const ABSENT_PAGE = 1000

type Bound = null | number | bigint | string | Uint8Array

/**
 * Writes a source's rows one by one: read the row that is there, compare, write what differs. In-process that is
 * faster than staging (docs/benchmarks.md), and each refusal by the database concerns exactly one row: a failed
 * statement leaves nothing behind (https://sqlite.org/lang_conflict.html, ABORT).
 */
export class RowWriter<R extends TypedRow> {
  readonly #db: DatabaseSync
  readonly #request: WriteRequest<R>
  readonly #counts: WriteCounts = noCounts()
  readonly #keyAt: number[]
  /** Columns that are set though the source does not have them (`replace` resets them to their defaults). */
  readonly #resetColumns: string[] = []
  readonly #resetValues: Bound[] = []
  readonly #wasEmpty: boolean
  #find: StatementSync | null = null
  #insert: StatementSync
  #update: StatementSync | null = null
  #delete: StatementSync | null = null
  #supersede: StatementSync | null = null
  #remember: StatementSync | null = null
  #postponed: R[] = []

  constructor(db: DatabaseSync, request: WriteRequest<R>) {
    this.#db = db
    this.#request = request
    this.#keyAt = (request.key ?? []).map((name) => request.columns.indexOf(name))
    this.#wasEmpty = db.prepare(`SELECT 1 FROM ${quote(request.table.name)} LIMIT 1`).get() === undefined
    if (request.mode === 'replace') this.#findDefaults()
    this.#insert = this.#prepareInsert()
    if (request.key && !(this.#wasEmpty && request.mode !== 'update' && request.mode !== 'delete')) this.#prepareKeyed()
  }

  async write(): Promise<WriteCounts> {
    const { mode, key, batches } = this.#request
    const violationsBefore = this.#deferredViolations()
    if (mode === 'replace' && !key) this.#counts.deleted += this.#clear()
    for await (const batch of batches) {
      for (const failedKey of batch.failedKeys) this.#remember?.run(...(failedKey as Bound[]), 0)
      for (const row of batch.rows) this.#writeRow(row, true)
    }
    this.#writePostponed()
    if ((mode === 'mirror' || mode === 'replace') && key && !this.#wasEmpty && this.#request.mayDeleteAbsent()) {
      this.#deleteAbsent()
    }
    if (this.#remember) this.#db.exec('DROP TABLE temp.rowback_seen')
    if (this.#deferredViolations() > violationsBefore) throw deferredViolation(this.#request.table)
    return this.#counts
  }

  #writeRow(row: R, mayPostpone: boolean): void {
    try {
      if (!this.#find) this.#insertRow(row)
      else if (this.#isFirstOfItsKey(row)) this.#writeKeyed(row)
    } catch (error) {
      this.#refuse(row, error, mayPostpone)
    }
  }

  #refuse(row: R, error: unknown, mayPostpone: boolean): void {
    const refusal = refusalFor(error)
    if (!this.#db.isTransaction) {
      throw new RowbackError({
        code: 'trigger.rolled_back',
        message: `A trigger or constraint of ${this.#request.table.name} rolled back the whole transaction at line ${row.line}: ${refusal.reason}.`,
        hint: 'Correct that line, or change the trigger to RAISE(ABORT, ...), which refuses one row.'
      })
    }
    const { table } = this.#request
    const refersToItself = table.foreignKeys.some((key) => key.parentTable.toLowerCase() === table.name.toLowerCase())
    if (refusal.code === 'foreign_key' && refersToItself && mayPostpone && this.#postponed.length < MOST_POSTPONED) {
      this.#postponed.push(row)
      return
    }
    this.#request.onRefused(row, refusal)
  }

  /** Rows whose parent stood further down in the source go in as soon as the parent is there. */
  #writePostponed(): void {
    let left = Number.POSITIVE_INFINITY
    while (this.#postponed.length > 0) {
      const waiting = this.#postponed
      this.#postponed = []
      const lastRound = waiting.length === left
      left = waiting.length
      for (const row of waiting) this.#writePostponedRow(row, !lastRound)
      if (lastRound) return
    }
  }

  #writePostponedRow(row: R, mayPostpone: boolean): void {
    try {
      if (this.#find) this.#writeKeyed(row)
      else this.#insertRow(row)
    } catch (error) {
      this.#refuse(row, error, mayPostpone)
    }
  }

  #insertRow(row: R): void {
    const values = row.values as Bound[]
    const extra = this.#resetValues
    const done = extra.length === 0 ? this.#insert.run(...values) : this.#insert.run(...values, ...extra)
    if (Number(done.changes) === 0) throw new IgnoredByTrigger()
    this.#counts.inserted++
    if (this.#counts.inserted <= SAMPLE)
      this.#request.onChange({ key: this.#keyOf(row), before: null, after: row.values })
  }

  #isFirstOfItsKey(row: R): boolean {
    if (!this.#remember) return true
    const key = this.#keyOf(row)
    if (Number(this.#remember.run(...(key as Bound[]), row.line).changes) > 0) return true
    const names = this.#request.key ?? []
    const first = this.#db
      .prepare(`SELECT line FROM temp.rowback_seen WHERE ${names.map((_, i) => `k${i} = ?`).join(' AND ')}`)
      .get(...(key as Bound[])) as { line: number }
    if (first.line === 0) {
      // Only a failed row had this key so far.
      this.#db
        .prepare(`UPDATE temp.rowback_seen SET line = ? WHERE ${names.map((_, i) => `k${i} = ?`).join(' AND ')}`)
        .run(row.line, ...(key as Bound[]))
      return true
    }
    const text = names.map((name, i) => `${name} = ${display(key[i] ?? null)}`).join(', ')
    this.#request.onRefused(row, {
      column: names.length === 1 ? (names[0] ?? null) : null,
      code: 'duplicate_key',
      reason: `the key ${text} already stands on line ${first.line} of the source`
    })
    return false
  }

  #writeKeyed(row: R): void {
    const { mode, columns } = this.#request
    const key = this.#keyOf(row)
    const found = this.#find?.get(...(key as Bound[])) as unknown as Value[] | undefined
    if (!found) {
      if (mode === 'update' || mode === 'delete') this.#refuseMissing(row, key)
      else this.#insertRow(row)
      return
    }
    if (mode === 'insert') {
      const names = this.#request.key ?? []
      this.#request.onRefused(row, {
        column: names.length === 1 ? (names[0] ?? null) : null,
        code: 'duplicate_key',
        reason: `a row with ${names.map((name, i) => `${name} = ${display(key[i] ?? null)}`).join(', ')} is there already`
      })
      return
    }
    const before = found.slice(0, columns.length)
    if (mode === 'delete') {
      this.#replaceWith(key, () => this.#delete?.run(...(key as Bound[])))
      this.#counts.deleted++
      this.#request.onChange({ key, before, after: null })
      return
    }
    const wanted = [...row.values, ...this.#resetValues]
    if (wanted.every((value, i) => sameStored(found[i] ?? null, value))) {
      this.#counts.unchanged++
      return
    }
    const bound = [...(wanted as Bound[]), ...(key as Bound[])]
    this.#replaceWith(key, () => this.#update?.run(...bound))
    this.#counts.updated++
    if (this.#counts.updated <= SAMPLE) this.#request.onChange({ key, before, after: row.values })
  }

  /** Keeps the old row in history and makes the change, both or neither. */
  #replaceWith(key: Value[], change: () => { changes: number | bigint } | undefined): void {
    this.#db.exec('SAVEPOINT rowback_row')
    try {
      this.#supersede?.run(...(key as Bound[]))
      if (Number(change()?.changes) === 0) throw new IgnoredByTrigger()
      this.#db.exec('RELEASE rowback_row')
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec('ROLLBACK TO rowback_row; RELEASE rowback_row')
      throw error
    }
  }

  #refuseMissing(row: R, key: Value[]): void {
    const names = this.#request.key ?? []
    this.#request.onRefused(row, {
      column: names.length === 1 ? (names[0] ?? null) : null,
      code: 'not_found',
      reason: `no row has ${names.map((name, i) => `${name} = ${display(key[i] ?? null)}`).join(', ')}`
    })
  }

  /** Deletes the rows that the source does not have; one that others refer to stays and is reported. */
  #deleteAbsent(): void {
    const { table, key } = this.#request
    const names = key ?? []
    this.#db.exec(
      `CREATE TEMP TABLE rowback_absent AS SELECT ${list(names)} FROM ${quote(table.name)} t WHERE NOT EXISTS ` +
        `(SELECT 1 FROM temp.rowback_seen s WHERE ${names.map((name, i) => `t.${quote(name)} = s.k${i}`).join(' AND ')})`
    )
    const page = this.#db.prepare(
      `SELECT rowid, * FROM temp.rowback_absent WHERE rowid > ? ORDER BY rowid LIMIT ${ABSENT_PAGE}`
    )
    page.setReturnArrays(true)
    page.setReadBigInts(true)
    let last: Value = 0n
    for (;;) {
      const rows = page.all(last as bigint) as unknown as Value[][]
      for (const [, ...absent] of rows) this.#deleteAbsentRow(absent)
      if (rows.length < ABSENT_PAGE) break
      last = rows.at(-1)?.[0] ?? null
    }
    this.#db.exec('DROP TABLE temp.rowback_absent')
  }

  #deleteAbsentRow(key: Value[]): void {
    const before = this.#find?.get(...(key as Bound[])) as unknown as Value[] | undefined
    if (!before) return
    try {
      this.#replaceWith(key, () => this.#delete?.run(...(key as Bound[])))
      this.#counts.deleted++
      this.#request.onChange({ key, before: before.slice(0, this.#request.columns.length), after: null })
    } catch (error) {
      const refusal = refusalFor(error)
      const text = (this.#request.key ?? []).map((name, i) => `${name} = ${display(key[i] ?? null)}`).join(', ')
      this.#request.onRefused(null, {
        ...refusal,
        reason: `${text} is not in the source and could not be deleted: ${refusal.reason}`
      })
    }
  }

  #clear(): number {
    return Number(this.#db.prepare(`DELETE FROM ${quote(this.#request.table.name)}`).run().changes)
  }

  #keyOf(row: R): Value[] {
    return this.#keyAt.map((at) => row.values[at] ?? null)
  }

  #prepareInsert(): StatementSync {
    const { table, columns, tracking, version } = this.#request
    const names = [...columns, ...this.#resetColumns]
    const slots = names.map(() => '?')
    if (tracking) {
      names.push(VERSION_COLUMN)
      slots.push(String(version))
    }
    // OR ABORT outranks an ON CONFLICT clause of the table, which might replace or drop rows unasked.
    return this.#db.prepare(`INSERT OR ABORT INTO ${quote(table.name)} (${list(names)}) VALUES (${slots.join(', ')})`)
  }

  #prepareKeyed(): void {
    const { table, columns, key, tracking, version } = this.#request
    const names = key ?? []
    const where = names.map((name) => `${quote(name)} IS ?`).join(' AND ')
    const written = [...columns, ...this.#resetColumns]
    this.#find = this.#db.prepare(`SELECT ${list(written)} FROM ${quote(table.name)} WHERE ${where}`)
    this.#find.setReturnArrays(true)
    this.#find.setReadBigInts(true)
    const set = written.map((name) => `${quote(name)} = ?`)
    if (tracking) {
      set.push(`${quote(VERSION_COLUMN)} = ${version}`)
      const all = list([...writableColumns(table).map((column) => column.name), VERSION_COLUMN])
      this.#supersede = this.#db.prepare(
        `INSERT INTO ${quote(tracking.history)} (${all}, ${quote(SUPERSEDED_COLUMN)}) ` +
          `SELECT ${all}, ${version} FROM ${quote(table.name)} WHERE ${where}`
      )
    }
    this.#update = this.#db.prepare(`UPDATE OR ABORT ${quote(table.name)} SET ${set.join(', ')} WHERE ${where}`)
    this.#delete = this.#db.prepare(`DELETE FROM ${quote(table.name)} WHERE ${where}`)
    this.#rememberKeys(names)
  }

  /** A temporary table of the keys seen: exact, in the table's own collations, and on disk when it grows. */
  #rememberKeys(names: string[]): void {
    const collations = this.#collations(names)
    const columns = names.map((_, i) => `k${i} COLLATE ${collations[i]}`)
    const key = names.map((_, i) => `k${i}`).join(', ')
    this.#db.exec(
      `DROP TABLE IF EXISTS temp.rowback_seen; DROP TABLE IF EXISTS temp.rowback_absent;
       CREATE TEMP TABLE rowback_seen (${columns.join(', ')}, line, PRIMARY KEY (${key})) WITHOUT ROWID`
    )
    this.#remember = this.#db.prepare(
      `INSERT OR IGNORE INTO temp.rowback_seen VALUES (${[...names.map(() => '?'), '?'].join(', ')})`
    )
  }

  #collations(names: string[]): string[] {
    const members = this.#db
      .prepare(
        'SELECT x.name, x.coll FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x WHERE l."unique" = 1 AND x.key = 1'
      )
      .all(this.#request.table.name) as { name: string; coll: string }[]
    return names.map((name) => quote(members.find((member) => member.name === name)?.coll ?? 'BINARY'))
  }

  #findDefaults(): void {
    const { table, columns } = this.#request
    const info = this.#db.prepare('SELECT name, dflt_value AS value FROM pragma_table_info(?)').all(table.name) as {
      name: string
      value: string | null
    }[]
    for (const column of writableColumns(table)) {
      if (columns.includes(column.name)) continue
      const expression = info.find((row) => row.name === column.name)?.value ?? 'NULL'
      const read = this.#db.prepare(`SELECT (${expression}) AS value`)
      read.setReadBigInts(true)
      this.#resetColumns.push(column.name)
      this.#resetValues.push((read.get() as { value: Bound }).value)
    }
  }

  #deferredViolations(): number {
    const { table } = this.#request
    if (!table.foreignKeys.some((key) => key.deferred)) return 0
    return this.#db.prepare(`PRAGMA foreign_key_check(${quote(table.name)})`).all().length
  }
}

/** How many changes of each kind are shown as a sample. */
const SAMPLE = 20

/** RAISE(IGNORE) makes a statement succeed without doing anything. */
class IgnoredByTrigger extends Error {}

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
  if (typeof stored === 'bigint' && typeof wanted === 'number')
    return Number.isSafeInteger(wanted) && stored === BigInt(wanted)
  if (stored instanceof Uint8Array && wanted instanceof Uint8Array) return Buffer.from(stored).equals(wanted)
  return false
}

function deferredViolation(table: Table): RowbackError {
  return new RowbackError({
    code: 'foreign_key.deferred',
    message: `Rows for ${table.name} refer to rows that do not exist, through a deferred foreign key.`,
    hint: `Load the referenced rows first (${table.foreignKeys
      .filter((key) => key.deferred)
      .map((key) => key.parentTable)
      .join(', ')}), then try again.`
  })
}

export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

export function list(names: readonly string[]): string {
  return names.map(quote).join(', ')
}

/** Undecodable text is bound as bytes and cast back to text. */
export function slotFor(value: Value): string {
  return value instanceof RawText ? 'CAST(? AS TEXT)' : '?'
}

export function bindable(value: Value): Bound {
  return value instanceof RawText ? value.bytes : value
}
