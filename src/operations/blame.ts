import { z } from 'zod'
import { RowbackError } from '../errors.ts'
import type { Author } from '../model/author.ts'
import type { Column } from '../model/table.ts'
import type { Row } from '../model/value.ts'
import { display, toJson } from '../model/value.ts'
import type { Version } from '../model/version.ts'
import type { BlamedRow, Origin } from '../strategies/blame.ts'
import { Blamer } from '../strategies/blame.ts'
import type { KnownTable } from '../strategies/known-table.ts'
import { knownTable } from '../strategies/known-table.ts'
import { headOf } from '../strategies/lifetimes.ts'
import { RowStates } from '../strategies/row-states.ts'
import type { LiveState } from '../strategies/session.ts'
import { text, versionReference } from './inputs.ts'
import { operation } from './operation.ts'
import type { GivenKey } from './row-key.ts'
import { keyCells, keyTexts } from './row-key.ts'

/** A version, as far as it answers who, when and why. */
export interface VersionBrief {
  version: number
  kind: Version['kind']
  author: Author
  description: string
  remarks: string | null
  tag: string | null
  /** Of a rollback or revert: the version it leads to or takes back. */
  targetVersion: number | null
  startedAt: string
  finishedAt: string | null
}

/** Where something came from; the fields of the version are null where it is none. */
export interface OriginJson {
  /** `outside`: changed by others. `unknown`: the states that would tell are gone. */
  origin: 'version' | 'baseline' | 'outside' | 'unknown'
  /** 0 is the baseline. */
  version: number | null
  /** Of `outside` and `unknown`: not before this version; null where nothing tells. */
  after: number | null
  /** Of `outside`: before this version began; null is until now. Of `unknown`: by this version or an earlier one. */
  upTo: number | null
  author: Author | null
  description: string | null
  remarks: string | null
  tag: string | null
  startedAt: string | null
  finishedAt: string | null
}

export interface BlamedCell extends OriginJson {
  column: string
  value: null | number | string
  /** Rollbacks and reverts that brought the value back, the newest first. */
  via: VersionBrief[]
}

export interface BlameOutput {
  table: string
  key: Record<string, null | number | string>
  /** The version whose state was asked. */
  at: number
  /** What took the row away; its cells are the last it had. Null for a row that is there. */
  deleted: OriginJson | null
  cells: BlamedCell[]
  /** Where knowledge ends, and which versions adopted what others did; sentences. */
  notes: string[]
}

export const blame = operation({
  name: 'blame',
  summary: 'who wrote a row: for each cell the version that set it, by whom, when and why',
  details: `KEY is the value of the key (42), or for a key of several columns a=1,b=x; an object in JSON will do, too. A value that a rollback or revert brought back is blamed on the version that it came from. Under the incremental strategy the row is looked up in its table and its history, at the cost of a query by key; what others changed there is read as it stands and cannot be told from the version that wrote the row, until rowback adopt or a rollback; rowback status --drift shows it. Under snapshot the backups are read, of each the part that may hold the key: what others changed shows where no version can have done it, else it counts as part of the version before.`,
  example: 'rowback blame customers 42',
  positional: ['table', 'key'],
  input: z.object({
    table: text('the table', 'TABLE'),
    key: z
      .union([
        z.string().min(1),
        z.number(),
        z.bigint(),
        z.record(z.string(), z.union([z.string(), z.number(), z.bigint(), z.boolean()]))
      ])
      .meta({ description: 'the key of the row: 42, or a=1,b=x', placeholder: 'KEY' }),
    at: versionReference(
      'the row as this version left it: its number, its tag, or a time such as 2026-11-01T12:00Z'
    ).optional()
  }),
  makesDatabase: false,
  whenInterrupted: () => 'refuse',
  async run(context, input): Promise<BlameOutput> {
    const repository = await context.repository()
    return context.engine.readTransaction(async () => {
      const live = await context.liveState()
      const at = input.at === undefined ? headOf(live.versions) : await context.versionNumberOrTime(input.at)
      const table = await knownTable(context.engine, live, repository, input.table)
      if (!table) throw unknownTable(input.table, live)
      const columns = keyColumns(table)
      const key = columns.map(({ name }) => name)
      const texts = keyTexts(table.name, key, typeof input.key === 'object' ? input.key : String(input.key))
      const cellsIn = (then: readonly Column[]) => cellsOrNone(() => keyCells(context.engine, then, texts))
      const states = new RowStates(context.engine, live, repository, { table: table.name, key, cellsIn }, table.shape)
      const found = await new Blamer(states, live, table.name).blame(at)
      if (!found) {
        throw (
          strayColumn(table.name, key, input.key, texts) ??
          unknownRow(table.name, key, keyCells(context.engine, columns, texts), at)
        )
      }
      return {
        ...outputOf(found, live, table.name, key, at),
        notes: [...notesOn(found, table), ...adoptedNotes(found, live)]
      }
    })
  }
})

/** A table that had columns of other types once had no row that they could not hold. */
function cellsOrNone(read: () => Row): Row | null {
  try {
    return read()
  } catch (error) {
    if (error instanceof RowbackError && error.code === 'key.invalid') return null
    throw error
  }
}

