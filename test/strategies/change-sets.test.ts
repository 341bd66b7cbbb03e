import { readdir, rename, rm } from 'node:fs/promises'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { backupPrune } from '../../src/operations/backup/prune.ts'
import { backupRestore } from '../../src/operations/backup/restore.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import { backupVerify } from '../../src/operations/backup/verify.ts'
import { Repository } from '../../src/store/repository.ts'
import { VERIFY_LEVELS } from '../../src/store/verify.ts'
import { Workplace } from '../support/cli.ts'
import { MysqlBench } from '../support/mysql-bench.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

interface Shop {
  db: Rowback
  place: Workplace
  sql(...statements: string[]): Promise<void>
  /** Takes the database away from under the program. */
  lose(): Promise<void>
  remove(): Promise<void>
}

const server = inject('mysqlUrl')

const HOSTS: Record<string, (() => Promise<Shop>) | null> = {
  async sqlite() {
    const place = await Workplace.make('rowback-sets-')
    place.sql('CREATE TABLE people (name TEXT PRIMARY KEY, size INT)')
    const db = await open({
      target: `sqlite:${place.at('shop.db')}`,
      repository: place.at('.rowback'),
      author: 'tester'
    })
    return {
      db,
      place,
      sql: async (...statements) => place.sql(statements.join(';')),
      lose: () => rename(place.at('shop.db'), place.at('gone.db')),
      async remove() {
        await db.close()
        await place.remove()
      }
    }
  },
  mysql:
    server === null
      ? null
      : async () => {
          const bench = await MysqlBench.make(server)
          await bench.sql('CREATE TABLE people (name VARCHAR(20) PRIMARY KEY, size INT) CHARSET utf8mb4')
          const [[database]] = (await bench.rows('SELECT DATABASE()')) as [[string]]
          return {
            db: bench.db,
            place: bench.place,
            sql: (...statements) => bench.sql(...statements),
            lose: () => bench.sql(`DROP DATABASE ${database}_rowback`, `DROP DATABASE ${database}`),
            async remove() {
              await bench.sql(`CREATE DATABASE IF NOT EXISTS ${database}`)
              await bench.remove()
            }
          }
        }
}

const STRATEGY = 'incremental'
/** By version: name and size of each. */
const PEOPLE: Record<number, [string, number][]> = {
  0: [
    ['Ann', 1],
    ['Bea', 2]
  ],
  1: [
    ['Ann', 1],
    ['Bea', 3],
    ['Cleo', 4]
  ],
  2: [['Cleo', 5]],
  3: [['Cleo', 5]],
  4: [
    ['Ann', 1],
    ['Bea', 3],
    ['Cleo', 4]
  ]
}

