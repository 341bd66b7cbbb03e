import { expect } from 'vitest'
import type { MysqlBench } from './mysql-bench.ts'

/** A column and values for it as SQL; what a server does not know is skipped there. */
export interface TypeCase {
  column: string
  values: string[]
  /** Said of a type that a server may lack, or of values that it may not let in. */
  optional?: boolean
}

const ALL_BYTES = `X'${Buffer.from(Array.from({ length: 256 }, (_, i) => i)).toString('hex')}'`
const DENSE_JSON = `'${JSON.stringify({ a: [1, { b: [null, true, 'é😀'] }], z: { '': {} } })}'`

const NUMBERS: TypeCase[] = [
  { column: 'TINYINT', values: ['-128', '127', '0'] },
  { column: 'TINYINT(1)', values: ['-128', '127', '0', '1', '2'] },
  { column: 'TINYINT UNSIGNED', values: ['0', '255'] },
  { column: 'SMALLINT', values: ['-32768', '32767'] },
  { column: 'MEDIUMINT', values: ['-8388608', '8388607'] },
  { column: 'MEDIUMINT UNSIGNED ZEROFILL', values: ['0', '7', '16777215'] },
  { column: 'INT', values: ['-2147483648', '2147483647'] },
  {
    column: 'BIGINT',
    values: ['-9223372036854775808', '9223372036854775807', '9007199254740993', '-9007199254740993']
  },
  { column: 'BIGINT UNSIGNED', values: ['18446744073709551615', '9223372036854775808', '9007199254740993', '0'] },
  { column: 'BOOLEAN', values: ['TRUE', 'FALSE', '5'] },
  { column: 'BIT(1)', values: ["b'0'", "b'1'"] },
  { column: 'BIT(5)', values: ["b'0'", "b'10101'", "b'11111'"] },
  { column: 'BIT(64)', values: ['0', '18446744073709551615', '9223372036854775808', '0x3132', "b'101'"] },
  {
    column: 'DECIMAL(65,30)',
    values: [
      `${'9'.repeat(35)}.${'9'.repeat(30)}`,
      `-${'9'.repeat(35)}.${'9'.repeat(30)}`,
      `0.${'0'.repeat(29)}1`,
      '0',
      '1.10'
    ]
  },
  { column: 'DECIMAL(65,0)', values: ['9'.repeat(65), `-${'9'.repeat(65)}`, '9007199254740993'] },
  { column: 'DECIMAL(10,2) UNSIGNED ZEROFILL', values: ['0', '1.5', '99999999.99'] },
  // 16777216 and 16777217 are one FLOAT; 0.1 and the next one after it print the same with six digits.
  {
    column: 'FLOAT',
    values: [
      '0.1',
      '0.10000000894069672',
      '16777216',
      '16777215',
      '3.402823466e38',
      '1.4e-45',
      '-1.17549435e-38',
      '1e10'
    ]
  },
  {
    column: 'FLOAT',
    values: ['123456.789', '123456.7890625', '1234567.5', '8388607.5', '0.30000001192092896', '-0e0']
  },
  { column: 'FLOAT(7,3)', values: ['0.001', '1234.567', '9999.999', '-0.1'] },
  { column: 'FLOAT(20,2)', values: ['16777216', '123456789012', '0.1'] },
  { column: 'FLOAT(30)', values: ['0.1', '1e300', '0.30000000000000004'] },
  {
    column: 'DOUBLE',
    values: [
      '1.7976931348623157e308',
      '-1.7976931348623157e308',
      '2.2250738585072014e-308',
      '0.1',
      '0.30000000000000004'
    ]
  },
  { column: 'DOUBLE', values: ['5e-324', '-0e0', '0', '1e22', '9007199254740993', '123456789012345680000', '1e-7'] },
  { column: 'DOUBLE(10,4)', values: ['0.1', '123456.7891', '-0.0001'] },
  { column: 'DOUBLE(30,10)', values: ['0.1', '12345678901234567890', '0.3333333333'] }
]

