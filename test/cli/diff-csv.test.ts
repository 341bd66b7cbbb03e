import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { open } from '../../src/rowback.ts'
import type { Workplace } from '../support/cli.ts'
import { makeShop } from '../support/suite-shop.ts'

describe('diff --csv', () => {
  let shop: Workplace
  beforeAll(async () => {
    shop = await makeShop()
  })
  afterAll(() => shop.remove())

  test('has a line for each cell that differs, and the same in JSON beside the rest', async () => {
    const printed = await shop.run(['diff', '1', '2', '--csv'])
    expect(printed).toMatchObject({ code: 0, stderr: '' })
    expect(printed.stdout).toBe(
      'table,change,key,column,before,after\n' +
        'customers,update,1,name,Ann,Anna\n' +
        'customers,insert,4,id,,4\n' +
        'customers,insert,4,name,,Dan\n' +
        'customers,insert,4,tier,,basic\n'
    )
    const json = await shop.json<{ csv: string; tables: unknown[] }>(['diff', '1', '2', '--csv'])
    expect(json.csv).toBe(printed.stdout)
    expect(json.tables).toHaveLength(1)
    expect(await shop.json(['diff', '1', '2'])).not.toHaveProperty('csv')
  })

  test('one version alone is compared with the head', async () => {
    const [one, both] = [await shop.run(['diff', '1', '--csv']), await shop.run(['diff', '1', '2', '--csv'])]
    expect(one.stdout).toBe(both.stdout)
    expect((await shop.run(['diff', '2', '--csv'])).stdout).toBe('table,change,key,column,before,after\n')
  })

  test('keys of several columns, deleted rows, NULL and empty text, and what a spreadsheet would stumble over', async () => {
    shop.sql('CREATE TABLE pairs (a TEXT NOT NULL, b INTEGER NOT NULL, note TEXT, PRIMARY KEY (a, b))')
    shop.sql(`INSERT INTO pairs VALUES ('x', 1, 'two\nlines, "quoted"'), ('y', 2, NULL)`)
    await shop.write('pairs.ndjson', '{"a":"y","b":2,"note":""}\n')
    const db = await open({ target: `sqlite:${shop.at('shop.db')}`, repository: shop.at('.rowback'), author: 'tester' })
    await db.migrate({ source: shop.at('pairs.ndjson'), table: 'pairs', mode: 'mirror', description: 'pairs' })
    await db.close()
    const { stdout } = await shop.run(['diff', '2', '--table', 'pairs', '--csv'])
    const lines = stdout.split('\n')
    expect(lines[0]).toBe('table,change,key,column,before,after')
    expect(lines).toContain('pairs,update,"a=y,b=2",note,,""')
    expect(stdout).toContain('pairs,delete,"a=x,b=1",note,"two\nlines, ""quoted""",\n')
    expect(lines).toHaveLength(7)
  })

  test('SQL or CSV, not both', async () => {
    const { code, stderr } = await shop.run(['diff', '1', '2', '--csv', '--sql'])
    expect(code).toBe(2)
    expect(stderr).toContain('Choose one')
  })
})
