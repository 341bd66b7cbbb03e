import type { ForeignKey, Table } from '../../model/table.ts'
import { bareTable } from '../../model/table.ts'
import type { Row, Value } from '../../model/value.ts'
import type { MysqlColumn } from './columns.ts'
import { canOrder, columnsNamed, columnType, membersOf } from './columns.ts'
import { createText } from './create-text.ts'
import { isGone } from './errors.ts'
import { quote } from './sql-text.ts'
import { inItsSession } from './trigger-text.ts'
import type { AskMembers } from './true-members.ts'
import { mayHideMembers, withDeclaration } from './true-members.ts'

/** A table with what only this engine asks of it. */
export interface MysqlTable extends Table {
  /** The columns of each unique index, by its name. */
  indexColumns: Record<string, string[]>
}

/** A table without its triggers, what it refers to and what refers to it. */
export interface ReadTable {
  table: Table
  /** The server's statement that makes it, which says all of it; null where it does not. */
  made: string | null
}

export type Read = (sql: string, parameters?: Value[]) => Promise<Row[]>

/** Storage engines that undo a failed transaction. */
const ATOMIC = /^(innodb|rocksdb|tokudb|ndbcluster|xpand)$/i

/** What the server says of the tables of one schema. */
export class Catalogue {
  readonly #read: Read
  readonly #schema: string
  readonly #isMariadb: boolean
  readonly #askMembers: AskMembers

  constructor(read: Read, schema: string, isMariadb: boolean, askMembers: AskMembers) {
    this.#askMembers = askMembers
    this.#read = read
    this.#schema = schema
    this.#isMariadb = isMariadb
  }

  /** All tables that can be backed up, but those that are hidden. */
  async tables(isHidden: (name: string) => boolean): Promise<Table[]> {
    const columns = await this.#columns()
    const keys = await this.#uniqueIndexes()
    const foreignKeys = await this.foreignKeys()
    const triggers = await this.#triggers()
    const tables: Table[] = []
    for (const [name, storage] of await this.#names("'BASE TABLE'")) {
      const own = columns.get(name) ?? []
      // A table that is being dropped elsewhere has no columns any more.
      if (isHidden(name) || own.length === 0 || own.some((column) => column === null)) continue
      const made = await this.createStatement(name)
      if (made === null) continue
      const [truth, statement] = await this.#withTrueMembers(name, own as MysqlColumn[], made)
      const shape = shapeOf(name, truth, keys.get(name) ?? [])
      const ownTriggers = triggers.get(name) ?? []
      tables.push({
        ...shape,
        storage,
        atomic: ATOMIC.test(storage),
        foreignKeys: foreignKeys.filter((key) => key.table === name),
        referencedBy: foreignKeys.filter((key) => key.parentTable === name),
        triggers: ownTriggers,
        ddl: [statement, ...(await this.#triggerStatements(ownTriggers))]
      })
    }
    return tables
  }

  /** Columns and statement with the members of ENUM and SET as they are, where the server hides some. */
  async #withTrueMembers(table: string, columns: MysqlColumn[], made: string): Promise<[MysqlColumn[], string]> {
    let statement = made
    const truth: MysqlColumn[] = []
    for (const column of columns) {
      const declared = await this.#trueDeclaration(table, column)
      if (declared !== null) statement = withDeclaration(statement, column.name, column.declared, declared)
      truth.push(declared === null ? column : { ...column, declared, members: membersOf(declared) })
    }
    return [truth, statement]
  }

  /** Null where the column's own is true, or nothing better is known. */
  async #trueDeclaration(table: string, { name, declared, dataType, members }: MysqlColumn): Promise<string | null> {
    if (members.length === 0 || !mayHideMembers(declared)) return null
    const isSet = dataType === 'set'
    return this.#askMembers({ table, column: name, isSet, declared })
  }