const TIMES: TypeCase[] = [
  {
    column: 'DATE',
    values: ["'0000-00-00'", "'2020-00-00'", "'2020-05-00'", "'0000-01-01'", "'2021-02-31'", "'9999-12-31'"]
  },
  {
    column: 'DATETIME',
    values: ["'0000-00-00 00:00:00'", "'2020-00-00 01:02:03'", "'1000-01-01 00:00:00'", "'2021-02-31 23:59:59'"]
  },
  {
    column: 'DATETIME(6)',
    values: ["'0000-00-00 00:00:00.000000'", "'9999-12-31 23:59:59.999999'", "'2026-01-02 03:04:05.000001'"]
  },
  { column: 'DATETIME(3)', values: ["'2026-01-02 03:04:05.120'", "'2026-01-02 03:04:05'"] },
  {
    column: 'TIMESTAMP NULL DEFAULT NULL',
    values: ["'0000-00-00 00:00:00'", "'1970-01-01 00:00:01'", "'2038-01-19 03:14:07'", "'2026-03-29 01:30:00'"]
  },
  {
    column: 'TIMESTAMP(6) NULL DEFAULT NULL',
    values: ["'2026-10-25 00:30:00.000001'", "'2026-10-25 01:30:00.999999'"]
  },
  { column: 'TIME', values: ["'838:59:59'", "'-838:59:59'", "'00:00:00'", "'-00:00:01'"] },
  { column: 'TIME(6)', values: ["'838:59:58.999999'", "'-838:59:58.999999'", "'-00:00:00.000001'", "'00:00:00.1'"] },
  { column: 'TIME(6)', values: ["'838:59:59.999999'", "'-838:59:59.999999'"] },
  { column: 'YEAR', values: ['0', '1901', '2155', "'0'", '69'] }
]

const CHOICES: TypeCase[] = [
  { column: "ENUM('a','','b') CHARACTER SET utf8mb4", values: ["''", '0', "'a'", "'b'"] },
  {
    column: "ENUM('x','it''s','a,b','ü😀','1') CHARACTER SET utf8mb4",
    values: ['5', "'it''s'", "'a,b'", "'ü😀'", '0']
  },
  { column: "ENUM('a\\\\b','\\n','é') CHARACTER SET latin1", values: ['1', '2', '3', '0'] },
  { column: "SET('x','it''s','ü')", values: ['0', '2', '7'] },
  {
    column: `SET(${Array.from({ length: 64 }, (_, i) => `'m${i}'`)})`,
    values: ['18446744073709551615', '9223372036854775808', '1']
  },
  { column: "SET('é','b') CHARACTER SET latin1", values: ['0', '1', '3'] }
]

const TEXTS: TypeCase[] = [
  { column: 'CHAR(4)', values: ["''", "'a'", "'abcd'", "'  a'", "'\\0'"] },
  { column: 'VARCHAR(20)', values: ["''", "'a '", "' '", "'NULL'", "'\\\\N'", "'a\\tb\\nc\\\\d\\0e\\'f\\r'", "'\\Z'"] },
  { column: 'VARCHAR(20) CHARACTER SET utf8mb4', values: ["'😀\uFFFD'", "'é'", "'e\u0301'", "'\uFEFFx'"] },
  { column: 'TINYTEXT', values: ["REPEAT('x', 255)", "''"] },
  { column: 'TEXT', values: ["REPEAT('ab\\n', 5000)", "'\\\\N'"] },
  { column: 'MEDIUMTEXT', values: ["REPEAT('😀', 20000)"] },
  { column: 'LONGTEXT', values: ["REPEAT('long', 100000)", "''"] }
]

