import type { Engine, Refusal, RowFilter, TypedBatch, TypedRow } from '../engines/engine.ts'
import { Unholdable } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { quote } from '../format/cell-failure.ts'
import type { FormattedRow } from '../format/format.ts'
import { RowFormatter } from '../format/format.ts'
import { noCounts } from '../model/change.ts'
import type { FailureCode, RawCell } from '../model/failed-row.ts'
import { plural } from '../model/plural.ts'
import type { Table } from '../model/table.ts'
import type { Value } from '../model/value.ts'
import type { TableReport } from '../model/version.ts'
import type { SourceBatch, SourceRow } from '../sources/source.ts'
import type { Run } from '../strategies/run.ts'
import { RunAborted } from '../strategies/run.ts'
import type { BoundTable } from './bind-table.ts'
import { adaptersFor, EXTRA_COLUMN, FAILED_ROW_COLUMNS } from './bind-table.ts'
import type { FailurePolicy } from './request.ts'

export interface SampleChange {
  key: Value[]
  before: Value[] | null
  after: Value[] | null
}

export interface WrittenTable {
  report: TableReport
  sample: SampleChange[]
  notes: string[]
}

interface SourcedRow extends TypedRow {
  cells: RawCell[]
}

const SAMPLE_ROWS = 5

/** Called as rows move, for a progress bar. */
export type OnProgress = (progress: { table: string; bytesRead: number; bytes: number; rows: number }) => void

/**
 * Reads, formats and writes one source into its table, which exists by now.
 * @throws RunAborted when more rows fail than the policy allows
 */
export async function writeTable(
  run: Run,
  bound: BoundTable,
  table: Table,
  policy: FailurePolicy,
  onProgress: OnProgress
): Promise<WrittenTable> {
  const stage = new FormatStage(run, bound, table, policy, onProgress)
  const sample = new SampleOfChanges()
  const counts = await run.engine.writeRows<SourcedRow>({
    table,
    columns: bound.columns.map((column) => column.target.name),
    key: bound.key,
    mode: bound.mode,
    batches: stage.batches(),
    reread: (from) => stage.reread(from),
    version: run.number,
    tracking: run.tracking(table.name),
    expectedRows: () => stage.expectedRows,
    onKnown: (filter) => stage.leaveOut(filter),
    mayDeleteAbsent: () => stage.unknownKeys === 0,
    onRefused: (row, refusal) => stage.refuse(row, refusal),
    onChange: (change) => sample.add(change)
  })
  const { failed } = stage
  const report: TableReport = {
    table: table.name,
    read: stage.read,
    ...counts,
    failed,
    mode: bound.mode,
    key: bound.key
  }
  if (bound.rules) report.rules = bound.rules
  const tracked = run.live.tracked.get(table.name)
  if (tracked) report.history = tracked.history
  stage.enforcePolicy(report)
  return { report, sample: sample.changes, notes: stage.notes() }
}

/** The rows of a source on their way into the engine: good ones as typed batches, bad ones to the failed rows. */
class FormatStage {
  read = 0
  /** Failed rows of which it cannot be told which row of the table they are. */
  unknownKeys = 0
  readonly #run: Run
  readonly #bound: BoundTable
  readonly #table: Table
  readonly #policy: FailurePolicy
  readonly #onProgress: OnProgress
  readonly #formatter: RowFormatter
  readonly #adapters: ReturnType<Engine['adapter']>[] | null
  readonly #needsKeysOfFailed: boolean
  readonly #failedBefore: number
  /** Where a file of failed rows has the cells that no column could take; -1 in any other source. */
  readonly #extraAt: number
  /** Where the source has each column; null where cells are more than copied. */
  readonly #cellsAt: number[] | null
  #known: RowFilter | null = null
  #bytesRead = 0

