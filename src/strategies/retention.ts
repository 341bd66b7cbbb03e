import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import type { Ledger } from '../ledger/ledger.ts'
import type { RowChange } from '../model/change.ts'
import { plural } from '../model/plural.ts'
import { compareRows, digestOf } from '../model/rows-digest.ts'
import { sameList, writableColumns } from '../model/table.ts'
import { encodeRow } from '../model/value.ts'
import type { TrackedTable } from '../model/version.ts'
import type { TableChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { shapeFromHistory } from './history-shape.ts'
import { DoNotFit } from './increments.ts'
import { existedAt, touching } from './lifetimes.ts'
import type { PastShape } from './past-shape.ts'
import { pastShape } from './past-shape.ts'
import { changeSetsOf, rebuildAt } from './rebuild-at.ts'
import type { LiveState } from './session.ts'

/** What of a table's history is only needed for states before a version. */
export interface OldHistory {
  tracked: TrackedTable
  rows: number
  /** Of these rows, as a backup would write them. */
  bytes: number
}

/** Finds the rows that only states before a version need. Tables whose history does not reach back before it have none. */
export async function findOldHistory(engine: Engine, live: LiveState, before: number): Promise<OldHistory[]> {
  const found: OldHistory[] = []
  for (const tracked of live.everTracked) {
    if (tracked.since >= before || tracked.keptFrom >= before) continue
    const shape = await shapeFromHistory(engine, tracked)
    if (!shape) continue
    let [rows, bytes] = [0, 0]
    for await (const lines of engine.readOldHistory(shape, { history: tracked.history, live: false }, before)) {
      rows += lines.ends.length
      bytes += lines.bytes.length
    }
    if (rows > 0) found.push({ tracked, rows, bytes })
  }
  return found
}

/** Takes them out of the database and notes that, in one transaction. */
export async function takeOut(
  engine: Engine,
  ledger: Ledger,
  old: readonly OldHistory[],
  before: number,
  wait: number
): Promise<void> {
  await engine.transaction({ wait, foreignKeys: false }, async () => {
    for (const { tracked } of old) {
      await engine.deleteOldHistory({ history: tracked.history, live: false }, before)
      await ledger.keepHistoryFrom(tracked, before)
    }
  })
}

/**
 * Proves that the repository alone makes every state of a table from which history is to be taken out: the newest state
 * is made and compared by all its rows, and so is each before which rows were listed anew; between them each change set
 * must be what the history says of its version.
 * @throws RowbackError `history.not_kept` (exit code 5) where they differ; `backup.missing`, `backup.damaged`
 */
export async function proveKept(
  engine: Engine,
  repository: Repository,
  live: LiveState,
  tracked: TrackedTable,
  before: number
): Promise<void> {
  const proof = new Proof(engine, repository, live, tracked)
  const changeSets = await changeSetsOf(repository, live, tracked)
  const touched = touching(live.versions, tracked).filter((version) => version <= before)
  const begin = touched.findLastIndex((version) => version <= tracked.keptFrom)
  const points = touched.slice(Math.max(begin, 0)).map((version) => Math.max(version, tracked.keptFrom))
  for (const [i, at] of points.entries()) {
    if (!existedAt(tracked, live.versions, at)) continue
    const next = points[i + 1]
    const entry = changeSets
      .find(({ version }) => version === next)
      ?.tables.find(({ name, since }) => name === tracked.table && since === tracked.since)
    if (next === undefined || !entry || entry.all || entry.rows === null) await proof.ofState(at)
    else await proof.ofChanges(at, next, entry)
  }
}

class Proof {
  readonly #engine: Engine
  readonly #repository: Repository
  readonly #live: LiveState
  readonly #tracked: TrackedTable

  constructor(engine: Engine, repository: Repository, live: LiveState, tracked: TrackedTable) {
    this.#engine = engine
    this.#repository = repository
    this.#live = live
    this.#tracked = tracked
  }

  async ofState(at: number): Promise<void> {
    const rebuilt = await rebuildAt(this.#repository, this.#live, this.#tracked, at)
    const { table, tracking } = await this.#shapeAt(at, rebuilt.written)
    const kept = () => this.#engine.readState(table, tracking, at)
    const made = await digestOf(rebuilt.rows()).catch((error: unknown) => {
      if (!(error instanceof DoNotFit)) throw error
      throw notKept(this.#tracked.table, at, 'a version was made over rows that others changed')
    })
    if (made.equals(await digestOf(kept()))) return
    const { differing, example } = await compareRows(rebuilt.rows(), kept())
    throw notKept(
      this.#tracked.table,
      at,
      `${plural(differing, 'row')} ${differing === 1 ? 'differs' : 'differ'} there, such as ${example}`
    )
  }

  /** What each row line comes to over a version must be the same here and there. */
  async ofChanges(from: number, to: number, { removed, added, columns }: TableChangeSet): Promise<void> {
    const { table, tracking } = await this.#shapeAt(to, columns)
    const net = new Map<string, number>()
    const add = (line: string, by: number) => {
      const sum = (net.get(line) ?? 0) + by
      if (sum === 0) net.delete(line)
      else net.set(line, sum)
    }
    for (const { object } of removed) for (const line of await this.#repository.lines(object)) add(line, -1)
    for (const { object } of added) for (const line of await this.#repository.lines(object)) add(line, 1)
    for await (const { before, after } of this.#changes(table, tracking, from, to)) {
      if (before) add(encodeRow(before), 1)
      if (after) add(encodeRow(after), -1)
    }
    const [example] = net.keys()
    if (example === undefined) return
    throw notKept(this.#tracked.table, to, `its change set has other rows than the history, such as ${example}`)
  }

  #changes(
    table: PastShape['table'],
    tracking: PastShape['tracking'],
    from: number,
    to: number
  ): AsyncIterable<RowChange> {
    return this.#engine.changesBetween(table, tracking, from, to)
  }

  async #shapeAt(at: number, columns: readonly string[]): Promise<PastShape> {
    const shape = await pastShape(this.#engine, this.#live, this.#tracked, at)
    const names = shape && writableColumns(shape.table).map(({ name }) => name)
    if (shape && names && sameList(names, columns)) return shape
    throw notKept(
      this.#tracked.table,
      at,
      'the history does not have the columns of then, so the two cannot be compared'
    )
  }
}

function notKept(table: string, at: number, why: string): RowbackError {
  return new RowbackError({
    code: 'history.not_kept',
    message: `The repository does not have ${table} as the history in the database has it at version ${at}: ${why}.`,
    hint: 'Its history stays in the database. See what others changed with: rowback status --drift; make it a version with: rowback adopt',
    exit: ExitCode.conflict
  })
}
