import { RowbackError } from '../errors.ts'
import type { WriteMode } from '../model/change.ts'
import type { Table } from '../model/table.ts'
import type { StrategyName } from '../model/version.ts'
import { incremental } from './incremental.ts'
import { snapshot } from './snapshot.ts'
import type { Strategy, Surroundings } from './strategy.ts'

const STRATEGIES: Record<StrategyName, Strategy> = { snapshot, incremental }

export function strategyNamed(name: StrategyName): Strategy {
  return STRATEGIES[name]
}

/** @throws RowbackError `strategy.unfit` when the strategy could not take the write back whole */
export function assertFit(strategy: Strategy, table: Table, mode: WriteMode, run: Surroundings): void {
  const objection = strategy.objection(table, mode, run)
  if (!objection) return
  throw new RowbackError({
    code: 'strategy.unfit',
    message: `The ${strategy.name} strategy cannot take back ${/^[aeiou]/.test(mode) ? 'an' : 'a'} ${mode} into ${table.name}: ${objection.reason}.`,
    hint: objection.hint
  })
}
