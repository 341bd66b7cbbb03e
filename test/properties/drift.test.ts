import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDrift } from '../support/properties-drift.ts'
import { Played, scenarios } from '../support/properties-scenario.ts'
import { sqliteEngine } from '../support/properties-sqlite.ts'
import { GROUPS } from '../support/properties-tables.ts'

/** A soak: `PROPERTY_RUNS=20` plays twenty times as many scenarios. */
const TIMES = Number(process.env.PROPERTY_RUNS ?? 1)
const SEED = TIMES === 1 ? 20261125 : Date.now()

/** Rows that refer to others may keep a rollback from being made at all. */
const groups = GROUPS.filter((specs) => specs.every(({ key, references }) => key && references.length === 0))

test('what is said of others is what they did', { timeout: TIMES * 300_000 }, async () => {
  let lost = 0
  await fc.assert(
    fc.asyncProperty(scenarios({ groups, strategies: ['snapshot'], others: true }), (scenario) =>
      Played.through(sqliteEngine, scenario, {
        async atEnd(played) {
          await checkDrift(played)
          lost += played.versions.filter(({ output }) => 'drift' in output && output.drift.length > 0).length
        }
      })
    ),
    { numRuns: 20 * TIMES, seed: SEED, interruptAfterTimeLimit: TIMES * 90_000 }
  )
  expect(lost, 'rollbacks that overwrote rows of others').toBeGreaterThan(5)
})
