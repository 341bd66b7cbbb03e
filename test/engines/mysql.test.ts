import { inject, test } from 'vitest'
import { mysqlHost } from '../support/mysql-host.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'
import { engineConformance } from '../support/suite-engine.ts'

const server = inject('mysqlUrl')

if (server === null) test.skip(`MySQL keeps the engine contract: ${HOW_TO_PROVIDE}`)
else engineConformance('MySQL', mysqlHost(server))