  constructor(run: Run, bound: BoundTable, table: Table, policy: FailurePolicy, onProgress: OnProgress) {
    this.#run = run
    this.#bound = bound
    this.#table = table
    this.#policy = policy
    this.#onProgress = onProgress
    this.#formatter = new RowFormatter({ columns: bound.columns, sourceColumns: bound.source.columns })
    this.#adapters = adaptersFor(run.engine, bound.columns)
    this.#failedBefore = run.failed.of(table.name)
    const { columns } = bound.source
    this.#extraAt = FAILED_ROW_COLUMNS.every((name) => columns.includes(name)) ? columns.indexOf(EXTRA_COLUMN) : -1
    this.#cellsAt = plainCells(bound, this.#extraAt)
    this.#needsKeysOfFailed = bound.mode === 'mirror' || bound.mode === 'replace'
  }

  /** About how many rows the source has. */
  get expectedRows(): number {
    return this.#bytesRead === 0 ? this.read : Math.round((this.read * this.#bound.source.bytes) / this.#bytesRead)
  }

  /** Rows of this source that failed; the table may have had others in the same version. */
  get failed(): number {
    return this.#run.failed.of(this.#table.name) - this.#failedBefore
  }

  async *batches(): AsyncIterable<TypedBatch<SourcedRow>> {
    for await (const batch of this.#bound.source.read()) {
      this.#bytesRead = batch.bytesRead
      yield this.#formatBatch(batch)
      this.#onProgress({
        table: this.#table.name,
        bytesRead: batch.bytesRead,
        bytes: this.#bound.source.bytes,
        rows: this.read
      })
      this.#stopWhenTooMany()
    }
  }

  /** The good rows once more; the bad ones are told of already. */
  async *reread(from: number): AsyncIterable<TypedBatch<SourcedRow>> {
    let left = from
    for await (const batch of this.#bound.source.read()) {
      const rows: SourcedRow[] = []
      for (const row of batch.rows) {
        const { values } = this.#format(row)
        if (values) rows.push({ line: row.line, values, cells: row.cells })
      }
      const skipped = Math.min(left, rows.length)
      left -= skipped
      yield { rows: rows.slice(skipped), failedKeys: [] }
    }
  }

  #formatBatch(batch: SourceBatch): TypedBatch<SourcedRow> {
    const rows: SourcedRow[] = []
    const failedKeys: Value[][] = []
    this.read += batch.rows.length + batch.unreadable.length
    for (const bad of batch.unreadable) {
      this.unknownKeys++
      this.#run.failed.add({ table: this.#table.name, column: null, ...bad })
    }
    for (const row of batch.rows) {
      if (this.#known && this.#cellsAt && this.#known.isUnchanged(row.cells, this.#cellsAt)) continue
      const formatted = this.#format(row)
      if (formatted.values) {
        rows.push({ line: row.line, values: formatted.values, cells: row.cells })
        continue
      }
      this.#fail(row, formatted.failure)
      if (this.#needsKeysOfFailed) this.#keepRowOf(row, failedKeys)
    }
    return { rows, failedKeys }
  }

  /** Rows that the table has just as the source spells them go no further: what is there already is well formed. */
  leaveOut(filter: RowFilter): void {
    this.#known = filter
  }

  #format(row: SourceRow): FormattedRow {
    const extra = this.#extraAt < 0 ? null : row.cells[this.#extraAt]
    if (extra) return { failure: leftOver(extra) }
    const formatted = this.#formatter.format(row)
    const adapters = this.#adapters
    if (!formatted.values || adapters === null) return formatted
    const { values } = formatted
    for (let i = 0; i < values.length; i++) {
      const adapted = adapters[i]?.(values[i] as Value)
      if (adapted === undefined) continue
      if (adapted instanceof Unholdable) return { failure: this.#unholdable(i, adapted) }
      values[i] = adapted
    }
    return formatted
  }

  #unholdable(at: number, value: Unholdable): { column: string; code: FailureCode; reason: string } {
    return { column: this.#bound.columns[at]?.target.name ?? '', code: 'out_of_range', reason: value.reason }
  }

  /** The row of the table that a failed row stands for is not absent from the source: it stays. */
  #keepRowOf(row: SourceRow, failedKeys: Value[][]): void {
    const key = this.#bound.key && this.#formatter.key(row, this.#bound.key)
    if (key) failedKeys.push(key)
    else this.unknownKeys++
  }

  /** Takes a row that the database refused. */
  refuse(row: SourcedRow | null, refusal: Refusal): void {
    if (row) this.#fail({ line: row.line, cells: row.cells }, refusal)
    else this.#run.failed.add({ table: this.#table.name, line: null, raw: {}, ...refusal })
  }

  #fail(row: SourceRow, refusal: Refusal): void {
    const { columns } = this.#bound.source
    this.#run.failed.add({
      table: this.#table.name,
      line: row.line,
      column: refusal.column,
      code: refusal.code,
      reason: refusal.reason,
      raw: Object.fromEntries(columns.map((name, i) => [name, row.cells[i] ?? null]))
    })
  }

  /** A limit in rows ends the run at once; percentages and `abort` wait, so that every bad row is reported. */
  #stopWhenTooMany(): void {
    const { maxFailed } = this.#policy
    if (maxFailed && 'rows' in maxFailed && this.#run.failed.total > maxFailed.rows) {
      throw this.#tooMany(`more than the ${maxFailed.rows} that --max-failed allows`)
    }
  }

  enforcePolicy(report: TableReport): void {
    this.#stopWhenTooMany()
    const { maxFailed, onFailure } = this.#policy
    const { failed, read } = report
    if (failed > 0 && onFailure === 'abort') throw this.#tooMany('and --on-failure abort allows none')
    if (maxFailed && 'percent' in maxFailed && failed * 100 > maxFailed.percent * read) {
      throw this.#tooMany(`more than the ${maxFailed.percent}% that --max-failed allows`)
    }
    if (failed > 0 && this.#bound.mode === 'replace' && !this.#bound.key) {
      throw this.#tooMany('and without a key it cannot be told which rows of the table they stand for')
    }
  }

  #tooMany(rule: string): RunAborted {
    const { mode, key } = this.#bound
    const { failed } = this
    const report: TableReport = { table: this.#table.name, read: this.read, ...noCounts(), failed, mode, key }
    return new RunAborted(
      {
        code: 'rows.failed',
        message: `${failed} of ${this.read} rows failed, ${rule}.`,
        hint: `See them with: rowback rows ${this.#run.number} --failed`
      },
      [report]
    )
  }

  notes(): string[] {
    if (!this.#needsKeysOfFailed || this.unknownKeys === 0) return []
    return [
      `${plural(this.unknownKeys, 'failed row')} of ${this.#table.name} ${this.unknownKeys === 1 ? 'has' : 'have'} no readable key, so rows that the source does not have were left alone.`
    ]
  }
}

