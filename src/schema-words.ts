import type { z } from 'zod'

/**
 * What does not fit a schema, in words of ours: for what a schema itself says nothing of, its library speaks of types.
 * To be given to `parse`.
 */
export function inWords(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      if (issue.input === undefined) return 'it is missing'
      return `write ${NOUNS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `write one of: ${issue.values.map(String).join(', ')}`
    case 'too_small':
      if (issue.origin === 'string' || issue.origin === 'array')
        return Number(issue.minimum) > 1 ? undefined : 'it is empty'
      return `write ${issue.inclusive ? '' : 'more than '}${issue.minimum}${issue.inclusive ? ' or more' : ''}`
    case 'unrecognized_keys':
      return `${issue.keys.join(', ')} ${issue.keys.length === 1 ? 'is' : 'are'} not known here`
    case 'invalid_union':
      return 'it is not of a form that is known here'
    default:
      return undefined
  }
}

const NOUNS: Record<string, string> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'names with values',
  record: 'names with values'
}
