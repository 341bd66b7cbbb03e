import type { DatabaseSync, StatementSync } from 'node:sqlite'
import type { Table } from '../../model/table.ts'
import type { Value } from '../../model/value.ts'
import { isStrict } from './inspect.ts'
import type { Bound } from './sql-text.ts'
import { list, quote } from './sql-text.ts'

const PAGE = 1000
/** Stands for the line of a row that failed before its key was used. */
const ONLY_FAILED = 0

/**
 * The keys that a source had so far, in a temporary table: exact, compared in the table's own collations, and on disk
 * when it grows.
 */
export class SeenKeys {
  readonly #db: DatabaseSync
  readonly #table: string
  readonly #key: readonly string[]
  readonly #remember: StatementSync
  readonly #find: StatementSync
  readonly #claim: StatementSync

  constructor(db: DatabaseSync, table: Table, key: readonly string[]) {
    this.#db = db
    this.#table = table.name
    this.#key = key
    // Without the affinity of the table's columns no index would be used.
    const declared = key.map((name) => table.columns.find((column) => column.name === name)?.declared ?? '')
    const columns = key.map((name, i) => `k${i} ${declared[i]} COLLATE ${quote(table.collations[name] ?? 'BINARY')}`)
    const names = key.map((_, i) => `k${i}`)
    const strict = isStrict(db, table.name) ? ', STRICT' : ''
    const where = names.map((name) => `${name} = ?`).join(' AND ')
    db.exec(
      `DROP TABLE IF EXISTS temp.rowback_seen; DROP TABLE IF EXISTS temp.rowback_absent;
       CREATE TEMP TABLE rowback_seen (${columns.join(', ')}, line INTEGER, PRIMARY KEY (${names.join(', ')})) WITHOUT ROWID${strict}`
    )
    const slots = [...names, 'line'].map(() => '?').join(', ')
    this.#remember = db.prepare(`INSERT OR IGNORE INTO temp.rowback_seen VALUES (${slots})`)
    this.#find = db.prepare(`SELECT line FROM temp.rowback_seen WHERE ${where}`)
    this.#claim = db.prepare(`UPDATE temp.rowback_seen SET line = ? WHERE ${where}`)
  }

  /** Takes the key of a row that failed: its row of the table is not absent from the source. */
  keep(key: readonly Value[]): void {
    this.#remember.run(...(key as Bound[]), ONLY_FAILED)
  }

  /** Takes the key of a row that is about to be written. @returns the line that had it first, or null */
  take(key: readonly Value[], line: number): number | null {
    const bound = key as Bound[]
    if (Number(this.#remember.run(...bound, line).changes) > 0) return null
    const first = Number((this.#find.get(...bound) as { line: number }).line)
    if (first !== ONLY_FAILED) return first
    this.#claim.run(line, ...bound)
    return null
  }

  /** Keys of rows of the table that the source did not have; the rows may be deleted as they are read. */
  *absent(): Iterable<Value[]> {
    const same = this.#key.map((name, i) => `t.${quote(name)} = s.k${i}`).join(' AND ')
    this.#db.exec(
      `CREATE TEMP TABLE rowback_absent AS SELECT ${list(this.#key)} FROM ${quote(this.#table)} t ` +
        `WHERE NOT EXISTS (SELECT 1 FROM temp.rowback_seen s WHERE ${same})`
    )
    const page = this.#db.prepare(
      `SELECT rowid, * FROM temp.rowback_absent WHERE rowid > ? ORDER BY rowid LIMIT ${PAGE}`
    )
    page.setReturnArrays(true)
    page.setReadBigInts(true)
    let last = 0n
    for (;;) {
      const rows = page.all(last) as unknown as [bigint, ...Value[]][]
      for (const [, ...key] of rows) yield key
      if (rows.length < PAGE) break
      last = rows.at(-1)?.[0] ?? last
    }
    this.#db.exec('DROP TABLE temp.rowback_absent')
  }

  close(): void {
    this.#db.exec('DROP TABLE temp.rowback_seen')
  }
}
