import { copyFileSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import type { DatabaseState } from './properties-state.ts'
import { quoteName, readState } from './properties-state.ts'
import type { ColumnSpec, TableSpec } from './properties-tables.ts'

/** What the dice say of one statement; what that means depends on the table. */
export interface DiceStatement {
  kind: number
  column: number
  rows: number
  values: number[]
}

/**
 * A statement that changes rows of a table in a way that no load does: of many rows, of keys, or by taking rows away and
 * writing them again.
 * @param literal a value as SQL
 */
export function scriptStatement(
  spec: TableSpec,
  { kind, column, rows, values }: DiceStatement,
  literal: (column: ColumnSpec, dice: number) => string
): string {
  const columns = spec.columns.filter((candidate) => !candidate.generated)
  const names = columns.map(({ name }) => quoteName(name))
  const table = quoteName(spec.name)
  const chosen = columns[column % columns.length] as ColumnSpec
  const name = quoteName(chosen.name)
  const some = `length(hex(CAST(${names[0]} AS BLOB))) % 3 ${rows % 2 === 0 ? '=' : '<>'} ${rows % 3}`
  const value = literal(chosen, values[0] ?? 0)
  const onConflict = ['', ' OR REPLACE', ' OR IGNORE'][rows % 3]
  const order = `ORDER BY ${(spec.key ?? columns.map((candidate) => candidate.name)).map(quoteName).join(', ')}`
  const statements = [
    `UPDATE${onConflict} ${table} SET ${name} = ${value} WHERE ${some}`,
    `UPDATE${onConflict} ${table} SET ${name} = (SELECT ${name} FROM ${table} ${order} LIMIT 1)`,
    `DELETE FROM ${table} WHERE ${some}`,
    `INSERT OR REPLACE INTO ${table} (${names.join(', ')}) SELECT ${names.join(', ')} FROM ${table} WHERE ${some} ${order}`,
    `INSERT${onConflict} INTO ${table} (${names.join(', ')}) SELECT ${names
      .map((other, i) => (i === column % columns.length ? value : other))
      .join(', ')} FROM ${table} WHERE ${some} ${order}`,
    `INSERT${onConflict} INTO ${table} (${names.join(', ')}) VALUES (${columns.map((other, i) => literal(other, values[i] ?? 0)).join(', ')})`,
    `DELETE FROM ${table}`
  ]
  // The last one only now and then: it leaves little to be changed by others.
  return statements[kind % 31 === 30 ? 6 : kind % 6] as string
}

/** What the statements make of a copy of the database in SQLite itself; or what it says against them. */
export function runInTwin(path: string, twin: string, statements: readonly string[]): DatabaseState | string {
  copyFileSync(path, twin)
  const db = new DatabaseSync(twin)
  try {
    db.exec('PRAGMA foreign_keys = ON; BEGIN')
    for (const statement of statements) db.exec(statement)
    db.exec('COMMIT')
  } catch (error) {
    return (error as Error).message
  } finally {
    db.close()
  }
  return readState(twin)
}
