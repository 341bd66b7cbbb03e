import type { Engine } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { FormatColumn } from '../format/format.ts'
import { compileRule } from '../format/rules.ts'
import type { WriteMode } from '../model/change.ts'
import type { Column, DefinedColumn, Table, TableDefinition } from '../model/table.ts'
import { bareTable } from '../model/table.ts'
import type { Source } from '../sources/source.ts'
import { inferDefinition } from './infer-definition.ts'
import type { TableRequest } from './request.ts'

/** A source bound to the table it is written into. */
export interface BoundTable {
  source: Source
  /** The table's name as the database has it, or will have it. */
  name: string
  /** Null when the table is to be made from `definition`. */
  table: Table | null
  definition: TableDefinition | null
  mode: WriteMode
  key: string[] | null
  columns: FormatColumn[]
  /** The plan's rules by column; null without a plan. */
  rules: TableRequest['columns']
  /** What was decided for the user, in sentences. */
  notes: string[]
}

/** Columns of the file of failed rows; where a source has them all, it is such a file, corrected. */
export const FAILED_ROW_COLUMNS = ['_line', '_column', '_code', '_reason'] as const
/** Cells of a failed row that no column could take. */
export const EXTRA_COLUMN = '_extra'

/**
 * Decides what goes where, reading the whole source when its table is to be made.
 * @throws RowbackError `table.missing`, `column.unknown`, `column.generated`, `key.missing`, `key.not_unique`, ...
 */
export async function bindTable(
  engine: Engine,
  tables: Table[],
  request: TableRequest,
  source: Source
): Promise<BoundTable> {
  const name = request.table ?? tableNameFor(source.name)
  const table = findTable(tables, name)
  if (!table && (await engine.relations()).includes(name)) throw unsupportedTable(name)
  if (!table && !request.create) throw missingTable(name, tables)
  return table ? bindExisting(table, request, source) : bindNew(engine, name, request, source)
}

/** Binds a further source to a table that an earlier entry of the same plan makes. */
export function bindToPlanned(
  engine: Engine,
  definition: TableDefinition,
  request: TableRequest,
  source: Source
): BoundTable {
  const columns = definition.columns.map((column) => newColumn(engine, column))
  const { name, key } = definition
  const planned = bareTable({ name, columns, key, uniqueKeys: key ? [key] : [] })
  const bound = bindExisting(planned, request, source)
  return { ...bound, table: null, definition }
}

function newColumn(engine: Engine, { name, type, nullable, seen }: DefinedColumn): Column {
  return { name, type, declared: engine.declare(type, seen), nullable, hasDefault: false, generated: false }
}

export function findTable(tables: readonly Table[], name: string): Table | undefined {
  return (
    tables.find((table) => table.name === name) ??
    tables.find((table) => table.name.toLowerCase() === name.toLowerCase())
  )
}

/** `./Q3 customers.csv.gz` becomes `q3_customers`. */
export function tableNameFor(sourceName: string): string {
  const base = sourceName.split(/[/\\]/).at(-1) ?? ''
  const stem = base.replace(/\.(gz|zst)$/i, '').replace(/\.[^.]+$/, '')
  const name = stem
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, '_')
    .replace(/^_+|_+$/g, '')
  return /^\p{L}/u.test(name) ? name : `table_${name}`.replace(/_$/, '')
}

function unsupportedTable(name: string): RowbackError {
  return new RowbackError({
    code: 'table.unsupported',
    message: `${name} cannot be loaded: it is no plain table, or has a column of a type that rowback does not know.`,
    hint: 'See which tables can be loaded with: rowback inspect'
  })
}

function missingTable(name: string, tables: readonly Table[]): RowbackError {
  const there = tables.map((table) => table.name).join(', ')
  return new RowbackError({
    code: 'table.missing',
    message: `There is no table ${name}${there ? `; there are ${there}` : ''}.`,
    hint: 'Name another with --table, or add --create to make it from the source.'
  })
}