/** A rule may make another value of a cell, and a file of failed rows has cells that are no column's. */
function plainCells({ columns, source }: BoundTable, extraAt: number): number[] | null {
  const isPlain = extraAt < 0 && columns.every((column) => column.rule === undefined && column.source !== null)
  return isPlain ? columns.map((column) => source.columns.indexOf(column.source ?? '')) : null
}

function leftOver(extra: string): { column: string; code: FailureCode; reason: string } {
  const reason = `${EXTRA_COLUMN} still has ${quote(extra)}: put it where it belongs and empty ${EXTRA_COLUMN}`
  return { column: EXTRA_COLUMN, code: 'ragged', reason }
}

/** A few changes of each kind. */
class SampleOfChanges {
  readonly changes: SampleChange[] = []
  readonly #kinds = new Map<string, number>()

  add(change: SampleChange): void {
    const kind = change.before === null ? 'insert' : change.after === null ? 'delete' : 'update'
    const seen = this.#kinds.get(kind) ?? 0
    if (seen >= SAMPLE_ROWS) return
    this.#kinds.set(kind, seen + 1)
    this.changes.push({ ...change })
  }
}

/** The table that a bound source is written into, found again after DDL. */
export function tableOf(run: Run, bound: BoundTable): Table {
  const table = run.table(bound.name)
  if (table) return table
  throw new RowbackError({
    code: 'locked',
    message: `The table ${bound.name} went away while the migration was starting.`,
    hint: 'Try again.',
    exit: ExitCode.locked
  })
}
