import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { Engine } from '../engines/engine.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { parseAuthor } from '../model/author.ts'
import type { FailedRow } from '../model/failed-row.ts'
import type { Row, Value } from '../model/value.ts'
import type { TableReport, TableShape, TrackedTable, Version } from '../model/version.ts'
import { hashVersion } from '../model/version.ts'
import {
  addLeftColumn,
  controlColumns,
  createControlTables,
  hasLeftColumn,
  LEFT_COLUMN,
  PRUNED_FORMAT,
  readIdentity
} from './control-tables.ts'

/** What a run says of itself before it starts. */
export type VersionHeader = Pick<
  Version,
  'kind' | 'strategy' | 'author' | 'description' | 'remarks' | 'tag' | 'targetVersion' | 'sourceName' | 'sourceSha256'
>

/** A change of the schema that outlives its transaction, as it was noted before it was made. */
export interface SchemaNote {
  version: number
  name: string
  note: string
}

type MetaEntry = [name: string, value: string]

const PAGE = 1000
const SCHEMA_NOTE = 'schema:'
const KEPT_FROM = 'history-from:'
const TRANSACTION = { foreignKeys: true }

/** The append-only list of versions, kept beside the data so that an entry and its rows commit together. */
export class Ledger {
  readonly #engine: Engine
  /** Of the program that is running. */
  readonly toolVersion: string
  #identity: string | null
  /** Whether the ledger has the column that names records of what versions left; null as long as nobody looked. */
  #namesLeft: boolean | null = null
  /** The entries up to the first that is not final yet, as {@link versions} read them last. */
  #final: readonly Version[] = []

  private constructor(engine: Engine, toolVersion: string, identity: string | null) {
    this.#engine = engine
    this.toolVersion = toolVersion
    this.#identity = identity
  }

  /** @throws RowbackError `control.newer` when a newer rowback made the control tables */
  static async open(engine: Engine, toolVersion: string): Promise<Ledger> {
    return new Ledger(engine, toolVersion, await readIdentity(engine))
  }

  /** Looks again: another process may have made the ledger. @returns whether there is one */
  async reload(): Promise<boolean> {
    this.#identity ??= await readIdentity(this.#engine)
    return this.exists
  }

  /** Whether this database has a ledger already. */
  get exists(): boolean {
    return this.#identity !== null
  }

  /**
   * The database's identity; the control tables and the baseline are made on first use.
   * @param wait for another writer, in milliseconds
   */
  async ensure(wait: number, author: string): Promise<string> {
    if (this.#identity === null) {
      this.#identity = await this.#engine.transaction({ ...TRANSACTION, wait }, async () => {
        const already = await readIdentity(this.#engine)
        if (already) return already
        const identity = await createControlTables(this.#engine)
        await this.#recordBaseline(author)
        return identity
      })
    }
    return this.#identity
  }

  /**
   * Makes a ledger of before there were records of what versions left able to name them; to be called outside a transaction.
   */
  async upgrade(): Promise<void> {
    if (!(await this.#canNameLeft())) this.#namesLeft = await addLeftColumn(this.#engine)
  }

  async #canNameLeft(): Promise<boolean> {
    this.#namesLeft ??= await hasLeftColumn(this.#engine)
    return this.#namesLeft
  }

  /** The columns of `rowback_version` that there are. */
  async #columns(): Promise<string[]> {
    const columns = controlColumns('rowback_version')
    return (await this.#canNameLeft()) ? columns : columns.filter((column) => column !== LEFT_COLUMN)
  }

  async #recordBaseline(author: string): Promise<void> {
    const header: VersionHeader = {
      kind: 'baseline',
      strategy: 'snapshot',
      author: parseAuthor(author),
      description: 'what was there before the first version',
      remarks: null,
      tag: null,
      targetVersion: null,
      sourceName: null,
      sourceSha256: null
    }
    await this.#insert(this.#started(0, header))
    await this.commit(0, { tables: [], anchor: null, leftRecord: null })
  }

