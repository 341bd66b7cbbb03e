import type { Strategy } from './strategy.ts'

/** Full backup before each version; the data tables stay as they are, without any added column or table. */
export const snapshot: Strategy = {
  name: 'snapshot',

  objection(table, _mode, run) {
    const [virtual] = run.unsupported
    if (table.triggers.length > 0 && virtual !== undefined) {
      return {
        reason: `its triggers may write the virtual table ${virtual}, which cannot be backed up as rows`,
        hint: `Drop the triggers for the load and rebuild ${virtual} afterwards.`
      }
    }
    return null
  },

  async prepare(run) {
    await run.takeAnchor()
  },

  async prepareNew() {}
}
