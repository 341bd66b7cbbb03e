import { randomUUID } from 'node:crypto'
import type { Engine } from '../engines/engine.ts'
import { CONTROL_TABLES } from '../engines/engine.ts'
import { usageError } from '../errors.ts'
import type { ColumnType } from '../model/table.ts'

/** The layout of the control tables that this program makes. */
const FORMAT = 1
/** Of control tables that say which history was taken out of the database, which a program must know to tell the past. */
export const PRUNED_FORMAT = 2

const NUMBER: ColumnType = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n }
const WORD: ColumnType = { kind: 'text', maxLength: 190 }
const LONG: ColumnType = { kind: 'text', maxLength: null }

/** Of `rowback_version`; ledgers of before there was such a column lack it. */
export const LEFT_COLUMN = 'left_record'

type ColumnDefinition = [name: string, type: ColumnType, nullable?: 'null']

const TABLES: Record<(typeof CONTROL_TABLES)[number], { columns: ColumnDefinition[]; key: string[] }> = {
  rowback_meta: {
    columns: [
      ['name', WORD],
      ['value', LONG]
    ],
    key: ['name']
  },
  rowback_version: {
    columns: [
      ['version_id', NUMBER],
      ['uuid', WORD],
      ['kind', WORD],
      ['status', WORD],
      ['strategy', WORD],
      ['author', LONG],
      ['author_name', LONG, 'null'],
      ['author_email', LONG, 'null'],
      ['author_alias', LONG, 'null'],
      ['description', LONG],
      ['remarks', LONG, 'null'],
      ['tag', WORD, 'null'],
      ['target_version', NUMBER, 'null'],
      ['source_name', LONG, 'null'],
      ['source_sha256', LONG, 'null'],
      ['tables', LONG],
      ['anchor', WORD, 'null'],
      ['error', LONG, 'null'],
      ['started_at', WORD],
      ['finished_at', WORD, 'null'],
      ['host', LONG],
      ['tool_version', WORD],
      ['previous_hash', WORD, 'null'],
      ['hash', WORD, 'null'],
      [LEFT_COLUMN, WORD, 'null']
    ],
    key: ['version_id']
  },
  rowback_failed_row: {
    columns: [
      ['version_id', NUMBER],
      ['position', NUMBER],
      ['table_name', WORD],
      ['line', NUMBER, 'null'],
      ['column_name', LONG, 'null'],
      ['code', WORD],
      ['reason', LONG],
      ['raw', LONG]
    ],
    key: ['version_id', 'position']
  },
  rowback_table: {
    columns: [
      ['table_name', WORD],
      ['since', NUMBER],
      ['history', WORD],
      ['ddl', LONG]
    ],
    key: ['table_name', 'since']
  }
}

/**
 * Adds the column that says what a version left to a ledger that was made without it; to be called outside a transaction.
 * @returns whether it is there now: a user who may not add it goes on without
 */
export async function addLeftColumn(engine: Engine): Promise<boolean> {
  if (await hasLeftColumn(engine)) return true
  const table = engine.controlTable('rowback_version')
  try {
    await engine.run(`ALTER TABLE ${table} ADD COLUMN ${engine.quote(LEFT_COLUMN)} ${engine.declare(WORD)}`)
    return true
  } catch {
    // Another process may have added it meanwhile.
    return hasLeftColumn(engine)
  }
}

/** Whether the ledger, which is there, can name the records of what versions left. */
export async function hasLeftColumn(engine: Engine): Promise<boolean> {
  const { columns } = await engine.query(`SELECT * FROM ${engine.controlTable('rowback_version')} WHERE version_id < 0`)
  return columns.includes(LEFT_COLUMN)
}

/** The columns of a control table, in their order. */
export function controlColumns(table: (typeof CONTROL_TABLES)[number]): string[] {
  return TABLES[table].columns.map(([name]) => name)
}

/**
 * Checks that this program knows the control tables.
 * @returns the database's identity, or null when it has no control tables yet
 * @throws RowbackError `control.newer` (exit code 2)
 */
export async function readIdentity(engine: Engine): Promise<string | null> {
  if (!(await engine.hasControlTable('rowback_meta'))) return null
  const { rows } = await engine.query(`SELECT name, value FROM ${engine.controlTable('rowback_meta')}`)
  const meta = new Map(rows.map(([name, value]) => [String(name), String(value)]))
  const format = Number(meta.get('format'))
  if (format > PRUNED_FORMAT) {
    throw usageError(
      'control.newer',
      `The control tables of ${engine.database} were made by a newer rowback (format ${format}, this one knows ${PRUNED_FORMAT}).`,
      'Install the newer rowback: npm install -g rowback@latest'
    )
  }
  return meta.get('database') ?? null
}

/**
 * Makes the control tables; to be called inside a transaction.
 * @returns the database's new identity
 */
export async function createControlTables(engine: Engine): Promise<string> {
  for (const name of CONTROL_TABLES) {
    const { columns, key } = TABLES[name]
    const defined = columns.map(([column, type, nullable]) => ({ name: column, type, nullable: nullable === 'null' }))
    await engine.createControlTable({ name, columns: defined, key })
  }
  const identity = randomUUID()
  const insert = `INSERT INTO ${engine.controlTable('rowback_meta')} (name, value) VALUES (?, ?)`
  await engine.run(insert, ['format', String(FORMAT)])
  await engine.run(insert, ['database', identity])
  return identity
}