  /** A table's columns and keys alone. */
  async shape(name: string): Promise<Table | undefined> {
    const own = (await this.#columns(name)).get(name)
    if (!own?.every((column) => column !== null)) return undefined
    const [columns] = await this.#withTrueMembers(name, own as MysqlColumn[], '')
    return shapeOf(name, columns, (await this.#uniqueIndexes(name)).get(name) ?? [])
  }

  /**
   * A table's columns, keys and own statement.
   * @param known what was read of it before, which the statement may show to be right still
   */
  async toRead(name: string, known?: ReadTable): Promise<ReadTable | undefined> {
    const made = await this.createStatement(name)
    if (made === null) return undefined
    if (known?.made === made) return known
    const own = (await this.#columns(name)).get(name)
    if (!own?.every((column) => column !== null)) return undefined
    const [columns, statement] = await this.#withTrueMembers(name, own as MysqlColumn[], made)
    const shape = shapeOf(name, columns, (await this.#uniqueIndexes(name)).get(name) ?? [])
    // What the server prints wrongly in its statements, or changed meanwhile, is read anew each time.
    const isTold = !own.some((column) => mayHideMembers(column?.declared ?? ''))
    const isSame = isTold && (await this.createStatement(name)) === made
    return { table: { ...shape, ddl: [statement] }, made: isSame ? made : null }
  }

  /** What looks like a table and cannot be backed up as rows, with the reason. */
  async unsupported(): Promise<string[]> {
    const others = (await this.#names("'SYSTEM VERSIONED'")).map(([name]) => name)
    const columns = await this.#columns()
    const tables = (await this.#names("'BASE TABLE'")).map(([name]) => name)
    return [...others, ...tables.filter((name) => columns.get(name)?.some((column) => column === null))]
  }

  async #names(types: string): Promise<[name: string, storage: string][]> {
    const rows = await this.#read(
      'SELECT TABLE_NAME, ENGINE FROM information_schema.TABLES ' +
        `WHERE TABLE_SCHEMA = ? AND TABLE_TYPE IN (${types}) ORDER BY TABLE_NAME`,
      [this.#schema]
    )
    return rows.map(([name, storage]) => [String(name), String(storage)])
  }

  /** By table; null stands for a column of a type that this program does not know. */
  async #columns(table?: string): Promise<Map<string, (MysqlColumn | null)[]>> {
    const rows = await this.#read(
      'SELECT TABLE_NAME, COLUMN_NAME, DATA_TYPE, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, EXTRA, CHARACTER_SET_NAME, ' +
        'COLLATION_NAME, DATETIME_PRECISION FROM information_schema.COLUMNS ' +
        `WHERE TABLE_SCHEMA = ? ${only('TABLE_NAME', table)} ORDER BY TABLE_NAME, ORDINAL_POSITION`,
      bound(this.#schema, table)
    )
    const json = await this.#jsonColumns()
    return groupBy(rows, (row) => columnOf(row, json))
  }

  /** MariaDB's JSON is LONGTEXT with a check; as `table.column`. */
  async #jsonColumns(): Promise<Set<string>> {
    if (!this.#isMariadb) return new Set()
    const rows = await this.#read(
      'SELECT TABLE_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS WHERE CONSTRAINT_SCHEMA = ?',
      [this.#schema]
    )
    return new Set(rows.map(([table, clause]) => `${table}.${/^json_valid\(`(.+)`\)$/.exec(String(clause))?.[1]}`))
  }

  async #uniqueIndexes(table?: string): Promise<Map<string, IndexMember[]>> {
    const rows = await this.#read(
      'SELECT TABLE_NAME, INDEX_NAME, COLUMN_NAME, SUB_PART FROM information_schema.STATISTICS ' +
        `WHERE TABLE_SCHEMA = ? AND NON_UNIQUE = 0 ${only('TABLE_NAME', table)} ` +
        "ORDER BY TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX",
      bound(this.#schema, table)
    )
    // An index over an expression, or over the beginning of a text, tells no rows apart by its columns.
    return groupBy(rows, ([, index, column, part]) => ({
      index: String(index),
      column: part === null && column !== null ? String(column) : null
    }))
  }

  /** All foreign keys within the schema. */
  async foreignKeys(): Promise<ForeignKey[]> {
    const rows = await this.#read(
      'SELECT k.TABLE_NAME, k.CONSTRAINT_NAME, k.COLUMN_NAME, k.REFERENCED_TABLE_NAME, k.REFERENCED_COLUMN_NAME, ' +
        'r.DELETE_RULE, r.UPDATE_RULE FROM information_schema.KEY_COLUMN_USAGE k ' +
        // Joined by the name of the schema, the server would look through the tables of every other one.
        'JOIN information_schema.REFERENTIAL_CONSTRAINTS r ON r.CONSTRAINT_NAME = k.CONSTRAINT_NAME ' +
        'AND r.TABLE_NAME = k.TABLE_NAME ' +
        'WHERE k.TABLE_SCHEMA = ? AND k.REFERENCED_TABLE_SCHEMA = ? AND r.CONSTRAINT_SCHEMA = ? ' +
        'ORDER BY k.TABLE_NAME, k.CONSTRAINT_NAME, k.ORDINAL_POSITION',
      [this.#schema, this.#schema, this.#schema]
    )
    const byName = Map.groupBy(rows, ([table, name]) => `${table}\n${name}`)
    return [...byName.values()].map((members) => {
      const [table, , , parent, , onDelete, onUpdate] = members[0] as Row
      return {
        table: String(table),
        columns: members.map((row) => String(row[2])),
        parentTable: String(parent),
        parentColumns: members.map((row) => String(row[4])),
        onDelete: actionOf(onDelete),
        onUpdate: actionOf(onUpdate),
        deferred: false
      }
    })
  }

  async #triggers(): Promise<Map<string, string[]>> {
    const rows = await this.#read(
      'SELECT EVENT_OBJECT_TABLE, TRIGGER_NAME FROM information_schema.TRIGGERS ' +
        'WHERE TRIGGER_SCHEMA = ? ORDER BY EVENT_OBJECT_TABLE, ACTION_ORDER, TRIGGER_NAME',
      [this.#schema]
    )
    return groupBy(rows, ([, name]) => String(name))
  }

  /** Without the counter of AUTO_INCREMENT, which moves with every row; null for a table that went away meanwhile. */
  async createStatement(table: string): Promise<string | null> {
    const shown = this.#read(`SHOW CREATE TABLE ${quote(this.#schema)}.${quote(table)}`)
    const [row] = await shown.catch((error: unknown) => {
      if (isGone(error)) return []
      throw error
    })
    return row === undefined ? null : createText(row[1]).replace(/^(\) .*?)AUTO_INCREMENT=\d+ ?/m, '$1')
  }

  async #triggerStatements(triggers: readonly string[]): Promise<string[]> {
    const statements: string[] = []
    for (const trigger of triggers) {
      const [row] = await this.#read(`SHOW CREATE TRIGGER ${quote(this.#schema)}.${quote(trigger)}`)
      statements.push(inItsSession(String(row?.[2]), { sqlMode: String(row?.[1]), collation: String(row?.[4]) }))
    }
    return statements
  }
}

/** RESTRICT is what these servers say where nothing was said. */
function actionOf(rule: Value | undefined): string {
  return rule === 'RESTRICT' ? 'NO ACTION' : String(rule)
}

interface IndexMember {
  index: string
  column: string | null
}

function only(column: string, table: string | undefined): string {
  return table === undefined ? '' : `AND ${column} = ?`
}

function bound(schema: string, table: string | undefined): string[] {
  return table === undefined ? [schema] : [schema, table]
}

/** Groups rows by their first cell. */
function groupBy<T>(rows: Row[], read: (row: Row) => T): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const [table, members] of Map.groupBy(rows, (row) => String(row[0]))) groups.set(table, members.map(read))
  return groups
}

