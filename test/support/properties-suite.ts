import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkCopies, checkDiffs, checkDiffsOfHead, checkRollbacks, checkStates } from './properties-checks.ts'
import type { PropertyEngine } from './properties-engine.ts'
import type { ScenarioOptions } from './properties-scenario.ts'
import { Played, scenarios } from './properties-scenario.ts'

/** A soak: `PROPERTY_RUNS=20` plays twenty times as many scenarios. */
const TIMES = Number(process.env.PROPERTY_RUNS ?? 1)
/** The same scenarios every time; a soak plays others. */
const SEED = Number(process.env.PROPERTY_SEED ?? (TIMES === 1 ? 20261122 : Date.now()))

/**
 * Random scenarios on one engine, each compared with a model after each step and at the end.
 * @param scale how many there are
 */
export function propertyTests(engine: PropertyEngine, scale: number): void {
  const all = [...engine.groups, ...engine.keyless]
  const property = (name: string, runs: number, options: ScenarioOptions) =>
    test(name, { timeout: TIMES * 300_000 }, async () => {
      let versions = 0
      await fc.assert(
        fc.asyncProperty(scenarios(options), (scenario) =>
          Played.through(engine, scenario, {
            async afterEach(played) {
              await checkStates(played)
              await checkDiffsOfHead(played)
            },
            async atEnd(played) {
              versions += played.versions.length
              await checkDiffs(played)
              await checkCopies(played)
              await checkRollbacks(played)
              await checkStates(played)
            }
          })
        ),
        {
          numRuns: Math.ceil(runs * scale * TIMES),
          seed: SEED,
          interruptAfterTimeLimit: TIMES * 200_000,
          endOnFailure: true
        }
      )
      expect(versions, 'versions were made').toBeGreaterThan(runs * scale)
    })

  property('snapshot', 8, { groups: all, strategies: ['snapshot'] })
  property('incremental', 8, { groups: engine.groups, strategies: ['incremental'] })
  property('mixed', 8, { groups: all, strategies: ['snapshot', 'incremental'] })
  property('cascades', 8, { groups: engine.cascading, strategies: ['snapshot', 'incremental'] })
}
