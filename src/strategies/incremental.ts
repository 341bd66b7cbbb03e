import { cascadeFrom } from './cascades.ts'
import type { Strategy } from './strategy.ts'
import { atomicObjection } from './strategy.ts'
import { tablesOf, touchedBy } from './touched.ts'

/**
 * Change sets in the database: each row says which version wrote it, superseded rows move to a history table. A table
 * that is not tracked yet gets a full backup first, the base of its increments.
 */
export const incremental: Strategy = {
  name: 'incremental',

  objection(table, mode) {
    const objection = atomicObjection(table)
    if (objection) return objection
    if (!table.key) {
      return {
        reason: 'it has no key that tells its rows apart',
        hint: 'Give it a primary key, or use --strategy snapshot.'
      }
    }
    const [trigger] = table.triggers
    if (trigger !== undefined) {
      return {
        reason: `its trigger ${trigger} may change rows that are not captured`,
        hint: 'Use --strategy snapshot, which backs up every table.'
      }
    }
    const cascade = cascadeFrom(table, mode)
    if (cascade) {
      return {
        reason: `the database itself would change ${cascade.table} (ON DELETE ${cascade.onDelete}, ON UPDATE ${cascade.onUpdate})`,
        hint: 'Use --strategy snapshot, which backs up every table.'
      }
    }
    return null
  },

  async prepare(run, writes) {
    const untracked = writes.filter(({ table }) => !run.live.tracked.has(table.name))
    if (untracked.length === 0) return
    await run.takeAnchor(touchedBy(untracked, run.live.tables))
    for (const table of tablesOf(untracked)) await run.track(table)
  },

  async prepareNew(run, table) {
    await run.track(table)
  }
}
