import type { WriteMode } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import { reachedByCascade } from './cascades.ts'
import type { Objection, Strategy, Surroundings } from './strategy.ts'
import { restoreObjection } from './strategy.ts'
import { tablesOf, touchedBy } from './touched.ts'

/**
 * Full backup before each version, of the database or of the tables that it may change; the data tables stay as they are,
 * without any added column or table. The backup also stands in where a storage engine cannot abort.
 */
export const snapshot: Strategy = {
  name: 'snapshot',

  objection(table, mode, run) {
    const objection = restoreObjection(table)
    if (objection) return objection
    const [virtual] = run.unsupported
    if (table.triggers.length > 0 && virtual !== undefined) {
      return {
        reason: `its triggers may write the virtual table ${virtual}, which cannot be backed up as rows`,
        hint: `Drop the triggers for the load and rebuild ${virtual} afterwards.`
      }
    }
    return trackedObjection(table, mode, run)
  },

  async prepare(run, writes) {
    // A version that only makes tables is taken back by dropping them.
    if (run.scope === 'database' || writes.length > 0) await run.takeAnchor(touchedBy(writes, run.live.tables))
    await run.guard(tablesOf(writes))
  },

  async prepareNew() {}
}

/** A tracked table must be written by the version itself: what the database writes there would be missing in its history. */
function trackedObjection(table: Table, mode: WriteMode, run: Surroundings): Objection | null {
  const [tracked] = run.live.tracked.keys()
  const [trigger] = table.triggers
  if (trigger !== undefined && tracked !== undefined) {
    return {
      reason: `its trigger ${trigger} may write any table, and the history of ${tracked} is kept row by row`,
      hint: 'Write the rows by a script, of which triggers are captured: rowback exec FILE.sql -m "..."; or drop the trigger for the load.'
    }
  }
  const reached = reachedByCascade(table, mode, run.live.tables).find((name) => run.live.tracked.has(name))
  if (reached === undefined) return null
  return {
    reason: `a cascade would change ${reached}, whose history is kept row by row`,
    hint: `Change the rows of ${reached} first, by a migration of their own.`
  }
}
