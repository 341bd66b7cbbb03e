import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import type { Row } from '../../src/model/value.ts'
import { backupExport } from '../../src/operations/backup/export.ts'
import { diff } from '../../src/operations/diff.ts'
import { Workplace } from '../support/cli.ts'
import { restoreWithSqlite } from '../support/stock-client.ts'

let place: Workplace
let db: Rowback
let files = 0

beforeEach(async () => {
  place = await Workplace.make('rowback-export-')
})

afterEach(async () => {
  await db.close()
  await place.remove()
})

async function start(schema: string): Promise<void> {
  place.sql(schema)
  db = await open({ target: `sqlite:${place.at('shop.db')}`, repository: place.at('.rowback'), author: 'tester' })
}

async function migrate(csv: string, table: string, strategy: 'snapshot' | 'incremental' = 'snapshot'): Promise<void> {
  const source = await place.write(`source-${++files}.csv`, csv)
  await db.migrate({ source, table, strategy, description: 'a test' })
}

/** Writes a version's state and restores it with the stock client. @returns the name of the new file */
async function restored(version: number): Promise<string> {
  const name = `restored-${++files}.db`
  const { file } = await db.run(backupExport, { version, out: place.at(`${name}.sql`) })
  await restoreWithSqlite(place.at(name), file)
  return name
}

/** Makes one state of another in a copy, with the stock client. */
async function applyDiff(copy: string, from: number, to: number): Promise<void> {
  const { sql = '' } = await db.run(diff, { from, to, sql: true })
  await restoreWithSqlite(place.at(copy), await place.write(`diff-${++files}.sql`, sql))
}

/** Each cell with its storage class and its bytes; numbers as they are. */
function cells(table: string, database = 'shop.db'): Row[] {
  const columns = place
    .rows(`SELECT name FROM pragma_table_xinfo('${table.replaceAll("'", "''")}') WHERE hidden <> 1`, database)
    .map(([name]) => `"${String(name).replaceAll('"', '""')}"`)
    .filter((name) => name !== '"version_id"')
  const exact = columns.map(
    (name) =>
      `typeof(${name}), CASE WHEN typeof(${name}) IN ('text', 'blob') THEN hex(CAST(${name} AS BLOB)) ELSE ${name} END`
  )
  const reader = new DatabaseSync(place.at(database), { readOnly: true })
  try {
    const statement = reader.prepare(
      `SELECT ${exact.join(', ')} FROM "${table.replaceAll('"', '""')}" ORDER BY 2, rowid`
    )
    statement.setReturnArrays(true)
    statement.setReadBigInts(true)
    return statement.all() as unknown as Row[]
  } finally {
    reader.close()
  }
}

function schema(database = 'shop.db'): Row[] {
  return place.rows(
    "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'rowback%' AND name NOT LIKE 'sqlite_autoindex%' ORDER BY name",
    database
  )
}

const TEXTS = [
  ...["''", "' '", "'it''s'", "'a' || char(0) || 'b'", 'char(0)', "'x' || char(10) || '.quit' || char(13, 10) || ';'"],
  ...["'\\n' || char(10) || '\\r(\\n0)' || char(13)", "'😀é'", "'e\u0301 --'", "'/* ;'", 'char(26, 9, 8, 127, 65279)'],
  ...["CAST(X'FF41' AS TEXT)", "CAST(X'41C3' AS TEXT)", "CAST(X'EDA080' AS TEXT)", "'\uFFFD'", "'0x41'", "'1e5'"]
]
const OTHERS = [
  ...['NULL', '0', '-1', '9223372036854775807', '-9223372036854775808', '9007199254740993', '1.0', '-0.0', '0.1'],
  ...['1e999', '-1e999', '1e22', '123456789012345678.0', "X''", "X'00'", "X'274100FF'"]
]

