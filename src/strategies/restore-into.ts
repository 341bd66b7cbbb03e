import { setTimeout } from 'node:timers/promises'
import type { Engine } from '../engines/engine.ts'
import { WHOLE_TABLE } from '../engines/engine.ts'
import { ExitCode, RowbackError, usageError } from '../errors.ts'
import { digestedLines, LinesDigest } from '../model/lines-digest.ts'
import { plural } from '../model/plural.ts'
import type { Comparison } from '../model/rows-digest.ts'
import { compareRows, digested, digestOf, RowsDigest } from '../model/rows-digest.ts'
import type { SchemaObject } from '../model/schema-object.ts'
import type { Table, TableDefinition } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import type { ReadableState, StateTable } from './backup-reader.ts'
import { withoutFirst } from './backup-reader.ts'
import type { MappedTable } from './map-table.ts'
import { changedTypes, mapTable, rowMapper } from './map-table.ts'
import { restoreSchemaObjects } from './schema-objects.ts'

const TRANSACTION = { wait: 5000, foreignKeys: false }
const NAMED_VIOLATIONS = 3
/** So long at least indexes are being made before rows are read back. */
const HEAD_START_MS = 30

export interface RestoreRequest {
  reader: ReadableState
  /** The name of the engine that it is of. */
  from: string
  /** In words, for messages: `version 3`. */
  state: string
  /** Only these tables; null for all. */
  tables: readonly string[] | null
  /** Off where events must not begin to fire. */
  events: boolean
  /** Gives it up. */
  signal: AbortSignal | undefined
  /** Called for a table that did not read back as it was written; without it that is an error. */
  onMismatch?: (table: string, comparison: Comparison) => void
}

export interface Restored {
  tables: { table: string; rows: number }[]
  /** What is not as it was, as sentences. */
  notes: string[]
}

/**
 * Writes a state into a database that has none of its tables, reads it back, and compares. On any error nothing of it
 * stays: where changes of the schema commit, the tables that were made are dropped again.
 * @throws RowbackError `table.exists`, `table.missing`, `value.unmappable`, `restore.mismatch`
 */
export async function restoreInto(request: RestoreRequest, target: Engine): Promise<Restored> {
  const names = chosenTables(request)
  await assertRoom(names, target)
  const work = new Restoration(request, names, target)
  return target.capabilities.transactionalDdl
    ? target.transaction(TRANSACTION, () => work.inOneTransaction())
    : work.inSteps()
}

/** @throws RowbackError `table.missing` */
function chosenTables({ reader, state, tables }: RestoreRequest): string[] {
  const all = reader.names().sort()
  if (tables === null) return all
  return tables.map((wanted) => {
    const name = all.find((one) => one === wanted) ?? all.find((one) => one.toLowerCase() === wanted.toLowerCase())
    if (name !== undefined) return name
    throw usageError('table.missing', `There was no table ${wanted} at ${state}.`, `There were: ${all.join(', ')}.`)
  })
}

/** @throws RowbackError `table.exists` or `target.versioned` */
async function assertRoom(names: readonly string[], target: Engine): Promise<void> {
  if (await target.hasControlTable('rowback_meta')) {
    throw new RowbackError({
      code: 'target.versioned',
      message: `${target.database} has versions of its own, which would not know of these tables.`,
      hint: 'Write the state into another database, or bring this one back with: rowback rollback N'
    })
  }
  const taken = new Set((await target.relations()).map((name) => name.toLowerCase()))
  const inTheWay = names.filter((name) => taken.has(name.toLowerCase()))
  if (inTheWay.length === 0) return
  throw new RowbackError({
    code: 'table.exists',
    message: `${target.database} has ${inTheWay.join(', ')} already; nothing is ever overwritten.`,
    hint: 'Name a new or empty database with --to, or leave tables out with --table.'
  })
}

/** One table on its way. */
interface Going {
  state: StateTable
  /** Null where the engine is the same, and the table is made by its own statements. */
  mapped: MappedTable | null
  /** Of what was written. */
  digest: RowsDigest | LinesDigest
}

class Restoration {
  readonly #request: RestoreRequest
  readonly #names: readonly string[]
  readonly #target: Engine
  readonly #going: Going[] = []
  readonly #made: string[] = []
  readonly #sequences: string[] = []
  /** Make what was left out of tables until they are full. */
  readonly #later: (() => Promise<void>)[] = []
  #objects: SchemaObject[] = []
  #tables: Table[] = []
  readonly #notes: string[] = []

  constructor(request: RestoreRequest, names: readonly string[], target: Engine) {
    this.#request = request
    this.#names = names
    this.#target = target
  }

  async inOneTransaction(): Promise<Restored> {
    await this.#readObjects()
    await this.#makeTables()
    await this.#fillTables()
    await this.#prove()
    await this.#makeWhatFollows()
    return this.#restored()
  }

