import { randomBytes } from 'node:crypto'
import { createConnection } from 'mysql2/promise'

export interface FreshDatabase {
  url: string
  name: string
  /** Removes the database, and the one that rowback kept beside it. */
  drop(): Promise<void>
}

/** Creates an empty database with a name of its own. */
export async function freshDatabase(serverUrl: string): Promise<FreshDatabase> {
  const name = `rowback_test_${randomBytes(6).toString('hex')}`
  await execute(serverUrl, [`CREATE DATABASE ${name}`])
  const url = new URL(serverUrl)
  url.pathname = `/${name}`
  const drop = () =>
    execute(serverUrl, [
      'SET SESSION lock_wait_timeout = 10',
      `DROP DATABASE IF EXISTS ${name}`,
      `DROP DATABASE IF EXISTS ${name}_rowback`
    ])
  return { url: url.href, name, drop }
}

async function execute(serverUrl: string, statements: readonly string[]): Promise<void> {
  const connection = await createConnection(serverUrl)
  try {
    for (const statement of statements) await connection.query(statement)
  } finally {
    await connection.end()
  }
}
