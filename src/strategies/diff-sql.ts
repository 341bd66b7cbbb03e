import type { ChangedTable, DumpedTable, DumpText } from '../engines/dump-text.ts'
import { commentLine } from '../engines/dump-text.ts'
import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { RowChange } from '../model/change.ts'
import type { Column } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { sameValue } from '../model/value.ts'
import type { Repository } from '../store/repository.ts'
import type { StateTable } from './backup-reader.ts'
import type { TableChanges } from './changes.ts'
import type { LiveState } from './session.ts'
import { StateReader } from './state-reader.ts'

/** Stands for bytes that are no text, where a row cannot be read exactly. */
const REPLACEMENT = '\uFFFD'

/**
 * SQL for the stock client that makes one state of another: rows go first and come last, so that unique values may move
 * between rows. Tables that are missing are made, and those that are too many are dropped.
 * @param compared what differs, see compareStates
 * @throws RowbackError `value.undecodable` where a row can only be found by bytes that are no text
 */
export async function diffSql(
  engine: Engine,
  live: LiveState,
  repository: Repository | null,
  { from, to }: { from: number; to: number },
  compared: readonly TableChanges[]
): Promise<string> {
  const before = await StateReader.open(engine, live, repository, from)
  const after = await StateReader.open(engine, live, repository, to)
  const script = new Script(await engine.dumpText(), live)
  for (const changes of compared) {
    await script.add(changes, await before.table(changes.table), await after.table(changes.table))
  }
  return script.text(`From the state of version ${from} of ${engine.database} to that of version ${to}`)
}

/** Gathers statements by when they are to be run. */
class Script {
  readonly #dump: DumpText
  readonly #live: LiveState
  #notes = ''
  #made = ''
  #held = ''
  #deletes = ''
  #updates = ''
  #inserts = ''
  #finished = ''
  #dropped = ''

  constructor(dump: DumpText, live: LiveState) {
    this.#dump = dump
    this.#live = live
  }

  async add(changes: TableChanges, before: StateTable | undefined, after: StateTable | undefined): Promise<void> {
    if (changes.isPartial)
      this.#notes += commentLine(`${changes.table} is left out: its columns are not the same in both states.`)
    else if (!after) this.#dropped += before ? this.#dump.dropTable(before.name) : ''
    else if (!before) await this.#make(after)
    else await this.#change(changes, before, after)
  }

  async #make(table: StateTable): Promise<void> {
    this.#made += this.#dump.table(table.ddl)
    this.#inserts += await joined(this.#dump.inserts(dumped(table, table.written), table.rows()))
    this.#finished += this.#dump.afterRows(table.ddl) + this.#dump.triggers(table.ddl)
  }

  async #change(changes: TableChanges, before: StateTable, after: StateTable): Promise<void> {
    if (before.ddl.join('\n') !== after.ddl.join('\n')) {
      this.#notes += commentLine(`${after.name} is not defined alike in both states: only its rows are changed.`)
    }
    const { name, columns } = dumped(after, changes.columns)
    const table: ChangedTable = { name, columns, key: before.key ?? after.key }
    const come: Row[] = []
    let isSame = true
    for await (const change of changes.changes()) {
      assertDecoded(table, change)
      isSame = false
      const inPlace = change.before !== null && change.after !== null && !this.#movesUnique(table, change)
      if (inPlace) {
        this.#updates += this.#dump.updateRow(table, change)
        continue
      }
      if (change.before) this.#deletes += this.#dump.deleteRow(table, change.before)
      if (change.after) come.push(change.after)
    }
    this.#inserts += await joined(this.#dump.inserts(dumped(after, changes.columns), oneBatch(come)))
    if (!isSame) this.#holdTriggers(after)
  }

  /** What they did is among the changes already. */
  #holdTriggers({ name, ddl }: StateTable): void {
    const triggers = this.#live.tables.find((table) => table.name === name)?.triggers ?? []
    if (triggers.length === 0) return
    this.#held += this.#dump.dropTriggers(triggers)
    this.#finished += this.#dump.triggers(ddl)
  }

  /** Whether a unique value changes, which another row may still have; of a table that is gone nothing is known. */
  #movesUnique({ name, columns }: ChangedTable, { before, after }: RowChange): boolean {
    const unique = this.#live.tables.find((table) => table.name === name)?.uniqueKeys.flat()
    return columns.some(
      (column, i) =>
        (unique === undefined || unique.includes(column.name)) && !sameValue(before?.[i] ?? null, after?.[i] ?? null)
    )
  }

  text(about: string): string {
    const dump = this.#dump
    return [
      dump.begin(),
      commentLine(about),
      this.#notes,
      this.#made,
      this.#held,
      dump.startChanges(),
      this.#deletes,
      this.#updates,
      this.#inserts,
      dump.endChanges(),
      this.#finished,
      this.#dropped,
      dump.end()
    ].join('')
  }
}

function dumped(table: StateTable, names: readonly string[]): DumpedTable {
  const columns = names.map((name) => table.columns.find((column) => column.name === name) as Column)
  return { name: table.name, columns, hasGenerated: table.columns.some((column) => column.generated) }
}

function assertDecoded({ name, columns, key }: ChangedTable, { before, after }: RowChange): void {
  const found = columns.some(({ name: column }, i) => {
    if (key !== null && !key.includes(column)) return false
    return [before?.[i], after?.[i]].some((value) => typeof value === 'string' && value.includes(REPLACEMENT))
  })
  if (!found) return
  throw new RowbackError({
    code: 'value.undecodable',
    message: `A row of ${name} can only be found by a text with U+FFFD in it, which may stand for bytes that are no text.`,
    hint: 'Leave out --sql to see the rows that differ.'
  })
}

async function* oneBatch(rows: Row[]): AsyncIterable<Row[]> {
  if (rows.length > 0) yield rows
}

async function joined(pieces: AsyncIterable<string>): Promise<string> {
  let text = ''
  for await (const piece of pieces) text += piece
  return text
}
