import { readFileSync } from 'node:fs'
import type { z } from 'zod'
import type { Config, ConfigOverrides } from './config.ts'
import { loadConfig } from './config.ts'
import type { Engine } from './engines/engine.ts'
import { openEngine } from './engines/registry.ts'
import { RowbackError, usageError } from './errors.ts'
import { Ledger } from './ledger/ledger.ts'
import type { OnProgress } from './migrate/write-table.ts'
import type { FailedRow } from './model/failed-row.ts'
import { blame } from './operations/blame.ts'
import { checkout } from './operations/checkout.ts'
import type { OpenedTarget } from './operations/context.ts'
import { Context } from './operations/context.ts'
import { diff } from './operations/diff.ts'
import { enable } from './operations/enable.ts'
import { exec } from './operations/exec.ts'
import { recoverFirst, refuseInterrupted } from './operations/interrupted.ts'
import { log } from './operations/log.ts'
import { pointAtBackups } from './operations/lost-database.ts'
import type { MigrateOutput } from './operations/migrate.ts'
import { migrate } from './operations/migrate.ts'
import type { Operation } from './operations/operation.ts'
import { query } from './operations/query.ts'
import { revert } from './operations/revert.ts'
import { rollback } from './operations/rollback.ts'
import type { SucceededRow } from './operations/rows.ts'
import { succeededRows } from './operations/rows.ts'
import { show } from './operations/show.ts'
import { status } from './operations/status.ts'
import { inWords } from './schema-words.ts'

/** The version of this program. */
export const TOOL_VERSION: string = (
  JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }
).version

export interface OpenOptions extends ConfigOverrides {
  /** Called as rows move, for a progress bar. */
  onProgress?: OnProgress
  /** Gives a migration up; its transaction is aborted. */
  signal?: AbortSignal
}

/**
 * Opens a database.
 * @param options what is left out comes from the environment and `rowback.yaml`, as on the command line
 * @throws RowbackError when the target cannot be opened, or a newer rowback made its control tables
 */
export async function open(options: OpenOptions = {}): Promise<Rowback> {
  const config = loadConfig(options)
  return rowbackOf(await openTarget(config).catch(thrownWithBackups(config)), config, options)
}

/**
 * Opens a database for one operation. Where that works without the database, one that cannot be opened is no error before it
 * is asked for.
 * @throws RowbackError as {@link open} does
 */
export async function openFor(operation: Operation, options: OpenOptions): Promise<Rowback> {
  if (!operation.worksWithoutDatabase) return open(options)
  const config = loadConfig(options)
  return rowbackOf(await openThere(config).catch(asLost), config, options)
}

function rowbackOf(target: OpenedTarget, config: Config, { onProgress = () => {}, signal }: OpenOptions): Rowback {
  return new Rowback(new Context(target, config, onProgress, openEngine, signal))
}

