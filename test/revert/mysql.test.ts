import { describe, inject, test } from 'vitest'
import { mysqlPlace } from '../support/revert-place.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { revertSuite } from '../support/suite-revert.ts'

const server = inject('mysqlUrl')
if (server) describe('reverts on MySQL', () => revertSuite(mysqlPlace(server)))
else test.skip(`reverts on MySQL: ${HOW_TO_PROVIDE}`, () => {})
