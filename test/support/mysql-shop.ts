import type { Connection } from 'mysql2/promise'
import { createConnection } from 'mysql2/promise'
import { Workplace } from './cli.ts'
import type { FreshDatabase } from './servers/database.ts'
import { freshDatabase } from './servers/database.ts'

/** A fresh database with a folder beside it, and a session of the test's own that rowback knows nothing of. */
export interface MysqlShop {
  database: FreshDatabase
  place: Workplace
  sql: Connection
  /** All rows of a query, as text. */
  rows(query: string): Promise<(string | null)[][]>
  remove(): Promise<void>
}

export async function openShop(serverUrl: string): Promise<MysqlShop> {
  const database = await freshDatabase(serverUrl)
  const place = await Workplace.make('rowback-mysql-')
  const sql = await createConnection({ uri: database.url, rowsAsArray: true, typeCast: (field) => field.string() })
  return {
    database,
    place,
    sql,
    async rows(query) {
      return (await sql.query(query))[0] as unknown as (string | null)[][]
    },
    async remove() {
      await sql.end()
      await database.drop()
      await place.remove()
    }
  }
}

/** The same server and another user or parameters. */
export function urlFor(url: string, change: { user?: string; password?: string; parameters?: string }): string {
  const made = new URL(url)
  if (change.user !== undefined) made.username = change.user
  if (change.password !== undefined) made.password = change.password
  return made.href + (change.parameters === undefined ? '' : `?${change.parameters}`)
}