for (const [name, make] of Object.entries(HOSTS)) {
  if (make === null) test.skip(`${name}, change sets: ${HOW_TO_PROVIDE}`)
  else
    describe(`${name}: a full backup and the change sets after it`, () => {
      let shop: Shop

      const load = async (table: string, text: string, mode: 'upsert' | 'mirror', create = false) => {
        const source = await shop.place.write('source.csv', text)
        await shop.db.migrate({
          source,
          table,
          mode,
          strategy: STRATEGY,
          create,
          ...(create && { key: ['id'] }),
          description: table
        })
      }

      /** What a restore writes, and its notes. */
      const restored = async (version: number, db = shop.db) => {
        await rm(shop.place.at('at.db'), { force: true })
        const { notes, tables } = await db.run(backupRestore, { version: String(version), to: shop.place.at('at.db') })
        return {
          notes,
          tables: tables.map(({ table }) => table),
          people: shop.place.rows('SELECT * FROM people ORDER BY name', 'at.db')
        }
      }

      beforeEach(async () => {
        shop = await make()
        await shop.sql("INSERT INTO people VALUES ('Ann', 1), ('Bea', 2)")
        await load('people', 'name,size\nBea,3\nCleo,4\n', 'upsert')
        await load('people', 'name,size\nCleo,5\n', 'mirror')
        await load('things', 'id,name\n1,x\n2,y\n', 'upsert', true)
        await shop.db.rollback(1, { description: 'back' })
      })

      afterEach(() => shop.remove())

      test('make every version, also when history and database are gone', async () => {
        for (const [version, people] of Object.entries(PEOPLE)) {
          expect((await restored(Number(version))).people, version).toEqual(people)
        }
        const four = await restored(4)
        expect(four.tables).toEqual(['people'])
        expect(four.notes).toContainEqual(
          expect.stringMatching(/^people is made of the backup 000001-\w{8} and 3 change sets\.$/)
        )
        await shop.lose()
        const lost = await open({ target: shop.db.config.target, repository: shop.place.at('.rowback') }).catch(
          () => null
        )
        await lost?.close()
        for (const version of [1, 2, 3, 4]) {
          const result = await shop.place.json<{ tables: { table: string }[]; notes: string[] }>([
            ...['backup', 'restore', String(version), '--to', `at-${version}.db`],
            ...['--target', shop.db.config.target, '--repository', '.rowback']
          ])
          expect(result.tables.map(({ table }) => table)).toEqual(version === 3 ? ['people', 'things'] : ['people'])
          expect(shop.place.rows('SELECT * FROM people ORDER BY name', `at-${version}.db`)).toEqual(PEOPLE[version])
          expect(result.notes[1]).toMatch(/^Without its ledger it is not known/)
        }
      })

      test('are rehearsed: the head is made of them and compared with the live rows', async () => {
        const rehearse = async () => await shop.db.run(backupVerify, { rehearse: true, level: 'rows' })
        const good = await rehearse()
        expect(good).toMatchObject({ changeSets: 4, problems: [] })
        expect(good.rehearsal).toMatchObject({
          version: 4,
          changedSince: [],
          tables: [{ table: 'people', rows: 3, differing: 0 }]
        })
        await shop.sql("UPDATE people SET size = 9 WHERE name = 'Ann'")
        expect((await rehearse()).rehearsal?.changedSince).toEqual([{ table: 'people', differing: 1 }])
      })

      test('of many rows are what the rows were, first loads and updates', async () => {
        const rows = (city: string) =>
          Array.from({ length: 60_000 }, (_, i) => `${i},name ${i} ${'x'.repeat(i % 50)},${city}\n`)
        await load('crowd', `id,name,city\n${rows('Rome').join('')}`, 'upsert', true)
        await load('crowd', `id,name,city\n${rows('Oslo').slice(0, 30_000).join('')}`, 'upsert')
        const { rehearsal, problems } = await shop.db.run(backupVerify, { rehearse: true, level: 'rows' })
        expect(problems).toEqual([])
        expect(rehearsal?.changedSince).toEqual([])
        expect(rehearsal?.tables).toContainEqual({ table: 'crowd', rows: 60_000, differing: 0 })
      })

      test('outlast a prune, with the backup that they go on from', async () => {
        await shop.db.run(backupPrune, { keepLast: 1, yes: true, grace: 0 })
        await shop.db.run(backupPrune, { keepLast: 1, yes: true, grace: 0 })
        expect((await restored(2)).people).toEqual(PEOPLE[2])
      })

      test('begin anew when others changed the columns', async () => {
        await shop.sql('ALTER TABLE people ADD COLUMN town VARCHAR(20)')
        await load('people', 'name,size,town\nDan,7,Rome\n', 'upsert')
        const { people, notes } = await restored(5)
        expect(people).toEqual([
          ['Ann', 1, null],
          ['Bea', 3, null],
          ['Cleo', 4, null],
          ['Dan', 7, 'Rome']
        ])
        expect(notes).toContain('people is made of 1 change set.')
        expect((await restored(1)).people).toEqual(PEOPLE[1])
      })

      test('a version that fails leaves no state', async () => {
        const source = await shop.place.write('bad.csv', 'name,size\nEve,8\nFay,x\n')
        const failed = shop.db.migrate({
          source,
          table: 'people',
          strategy: STRATEGY,
          onFailure: 'abort',
          description: 'bad'
        })
        expect((await errorOf(failed)).exit).toBe(1)
        await load('people', 'name,size\nGus,9\n', 'upsert')
        expect((await restored(6)).people).toEqual([
          ['Ann', 1],
          ['Bea', 3],
          ['Cleo', 4],
          ['Gus', 9]
        ])
      })

      test('one that is missing is named, with and without the database, and nothing is pruned meanwhile', async () => {
        const folder = shop.place.at('.rowback/changesets')
        const second = (await readdir(folder)).find((name) => name.startsWith('000002-')) ?? ''
        const missing = [
          'The change set of version 2 is missing. Without it states from that version on may not be made again.'
        ]
        await rename(`${folder}/${second}`, shop.place.at(second))
        for (const level of VERIFY_LEVELS) {
          const { problems } = await shop.db.run(backupVerify, { level, rehearse: false })
          expect(problems.map(({ message }) => message)).toEqual(missing)
        }
        const refused = await errorOf(shop.db.run(backupPrune, { keepLast: 1, yes: true }))
        expect([refused.code, refused.exit]).toEqual(['backup.missing', 7])
        const unnamed = await errorOf(shop.db.run(backupVerify, { version: '3', rehearse: false }))
        expect(unnamed.hint).toContain('rowback backup verify 3 --rehearse')
        await rename(shop.place.at(second), `${folder}/${second}`)
        expect((await shop.db.run(backupVerify, { rehearse: false })).problems).toEqual([])
        await shop.db.run(backupPrune, { keepLast: 1, yes: true })
        await rename(`${folder}/${second}`, shop.place.at(second))
        await shop.lose()
        const alone = await shop.place.json<BackupVerifyOutput>(
          ['backup', 'verify', '--target', shop.db.config.target, '--repository', '.rowback'],
          { code: 7 }
        )
        expect(alone.problems.map(({ message }) => message)).toEqual(missing)
      })

      test('a row that is missing among them is no row that never was', async () => {
        const root = shop.place.at('.rowback')
        const repository = await Repository.openForReading(root, null)
        const sets = await repository.changeSets.all()
        repository.close()
        const second = sets.find(({ version }) => version === 2)
        const [piece] = second?.tables[0]?.added ?? []
        await rm(`${root}/objects/${piece?.object.slice(0, 2)}/${piece?.object}.zst`)
        const error = await errorOf(restored(2))
        expect([error.code, error.exit]).toEqual(['backup.damaged', 7])
        const { problems } = await shop.db.run(backupVerify, { rehearse: false })
        expect(problems.map(({ message }) => message)[0]).toMatch(
          /^The change set of version 2: The backup file .* is missing/
        )
        expect((await restored(1)).people).toEqual(PEOPLE[1])
      })
    })
}
