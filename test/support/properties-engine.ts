import type { DatabaseState, ExactCell, TableState } from './properties-state.ts'
import type { ColumnSpec, TableSpec } from './properties-tables.ts'

/** What scenarios need of an engine past rowback. */
export interface PropertyEngine {
  name: 'sqlite' | 'mysql'
  /** Tables that come together, because they refer to each other. */
  groups: readonly TableSpec[][]
  /** Tables without a key: the snapshot strategy alone can take them. */
  keyless: readonly TableSpec[][]
  /** Where the database itself changes or takes away rows of other tables. */
  cascading: readonly TableSpec[][]
  quote(name: string): string
  /** The value that a roll of the dice means, as SQL; now and then one that no source could give. */
  literal(spec: TableSpec, column: ColumnSpec, dice: number): string
  /** Condition: the row at this place in the order of the key, from 0. */
  isAt(spec: TableSpec, place: number): string
  /**
   * A statement that changes rows of a table in a way that no load does: of many rows, of keys, or by taking rows away and
   * writing them again.
   */
  scriptStatement(spec: TableSpec, dice: DiceStatement): string
  /** A query of all rows of a table, whoever asks it. */
  exactly(table: string, state: TableState): ExactQuery
  /** Makes an empty database. @param folder for what is a file */
  make(folder: string, name: string): Promise<PropertyDatabase>
}

/** What the dice say of one statement; what that means depends on the table. */
export interface DiceStatement {
  kind: number
  column: number
  rows: number
  values: number[]
}

export interface ExactQuery {
  sql: string
  /** What a row of the answer says of the table's cells. */
  cells(row: readonly unknown[]): ExactCell[]
}

/** A database as any other program sees it. */
export interface PropertyDatabase {
  /** For rowback. */
  target: string
  run(sql: string): Promise<void>
  /** Reads every user table. */
  read(): Promise<DatabaseState>
  /** What statements would make of it in one transaction, or what the database says against them. It stays as it is. */
  rehearse(statements: readonly string[]): Promise<DatabaseState | string>
  /** Gives back what it takes outside its folder. */
  close(): Promise<void>
}

export function specNamed({ groups, keyless, cascading }: PropertyEngine, name: string): TableSpec {
  return [...groups, ...keyless, ...cascading].flat().find((spec) => spec.name === name) as TableSpec
}