async function openTarget(config: Config): Promise<{ engine: Engine; ledger: Ledger }> {
  const engine = await openEngine(config.target)
  try {
    return { engine, ledger: await Ledger.open(engine, TOOL_VERSION) }
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** @throws RowbackError `target.missing` also for a database that opening would make */
async function openThere(config: Config): Promise<OpenedTarget> {
  const target = await openTarget(config)
  if (!target.engine.isNew || target.ledger.exists) return target
  await target.engine.close()
  throw missing(config, target.engine)
}

/** What is thrown about a database that is not there, with a word on what the repository beside it has of it. */
function thrownWithBackups({ repository }: Config): (error: unknown) => Promise<never> {
  return async (error) => {
    throw await pointAtBackups(error, repository)
  }
}

function asLost(error: unknown): RowbackError {
  if (error instanceof RowbackError) return error
  throw error
}

function missing(config: Config, engine: Engine): RowbackError {
  return new RowbackError({
    code: 'target.missing',
    message: config.targetIsDefault
      ? 'There is no rowback.db here, and no target was named.'
      : `There is no database ${engine.database}.`,
    hint: 'Name one with --target URL, or load a first file: rowback migrate FILE -m "..."'
  })
}

/** What is wrong with an operation's input, in words. @param called the name that the user knows an input by */
function inputProblems({ issues }: z.ZodError, called: (input: string) => string): string {
  const problems = issues.map(({ path, message }) => {
    const [input, ...within] = path.map(String)
    const name = input === undefined ? 'The input' : [called(input), ...within].join('.')
    return `${name}: ${message}`
  })
  return `${problems.join('; ')}.`
}

type Input<O> = O extends Operation<infer I, unknown> ? z.input<I> : never
type Output<O> = O extends Operation<z.ZodObject, infer R> ? R : never

/** A database whose migrations are versions. Close it when done. */
export class Rowback {
  readonly #context: Context

  constructor(context: Context) {
    this.#context = context
  }

  get config(): Config {
    return this.#context.config
  }

  /**
   * Runs any operation of the catalog.
   * @param called the name that the user knows an input by, for messages: `keepLast` or `--keep-last`
   * @throws RowbackError `input.invalid` for input that does not fit, and what the operation throws
   */
  async run<I extends z.ZodObject, O>(
    operation: Operation<I, O>,
    input: unknown,
    called: (input: string) => string = (name) => name
  ): Promise<O> {
    await this.#assertThere(operation)
    const parsed = operation.input.safeParse(input, { error: inWords })
    if (!parsed.success) {
      throw usageError('input.invalid', inputProblems(parsed.error, called), `See: rowback ${operation.name} --help`)
    }
    const context = this.#context.forOne()
    try {
      await this.#whenInterrupted(operation, context, parsed.data)
      return await operation.run(context, parsed.data)
    } finally {
      context.release()
    }
  }

  async #assertThere(operation: Pick<Operation, 'makesDatabase' | 'worksWithoutDatabase'>): Promise<void> {
    if (operation.makesDatabase || (operation.worksWithoutDatabase && this.#context.lost)) return
    const { engine, ledger } = this.#context
    if (engine.isNew && !ledger.exists) await thrownWithBackups(this.config)(missing(this.config, engine))
  }

  async #whenInterrupted<I extends z.ZodObject, O>(
    operation: Operation<I, O>,
    context: Context,
    input: z.output<I>
  ): Promise<void> {
    const todo = operation.whenInterrupted?.(input) ?? null
    if (todo === null || context.lost || !context.ledger.exists) return
    if (todo === 'refuse') await refuseInterrupted(context)
    else context.recovered.push(...(await recoverFirst(context, Number(input.wait) * 1000)))
  }

  /** Loads a file into a table, as a new version. */
  async migrate(options: Input<typeof migrate>): Promise<MigratedVersion> {
    return new MigratedVersion(this.#context, await this.run(migrate, options))
  }

  /** Runs a file of SQL statements, as a new version. */
  exec(options: Input<typeof exec>): Promise<Output<typeof exec>> {
    return this.run(exec, options)
  }

  /** Brings the data back to what an earlier version left, as a new version. */
  rollback(
    version: number | string,
    options: Omit<Input<typeof rollback>, 'version'> = {}
  ): Promise<Output<typeof rollback>> {
    return this.run(rollback, { ...options, version })
  }

  /**
   * Takes back one version and keeps what came after it, as a new version.
   * @throws RowbackError `revert.conflict` with `details.conflicts` where that was touched again, unless `onConflict` settles it
   */
  revert(
    version: number | string,
    options: Omit<Input<typeof revert>, 'version'> = {}
  ): Promise<Output<typeof revert>> {
    return this.run(revert, { ...options, version })
  }

  /** Switches the strategy, with a full backup first, as a new version where there is anything to do. */
  enable(
    strategy: 'snapshot' | 'incremental',
    options: Omit<Input<typeof enable>, 'strategy'> = {}
  ): Promise<Output<typeof enable>> {
    return this.run(enable, { ...options, strategy })
  }

  /** The versions, newest first. */
  async log(): Promise<Output<typeof log>['versions']> {
    return (await this.run(log, {})).versions
  }

  show(version: number | string): Promise<Output<typeof show>> {
    return this.run(show, { version })
  }

  /**
   * What changed between two versions; the head when `to` is left out.
   * @param options.sql also as statements that turn the first state into the second
   * @param options.csv also as a CSV with a line for each cell that differs
   */
  diff(
    from: number | string,
    to?: number | string,
    options: { table?: string; sql?: boolean; csv?: boolean } = {}
  ): Promise<Output<typeof diff>> {
    return this.run(diff, { ...options, from, ...(to !== undefined && { to }) })
  }

  /**
   * For each cell of a row the version that set it, back through rollbacks and reverts.
   * @param key the value of the key, or the key's columns with their values
   * @param options.at the row as this version left it: its number, its tag, or a time
   * @throws RowbackError `row.unknown` for a row that never was
   */
  blame(
    table: string,
    key: Input<typeof blame>['key'],
    options: { at?: number | string } = {}
  ): Promise<Output<typeof blame>> {
    return this.run(blame, { ...options, table, key })
  }

  /**
   * Writes the state that a version left into another database, which has none of its tables.
   * @param to a URL, or the path of a SQLite file
   */
  checkout(
    version: number | string,
    to: string,
    options: { table?: string | string[] } = {}
  ): Promise<Output<typeof checkout>> {
    return this.run(checkout, { ...options, version, to })
  }

  /**
   * Runs a query that can only read.
   * @param options.at asks the state that this version left: its number, its tag, or a time
   */
  query(sql: string, options: { at?: number | string } = {}): Promise<Output<typeof query>> {
    return this.run(query, { ...options, sql })
  }

  /** @param options.drift looks for rows that others changed since the head, which reads all rows */
  status(options: { drift?: boolean } = {}): Promise<Output<typeof status>> {
    return this.run(status, options)
  }

  async close(): Promise<void> {
    if (!this.#context.lost) await this.#context.engine.close()
  }
}

/** A migration that was made a version. */
export class MigratedVersion {
  /** Null after a rehearsal. */
  readonly number: number | null
  readonly tables: MigrateOutput['tables']
  /** The whole answer, as `--json` prints it. */
  readonly json: MigrateOutput
  readonly #context: Context

  constructor(context: Context, json: MigrateOutput) {
    this.#context = context
    this.json = json
    this.number = json.version
    this.tables = json.tables
  }

  /** Streams the rows that were not written, with the reason of each. */
  async *failedRows(): AsyncIterable<FailedRow> {
    if (this.number !== null) yield* this.#context.ledger.failedRows(this.number)
  }

  /** Streams the rows that were inserted, updated or deleted. */
  async *succeededRows(): AsyncIterable<SucceededRow> {
    if (this.number === null) return
    const context = this.#context.forOne()
    try {
      yield* succeededRows(context, await context.ledger.version(this.number))
    } finally {
      context.release()
    }
  }
}
