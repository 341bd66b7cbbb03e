import { expect, test } from 'vitest'
import type { AdoptOutput } from '../../src/operations/adopt.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import { onMysql } from '../support/both-engines.ts'

onMysql('what others changed in rows of every kind', (current) => {
  const TABLE =
    "CREATE TABLE things (id INT PRIMARY KEY AUTO_INCREMENT, code VARCHAR(5) UNIQUE, kind ENUM('x', 'y'), price DECIMAL(20, 5), at DATETIME(6), bits BIT(9), body BLOB, ratio FLOAT, doubled DECIMAL(21, 5) AS (price * 2) STORED, seen TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) CHARSET utf8mb4"
  const CELLS = 'id, code, kind, price, at, HEX(bits), HEX(body), ratio, doubled, seen'

  test('is adopted cell by cell, unique values that moved and triggers included', async () => {
    const shop = current()
    const rows = () => shop.rows(`SELECT ${CELLS} FROM things ORDER BY id`)
    const drift = async () => (await shop.place.json<StatusOutput>(['status', '--drift'])).drift
    await shop.sql(
      TABLE,
      "INSERT INTO things VALUES (1, 'a', 'x', 1.5, '2020-01-02 03:04:05.678901', b'101', x'00ff', 0.1, DEFAULT, '2020-01-01 00:00:00'), (2, 'b', 'y', 99999999999999.12345, NULL, NULL, NULL, 3e30, DEFAULT, '2020-01-02 00:00:00')"
    )
    await shop.place.write('things.csv', 'id,code\n3,c\n')
    await shop.place.json(['migrate', 'things.csv', '--strategy', 'incremental', '-m', 'x'])
    const before = await rows()
    await shop.sql(
      'CREATE TABLE fired (id INT)',
      'CREATE TRIGGER watch AFTER INSERT ON things FOR EACH ROW INSERT INTO fired VALUES (NEW.id)',
      'CREATE TRIGGER gone AFTER DELETE ON things FOR EACH ROW INSERT INTO fired VALUES (OLD.id)',
      "UPDATE things SET code = 'z', price = price + 1, body = x'0a09' WHERE id = 1",
      "UPDATE things SET code = 'a', kind = NULL, ratio = 0.3 WHERE id = 2",
      "UPDATE things SET code = 'b', bits = b'1' WHERE id = 3"
    )
    const after = await rows()
    expect((await drift())?.tables).toMatchObject([{ inserted: 0, updated: 3, deleted: 0 }])
    const done = await shop.place.json<AdoptOutput>(['adopt', '-m', 'x'])
    expect(done.tables).toMatchObject([{ table: 'things', updated: 3 }])
    expect(await rows()).toEqual(after)
    expect(await shop.rows('SELECT * FROM fired')).toEqual([])
    expect(await shop.rows(`SHOW TRIGGERS LIKE 'things'`)).toHaveLength(2)
    expect((await drift())?.tables).toEqual([])
    await shop.sql('DROP TRIGGER watch', 'DROP TRIGGER gone')
    await shop.place.json(['rollback', '1'])
    expect(await rows()).toEqual(before)
    await shop.place.json(['rollback', '2'])
    expect(await rows()).toEqual(after)
  })
})