async function bindNew(engine: Engine, name: string, request: TableRequest, source: Source): Promise<BoundTable> {
  assertUsableNames(name, source.columns)
  const mappings = mapSourceColumns(request, source, null)
  const { definition, notes } = await inferDefinition(name, request, source, mappings.pairs)
  const columns = definition.columns.map((column, i): FormatColumn => {
    const pair = mappings.pairs[i]
    return { source: pair?.source ?? null, target: newColumn(engine, column), rule: request.columns?.[column.name] }
  })
  const mode = request.mode ?? (definition.key ? 'upsert' : 'insert')
  if (needsKey(mode) && !definition.key) throw missingKey(name, mode)
  return {
    source,
    name,
    table: null,
    definition,
    mode,
    key: definition.key,
    columns,
    rules: request.columns,
    notes: [...mappings.notes, ...notes]
  }
}

/** @throws RowbackError `table.reserved` or `source.header` for names that a new table cannot have */
function assertUsableNames(table: string, columns: readonly string[]): void {
  if (/^(rowback|history|sqlite)_/i.test(table)) {
    throw new RowbackError({
      code: 'table.reserved',
      message: `${table} cannot be made: names that begin with rowback_, history_ or sqlite_ are kept for bookkeeping.`,
      hint: 'Choose another name with --table.'
    })
  }
  const seen = new Map<string, string>()
  for (const column of columns) {
    const twin = seen.get(column.toLowerCase())
    if (twin !== undefined) {
      throw new RowbackError({
        code: 'source.header',
        message: `The columns "${twin}" and "${column}" differ only in case, and a table holds them for the same.`,
        hint: 'Rename one of them in the source.'
      })
    }
    seen.set(column.toLowerCase(), column)
  }
}

function bindExisting(table: Table, request: TableRequest, source: Source): BoundTable {
  const { pairs, notes } = mapSourceColumns(request, source, table)
  const written = new Set(pairs.map((pair) => pair.target))
  const key = chooseKey(table, request, written)
  const mode = request.mode ?? (key ? 'upsert' : 'insert')
  if (needsKey(mode) && !key) throw missingKey(table.name, mode)
  const columns = pairs
    .filter((pair) => mode !== 'delete' || key?.includes(pair.target))
    .map((pair): FormatColumn => {
      const column = table.columns.find((candidate) => candidate.name === pair.target) as Column
      // A key is what rows are found by: it always needs a value.
      const target = key?.includes(column.name) ? { ...column, nullable: false } : column
      return { source: pair.source, target, rule: request.columns?.[pair.rule] }
    })
  return { source, name: table.name, table, definition: null, mode, key, columns, rules: request.columns, notes }
}

function needsKey(mode: WriteMode): boolean {
  return mode === 'upsert' || mode === 'update' || mode === 'mirror' || mode === 'delete'
}

function missingKey(table: string, mode: WriteMode): RowbackError {
  return new RowbackError({
    code: 'key.missing',
    message: `${table} has no key among the columns of the source, and ${mode} needs one to find rows.`,
    hint: 'Name unique columns with --key COLUMN[,COLUMN], or add rows with --mode insert.'
  })
}

interface ColumnPair {
  source: string | null
  target: string
  /** The name under which the plan has its rule. */
  rule: string
}

interface ColumnMapping {
  pairs: ColumnPair[]
  notes: string[]
}

function mapSourceColumns(request: TableRequest, source: Source, table: Table | null): ColumnMapping {
  const offered = withoutFailedRowColumns(source.columns)
  // A rule that cannot be used is refused before anything begins.
  for (const [name, rule] of Object.entries(request.columns ?? {})) compileRule(rule, name)
  const mapping = request.columns ? mapByRules(request.columns, source, offered) : mapByName(offered)
  if (!table) return mapping
  return {
    ...mapping,
    pairs: mapping.pairs.map((pair) => ({ ...pair, target: realColumn(table, pair.target, mapping.pairs) }))
  }
}

