import { ExitCode, RowbackError } from '../../errors.ts'
import type { FailureCode } from '../../model/failed-row.ts'
import type { Refusal } from '../engine.ts'

/** An error as the driver reports it; `errno` is the server's number, `code` a word of the driver's own otherwise. */
export interface MysqlError extends Error {
  code: string
  errno?: number
  sqlState?: string
  sqlMessage?: string
}

export function isMysqlError(error: unknown): error is MysqlError {
  return (
    error instanceof Error &&
    typeof (error as Partial<MysqlError>).code === 'string' &&
    !(error instanceof RowbackError)
  )
}

// https://mariadb.com/kb/en/mariadb-error-codes/, https://dev.mysql.com/doc/mysql-errors/8.4/en/server-error-reference.html
const REFUSALS = new Map<number, FailureCode>([
  [1048, 'required'],
  [1062, 'duplicate_key'],
  [1216, 'foreign_key'],
  [1217, 'foreign_key'],
  [1264, 'out_of_range'],
  [1364, 'required'],
  [1406, 'too_long'],
  [1416, 'database'],
  [1451, 'foreign_key'],
  [1452, 'foreign_key'],
  [1557, 'duplicate_key'],
  [1586, 'duplicate_key'],
  [1644, 'trigger'],
  [1690, 'out_of_range'],
  [3140, 'type.json'],
  [3819, 'check'],
  [4025, 'check']
])

/** What the server has against one row; null when the error is not about the row. */
export function refusalOf(error: unknown): Refusal | null {
  if (!isMysqlError(error) || error.errno === undefined) return null
  const reason = error.sqlMessage ?? error.message
  const code = REFUSALS.get(error.errno) ?? byState(error.sqlState ?? '', reason)
  return code && { column: columnNamed(code, reason), code, reason }
}

/** Class 22 is a data exception, 23 a constraint; 45 is what a trigger signals (ISO 9075, SQLSTATE). */
function byState(state: string, reason: string): FailureCode | null {
  if (state.startsWith('45')) return 'trigger'
  if (/^incorrect string value/i.test(reason)) return 'encoding'
  return state.startsWith('22') || state.startsWith('23') || /^(data truncated|incorrect \w+ value)/i.test(reason)
    ? 'database'
    : null
}

function columnNamed(code: FailureCode, reason: string): string | null {
  if (code === 'foreign_key') return /FOREIGN KEY \(`([^`,]+)`\)/.exec(reason)?.[1] ?? null
  if (code === 'duplicate_key') return null
  // The column may be named with its schema and table: `db`.`t`.`c`.
  const named = /\bcolumn ((?:[`'][^`']+[`']\.?)+)/i.exec(reason)?.[1]
  return (
    named
      ?.split('.')
      .at(-1)
      ?.replace(/^[`']|[`']$/g, '') ?? null
  )
}

/** A row with this key is there already. */
export function isRepeated(error: unknown): boolean {
  return isMysqlError(error) && error.errno === 1062
}

/** A table went away between being listed and being asked about. */
export function isGone(error: unknown): boolean {
  const cause = error instanceof RowbackError ? error.cause : error
  return isMysqlError(cause) && cause.errno === 1146
}

/** The connection is gone, and with it the transaction that was open. */
export function isLost(error: unknown): boolean {
  if (!isMysqlError(error)) return false
  const words = ['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ERR_STREAM_DESTROYED']
  return (
    words.includes(error.code) ||
    [1053, 1927, 2006, 2013, 4031].includes(error.errno ?? 0) ||
    (error as { fatal?: boolean }).fatal === true
  )
}

interface Detail {
  code: string
  message: string
  hint: string
  exit?: ExitCode
}

const LOST: Detail = {
  code: 'connection.lost',
  message: 'The connection to the server was lost.',
  hint: 'See where the database stands with: rowback status'
}

