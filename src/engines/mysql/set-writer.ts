import type { WriteCounts } from '../../model/change.ts'
import { noCounts } from '../../model/change.ts'
import { writableColumns } from '../../model/table.ts'
import type { Row, Value } from '../../model/value.ts'
import type { Refusal, TypedBatch, TypedRow, WriteRequest } from '../engine.ts'
import { SUPERSEDED_COLUMN, VERSION_COLUMN } from '../engine.ts'
import { KeyRefusals, MOST_POSTPONED, SAMPLED, waitingCodes } from '../refusals.ts'
import { applyBisecting } from './bisect.ts'
import type { MysqlTable } from './catalogue.ts'
import type { MysqlColumn } from './columns.ts'
import { cellsOf, columnsNamed, copiesOf, copyExpression, sameCell } from './columns.ts'
import type { RawRow } from './connection.ts'
import { indexNamed } from './errors.ts'
import { FastPath } from './fast-path.ts'
import { KnownRows } from './known-rows.ts'
import { findOrphans } from './missing-parents.ts'
import { RisingKeys } from './rising-keys.ts'
import { SeenKeys } from './seen-keys.ts'
import { firstRows, Segments } from './segments.ts'
import { equal, list, literal, quote } from './sql-text.ts'
import { NUMBER, STAGE, STATE, Stage } from './stage.ts'
import type { Statements } from './statements.ts'

/** Rows of one LOAD DATA: if it does not go in whole, so many are taken back. */
const SEGMENT_ROWS = 100_000
/** Rows are staged, compared and written in chunks: what one chunk costs is bounded, and so is memory. */
const CHUNK_ROWS = 10_000
const CHUNK_CHARACTERS = 8 << 20

/** Chunks of what is left of a source once most of its rows are known to be there: the server has little else to do. */
const FEW_CHANGED_ROWS = 2000

/** To read a row of the table out takes so small a part of the time that it takes to stage and compare one. */
const READING_PER_STAGING = 1 / 10
const FIRST_CHUNK_ROWS = 1000
/** Some 22 bytes each: more would take more memory than a load should. */
const MOST_KNOWN = 2_500_000

const UNCHANGED = 0
const NEW = 1
const DIFFERENT = 2
const REFUSED = 3

/** So few rows are tried one by one sooner than asked about. */
const FEW = 8

type Chunk<R> = Map<number, R>

/** Does something to all staged rows of a range of numbers. */
type Apply = (from: number, to: number) => Promise<void>

/** What {@link SetWriter} needs besides the request itself. */
export interface WriteParts {
  statements: Statements
  /** Where the history stands, quoted; null for a table that is not tracked. */
  history: string | null
  /** Reads columns exactly. @param rest follows the select list */
  decode: (columns: readonly MysqlColumn[], alias: string, rest: string) => Promise<Row[]>
}

/**
 * Writes a source's rows set by set: stage, compare on the server, write what differs. What the server refuses is
 * halved until the row at fault stands alone.
 */
export class SetWriter<R extends TypedRow> {
  readonly #parts: WriteParts
  readonly #statements: Statements
  readonly #request: WriteRequest<R>
  readonly #columns: MysqlColumn[]
  readonly #key: MysqlColumn[]
  readonly #keyAt: number[]
  readonly #counts: WriteCounts = noCounts()
  readonly #refusals: KeyRefusals
  readonly #mayWait: ReadonlySet<Refusal['code']>
  readonly #stage: Stage
  /** Null where every row can only be new: the table was empty, or has no key. */
  #seen: SeenKeys | null = null
  #fastPath: FastPath | null = null
  #known: KnownRows | null = null
  #staged = 0
  /** About how many rows the table has; null until that is asked. */
  #liveRows: number | null = null
  #postponed: R[] = []
  #isWaitingUseful = true
  #told = 0
  #toldInserts = 0

  constructor(parts: WriteParts, request: WriteRequest<R>) {
    this.#parts = parts
    this.#statements = parts.statements
    this.#request = request
    this.#columns = columnsNamed(request.table, request.columns)
    this.#key = columnsNamed(request.table, request.key ?? [])
    this.#keyAt = (request.key ?? []).map((name) => request.columns.indexOf(name))
    this.#refusals = new KeyRefusals(request.key ?? [])
    this.#mayWait = waitingCodes(request.table)
    this.#stage = new Stage(parts.statements, this.#columns)
  }

