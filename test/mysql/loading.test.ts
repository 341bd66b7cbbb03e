import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Cell, Strategy } from '../support/mysql-bench.ts'
import { failedRows, MysqlBench, STRATEGIES } from '../support/mysql-bench.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
let bench: MysqlBench

/** Values that a source names, and the SQL by which the cell must equal them to the byte. */
const HELD: [type: string, cells: [written: Cell, exact: string][]][] = [
  [
    'BIGINT UNSIGNED',
    [
      ['18446744073709551615', '18446744073709551615'],
      ['9007199254740993', '9007199254740993']
    ]
  ],
  [
    'DECIMAL(65,30)',
    [
      [`${'9'.repeat(35)}.${'1'.repeat(30)}`, `${'9'.repeat(35)}.${'1'.repeat(30)}`],
      ['-0.1', '-0.1']
    ]
  ],
  [
    'DOUBLE',
    [
      ['1.7976931348623157e308', '1.7976931348623157e308'],
      ['5e-324', '5e-324'],
      ['0.1', '0.1e0']
    ]
  ],
  [
    'BIT(1)',
    [
      ['1', "b'1'"],
      ['false', "b'0'"]
    ]
  ],
  [
    'BIT(64)',
    [
      ['18446744073709551615', '18446744073709551615'],
      ['0', '0'],
      ['12', '12']
    ]
  ],
  [
    'YEAR',
    [
      ['0', '0'],
      ['1901', '1901'],
      ['2155', '2155']
    ]
  ],
  [
    'DATE',
    [
      ['2020-02-29', "'2020-02-29'"],
      ['9999-12-31', "'9999-12-31'"]
    ]
  ],
  [
    'DATETIME(3)',
    [
      ['2026-01-02 03:04:05.12', "'2026-01-02 03:04:05.120'"],
      ['2026-01-02 03:04:05.120000', "'2026-01-02 03:04:05.120'"]
    ]
  ],
  [
    'TIMESTAMP',
    [
      ['2026-01-02T03:04:05+08:00', "'2026-01-01 19:04:05'"],
      ['2026-01-02 03:04:05', "'2026-01-02 03:04:05'"]
    ]
  ],
  [
    'TIME(6)',
    [
      ['-838:59:59', "'-838:59:59'"],
      ['00:00:00.000001', "'00:00:00.000001'"]
    ]
  ],
  [
    "ENUM('b','','a','1')",
    [
      ['', "''"],
      ['a', "'a'"],
      ['1', "'1'"]
    ]
  ],
  [
    "SET('b','a')",
    [
      ['a,b', "'b,a'"],
      ['', "''"]
    ]
  ],
  [
    'CHAR(4)',
    [
      ['a', "'a'"],
      [' a', "' a'"],
      ['', "''"]
    ]
  ],
  [
    'VARCHAR(20)',
    [
      ['a ', "'a '"],
      ['\\N', "'\\\\N'"],
      ['NULL', "'NULL'"],
      ['a\tb\nc\\d', "'a\\tb\\nc\\\\d'"],
      ['\0x', "'\\0x'"]
    ]
  ],
  ['VARCHAR(20) CHARACTER SET latin1', [['é€', "_latin1 X'E980'"]]],
  ['VARCHAR(20) CHARACTER SET gbk', [['漢\\字', "'漢\\\\字'"]]],
  ['VARCHAR(20) CHARACTER SET utf16', [['😀', "'😀'"]]],
  ['TEXT', [['x'.repeat(65_535), "REPEAT('x', 65535)"]]],
  [
    'BINARY(4)',
    [
      ['0x61620000', "X'61620000'"],
      ['0x00000000', "X'00000000'"]
    ]
  ],
  [
    'VARBINARY(9)',
    [
      ['0x', "X''"],
      ['0x6120', "X'6120'"]
    ]
  ],
  ['LONGBLOB', [['0x00FF5C0A09', "X'00FF5C0A09'"]]],
  ['JSON', [['{"a": [9007199254740993, "\\\\ é"]}', `'{"a": [9007199254740993, "\\\\\\\\ é"]}'`]]],
  ['UUID', [['123e4567-e89b-12d3-a456-426655440000', "'123e4567-e89b-12d3-a456-426655440000'"]]],
  ['INET6', [['::1', "'::1'"]]],
  ['INT ZEROFILL', [['7', '7']]]
]

/** What a server would alter, or cannot hold: such a row must fail. */
const REFUSED: [type: string, cells: Cell[]][] = [
  ['TINYINT', ['128', '1.5', 'x', '']],
  ['BIGINT UNSIGNED', ['18446744073709551616', '-1']],
  ['DECIMAL(5,2)', ['1.234', '1000', '1e-3']],
  ['FLOAT', ['1e39']],
  ['FLOAT(7,3)', ['1.2345', '99999']],
  ['DOUBLE(6,2)', ['1.234', '99999']],
  ['DOUBLE UNSIGNED', ['-1']],
  ['BIT(4)', ['16', '-1']],
  ['BIT(1)', ['2']],
  ['YEAR', ['26', '69', '1900', '2156']],
  ['DATE', ['2021-02-31', '2026-01-02 03:04:05']],
  ['DATETIME', ['2026-01-02 03:04:05.5', '2026-01-02 03:04:05Z', '2026-02-30 00:00:00']],
  ['DATETIME(3)', ['2026-01-02 03:04:05.1234']],
  ['TIMESTAMP', ['2026-01-02 03:04:05.5', '1960-01-01 00:00:00', '2200-01-01 00:00:00']],
  ['TIME', ['839:00:00', '01:02:03.4', '12']],
  ['TIME(6)', ['838:59:59.1234567']],
  ["ENUM('a','b')", ['A', 'c', '', '1', 'a ']],
  ["SET('a','b')", ['A', 'a,c', 'a ', '1']],
  ["SET('','b')", ['b,']],
  ['CHAR(4)', ['a ', '    ', 'abcde']],
  ['VARCHAR(4)', ['abcde', 'abcd ']],
  ['VARCHAR(20) CHARACTER SET latin1', ['漢', '😀']],
  ['VARCHAR(20) CHARACTER SET utf8mb3', ['😀']],
  ['VARCHAR(20) CHARACTER SET gbk', ['😀', 'é€𠀀']],
  ['VARCHAR(20) CHARACTER SET ascii', ['é']],
  ['TINYTEXT', ['x'.repeat(256), 'é'.repeat(128)]],
  ['BINARY(4)', ['0x6162', '0x6162636465']],
  ['VARBINARY(2)', ['0x616263', 'ab']],
  ['TINYBLOB', [`0x${'00'.repeat(256)}`]],
  ['JSON', ['{', 'text']],
  ['UUID', ['x']],
  ['INET6', ['::g']]
]

