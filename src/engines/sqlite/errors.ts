import { ExitCode, RowbackError } from '../../errors.ts'
import type { FailureCode } from '../../model/failed-row.ts'
import type { Refusal } from '../engine.ts'

interface SqliteError extends Error {
  code: 'ERR_SQLITE_ERROR'
  errcode: number
}

export function isSqliteError(error: unknown): error is SqliteError {
  return error instanceof Error && (error as Partial<SqliteError>).code === 'ERR_SQLITE_ERROR'
}

// Extended result codes: https://sqlite.org/rescode.html
const REFUSALS = new Map<number, FailureCode>([
  [18, 'too_long'],
  [20, 'database'],
  [275, 'check'],
  [787, 'foreign_key'],
  [1299, 'required'],
  [1555, 'duplicate_key'],
  [2067, 'duplicate_key'],
  [2579, 'duplicate_key'],
  [1811, 'trigger'],
  [3091, 'database']
])

/** What the database has against one row; null when the error is not about the row. */
export function refusalOf(error: unknown): Refusal | null {
  if (!isSqliteError(error)) return null
  const code = REFUSALS.get(error.errcode) ?? ((error.errcode & 0xff) === 19 ? 'database' : undefined)
  if (!code) return null
  const namesColumns = code === 'required' || code === 'duplicate_key'
  return { column: namesColumns ? columnNamed(error.message) : null, code, reason: error.message }
}

/** `UNIQUE constraint failed: dogs.id` names one column; several share the blame and none is named. */
function columnNamed(message: string): string | null {
  const named = /constraint failed: (.+)$/.exec(message)?.[1]?.split(', ')
  const only = named?.length === 1 ? named[0] : undefined
  return only?.includes('.') ? only.slice(only.indexOf('.') + 1) : null
}

/** By extended result code where there is one, else by its primary part. */
const DETAILS = new Map<number, { code: string; message: string; hint: string; exit?: ExitCode }>([
  [
    787,
    {
      code: 'foreign_key',
      message: 'Rows of other tables refer to rows that this would take away.',
      hint: 'Take those rows away or point them elsewhere first, then try again.'
    }
  ],
  [
    5,
    {
      code: 'locked',
      message: 'Another migration or program is writing to this database.',
      hint: 'Try again when it has finished, or wait for it with --wait SECONDS.',
      exit: ExitCode.locked
    }
  ],
  [
    8,
    {
      code: 'target.read_only',
      message: 'The database is read-only.',
      hint: 'Make the file and its folder writable, then try again.'
    }
  ],
  [11, { code: 'target.damaged', message: 'The database file is damaged.', hint: 'Check it: PRAGMA integrity_check' }],
  [13, { code: 'disk.full', message: 'The disk is full.', hint: 'Free some space, then try again.' }],
  [
    14,
    {
      code: 'target.unreachable',
      message: 'The database file cannot be opened.',
      hint: 'Check that its folder exists and may be read and written.'
    }
  ],
  [
    26,
    {
      code: 'target.not_database',
      message: 'This file is not a SQLite database.',
      hint: 'Check the path given with --target.'
    }
  ]
])

/** Turns a driver's error into one that says what to do; what is not the driver's is passed on as it is. */
export function translate(error: unknown, database: string): unknown {
  if (!isSqliteError(error)) return error
  const detail = DETAILS.get(error.errcode) ?? DETAILS.get(error.errcode & 0xff)
  if (!detail) return new RowbackError({ code: 'database', message: `${database}: ${error.message}`, cause: error })
  return new RowbackError({ ...detail, message: `${database}: ${detail.message} (${error.message})`, cause: error })
}
