import { readdir, rm } from 'node:fs/promises'
import { beforeEach, expect, test } from 'vitest'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import type { RecoverOutput } from '../../src/operations/recover.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

interface Failure {
  error: { code: string; message: string; state: string; hint: string }
}

/** Id and name of each row of p, by version. */
const STATES: [string, string][][] = [
  [['1', 'Ann']],
  [
    ['1', 'Anna'],
    ['2', 'Bea']
  ],
  [
    ['1', 'Anna'],
    ['2', 'Bee']
  ],
  [['2', 'Bee']],
  [
    ['2', 'Bee'],
    ['4', 'Dan']
  ]
]
const GONE = 'The table history_p, which kept the history of p, is gone: others took it away.'

onBothEngines('a history that others took away', (current) => {
  let shop: AnyShop

  const load = (table: string, ...more: string[]) =>
    shop.place.json(['migrate', 'rows.csv', '--table', table, '-m', 'x', ...more])

  beforeEach(async () => {
    shop = current()
    await shop.configure('strategy: incremental\n')
    await shop.sql('CREATE TABLE p (id INTEGER PRIMARY KEY, name VARCHAR(20))', "INSERT INTO p VALUES (1, 'Ann')")
    const loads: [string, string][] = [
      ['1,Anna\n2,Bea\n', 'upsert'],
      ['2,Bee\n', 'upsert'],
      ['2,Bee\n', 'mirror'],
      ['4,Dan\n', 'upsert']
    ]
    for (const [rows, mode] of loads) {
      await shop.place.write('rows.csv', `id,name\n${rows}`)
      await load('p', '--mode', mode)
    }
    await load('q', '--create', '--key', 'id')
    await shop.sql(`DROP TABLE ${shop.engine === 'sqlite' ? '' : `${shop.database}_rowback.`}history_p`)
  })

  const live = () => shop.rows('SELECT id, name FROM p ORDER BY id')

  /** Reads p as versions left it. */
  async function expectStates(from: number, to: number): Promise<void> {
    for (let version = from; version <= to; version++) {
      const query = ['query', '--at', String(version), 'SELECT id, name FROM p ORDER BY id']
      const { rows } = await shop.place.json<{ rows: unknown[][] }>(query)
      expect(
        rows.map((row) => row.map(String)),
        `version ${version}`
      ).toEqual(STATES[version])
    }
  }

  test('is named by what needs it, and changes nothing', async () => {
    const commands = [
      ['migrate', 'rows.csv', '--table', 'p', '-m', 'x'],
      ['migrate', 'rows.csv', '--table', 'p', '-m', 'x', '--strategy', 'snapshot', '--dry-run'],
      ['rollback', '1'],
      ['rollback', '1', '--dry-run'],
      ['revert', '2'],
      ['enable', 'snapshot'],
      ['adopt', '--dry-run'],
      ['blame', 'p', '2']
    ]
    const { backups } = await shop.place.json<BackupVerifyOutput>(['backup', 'verify'])
    for (const command of commands) {
      const { error } = await shop.place.json<Failure>(command, { code: 7 })
      expect(error, command.join(' ')).toMatchObject({
        code: 'history.missing',
        message: `${GONE} No version can write p without it.`,
        state: 'The live rows are unharmed; nothing was changed.'
      })
      expect(error.hint).toContain('rowback recover')
    }
    expect(await live()).toEqual(STATES[4])
    const status = await shop.place.json<StatusOutput>(['status'], { code: 7 })
    expect(status.lostHistories).toEqual([
      `${GONE} No version can write the table before it is made again: rowback recover`
    ])
    expect(status.head?.version).toBe(5)
    expect((await shop.place.run(['status'])).stdout).toContain(GONE)
    expect((await shop.place.json<BackupVerifyOutput>(['backup', 'verify'])).backups).toBe(backups)
  })

  test('keeps nobody from earlier states, nor from other tables', async () => {
    await expectStates(1, 4)
    const { tables } = await shop.place.json<{ tables: unknown[] }>(['diff', '2', '4', '--table', 'p'])
    expect(tables).toHaveLength(1)
    await shop.place.write('rows.csv', 'id,name\n9,Zoe\n')
    await load('q')
    expect(await shop.rows('SELECT name FROM q ORDER BY id')).toEqual([['Dan'], ['Zoe']])
  })

  test('is made again by recover, and the table goes on', async () => {
    const { notes } = await shop.place.json<RecoverOutput>(['recover'])
    expect(notes).toEqual([
      `${GONE} It is made again, empty; states before version 4 are in the repository alone.`,
      'Every state of p was made once from there, and is whole.'
    ])
    const status = await shop.place.json<StatusOutput>(['status'])
    expect(status.lostHistories).toEqual([])
    expect(status.tables.find(({ table }) => table === 'p')).toMatchObject({ tracked: true, historySince: 4 })
    expect(await shop.place.json<RecoverOutput>(['recover'])).toEqual({ recovered: [] })
    await expectStates(1, 4)
    for (const version of [2, 1, 3, 4]) {
      await shop.place.json(['rollback', String(version)])
      expect(await live(), `version ${version}`).toEqual(STATES[version])
    }
    await load('p')
    await expectStates(1, 4)
    const blamed = await shop.place.json<{ columns: { column: string; version: number }[] }>([
      'blame',
      'p',
      '1',
      '--at',
      '2'
    ])
    expect(JSON.stringify(blamed)).toContain('Anna')
    expect((await shop.place.json<BackupVerifyOutput>(['backup', 'verify', '--rehearse'])).problems).toEqual([])
  })

  test('what the repository does not have either is told by version, and the table goes on all the same', async () => {
    const sets = (await readdir(shop.place.at('.rowback/changesets'))).sort()
    await rm(shop.place.at(`.rowback/changesets/${sets[2]}`))
    const { notes = [] } = await shop.place.json<RecoverOutput>(['recover'])
    expect(notes[1]).toMatch(
      /^It does not have p as version 3, 4 left it, which is lost: .* lacks the change set of version 3\.$/
    )
    await expectStates(1, 2)
    const { error } = await shop.place.json<Failure>(['query', '--at', '3', 'SELECT id, name FROM p'], { code: 7 })
    expect(error.code).toBe('backup.missing')
    // The last state is that of the live rows.
    await expectStates(4, 4)
    await shop.place.json(['rollback', '2'])
    expect(await live()).toEqual(STATES[2])
    await shop.place.json(['rollback', '4'])
    expect(await live()).toEqual(STATES[4])
  })
})
