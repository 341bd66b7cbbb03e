import { extname } from 'node:path'
import { z } from 'zod'
import { ExitCode, usageError } from '../errors.ts'
import type { VersionHeader } from '../ledger/ledger.ts'
import type { BoundTable } from '../migrate/bind-table.ts'
import { bindTable, bindToPlanned } from '../migrate/bind-table.ts'
import { failedRowsCsv, failedRowsFileName } from '../migrate/failed-rows-csv.ts'
import { migrateTables } from '../migrate/migrate-tables.ts'
import { readPlanFile } from '../migrate/plan-file.ts'
import type { FailurePolicy, TableRequest } from '../migrate/request.ts'
import { parseMaxFailed } from '../migrate/request.ts'
import type { SampleChange, WrittenTable } from '../migrate/write-table.ts'
import { parseAuthor } from '../model/author.ts'
import { WRITE_MODES } from '../model/change.ts'
import type { FailedRow } from '../model/failed-row.ts'
import { toJson } from '../model/value.ts'
import type { BackupScope, StrategyName } from '../model/version.ts'
import { openSource } from '../sources/open.ts'
import type { Source } from '../sources/source.ts'
import type { Repository } from '../store/repository.ts'
import { assertFit, strategyNamed } from '../strategies/choose.ts'
import { notAtomicNote } from '../strategies/put-back.ts'
import type { RunResult } from '../strategies/run.ts'
import { rehearse, runVersion } from '../strategies/run.ts'
import type { Context } from './context.ts'
import { authorship, flag, names, scope, text, wait } from './inputs.ts'
import { interruptedNotes } from './interrupted.ts'
import { operation } from './operation.ts'
import type { VersionJson } from './version-json.ts'
import { rehearsedJson, versionJson } from './version-json.ts'

const input = z.object({
  source: text(
    'a CSV, TSV, JSON or NDJSON file (also .gz and .zst), - for standard input, or a plan file (.yaml)',
    'SOURCE'
  ),
  description: text('what this migration is; a plan file may say it', 'TEXT', { short: 'm' }).optional(),
  table: text('the table to write; the name of the file when left out', 'TABLE').optional(),
  key: names('the columns by which rows are found; the primary key when left out', 'COLUMN[,COLUMN]').optional(),
  mode: z
    .enum(WRITE_MODES)
    .meta({ description: 'how rows are written: upsert when there is a key, else insert' })
    .optional(),
  create: flag('make the table from the source if it is missing'),
  strategy: z
    .enum(['snapshot', 'incremental'])
    .meta({ description: 'how the version can be taken back: snapshot unless rowback.yaml says otherwise' })
    .optional(),
  scope,
  onFailure: z.enum(['skip', 'abort']).default('skip').meta({
    description: 'what failed rows do: skip leaves them out, abort leaves everything out',
    placeholder: 'POLICY'
  }),
  maxFailed: text('fail as a whole when more rows than this fail', 'N|P%')
    .refine(
      (limit) => parseMaxFailed(limit) !== null,
      'write a number of rows, or a percentage such as 5%, not more than 100%'
    )
    .optional(),
  dryRun: flag('say what would happen and change nothing'),
  delimiter: text('what separates the cells of a CSV; detected when left out', 'CHARACTER').optional(),
  quote: text('what encloses cells of a CSV; detected when left out', 'CHARACTER').optional(),
  encoding: text('the encoding of the source, such as gbk; detected when left out', 'NAME').optional(),
  header: z
    .boolean()
    .meta({ description: 'whether the first line of a CSV names its columns; detected when left out' })
    .optional(),
  wait,
  ...authorship
})

export interface MigrateOutput extends Omit<VersionJson, 'version' | 'status'> {
  /** Null after a rehearsal. */
  version: number | null
  status: VersionJson['status'] | 'dry-run'
  /** What was detected and decided, in sentences. */
  notes: string[]
  /** After a rehearsal: the first rows that would fail. */
  failedSample?: FailedRow[]
  /** After a rehearsal: some of the changes. */
  sample?: {
    table: string
    columns: string[]
    changes: { key: unknown[]; before: unknown[] | null; after: unknown[] | null }[]
  }[]
}

