import type { Engine } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import { RowKey } from '../model/key.ts'
import type { Table } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { decodeRow, encodeRow, linesOf } from '../model/value.ts'
import type { TrackedTable } from '../model/version.ts'
import type { ChangeSet } from '../store/change-set.ts'
import type { Repository } from '../store/repository.ts'
import { ChangeSpool } from './change-spool.ts'
import { DoNotFit, nameOf } from './increments.ts'
import { committedChangeSets } from './keep-change-set.ts'
import { headOf } from './lifetimes.ts'
import { lostBetween, ofTable } from './rebuild-at.ts'
import type { RebuiltTable } from './rebuilt-table.ts'
import { rebuildTable } from './rebuilt-table.ts'
import type { LiveState } from './session.ts'
import { hasSameColumns } from './shape.ts'
import { madeAgain } from './table-shapes.ts'
import { writersOf } from './written-by.ts'

/** What others did to a tracked table since the newest version that wrote it. */
export interface TheirChanges {
  tracked: TrackedTable
  /** From rows as that version left them to rows as they are, in the table's writable columns; to be closed. */
  changes: ChangeSpool
  /** Rows that others wrote anew as they were, so that they forgot which version wrote them: `before` and `after` are the same. */
  renewed: ChangeSpool
  /** The change sets of committed versions, the oldest first. */
  changeSets: ChangeSet[]
  /** The table as that version left it. */
  rebuilt: RebuiltTable
}

/** Finds the rows of tracked tables that others changed: live rows beside those that backup and change sets make. */
export class TrackedDrift {
  readonly #engine: Engine
  readonly #repository: Repository
  readonly #live: LiveState
  #changeSets: ChangeSet[] | null = null

  constructor(engine: Engine, repository: Repository, live: LiveState) {
    this.#engine = engine
    this.#repository = repository
    this.#live = live
  }

  /** @returns a sentence where it is not known, which says why */
  async of(table: Table, tracked: TrackedTable): Promise<TheirChanges | string> {
    if (table.lacksVersions) return madeAgain(this.#engine, table.name)
    try {
      this.#changeSets ??= await committedChangeSets(this.#repository, this.#live.versions)
      const kept = ofTable(this.#changeSets, tracked)
      const lost = lostBetween(this.#live, tracked, kept, headOf(this.#live.versions))
      if (lost !== undefined) {
        return notKnown(table, `the repository does not have the change set of version ${lost}`)
      }
      const rebuilt = await rebuildTable(this.#repository, this.#changeSets, table.name, tracked.since)
      if (rebuilt === null) return notKnown(table, 'the repository has no change sets of it')
      if (!hasSameColumns(table, rebuilt.written, rebuilt.columns))
        return `${table.name}: others changed its columns, so its rows are not compared.`
      const changes = await this.#changesSince(table, rebuilt)
      const renewed = await this.#renewedIn(table, tracked, changes, this.#changeSets)
      return { tracked, rebuilt, changes, renewed, changeSets: this.#changeSets }
    } catch (error) {
      if (!(error instanceof RowbackError) || !error.code.startsWith('backup.')) throw error
      return notKnown(table, reasonOf(error))
    }
  }

  /** By keys, because others may have changed rows before a version was made; without keys it must fit together. */
  async #changesSince(table: Table, rebuilt: RebuiltTable): Promise<ChangeSpool> {
    try {
      return await changesSince(this.#engine, table, rebuilt, rebuilt.ofVersions())
    } catch (error) {
      if (!(error instanceof DoNotFit)) throw error
      return changesSince(this.#engine, table, rebuilt, rebuilt.rows())
    }
  }

  /** A row that is written past rowback has the number 0, as those have that no version wrote. */
  async #renewedIn(
    table: Table,
    tracked: TrackedTable,
    changes: ChangeSpool,
    changeSets: readonly ChangeSet[]
  ): Promise<ChangeSpool> {
    const unnumbered = () => this.#engine.readWritten(table, 0, 0)
    const names = new Set<string>()
    for await (const { bytes } of unnumbered()) for (const line of linesOf(bytes)) names.add(nameOf(line))
    for await (const { after } of changes.read()) if (after) names.delete(nameOf(encodeRow(after)))
    const renewed = new ChangeSpool()
    if (names.size === 0) return renewed
    const { of, unsure } = await writersOf(this.#repository, tracked, changeSets, names)
    const isRenewed = (name: string) => (of.get(name) ?? 0) > 0 && !unsure.has(name)
    if (![...names].some(isRenewed)) return renewed
    for await (const { bytes } of unnumbered()) {
      for (const line of linesOf(bytes)) {
        if (!isRenewed(nameOf(line))) continue
        const row = decodeRow(line)
        renewed.add({ before: row, after: row })
      }
    }
    return renewed
  }
}

/** In memory are a hash of each row, and the rows that differ. */
async function changesSince(
  engine: Engine,
  table: Table,
  rebuilt: RebuiltTable,
  left: AsyncIterable<Row[]>
): Promise<ChangeSpool> {
  const counts = new Map<string, number>()
  const add = (name: string, by: number) => {
    const count = (counts.get(name) ?? 0) + by
    if (count === 0) counts.delete(name)
    else counts.set(name, count)
  }
  for await (const line of liveLines(engine, table)) add(nameOf(line), 1)
  const gone: Row[] = []
  for await (const rows of left) {
    for (const row of rows) {
      const name = nameOf(encodeRow(row))
      if (counts.has(name)) add(name, -1)
      else gone.push(row)
    }
  }
  const come: Row[] = []
  if (counts.size > 0) {
    for await (const line of liveLines(engine, table)) {
      const name = nameOf(line)
      if (!counts.has(name)) continue
      add(name, -1)
      come.push(decodeRow(line))
    }
  }
  return paired(new RowKey(rebuilt.written, table.key ?? [], table.collations), gone, come)
}

function paired(rowKey: RowKey, gone: readonly Row[], come: readonly Row[]): ChangeSpool {
  const changes = new ChangeSpool()
  const before = new Map<string, Row>()
  for (const row of gone) {
    const key = rowKey.of(row)
    if (key === null) changes.add({ before: row, after: null })
    else before.set(key, row)
  }
  for (const row of come) {
    const key = rowKey.of(row) ?? ''
    changes.add({ before: before.get(key) ?? null, after: row })
    before.delete(key)
  }
  for (const row of before.values()) changes.add({ before: row, after: null })
  return changes
}

/** A hidden order is no column, and change sets do not have it. */
async function* liveLines(engine: Engine, table: Table): AsyncIterable<string> {
  for await (const { bytes } of engine.readLines(table, WHOLE_TABLE)) {
    for (const line of linesOf(bytes)) yield table.hiddenOrder ? encodeRow(decodeRow(line).slice(1)) : line
  }
}

function notKnown({ name }: Table, reason: string): string {
  return `${name}: what others changed is not known: ${reason}.`
}

/** The change set of a version holds what it found: rows that others had changed do not fit those before. */
function reasonOf(error: RowbackError): string {
  if (!(error instanceof DoNotFit)) return error.message.replace(/\.$/, '')
  return 'a version was made over rows of others that were not adopted before'
}

/** Whether a version was made beside or over rows of others, so that backup and change sets do not make what was recorded. */
export async function isMisfit({ rebuilt }: TheirChanges): Promise<boolean> {
  try {
    for await (const _ of rebuilt.rows());
    return false
  } catch (error) {
    if (error instanceof DoNotFit) return true
    throw error
  }
}
