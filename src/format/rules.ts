import { z } from 'zod'
import { usageError } from '../errors.ts'
import type { RawCell } from '../model/failed-row.ts'
import { compileBounds } from './bounds.ts'
import { CellFailure, missingValue, quote } from './cell-failure.ts'
import { tooLong } from './coerce.ts'
import { compileDatePattern } from './date-pattern.ts'
import { TYPE_NAMES, typeNamed } from './type-name.ts'

const scalar = z.union([z.string(), z.number(), z.boolean(), z.null()])
const bound = z.union([z.number(), z.string()])

/** Of a map, in the sentence about a value that it lacks. */
const SHOWN_KEYS = 8

/** What a plan file may say of one column. */
export const columnRuleSchema = z.strictObject({
  from: z.string().min(1).optional().describe('the column of the source; the same name when left out'),
  type: z
    .string()
    .refine((name) => typeNamed(name) !== null, `the type is one of: ${TYPE_NAMES}`)
    .optional()
    .describe(`the type of a column that is to be made: ${TYPE_NAMES}`),
  trim: z.boolean().optional().describe('remove blanks around the value; what is empty then has no value'),
  required: z.boolean().optional().describe('a row without a value fails'),
  maxLength: z.int().positive().optional().describe('the most characters'),
  min: bound.optional().describe('the least number or the first date'),
  max: bound.optional().describe('the greatest number or the last date'),
  pattern: z.string().optional().describe('a regular expression found in every value; ^ and $ bind it to the whole'),
  map: z.record(z.string(), scalar).optional().describe('values of the source and what they become'),
  default: scalar.optional().describe('stands in for a missing value, and for one that the map does not have'),
  formats: z.array(z.string()).min(1).optional().describe('how dates are written, such as yyyy/MM/dd; tried in order')
})

export type ColumnRule = z.infer<typeof columnRuleSchema>

/** Cleans and checks one cell before it is turned into the column's type. */
export type CellRule = (cell: RawCell) => RawCell | CellFailure

/** A step sees values only; nulls pass through to the default and `required`. */
type Step = (text: string) => RawCell | CellFailure

/**
 * Compiles the rule of one column: trim, map, formats, default, then the checks.
 * @throws RowbackError `plan.format`, `plan.pattern` or `plan.bound` for what cannot be used
 */
export function compileRule(rule: ColumnRule, column: string): CellRule {
  const cleaning = cleaningSteps(rule)
  const substitute = rule.default === undefined ? null : scalarText(rule.default)
  const checks = checkSteps(rule)
  const missing = rule.required ? missingValue(column) : null
  return (cell) => {
    const cleaned = runSteps(cleaning, cell) ?? substitute
    if (missing && (cleaned === null || cleaned === '')) return missing
    return runSteps(checks, cleaned)
  }
}

function runSteps(steps: Step[], cell: RawCell | CellFailure): RawCell | CellFailure {
  let current = cell
  for (let i = 0; i < steps.length && typeof current === 'string'; i++) current = (steps[i] as Step)(current)
  return current
}

function cleaningSteps(rule: ColumnRule): Step[] {
  const steps: Step[] = []
  if (rule.trim) steps.push(trim)
  if (rule.map) steps.push(mapStep(rule.map, rule.default !== undefined))
  if (rule.formats) steps.push(formatsStep(rule.formats))
  return steps
}

function checkSteps(rule: ColumnRule): Step[] {
  const { maxLength, min, max, pattern } = rule
  const steps: Step[] = []
  if (maxLength !== undefined) steps.push((text) => tooLong(text, maxLength) ?? text)
  if (min !== undefined || max !== undefined) {
    const check = compileBounds(min, max)
    steps.push((text) => check(text) ?? text)
  }
  if (pattern !== undefined) steps.push(patternStep(pattern))
  return steps
}

function trim(text: string): RawCell {
  return text.trim() || null
}

function mapStep(entries: Record<string, string | number | boolean | null>, hasDefault: boolean): Step {
  const map = new Map(Object.entries(entries).map(([from, to]) => [from, scalarText(to)]))
  const known = [...map.keys()].slice(0, SHOWN_KEYS).map(quote).join(', ') + (map.size > SHOWN_KEYS ? ', …' : '')
  return (text) => {
    const mapped = map.get(text)
    if (mapped !== undefined) return mapped
    return hasDefault ? null : new CellFailure('not_in_map', `${quote(text)} is not in the map, which has ${known}`)
  }
}

function formatsStep(formats: string[]): Step {
  const readers = formats.map(compileDatePattern)
  return (text) => {
    for (const read of readers) {
      const iso = read(text)
      if (iso !== null) return iso
    }
    return new CellFailure('type.date', `${quote(text)} is not a date written as ${formats.join(' or ')}`)
  }
}

function patternStep(pattern: string): Step {
  const regex = compilePattern(pattern)
  return (text) =>
    regex.test(text) ? text : new CellFailure('check', `${quote(text)} does not match the pattern ${pattern}`)
}

function compilePattern(pattern: string): RegExp {
  try {
    return new RegExp(pattern, 'u')
  } catch (error) {
    throw usageError(
      'plan.pattern',
      `The pattern ${quote(pattern)} cannot be used: ${(error as Error).message}.`,
      'Correct it: it is a JavaScript regular expression.'
    )
  }
}

function scalarText(value: string | number | boolean | null): RawCell {
  return value === null ? null : String(value)
}
