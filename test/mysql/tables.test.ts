import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import { columnType } from '../../src/engines/mysql/columns.ts'
import type { SourceRow, Strategy } from '../support/mysql-bench.ts'
import { MysqlBench, STRATEGIES } from '../support/mysql-bench.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
let bench: MysqlBench

/** Makes a table, changes some of its rows and takes some away, and goes back and forth. */
async function survives(strategy: Strategy, statements: readonly string[], load: Load, table = 't'): Promise<void> {
  await bench.sql(...statements)
  await bench.goesBackAndForth(table, async () => {
    await bench.load(load.update, { table, strategy, mode: 'upsert', ...(load.key && { key: load.key }) })
    await bench.load(load.remove, { table, strategy, mode: 'delete', ...(load.key && { key: load.key }) })
  })
}

interface Load {
  key?: string[]
  update: SourceRow[]
  remove: SourceRow[]
}

/** The keys of a table whose keys are texts, as sources name them. */
function texts(keys: readonly string[], removed: string): Load {
  return { update: keys.map((k) => ({ k, note: 'new' })), remove: [{ k: removed }] }
}

const BY_ID: Load = { update: [1, 2, 3, 4].map((id) => ({ id, note: 'new' })), remove: [{ id: 1 }, { id: 4 }] }
/** So long that a backup of a few thousand rows is cut into several chunks. */
const FILLER = "note VARCHAR(20), filler VARCHAR(900) NOT NULL DEFAULT ''"

