import { readFileSync } from 'node:fs'
import type { ConnectionOptions, SslOptions } from 'mysql2'
import { usageError } from '../../errors.ts'

/** What a MySQL target URL says, taken apart. */
export interface MysqlTarget {
  database: string
  /** Control tables stand in the data's own schema, with their prefix, instead of in a sibling. */
  sameSchema: boolean
  connection: ConnectionOptions
}

const PARAMETERS = ['ssl', 'sslCa', 'socketPath', 'control']

/**
 * Reads `mysql://user:password@host:port/database`; `?ssl=`, `?sslCa=FILE`, `?socketPath=` and `?control=same-schema`
 * may follow. A password that the URL leaves out is taken from `ROWBACK_PASSWORD`.
 * @throws RowbackError `target.invalid` (exit code 2); the message never repeats the password
 */
export function parseTarget(target: string, env: NodeJS.ProcessEnv = process.env): MysqlTarget {
  const url = parseUrl(target)
  const database = decode(url.pathname.replace(/^\//, ''))
  if (database === '' || database.includes('/')) {
    throw invalid('it names no database', 'Write it at the end: mysql://user@host:3306/shop')
  }
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name))
  if (unknown !== undefined) throw invalid(`it does not know ?${unknown}`, `Use one of: ${PARAMETERS.join(', ')}.`)
  const socketPath = url.searchParams.get('socketPath')
  const ssl = readSsl(url.searchParams)
  return {
    database,
    sameSchema: readControl(url.searchParams),
    connection: {
      user: url.username === '' ? 'root' : decode(url.username),
      password: url.password === '' ? (env.ROWBACK_PASSWORD ?? '') : decode(url.password),
      ...(socketPath === null
        ? {
            host: url.hostname === '' ? '127.0.0.1' : url.hostname.replace(/^\[|\]$/g, ''),
            port: Number(url.port || 3306)
          }
        : { socketPath }),
      ...(ssl !== null && { ssl })
    }
  }
}

function parseUrl(target: string): URL {
  try {
    // Only of http URLs does the parser know the default port and an empty host.
    return new URL(target.replace(/^[a-z]+:/i, 'mysql:'))
  } catch {
    throw invalid(
      'it cannot be read',
      'Write it as mysql://user:password@host:3306/database, special characters as %XX.'
    )
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw invalid('a % stands alone in it', 'Write % as %25.')
  }
}

function readSsl(parameters: URLSearchParams): SslOptions | null {
  const mode = parameters.get('ssl')
  const ca = parameters.get('sslCa')
  if (mode === null && ca === null) return null
  if (mode === 'false' || mode === '0') return null
  if (mode !== null && !['true', '1', 'no-verify'].includes(mode)) {
    throw invalid(`ssl=${mode} is not known`, 'Use ssl=true, which checks the certificate, or ssl=no-verify.')
  }
  return {
    rejectUnauthorized: mode !== 'no-verify',
    ...(ca !== null && { ca: readCa(ca) })
  }
}

function readCa(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    throw invalid(`the certificate ${path} cannot be read`, 'Check sslCa.')
  }
}

function readControl(parameters: URLSearchParams): boolean {
  const control = parameters.get('control')
  if (control === null || control === 'sibling-schema') return false
  if (control === 'same-schema') return true
  throw invalid(`control=${control} is not known`, 'Use control=same-schema, or leave it out.')
}

function invalid(reason: string, hint: string) {
  return usageError('target.invalid', `The target URL cannot be used: ${reason}.`, hint)
}
