import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, renameSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import { parse, parseDocument, stringify } from 'yaml'
import { z } from 'zod'
import { usageError } from './errors.ts'
import type { BackupScope } from './model/version.ts'
import { BACKUP_SCOPES } from './model/version.ts'
import { inWords } from './schema-words.ts'

export const CONFIG_FILE = 'rowback.yaml'
export const DEFAULT_TARGET = 'sqlite:rowback.db'

const fileSchema = z.strictObject({
  target: z.string().min(1).optional(),
  repository: z.string().min(1).optional(),
  strategy: z.enum(['snapshot', 'incremental']).optional(),
  scope: z.enum(BACKUP_SCOPES).optional(),
  author: z.string().min(1).optional()
})

/** What `rowback.yaml` may say. */
export type ConfigFile = z.infer<typeof fileSchema>

/** What an invocation works with, wherever it was said. */
export interface Config {
  target: string
  /** Nobody named a target: the default file in the working directory is used, and tables are made as needed. */
  targetIsDefault: boolean
  repository: string
  strategy: 'snapshot' | 'incremental' | null
  /** What is backed up before a version. */
  scope: BackupScope
  author: string
}

export interface ConfigOverrides {
  target?: string | undefined
  repository?: string | undefined
  author?: string | undefined
}

/**
 * Puts together flags, environment and `rowback.yaml`, in this order of precedence.
 * @throws RowbackError `config.invalid` when the file cannot be understood
 */
export function loadConfig(overrides: ConfigOverrides, cwd = process.cwd(), env = process.env): Config {
  const path = join(cwd, CONFIG_FILE)
  const file = readConfigFile(path)
  const target = overrides.target ?? (env.ROWBACK_TARGET || undefined) ?? file.target
  return {
    target: target ?? DEFAULT_TARGET,
    targetIsDefault: target === undefined,
    repository: resolve(cwd, overrides.repository ?? file.repository ?? '.rowback'),
    strategy: file.strategy ?? null,
    scope: file.scope ?? 'database',
    author: overrides.author ?? (env.ROWBACK_AUTHOR || undefined) ?? file.author ?? systemAuthor(cwd)
  }
}

function readConfigFile(path: string): ConfigFile {
  if (!existsSync(path)) return {}
  try {
    return fileSchema.parse(parse(readFileSync(path, 'utf8')) ?? {}, { error: inWords })
  } catch (error) {
    const problem = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message
    throw usageError(
      'config.invalid',
      `${CONFIG_FILE} cannot be used: ${problem}`,
      'Correct the file, or make it anew: rowback init'
    )
  }
}

/** @throws RowbackError `config.exists` */
export function assertNoConfigFile(cwd = process.cwd()): void {
  if (!existsSync(join(cwd, CONFIG_FILE))) return
  throw usageError('config.exists', `There is a ${CONFIG_FILE} here already.`, 'Edit it, or remove it first.')
}

/**
 * Writes `rowback.yaml`.
 * @returns its path
 * @throws RowbackError `config.exists` when there is one already
 */
export function writeConfigFile(content: ConfigFile, cwd = process.cwd()): string {
  assertNoConfigFile(cwd)
  const path = join(cwd, CONFIG_FILE)
  writeFileSync(path, stringify(fileSchema.parse(content)))
  return path
}

/**
 * Writes the strategy into `rowback.yaml`, all else in it left as it is.
 * @returns `written`; `said` where it stood there already; `none` without a file, or where the file is about another
 *   database; `failed` where it cannot be written
 */
export function recordStrategy(
  config: Config,
  strategy: 'snapshot' | 'incremental',
  cwd = process.cwd()
): 'written' | 'said' | 'none' | 'failed' {
  const path = join(cwd, CONFIG_FILE)
  const file = readConfigFile(path)
  if (!existsSync(path)) return 'none'
  if (withoutPassword(file.target ?? config.target) !== withoutPassword(config.target)) return 'none'
  if ((file.strategy ?? 'snapshot') === strategy) return 'said'
  try {
    const document = parseDocument(readFileSync(path, 'utf8'))
    document.set('strategy', strategy)
    // Through a link, and whole or not at all.
    const real = realpathSync(path)
    writeFileSync(`${real}.new`, document.toString({ lineWidth: 0 }))
    renameSync(`${real}.new`, real)
    return 'written'
  } catch {
    return 'failed'
  }
}

/** A text without the password of the target URL in it: whatever stands before the last @ of the host's part. */
export function withoutPassword(text: string): string {
  return text.replace(/([a-z][a-z0-9+.-]*:\/\/[^/:@?#]*):[^/?#]*@/i, '$1@')
}

function systemAuthor(cwd: string): string {
  const name = gitSetting('user.name', cwd)
  const email = gitSetting('user.email', cwd)
  if (name && email) return `${name} <${email}>`
  return name ?? email ?? userInfo().username
}

function gitSetting(key: string, cwd: string): string | null {
  try {
    return (
      execFileSync('git', ['config', key], { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim() ||
      null
    )
  } catch {
    return null
  }
}