const ENCODINGS: TypeCase[] = [
  {
    column: 'VARCHAR(20) CHARACTER SET ascii',
    values: ["'plain'", "_binary X'00'", "_ascii X'7F01'", "_binary X'61FF62'", "_ascii X'80'"],
    optional: true
  },
  { column: 'VARCHAR(20)', values: ["_binary X'EDA0BD'", "_binary X'FF'", "_binary X'C0AF'"], optional: true },
  { column: 'VARCHAR(20) CHARACTER SET utf8mb3', values: ["'héé'", "'漢字'"] },
  {
    column: 'VARCHAR(20) CHARACTER SET ucs2',
    values: ["'漢字'", "_ucs2 X'D83D'", "_ucs2 X'00410000'"],
    optional: true
  },
  {
    column: 'VARCHAR(20) CHARACTER SET utf16',
    values: ["'漢字😀'", "'a'", "'\\0'", "_utf16 X'D83D'", "_utf16 X'DC000041'"],
    optional: true
  },
  { column: 'VARCHAR(20) CHARACTER SET utf16le', values: ["'漢字😀'", "'a '"] },
  {
    column: 'VARCHAR(20) CHARACTER SET utf32',
    values: ["'漢字😀'", "_utf32 X'0000D800'", "_utf32 X'0000D8000000DC00'"],
    optional: true
  },
  // latin1 is cp1252: these bytes stand for no character of it.
  { column: 'VARCHAR(300) CHARACTER SET latin1', values: [`_latin1 ${ALL_BYTES}`, "_latin1 X'818D8F909D'", "'é€'"] },
  { column: 'CHAR(5) CHARACTER SET latin1', values: ["_latin1 X'81'", "_latin1 X'E920'", "''"] },
  { column: 'TEXT CHARACTER SET latin1', values: ["_latin1 X'FF00FE'", "'é'"] },
  { column: 'VARCHAR(300) CHARACTER SET cp1250', values: [`_cp1250 ${ALL_BYTES}`] },
  { column: 'VARCHAR(300) CHARACTER SET cp1251', values: [`_cp1251 ${ALL_BYTES}`] },
  { column: 'VARCHAR(300) CHARACTER SET hebrew', values: [`_hebrew ${ALL_BYTES}`] },
  { column: 'VARCHAR(300) CHARACTER SET koi8r', values: [`_koi8r ${ALL_BYTES}`] },
  { column: 'VARCHAR(300) CHARACTER SET tis620', values: [`_tis620 ${ALL_BYTES}`] },
  {
    column: 'VARCHAR(20) CHARACTER SET gbk',
    values: ["'漢字'", "_gbk X'A2A1'", "_gbk X'FDFE'", "_gbk X'8140A2E3'", "'\\\\'"]
  },
  { column: 'TEXT CHARACTER SET gbk', values: ["'漢\\\\字'", "_gbk X'FEFE'", "_gbk X'815C'"] },
  { column: 'VARCHAR(20) CHARACTER SET gb2312', values: ["'汉字'", "_gb2312 X'F7FE'"] },
  { column: 'VARCHAR(20) CHARACTER SET gb18030', values: ["'漢字😀'", "_gb18030 X'8130813084308130'"], optional: true },
  { column: 'VARCHAR(20) CHARACTER SET big5', values: ["'漢字'", "_big5 X'A145F9FE'", "_big5 X'A1C3'"] },
  { column: 'VARCHAR(20) CHARACTER SET sjis', values: ["'漢字'", "_sjis X'815F5C7E'", "_sjis X'F040'"] },
  { column: 'VARCHAR(20) CHARACTER SET cp932', values: ["'漢字'", "_cp932 X'8790FA54'", "_cp932 X'F040'"] },
  { column: 'VARCHAR(20) CHARACTER SET ujis', values: ["'漢字'", "_ujis X'8FA2B7A1C1'"] },
  { column: 'VARCHAR(20) CHARACTER SET eucjpms', values: ["'漢字'", "_eucjpms X'ADB5F5A1'"] },
  { column: 'VARCHAR(20) CHARACTER SET euckr', values: ["'한글'", "_euckr X'C9A1'"] }
]

const BYTES: TypeCase[] = [
  { column: 'BINARY(4)', values: ["X'61620000'", "X'00000000'", "X'20202020'", "'a'", "X'FF000920'"] },
  { column: 'VARBINARY(20)', values: ["X''", "X'6100'", "X'6120'", "X'5C4E'", "X'FFFE0A09'"] },
  { column: 'TINYBLOB', values: [`LEFT(${ALL_BYTES}, 255)`, "X''"] },
  { column: 'BLOB', values: [ALL_BYTES, "X''", "'text'"] },
  { column: 'MEDIUMBLOB', values: [`REPEAT(${ALL_BYTES}, 300)`] },
  { column: 'LONGBLOB', values: [`REPEAT(${ALL_BYTES}, 1000)`, "X'00'"] }
]

