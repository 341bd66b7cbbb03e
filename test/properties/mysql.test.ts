import { inject, test } from 'vitest'
import { mysqlEngine } from '../support/properties-mysql.ts'
import { propertyTests } from '../support/properties-suite.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')
if (server === null) test.skip(`properties (mysql): ${HOW_TO_PROVIDE}`)
else propertyTests(mysqlEngine(server), 4)