const tests = () => {
  beforeEach(async () => {
    bench = await MysqlBench.make(server as string)
  })
  afterEach(() => bench.remove())

  describe.each(STRATEGIES)('%s', (strategy) => {
    test('columns that the server computes', async () => {
      const columns =
        'id INT PRIMARY KEY, note VARCHAR(9), v INT AS (id * 2) VIRTUAL, s VARCHAR(20) AS (CONCAT(note, id)) STORED, last INT'
      await survives(
        strategy,
        [
          `CREATE TABLE t (${columns})`,
          "INSERT INTO t (id, note, last) VALUES (1, 'a', 9), (2, 'b', NULL), (3, 'c', 7), (4, 'd', 1)"
        ],
        BY_ID
      )
    })

    test('invisible columns', async () => {
      const columns = "id INT PRIMARY KEY, hidden VARCHAR(9) DEFAULT 'd' INVISIBLE, note VARCHAR(9)"
      await survives(
        strategy,
        [
          `CREATE TABLE t (${columns})`,
          "INSERT INTO t (id, hidden, note) VALUES (1, 'x', 'a'), (2, NULL, 'b'), (3, 'y', 'c'), (4, 'z', 'd')"
        ],
        BY_ID
      )
    })

    test('a counter keeps its value, and 0 is a value', async () => {
      await survives(
        strategy,
        [
          'CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, note VARCHAR(9)) AUTO_INCREMENT = 1000',
          "INSERT INTO t VALUES (0, 'zero'), (1, 'a'), (4, 'd'), (-5, 'below')"
        ],
        {
          update: [
            { id: 0, note: 'new' },
            { id: 1, note: 'new' },
            { id: 2000, note: 'far' }
          ],
          remove: [{ id: 0 }, { id: -5 }]
        }
      )
      expect((await bench.definition('t')).counter).toBeGreaterThan(2000)
    })

    test('times that the server writes by itself', async () => {
      const columns =
        'id INT PRIMARY KEY, note VARCHAR(9), made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, ' +
        'changed TIMESTAMP(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), ' +
        'moved DATETIME NULL ON UPDATE CURRENT_TIMESTAMP'
      const row = (id: number) =>
        `(${id}, 'old', '2001-02-03 04:05:06', '2001-02-03 04:05:06.000007', ${id > 2 ? 'NULL' : "'0000-00-00'"})`
      await survives(
        strategy,
        [`CREATE TABLE t (${columns})`, `INSERT INTO t VALUES ${[1, 2, 3, 4].map(row).join()}`],
        BY_ID
      )
    })

    test('a key of several columns', async () => {
      const columns = 'a VARCHAR(9), b DATE, c DECIMAL(20,4), note VARCHAR(9), PRIMARY KEY (c, a, b)'
      const keys = [
        { a: 'x', b: '2020-01-01', c: '1.5000' },
        { a: 'X1', b: '2020-01-01', c: '1.5000' },
        { a: 'x', b: '2020-01-02', c: '-9999999999999999.9999' }
      ]
      const values = keys.map(({ a, b, c }) => `('${a}', '${b}', ${c}, 'old')`)
      await survives(strategy, [`CREATE TABLE t (${columns})`, `INSERT INTO t VALUES ${values.join()}`], {
        update: keys.map((key) => ({ ...key, note: 'new' })),
        remove: keys.slice(1)
      })
    })

    test('keys whose case and accents do not count', async () => {
      const keys = ['b', 'A', 'C', 'é', 'Z', 'ß', 'a_', 'ä1', 'ÅB']
      await survives(
        strategy,
        [
          'CREATE TABLE t (k VARCHAR(9) PRIMARY KEY, note VARCHAR(9)) CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci',
          `INSERT INTO t VALUES ${keys.map((key) => `('${key}', 'old')`).join()}`
        ],
        {
          update: [...keys, 'new'].map((key) => ({ k: key.toLowerCase(), note: 'new' })),
          remove: [{ k: 'a' }, { k: 'Ä1' }]
        }
      )
    })

    test('keys with blanks at the end', async () => {
      await survives(
        strategy,
        [
          'CREATE TABLE t (k VARCHAR(9) PRIMARY KEY, note VARCHAR(9)) CHARSET utf8mb4 COLLATE utf8mb4_bin',
          "INSERT INTO t VALUES ('a ', 'old'), ('b', 'old'), ('  ', 'old'), ('b\\t', 'old')"
        ],
        texts(['a ', 'b', ''], 'a')
      )
    })

    test.each([
      ['latin1', 'latin1_swedish_ci', ["_latin1 X'E9'", "_latin1 X'81'", "'b'"]],
      ['gbk', 'gbk_chinese_ci', ["'漢'", "_gbk X'A2A1'", "'b'"]],
      ['utf16', 'utf16_bin', ["'漢😀'", "'é'", "'b'"]]
    ])('keys in %s', async (charset, collation, keys) => {
      await survives(
        strategy,
        [
          `CREATE TABLE t (k VARCHAR(9) PRIMARY KEY, note VARCHAR(9)) CHARSET ${charset} COLLATE ${collation}`,
          `INSERT INTO t VALUES ${keys.map((key) => `(${key}, 'old')`).join()}`
        ],
        // The whole table is rewritten, so that the other rows go and come too.
        { update: [{ k: 'b', note: 'new' }], remove: [{ k: 'b' }] }
      )
      await bench.goesBackAndForth('t', () =>
        bench.load([{ k: 'c', note: 'only' }], { table: 't', strategy, mode: 'mirror' })
      )
    })

    test.each([
      ['BINARY(4)', ["X'61620000'", "X'00000000'", "X'FFFFFFFF'"], ['0x61620000', '0x00000000', '0xFFFFFFFF']],
      ['VARBINARY(9)', ["X''", "X'61'", "X'6120'", "X'6100'"], ['0x', '0x61', '0x6120', '0x6100']],
      ['BIT(40)', ['0', '7', '1099511627775'], [0, 7, 1099511627775]],
      [
        'BIGINT UNSIGNED',
        ['18446744073709551615', '0', '9007199254740993'],
        ['18446744073709551615', 0, '9007199254740993']
      ],
      [
        'DECIMAL(65,30)',
        ['0.1', `-${'9'.repeat(35)}.${'9'.repeat(30)}`, '12345678901234567890.5'],
        ['0.1', `-${'9'.repeat(35)}.${'9'.repeat(30)}`, '12345678901234567890.5']
      ],
      ['DOUBLE', ['0.1', '1e300', '-5e-300'], ['0.1', '1e300', '-5e-300']],
      ['FLOAT', ['0.1', '16777216', '1.5'], ['0.1', '16777216', '1.5']],
      ['DATE', ["'0000-00-00'", "'2020-01-01'", "'2021-00-00'"], ['2020-01-01']],
      ['DATETIME(3)', ["'2020-01-01 00:00:00.120'", "'0000-00-00'"], ['2020-01-01 00:00:00.12']],
      [
        'TIMESTAMP(6)',
        ["'2020-01-01 00:00:00.000001'", "'2026-03-29 01:30:00'"],
        ['2020-01-01 00:00:00.000001', '2026-03-29T01:30:00Z']
      ],
      ['TIME(2)', ["'-838:59:59.00'", "'00:00:00.01'"], ['-838:59:59', '00:00:00.01']],
      ['YEAR', ['0', '1999', '2155'], [0, 1999, 2155]],
      ["ENUM('z','a','m')", ["'z'", "'a'", "'m'"], ['z', 'a', 'm']],
      ["SET('z','a','m')", ["'z'", "'a,z'", "''"], ['z', 'z,a', '']],
      ['CHAR(5)', ["'a'", "'b'", "' c'"], ['a', 'b', ' c']],
      [
        'UUID',
        ["'ffffffff-ffff-ffff-ffff-ffffffffffff'", "'123e4567-e89b-12d3-a456-426655440000'"],
        ['123e4567-e89b-12d3-a456-426655440000']
      ],
      ['INET6', ["'::1'", "'::ffff:192.0.2.128'", "'ff::'"], ['::1', 'ff::']]
    ] as [string, string[], (string | number)[]][])('a key of type %s', async (type, values, named) => {
      if (!(await bench.accepts(`CREATE TABLE t (k ${type} PRIMARY KEY, note VARCHAR(9))`))) return
      await bench.sql(`INSERT INTO t VALUES ${values.map((value) => `(${value}, 'old')`).join()}`)
      await bench.goesBackAndForth('t', async () => {
        const update = named.map((k) => ({ k, note: 'new' }))
        const version = await bench.load(update, { table: 't', strategy, mode: 'update' })
        expect([version.tables[0]?.updated, version.tables[0]?.failed]).toEqual([named.length, 0])
        await bench.load(
          named.slice(0, 1).map((k) => ({ k })),
          { table: 't', strategy, mode: 'delete' }
        )
      })
    })

    test('a unique key in the place of a primary one', async () => {
      await survives(
        strategy,
        [
          'CREATE TABLE t (maybe INT UNIQUE, note VARCHAR(9), id BIGINT NOT NULL, UNIQUE KEY by_id (id))',
          "INSERT INTO t VALUES (NULL, 'a', 1), (NULL, 'b', 2), (3, 'c', 3), (4, 'd', 4)"
        ],
        BY_ID
      )
    })

    test.each([
      ['RANGE (id)', 'PARTITION a VALUES LESS THAN (2), PARTITION b VALUES LESS THAN MAXVALUE'],
      ['HASH (id)', 'PARTITIONS 3'],
      ['KEY (id)', 'PARTITIONS 2']
    ])('a table partitioned by %s', async (by, partitions) => {
      const list = by.startsWith('RANGE') ? `(${partitions})` : partitions
      await survives(
        strategy,
        [
          `CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(9)) PARTITION BY ${by} ${list}`,
          "INSERT INTO t VALUES (1, 'a'), (2, 'b'), (3, 'c'), (4, 'd')"
        ],
        BY_ID
      )
    })

    test('keys at the borders of chunks', async () => {
      // Upper and lower case, accents and blanks are mixed: the order is the server's own.
      const letters = ['a', 'B', 'c', 'D', 'é', 'E_', 'z', 'Ä', 'ß', '-']
      const keys = Array.from(
        { length: 4000 },
        (_, i) => `${letters[i % 10]}${letters[(i * 7) % 9]}${i}${i % 3 ? '' : ' '}`
      )
      await bench.sql(
        `CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, ${FILLER}) CHARSET utf8mb4 COLLATE utf8mb4_general_ci`,
        `INSERT INTO t SELECT v, 'old', REPEAT('x', 900) FROM JSON_TABLE('${JSON.stringify(keys)}', '$[*]' COLUMNS (v VARCHAR(20) PATH '$')) j`
      )
      await bench.goesBackAndForth('t', async () => {
        const some = keys.filter((_, i) => i % 97 === 0)
        await bench.load(
          some.map((k) => ({ k: k.trim().toUpperCase(), note: 'new' })),
          { table: 't', strategy, mode: 'update' }
        )
        await bench.load(
          some.slice(5).map((k) => ({ k })),
          { table: 't', strategy, mode: 'delete' }
        )
      })
    })
  })

  test('rows without any key, some of them equal', async () => {
    const columns =
      'a INT, f FLOAT, b BLOB, s VARCHAR(9), d DATE, e ENUM("a","","b"), st SET("a","","b"), l VARCHAR(9) CHARACTER SET latin1, ' +
      'j JSON, g GEOMETRY, bi BIT(9), dc DECIMAL(40,10), c CHAR(4), bn BINARY(3), y YEAR, tm TIME(3), db DOUBLE, u VARCHAR(9) CHARACTER SET ucs2'
    const full =
      "(1, 0.1, X'00FF', 'a ', '2020-00-00', 0, 6, _latin1 X'81', '{\"a\": 1.0}', ST_GeomFromText('POINT(1 2)', 4326), " +
      "b'1', 0.5, 'x', X'610000', 0, '-838:00:00.5', 0.1, 'é')"
    const nulls = `(${Array(18).fill('NULL').join()})`
    const other = full.replace("'a '", "'A'").replace('(1, 0.1', '(1, 0.10000000894069672')
    await bench.sql(
      `CREATE TABLE t (${columns})`,
      `INSERT INTO t VALUES ${[full, full, nulls, nulls, nulls, other].join()}`
    )
    await bench.goesBackAndForth('t', async () => {
      await bench.load(
        [
          { a: 5, s: 'more' },
          { a: 5, s: 'more' }
        ],
        { table: 't', mode: 'insert' }
      )
      await bench.load([{ a: 6, s: 'all' }], { table: 't', mode: 'replace' })
    })
  })

  test('incremental refuses a table without a key', async () => {
    await bench.sql('CREATE TABLE t (a INT)')
    await expect(bench.load([{ a: 1 }], { table: 't', strategy: 'incremental' })).rejects.toThrow(/no key/)
  })

  test('a table with triggers and a sequence beside it', async () => {
    await bench.sql(
      'CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(9))',
      "INSERT INTO t VALUES (1, 'a')",
      'CREATE TABLE audit (id INT, note VARCHAR(9))',
      'CREATE TRIGGER t_audit AFTER UPDATE ON t FOR EACH ROW INSERT INTO audit VALUES (NEW.id, NEW.note)'
    )
    await bench.accepts('CREATE SEQUENCE counter')
    await bench.load([{ id: 1, note: 'b' }], { table: 't' })
    expect(await bench.rows('SELECT id, note FROM audit')).toEqual([['1', 'b']])
  })

  test('a table with a sequence beside it', async () => {
    await bench.sql('CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(9))', "INSERT INTO t VALUES (1, 'a')")
    await bench.accepts('CREATE SEQUENCE counter')
    await bench.accepts('CREATE TABLE versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING')
    await bench.sql('CREATE VIEW shown AS SELECT * FROM t')
    await bench.goesBackAndForth('t', () => bench.load([{ id: 1, note: 'b' }], { table: 't' }))
    if (bench.server.family === 'mariadb') {
      for (const table of ['counter', 'versioned'])
        await expect(bench.load([{ id: 1 }], { table })).rejects.toMatchObject({ code: 'table.unsupported' })
    }
  })
}

test('a type that is not known is refused, never guessed', () => {
  for (const type of ['xmltype', 'sys_refcursor', 'mystery']) expect(columnType(type, `${type}(3)`)).toBeNull()
})

if (server === null) test.skip(`tables of every kind survive: ${HOW_TO_PROVIDE}`)
else describe('what a table is made of survives the way there and back', tests)
