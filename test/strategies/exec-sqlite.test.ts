import { describe, expect, test } from 'vitest'
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

test('the command line takes a script from standard input, and its exit codes tell how it went', async () => {
  const shop = await openShop()
  try {
    await shop.sql(
      'CREATE TABLE goods (id INTEGER PRIMARY KEY, name TEXT)',
      "INSERT INTO goods VALUES (1, 'a'), (2, 'b')"
    )
    const exec = (stdin: string, ...more: string[]) =>
      shop.place.run(['exec', '-', '-m', 'a fix', '--author', 'tester', '--target', shop.url, ...more], { stdin })
    const done = await exec("UPDATE goods SET name = 'c' WHERE id = 2; DELETE FROM goods WHERE id = 1;\n")
    expect([done.code, done.stdout]).toEqual([
      0,
      expect.stringMatching(/Version 1 {2}a fix {2}2 statements[\s\S]*goods +0 +1 +1/)
    ])
    const failed = await exec('UPDATE goods SET nothing = 1', '--json')
    expect([failed.code, JSON.parse(failed.stdout)]).toMatchObject([1, { error: { code: 'script.failed' } }])
    const refused = await exec('DROP TABLE goods')
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('line 1: DROP')])
    expect(await shop.rows('SELECT * FROM goods')).toEqual([['2', 'c']])
  } finally {
    await shop.remove()
  }
})
