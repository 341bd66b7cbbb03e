import { checkChain } from '../support/properties-checks.ts'
import { sqliteEngine } from '../support/properties-sqlite.ts'
import { property, propertyTests } from '../support/properties-suite.ts'
import { GROUPS } from '../support/properties-tables.ts'

propertyTests(sqliteEngine, 8)

property(
  sqliteEngine,
  'whatever is altered in the ledger shows',
  1,
  { groups: GROUPS, strategies: ['snapshot', 'incremental'] },
  { atEnd: checkChain }
)
