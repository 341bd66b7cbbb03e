import type { Collations } from './key.ts'

/** What a column can hold, in words that every engine shares. Lengths of text are in characters (code points). */
export type ColumnType =
  | { kind: 'integer'; min: bigint; max: bigint }
  | { kind: 'decimal'; precision: number; scale: number }
  | { kind: 'double' }
  | { kind: 'boolean' }
  | { kind: 'text'; maxLength: number | null }
  | { kind: 'date' }
  | { kind: 'datetime' }
  | { kind: 'time' }
  | { kind: 'blob' }
  | { kind: 'json' }

export interface Column {
  name: string
  type: ColumnType
  /** The type as the database declares it, for people: `VARCHAR(64)`. */
  declared: string
  nullable: boolean
  hasDefault: boolean
  /** Computed by the database; never written. */
  generated: boolean
}

export interface ForeignKey {
  /** The table that holds the reference. */
  table: string
  columns: string[]
  parentTable: string
  parentColumns: string[]
  onDelete: string
  onUpdate: string
  /** Checked only when the transaction commits. */
  deferred: boolean
}

export interface Table {
  name: string
  /** All columns in their order, bookkeeping left out. */
  columns: Column[]
  /** The columns that tell one row from every other: the primary key, else a unique key without NULLs; null when there is none. */
  key: string[] | null
  /** All unique keys, the primary key first. */
  uniqueKeys: string[][]
  /** The columns in whose order rows are read, compared and restored; never NULL, unique together; null when there are none. */
  order: string[] | null
  /** Set when `order` is one column that `SELECT *` does not show, as SQLite's rowid. */
  hiddenOrder: boolean
  /** Of columns in unique keys that do not compare byte by byte. */
  collations: Collations
  /** The storage engine, where a database has several. */
  storage: string | null
  /** Whether the database undoes what a failed transaction wrote here. */
  atomic: boolean
  foreignKeys: ForeignKey[]
  /** Foreign keys of other tables (and of this one) that point here. */
  referencedBy: ForeignKey[]
  triggers: string[]
  /** Set where a version column should be and is not: others dropped the table and made it again. */
  lacksVersions?: true
  /** Statements that make the table anew: the table itself first, then its indexes and triggers. */
  ddl: string[]
}

/** A table of which no more is known than its columns and keys. */
export function bareTable(shape: Pick<Table, 'name' | 'columns' | 'key' | 'uniqueKeys'>): Table {
  return {
    ...shape,
    order: null,
    hiddenOrder: false,
    collations: {},
    storage: null,
    atomic: true,
    foreignKeys: [],
    referencedBy: [],
    triggers: [],
    ddl: []
  }
}

/** What the values of a column were like, where its type was read off them: no limits, but what there must be room for. */
export interface SeenValues {
  /** The longest, in UTF-16 code units. */
  longest: number
  /** The most digits after the second, in datetimes and times: a database that holds fewer would round. */
  fractionDigits: number
  /** Datetimes carry `Z` or an offset: a database whose datetimes have none must make text of the column. */
  zoned: boolean
}

/** A column to be made. */
export interface DefinedColumn {
  name: string
  type: ColumnType
  nullable: boolean
  /** Where the type was read off the rows; later ones may need more room. */
  seen?: SeenValues
  /** Text is compared byte by byte, blanks at the end included, also where databases are more generous by themselves. */
  exactText?: boolean
}

/** A table to be made. */
export interface TableDefinition {
  name: string
  columns: DefinedColumn[]
  key: string[] | null
}

/** The columns that a source may write. */
export function writableColumns(table: Table): Column[] {
  return table.columns.filter((column) => !column.generated)
}

/** Column names of a stored row: the hidden order column first, then every column that can be written back. */
export function imageColumns(table: Table): string[] {
  const names = writableColumns(table).map((column) => column.name)
  return table.hiddenOrder && table.order ? [...table.order, ...names] : names
}

/** Whether two lists, of columns mostly, are the same in the same order. */
export function sameList(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name, i) => name === b[i])
}