const SHAPES: TypeCase[] = [
  { column: 'POINT', values: ["ST_GeomFromText('POINT(1 2)', 4326)", "ST_GeomFromText('POINT(0.1 -0.2)')"] },
  {
    column: 'GEOMETRY',
    values: [
      "ST_GeomFromText('POINT(1 2)', 4326)",
      "ST_GeomFromText('POINT(1 2)', 0)",
      "ST_GeomFromText('LINESTRING(0 0, 1 1, 2 3)', 3857)",
      "ST_GeomFromText('POLYGON((0 0, 0 3, 3 3, 0 0))')",
      "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1), LINESTRING(0 0, 1 1))')"
    ]
  },
  { column: 'GEOMETRYCOLLECTION', values: ["ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 1))')"] },
  { column: 'LINESTRING', values: ["ST_GeomFromText('LINESTRING(0 0, 1 1)')"] },
  { column: 'POLYGON', values: ["ST_GeomFromText('POLYGON((0 0, 0 3, 3 3, 0 0))')"] },
  { column: 'MULTIPOINT', values: ["ST_GeomFromText('MULTIPOINT((1 1), (2 2))')"] },
  { column: 'MULTILINESTRING', values: ["ST_GeomFromText('MULTILINESTRING((0 0, 1 1), (2 2, 3 3))')"] },
  { column: 'MULTIPOLYGON', values: ["ST_GeomFromText('MULTIPOLYGON(((0 0, 0 3, 3 3, 0 0)))')"] },
  { column: 'POINT SRID 4326', values: ["ST_GeomFromText('POINT(1 2)', 4326)"], optional: true },
  {
    column: 'VECTOR(3)',
    values: ["STRING_TO_VECTOR('[1.5, -0.25, 3e38]')", "STRING_TO_VECTOR('[0, 0, 1]')"],
    optional: true
  },
  { column: 'VECTOR(3)', values: ["VEC_FromText('[1.5, -0.25, 3e38]')"], optional: true }
]

const OTHERS: TypeCase[] = [
  {
    column: 'JSON',
    values: [
      DENSE_JSON,
      `'{"big": 9007199254740993, "huge": 18446744073709551615, "neg": -9223372036854775808}'`,
      `'{"float": 1.0, "exp": 1e300, "small": 0.1, "third": 0.3333333333333333}'`,
      `'"text"'`,
      "'null'",
      "'[]'",
      `'{"quote": "it''s \\\\" \\\\\\\\ \\\\n"}'`
    ]
  },
  { column: 'JSON', values: ['\'{ "b" :1,"a":  2 }\'', "'  [1 , 2]'"] },
  {
    column: 'UUID',
    values: ["'123e4567-e89b-12d3-a456-426655440000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    optional: true
  },
  { column: 'INET6', values: ["'::1'", "'2001:db8::ff00:42:8329'", "'::ffff:192.0.2.128'"], optional: true },
  { column: 'INET4', values: ["'192.0.2.1'", "'0.0.0.0'", "'255.255.255.255'"], optional: true },
  { column: 'VARCHAR(50) COMPRESSED', values: ["'squeezed'", "''"], optional: true },
  { column: 'LONGBLOB COMPRESSED', values: [ALL_BYTES], optional: true }
]

/** Its text hides the empty member, alone or before others. */
export const EMPTY_MEMBER: TypeCase = {
  column: "SET('a','','b') CHARACTER SET utf8mb4",
  values: ['1', '0', '3', '2', '5', '4', '7', '6']
}

export const SUBJECTS = {
  numbers: NUMBERS,
  times: TIMES,
  'numbered texts': CHOICES,
  texts: TEXTS,
  'texts in other encodings': ENCODINGS,
  bytes: BYTES,
  geometries: SHAPES,
  others: OTHERS
}

/**
 * Makes a table with a column for each case and a row for each value, the other cells being NULL.
 * @returns the number of its rows
 */
export async function makeTable(bench: MysqlBench, cases: readonly TypeCase[]): Promise<number> {
  await bench.sql(`CREATE TABLE t (id INT PRIMARY KEY, note VARCHAR(9)) CHARSET utf8mb4`)
  let count = 0
  for (const [i, { column, values, optional }] of cases.entries()) {
    const isKnown = await bench.accepts(`ALTER TABLE t ADD COLUMN v${i} ${column}`)
    expect(isKnown || optional, column).toBe(true)
    for (const value of isKnown ? values : []) {
      const isTaken = await bench.accepts(`INSERT INTO t (id, note, v${i}) VALUES (${count++}, 'old', ${value})`)
      expect(isTaken || optional, `${column}: ${value}`).toBe(true)
    }
  }
  return count
}
