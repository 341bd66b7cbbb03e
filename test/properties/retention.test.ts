import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkBlames } from '../support/properties-blame.ts'
import {
  checkDiffs,
  checkReverts,
  checkRollbacks,
  checkStates,
  withoutOldHistory
} from '../support/properties-checks.ts'
import type { ScenarioOptions } from '../support/properties-scenario.ts'
import { Played, scenarios } from '../support/properties-scenario.ts'
import { sqliteEngine } from '../support/properties-sqlite.ts'
import { GROUPS, KEYLESS } from '../support/properties-tables.ts'

const TIMES = Number(process.env.PROPERTY_RUNS ?? 1)
const SEED = TIMES === 1 ? 20261126 : Date.now()

const INCREMENTAL: ScenarioOptions = { groups: GROUPS, strategies: ['incremental'] }
const SWITCHED: ScenarioOptions = {
  groups: [...GROUPS, ...KEYLESS],
  strategies: ['snapshot', 'incremental'],
  switches: true
}

function property(name: string, options: ScenarioOptions, check: (played: Played) => Promise<void>): void {
  test(`${name} without the older half of its history`, { timeout: TIMES * 300_000 }, async () => {
    let played = 0
    await fc.assert(
      fc.asyncProperty(scenarios(options), (scenario) =>
        Played.through(sqliteEngine, scenario, {
          async atEnd(result) {
            played += result.versions.length
            await withoutOldHistory(check)(result)
          }
        })
      ),
      { numRuns: 6 * TIMES, seed: SEED, interruptAfterTimeLimit: TIMES * 90_000 }
    )
    expect(played, 'versions were made').toBeGreaterThan(2)
  })
}

property('any state can be asked', INCREMENTAL, checkStates)
property('any state can be asked across switches', SWITCHED, checkStates)
property('a rollback leaves exactly what the version left', INCREMENTAL, checkRollbacks)
property('a rollback crosses switches', SWITCHED, checkRollbacks)
property('a diff leads from one version to the other', SWITCHED, checkDiffs)
property('the blame of every cell', INCREMENTAL, checkBlames)
property('a revert takes back what its version did', { ...INCREMENTAL, reverts: true }, checkReverts)
