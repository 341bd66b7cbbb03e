import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkBlames } from '../support/properties-blame.ts'
import {
  checkChain,
  checkDiffs,
  checkMigrationCounts,
  checkReverts,
  checkRollbackCounts,
  checkRollbacks,
  checkScriptCounts,
  checkStates,
  checkSucceeded,
  checkWrites
} from '../support/properties-checks.ts'
import type { ScenarioOptions } from '../support/properties-scenario.ts'
import { Played, scenarios } from '../support/properties-scenario.ts'
import { sqliteEngine } from '../support/properties-sqlite.ts'
import { CASCADING, GROUPS, KEYLESS } from '../support/properties-tables.ts'

/** A soak: `PROPERTY_RUNS=20` plays twenty times as many scenarios. */
const TIMES = Number(process.env.PROPERTY_RUNS ?? 1)
/** The same scenarios every time; a soak plays others. */
const SEED = TIMES === 1 ? 20261122 : Date.now()

const SNAPSHOT: ScenarioOptions = { groups: [...GROUPS, ...KEYLESS], strategies: ['snapshot'] }
const INCREMENTAL: ScenarioOptions = { groups: GROUPS, strategies: ['incremental'] }
const MIXED: ScenarioOptions = { groups: [...GROUPS, ...KEYLESS], strategies: ['snapshot', 'incremental'] }

const SWITCHED: ScenarioOptions = { ...MIXED, switches: true }

const CASCADES: ScenarioOptions = { groups: CASCADING, strategies: ['snapshot'] }
const MIXED_CASCADES: ScenarioOptions = { groups: CASCADING, strategies: ['snapshot', 'incremental'] }

const REVERTS = { reverts: true }
const REVERTED_CASCADES: ScenarioOptions = { ...CASCADES, ...REVERTS }

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
        Played.through(sqliteEngine, scenario, {
          async atEnd(result) {
            played += result.versions.length
            await check(result)
          }
        })
      ),
      { numRuns: Math.ceil((runs * TIMES) / 3), seed: SEED, interruptAfterTimeLimit: TIMES * 90_000 }
    )
    expect(played, 'versions were made').toBeGreaterThan(runs / 3)
  })
}

property('a rollback leaves exactly what the version left: snapshot', 25, SNAPSHOT, checkRollbacks)
property('a rollback leaves exactly what the version left: incremental', 25, INCREMENTAL, checkRollbacks)
property('a rollback leaves exactly what the version left: mixed', 35, MIXED, checkRollbacks)
property('a rollback brings back what the database itself took away: snapshot', 15, CASCADES, checkRollbacks)
property('a rollback brings back what the database itself took away: mixed', 20, MIXED_CASCADES, checkRollbacks)
property('a rollback crosses switches of the strategy', 40, SWITCHED, checkRollbacks)
property('a diff crosses switches of the strategy', 20, SWITCHED, checkDiffs)
property('any state can be asked across switches of the strategy', 20, SWITCHED, checkStates)
property('a migration writes what the source says', 60, MIXED, checkWrites)
property('a migration counts what really changed', 25, MIXED, checkMigrationCounts)
property('a rollback counts what really changed', 20, MIXED, checkRollbackCounts)
property('a script counts what really changed', 25, MIXED, checkScriptCounts)
property('a script counts what the database changed too', 15, MIXED_CASCADES, checkScriptCounts)
property('the rows that a script wrote lead from the version before to its version', 20, MIXED, (played) =>
  checkSucceeded(played, ['exec'])
)
property('the diff of two versions leads from the one to the other', 20, MIXED, checkDiffs)
property('the rows that succeeded lead from the version before to the version', 20, MIXED, (played) =>
  checkSucceeded(played, ['migrate'])
)
property('so do the rows that a rollback wrote', 20, MIXED, (played) => checkSucceeded(played, ['rollback']))
property('the blame of every cell at every version: snapshot', 12, SNAPSHOT, checkBlames)
property('the blame of every cell at every version: incremental', 12, INCREMENTAL, checkBlames)
property('the blame of every cell at every version: mixed', 20, MIXED, checkBlames)
property('the blame of every cell goes past switches of the strategy', 20, SWITCHED, checkBlames)
property('the blame of every cell past reverts', 25, { ...SWITCHED, ...REVERTS }, checkBlames)
property('the blame of every cell that the database itself changed', 12, REVERTED_CASCADES, checkBlames)
property('a revert takes back what its version did: snapshot', 40, { ...SNAPSHOT, ...REVERTS }, checkReverts)
property('a revert takes back what its version did: incremental', 40, { ...INCREMENTAL, ...REVERTS }, checkReverts)
property('a revert takes back what its version did: mixed', 60, { ...MIXED, ...REVERTS }, checkReverts)
property('a revert takes back what the database itself did', 20, REVERTED_CASCADES, checkReverts)
property('a revert crosses switches of the strategy', 40, { ...SWITCHED, ...REVERTS }, checkReverts)
property('the diff of versions among which are reverts', 20, { ...MIXED, ...REVERTS }, checkDiffs)
property('the rows that a revert wrote', 20, { ...MIXED, ...REVERTS }, (played) => checkSucceeded(played, ['revert']))
property('whatever is altered in the ledger shows', 2, MIXED, checkChain)
