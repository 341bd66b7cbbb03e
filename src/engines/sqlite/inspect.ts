import type { DatabaseSync } from 'node:sqlite'
import type { SchemaObject } from '../../model/schema-object.ts'
import type { Column, ForeignKey, Table } from '../../model/table.ts'
import type { Value } from '../../model/value.ts'
import { columnType } from './types.ts'

export type Read = (sql: string, ...parameters: Value[]) => Record<string, Value>[]

interface TableEntry {
  name: string
  withoutRowid: boolean
}

/** Names of the tables in a SQLite file that hold plain rows; virtual tables and their shadows are not among them. */
export function plainTables(read: Read): TableEntry[] {
  return read("SELECT name, wr FROM pragma_table_list WHERE schema = 'main' AND type = 'table' ORDER BY name")
    .filter((row) => !String(row.name).startsWith('sqlite_'))
    .map((row) => ({ name: String(row.name), withoutRowid: row.wr === 1n }))
}

/** Names of virtual tables: their rows live elsewhere and can be neither backed up nor restored as rows. */
export function virtualTables(read: Read): string[] {
  return read("SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'virtual' ORDER BY name").map(
    (row) => String(row.name)
  )
}

/** Views with the triggers that stand for writing to them, in the order in which they were made. */
export function views(read: Read): SchemaObject[] {
  return read("SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY rowid").map((view) => ({
    kind: 'view',
    name: String(view.name),
    statements: read(
      "SELECT sql FROM sqlite_schema WHERE type IN ('view', 'trigger') AND tbl_name = ? COLLATE NOCASE " +
        "ORDER BY type = 'trigger', rowid",
      view.name as Value
    ).map((row) => String(row.sql)),
    databaseCollation: null,
    namesDatabase: null
  }))
}

/** Reads everything that rowback needs to know of one table. */
export function inspectTable(read: Read, entry: TableEntry, foreignKeys: ForeignKey[]): Table {
  const { name } = entry
  const info = read('SELECT * FROM pragma_table_xinfo(?)', name).filter((row) => row.hidden !== 1n)
  const columns = info.map(toColumn)
  const primary = info
    .filter((row) => row.pk !== 0n)
    .sort((a, b) => Number(a.pk) - Number(b.pk))
    .map((row) => String(row.name))
  const uniqueKeys = [...(primary.length > 0 ? [primary] : []), ...uniqueIndexes(read, name)]
  const alias = rowidAlias(read, entry, info, primary)
  const hiddenName = hiddenRowid(columns.map((column) => column.name))
  const order = entry.withoutRowid ? primary : alias ? [alias] : hiddenName ? [hiddenName] : null
  return {
    name,
    columns,
    key: primary.length > 0 ? primary : (uniqueKeys.find((key) => neverNull(columns, key)) ?? null),
    uniqueKeys,
    order,
    hiddenOrder: !entry.withoutRowid && alias === null && order !== null,
    collations: Object.fromEntries([...collationsOf(read, name)].filter(([, collation]) => collation !== 'BINARY')),
    storage: null,
    atomic: true,
    foreignKeys: foreignKeys.filter((key) => key.table === name),
    referencedBy: foreignKeys.filter((key) => key.parentTable.toLowerCase() === name.toLowerCase()),
    triggers: read("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ? ORDER BY name", name).map(
      (row) => String(row.name)
    ),
    ddl: read(
      'SELECT sql FROM sqlite_schema WHERE tbl_name = ? AND sql IS NOT NULL ' +
        "ORDER BY CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 ELSE 2 END, name",
      name
    ).map((row) => String(row.sql))
  }
}

function toColumn(row: Record<string, Value>): Column {
  const declared = String(row.type)
  return {
    name: String(row.name),
    type: columnType(declared),
    declared,
    nullable: row.notnull === 0n,
    hasDefault: row.dflt_value !== null,
    generated: row.hidden === 2n || row.hidden === 3n
  }
}

function uniqueIndexes(read: Read, table: string): string[][] {
  return read('SELECT name FROM pragma_index_list(?) WHERE "unique" = 1 AND partial = 0 AND origin <> \'pk\'', table)
    .map((index) => read('SELECT name FROM pragma_index_info(?) ORDER BY seqno', index.name as Value))
    .filter((members) => members.every((member) => member.name !== null))
    .map((members) => members.map((member) => String(member.name)))
}

/** The column that is the rowid by another name: a sole INTEGER PRIMARY KEY (https://sqlite.org/lang_createtable.html#rowid). */
function rowidAlias(read: Read, entry: TableEntry, info: Record<string, Value>[], primary: string[]): string | null {
  const [only] = primary
  if (entry.withoutRowid || primary.length !== 1 || only === undefined) return null
  const column = info.find((row) => row.name === only)
  if (String(column?.type).toUpperCase() !== 'INTEGER') return null
  // INTEGER PRIMARY KEY DESC is not an alias, by an old quirk: such a table has an index of its own for the key.
  const ownIndex = read("SELECT 1 FROM pragma_index_list(?) WHERE origin = 'pk'", entry.name)
  return ownIndex.length === 0 ? only : null
}

/** The name under which the rowid can be read; null when columns took all its names. */
export function hiddenRowid(columns: readonly string[]): string | null {
  const taken = new Set(columns.map((name) => name.toLowerCase()))
  return ['rowid', '_rowid_', 'oid'].find((name) => !taken.has(name)) ?? null
}

function neverNull(columns: Column[], key: string[]): boolean {
  return key.every((name) => columns.find((column) => column.name === name)?.nullable === false)
}

/** All foreign keys of the file. */
export function allForeignKeys(read: Read, tables: TableEntry[]): ForeignKey[] {
  return tables.flatMap(({ name }) => {
    const rows = read('SELECT * FROM pragma_foreign_key_list(?) ORDER BY id, seq', name)
    const deferred = /DEFERRABLE\s+INITIALLY\s+DEFERRED/i.test(
      String(read("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?", name)[0]?.sql ?? '')
    )
    const ids = [...new Set(rows.map((row) => row.id))]
    return ids.map((id) => {
      const members = rows.filter((row) => row.id === id)
      const first = members[0] as Record<string, Value>
      return {
        table: name,
        columns: members.map((row) => String(row.from)),
        parentTable: String(first.table),
        parentColumns: members.every((row) => row.to !== null)
          ? members.map((row) => String(row.to))
          : primaryKey(read, String(first.table)),
        onDelete: String(first.on_delete),
        onUpdate: String(first.on_update),
        deferred
      }
    })
  })
}

function primaryKey(read: Read, table: string): string[] {
  return read('SELECT name FROM pragma_table_info(?) WHERE pk > 0 ORDER BY pk', table).map((row) => String(row.name))
}

/** How the members of unique indexes compare, by column name; columns of no such index are not in it. */
export function collationsOf(read: Read, table: string): Map<string, string> {
  const members = read(
    'SELECT x.name, x.coll FROM pragma_index_list(?) l, pragma_index_xinfo(l.name) x WHERE l."unique" = 1 AND x.key = 1',
    table
  )
  // SQLite gives the name as it was written.
  return new Map(members.map((member) => [String(member.name), String(member.coll).toUpperCase()]))
}

/** In a STRICT table ANY keeps text as it is; elsewhere the same word would turn `007` into a number. */
export function isStrict(db: DatabaseSync, table: string): boolean {
  const entry = db.prepare("SELECT strict FROM pragma_table_list(?) WHERE schema = 'main'").get(table)
  return entry?.strict === 1
}
