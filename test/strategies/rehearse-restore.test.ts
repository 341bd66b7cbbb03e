import { readdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, inject, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open, RowbackError } from '../../src/index.ts'
import { backupCreate } from '../../src/operations/backup/create.ts'
import type { Rehearsal } from '../../src/operations/backup/verify.ts'
import { backupVerify } from '../../src/operations/backup/verify.ts'
import { Repository } from '../../src/store/repository.ts'
import { Workplace } from '../support/cli.ts'
import { MysqlBench } from '../support/mysql-bench.ts'
import { urlFor } from '../support/mysql-shop.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

const server = inject('mysqlUrl')

interface Shop {
  db: Rowback
  place: Workplace
  url: string
  sql(...statements: string[]): Promise<void>
  remove(): Promise<void>
}

const HOSTS: Record<string, (() => Promise<Shop>) | null> = {
  async sqlite() {
    const place = await Workplace.make('rowback-rehearse-')
    const url = `sqlite:${place.at('shop.db')}`
    const db = await open({ target: url, repository: place.at('.rowback'), author: 'tester' })
    return {
      db,
      place,
      url,
      sql: async (...statements) => place.sql(statements.join(';')),
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
          return {
            db: bench.db,
            place: bench.place,
            url: bench.url,
            sql: (...statements) => bench.sql(...statements),
            remove: async () => {
              expect(await scratchesOf(bench)).toEqual([])
              await bench.remove()
            }
          }
        }
}

async function scratchesOf(bench: MysqlBench): Promise<unknown[]> {
  return bench.rows(
    "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME LIKE CONCAT(DATABASE(), '%rehearsal%')"
  )
}

for (const [name, make] of Object.entries(HOSTS)) {
  if (make === null) test.skip(`${name}: ${HOW_TO_PROVIDE}`)
  else {
    describe(`${name}: a restore is rehearsed`, () => {
      let shop: Shop

      beforeEach(async () => {
        shop = await make()
      })

      // On MySQL this also finds that no scratch database is left.
      afterEach(() => shop.remove())

      async function load(text: string, strategy: 'snapshot' | 'incremental' = 'snapshot'): Promise<void> {
        const source = await shop.place.write('dogs.csv', text)
        const options = { table: 'dogs', key: 'id', create: true, mode: 'mirror', description: 'dogs' } as const
        await shop.db.migrate({ source, strategy, ...options })
      }

      const verify = (version?: number) =>
        shop.db.run(backupVerify, version === undefined ? { rehearse: true } : { rehearse: true, version })
      const rehearse = async (version?: number) => (await verify(version)).rehearsal as Rehearsal

      test('the newest backup, and the state of a version', async () => {
        await load('id,name\n1,Rex\n2,Luna\n')
        await load('id,name\n1,Rex\n')
        await load('id,name\n5,Max\n')
        const newest = await rehearse()
        expect(newest).toMatchObject({
          version: 2,
          tables: [{ table: 'dogs', rows: 1, differing: 0 }],
          changedSince: [],
          notes: []
        })
        expect(newest.backup).toMatch(/^\d+-[0-9a-f]+$/)
        expect(backupVerify.exitCode?.(await verify())).toBe(0)
        expect(await rehearse(1)).toMatchObject({ version: 1, tables: [{ table: 'dogs', rows: 2, differing: 0 }] })
        expect(await rehearse(3)).toMatchObject({ version: 3, backup: null, tables: [{ table: 'dogs', rows: 1 }] })
      })

      test('a state in history tables', async () => {
        await load('id,name\n1,Rex\n2,Luna\n', 'incremental')
        await load('id,name\n2,Lunula\n', 'incremental')
        expect(await rehearse(1)).toMatchObject({ version: 1, tables: [{ table: 'dogs', rows: 2, differing: 0 }] })
      })

      test('what others changed since is told apart from damage', async () => {
        await load('id,name\n1,Rex\n2,Luna\n3,Max\n')
        await shop.db.run(backupCreate, {})
        expect((await rehearse()).changedSince).toEqual([])
        await shop.sql("UPDATE dogs SET name = 'x' WHERE id = 1", 'DELETE FROM dogs WHERE id = 2')
        const rehearsed = await rehearse()
        expect(rehearsed).toMatchObject({ version: 1, tables: [{ table: 'dogs', rows: 3, differing: 0 }] })
        expect(rehearsed.changedSince).toEqual([{ table: 'dogs', differing: 2 }])
        expect(backupVerify.exitCode?.(await verify())).toBe(0)
      })

      test('a damaged backup, and none', async () => {
        const source = await shop.place.write('dogs.csv', 'id,name\n1,Rex\n')
        await shop.db.migrate({
          source,
          table: 'dogs',
          key: ['id'],
          create: true,
          strategy: 'incremental',
          description: 'x'
        })
        await shop.db.run(backupCreate, {})
        const objects = shop.place.at('.rowback/objects')
        for (const entry of readdirSync(objects, { recursive: true, withFileTypes: true })) {
          if (entry.isFile()) writeFileSync(join(entry.parentPath, entry.name), 'damage')
        }
        const verified = await verify()
        expect(verified.problems.length).toBeGreaterThan(0)
        expect(verified.rehearsal).toBeNull()
        expect(backupVerify.exitCode?.(verified)).toBe(7)
      })

      test('who gives up leaves nothing', async () => {
        await load('id,name\n1,Rex\n')
        await load('id,name\n2,Luna\n')
        const signal = AbortSignal.abort(new RowbackError({ code: 'interrupted', message: 'Interrupted.' }))
        const other = await open({ target: shop.url, repository: shop.place.at('.rowback'), signal })
        expect((await errorOf(other.run(backupVerify, { rehearse: true, version: 1 }))).code).toBe('interrupted')
        await other.close()
      })
    })
  }
}

describe('on the command line', () => {
  test('people see what was restored; without a backup it ends with 7', async () => {
    const place = await Workplace.make()
    try {
      await place.write('dogs.csv', 'id,name\n1,Rex\n')
      const target = ['--target', 'sqlite:shop.db']
      await place.json(['init', ...target])
      const none = await place.json<{ error: object }>(['backup', 'verify', '--rehearse'], { code: 7 })
      expect(none.error).toMatchObject({ code: 'backup.missing', hint: 'Take one with: rowback backup create' })
      await place.json([
        'migrate',
        'dogs.csv',
        '--create',
        '--key',
        'id',
        '-m',
        'dogs',
        '--strategy',
        'incremental',
        ...target
      ])
      await place.json(['backup', 'create', ...target])
      const told = await place.run(['backup', 'verify', '--rehearse', ...target])
      expect([told.code, told.stderr]).toEqual([0, ''])
      expect(told.stdout).toMatch(
        /^No problem found \(hashes: 1 backup, 1 change set, 1 file of rows\)\.\nThe state of version 1 was restored into a scratch database, and every row is the same\.\n {2}dogs is made of 1 change set\.\n\ntable {2}rows {2}differing\ndogs {6}1 {10}0\n$/
      )
    } finally {
      await place.remove()
    }
  })
})

if (server !== null) {
  describe('mysql: scratch databases', () => {
    let bench: MysqlBench

    beforeEach(async () => {
      bench = await MysqlBench.make(server)
    })

    afterEach(() => bench.remove())

    test('rows that do not come back are told, with exit code 7', async () => {
      await bench.sql('CREATE TABLE moods (id INT PRIMARY KEY, mood CHAR(9)) CHARSET utf8mb4')
      await bench.sql("INSERT INTO moods VALUES (1, 'x'), (2, 'y')")
      await bench.load([{ id: 1 }], { table: 'zz_other', create: true, key: ['id'] })
      // No server keeps the blank at the end of a CHAR.
      await backUpRows(bench.place.at('.rowback'), '[1,"x"]\n[2,"y "]\n')
      const rehearsed = await bench.db.run(backupVerify, { rehearse: true })
      expect(rehearsed.rehearsal?.tables).toEqual([{ table: 'moods', rows: 2, differing: 1 }])
      expect(backupVerify.exitCode?.(rehearsed)).toBe(7)
    })

    test('what a killed process left is taken away; what another is at work on stays', async () => {
      await bench.load([{ id: 1 }], { table: 'zz_other', create: true, key: ['id'] })
      const [[name]] = (await bench.rows('SELECT DATABASE()')) as [[string]]
      await bench.sql(`CREATE DATABASE ${name}_rowback_rehearsal_0123abcd`)
      await bench.db.run(backupVerify, { rehearse: true, version: 1 })
      expect(await scratchesOf(bench)).toEqual([])
    })

    test('a user who may not make databases is told what to grant', async () => {
      await bench.load([{ id: 1 }], { table: 'zz_other', create: true, key: ['id'] })
      const [[name]] = (await bench.rows('SELECT DATABASE()')) as [[string]]
      const user = `u_${name.slice(-12)}`
      await bench.sql(
        `CREATE USER ${user}@'%' IDENTIFIED BY 'secret'`,
        `GRANT ALL PRIVILEGES ON ${name}.* TO ${user}@'%'`,
        `GRANT ALL PRIVILEGES ON ${name}_rowback.* TO ${user}@'%'`
      )
      const target = urlFor(bench.url, { user, password: 'secret' })
      const db = await open({ target, repository: bench.place.at('.rowback') })
      try {
        const error = await errorOf(db.run(backupVerify, { rehearse: true, version: 1 }))
        expect(error.code).toBe('privilege.missing')
        expect(error.hint).toBe(
          `GRANT ALL PRIVILEGES ON \`${`${name}_rowback_rehearsal_`.replaceAll('_', '\\_')}%\`.* TO this user.`
        )
        await bench.sql(error.hint.replace('this user.', `${user}@'%'`))
        expect((await db.run(backupVerify, { rehearse: true, version: 1 })).rehearsal?.tables).toMatchObject([
          { differing: 0 }
        ])
      } finally {
        await db.close()
        await bench.sql(`DROP USER ${user}@'%'`)
      }
    })
  })
}

/** A backup like the newest one, whose only table has these rows. */
async function backUpRows(root: string, lines: string): Promise<void> {
  const { database } = JSON.parse(await readFile(`${root}/format.json`, 'utf8')) as { database: string }
  const repository = await Repository.open(root, database)
  try {
    const newest = (await repository.backups()).at(-1)?.manifest
    const [table] = newest?.tables ?? []
    if (!newest || !table) throw new Error('there is no backup of a table')
    const { object } = await repository.putRows(Buffer.from(lines), null)
    const chunks = [{ from: null, rows: 2, bytes: Buffer.byteLength(lines), object }]
    const { format: _format, sequence: _sequence, ...rest } = newest
    await repository.putManifest({ ...rest, tables: [{ ...table, chunks }] })
  } finally {
    repository.close()
  }
}
