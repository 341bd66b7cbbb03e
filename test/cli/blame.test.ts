import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { BlameOutput } from '../../src/index.ts'
import type { Workplace } from '../support/cli.ts'
import { makeShop } from '../support/suite-shop.ts'

describe('blame', () => {
  let shop: Workplace
  beforeAll(async () => {
    shop = await makeShop()
    await shop.write('gone.csv', 'id\n2\n')
    await shop.json(['rollback', '1', '-m', 'the wrong file'])
    await shop.json(['rollback', 'more', '-m', 'no, it was right'])
    await shop.json([
      'migrate',
      'gone.csv',
      '--table',
      'customers',
      '--mode',
      'delete',
      '-m',
      'Bob left',
      '--remarks',
      'by mail'
    ])
  })
  afterAll(() => shop.remove())

  test('shows each cell with its version, and what brought it back', async () => {
    const { stdout, code } = await shop.run(['blame', 'customers', '1'])
    expect(code).toBe(0)
    const lines = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(/ {2,}/))
    expect(lines[0]).toEqual(['customers', 'id=1', 'at version 6'])
    expect(lines[1]).toEqual(['column', 'value', 'version', 'when', 'who', 'what', 'brought back by'])
    const when = expect.stringMatching(/^\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}$/)
    expect(lines.slice(2)).toEqual([
      ['id', '1', '1', when, 'tester', 'first customers'],
      ['name', 'Anna', '2', when, 'tester', 'more customers', '5 (back to 2)'],
      ['tier', 'gold', '1', when, 'tester', 'first customers']
    ])
  })

  test('says of a row that is gone by which version, and shows its last cells', async () => {
    const { stdout } = await shop.run(['blame', 'customers', '2'])
    expect(stdout).toMatch(/The row was deleted by version 6, Bob left \(tester, .*\)\. It was last:/)
    expect(stdout).toMatch(/name +Bob +1 /)
    const { deleted, cells } = await shop.json<BlameOutput>(['blame', 'customers', 'id=2'])
    expect(deleted).toMatchObject({ origin: 'version', version: 6, description: 'Bob left', remarks: 'by mail' })
    expect(cells.map(({ column, value, version }) => [column, value, version])).toEqual([
      ['id', 2, 1],
      ['name', 'Bob', 1],
      ['tier', 'silver', 1]
    ])
  })

  test('takes a version, a tag or a time', async () => {
    for (const at of ['2', 'more']) {
      const { at: number, cells } = await shop.json<BlameOutput>(['blame', 'customers', '1', '--at', at])
      expect([number, cells[1]?.version, cells[1]?.via]).toEqual([2, 2, []])
    }
    const { cells } = await shop.json<BlameOutput>(['blame', 'customers', '1', '--at', '2999-01-01'])
    expect(cells[1]?.via).toMatchObject([
      { version: 5, kind: 'rollback', targetVersion: 2, description: 'no, it was right' }
    ])
    expect(cells[1]).toMatchObject({
      value: 'Anna',
      description: 'more customers',
      tag: 'more',
      author: { alias: 'tester' }
    })
  })

  test('what was there before, and what others did', async () => {
    expect((await shop.run(['blame', 'parts', '1'])).stdout).toMatch(/name +bolt +baseline\n/)
    shop.sql("UPDATE parts SET name = 'screw' WHERE id = 1")
    expect((await shop.run(['blame', 'parts', '1'])).stdout).toMatch(
      /name +screw +outside +outside rowback, since version 6/
    )
  })

  test('what cannot be answered is said', async () => {
    const failed = async (...words: string[]) => {
      const { code, stderr } = await shop.run(['blame', ...words])
      return `${code} ${stderr.split('\n')[0]}`
    }
    expect(await failed('customers', '77')).toBe(
      '1 Error: customers has no row id=77, and had none up to version 6 as far as is known.'
    )
    expect(await failed('customers', 'id=1,zz=2')).toBe(
      '1 Error: customers has no row id=1,zz=2: there is no column zz in its key, which is id.'
    )
    expect(await failed('nowhere', '1')).toBe('1 Error: There is no table nowhere, and no version knows of one.')
    expect(await failed('notes', '1')).toMatch(/^1 Error: notes has no key/)
    expect(await failed('customers', '1', '--at', '99')).toBe('1 Error: There is no version 99.')
    expect(await failed('customers')).toMatch(/^2 /)
  })
})
