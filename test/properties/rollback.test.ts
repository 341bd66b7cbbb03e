import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  checkChain,
  checkDiffs,
  checkMigrationCounts,
  checkRollbackCounts,
  checkRollbacks,
  checkSucceeded,
  checkWrites
} from '../support/properties-checks.ts'
import type { ScenarioOptions } from '../support/properties-scenario.ts'
import { Played, scenarios } from '../support/properties-scenario.ts'
import { CASCADING, GROUPS, KEYLESS } from '../support/properties-tables.ts'

/** A soak: `PROPERTY_RUNS=20` plays twenty times as many scenarios. */
const TIMES = Number(process.env.PROPERTY_RUNS ?? 1)

const SNAPSHOT: ScenarioOptions = { groups: [...GROUPS, ...KEYLESS], strategies: ['snapshot'] }
const INCREMENTAL: ScenarioOptions = { groups: GROUPS, strategies: ['incremental'] }
const MIXED: ScenarioOptions = { groups: [...GROUPS, ...KEYLESS], strategies: ['snapshot', 'incremental'] }

const CASCADES: ScenarioOptions = { groups: CASCADING, strategies: ['snapshot'] }
const MIXED_CASCADES: ScenarioOptions = { groups: CASCADING, strategies: ['snapshot', 'incremental'] }

function property(
  name: string,
  runs: number,
  options: ScenarioOptions,
  check: (played: Played) => Promise<void>
): void {
  test(name, { timeout: TIMES * 300_000 }, async () => {
    let played = 0
    await fc.assert(
      fc.asyncProperty(scenarios(options), (scenario) =>
        Played.through(scenario, async (result) => {
          played += result.versions.length
          await check(result)
        })
      ),
      { numRuns: runs * TIMES, interruptAfterTimeLimit: TIMES * 90_000 }
    )
    expect(played, 'versions were made').toBeGreaterThan(runs)
  })
}

/** Writes, counts, rows that succeeded, differences, and the way back. */
async function checkAll(played: Played): Promise<void> {
  checkWrites(played)
  checkMigrationCounts(played)
  await checkSucceeded(played)
  await checkDiffs(played)
  await checkRollbacks(played)
  await checkRollbackCounts(played)
}

property('versions do, tell and take back exactly what they should: snapshot', 20, SNAPSHOT, checkAll)
property('versions do, tell and take back exactly what they should: incremental', 20, INCREMENTAL, checkAll)
property('versions do, tell and take back exactly what they should: both strategies mixed', 30, MIXED, checkAll)
property('what the database itself took away comes back: snapshot', 8, CASCADES, checkRollbacks)
property('what the database itself took away comes back: both strategies mixed', 12, MIXED_CASCADES, checkRollbacks)
property('whatever is altered in the ledger shows', 2, MIXED, checkChain)