  /**
   * Writes the `pending` entry of a run, after marking runs that were interrupted as failed: their transaction never
   * committed, so they left nothing.
   * @returns the new version's number and the numbers of the interrupted runs
   * @throws RowbackError `locked` or `tag.taken`
   */
  async begin(header: VersionHeader, wait: number): Promise<{ number: number; interrupted: number[] }> {
    return this.#engine.transaction({ ...TRANSACTION, wait }, async () => {
      const interrupted = await this.#resolveInterrupted()
      if (header.tag !== null) await this.#refuseTakenTag(header.tag)
      const number = (await this.#lastNumber()) + 1
      await this.#insert(this.#started(number, header))
      return { number, interrupted }
    })
  }

  /** Marks interrupted runs as failed. @returns their numbers */
  async recover(wait: number): Promise<number[]> {
    return this.#engine.transaction({ ...TRANSACTION, wait }, () => this.#resolveInterrupted())
  }

  async #resolveInterrupted(): Promise<number[]> {
    const pending = await this.#versionsWhere("status = 'pending'")
    for (const version of pending) {
      await this.#finish({ ...version, status: 'failed', error: 'interrupted; nothing of it was written' })
    }
    return pending.map((version) => version.number)
  }

  /**
   * Checks, inside the write transaction, that the run is still the one that was announced.
   * @throws RowbackError `locked` when another process took over meanwhile
   */
  async assertPending(number: number): Promise<void> {
    const version = await this.find(number)
    if (version?.status === 'pending' && (await this.#lastNumber()) === number) return
    throw takenOver(number)
  }

  /**
   * Holds the entry of a run, inside its transaction, so that nobody else can declare it interrupted before the commit.
   * It is written with another value each time: a cluster compares only rows that changed.
   * @throws RowbackError `locked` when another process declared the run interrupted meanwhile
   */
  async holdPending(number: number): Promise<void> {
    const held = await this.#engine.run(
      `UPDATE ${this.#versions} SET previous_hash = ? WHERE version_id = ? AND status = 'pending'`,
      [`held ${randomUUID()}`, BigInt(number)]
    )
    if (held !== 1) throw takenOver(number)
  }

  /**
   * Makes a version final, inside the transaction that writes its rows.
   * @returns the entry
   * @throws RowbackError `locked` when another process declared the run interrupted meanwhile
   */
  async commit(number: number, result: Pick<Version, 'tables' | 'anchor' | 'leftRecord'>): Promise<Version> {
    const version = await this.version(number)
    await this.holdPending(number)
    return this.#finish({ ...version, ...result, status: 'committed' })
  }

  /** Takes back the entry of a run that was refused before it changed anything. */
  async withdraw(number: number): Promise<void> {
    await this.#engine.transaction({ ...TRANSACTION, wait: 60_000 }, async () => {
      await this.#engine.run(`DELETE FROM ${this.#versions} WHERE version_id = ? AND status = 'pending'`, [
        BigInt(number)
      ])
    })
  }

  /** Records that a run failed, after its transaction was aborted. */
  async fail(
    number: number,
    error: string,
    tables: TableReport[],
    failedRows: AsyncIterable<FailedRow>
  ): Promise<void> {
    await this.#engine.transaction({ ...TRANSACTION, wait: 60_000 }, async () => {
      const version = await this.find(number)
      if (version?.status !== 'pending') return
      await this.addFailedRows(number, failedRows)
      await this.#finish({ ...version, status: 'failed', error, tables })
    })
  }

  async #finish(version: Version): Promise<Version> {
    const before = version.number === 0 ? null : await this.#hashBefore(version.number)
    const leftRecord = (await this.#canNameLeft()) ? version.leftRecord : null
    const finishedAt = new Date().toISOString()
    const chained: Version = { ...version, leftRecord, finishedAt, previousHash: before, hash: null }
    const finished: Version = { ...chained, hash: hashVersion(chained) }
    const columns = (await this.#columns()).slice(1)
    await this.#engine.run(
      `UPDATE ${this.#versions} SET ${columns.map((column) => `${this.#engine.quote(column)} = ?`).join(', ')} WHERE version_id = ?`,
      [...toRow(finished).slice(1, 1 + columns.length), BigInt(version.number)]
    )
    return finished
  }

  async #hashBefore(number: number): Promise<string | null> {
    const { rows } = await this.#engine.query(
      `SELECT hash FROM ${this.#versions} WHERE version_id < ? ORDER BY version_id DESC LIMIT 1`,
      [BigInt(number)]
    )
    return (rows[0]?.[0] as string | null | undefined) ?? null
  }

  /**
   * All entries, the oldest first; empty when the database has no ledger. Final ones are read once: the hash of an entry
   * covers that of the one before, so that where the last is still the same, so are all before it.
   */
  async versions(): Promise<Version[]> {
    const last = this.#final.at(-1)
    const since = last ? await this.#versionsWhere('version_id >= ?', [BigInt(last.number)]) : []
    const goesOn = last !== undefined && since[0]?.hash === last.hash
    const versions = goesOn ? [...this.#final.slice(0, -1), ...since] : await this.#versionsWhere('1 = 1')
    const open = versions.findIndex(({ status, hash }) => status === 'pending' || hash === null)
    this.#final = open < 0 ? [...versions] : versions.slice(0, open)
    return versions
  }

  async find(number: number): Promise<Version | undefined> {
    return (await this.#versionsWhere('version_id = ?', [BigInt(number)]))[0]
  }

  async #versionsWhere(condition: string, parameters: Value[] = []): Promise<Version[]> {
    if (!(await this.#has('rowback_version'))) return []
    const columns = (await this.#columns()).map((column) => this.#engine.quote(column))
    const { rows } = await this.#engine.query(
      `SELECT ${columns.join(', ')} FROM ${this.#versions} WHERE ${condition} ORDER BY version_id`,
      parameters
    )
    return rows.map(fromRow)
  }

  /** The identity is written last: with it, every control table is there. Without, another process may be making them. */
  async #has(table: string): Promise<boolean> {
    return this.exists || this.#engine.hasControlTable(table)
  }

  /** @throws RowbackError `version.unknown` */
  async version(number: number): Promise<Version> {
    const version = await this.find(number)
    if (version) return version
    const last = this.exists ? await this.#lastNumber() : null
    throw new RowbackError({
      code: 'version.unknown',
      message: `There is no version ${number}.`,
      hint:
        last === null
          ? 'Nothing was migrated here yet: rowback migrate FILE -m "..."'
          : `The versions go from 0 to ${last}; see them with: rowback log`
    })
  }

  /** Numbers of entries whose hash does not follow from their content and the entry before. */
  async brokenLinks(): Promise<number[]> {
    // An entry that is still pending has no hash; one that has was made to look pending.
    const entries = await this.#versionsWhere('1 = 1')
    const versions = entries.filter((version) => version.status !== 'pending' || version.hash !== null)
    return versions
      .filter(
        (version, i) =>
          version.hash !== hashVersion(version) || version.previousHash !== (versions[i - 1]?.hash ?? null)
      )
      .map((version) => version.number)
  }

  async addFailedRows(number: number, failedRows: AsyncIterable<FailedRow>): Promise<void> {
    const columns = controlColumns('rowback_failed_row')
    const insert = `INSERT INTO ${this.#failedRows} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`
    let position = 0n
    for await (const row of failedRows) {
      position++
      const line = row.line === null ? null : BigInt(row.line)
      await this.#engine.run(insert, [
        BigInt(number),
        position,
        row.table,
        line,
        row.column,
        row.code,
        row.reason,
        JSON.stringify(row.raw)
      ])
    }
  }

  /** Streams the failed rows of a version in the order in which they failed. */
  async *failedRows(number: number): AsyncIterable<FailedRow> {
    let last = 0n
    for (;;) {
      const { rows } = await this.#engine.query(
        `SELECT position, table_name, line, column_name, code, reason, raw FROM ${this.#failedRows} ` +
          `WHERE version_id = ? AND position > ? ORDER BY position LIMIT ${PAGE}`,
        [BigInt(number), last]
      )
      for (const [, table, line, column, code, reason, raw] of rows) {
        yield {
          table: String(table),
          line: line === null ? null : Number(line),
          column: column as string | null,
          code: code as FailedRow['code'],
          reason: String(reason),
          raw: JSON.parse(String(raw)) as FailedRow['raw']
        }
      }
      if (rows.length < PAGE) return
      last = rows.at(-1)?.[0] as bigint
    }
  }

  /** Notes what a tracked table is like from a version on; the first time that it is tracked at all. */
  async addTableShape({ table, history }: TrackedTable, { since, ddl, columns }: TableShape): Promise<void> {
    await this.#engine.run(
      `INSERT INTO ${this.#engine.controlTable('rowback_table')} (table_name, since, history, ddl) VALUES (?, ?, ?, ?)`,
      [table, BigInt(since), history, JSON.stringify({ ddl, columns })]
    )
  }

  /** Keeps the present statements that make a tracked table. */
  async keepDefinition({ table, ddl, shapes }: TrackedTable): Promise<void> {
    const { since, columns } = shapes.at(-1) as TableShape
    await this.#engine.run(
      `UPDATE ${this.#engine.controlTable('rowback_table')} SET ddl = ? WHERE table_name = ? AND since = ?`,
      [JSON.stringify({ ddl, columns }), table, BigInt(since)]
    )
  }

  /** Forgets a table that a version began to track and then failed. */
  async removeTrackedTable(table: string, since: number): Promise<void> {
    await this.#engine.run(
      `DELETE FROM ${this.#engine.controlTable('rowback_table')} WHERE table_name = ? AND since = ?`,
      [table, BigInt(since)]
    )
  }

  /** Every table that is or was tracked, the oldest first. */
  async trackedTables(): Promise<TrackedTable[]> {
    return (await this.trackedAndNoted()).tracked
  }

  /** The same with {@link schemaNotes}, in one question. */
  async trackedAndNoted(): Promise<{ tracked: TrackedTable[]; notes: SchemaNote[] }> {
    if (!(await this.#has('rowback_table'))) return { tracked: [], notes: [] }
    const { rows } = await this.#engine.query(
      `SELECT name, NULL, NULL, value FROM ${this.#meta} UNION ALL ` +
        `SELECT table_name, since, history, ddl FROM ${this.#engine.controlTable('rowback_table')}`
    )
    const meta = rows.flatMap(([name, since, , value]): MetaEntry[] =>
      since === null ? [[String(name), String(value)]] : []
    )
    const shapes = rows.flatMap(([table, since, history, noted]) =>
      since === null
        ? []
        : [{ table: String(table), since: Number(since), history: String(history), noted: String(noted) }]
    )
    const keptFrom = new Map(
      meta
        .filter(([name]) => name.startsWith(KEPT_FROM))
        .map(([name, version]) => [name.slice(KEPT_FROM.length), version])
    )
    const tracked = new Map<string, TrackedTable>()
    for (const { table, since, history, noted } of shapes.sort(
      (a, b) => a.since - b.since || (a.table < b.table ? -1 : 1)
    )) {
      const { ddl, columns } = JSON.parse(noted) as Omit<TableShape, 'since'>
      const shape: TableShape = { since, ddl, columns }
      const known = tracked.get(history)
      if (known) {
        known.shapes.push(shape)
        known.ddl = ddl
      } else {
        tracked.set(history, {
          table,
          since,
          history,
          ddl,
          shapes: [shape],
          keptFrom: Number(keptFrom.get(history) ?? 0)
        })
      }
    }
    return { tracked: [...tracked.values()], notes: meta.filter(isSchemaNote).map(schemaNoteOf) }
  }

  /** Notes, in the transaction that takes it out, what a history lacks; programs that do not know of it are shut out. */
  async keepHistoryFrom({ history }: TrackedTable, version: number): Promise<void> {
    const name = `${KEPT_FROM}${history}`
    await this.#engine.run(`DELETE FROM ${this.#meta} WHERE name = ?`, [name])
    await this.#engine.run(`INSERT INTO ${this.#meta} (name, value) VALUES (?, ?)`, [name, String(version)])
    await this.#engine.run(`UPDATE ${this.#meta} SET value = ? WHERE name = 'format'`, [String(PRUNED_FORMAT)])
  }

  /**
   * Notes a change of the schema that outlives its transaction, before it is made. The note commits with that change.
   * @param note what {@link schemaNotes} gives back
   */
  async addSchemaNote(version: number, note: string): Promise<void> {
    const name = `${SCHEMA_NOTE}${version}.${randomUUID()}`
    await this.#engine.run(`INSERT INTO ${this.#meta} (name, value) VALUES (?, ?)`, [name, note])
  }

  /** The notes that nobody has settled yet, in any order. */
  async schemaNotes(): Promise<SchemaNote[]> {
    if (!this.exists) return []
    const { rows } = await this.#engine.query(`SELECT name, value FROM ${this.#meta} WHERE name LIKE ?`, [
      `${SCHEMA_NOTE}%`
    ])
    return rows.map(([name, note]) => schemaNoteOf([String(name), String(note)]))
  }

  async removeSchemaNote(name: string): Promise<void> {
    await this.#engine.run(`DELETE FROM ${this.#meta} WHERE name = ?`, [name])
  }

  #started(number: number, header: VersionHeader): Version {
    return {
      number,
      uuid: randomUUID(),
      status: 'pending',
      ...header,
      tables: [],
      anchor: null,
      leftRecord: null,
      error: null,
      startedAt: new Date().toISOString(),
      finishedAt: null,
      host: hostname(),
      toolVersion: this.toolVersion,
      previousHash: null,
      hash: null
    }
  }

  async #insert(version: Version): Promise<void> {
    const columns = (await this.#columns()).map((column) => this.#engine.quote(column))
    await this.#engine.run(
      `INSERT INTO ${this.#versions} (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
      toRow(version).slice(0, columns.length)
    )
  }

  async #lastNumber(): Promise<number> {
    return Number((await this.#engine.query(`SELECT max(version_id) FROM ${this.#versions}`)).rows[0]?.[0])
  }

  async #refuseTakenTag(tag: string): Promise<void> {
    const tagged = await this.#versionsWhere("tag = ? AND status = 'committed'", [tag])
    const taken = tagged.find((version) => version.tag === tag)
    if (!taken) return
    throw new RowbackError({
      code: 'tag.taken',
      message: `The tag "${tag}" already names version ${taken.number}.`,
      hint: 'Choose another tag.'
    })
  }

  get #meta(): string {
    return this.#engine.controlTable('rowback_meta')
  }

  get #versions(): string {
    return this.#engine.controlTable('rowback_version')
  }

  get #failedRows(): string {
    return this.#engine.controlTable('rowback_failed_row')
  }
}