  async write(): Promise<WriteCounts> {
    const { mode, key, table } = this.#request
    if (mode === 'replace' && !key) this.#counts.deleted += await this.#clear()
    const onlyNew = mode !== 'update' && mode !== 'delete' && (await this.#isEmpty())
    if (key && !onlyNew) this.#seen = new SeenKeys(this.#statements, this.#key)
    else if (table.atomic) this.#fastPath = new FastPath(this.#statements, table, this.#columns, this.#fixed())
    if (this.#fastPath && this.#statements.product.localInfile) await this.#writeStraight(this.#fastPath)
    else await this.#writeChunks(this.#request.batches)
    this.#counts.unchanged += this.#known?.unchanged ?? 0
    await this.#writePostponed(true)
    if ((mode === 'mirror' || mode === 'replace') && this.#seen && this.#request.mayDeleteAbsent()) {
      await this.#deleteAbsent(this.#seen)
    }
    await this.#writePostponed(false)
    await this.#seen?.close()
    await this.#stage.drop()
    return this.#counts
  }

  /**
   * Streams segment after segment into the empty table: the first is all that may go in bulk. One that does not go in whole
   * is read again and written chunk by chunk, and so is what follows.
   */
  async #writeStraight(fastPath: FastPath): Promise<void> {
    const { table, columns, batches } = this.#request
    const segments = new Segments(batches, SEGMENT_ROWS)
    let rising = RisingKeys.of<R>(this.#statements.product, table as MysqlTable, columns)
    while (!segments.isOver) {
      const sample: R[] = []
      const onRow = (row: R) => {
        if (sample.length < SAMPLED) sample.push(row)
      }
      const isWhole = rising
        ? fastPath.streamInBulk(segments.next(onRow, rising.rises.bind(rising)), () => segments.rows)
        : fastPath.stream(segments.next(onRow), () => segments.rows)
      rising = null
      if (await isWhole) {
        this.#countInserted(segments.rows, sample)
        continue
      }
      await this.#writeChunks(firstRows(this.#request.reread(segments.before), segments.rows))
      await this.#writeChunks(segments.remaining())
    }
  }

  /** While the server works on one chunk, the next one is read and formatted. */
  async #writeChunks(batches: AsyncIterable<TypedBatch<R>>): Promise<void> {
    let chunk: Chunk<R> = new Map()
    let characters = 0
    let working: Promise<void> = Promise.resolve()
    const hand = async () => {
      await working
      const rows = chunk
      working = this.#writeChunk(rows, true)
      // Whoever awaits it hears of a failure; until then it must not end the process.
      working.catch(() => {})
      chunk = new Map()
      characters = 0
    }
    for await (const batch of batches) {
      if (batch.failedKeys.length > 0 && this.#seen) {
        await working
        await this.#seen.keep(batch.failedKeys)
      }
      for (const row of batch.rows) {
        if (this.#known?.isUnchangedRow(row.values)) continue
        chunk.set(chunk.size + 1, row)
        characters += weightOf(row.values)
        if (this.#staged === 0 && this.#seen && chunk.size >= FIRST_CHUNK_ROWS) {
          await hand()
          await working
        }
        const enough = this.#known ? FEW_CHANGED_ROWS : CHUNK_ROWS
        if (chunk.size >= enough || characters >= CHUNK_CHARACTERS) await hand()
      }
      if (await this.#isWorthKnowing()) {
        await working
        await this.#learn(this.#seen as SeenKeys)
      }
    }
    await hand()
    await working
  }

  /** The source brings mostly what is there, and so much more of it that reading the table out is faster. */
  async #isWorthKnowing(): Promise<boolean> {
    const { mode } = this.#request
    if (this.#known || !this.#seen || (mode !== 'upsert' && mode !== 'update')) return false
    if (this.#staged < FIRST_CHUNK_ROWS || this.#counts.unchanged * 2 < this.#staged) return false
    this.#liveRows ??= await this.#countAbout()
    const toCome = this.#request.expectedRows() - this.#staged
    return this.#liveRows <= MOST_KNOWN && this.#liveRows * READING_PER_STAGING <= toCome
  }

  /** The server's own estimate. */
  async #countAbout(): Promise<number> {
    const [row] = await this.#statements.read(
      `SELECT TABLE_ROWS FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = ${literal(this.#request.table.name)}`
    )
    return Number(row?.[0] ?? 0)
  }

  /** Reads what the table has, this version's own rows included. */
  async #learn(seen: SeenKeys): Promise<void> {
    const { table } = this.#request
    const limits = { expected: this.#liveRows ?? 0, most: MOST_KNOWN }
    const known = await KnownRows.read(this.#statements, table.name, this.#columns, this.#keyAt, limits)
    if (known === null) {
      this.#liveRows = Number.POSITIVE_INFINITY
      return
    }
    for await (const { rows } of this.#statements.stream(this.#liveKeys(`${seen.place} s`))) {
      for (const key of rows) known.takeKey(key)
    }
    this.#known = known
    this.#request.onKnown(known)
  }

  /** Keys of the table, as it spells them, of rows that are named by key elsewhere. */
  #liveKeys(from: string, more = ''): string {
    return `SELECT ${cellsOf(this.#key, 't').join(', ')}${more} FROM ${from} JOIN ${this.#live} t ON ${this.#sameKey()}`
  }

  /** @param isFirstTime off for rows that waited: their keys are known */
  async #writeChunk(chunk: Chunk<R>, isFirstTime: boolean): Promise<void> {
    if (chunk.size === 0) return
    if (await this.#fastPath?.write(chunk)) {
      this.#countInserted(chunk.size, chunk.values())
      return
    }
    this.#staged += chunk.size
    const staged = new Set(await this.#stage.fill(chunk, (number, refusal) => this.#refuse(chunk, number, refusal)))
    if (this.#seen && isFirstTime) await this.#refuseRepeated(this.#seen, chunk, staged)
    if (this.#request.key) await this.#compare()
    const { unchanged, fresh, different } = await this.#states(staged)
    await this.#writeByMode(chunk, unchanged, fresh, different)
  }

  async #refuseRepeated(seen: SeenKeys, chunk: Chunk<R>, staged: Set<number>): Promise<void> {
    const repeated: Map<number, number | null> = await seen.repeated((number) => chunk.get(number)?.line ?? 0)
    await this.#findKnownKeys(repeated)
    for (const [number, line] of repeated) {
      staged.delete(number)
      const row = chunk.get(number) as R
      this.#request.onRefused(row, this.#refusals.repeated(this.#keyOf(row), line))
    }
    if (repeated.size > 0) {
      await this.#statements.execute(`DELETE FROM ${STAGE} WHERE ${NUMBER} IN (${[...repeated.keys()].join(', ')})`)
    }
    await seen.takeStaged()
  }

  /** Rows that were found unchanged were never staged: only {@link KnownRows} has seen their keys. */
  async #findKnownKeys(repeated: Map<number, number | null>): Promise<void> {
    if (!this.#known) return
    const found: [number: number, key: RawRow][] = []
    for await (const { rows } of this.#statements.stream(this.#liveKeys(`${STAGE} s`, `, s.${NUMBER}`))) {
      for (const row of rows) found.push([Number(row.at(-1)?.toString()), row.slice(0, -1)])
    }
    for (const [number, key] of found) {
      if (!repeated.has(number) && this.#known.takeKey(key)) repeated.set(number, null)
    }
  }

  /** Notes for each staged row whether the table has it, and with the same content. */
  async #compare(): Promise<void> {
    const there = this.#request.table.columns.find((column) => !column.nullable)?.name ?? this.#key[0]?.name ?? ''
    await this.#statements.execute(
      `UPDATE ${STAGE} s LEFT JOIN ${this.#live} t ON ${this.#sameKey()} SET s.${STATE} = ` +
        `CASE WHEN t.${quote(there)} IS NULL THEN ${NEW} WHEN ${this.#sameContent()} THEN ${UNCHANGED} ELSE ${DIFFERENT} END`
    )
  }

  async #states(staged: ReadonlySet<number>): Promise<{ unchanged: number[]; fresh: number[]; different: number[] }> {
    if (!this.#request.key) {
      await this.#statements.execute(`UPDATE ${STAGE} SET ${STATE} = ${NEW}`)
      return { unchanged: [], fresh: [...staged], different: [] }
    }
    const rows = await this.#statements.read(
      `SELECT ${NUMBER}, ${STATE} FROM ${STAGE} WHERE ${STATE} <> ${UNCHANGED} ORDER BY ${NUMBER}`
    )
    const pick = (state: number) => rows.filter((row) => Number(row[1]) === state).map((row) => Number(row[0]))
    const fresh = pick(NEW)
    const different = pick(DIFFERENT)
    const touched = new Set([...fresh, ...different])
    return { unchanged: [...staged].filter((number) => !touched.has(number)), fresh, different }
  }

  async #writeByMode(chunk: Chunk<R>, unchanged: number[], fresh: number[], different: number[]): Promise<void> {
    const { mode } = this.#request
    const there = [...unchanged, ...different].sort((a, b) => a - b)
    if (mode === 'delete') {
      this.#refuseAll(chunk, fresh, (key) => this.#refusals.notFound(key))
      await this.#delete(chunk, there)
      return
    }
    if (mode === 'insert' || this.#seen === null) {
      this.#refuseAll(chunk, there, (key) =>
        this.#seen === null ? this.#refusals.repeated(key, null) : this.#refusals.alreadyThere(key)
      )
    } else {
      this.#counts.unchanged += unchanged.length
      await this.#update(chunk, different)
    }
    if (mode === 'update') this.#refuseAll(chunk, fresh, (key) => this.#refusals.notFound(key))
    else await this.#insert(chunk, fresh)
  }

  #refuseAll(chunk: Chunk<R>, numbers: readonly number[], refusal: (key: Value[]) => Refusal): void {
    for (const number of numbers) {
      const row = chunk.get(number) as R
      this.#request.onRefused(row, refusal(this.#keyOf(row)))
    }
  }

  async #insert(chunk: Chunk<R>, numbers: readonly number[]): Promise<void> {
    const fixed = this.#fixed()
    const targets = list([...this.#request.columns, ...fixed.map(([name]) => name)])
    const values = [copiesOf(this.#columns, 's'), ...fixed.map(([, sql]) => sql)].join(', ')
    const done = await this.#apply(chunk, numbers, async (from, to) => {
      await this.#statements.execute(
        `INSERT INTO ${this.#live} (${targets}) SELECT ${values} FROM ${STAGE} s ` +
          `WHERE s.${STATE} = ${NEW} AND s.${NUMBER} BETWEEN ${from} AND ${to} ORDER BY s.${NUMBER}`
      )
    })
    this.#countInserted(
      done.length,
      done.values().map((number) => chunk.get(number) as R)
    )
  }

  async #update(chunk: Chunk<R>, numbers: readonly number[]): Promise<void> {
    const fixed = [
      ...this.#fixed(),
      ...this.#resets().map((column) => [column.name, `DEFAULT(t.${quote(column.name)})`] as const)
    ]
    const sets = [
      ...this.#columns.map(
        (column) => `t.${quote(column.name)} = ${copyExpression(column, `s.${quote(column.name)}`)}`
      ),
      ...fixed.map(([name, sql]) => `t.${quote(name)} = ${sql}`)
    ]
    const update = `UPDATE ${this.#live} t JOIN ${STAGE} s ON ${this.#sameKey()} SET ${sets.join(', ')}`
    this.#counts.updated += await this.#change(chunk, numbers, update, (row) => row.values)
  }

  async #delete(chunk: Chunk<R>, numbers: readonly number[]): Promise<void> {
    // One statement takes them all, whatever their state.
    await this.#statements.execute(`UPDATE ${STAGE} SET ${STATE} = ${DIFFERENT} WHERE ${STATE} = ${UNCHANGED}`)
    const remove = `DELETE t FROM ${this.#live} t JOIN ${STAGE} s ON ${this.#sameKey()}`
    this.#counts.deleted += await this.#change(chunk, numbers, remove, () => null)
  }

  /**
   * Changes the rows that are there, and keeps them as they were in history.
   * @param statement without its WHERE clause
   * @param after says what a row will be
   * @returns how many could be changed
   */
  async #change(
    chunk: Chunk<R>,
    numbers: readonly number[],
    statement: string,
    after: (row: R) => Value[] | null
  ): Promise<number> {
    const before = await this.#rowsBefore(numbers)
    const done = await this.#apply(chunk, numbers, async (from, to) => {
      const where = `WHERE s.${STATE} = ${DIFFERENT} AND s.${NUMBER} BETWEEN ${from} AND ${to}`
      await this.#supersede(`${this.#live} t JOIN ${STAGE} s ON ${this.#sameKey()} ${where}`)
      await this.#statements.execute(`${statement} ${where}`)
    })
    for (const number of done) {
      const row = chunk.get(number) as R
      const was = before.get(number)
      if (was) this.#request.onChange({ key: this.#keyOf(row), before: was, after: after(row) })
    }
    return done.length
  }

  /**
   * Keeps rows that are about to change in history; those of this version itself are no state of any version.
   * @param rows of the table as `t`, with a WHERE clause
   */
  async #supersede(rows: string): Promise<void> {
    const { table, version } = this.#request
    if (this.#parts.history === null) return
    const columns = writableColumns(table) as MysqlColumn[]
    const names = [...columns.map((column) => column.name), VERSION_COLUMN, SUPERSEDED_COLUMN]
    const copies = `${copiesOf(columns, 't')}, t.${quote(VERSION_COLUMN)}, ${version}`
    await this.#statements.execute(
      `INSERT INTO ${this.#parts.history} (${list(names)}) SELECT ${copies} FROM ${rows} AND t.${quote(VERSION_COLUMN)} <> ${version}`
    )
  }

  /** @returns the rows as they are, in the written columns, of the first few */
  async #rowsBefore(numbers: readonly number[]): Promise<Map<number, Value[]>> {
    if (numbers.length === 0 || this.#told >= SAMPLED) return new Map()
    this.#told += numbers.length
    const rows = await this.#parts.decode(
      this.#columns,
      't',
      `, s.${NUMBER} FROM ${STAGE} s JOIN ${this.#live} t ON ${this.#sameKey()} WHERE s.${NUMBER} IN (${numbers.slice(0, SAMPLED).join(', ')})`
    )
    return new Map(rows.map((row) => [Number(row.at(-1)), row.slice(0, -1)]))
  }

  /** @returns the numbers of the rows to which it could be done */
  async #apply(chunk: Chunk<R>, numbers: readonly number[], apply: Apply): Promise<number[]> {
    const bad = new Set<number>()
    const refuse = (number: number, refusal: Refusal) => {
      bad.add(number)
      this.#refuse(chunk, number, refusal)
    }
    await this.#refuseOrphans(numbers, apply, refuse)
    const rest = numbers.filter((number) => !bad.has(number))
    await applyBisecting(this.#statements, this.#atOnce(rest), apply, refuse)
    return rest.filter((number) => !bad.has(number))
  }

  /** Where the storage engine would keep the rows before one that it refuses, each goes by itself. */
  #atOnce(numbers: readonly number[]): readonly (readonly number[])[] {
    return this.#request.table.atomic ? [numbers] : numbers.map((number) => [number])
  }

  /** Rows without their parents are found at once, and each keeps what the server says of the first of them. */
  async #refuseOrphans(
    numbers: readonly number[],
    apply: Apply,
    refuse: (number: number, refusal: Refusal) => void
  ): Promise<void> {
    if (numbers.length < FEW || this.#request.table.foreignKeys.length === 0) return
    const candidates = new Set(numbers)
    for (const found of await findOrphans(this.#statements, this.#request.table, this.#request.columns)) {
      const orphans = found.filter((number) => candidates.has(number))
      const refusals: Refusal[] = []
      await applyBisecting(this.#statements, [orphans.slice(0, 1)], apply, (_, refusal) => refusals.push(refusal))
      const [said] = refusals
      if (!said) continue
      for (const number of orphans) {
        candidates.delete(number)
        refuse(number, said)
      }
      await this.#statements.execute(
        `UPDATE ${STAGE} SET ${STATE} = ${REFUSED} WHERE ${NUMBER} IN (${orphans.join(', ')})`
      )
    }
  }

  #refuse(chunk: Chunk<R>, number: number, said: Refusal): void {
    const refusal = said.code === 'duplicate_key' ? { ...said, column: this.#columnOfIndex(said.reason) } : said
    const row = chunk.get(number) as R
    if (this.#isWaitingUseful && this.#mayWait.has(refusal.code) && this.#postponed.length < MOST_POSTPONED) {
      this.#postponed.push(row)
    } else this.#request.onRefused(row, refusal)
  }

  /** An index over one column lays the blame on it. */
  #columnOfIndex(reason: string): string | null {
    const columns = (this.#request.table as MysqlTable).indexColumns[indexNamed(reason) ?? '']
    return columns?.length === 1 ? (columns[0] ?? null) : null
  }

  /**
   * Rows that waited for a parent further down, or for a unique value that another row gave up, go in as soon as they can.
   * @param mayStay keeps those that still cannot, because rows that are absent from the source may yet go
   */
  async #writePostponed(mayStay: boolean): Promise<void> {
    let before = Number.POSITIVE_INFINITY
    while (this.#postponed.length > 0) {
      const waiting = this.#postponed
      const progressed = waiting.length < before
      if (!progressed && mayStay) return
      before = waiting.length
      this.#isWaitingUseful = progressed
      this.#postponed = []
      for (let i = 0; i < waiting.length; i += CHUNK_ROWS) {
        const rows = waiting.slice(i, i + CHUNK_ROWS)
        await this.#writeChunk(new Map(rows.map((row, at) => [at + 1, row])), false)
      }
    }
  }

  /** Deletes the rows that the source does not have; one that others refer to stays and is reported. */
  async #deleteAbsent(seen: SeenKeys): Promise<void> {
    const { place, count } = await seen.absent(this.#request.table.name)
    const names = this.#key.map((column) => column.name)
    const sameKey = names.map((name) => `a.${quote(name)} <=> t.${quote(name)}`).join(' AND ')
    const bad = new Map<number, Refusal>()
    const numbers = Array.from({ length: count }, (_, i) => i + 1)
    const first = `WHERE a.${NUMBER} <= ${SAMPLED}`
    const sample = await this.#parts.decode(
      this.#columns,
      't',
      `, a.${NUMBER} FROM ${place} a JOIN ${this.#live} t ON ${sameKey} ${first}`
    )
    await applyBisecting(
      this.#statements,
      this.#atOnce(numbers),
      async (from, to) => {
        const range = `WHERE a.${NUMBER} BETWEEN ${from} AND ${to}`
        await this.#supersede(`${place} a JOIN ${this.#live} t ON ${sameKey} ${range}`)
        await this.#statements.execute(`DELETE t FROM ${this.#live} t JOIN ${place} a ON ${sameKey} ${range}`)
      },
      (number, refusal) => bad.set(number, refusal)
    )
    this.#counts.deleted += count - bad.size
    for (const row of sample) {
      if (bad.has(Number(row.at(-1)))) continue
      const before = row.slice(0, -1)
      this.#request.onChange({ key: this.#keyAt.map((at) => before[at] ?? null), before, after: null })
    }
    await this.#tellKept(place, bad)
  }

  async #tellKept(place: string, bad: ReadonlyMap<number, Refusal>): Promise<void> {
    if (bad.size === 0) return
    const keys = await this.#parts.decode(
      this.#key,
      'a',
      `, a.${NUMBER} FROM ${place} a WHERE a.${NUMBER} IN (${[...bad.keys()].join(', ')}) ORDER BY a.${NUMBER}`
    )
    for (const row of keys) {
      const refusal = bad.get(Number(row.at(-1))) as Refusal
      this.#request.onRefused(null, this.#refusals.kept(row.slice(0, -1), refusal))
    }
  }

  /** @param rows at least the first of them, for a sample */
  #countInserted(count: number, rows: Iterable<R>): void {
    this.#counts.inserted += count
    for (const row of rows) {
      if (this.#toldInserts >= SAMPLED) return
      this.#toldInserts++
      this.#request.onChange({ key: this.#keyOf(row), before: null, after: row.values })
    }
  }

  async #isEmpty(): Promise<boolean> {
    return (await this.#statements.read(`SELECT 1 FROM ${this.#live} LIMIT 1`)).length === 0
  }

  async #clear(): Promise<number> {
    return (await this.#statements.execute(`DELETE FROM ${this.#live}`)).affected
  }

  #keyOf(row: R): Value[] {
    return this.#keyAt.map((at) => row.values[at] ?? null)
  }

  get #live(): string {
    return quote(this.#request.table.name)
  }

  /** What every written row gets besides the source's own columns. */
  #fixed(): (readonly [name: string, sql: string])[] {
    return this.#request.tracking ? [[VERSION_COLUMN, String(this.#request.version)]] : []
  }

  /** Columns that `replace` sets although the source does not have them. */
  #resets(): MysqlColumn[] {
    if (this.#request.mode !== 'replace') return []
    const { table, columns } = this.#request
    return (writableColumns(table) as MysqlColumn[]).filter((column) => !columns.includes(column.name))
  }

  #sameKey(): string {
    return equal(this.#request.key ?? [], 't', 's')
  }

  #sameContent(): string {
    const written = this.#columns.map((column) =>
      sameCell(column, `t.${quote(column.name)}`, `s.${quote(column.name)}`)
    )
    const reset = this.#resets().map((column) =>
      sameCell(column, `t.${quote(column.name)}`, `DEFAULT(t.${quote(column.name)})`)
    )
    return [...written, ...reset].join(' AND ')
  }
}

/** About the bytes that a row takes in memory and on the wire. */
function weightOf(values: readonly Value[]): number {
  let weight = 0
  for (const value of values) {
    if (typeof value === 'string') weight += value.length
    else weight += value instanceof Uint8Array ? 2 * value.length : 8
  }
  return weight
}