export const migrate = operation({
  name: 'migrate',
  summary: 'load a file into a table, as a new version',
  details: `Rows that fail are left out and reported, each with its line, column, code and reason; the others are written in one transaction together with the version. Rows whose content is the same already are not written.

Modes: insert adds rows; upsert adds and updates them by key; update changes rows that are there; delete takes away the rows that the source names; mirror is upsert and also takes away rows that the source does not have; replace makes the whole table what the source says.

A plan file (.yaml) loads several tables as one version, with rules for columns: from, type, trim, required, maxLength, min, max, pattern, map, default, formats. For example:

  description: Q3 customers
  tables:
    - table: customers
      source: ./customers.csv
      key: id
      columns:
        id:   { type: integer }
        name: { from: full name, trim: true, required: true, maxLength: 64 }
        tier: { map: { A: gold, B: silver }, default: basic }`,
  example: 'rowback migrate customers.csv --table customers --key id -m "Q3 customers"',
  positional: ['source'],
  input,
  makesDatabase: true,
  whenInterrupted: ({ dryRun }) => (dryRun ? 'refuse' : 'recover'),
  exitCode: (output: MigrateOutput) =>
    output.tables.some((table) => table.failed > 0) ? ExitCode.someRowsFailed : ExitCode.done,
  async run(context, options): Promise<MigrateOutput> {
    return runMigration(context, readJob(context, options), options.dryRun)
  }
})

/** All that a migration needs to know before it opens its sources. */
export interface Job {
  requests: TableRequest[]
  header: VersionHeader
  policy: FailurePolicy
  /** What is backed up before; as the configuration says when left out. */
  scope: BackupScope | undefined
  /** In milliseconds. */
  wait: number
}

/** Opens the sources, binds them to their tables and makes the version, or rehearses it. */
export async function runMigration(context: Context, job: Job, dryRun: boolean): Promise<MigrateOutput> {
  const sources: Source[] = []
  try {
    const bounds = await bindAll(context, job.requests, sources)
    for (const bound of bounds) await assertFits(context, bound, job.header.strategy)
    const notes = [
      ...targetNotes(context, dryRun),
      ...context.engine.advice,
      ...notAtomic(bounds),
      ...bounds.flatMap((bound) => [`${bound.source.name}: ${bound.source.summary}`, ...bound.notes])
    ]
    const prepared: Prepared = { ...job, bounds, notes }
    return dryRun ? await rehearseMigration(context, prepared) : await makeVersion(context, prepared)
  } finally {
    for (const source of sources) await source.close()
  }
}

interface Prepared extends Job {
  bounds: BoundTable[]
  notes: string[]
}

/** Asked again inside the transaction; asked here so that a refusal leaves no trace. */
async function assertFits(context: Context, bound: BoundTable, strategy: StrategyName): Promise<void> {
  if (bound.table === null) return
  const live = await context.liveState()
  const chosen = strategyNamed(live.tracked.has(bound.table.name) ? 'incremental' : strategy)
  assertFit(chosen, bound.table, bound.mode, { live, unsupported: await context.engine.unsupportedTables() })
}

/** What to know of tables that the database cannot take a load back from. */
function notAtomic(bounds: readonly BoundTable[]): string[] {
  const tables = bounds.flatMap(({ table }) => (table && !table.atomic ? [table] : []))
  return [...new Set(tables.map(notAtomicNote))]
}

function targetNotes({ config, engine }: Context, dryRun: boolean): string[] {
  if (!config.targetIsDefault) return []
  const what = engine.isNew ? (dryRun ? 'would be made' : 'is made') : 'is used'
  return [`No target was named: ${engine.database} ${what} in this folder.`]
}

function readJob(context: Context, options: z.output<typeof input>): Job {
  const isPlan = ['.yaml', '.yml'].includes(extname(options.source).toLowerCase())
  const plan = isPlan ? readPlanFile(options.source) : null
  const description = options.description ?? plan?.description
  if (!description) {
    throw usageError('description.missing', 'A migration needs a description.', 'Say what it is: -m "Q3 customers"')
  }
  const strategy: StrategyName = options.strategy ?? context.config.strategy ?? 'snapshot'
  return {
    requests: plan
      ? plan.requests.map((request) => ({ ...request, create: request.create || options.create }))
      : [requestFrom(options, context)],
    header: {
      kind: 'migrate',
      strategy,
      author: parseAuthor(options.author ?? plan?.author ?? context.config.author),
      description,
      remarks: options.remarks ?? plan?.remarks ?? null,
      tag: options.tag ?? plan?.tag ?? null,
      targetVersion: null,
      sourceName: null,
      sourceSha256: null
    },
    policy: { onFailure: options.onFailure, maxFailed: options.maxFailed ? parseMaxFailed(options.maxFailed) : null },
    scope: options.scope,
    wait: options.wait * 1000
  }
}

function requestFrom(options: z.output<typeof input>, context: Context): TableRequest {
  const { source, table, key, mode, create, delimiter, quote, encoding, header } = options
  if (source === '-' && !table) {
    throw usageError(
      'table.unnamed',
      'Standard input has no name that could name the table.',
      'Name it with --table TABLE.'
    )
  }
  return {
    source,
    table: table ?? null,
    key: key ?? null,
    mode: mode ?? null,
    create: create || context.config.targetIsDefault,
    columns: null,
    options: {
      ...(delimiter !== undefined && { delimiter }),
      ...(quote !== undefined && { quote }),
      ...(encoding !== undefined && { encoding }),
      ...(header !== undefined && { header })
    }
  }
}

