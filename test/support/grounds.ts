import { Workplace } from './cli.ts'
import type { MysqlShop } from './mysql-shop.ts'
import { openShop } from './mysql-shop.ts'

/** A fresh database of either kind with a folder beside it, and a session that rowback knows nothing of. */
export interface Ground {
  place: Workplace
  target: string
  sql(...statements: string[]): Promise<void>
  rows(query: string): Promise<unknown[][]>
  remove(): Promise<void>
}

export async function onSqlite(): Promise<Ground> {
  const place = await Workplace.make()
  return {
    place,
    target: 'sqlite:shop.db',
    sql: async (...statements) => place.sql(statements.join(';')),
    rows: async (query) => place.rows(query),
    remove: () => place.remove()
  }
}

export async function onMysql(serverUrl: string): Promise<Ground & { shop: MysqlShop }> {
  const shop = await openShop(serverUrl)
  return {
    shop,
    place: shop.place,
    target: shop.database.url,
    async sql(...statements) {
      for (const statement of statements) await shop.sql.query(statement)
    },
    rows: (query) => shop.rows(query),
    remove: () => shop.remove()
  }
}
