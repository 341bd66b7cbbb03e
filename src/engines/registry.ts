import { usageError } from '../errors.ts'
import type { Engine } from './engine.ts'

/** Opens a database by the scheme of its target URL. */
const ENGINES: Record<string, (target: string) => Promise<Engine>> = {
  sqlite: openSqlite,
  mysql: openMysql,
  mariadb: openMysql
}

// Loaded when they are asked for: each would wait for the other's driver.

async function openSqlite(target: string): Promise<Engine> {
  const { SqliteEngine } = await import('./sqlite/sqlite-engine.ts')
  return new SqliteEngine(target.slice('sqlite:'.length).replace(/^\/\/(?=\/)/, ''))
}

async function openMysql(target: string): Promise<Engine> {
  const { MysqlEngine } = await import('./mysql/mysql-engine.ts')
  return MysqlEngine.open(target)
}

/**
 * Opens the database that a target URL names.
 * @param target such as `sqlite:shop.db`
 * @throws RowbackError `target.scheme` for a scheme that no engine serves
 */
export async function openEngine(target: string): Promise<Engine> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(target)?.[1]?.toLowerCase()
  const open = scheme ? ENGINES[scheme] : undefined
  if (!open) {
    throw usageError(
      'target.scheme',
      scheme
        ? `No engine serves targets that begin with "${scheme}:".`
        : 'The target does not say what kind of database it is.',
      `Use one of: ${Object.keys(ENGINES).join(', ')}. For example: --target sqlite:shop.db or --target mysql://user@127.0.0.1/shop`
    )
  }
  return open(target)
}