  /** Changes of the schema commit: tables come before the rows, and all that fires or refuses after them. */
  async inSteps(): Promise<Restored> {
    try {
      await this.#readObjects()
      await this.#makeSequences()
      await this.#target.transaction(TRANSACTION, async () => {
        await this.#makeTables()
        await this.#fillTables()
      })
      await this.#proveWhileFinishing()
      await this.#makeWhatFollows()
      return this.#restored()
    } catch (error) {
      throw await this.#takenBack(error)
    }
  }

  /** With all tables of a database of the same kind goes what else there was. */
  async #readObjects(): Promise<void> {
    if (this.#request.tables !== null) return
    const { objects, notes } = await this.#request.reader.objects()
    this.#notes.push(...notes)
    if (this.#request.from === this.#target.name) {
      this.#objects = objects.filter(({ kind }) => this.#request.events || kind !== 'event')
    } else this.#notes.push(...objects.map(({ kind, name }) => `The ${kind} ${name} is left out.`))
  }

  /** Tables may draw their defaults from them. */
  async #makeSequences(): Promise<void> {
    const sequences = this.#objects.filter(({ kind }) => kind === 'sequence')
    this.#sequences.push(...sequences.map(({ name }) => name))
    this.#notes.push(...(await restoreSchemaObjects(this.#target, sequences)))
  }

  async #makeTables(): Promise<void> {
    for (const name of this.#names) {
      const state = await this.#state(name)
      if (this.#request.from === this.#target.name) {
        this.#later.push(await this.#target.makeToFill(name, state.ddl[0] as string))
        this.#going.push({ state, mapped: null, digest: state.lines ? new LinesDigest() : new RowsDigest() })
      } else {
        const mapped = await mapTable(state, this.#target)
        await this.#create(mapped.definition)
        this.#going.push({ state, mapped, digest: new RowsDigest() })
      }
      this.#made.push(name)
    }
    this.#tables = await this.#target.tables([])
  }

  /** @throws RowbackError `table.unnameable` for a name that the target has no room for, or keeps to itself */
  async #create(definition: TableDefinition): Promise<void> {
    try {
      await this.#target.createTable(definition)
    } catch (error) {
      if (!(error instanceof RowbackError) || error.code !== 'database') throw error
      throw unnameable(definition.name, this.#target, error.message.replace(/\.$/, ''), error)
    }
  }

  /** @throws RowbackError `backup.missing` (exit code 7) */
  async #state(name: string): Promise<StateTable> {
    const state = await this.#request.reader.table(name)
    if (state) return state
    throw new RowbackError({
      code: 'backup.missing',
      message: `The rows of ${name} at ${this.#request.state} are not there any more.`,
      hint: 'Leave the table out with --table.',
      exit: ExitCode.backupDamaged
    })
  }

  async #fillTables(): Promise<void> {
    for (const going of this.#going) {
      const { state, mapped, digest } = going
      const table = this.#table(state.name)
      if (mapped) this.#notes.push(...changedTypes(mapped, table), ...mapped.notes)
      assertSameColumns(state, table, this.#target)
      if (digest instanceof LinesDigest) {
        const lines = (state.lines as NonNullable<StateTable['lines']>)()
        await this.#target.fillLines(table, digestedLines(this.#untilGivenUp(lines), digest))
      } else await this.#target.fill(table, digested(this.#untilGivenUp(this.#rows(going)), digest))
      if (!mapped) await this.#makeIndexes(state, table)
    }
  }

  /** The rows as the target is to hold them. */
  #rows({ state, mapped }: Going): AsyncIterable<Row[]> {
    return mapped ? mappedRows(state.rows(), rowMapper(mapped, this.#table(state.name), this.#target)) : state.rows()
  }

  async *#untilGivenUp<T>(batches: AsyncIterable<T>): AsyncIterable<T> {
    for await (const batch of batches) {
      this.#request.signal?.throwIfAborted()
      yield batch
    }
  }

  /** Indexes that are not part of the table's own statement: made of rows that are there, they cost less. */
  async #makeIndexes(state: StateTable, table: Table): Promise<void> {
    const triggers = this.#triggers(state, table)
    for (const statement of state.ddl.slice(1)) {
      if (!triggers.includes(statement)) await this.#target.run(statement)
    }
  }

  /** Making indexes takes the database as long as reading the rows. Both have ended when this throws. */
  async #proveWhileFinishing(): Promise<void> {
    const finished = this.#finish()
    // An index lets readers in once it is begun, but would wait for one who is there already.
    await Promise.race([finished.catch(() => {}), setTimeout(HEAD_START_MS)])
    for (const ended of await Promise.allSettled([finished, this.#prove()])) {
      if (ended.status === 'rejected') throw ended.reason
    }
  }

  async #finish(): Promise<void> {
    for (const finish of this.#later) await finish()
  }

  /** Reads back what was written and compares it with what was to be written. @throws RowbackError `restore.mismatch` */
  async #prove(): Promise<void> {
    for (const going of this.#going) {
      const { state } = going
      this.#request.signal?.throwIfAborted()
      const table = this.#table(state.name)
      const read = () => withoutFirst(table.hiddenOrder, this.#target.readRows(table, WHOLE_TABLE))
      if (await this.#readsBack(going, table, read)) continue
      const comparison = await compareRows(this.#rows(going), read())
      if (comparison.differing === 0) continue
      if (!this.#request.onMismatch) throw mismatch(state.name, comparison)
      this.#request.onMismatch(state.name, comparison)
    }
    await this.#noteForeignKeys()
  }

  /** Lines come back in the order in which they went in, or else the rows are compared in any order. */
  async #readsBack({ digest }: Going, table: Table, read: () => AsyncIterable<Row[]>): Promise<boolean> {
    if (digest instanceof RowsDigest) return (await digestOf(read())).equals(digest)
    const back = new LinesDigest()
    for await (const { bytes } of this.#target.readLines(table, WHOLE_TABLE)) back.add(bytes)
    return back.value() === digest.value()
  }

  /** The rows are exactly those of the state; what leads nowhere did so before, and is said. */
  async #noteForeignKeys(): Promise<void> {
    const there = new Set(this.#tables.map((table) => table.name.toLowerCase()))
    const missing = this.#going.flatMap(({ state }) =>
      this.#table(state.name)
        .foreignKeys.filter((key) => !there.has(key.parentTable.toLowerCase()))
        .map((key) => `${state.name} refers to ${key.parentTable}, which is not there.`)
    )
    this.#notes.push(...new Set(missing))
    if (missing.length > 0) return
    const own = (violation: string) => this.#made.some((name) => violation.startsWith(`${name}:`))
    const violations = (await this.#target.foreignKeyViolations()).filter(own)
    if (violations.length === 0) return
    const named = violations.slice(0, NAMED_VIOLATIONS).join('; ')
    const more = violations.length > NAMED_VIOLATIONS ? ` and ${violations.length - NAMED_VIOLATIONS} more` : ''
    this.#notes.push(`References lead nowhere, as they did at ${this.#request.state}: ${named}${more}.`)
  }

  /** What must come after the rows and the tables: triggers, which would fire, and what reads the tables. */
  async #makeWhatFollows(): Promise<void> {
    for (const { state, mapped } of this.#going) {
      if (mapped) continue
      for (const statement of this.#triggers(state, this.#table(state.name))) await this.#target.run(statement)
    }
    const others = this.#objects.filter(({ kind }) => kind !== 'sequence')
    this.#notes.push(...(await restoreSchemaObjects(this.#target, others)))
  }

  #triggers(state: StateTable, table: Table): string[] {
    return this.#target.triggerStatements({ ...table, ddl: state.ddl })
  }

  #table(name: string): Table {
    const same = (table: Table) => table.name.toLowerCase() === name.toLowerCase()
    const found = this.#tables.find((table) => table.name === name) ?? this.#tables.find(same)
    if (found === undefined) throw unnameable(name, this.#target, 'it takes a table of that name for bookkeeping')
    return found
  }

  #restored(): Restored {
    const tables = this.#going.map(({ state, digest }) => ({ table: state.name, rows: digest.rows }))
    return { tables, notes: this.#notes }
  }

  /** Drops what was made. @returns the error, saying what state the database is in */
  async #takenBack(error: unknown): Promise<unknown> {
    const left: string[] = []
    for (const name of this.#made.reverse()) await this.#target.dropTable(name).catch(() => left.push(name))
    for (const name of this.#sequences) {
      await this.#target.run(`DROP SEQUENCE IF EXISTS ${this.#target.quote(name)}`).catch(() => left.push(name))
    }
    if (!(error instanceof RowbackError)) return error
    const { code, message, hint, exit } = error
    const state =
      left.length === 0
        ? `Nothing of it is left in ${this.#target.database}.`
        : `In ${this.#target.database} this is left, unfinished: ${left.join(', ')}.`
    return new RowbackError({ code, message, state, hint, exit, cause: error })
  }
}

async function* mappedRows(batches: AsyncIterable<Row[]>, map: (row: Row) => Row): AsyncIterable<Row[]> {
  for await (const rows of batches) yield rows.map(map)
}

/** @throws RowbackError `restore.mismatch` */
function assertSameColumns(state: StateTable, table: Table, target: Engine): void {
  const names = table && writableColumns(table).map((column) => column.name)
  if (names?.join('\n') === state.written.join('\n')) return
  throw new RowbackError({
    code: 'restore.mismatch',
    message: `${target.product} made ${state.name} with other columns than it had.`,
    hint: 'Write the state into a database on a server like the one it is of.'
  })
}

function unnameable(table: string, target: Engine, reason: string, cause?: unknown): RowbackError {
  return new RowbackError({
    code: 'table.unnameable',
    message: `The table ${table} cannot be made in ${target.product}: ${reason}.`,
    hint: 'Write the state into a database of the same kind, or leave this table out by naming the others with --table.',
    cause
  })
}

function mismatch(table: string, { differing, example }: Comparison): RowbackError {
  return new RowbackError({
    code: 'restore.mismatch',
    message: `${table} did not read back as it was written: ${plural(differing, 'row')} ${differing === 1 ? 'differs' : 'differ'}, for example ${example}.`,
    hint: 'Check whether the target holds the same types in the same way: its product, version and sql_mode.'
  })
}
