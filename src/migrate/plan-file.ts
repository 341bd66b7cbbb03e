import { readFileSync } from 'node:fs'
import { dirname, isAbsolute, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'
import { usageError } from '../errors.ts'
import { columnRuleSchema } from '../format/rules.ts'
import { WRITE_MODES } from '../model/change.ts'
import { inWords } from '../schema-words.ts'
import type { TableRequest } from './request.ts'

const columnNames = z.union([z.string().transform((name) => [name]), z.array(z.string()).min(1)])

const planSchema = z.strictObject({
  description: z.string().min(1).optional(),
  author: z.string().min(1).optional(),
  remarks: z.string().min(1).optional(),
  tag: z.string().min(1).optional(),
  tables: z
    .array(
      z.strictObject({
        table: z.string().min(1),
        source: z.string().min(1),
        key: columnNames.optional(),
        mode: z.enum(WRITE_MODES).optional(),
        create: z.boolean().default(false),
        delimiter: z.string().length(1).optional(),
        quote: z.string().length(1).optional(),
        encoding: z.string().min(1).optional(),
        header: z.boolean().optional(),
        columns: z.record(z.string(), columnRuleSchema).optional()
      })
    )
    .min(1)
})

export interface Plan {
  description: string | undefined
  author: string | undefined
  remarks: string | undefined
  tag: string | undefined
  requests: TableRequest[]
}

/**
 * Reads a plan file; sources are found relative to it.
 * @throws RowbackError `plan.invalid` (exit code 2) naming each place that cannot be understood
 */
export function readPlanFile(path: string): Plan {
  const { tables, ...rest } = parsePlan(path)
  return {
    description: rest.description,
    author: rest.author,
    remarks: rest.remarks,
    tag: rest.tag,
    requests: tables.map(({ table, source, key, mode, create, columns, ...options }) => ({
      source: source === '-' || isAbsolute(source) ? source : join(dirname(path), source),
      table,
      key: key ?? null,
      mode: mode ?? null,
      create,
      columns: columns ?? null,
      options: Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined))
    }))
  }
}

function parsePlan(path: string): z.output<typeof planSchema> {
  try {
    return planSchema.parse(parse(readFileSync(path, 'utf8')), { error: inWords })
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw usageError(
      'plan.invalid',
      `The plan ${path} cannot be used:\n${problem}`,
      'An example of a plan: rowback migrate --help'
    )
  }
}