const DETAILS = new Map<number | string, Detail>([
  [1412, { code: 'table.changed', message: 'Others changed a table while it was read.', hint: 'Do it again.' }],
  [
    1044,
    {
      code: 'target.denied',
      message: 'This user may not use the database.',
      hint: 'See the privileges that are needed in docs/engines.md.'
    }
  ],
  [
    1045,
    {
      code: 'target.denied',
      message: 'The server refused this user or password.',
      hint: 'Check the user and password in the target URL, or set ROWBACK_PASSWORD. A server that wants TLS may answer like this, too: add ?ssl=true'
    }
  ],
  [
    1698,
    {
      code: 'target.denied',
      message: 'The server refused this user or password.',
      hint: 'Check the user and password in the target URL, or set ROWBACK_PASSWORD.'
    }
  ],
  [
    1142,
    {
      code: 'privilege.missing',
      message: 'This user lacks a privilege.',
      hint: 'See the privileges that are needed in docs/engines.md.'
    }
  ],
  [
    1143,
    {
      code: 'privilege.missing',
      message: 'This user lacks a privilege.',
      hint: 'See the privileges that are needed in docs/engines.md.'
    }
  ],
  [
    1227,
    {
      code: 'privilege.missing',
      message: 'This user lacks a privilege.',
      hint: 'See the privileges that are needed in docs/engines.md.'
    }
  ],
  [
    1049,
    {
      code: 'target.missing',
      message: 'There is no such database on the server.',
      hint: 'Make it first: CREATE DATABASE name CHARACTER SET utf8mb4'
    }
  ],
  [
    1451,
    {
      code: 'foreign_key',
      message: 'Rows of other tables refer to rows that this would take away.',
      hint: 'Take those rows away or point them elsewhere first, then try again.'
    }
  ],
  [
    1205,
    {
      code: 'locked',
      message: 'Another session holds rows or tables that are needed.',
      hint: 'Try again when it has finished, or wait longer with --wait SECONDS.',
      exit: ExitCode.locked
    }
  ],
  [
    1213,
    {
      code: 'locked',
      message: 'Another session wrote the same rows at the same time, and the server gave way to it.',
      hint: 'Try again.',
      exit: ExitCode.locked
    }
  ],
  [
    1020,
    {
      code: 'locked',
      message: 'Another session changed rows that were being written.',
      hint: 'Try again.',
      exit: ExitCode.locked
    }
  ],
  [
    1290,
    {
      code: 'target.read_only',
      message: 'The server is read-only.',
      hint: 'Use the primary server, or make this one writable.'
    }
  ],
  [
    1836,
    {
      code: 'target.read_only',
      message: 'The server is read-only.',
      hint: 'Use the primary server, or make this one writable.'
    }
  ],
  [
    1792,
    {
      code: 'target.read_only',
      message: 'This can only read.',
      hint: 'Load changes as a version: rowback migrate FILE -m "..."'
    }
  ],
  [1021, { code: 'disk.full', message: "The server's disk is full.", hint: 'Free some space, then try again.' }],
  [
    1114,
    {
      code: 'disk.full',
      message: 'The server has no room left for a table.',
      hint: 'Free some space, or raise tmp_table_size and innodb limits, then try again.'
    }
  ],
  [
    'ECONNREFUSED',
    {
      code: 'target.unreachable',
      message: 'No server answers there.',
      hint: 'Check host and port in the target URL, and that the server runs.'
    }
  ],
  [
    'ENOENT',
    {
      code: 'target.unreachable',
      message: 'There is no such socket.',
      hint: 'Check socketPath in the target URL, and that the server runs.'
    }
  ],
  [
    'ENOTFOUND',
    { code: 'target.unreachable', message: 'There is no host of that name.', hint: 'Check the host in the target URL.' }
  ],
  [
    'EHOSTUNREACH',
    { code: 'target.unreachable', message: 'The host cannot be reached.', hint: 'Check the host in the target URL.' }
  ],
  [
    'HANDSHAKE_NO_SSL_SUPPORT',
    {
      code: 'target.unreachable',
      message: 'The server does not speak TLS.',
      hint: 'Leave ssl out of the target URL, or set up TLS on the server.'
    }
  ],
  [
    'HANDSHAKE_SSL_ERROR',
    {
      code: 'target.unreachable',
      message: 'No secure connection could be made.',
      hint: 'Name the certificate authority with sslCa=FILE, or use ssl=no-verify on a network that you trust.'
    }
  ]
])

/** Turns a driver's error into one that says what to do; what is not the driver's is passed on as it is. */
export function translate(error: unknown, database: string): unknown {
  if (!isMysqlError(error)) return error
  const detail = DETAILS.get(error.errno ?? 0) ?? DETAILS.get(error.code) ?? (isLost(error) ? LOST : undefined)
  const said = error.sqlMessage ?? error.message
  if (!detail) return new RowbackError({ code: 'database', message: `${database}: ${said}`, cause: error })
  return new RowbackError({ ...detail, message: `${database}: ${detail.message} (${said})`, cause: error })
}

/** `Duplicate entry 'x' for key 't.name'` names the index, in some versions with its table. */
export function indexNamed(reason: string): string | null {
  return /for key '(?:[^']*\.)?([^'.]+)'/.exec(reason)?.[1] ?? null
}
