import { describe } from 'vitest'
import { open } from '../../src/index.ts'
import { Workplace } from '../support/cli.ts'
import type { ExecHost, ExecShop } from '../support/suite-exec.ts'
import { execTests } from '../support/suite-exec.ts'

async function openShop(): Promise<ExecShop> {
  const place = await Workplace.make('rowback-exec-')
  place.sql('SELECT 1')
  const url = `sqlite:${place.at('shop.db')}`
  const db = await open({ target: url, repository: place.at('.rowback'), author: 'tester' })
  return {
    db,
    place,
    url,
    sql: async (...statements) => {
      for (const statement of statements) place.sql(statement)
    },
    rows: async (query) => place.rows(query).map((row) => row.map((cell) => (cell === null ? null : String(cell)))),
    async remove() {
      await db.close()
      await place.remove()
    }
  }
}

const sqlite: ExecHost = {
  open: openShop,
  loggingTriggers: ['insert', 'update', 'delete'].map(
    (what) => `CREATE TRIGGER log_${what} AFTER ${what} ON orders BEGIN INSERT INTO log VALUES ('${what}'); END`
  ),
  writableView: [
    "CREATE VIEW romans AS SELECT * FROM customers WHERE city = 'Rome'",
    'CREATE TRIGGER write_romans INSTEAD OF UPDATE ON romans BEGIN UPDATE customers SET name = NEW.name WHERE id = NEW.id; END'
  ],
  ignoringCase: 'VARCHAR(20) COLLATE NOCASE',
  refused: [
    ['PRAGMA foreign_keys = OFF', /PRAGMA: it changes the session/],
    ["ATTACH 'x.db' AS x", /ATTACH/],
    ['VACUUM', /VACUUM/],
    ["UPDATE 'rowback_version' SET author = 'x'", /bookkeeping/],
    ['UPDATE sqlite_sequence SET seq = 0', /SQLite's own/],
    ['UPDATE t SET a = :value', /parameter/],
    ['UPDATE t SET a = ?', /parameter/]
  ]
}

describe('SQLite: a script of SQL as a version,', () => execTests(sqlite))