async function bindAll(context: Context, requests: TableRequest[], sources: Source[]): Promise<BoundTable[]> {
  const { tables } = await context.liveState()
  const bounds: BoundTable[] = []
  for (const request of requests) {
    const wanted = request.table ? tables.find((table) => sameName(table.name, request.table)) : undefined
    const expectedColumns = wanted?.columns.map((column) => column.name)
    const options = { ...request.options, ...(expectedColumns && { expectedColumns }) }
    const source = await openSource(request.source, options, { signal: context.signal })
    sources.push(source)
    const planned = bounds.find((bound) => bound.definition && sameName(bound.name, request.table))?.definition
    bounds.push(
      planned
        ? bindToPlanned(context.engine, planned, request, source)
        : await bindTable(context.engine, tables, request, source)
    )
  }
  return bounds
}

function sameName(a: string, b: string | null): boolean {
  return a.toLowerCase() === b?.toLowerCase()
}

async function makeVersion(context: Context, job: Prepared): Promise<MigrateOutput> {
  const session = await context.session(job.wait, job.scope)
  const written: WrittenTable[] = []
  const header = { ...job.header, ...sourceIdentity(job.bounds) }
  const result = await runVersion(session, header, { wait: job.wait, foreignKeys: true }, async (run) => {
    written.push(
      ...(await migrateTables(run, strategyNamed(header.strategy), job.bounds, job.policy, context.onProgress))
    )
    return written.map((table) => table.report)
  })
  try {
    await writeFailedRows(result, session.repository, job.bounds)
    const notes = [
      ...interruptedNotes(result.interrupted),
      ...result.notes,
      ...job.notes,
      ...written.flatMap((table) => table.notes),
      ...(await unkeptObjects(session.repository, result.version.anchor))
    ]
    return { ...versionJson(result.version, context.config.repository), notes }
  } finally {
    result.failed.close()
  }
}

/** What the backup of a version could not keep, and why. */
async function unkeptObjects(repository: Repository, anchor: string | null): Promise<string[]> {
  return anchor === null ? [] : ((await repository.manifest(anchor)).objectNotes ?? [])
}

function sourceIdentity(bounds: BoundTable[]): Pick<VersionHeader, 'sourceName' | 'sourceSha256'> {
  const sources = [...new Map(bounds.map((bound) => [bound.source.name, bound.source])).values()]
  return {
    sourceName: sources.map((source) => source.name).join(', '),
    sourceSha256: sources.map((source) => source.sha256).join(',')
  }
}

async function writeFailedRows(result: RunResult, repository: Repository, bounds: BoundTable[]): Promise<void> {
  for (const [table, same] of Map.groupBy(bounds, (bound) => bound.name)) {
    if (result.failed.of(table) === 0) continue
    const columns = [...new Set(same.flatMap((bound) => bound.source.columns))]
    const csv = failedRowsCsv(columns, table, result.failed.rows())
    await repository.putFailedRows(failedRowsFileName(result.version.number, table), csv)
  }
}

async function rehearseMigration(context: Context, job: Prepared): Promise<MigrateOutput> {
  const live = await context.liveState()
  const startedAt = new Date().toISOString()
  const { result, failed } = await rehearse(context.engine, live, { wait: job.wait, foreignKeys: true }, (run) =>
    migrateTables(run, strategyNamed(job.header.strategy), job.bounds, job.policy, context.onProgress)
  )
  const failedSample = await firstOf(failed.rows(), SHOWN_FAILED)
  failed.close()
  const header = { ...job.header, ...sourceIdentity(job.bounds) }
  const tables = result.map((table) => table.report)
  return {
    ...rehearsedJson(header, tables, startedAt),
    notes: [...job.notes, ...result.flatMap((table) => table.notes)],
    failedSample,
    sample: job.bounds.map((bound, i) => ({
      table: bound.name,
      columns: bound.columns.map((column) => column.target.name),
      changes: (result[i]?.sample ?? []).map(sampleJson)
    }))
  }
}

const SHOWN_FAILED = 20

async function firstOf<T>(items: AsyncIterable<T>, most: number): Promise<T[]> {
  const first: T[] = []
  for await (const item of items) {
    if (first.length === most) break
    first.push(item)
  }
  return first
}

function sampleJson({ key, before, after }: SampleChange) {
  return { key: key.map(toJson), before: before?.map(toJson) ?? null, after: after?.map(toJson) ?? null }
}