function withoutFailedRowColumns(columns: string[]): string[] {
  if (!FAILED_ROW_COLUMNS.every((name) => columns.includes(name))) return columns
  const known = new Set<string>([...FAILED_ROW_COLUMNS, EXTRA_COLUMN])
  return columns.filter((name) => !known.has(name))
}

function mapByName(offered: string[]): ColumnMapping {
  return { pairs: offered.map((name) => ({ source: name, target: name, rule: name })), notes: [] }
}

function mapByRules(rules: NonNullable<TableRequest['columns']>, source: Source, offered: string[]): ColumnMapping {
  const pairs = Object.entries(rules).map(([target, rule]) => {
    const from = rule.from ?? target
    if (source.columns.includes(from)) return { source: from, target, rule: target }
    if (rule.from === undefined && rule.default !== undefined) return { source: null, target, rule: target }
    throw new RowbackError({
      code: 'column.unknown',
      message: `The source has no column "${from}", which the plan wants for ${target}.`,
      hint: `Its columns are ${source.columns.join(', ')}.`
    })
  })
  const used = new Set(pairs.map((pair) => pair.source))
  const unused = offered.filter((name) => !used.has(name))
  return { pairs, notes: unused.length > 0 ? [`Columns that the plan does not load: ${unused.join(', ')}.`] : [] }
}

/** The table's own spelling of a column. */
function realColumn(table: Table, name: string, pairs: ColumnPair[]): string {
  const column =
    table.columns.find((candidate) => candidate.name === name) ??
    table.columns.find((candidate) => candidate.name.toLowerCase() === name.toLowerCase())
  if (!column) throw unknownColumns(table, pairs)
  if (column.generated) {
    throw new RowbackError({
      code: 'column.generated',
      message: `The database computes ${table.name}.${column.name} itself; it cannot be written.`,
      hint: `Take ${column.name} out of the source.`
    })
  }
  return column.name
}

function unknownColumns(table: Table, pairs: ColumnPair[]): RowbackError {
  const known = new Set(table.columns.map((column) => column.name.toLowerCase()))
  const unknown = pairs.map((pair) => pair.target).filter((target) => !known.has(target.toLowerCase()))
  return new RowbackError({
    code: 'column.unknown',
    message: `${table.name} has no column ${unknown.join(', ')}; its columns are ${table.columns.map((column) => column.name).join(', ')}.`,
    hint: 'Rename the columns of the source, map them with a plan file (rowback migrate --help), or add them to the table first.'
  })
}

function chooseKey(table: Table, request: TableRequest, written: ReadonlySet<string>): string[] | null {
  if (!request.key) return table.key?.every((name) => written.has(name)) ? table.key : null
  const key = request.key.map((name) => realColumn(table, name, [{ source: name, target: name, rule: name }]))
  const absent = key.filter((name) => !written.has(name))
  if (absent.length > 0) {
    throw new RowbackError({
      code: 'key.missing',
      message: `The source has no column ${absent.join(', ')}, which is part of the key.`,
      hint: 'Add it to the source, or choose another --key.'
    })
  }
  if (!table.uniqueKeys.some((unique) => unique.length === key.length && unique.every((name) => key.includes(name)))) {
    throw new RowbackError({
      code: 'key.not_unique',
      message: `Nothing makes (${key.join(', ')}) unique in ${table.name}, so rows cannot be found by it.`,
      hint: `Add a unique index first: CREATE UNIQUE INDEX ... ON ${table.name} (${key.join(', ')})`
    })
  }
  return key
}

/** Turns formatted values into those that the database holds; null where none needs it. */
export function adaptersFor(engine: Engine, columns: readonly FormatColumn[]): ReturnType<Engine['adapter']>[] | null {
  const adapters = columns.map((column) => engine.adapter(column.target))
  return adapters.some((adapter) => adapter !== null) ? adapters : null
}
