import { z } from 'zod'
import { BACKUP_SCOPES } from '../model/version.ts'
import type { OptionMeta } from './operation.ts'

function named<T extends z.ZodType>(schema: T, description: string, meta: OptionMeta = {}): T {
  return schema.meta({ description, ...meta }) as T
}

const VERSION = 'write a version by its number or its tag, such as 3'

/** A version by number or tag. */
export const versionReference = (description: string) =>
  named(z.union([z.string().min(1, VERSION), z.int().min(0, VERSION)], VERSION).transform(String), description, {
    placeholder: 'VERSION'
  })

/** A state: what a version left, or a backup holds. @param description what becomes of it */
export const stateReference = (description: string) =>
  versionReference(
    `the version, or the backup (its name, a beginning of it such as 000003, or latest), ${description}`
  ).meta({ placeholder: 'VERSION|BACKUP' })

export const text = (description: string, placeholder: string, meta: OptionMeta = {}) =>
  named(z.string().min(1), description, { placeholder, ...meta })

export const flag = (description: string) => named(z.boolean().default(false), description)

/** One of some words. */
export const choice = <T extends string>(words: readonly [T, ...T[]], standard: NoInfer<T>, description: string) =>
  named(z.enum(words).default(standard as never), description)

const NAMES = 'write names with commas between them, such as id or country,town'

/** `a,b` or a list. */
export const names = (description: string, placeholder: string) =>
  named(
    z
      .union([z.string().transform((list) => list.split(',').map((name) => name.trim())), z.array(z.string())])
      .pipe(z.array(z.string()).refine((list) => list.length > 0 && !list.includes(''), NAMES)),
    description,
    { placeholder }
  )

const COUNT = 'write a whole number from 0 on, such as 10'

export const count = (description: string) =>
  named(z.coerce.number(COUNT).pipe(z.int(COUNT).min(0, COUNT)), description, { placeholder: 'N' })

/** What a backup before a version holds; the same for every operation that takes one. */
export const scope = named(
  z.enum(BACKUP_SCOPES).optional(),
  'what is backed up before: the whole database, or only the tables that this may change; database unless rowback.yaml says otherwise'
)

/** Who makes a version and why; the same for every operation that makes one. */
export const authorship = {
  author: text('who does this: "NAME <EMAIL>", an e-mail address or an alias', 'WHO').optional(),
  remarks: text('anything else worth knowing', 'TEXT').optional(),
  tag: text('a name for the version, to be used instead of its number', 'TAG')
    .regex(/^(?!\d+$)[^\s]+$/, 'a tag has no blanks and is not a number: write one such as april-2026')
    .optional()
}

const SECONDS = 'write a number of seconds from 0 on, such as 30'

export const wait = named(
  z.coerce.number(SECONDS).min(0, SECONDS).default(5),
  'how long to wait for another migration to finish',
  {
    placeholder: 'SECONDS'
  }
)
