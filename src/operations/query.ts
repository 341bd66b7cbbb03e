import { z } from 'zod'
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
    const result = await context.engine.readOnlyQuery(sql)
    return { columns: result.columns, rows: result.rows.map((row) => row.map(toJson)) }
  }
})