async function makeTable(type: string): Promise<boolean> {
  return bench.accepts(`CREATE TABLE t (id INT PRIMARY KEY, v ${type}) CHARSET utf8mb4`)
}

/** Rows that are there make the load compare and update; without them it only inserts. */
async function load(cells: readonly Cell[], strategy: Strategy, isUpdate: boolean) {
  if (isUpdate)
    await bench.sql(`INSERT INTO t (id) VALUES ${[...cells.keys(), cells.length].map((id) => `(${id})`).join()}`)
  return bench.load(
    cells.map((v, id) => ({ id, v })),
    { table: 't', strategy }
  )
}

const tests = () => {
  beforeEach(async () => {
    bench = await MysqlBench.make(server as string)
  })
  afterEach(() => bench.remove())

  describe.each([
    ['snapshot', 'an empty table', false],
    ['snapshot', 'rows that are there', true],
    ['incremental', 'an empty table', false]
  ] as const)('%s into %s', (strategy, _, isUpdate) => {
    test.each(HELD)('%s holds exactly what the source says', async (type, cells) => {
      if (!(await makeTable(type))) return
      const written = cells.map(([cell]) => cell)
      const version = await load(written, strategy, isUpdate)
      expect(await failedRows(version)).toEqual([])
      await bench.sql('CREATE TABLE expected LIKE t')
      await bench.accepts('ALTER TABLE expected DROP COLUMN version_id')
      await bench.sql(
        ...cells.map(([, exact], id) => `INSERT INTO expected VALUES (${id}, ${exact})`),
        ...(isUpdate ? [`INSERT INTO expected (id) VALUES (${cells.length})`] : [])
      )
      expect(await bench.fingerprint('t')).toEqual(await bench.fingerprint('expected'))
      const again = await bench.load(
        written.map((v, id) => ({ id, v })),
        { table: 't', strategy }
      )
      expect(again.tables[0], 'the same values are no change').toMatchObject({ updated: 0, unchanged: cells.length })
      await bench.rollback(0)
    })

    test.each(REFUSED)('%s refuses what it would alter', async (type, cells) => {
      if (!(await makeTable(type))) return
      const version = await load(cells, strategy, isUpdate)
      const failed = await failedRows(version)
      expect(failed.map(({ raw }) => raw.v).sort()).toEqual([...cells].sort())
      for (const { column, reason } of failed) expect([column, reason]).toEqual(['v', expect.not.stringMatching(/^$/)])
      expect((await bench.rows('SELECT COUNT(v) FROM t'))[0]?.[0]).toBe('0')
    })
  })

  test('bytes that are no geometry fail their row alone', async () => {
    await makeTable('POINT')
    const version = await bench.load([{ id: 1, v: '0x00' }, { id: 2 }], { table: 't' })
    expect(await failedRows(version)).toHaveLength(1)
  })

  test.each(STRATEGIES)('%s: only another case, accent or blank is a change', async (strategy) => {
    await bench.sql(
      'CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(9), e TEXT) CHARSET utf8mb4 COLLATE utf8mb4_general_ci',
      "INSERT INTO t VALUES (1, 'abc', 'e'), (2, 'e', 'x'), (3, 'a', 'x'), (4, 'same', 'x')"
    )
    await bench.goesBackAndForth('t', async () => {
      const rows = [
        { id: 1, v: 'Abc', e: 'e' },
        { id: 2, v: 'é', e: 'x' },
        { id: 3, v: 'a ', e: 'x' },
        { id: 4, v: 'same', e: 'x' }
      ]
      const version = await bench.load(rows, { table: 't', strategy })
      expect(version.tables[0]).toMatchObject({ updated: 3, unchanged: 1 })
    })
    expect(await bench.rows('SELECT v FROM t ORDER BY id')).toEqual([['abc'], ['e'], ['a'], ['same']])
  })

  test.each(STRATEGIES)('%s: a CSV with a key of 0, bytes and a year of 0', async (strategy) => {
    await bench.sql('CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, y YEAR, b BLOB, f BIT(3))')
    await bench.loadText('csv', 'id,y,b,f\n0,0,0x00FF,5\n7,1999,0x,0\n', { table: 't', strategy })
    expect(await bench.rows('SELECT id, y, HEX(b), f + 0 FROM t ORDER BY id')).toEqual([
      ['0', '0000', '00FF', '5'],
      ['7', '1999', '', '0']
    ])
  })
}

if (server === null) test.skip(`values are held as a source says them: ${HOW_TO_PROVIDE}`)
else describe('loading', tests)
