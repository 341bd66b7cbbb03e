import { describe } from 'vitest'
import type { EngineHost } from './suite-engine-bench.ts'
import { useBench } from './suite-engine-bench.ts'
import { stateTests } from './suite-engine-states.ts'
import { tableTests } from './suite-engine-tables.ts'
import { valueTests } from './suite-engine-values.ts'
import { writeTests } from './suite-engine-writes.ts'

export type { EngineHost, KindCase, OpenedEngine } from './suite-engine-bench.ts'

/**
 * Asks every method of `Engine` of one engine; see test/engines/sqlite.test.ts for how one joins.
 * @param parts `core` leaves out what a load does with rows that the database refuses
 */
export function engineConformance(name: string, host: EngineHost, parts: 'all' | 'core' = 'all'): void {
  describe(`${name} keeps the engine contract`, () => {
    const bench = useBench(host)
    tableTests(host, bench)
    if (parts === 'all') writeTests(host, bench)
    stateTests(host, bench)
    valueTests(host, bench)
  })
}
