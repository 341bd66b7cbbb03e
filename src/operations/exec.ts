import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { usageError } from '../errors.ts'
import type { VersionHeader } from '../ledger/ledger.ts'
import { parseAuthor } from '../model/author.ts'
import type { BackupScope } from '../model/version.ts'
import { openInput } from '../sources/input.ts'
import type { ExecutedScript } from '../strategies/exec-script.ts'
import { execScript } from '../strategies/exec-script.ts'
import { rehearse, runVersion } from '../strategies/run.ts'
import type { Script } from '../strategies/script-plan.ts'
import { planScript, readScript } from '../strategies/script-plan.ts'
import type { Context } from './context.ts'
import { authorship, flag, scope, text, wait } from './inputs.ts'
import { interruptedNotes } from './interrupted.ts'
import { operation } from './operation.ts'
import type { VersionJson } from './version-json.ts'
import { rehearsedJson, versionJson } from './version-json.ts'

const input = z.object({
  script: text('a file of SQL statements, or - for standard input', 'SCRIPT'),
  description: text('what this script is for', 'TEXT', { short: 'm' }).optional(),
  strategy: z
    .enum(['snapshot', 'incremental'])
    .meta({ description: 'how the version can be taken back: snapshot unless rowback.yaml says otherwise' })
    .optional(),
  scope,
  dryRun: flag('run it, say what it changed, and take all of it back'),
  wait,
  ...authorship
})

export interface ExecOutput extends Omit<VersionJson, 'version' | 'status'> {
  /** Null after a rehearsal. */
  version: number | null
  status: VersionJson['status'] | 'dry-run'
  /** How many statements ran. */
  statements: number
  notes: string[]
}

export const exec = operation({
  name: 'exec',
  summary: 'run a script of SQL that corrects data, as a new version',
  details: `All of it is one transaction: a statement that fails takes back the whole script. What it changed is found by comparing, so rows that cascades and triggers changed belong to the version too, and can be shown, compared and rolled back like those of a load.

INSERT, UPDATE, DELETE, REPLACE and SELECT may stand in the script, on MySQL also SET @variable and DELIMITER. What would commit, or change the schema or the session, is refused before anything runs. The script itself is not stored: only its name and its SHA-256.

Under snapshot the database is backed up first. Under incremental the tables that the script names to be written are tracked from then on; one that cannot be (it has no key, or triggers) is backed up instead. A table that is tracked already keeps its history under either.

The tables that may change are copied aside for the comparison, and others who write them wait meanwhile.`,
  example: 'rowback exec fix.sql -m "Trim the names of Q3"',
  positional: ['script'],
  input,
  makesDatabase: false,
  whenInterrupted: ({ dryRun }) => (dryRun ? 'refuse' : 'recover'),
  async run(context, options): Promise<ExecOutput> {
    if (!options.description) {
      throw usageError(
        'description.missing',
        'A script needs a description.',
        'Say what it is for: -m "Trim the names"'
      )
    }
    const { name, text, sha256 } = await readSql(options.script, context.signal)
    const header: VersionHeader = {
      kind: 'exec',
      strategy: options.strategy ?? context.config.strategy ?? 'snapshot',
      author: parseAuthor(options.author ?? context.config.author),
      description: options.description,
      remarks: options.remarks ?? null,
      tag: options.tag ?? null,
      targetVersion: null,
      sourceName: name,
      sourceSha256: sha256
    }
    const script = await readFitting(context, header, text)
    const waitMs = options.wait * 1000
    return options.dryRun
      ? rehearseScript(context, header, script, waitMs)
      : makeVersion(context, header, script, waitMs, options.scope)
  }
})

/** @throws RowbackError `source.unreadable`, or `script.encoding` for what is no UTF-8 */
async function readSql(path: string, signal: AbortSignal | undefined) {
  const source = await openInput(path, process.stdin, signal)
  try {
    const bytes = await readFile(source.path)
    const sha256 = createHash('sha256').update(bytes).digest('hex')
    return { name: source.name, text: decode(source.name, bytes), sha256 }
  } finally {
    await source.close()
  }
}

function decode(name: string, bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw usageError('script.encoding', `${name} is not in UTF-8.`, 'Save it in UTF-8, or convert it: iconv -t UTF-8')
  }
}

/** What can be refused is refused here, where it leaves no trace. */
async function readFitting(context: Context, { sourceName, strategy }: VersionHeader, text: string): Promise<Script> {
  const { engine } = context
  const live = await context.liveState()
  const script = readScript(
    sourceName === '-' ? 'The script' : String(sourceName),
    text,
    await engine.scriptDialect(),
    live
  )
  const around = { live, unsupported: await engine.unsupportedTables() }
  planScript(script, strategy, around, await engine.schemaObjects(), engine.capabilities)
  return script
}

async function makeVersion(
  context: Context,
  header: VersionHeader,
  script: Script,
  waitMs: number,
  scope: BackupScope | undefined
): Promise<ExecOutput> {
  const session = await context.session(waitMs, scope)
  let done: ExecutedScript | undefined
  const result = await runVersion(session, header, { wait: waitMs, foreignKeys: true }, async (run) => {
    done = await execScript(run, script, header.strategy)
    return done.tables
  })
  result.failed.close()
  return {
    ...versionJson(result.version, context.config.repository),
    statements: done?.statements ?? 0,
    notes: [...interruptedNotes(result.interrupted), ...result.notes, ...(done?.notes ?? [])]
  }
}

async function rehearseScript(
  context: Context,
  header: VersionHeader,
  script: Script,
  waitMs: number
): Promise<ExecOutput> {
  const startedAt = new Date().toISOString()
  const live = await context.liveState()
  const { result, failed } = await rehearse(context.engine, live, { wait: waitMs, foreignKeys: true }, (run) =>
    execScript(run, script, header.strategy)
  )
  failed.close()
  const { tables, statements, notes } = result
  return { ...rehearsedJson(header, tables, startedAt), statements, notes }
}
