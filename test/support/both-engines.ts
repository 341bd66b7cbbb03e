import { rm } from 'node:fs/promises'
import { createConnection } from 'mysql2/promise'
import { afterEach, beforeEach, describe, inject, test } from 'vitest'
import { Workplace } from './cli.ts'
import { freshDatabase } from './servers/database.ts'
import { HOW_TO_PROVIDE } from './servers/find.ts'

/** A database with a folder beside it, whose rowback.yaml names it. */
export interface AnyShop {
  engine: 'sqlite' | 'mysql'
  place: Workplace
  url: string
  /** The database's name, as files are named after it. */
  database: string
  /** Runs statements past rowback, as any other program would. */
  sql(...statements: string[]): Promise<void>
  /** All rows of a query, read past rowback, each cell as text. */
  rows(query: string): Promise<(string | null)[][]>
  /** Adds lines to rowback.yaml. */
  configure(yaml: string): Promise<void>
  /** Takes the database away from under the program. */
  lose(): Promise<void>
  remove(): Promise<void>
}

const server = inject('mysqlUrl')

/**
 * The same tests on SQLite and on the MySQL server of this run.
 * @param tests gets what gives the shop of the test that runs
 */
export function onBothEngines(name: string, tests: (shop: () => AnyShop) => void): void {
  onSqlite(name, tests)
  onMysql(name, tests)
}

/** The same on SQLite alone. */
export function onSqlite(name: string, tests: (shop: () => AnyShop) => void): void {
  describeOn(`${name} (sqlite)`, sqliteShop, tests)
}

/** The same on that server alone. */
export function onMysql(name: string, tests: (shop: () => AnyShop) => void): void {
  if (server === null) test.skip(`${name} (mysql): ${HOW_TO_PROVIDE}`)
  else describeOn(`${name} (mysql)`, () => mysqlShop(server), tests)
}

function describeOn(name: string, make: () => Promise<AnyShop>, tests: (shop: () => AnyShop) => void): void {
  describe(name, () => {
    let shop: AnyShop
    beforeEach(async () => {
      shop = await make()
      await shop.configure('')
    })
    afterEach(() => shop.remove())
    tests(() => shop)
  })
}

async function sqliteShop(): Promise<AnyShop> {
  const place = await Workplace.make()
  const url = `sqlite:${place.at('shop.db')}`
  return {
    engine: 'sqlite',
    place,
    url,
    database: 'shop',
    sql: async (...statements) => place.sql(statements.join(';')),
    rows: async (query) => place.rows(query).map((row) => row.map((cell) => (cell === null ? null : String(cell)))),
    configure: async (yaml) => void (await place.write('rowback.yaml', `target: ${url}\n${yaml}`)),
    lose: () => rm(place.at('shop.db')),
    remove: () => place.remove()
  }
}

async function mysqlShop(serverUrl: string): Promise<AnyShop> {
  const place = await Workplace.make()
  const { url, name, drop } = await freshDatabase(serverUrl)
  const connection = await createConnection({ uri: url, rowsAsArray: true, typeCast: (field) => field.string() })
  return {
    engine: 'mysql',
    place,
    url,
    database: name,
    async sql(...statements) {
      for (const statement of statements) await connection.query(statement)
    },
    async rows(query) {
      return (await connection.query(query))[0] as unknown as (string | null)[][]
    },
    configure: async (yaml) => void (await place.write('rowback.yaml', `target: ${url}\n${yaml}`)),
    lose: async () => {
      for (const lost of [`${name}_rowback`, name]) await connection.query(`DROP DATABASE \`${lost}\``)
    },
    async remove() {
      await connection.end()
      await drop()
      await place.remove()
    }
  }
}
