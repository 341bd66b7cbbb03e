import { rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { Rowback } from '../../src/index.ts'
import { open } from '../../src/index.ts'
import { adopt } from '../../src/operations/adopt.ts'
import { backupPrune } from '../../src/operations/backup/prune.ts'
import { filesIn } from '../../src/store/prune.ts'
import { onBothEngines } from '../support/both-engines.ts'
import { errorOf } from '../support/suite-engine-bench.ts'

const POINT = 4

onBothEngines('history taken out of the database', (shop) => {
  let db: Rowback

  const load = async (text: string, mode: 'upsert' | 'mirror', description: string) =>
    db.migrate({
      source: await shop().place.write('source.csv', text),
      table: 'people',
      mode,
      strategy: 'incremental',
      description
    })

  const prune = (options: Record<string, unknown> = {}) =>
    db.run(backupPrune, { historyBefore: String(POINT), yes: true, ...options })

  const place = () => `${shop().engine === 'mysql' ? `${shop().database}_rowback.` : ''}history_people`

  const history = async () => {
    const [[rows]] = (await shop().rows(`SELECT count(*) FROM ${place()}`)) as [[string]]
    return Number(rows)
  }

  const people = async (at?: number) =>
    (await db.query('SELECT name, size, note FROM people ORDER BY name', at === undefined ? {} : { at })).rows

  const versions = async () => (await db.log()).filter(({ status }) => status === 'committed').map((it) => it.version)

  /** All that can be asked about the versions that there are. */
  const answers = async (numbers: readonly number[]) => {
    const found: Record<string, unknown> = {}
    for (const a of numbers) {
      found[`state ${a}`] = await people(a)
      for (const b of numbers) {
        const { tables } = await db.diff(a, b)
        found[`diff ${a} ${b}`] = tables.map((table) => ({ ...table, rows: sorted(table.rows) }))
      }
      for (const name of ['Ann', 'Bea', 'Cleo', 'Dan', 'Eve']) {
        const told = await db.blame('people', name, { at: a }).catch((error: Error) => error.message)
        found[`blame ${a} ${name}`] = told
      }
    }
    return found
  }

  beforeEach(async () => {
    await shop().sql(
      'CREATE TABLE people (name VARCHAR(20) PRIMARY KEY, size INT, note VARCHAR(20))',
      "INSERT INTO people VALUES ('Ann', 1, 'first'), ('Bea', 2, NULL), ('Eve', 9, 'stays')"
    )
    db = await open({ target: shop().url, repository: shop().place.at('.rowback'), author: 'tester' })
    await load('name,size\nBea,3\nCleo,4\n', 'upsert', 'one')
    await load('name,size,note\nBea,3,x\nCleo,5,y\nDan,6,\nEve,9,stays\n', 'mirror', 'two')
    await db.rollback(1, { description: 'three' })
    await load('name,note\nAnn,again\nDan,new\n', 'upsert', 'four')
    await load('name,size\nAnn,7\nBea,8\n', 'upsert', 'five')
    await db.rollback(4, { description: 'six' })
    await load('name,size\nCleo,10\n', 'upsert', 'seven')
  })

  afterEach(() => db.close())

  test('changes no answer: states, diffs and blame are what they were', async () => {
    const numbers = await versions()
    const before = await answers(numbers)
    const rows = await history()
    const told = await prune({ yes: false, dryRun: true })
    expect(told).toMatchObject({ dryRun: true, history: [{ table: 'people', since: POINT }] })
    expect(await errorOf(prune({ yes: false }))).toMatchObject({ code: 'prune.history', exit: 5 })
    expect(await history()).toBe(rows)
    const done = await prune()
    expect(done.history).toEqual(told.history)
    expect(await history()).toBe(rows - (done.history?.[0]?.rows ?? 0))
    expect(done.history?.[0]?.rows).toBeGreaterThan(3)
    expect(await answers(numbers)).toEqual(before)
    expect((await db.status()).tables).toMatchObject([{ table: 'people', tracked: true, historySince: POINT }])
    expect((await prune()).history).toEqual([])
    expect((await prune({ historyBefore: 'latest-none' }).catch((error) => error)).code).toBe('version.unknown')
  })

  test('leaves every way back and forth open', async () => {
    const wanted = Object.fromEntries(
      await Promise.all((await versions()).map(async (at) => [at, await people(at)] as const))
    )
    await prune()
    const { route } = await db.rollback(2, { dryRun: true })
    expect(route).toEqual(['people: put back the rows that differ from its base backup and the change sets after it'])
    expect(await people()).toEqual(wanted[7])
    for (const to of [2, 5, 0, 1, 7, 3, 4]) {
      const done = await db.rollback(to)
      expect(await people(), String(to)).toEqual(wanted[to])
      wanted[done.version as number] = wanted[to] as never
    }
    for (const [at, rows] of Object.entries(wanted)) expect(await people(Number(at)), at).toEqual(rows)
    await prune({ historyBefore: '12' })
    for (const [at, rows] of Object.entries(wanted)) expect(await people(Number(at)), at).toEqual(rows)
  })

  test('writes only what differs when it goes back', async () => {
    const before = await db.rollback(1, { dryRun: true })
    await prune()
    const after = await db.rollback(1)
    expect(after.tables).toMatchObject(
      before.tables.map(({ table, ...it }) => ({
        table,
        updated: it.updated,
        inserted: it.inserted,
        deleted: it.deleted
      }))
    )
    const { rows } = await db.query("SELECT version_id FROM people WHERE name = 'Eve'")
    expect(rows).toEqual([[0]])
  })

  test('takes a version from before it back', async () => {
    const before = await db.revert(4, { dryRun: true, onConflict: 'take-old' })
    await prune({ historyBefore: '6' })
    const after = await db.revert(4, { onConflict: 'take-old' })
    expect(after.tables).toEqual(before.tables)
    expect(await people()).not.toEqual(await people(7))
  })

  test('makes a table again that was dropped since', async () => {
    const source = await shop().place.write('source.csv', 'id,word\n1,a\n2,b\n')
    const made = await db.migrate({
      source,
      table: 'words',
      key: ['id'],
      create: true,
      strategy: 'incremental',
      description: 'w'
    })
    const more = await shop().place.write('source.csv', 'id,word\n1,c\n')
    await db.migrate({ source: more, table: 'words', mode: 'mirror', strategy: 'incremental', description: 'w' })
    await db.rollback(7)
    await prune({ historyBefore: '10' })
    const back = await db.rollback(made.number as number)
    expect(back.route).toContain('words: make the table again from its base backup and the change sets after it')
    expect((await db.query('SELECT id, word FROM words ORDER BY id')).rows).toEqual([
      [1, 'a'],
      [2, 'b']
    ])
  })

  test('changes no answer where a history was ended, and all of it is taken out', async () => {
    await db.enable('snapshot')
    const numbers = await versions()
    const before = await answers(numbers)
    await prune({ historyBefore: '8' })
    expect(await history()).toBe(0)
    expect(await answers(numbers)).toEqual(before)
  })

  test('goes into a history that was ended', async () => {
    const then = await people(2)
    await db.enable('snapshot')
    await prune({ historyBefore: '8' })
    expect(await people(2)).toEqual(then)
    await db.rollback(2, { yes: true })
    expect(await people()).toEqual(then)
  })

  describe('refuses what it cannot prove, and changes nothing:', () => {
    const refused = async (code: string, exit: number) => {
      const rows = await history()
      const error = await errorOf(prune())
      expect(error).toMatchObject({ code, exit, state: 'Nothing was changed.' })
      expect(await history()).toBe(rows)
      expect((await db.status()).tables[0]).not.toHaveProperty('historySince')
      return error
    }

    test('rows that others changed', async () => {
      await shop().sql("UPDATE people SET size = 99 WHERE name = 'Eve'")
      expect((await refused('history.not_kept', 5)).message).toContain('Eve')
      await db.run(adopt, {})
      const states = [await people(2), await people(7), await people(8)]
      await prune()
      expect([await people(2), await people(7), await people(8)]).toEqual(states)
      await db.rollback(2)
      expect(await people()).toEqual(states[0])
    })

    test('history that others changed', async () => {
      await shop().sql(`UPDATE ${place()} SET size = 77 WHERE version_id = 2`)
      await refused('history.not_kept', 5)
    })

    test('a change set that is missing', async () => {
      const folder = shop().place.at('.rowback/changesets')
      const [, second] = (await filesIn(folder)).sort()
      await rm(join(folder, second as string))
      expect((await refused('backup.missing', 7)).message).toContain('version 2')
    })

    test('rows that are damaged', async () => {
      const folder = shop().place.at('.rowback/objects')
      for (const prefix of await filesIn(folder)) {
        for (const file of await filesIn(join(folder, prefix))) await writeFile(join(folder, prefix, file), 'no rows')
      }
      await refused('backup.damaged', 7)
    })
  })

  test('goes where it is proven: tables where it is not are named and keep theirs', async () => {
    for (const text of ['id,word\n1,a\n2,b\n', 'id,word\n1,c\n', 'id,word\n1,d\n']) {
      const source = await shop().place.write('source.csv', text)
      await db.migrate({ source, table: 'words', key: ['id'], create: true, strategy: 'incremental', description: 'w' })
    }
    const words = async (at: number) => (await db.query('SELECT id, word FROM words ORDER BY id', { at })).rows
    const states = [await people(2), await words(8), await words(9)]
    await shop().sql("UPDATE people SET size = 99 WHERE name = 'Eve'")
    const rows = await history()
    const args = ['backup', 'prune', '--history-before', '10']
    const why = /^The repository does not have people as the history in the database has it/
    const kept = [{ table: 'people', code: 'history.not_kept', reason: expect.stringMatching(why) }]
    const output = expect.objectContaining({
      history: [expect.objectContaining({ table: 'words', rows: 2, since: 10 })],
      historyKept: [expect.objectContaining(kept[0])]
    })
    expect(await shop().place.json([...args, '--dry-run'], { code: 5 })).toEqual(output)
    expect((await shop().place.json<{ error: { code: string } }>(args, { code: 5 })).error.code).toBe('prune.history')
    const { stdout } = await shop().place.run([...args, '--dry-run'])
    expect(stdout).toContain('The history of people stays. The repository does not have people')
    expect(await shop().place.json([...args, '--yes'], { code: 5 })).toEqual(output)
    expect(await history()).toBe(rows)
    expect((await db.status()).tables).toEqual(
      expect.arrayContaining([
        expect.objectContaining({ table: 'words', historySince: 10 }),
        expect.not.objectContaining({ historySince: expect.anything() })
      ])
    )
    await shop().sql("UPDATE people SET size = 9 WHERE name = 'Eve'")
    expect([await people(2), await words(8), await words(9)]).toEqual(states)
    expect((await prune({ historyBefore: '10' })).history).toMatchObject([{ table: 'people' }])
    expect([await people(2), await words(8), await words(9)]).toEqual(states)
  })

  test('goes with its note, or not at all', async () => {
    const rows = await history()
    const states = await people(2)
    const [schema, body] =
      shop().engine === 'mysql'
        ? [`${shop().database}_rowback.`, "FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'stop'"]
        : ['', "BEGIN SELECT RAISE(ABORT, 'stop'); END"]
    await shop().sql(`CREATE TRIGGER ${schema}halt BEFORE INSERT ON ${schema}rowback_meta ${body}`)
    expect((await errorOf(prune())).message).toContain('stop')
    expect(await history()).toBe(rows)
    expect((await db.status()).tables[0]).not.toHaveProperty('historySince')
    await shop().sql(`DROP TRIGGER ${schema}halt`)
    await prune()
    expect(await people(2)).toEqual(states)
  })

  test('without the repository only states before the point are gone', async () => {
    const states = [await people(4), await people(5), await people()]
    await prune()
    await rename(shop().place.at('.rowback'), shop().place.at('elsewhere'))
    for (const work of [() => people(2), () => db.diff(2, 5), () => db.rollback(2)]) {
      expect(await errorOf(work())).toMatchObject({ code: expect.stringMatching(/^(backup|repository)\./), exit: 7 })
    }
    expect([await people(4), await people(5), await people()]).toEqual(states)
    await rename(shop().place.at('elsewhere'), shop().place.at('.rowback'))
    expect((await people(2)).length).toBe(4)
  })
})

function sorted(changes: readonly unknown[]): unknown[] {
  return changes.map((change) => JSON.stringify(change)).sort()
}
