import { expect, test } from 'vitest'
import { openEngine } from '../../src/engines/registry.ts'
import type { RowChange } from '../../src/model/change.ts'
import type { Table } from '../../src/model/table.ts'
import { changesReadBack } from '../../src/strategies/read-back.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

const ANN = [1n, 'Ann']
const BOB = [2n, 'Bob']
const BOBBY = [2n, 'Bobby']
const CAT = [3n, 'Cat']

onBothEngines('reading back what a rollback wrote', (current) => {
  /** What is said of changes of a table that has Ann and Bobby. */
  async function said(changes: RowChange[], create: string, of: (table: Table) => Table = (table) => table) {
    const shop: AnyShop = current()
    await shop.sql(create, "INSERT INTO people VALUES (1, 'Ann'), (2, 'Bobby')")
    const engine = await openEngine(shop.url)
    try {
      const [table] = await engine.tables([])
      return await engine.transaction({ wait: 0, foreignKeys: false }, () =>
        changesReadBack(engine, of(table as Table), changes)
      )
    } finally {
      await engine.close()
    }
  }
  const KEYED = 'CREATE TABLE people (id INTEGER NOT NULL PRIMARY KEY, name VARCHAR(20))'

  test.each<[string, RowChange[], boolean]>([
    ['a row that was updated', [{ before: BOB, after: BOBBY }], true],
    ['a row that was taken away', [{ before: CAT, after: null }], true],
    ['a row that came', [{ before: null, after: ANN }], true],
    ['a row that is as it was', [{ before: BOBBY, after: BOB }], false],
    ['a row that is still there', [{ before: ANN, after: null }], false],
    ['a row that did not come', [{ before: null, after: CAT }], false],
    [
      'one of several that did not',
      [
        { before: null, after: ANN },
        { before: CAT, after: BOB }
      ],
      false
    ]
  ])('%s', async (_, changes, areMade) => {
    expect(await said(changes, KEYED)).toBe(areMade)
  })

  test('a key that another row has, spelled otherwise', async () => {
    const byName =
      current().engine === 'sqlite'
        ? 'CREATE TABLE people (id INTEGER, name VARCHAR(20) COLLATE NOCASE PRIMARY KEY NOT NULL) WITHOUT ROWID'
        : 'CREATE TABLE people (id INTEGER, name VARCHAR(20) NOT NULL PRIMARY KEY) COLLATE utf8mb4_general_ci'
    const changes = [
      { before: [1n, 'ANN'], after: null },
      { before: null, after: ANN }
    ]
    expect(await said(changes, byName)).toBe(true)
    await current().sql('DROP TABLE people')
    expect(await said([{ before: [1n, 'ANN'], after: null }], byName)).toBe(false)
  })

  test('rows without a key, or that cannot be aborted, are not told one by one', async () => {
    const changes = [{ before: null, after: ANN }]
    expect(await said(changes, 'CREATE TABLE people (id INTEGER, name VARCHAR(20))')).toBe(null)
    await current().sql('DROP TABLE people')
    expect(await said(changes, KEYED, (table) => ({ ...table, atomic: false }))).toBe(null)
  })
})
