import { statementsOf } from '../engines/script.ts'
import { RowbackError } from '../errors.ts'
import type { StrategyName, TableReport } from '../model/version.ts'
import type { Run } from './run.ts'
import type { Script } from './script-plan.ts'
import { planScript } from './script-plan.ts'

/** What a script did, or would do. */
export interface ExecutedScript {
  tables: TableReport[]
  statements: number
  notes: string[]
}

/**
 * Runs a script inside the run's transaction: recovery material first, then statement by statement; afterwards what changed
 * is found by comparing.
 * @throws RowbackError `strategy.unfit` before anything runs; `script.failed` or `foreign_key`
 */
export async function execScript(run: Run, script: Script, strategy: StrategyName): Promise<ExecutedScript> {
  const { engine } = run
  const plan = planScript(script, strategy, run, await engine.schemaObjects(), engine.capabilities)
  const { tables: changed } = plan.touched
  const takesAnchor = strategy === 'snapshot' && (run.scope === 'database' || changed.length > 0)
  if (takesAnchor || plan.needsAnchor) await run.takeAnchor(plan.touched)
  for (const table of plan.toTrack) await run.track(table)
  await run.hold()
  const isDeferred = run.live.tables.some((table) => table.foreignKeys.some((key) => key.deferred))
  const before = isDeferred ? (await engine.foreignKeyViolations()).length : 0
  const { counts, statements, warnings } = await engine.runScript({
    statements: statementsOf(script.text, script.dialect),
    tables: changed.map((table) => ({ table, tracking: run.tracking(table.name) })),
    version: run.number,
    goOn: () => run.throwIfGivenUp()
  })
  if (isDeferred) await assertReferences(run, before)
  const tables = changed.flatMap((table, i): TableReport[] => {
    const { inserted, updated, deleted, unchanged } = counts[i] ?? { inserted: 0, updated: 0, deleted: 0, unchanged: 0 }
    if (inserted + updated + deleted === 0 && !plan.targets.includes(table)) return []
    const report = { table: table.name, read: 0, inserted, updated, deleted, unchanged, failed: 0 }
    const tracked = run.live.tracked.get(table.name)
    return [tracked ? { ...report, history: tracked.history } : report]
  })
  return { tables, statements, notes: [...plan.notes, ...warnings] }
}

/** References that are only checked at the end. @throws RowbackError `foreign_key` */
async function assertReferences(run: Run, before: number): Promise<void> {
  const violations = await run.engine.foreignKeyViolations()
  if (violations.length <= before) return
  throw new RowbackError({
    code: 'foreign_key',
    message: `The script leaves rows that refer to nothing: ${violations.slice(0, 3).join('; ')}.`,
    hint: 'Correct the script, then run it again as a whole.'
  })
}