function keyColumns({ name, columns, key }: KnownTable): Column[] {
  if (key) return key.map((part) => columns.find((column) => column.name === part) as Column)
  throw new RowbackError({
    code: 'table.no_key',
    message: `${name} has no key that tells its rows apart, so none of them can be named.`,
    hint: `To see what versions changed in it: rowback diff 0 --table ${name}`
  })
}

function outputOf(
  found: BlamedRow,
  live: LiveState,
  table: string,
  key: string[],
  at: number
): Omit<BlameOutput, 'notes'> {
  const versions = new Map(live.versions.map((version) => [version.number, version]))
  const brief = (number: number) => briefOf(versions.get(number) as Version)
  const cell = (name: string) => toJson(found.row[found.columns.indexOf(name)] ?? null)
  return {
    table,
    key: Object.fromEntries(key.map((name) => [name, cell(name)])),
    at,
    deleted: found.deletedBy && originJson(found.deletedBy, brief),
    cells: found.columns.map((column, i) => {
      const { origin, via } = found.blames[i] as BlamedRow['blames'][number]
      return { column, value: cell(column), ...originJson(origin, brief), via: via.map(brief) }
    })
  }
}

function briefOf(version: Version): VersionBrief {
  const { number, kind, author, description, remarks, tag, targetVersion, startedAt, finishedAt } = version
  return { version: number, kind, author, description, remarks, tag, targetVersion, startedAt, finishedAt }
}

const NOBODY = { author: null, description: null, remarks: null, tag: null, startedAt: null, finishedAt: null }

function originJson(origin: Origin, brief: (number: number) => VersionBrief): OriginJson {
  if (origin.kind === 'outside') {
    return { origin: 'outside', version: null, after: origin.after, upTo: origin.before, ...NOBODY }
  }
  if (origin.kind === 'unknown') {
    return { origin: 'unknown', version: null, after: origin.after, upTo: origin.upTo, ...NOBODY }
  }
  const where = { version: origin.version, after: null, upTo: null }
  if (origin.version === 0) return { origin: 'baseline', ...where, ...NOBODY }
  const { author, description, remarks, tag, startedAt, finishedAt } = brief(origin.version)
  return { origin: 'version', ...where, author, description, remarks, tag, startedAt, finishedAt }
}

/** Where knowledge ends: states that are gone, and columns that the row as it was found does not have. */
function notesOn(found: BlamedRow, { name, columns }: KnownTable): string[] {
  const unknown = columns.filter((column) => !column.generated && !found.columns.includes(column.name))
  return [
    ...found.gaps.map(gapNote),
    ...unknown.map(
      (column) =>
        `Nothing is known of the column ${column.name} of ${name}: what was found of the row does not have it.`
    )
  ]
}

/** Its author adopted what others had done, and need not have done it. */
function adoptedNotes({ blames, deletedBy }: BlamedRow, { versions }: LiveState): string[] {
  const origins = [...blames.map(({ origin }) => origin), ...(deletedBy ? [deletedBy] : [])]
  const numbers = new Set(origins.flatMap((origin) => (origin.kind === 'version' ? [origin.version] : [])))
  return versions
    .filter(({ number, kind }) => kind === 'adopt' && numbers.has(number))
    .map(({ number }) => `Version ${number} adopted what had been changed outside rowback.`)
}

function gapNote({ after, upTo, reason }: BlamedRow['gaps'][number]): string {
  return after === null
    ? `What was before version ${upTo} cannot be told. ${reason}`
    : `The states between versions ${after} and ${upTo} are gone: what changed there and changed back does not show. ${reason}`
}

function unknownTable(table: string, live: LiveState): RowbackError {
  const names = live.tables.map(({ name }) => name)
  return new RowbackError({
    code: 'table.missing',
    message: `There is no table ${table}, and no version knows of one.`,
    hint: names.length === 0 ? 'There are no tables.' : `There are: ${names.join(', ')}.`
  })
}

/** A value may have commas, so that a column that is not in the key was read as part of the value before it. */
function strayColumn(
  table: string,
  key: readonly string[],
  given: GivenKey | number | bigint,
  texts: readonly string[]
): RowbackError | null {
  if (typeof given === 'object' || String(given).startsWith('{')) return null
  const stray = texts.map((text) => /,([^,=\s]+)=/.exec(text)?.[1]).find((name) => name !== undefined)
  if (stray === undefined) return null
  return new RowbackError({
    code: 'row.unknown',
    message: `${table} has no row ${given}: there is no column ${stray} in its key, which is ${key.join(', ')}.`,
    hint: `Name the row by: ${key.map((name) => `${name}=...`).join(',')}`
  })
}

function unknownRow(table: string, key: readonly string[], cells: Row, at: number): RowbackError {
  const named = key.map((name, i) => `${name}=${display(cells[i] ?? null)}`)
  return new RowbackError({
    code: 'row.unknown',
    message: `${table} has no row ${named.join(', ')}, and had none up to version ${at} as far as is known.`,
    hint: `See its rows with: rowback query "SELECT * FROM ${table}"`
  })
}
