import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest'
import type { Engine } from '../../src/engines/engine.ts'
import { WHOLE_TABLE } from '../../src/engines/engine.ts'
import { openEngine } from '../../src/engines/registry.ts'
import type { Row, Value } from '../../src/model/value.ts'
import type { MysqlShop } from '../support/mysql-shop.ts'
import { openShop } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { collect, tableOf } from '../support/suite-engine-bench.ts'

const server = inject('mysqlUrl')

/** Values of a key in the order in which the server has them. */
const KEYS: Record<string, string[]> = {
  INT: ['-5', '0', '9', '10'],
  'BIGINT UNSIGNED': ['0', '9223372036854775807', '18446744073709551615'],
  'DECIMAL(20,4)': ['-1.5', '2', '9.9', '10', '1234567890123456.7891', '1234567890123456.7892'],
  DOUBLE: ['-1e300', '-0.5', '0', '1e-10', '2.5', '10'],
  DATE: ["'1999-12-31'", "'2024-01-02'"],
  'DATETIME(3)': ["'1999-12-31 23:59:59.999'", "'2024-01-02 00:00:00'"],
  TIME: ["'-838:59:59'", "'-01:00:00'", "'09:00:00'", "'10:00:00'", "'100:00:00'"],
  YEAR: ['1999', '2024'],
  'VARBINARY(8)': ["X''", "X'00'", "X'0000'", "X'61'", "X'ff'"],
  'BINARY(2)': ["X'0001'", "X'0100'"],
  'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci': ["''", "'A'", "'b'", "'C'", "'é'", "'日本'"],
  'VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin': ["'A'", "'C'", "'b'", "'é'"],
  'VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_swedish_ci': ["'a'", "'B'", "'é'", "'z'"],
  'VARCHAR(20) CHARACTER SET latin1 COLLATE latin1_german2_ci': ["'a'", "'ss x'", "'ß y'"],
  'CHAR(5) CHARACTER SET gbk': ["'a'", "'中'", "'国'"]
}

if (server === null) test.skip(`keys compare as the server orders them: ${HOW_TO_PROVIDE}`)
else {
  describe('keys compare as the server orders them', () => {
    let shop: MysqlShop
    let engine: Engine
    beforeAll(async () => {
      shop = await openShop(server)
      engine = await openEngine(shop.database.url)
    })
    afterAll(async () => {
      await engine.close()
      await shop.remove()
    })

    test.each(Object.entries(KEYS))('%s', async (type, literals) => {
      await shop.sql.query('DROP TABLE IF EXISTS t')
      await shop.sql.query(`CREATE TABLE t (k ${type} NOT NULL PRIMARY KEY, n INT)`)
      for (const [i, literal] of literals.entries()) await shop.sql.query(`INSERT INTO t VALUES (${literal}, ${i})`)
      const table = await tableOf(engine, 't')
      const rows = (await collect(engine.readRows(table, WHOLE_TABLE))).flat()
      const keys = rows.map(([key]): Row => [key as Value])
      for (const [i, key] of keys.entries()) {
        const signs = await engine.compareKeys(table, ['k'], key, keys)
        expect(signs).toEqual(keys.map((_, j) => Math.sign(j - i)))
        expect(await engine.rowVersions(table, null, key)).toEqual([{ row: rows[i], since: null, until: null }])
      }
    })

    test('text that the table calls the same is the same key, whatever its case or accent', async () => {
      await shop.sql.query('DROP TABLE IF EXISTS t')
      await shop.sql.query(
        'CREATE TABLE t (k VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci PRIMARY KEY)'
      )
      await shop.sql.query("INSERT INTO t VALUES ('Straße')")
      const table = await tableOf(engine, 't')
      expect(
        await engine.compareKeys(table, ['k'], ['straße'], [['STRASSE'], ['strasse '], ['strass'], ['strasser']])
      ).toEqual([0, 0, -1, 1])
      expect((await engine.rowVersions(table, null, ['STRASSE'])).map(({ row }) => row)).toEqual([['Straße']])
    })

    test('many keys are compared in several questions', async () => {
      await shop.sql.query('DROP TABLE IF EXISTS t')
      await shop.sql.query('CREATE TABLE t (k INT PRIMARY KEY)')
      const others = Array.from({ length: 1201 }, (_, i): Row => [BigInt(i)])
      const signs = await engine.compareKeys(await tableOf(engine, 't'), ['k'], [700n], others)
      expect(signs).toEqual(others.map(([key]) => Math.sign(Number(key) - 700)))
    })
  })
}
