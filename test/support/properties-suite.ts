import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkBlames, checkBlamesOfHead } from './properties-blame.ts'
import {
  checkCopies,
  checkDiffs,
  checkDiffsOfHead,
  checkMigrationCounts,
  checkRehearsals,
  checkRollbacks,
  checkScriptCounts,
  checkStates,
  checkSucceeded,
  checkUndoCounts,
  checkWrites
} from './properties-checks.ts'
import { checkDrift } from './properties-drift.ts'
import type { PropertyEngine } from './properties-engine.ts'
import type { Checks, ScenarioOptions } from './properties-scenario.ts'
import { Played, scenarios } from './properties-scenario.ts'

/** A soak: `PROPERTY_RUNS=20` plays twenty times as many scenarios. */
const TIMES = Number(process.env.PROPERTY_RUNS ?? 1)
/** The same scenarios every time; a soak plays others, or with `PROPERTY_SEED` those of a soak that failed. */
const SEED = Number(process.env.PROPERTY_SEED ?? (TIMES === 1 ? 20261122 : Date.now()))

/** Plays random scenarios, at least `runs` versions altogether. */
export function property(
  engine: PropertyEngine,
  name: string,
  runs: number,
  options: ScenarioOptions,
  checks: Checks
): void {
  test(name, { timeout: TIMES * 300_000 }, async () => {
    let versions = 0
    const playThrough = (scenario: Parameters<typeof Played.through>[1]) =>
      Played.through(engine, scenario, {
        ...checks,
        async atEnd(played) {
          versions += played.versions.length
          await checks.atEnd?.(played)
        }
      })
    await fc.assert(fc.asyncProperty(scenarios(options), playThrough), {
      numRuns: runs * TIMES,
      seed: SEED,
      interruptAfterTimeLimit: TIMES * 200_000,
      endOnFailure: true
    })
    expect(versions, 'versions were made').toBeGreaterThan(runs)
  })
}

async function checkStatesAndDiffs(played: Played): Promise<void> {
  await checkStates(played)
  await checkDiffsOfHead(played)
}

const EVERY_CHECK: Checks = {
  async afterEach(played) {
    await checkStatesAndDiffs(played)
    await checkBlamesOfHead(played)
  },
  async atEnd(played) {
    await checkDiffs(played)
    await checkBlames(played)
    await checkCopies(played)
    await checkSucceeded(played)
    await checkMigrationCounts(played)
    await checkScriptCounts(played)
    if (played.engine.name === 'sqlite' && !played.tables.some((spec) => played.engine.cascading.flat().includes(spec)))
      await checkWrites(played)
    await checkRehearsals(played)
    await checkRollbacks(played)
    await checkUndoCounts(played)
    await checkStates(played)
  }
}

const EVERY_STEP: Omit<ScenarioOptions, 'groups'> = {
  strategies: ['snapshot', 'incremental'],
  switches: true,
  reverts: true,
  adopts: true,
  prunes: true
}

/**
 * Random scenarios on one engine, each compared with a model after each step and at the end.
 * @param runs how many of each sort there are
 */
export function propertyTests(engine: PropertyEngine, runs: number): void {
  const { groups, keyless, cascading } = engine
  const all = [...groups, ...keyless]
  const sorts: Record<string, ScenarioOptions> = {
    snapshot: { groups: all, strategies: ['snapshot'], reverts: true },
    incremental: { groups, strategies: ['incremental'], reverts: true, adopts: true, prunes: true },
    'mixed and switched': { ...EVERY_STEP, groups: all },
    cascades: { groups: cascading, strategies: ['snapshot'], reverts: true },
    'mixed cascades': { ...EVERY_STEP, groups: cascading }
  }
  for (const [name, options] of Object.entries(sorts)) {
    property(engine, `after each step all is as the model has it: ${name}`, runs, options, EVERY_CHECK)
  }
  driftTest(engine, runs)
  givenUpTest(engine, runs)
}

/** Where values come from is then known in part only. */
function givenUpTest(engine: PropertyEngine, runs: number): void {
  const options: ScenarioOptions = {
    groups: [...engine.groups, ...engine.keyless],
    strategies: ['snapshot', 'incremental'],
    switches: true,
    adopts: true,
    prunes: true,
    givesUp: true
  }
  property(engine, 'what no prune gave up is still there', runs, options, {
    afterEach: checkStatesAndDiffs,
    async atEnd(played) {
      await checkDiffs(played)
      await checkCopies(played)
      await checkRollbacks(played)
      await checkStates(played)
    }
  })
}

/** Rows that refer to others may keep a rollback from being made at all. */
function driftTest(engine: PropertyEngine, runs: number): void {
  const groups = engine.groups.filter((specs) =>
    specs.every(({ key, references, foldsByServer }) => key && references.length === 0 && !foldsByServer)
  )
  property(
    engine,
    'what is said of others is what they did',
    runs,
    { groups, strategies: ['snapshot'], others: true },
    {
      afterEach: checkStatesAndDiffs,
      atEnd: checkDrift
    }
  )
}
