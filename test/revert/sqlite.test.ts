import { describe } from 'vitest'
import { SQLITE_PLACE } from '../support/revert-place.ts'
import { revertSuite } from '../support/suite-revert.ts'

describe('reverts on SQLite', () => revertSuite(SQLITE_PLACE))