describe('the stock client restores', () => {
  test('values of every storage class in columns of every affinity, from each place where a state can be', async () => {
    await start(`
      CREATE TABLE v (id INTEGER PRIMARY KEY, any_, i INTEGER, t TEXT, r REAL, n NUMERIC, b BLOB, note TEXT);
      CREATE TABLE s (id INTEGER PRIMARY KEY, a ANY) STRICT;
    `)
    for (const value of [...TEXTS, ...OTHERS]) {
      place.sql(
        `INSERT INTO v (any_, i, t, r, n, b) VALUES (${value}, ${value}, ${value}, ${value}, ${value}, ${value}); INSERT INTO s (a) VALUES (${value})`
      )
    }
    const states = [cells('v')]
    await migrate('id,note\n1,new\n2,new\n20,new\n', 'v')
    states.push(cells('v'))
    await migrate('id,note\n3,newer\n12,newer\n', 'v', 'incremental')
    states.push(cells('v'))
    const every = cells('v').map(([, id]) => `${id},newest`)
    await migrate(`id,note\n${every.join('\n')}\n`, 'v', 'incremental')
    states.push(cells('v'))
    for (const [version, state] of states.entries()) {
      const copy = await restored(version)
      expect(cells('v', copy), `version ${version}`).toEqual(state)
      expect(cells('s', copy)).toEqual(cells('s'))
      for (const to of states.keys()) {
        await applyDiff(copy, version, to)
        expect(cells('v', copy), `from version ${version} to ${to}`).toEqual(states[to])
        await applyDiff(copy, to, version)
        expect(cells('v', copy), `from version ${to} to ${version}`).toEqual(state)
      }
    }
  })

  test('every real number', async () => {
    await start('CREATE TABLE v (id INTEGER PRIMARY KEY, a); CREATE TABLE other (id INTEGER PRIMARY KEY)')
    const special = [
      5e-324,
      -5e-324,
      2.2250738585072014e-308,
      2.225073858507201e-308,
      1.7976931348623157e308,
      2 ** 63,
      0.172395698
    ]
    const writer = new DatabaseSync(place.at('shop.db'))
    const insert = writer.prepare('INSERT INTO v (a) VALUES (?)')
    writer.exec('BEGIN')
    for (const value of [...special, ...manyDoubles(20_000)]) insert.run(value)
    writer.exec('COMMIT')
    writer.close()
    await migrate('id\n1\n', 'other')
    const copies = cells('v', await restored(1))
    const before = cells('v')
    expect(copies).toHaveLength(before.length)
    expect(before.filter((row, i) => !row.every((cell, at) => Object.is(cell, copies[i]?.[at])))).toEqual([])
  })

  test('tables of every shape, under names of every kind, and triggers that have not fired', async () => {
    await start(`
      CREATE TABLE "or""der; 'x' \`y\`" ("select" TEXT PRIMARY KEY, "a""b" INT DEFAULT (1 + 2), "--c") WITHOUT ROWID;
      INSERT INTO "or""der; 'x' \`y\`" VALUES ('b', 1, 'c'), ('a', NULL, ';');
      CREATE TABLE nokey (a, b); INSERT INTO nokey VALUES (2, 'z'), (1, 'y'), (1, 'y'), (NULL, NULL);
      CREATE TABLE hollow (a);
      CREATE TABLE made (id INTEGER PRIMARY KEY AUTOINCREMENT, a INT, b AS (a * 2) STORED, c AS (a + 1), d UNIQUE ON CONFLICT REPLACE);
      INSERT INTO made (id, a, d) VALUES (1, 1, 1), (7, 2, 2); DELETE FROM made WHERE id = 7;
      CREATE INDEX "by a" ON made (a) WHERE a > 0;
      CREATE TABLE child (id INTEGER PRIMARY KEY, made REFERENCES made (id) ON DELETE CASCADE);
      CREATE TABLE aaa (id INTEGER PRIMARY KEY, child REFERENCES child (id), CHECK (id > 0)); -- the parent comes later
      INSERT INTO child VALUES (1, 1); INSERT INTO aaa VALUES (1, 1);
      CREATE TRIGGER fires AFTER INSERT ON aaa BEGIN INSERT INTO hollow VALUES (new.id || ';'); DELETE FROM nokey; END;
    `)
    const tables = ["or\"der; 'x' `y`", 'nokey', 'hollow', 'made', 'child', 'aaa']
    const before = [schema(), ...tables.map((name) => cells(name.includes('"') ? 'child' : name))]
    await migrate('id,made\n2,1\n', 'child')
    const copy = await restored(0)
    expect([schema(copy), ...tables.map((name) => cells(name.includes('"') ? 'child' : name, copy))]).toEqual(before)
    const odd = 'SELECT * FROM "or""der; \'x\' `y`" ORDER BY 1'
    expect(place.rows(odd, copy)).toEqual(place.rows(odd))
    expect(place.rows('SELECT a FROM nokey', copy)).toEqual([[2], [1], [1], [null]])
    expect(place.rows('SELECT name, seq FROM sqlite_sequence', copy)).toEqual([['made', 7]])
  })

  test('a diff: no key, unique values that move, triggers, tables that come and go', async () => {
    await start(`
      CREATE TABLE nokey (a, rowid TEXT); INSERT INTO nokey VALUES (1, 'x'), (1, 'x'), (1.0, 'x'), ('1', 'X'), (NULL, NULL), (X'31', 'y');
      CREATE TABLE u (id INTEGER PRIMARY KEY, name UNIQUE COLLATE NOCASE) WITHOUT ROWID;
      INSERT INTO u VALUES (1, 'a'), (2, 'b'), (3, 'c');
      CREATE TABLE log (id); CREATE INDEX i ON log (id);
      CREATE TRIGGER tr AFTER UPDATE ON u BEGIN INSERT INTO log VALUES (new.id); END;
    `)
    const rows = (database?: string) => [
      place.rows('SELECT typeof(a), quote(a), rowid FROM nokey ORDER BY 1, 2, 3', database),
      place.rows('SELECT * FROM u ORDER BY id', database),
      place.rows('SELECT id FROM log ORDER BY id', database),
      schema(database).filter(([, name]) => name !== 'made')
    ]
    const states = [rows()]
    await migrate('id,name\n3,d\n', 'u')
    place.sql(`
      UPDATE u SET name = 'x' WHERE id = 1; UPDATE u SET name = 'A' WHERE id = 2; UPDATE u SET name = 'b' WHERE id = 1;
      DELETE FROM nokey WHERE _rowid_ IN (1, 3); UPDATE nokey SET a = 0.1 WHERE a IS NULL;
    `)
    states.push(rows())
    const source = await place.write('made.csv', 'id,name\n1,x\n')
    await db.migrate({ source, table: 'made', create: true, description: 'a table' })
    const copy = await restored(0)
    for (const [from, to] of [
      [0, 1],
      [1, 0],
      [0, 1]
    ] as const) {
      await applyDiff(copy, from, to)
      expect(rows(copy)).toEqual(states[to])
    }
    await applyDiff(copy, 1, 2)
    expect([cells('made', copy), schema(copy)]).toEqual([cells('made'), schema()])
    await applyDiff(copy, 2, 1)
    expect(schema(copy).map(([, name]) => name)).not.toContain('made')
  })

  test.each(['UTF-16le', 'UTF-16be'])('a file in %s', async (encoding) => {
    await start(`
      PRAGMA encoding = '${encoding}';
      CREATE TABLE v (id INTEGER PRIMARY KEY, a);
      INSERT INTO v VALUES (1, 'é😀' || char(10)), (2, 'a' || char(0) || '漢'), (3, X'00FF');
      CREATE TABLE other (id INTEGER PRIMARY KEY);
    `)
    await migrate('id\n1\n', 'other')
    const copy = await restored(1)
    expect(cells('v', copy)).toEqual(cells('v'))
    expect(place.rows('PRAGMA encoding', copy)).toEqual([[encoding]])
  })
})

/** Any bits, and decimals as people write them. */
function* manyDoubles(count: number): Generator<number> {
  const view = new DataView(new ArrayBuffer(8))
  let seed = 1
  const next = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
    return seed
  }
  for (let i = 0; i < count; i++) {
    view.setUint32(0, next() ^ (next() >>> 16))
    view.setUint32(4, next() ^ (next() >>> 16))
    if (Number.isFinite(view.getFloat64(0))) yield view.getFloat64(0)
    yield next() / 10 ** (next() % 12)
  }
}