function shapeOf(name: string, columns: MysqlColumn[], members: IndexMember[]): MysqlTable {
  const indexes = [...Map.groupBy(members, (member) => member.index).values()]
  const uniqueKeys = indexes
    .filter((index) => index.every((member) => member.column !== null))
    .map((index) => index.map((member) => member.column as string))
  const indexColumns = Object.fromEntries(
    indexes.map((index) => [index[0]?.index ?? '', index.map((member) => member.column ?? '')])
  )
  const column = (wanted: string) => columns.find((candidate) => candidate.name === wanted)
  const key = uniqueKeys.find((names) => names.every((part) => column(part)?.nullable === false)) ?? null
  const order = key && columnsNamed({ columns }, key).every(canOrder) ? key : null
  return { ...bareTable({ name, columns, key, uniqueKeys }), order, indexColumns }
}

function columnOf(row: Row, json: ReadonlySet<string>): MysqlColumn | null {
  const [table, name, dataCell, declaredCell, nullable, standard, extraCell, charset, collation, digits] = row
  const dataType = json.has(`${table}.${name}`) ? 'json' : String(dataCell)
  const declared = String(declaredCell)
  const extra = String(extraCell).toLowerCase()
  const type = columnType(dataType, declared.toLowerCase())
  if (type === null) return null
  const generated = /\b(virtual|stored|persistent) generated\b|^(virtual|persistent|stored)\b/.test(extra)
  return {
    name: String(name),
    type,
    declared: dataType === 'json' ? 'json' : declared,
    nullable: nullable === 'YES',
    hasDefault: (standard !== null && standard !== 'NULL') || /auto_increment|default_generated/.test(extra),
    generated,
    dataType,
    charset: charset as string | null,
    collation: collation as string | null,
    members: dataType === 'enum' || dataType === 'set' ? membersOf(declared) : [],
    fractionDigits: Number(digits ?? 0),
    rounded: /^(float|double)\(/.test(declared),
    counts: extra.includes('auto_increment')
  }
}

/** A column from `SHOW FULL COLUMNS`, which also knows temporary tables. */
export function columnShown(row: Row): MysqlColumn | null {
  const [name, declared, collation, nullable, , standard, extra] = row
  const charset = collation === null ? null : String(collation).replace(/_.*$/, '')
  const dataType = /^\w+/.exec(String(declared))?.[0] ?? ''
  const digits = /^(datetime|timestamp|time)\((\d)\)/.exec(String(declared))?.[2] ?? 0
  const data = ['', name, dataType, declared, nullable, standard, extra, charset, collation, BigInt(digits)] as Row
  return columnOf(data, new Set())
}

/** The shape of a table that the catalogue does not list. */
export function temporaryShape(name: string, columns: MysqlColumn[], key: string[] | null): Table {
  const members = (key ?? []).map((column) => ({ index: 'PRIMARY', column }))
  return shapeOf(name, columns, members)
}