function isSchemaNote([name]: MetaEntry): boolean {
  return name.startsWith(SCHEMA_NOTE)
}

function schemaNoteOf([name, note]: MetaEntry): SchemaNote {
  return { version: Number(name.slice(SCHEMA_NOTE.length).split('.')[0]), name, note }
}

/** Another process declared the run interrupted while it was alive. */
export function takenOver(number: number, cause?: unknown): RowbackError {
  return new RowbackError({
    code: 'locked',
    message: `Another migration took over while version ${number} was being made.`,
    hint: 'Try again.',
    exit: ExitCode.locked,
    cause
  })
}

function toRow(version: Version): Value[] {
  return [
    BigInt(version.number),
    version.uuid,
    version.kind,
    version.status,
    version.strategy,
    version.author.given,
    version.author.name,
    version.author.email,
    version.author.alias,
    version.description,
    version.remarks,
    version.tag,
    version.targetVersion === null ? null : BigInt(version.targetVersion),
    version.sourceName,
    version.sourceSha256,
    JSON.stringify(version.tables),
    version.anchor,
    version.error,
    version.startedAt,
    version.finishedAt,
    version.host,
    version.toolVersion,
    version.previousHash,
    version.hash,
    version.leftRecord
  ]
}

function fromRow(row: Row): Version {
  const cells = Object.fromEntries(controlColumns('rowback_version').map((name, i) => [name, row[i] ?? null]))
  const text = (name: string) => cells[name] as string
  const optional = (name: string) => cells[name] as string | null
  return {
    number: Number(cells.version_id),
    uuid: text('uuid'),
    kind: text('kind') as Version['kind'],
    status: text('status') as Version['status'],
    strategy: text('strategy') as Version['strategy'],
    author: {
      given: text('author'),
      name: optional('author_name'),
      email: optional('author_email'),
      alias: optional('author_alias')
    },
    description: text('description'),
    remarks: optional('remarks'),
    tag: optional('tag'),
    targetVersion: cells.target_version === null ? null : Number(cells.target_version),
    sourceName: optional('source_name'),
    sourceSha256: optional('source_sha256'),
    tables: JSON.parse(text('tables')) as TableReport[],
    anchor: optional('anchor'),
    leftRecord: optional(LEFT_COLUMN),
    error: optional('error'),
    startedAt: text('started_at'),
    finishedAt: optional('finished_at'),
    host: text('host'),
    toolVersion: text('tool_version'),
    previousHash: optional('previous_hash'),
    hash: optional('hash')
  }
}
