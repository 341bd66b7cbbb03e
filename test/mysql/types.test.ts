import { describe, inject, test } from 'vitest'
import type { Strategy } from '../support/mysql-bench.ts'
import { MysqlBench, STRATEGIES } from '../support/mysql-bench.ts'
import type { TypeCase } from '../support/mysql-type-cases.ts'
import { EMPTY_MEMBER, makeTable, SUBJECTS } from '../support/mysql-type-cases.ts'
import { HOW_TO_PROVIDE } from '../support/servers/find.ts'

const server = inject('mysqlUrl')

/** Every row is changed in another column, then some go: all of them are written again on the way back. */
async function survive(serverUrl: string, cases: readonly TypeCase[], strategy: Strategy): Promise<void> {
  const bench = await MysqlBench.make(serverUrl)
  try {
    const ids = Array.from({ length: await makeTable(bench, cases) }, (_, id) => id)
    const changed = ids.map((id) => ({ id, note: 'new' }))
    const gone = ids.filter((id) => id % 2 === 0).map((id) => ({ id }))
    await bench.goesBackAndForth('t', async () => {
      await bench.load(changed, { table: 't', strategy, mode: 'update' })
      await bench.load(gone, { table: 't', strategy, mode: 'delete' })
    })
  } finally {
    await bench.remove()
  }
}

if (server === null) test.skip(`values of every MySQL type survive: ${HOW_TO_PROVIDE}`)
else {
  describe.each(STRATEGIES)('%s: values survive the way there and back', (strategy) => {
    test.each(Object.entries(SUBJECTS))('%s', (_, cases) => survive(server, cases, strategy))
  })
  test("snapshot: a SET with a member ''", () => survive(server, [EMPTY_MEMBER], 'snapshot'))
  // Rows are copied into history and back by INSERT ... SELECT, in which the servers copy a SET as its text.
  test("incremental: a SET with a member ''", () => survive(server, [EMPTY_MEMBER], 'incremental'))
}
