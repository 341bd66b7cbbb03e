import { z } from 'zod'
import { RowbackError } from '../errors.ts'
import { toJson } from '../model/value.ts'
import { text } from './inputs.ts'
import { operation } from './operation.ts'

export interface QueryOutput {
  columns: string[]
  rows: (null | number | string)[][]
}

export const query = operation({
  name: 'query',
  summary: 'run a query that can only read',
  details: `Under the incremental strategy each row says in version_id which version wrote it:
  SELECT * FROM customers JOIN rowback_version USING (version_id)`,
  example: 'rowback query "SELECT count(*) FROM customers"',
  positional: ['sql'],
  input: z.object({ sql: text('the query', 'SQL') }),
  makesDatabase: false,
  async run(context, { sql }): Promise<QueryOutput> {
    assertSingle(sql)
    const result = await context.engine.readOnlyQuery(sql).catch((error: unknown) => {
      throw explained(error)
    })
    return { columns: result.columns, rows: result.rows.map((row) => row.map(toJson)) }
  }
})

/** @throws RowbackError `query.several`, because the driver would leave out all but the first */
function assertSingle(sql: string): void {
  const bare = sql.replace(/'[^']*'|"[^"]*"|`[^`]*`|--[^\n]*|\/\*[\s\S]*?\*\//g, ' ')
  if (!/;\s*\S/.test(bare)) return
  throw new RowbackError({ code: 'query.several', message: 'A query is one statement.', hint: 'Ask them one by one.' })
}

function explained(error: unknown): unknown {
  if (!(error instanceof RowbackError)) return error
  const { code, message } = error
  if (code === 'target.read_only') {
    return new RowbackError({
      code: 'query.writes',
      message: 'A query can only read.',
      hint: 'Load changes as a version: rowback migrate FILE -m "..."'
    })
  }
  return code === 'database'
    ? new RowbackError({ code: 'query.invalid', message, hint: 'See tables and columns with: rowback inspect' })
    : error
}
