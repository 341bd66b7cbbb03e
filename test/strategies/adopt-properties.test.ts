import { rm } from 'node:fs/promises'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { StatusOutput } from '../../src/operations/status.ts'
import type { AnyShop } from '../support/both-engines.ts'
import { onBothEngines } from '../support/both-engines.ts'

/** A cell of the text column by its row's key; null for a row that goes. */
type Edits = [id: number, value: string | null][]
type Step = { kind: 'others'; edits: Edits } | { kind: 'load'; edits: Edits } | { kind: 'back' | 'revert'; of: number }

const edits = fc.uniqueArray(
  fc.tuple(fc.integer({ min: 1, max: 6 }), fc.option(fc.constantFrom('a', 'b', 'ü', '\t'), { nil: null })),
  { selector: ([id]) => id, minLength: 1, maxLength: 4 }
)
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('others' as const), edits }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('load' as const), edits }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('back' as const, 'revert' as const), of: fc.nat() }) }
)

onBothEngines('whatever others change is adopted', (current) => {
  const rows = ({ rows }: AnyShop) => rows('SELECT id, name FROM names ORDER BY id')
  const text = (value: string) => `'${value}'`

  async function change(shop: AnyShop, all: Edits): Promise<void> {
    for (const [id, value] of all) {
      await shop.sql(`DELETE FROM names WHERE id = '${id}'`)
      if (value !== null) await shop.sql(`INSERT INTO names (id, name) VALUES ('${id}', ${text(value)})`)
    }
  }

  async function drifted({ place }: AnyShop): Promise<boolean> {
    const { drift } = await place.json<StatusOutput>(['status', '--drift'])
    return drift?.tables.length === 1 || drift?.notes.length === 1
  }

  async function play(shop: AnyShop, steps: readonly Step[]): Promise<void> {
    const states = new Map<number, unknown>()
    const noted = async () => {
      const { versions } = await shop.place.json<{ versions: { version: number; status: string }[] }>(['log'])
      const newest = Math.max(...versions.map(({ version }) => version))
      if (!states.has(newest)) states.set(newest, await rows(shop))
    }
    for (const one of steps) {
      const before = await rows(shop)
      if (one.kind === 'others') {
        await change(shop, one.edits)
        const isChanged = JSON.stringify(before) !== JSON.stringify(await rows(shop))
        const isDrifted = await drifted(shop)
        if (isChanged) expect(isDrifted).toBe(true)
        if (isDrifted) await shop.place.json(['adopt', '-m', 'x'])
      } else if (one.kind === 'load') {
        const loaded = one.edits.map(([id, value]) => `${id},${value?.trim() || 'c'}`)
        await shop.place.write('names.csv', `id,name\n${loaded.join('\n')}\n`)
        await shop.place.json(['migrate', 'names.csv', '--mode', 'upsert', '-m', 'x'])
      } else {
        const known = [...states.keys()].filter((number) => number > 0)
        const of = String(known[one.of % known.length])
        const args = one.kind === 'back' ? ['rollback', of] : ['revert', of, '--on-conflict', 'keep-current']
        await shop.place.run(args)
      }
      await noted()
    }
    expect(await drifted(shop)).toBe(false)
    for (const [version, state] of states) {
      if (version === 0) continue
      const file = `at-${version}.db`
      await rm(shop.place.at(file), { force: true })
      await shop.place.json(['backup', 'restore', String(version), '--to', file])
      expect(shop.place.rows('SELECT id, name FROM names ORDER BY id', file), `restore ${version}`).toEqual(state)
      await rm(shop.place.at(file), { force: true })
      await shop.place.json(['checkout', String(version), '--to', file])
      expect(shop.place.rows('SELECT id, name FROM names ORDER BY id', file), `checkout ${version}`).toEqual(state)
    }
  }

  test('in any sequence with loads, rollbacks and reverts, and every version stays what it was', async () => {
    const shop = current()
    await shop.configure('strategy: incremental\n')
    const first: Step = {
      kind: 'load',
      edits: [
        [1, 'a'],
        [2, 'b']
      ]
    }
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 9 }), async (steps) => {
        await reset(shop)
        await play(shop, [first, ...steps])
      }),
      { numRuns: 4, endOnFailure: true }
    )
  }, 120_000)

  async function reset(shop: AnyShop): Promise<void> {
    await rm(shop.place.at('.rowback'), { recursive: true, force: true })
    if (shop.engine === 'sqlite') await rm(shop.place.at('shop.db'), { force: true })
    else
      await shop.sql(
        'DROP TABLE IF EXISTS names',
        'DROP VIEW IF EXISTS rowback_version',
        `DROP DATABASE IF EXISTS ${shop.database}_rowback`
      )
    await shop.sql(
      'CREATE TABLE names (id VARCHAR(5) NOT NULL PRIMARY KEY, name VARCHAR(20))',
      "INSERT INTO names VALUES ('6', 'f')"
    )
  }
})
