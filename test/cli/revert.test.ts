import { afterAll, beforeAll, expect, test } from 'vitest'
import { Workplace } from '../support/cli.ts'

let place: Workplace

beforeAll(async () => {
  place = await Workplace.make()
  await place.write('a.csv', 'id,name,city\n1,Li,Shanghai\n2,Han,Beijing\n')
  await place.write('b.csv', 'id,name,city\n2,Han,Hangzhou\n3,Zoe,Berlin\n')
  await place.write('c.csv', 'id,name,city\n2,Han,Suzhou\n')
  await place.json(['migrate', 'a.csv', '--table', 't', '--key', 'id', '--create', '-m', 'first'])
  await place.json(['migrate', 'b.csv', '--table', 't', '-m', 'second', '--tag', 'wrong'])
  await place.json(['migrate', 'c.csv', '--table', 't', '-m', 'third'])
})
afterAll(() => place.remove())

test('a conflict is shown cell by cell, and both ways out are named', async () => {
  const { code, stdout, stderr } = await place.run(['revert', 'wrong'])
  expect([code, stdout]).toEqual([5, ''])
  expect(stderr).toMatch(/table +row +cell +base +then +now +why/)
  expect(stderr).toMatch(/t +id=2 +city +Hangzhou +Beijing +Suzhou +the same cells were changed since, by version 3/)
  expect(stderr).toContain('rowback revert 2 --on-conflict keep-current')
  expect(stderr).toContain('rowback revert 2 --on-conflict take-old')
})

test('so it is in JSON', async () => {
  const { code, stdout } = await place.run(['revert', '2', '--json'])
  expect(code).toBe(5)
  const { error } = JSON.parse(stdout)
  expect([error.code, error.count, error.conflicts.length]).toEqual(['revert.conflict', 1, 1])
  const [{ base, now, ...conflict }] = error.conflicts
  expect([base, conflict.then, now]).toEqual([{ city: 'Hangzhou' }, { city: 'Beijing' }, { city: 'Suzhou' }])
})

test('a word that is no way to settle it is refused', async () => {
  expect((await place.run(['revert', '2', '--on-conflict', 'guess'])).code).toBe(2)
})

test('a rehearsal and the revert say the same', async () => {
  const rehearsed = await place.run(['revert', '2', '--on-conflict', 'keep-current', '--dry-run'])
  const made = await place.run(['revert', '2', '--on-conflict', 'keep-current', '-m', 'it was wrong'])
  const table = (text: string) => text.slice(text.indexOf('table'))
  expect([rehearsed.code, made.code]).toEqual([0, 0])
  expect(rehearsed.stdout).toContain('Dry run of a revert of 2: nothing was changed.')
  expect(made.stdout).toMatch(/Version 4 {2}it was wrong/)
  expect(made.stdout).toContain('1 conflict: left as they are now')
  expect(table(rehearsed.stdout)).toBe(table(made.stdout))
  expect((await place.run(['show', '4'])).stdout).toMatch(/kind +revert of 2/)
  expect((await place.run(['revert', '2', '--on-conflict', 'keep-current'])).code).toBe(1)
})

test('conflicts are counted in rows and cells where a row has several', async () => {
  await place.write('d.csv', 'id,name,city\n1,Lu,Xian\n3,Zoe,Bonn\n')
  await place.write('e.csv', 'id,name,city\n1,Lo,Wuhan\n3,Zoe,Ulm\n')
  const { version } = await place.json(['migrate', 'd.csv', '--table', 't', '-m', 'fourth'])
  await place.json(['migrate', 'e.csv', '--table', 't', '-m', 'fifth'])
  const refused = await place.run(['revert', String(version)])
  expect(refused.stderr).toContain('was touched again since: 2 conflicts (2 rows, 3 cells) in t.')
  const rehearsed = await place.run(['revert', String(version), '--on-conflict', 'take-old', '--dry-run'])
  expect(rehearsed.stdout).toContain('2 conflicts (2 rows, 3 cells): the old values won')
})
