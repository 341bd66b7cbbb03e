import { rename, rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import type { BackupJson } from '../../src/operations/backup/backup-json.ts'
import type { BackupVerifyOutput } from '../../src/operations/backup/verify.ts'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

interface Failure {
  error: { code: string; message: string; state: string; hint: string }
}

onBothEngines('a repository that is not there any more', (current) => {
  /** Two versions, each with a backup. */
  async function loaded(): Promise<AnyShop> {
    const shop = current()
    await shop.sql('CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20))', "INSERT INTO t VALUES (1, 'Ann')")
    await shop.place.write('t.csv', 'id,name\n1,Anna\n')
    await shop.place.write('t2.csv', 'id,name\n1,Annabel\n')
    await shop.place.json(['migrate', 't.csv', '-m', 'one'])
    await shop.place.json(['migrate', 't2.csv', '--table', 't', '-m', 'two'])
    return shop
  }

  const lost = 'Without them version 0-1 can no longer be gone back to, compared or read, but for what history has.'

  test('nothing is made on top of it: exit code 7, with the way on', async () => {
    const shop = await loaded()
    await rename(shop.place.at('.rowback'), shop.place.at('elsewhere'))
    const folder = shop.place.at('.rowback')
    for (const command of [
      ['migrate', 't.csv', '-m', 'x'],
      ['retry', '1', 't.csv'],
      ['rollback', '0']
    ]) {
      const { error } = await shop.place.json<Failure>(command, { code: 7 })
      expect(error.state).toBe('Nothing was changed.')
    }
    const { error } = await shop.place.json<Failure>(['migrate', 't.csv', '-m', 'x'], { code: 7 })
    expect(error).toMatchObject({
      code: 'repository.missing',
      message: `There is no backup repository in ${folder}, and the versions of this database have backups. ${lost}`,
      hint: 'Name the folder that holds them with --repository DIR. If it is lost for good, begin a new one with: rowback backup create'
    })
    expect(await shop.rows('SELECT * FROM t')).toEqual([['1', 'Annabel']])
    const listed = await shop.place.json<Failure>(['backup', 'list'], { code: 7 })
    expect(listed.error.code).toBe('repository.missing')
    const status = await shop.place.json<StatusOutput>(['status'], { code: 7 })
    expect(status.missing).toMatchObject({ repository: folder, versions: [0, 1] })
    expect(status.missing.backups).toHaveLength(2)
    expect((await shop.place.run(['status'])).stdout).toContain(
      `2 backups of the versions are not in ${folder}. ${lost}`
    )
    await shop.place.json(['rollback', '0', '--repository', 'elsewhere'])
    expect(await shop.rows('SELECT * FROM t')).toEqual([['1', 'Ann']])
  })

  test('a full backup begins a new one, which is whole by itself from then on', async () => {
    const shop = await loaded()
    await rm(shop.place.at('.rowback'), { recursive: true })
    const { notes } = await shop.place.json<BackupJson>(['backup', 'create'])
    expect(notes).toEqual([`Earlier backups are lost: this begins a new repository. ${lost}`])
    await shop.place.json(['migrate', 't.csv', '-m', 'three'])
    expect((await shop.place.json<StatusOutput>(['status'])).missing.backups).toEqual([])
    expect((await shop.place.json<BackupVerifyOutput>(['backup', 'verify'])).problems).toEqual([])
    await shop.place.json(['backup', 'prune', '--keep-last', '1', '--yes'])
    const { error } = await shop.place.json<Failure>(['rollback', '0'], { code: 7 })
    expect(error.code).toBe('backup.missing')
    await shop.place.json(['rollback', '2'])
    expect(await shop.rows('SELECT * FROM t')).toEqual([['1', 'Annabel']])
  })

  test('one that lost some of its backups is told of by status, and still used', async () => {
    const shop = await loaded()
    const { backups } = await shop.place.json<{ backups: { backup: string }[] }>(['backup', 'list'])
    await rm(shop.place.at(`.rowback/manifests/${backups[1]?.backup}.json`))
    const { missing } = await shop.place.json<StatusOutput>(['status'], { code: 7 })
    expect(missing).toMatchObject({ backups: [backups[1]?.backup], versions: [0] })
    await shop.place.json(['migrate', 't.csv', '-m', 'three'])
    await shop.place.json(['rollback', '1'])
    expect(await shop.rows('SELECT * FROM t')).toEqual([['1', 'Anna']])
  })
})
