import type { Engine, PastTable } from '../engines/engine.ts'
import { Unholdable } from '../engines/engine.ts'
import { RowbackError } from '../errors.ts'
import type { Column, ColumnType, DefinedColumn, Table, TableDefinition } from '../model/table.ts'
import { writableColumns } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'
import { display } from '../model/value.ts'
import type { ValueClass } from './survey-values.ts'
import { classOf, numberText, plainDigits, ValueSurvey } from './survey-values.ts'

const INT64: ColumnType = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n }
const TEXT: ColumnType = { kind: 'text', maxLength: null }
/** More characters are better off in a text without a limit. */
const SHORT_TEXT = 255
/** Of a key's column that is no text, more than any takes. */
const BYTES_OF_OTHERS = 32

/** A table as another engine can hold it. */
export interface MappedTable {
  definition: TableDefinition
  /** The columns that are carried over, by their place in the rows of the state. */
  columns: Column[]
  /** Whether the numbers of a column have become text, for which there is room. */
  asText: boolean[]
  /** What is not as it was, as sentences. */
  notes: string[]
}

/**
 * Finds the definition under which another engine holds every value of a table. All rows are read once: what a column was
 * declared as does not say what is in it.
 * @throws RowbackError `key.too_long` where no key there takes what stands in the key
 */
export async function mapTable(state: PastTable, target: Engine): Promise<MappedTable> {
  const columns = state.written.map((name) => state.columns.find((column) => column.name === name) as Column)
  const surveys = await survey(state)
  const { key, notes } = mappedKey(state, columns, surveys, target)
  const defined = columns.map((column, i): DefinedColumn => {
    const seen = surveys[i] as ValueSurvey
    const type = typeFor(column, seen, target, key?.includes(column.name) ?? false)
    const { longest, fractionDigits } = seen
    const isTime = type.kind === 'datetime' || type.kind === 'time'
    return {
      name: column.name,
      type,
      nullable: column.nullable && !key?.includes(column.name),
      exactText: true,
      ...(isTime && { seen: { longest, fractionDigits, zoned: false } })
    }
  })
  fitKey(
    state.name,
    defined.filter(({ name }) => key?.includes(name)),
    columns,
    surveys,
    target
  )
  const isMixed = surveys.map((seen, i) => seen.canBeText && !isNumbered(columns[i] as Column))
  const asText = surveys.map(
    (seen, i) => defined[i]?.type.kind === 'text' && (seen.only('integer') || isMixed[i] === true)
  )
  const definition = { name: state.name, columns: defined, key }
  const mixed = columns.filter((_, i) => asText[i] && isMixed[i])
  const told = mixed.map(
    ({ name }) => `${state.name}.${name}: values of several types stand in it; its numbers have become text.`
  )
  return { definition, columns, asText, notes: [...notes, ...told, ...notCarried(state)] }
}

/**
 * Where the texts of a key together may be longer than a key of the target, they get the room that their values take.
 * @param defined the columns of the key; their types are changed
 */
function fitKey(
  table: string,
  defined: DefinedColumn[],
  columns: readonly Column[],
  surveys: readonly ValueSurvey[],
  target: Engine
): void {
  const most = target.capabilities.longestKey
  if (most === null) return
  const texts = defined.filter(({ type }) => type.kind === 'text')
  const room = most - (defined.length - texts.length) * BYTES_OF_OTHERS
  const bytes = () => texts.reduce((sum, { type }) => sum + 4 * ((type as { maxLength: number }).maxLength ?? 0), 0)
  if (bytes() <= room) return
  for (const column of texts) {
    const longest = surveys[columns.findIndex(({ name }) => name === column.name)]?.longest ?? 0
    column.type = { kind: 'text', maxLength: Math.max(1, longest) }
  }
  if (bytes() <= room) return
  const names = texts.map(({ name }) => name).join(', ')
  throw new RowbackError({
    code: 'key.too_long',
    message: `The key of ${table} is too long for ${target.product}: its texts (${names}) take up to ${bytes().toLocaleString('en')} bytes, where a key holds ${most.toLocaleString('en')}.`,
    hint: `Leave ${table} out by naming the others with --table, or write the state into a SQLite file.`
  })
}

/** Whether a number beside the text is no value of its own, but stands for what has no text: ENUM's 0. */
function isNumbered({ declared }: Column): boolean {
  return /^(enum|set)\b/i.test(declared)
}

async function survey(state: PastTable): Promise<ValueSurvey[]> {
  const surveys = state.written.map(() => new ValueSurvey())
  for await (const rows of state.rows()) {
    for (const row of rows) for (const [i, value] of row.entries()) surveys[i]?.add(value)
  }
  return surveys
}

/** A key is kept unless the other engine cannot have it. */
function mappedKey(
  state: PastTable,
  columns: readonly Column[],
  surveys: readonly ValueSurvey[],
  target: Engine
): { key: string[] | null; notes: string[] } {
  const { key, name } = state
  if (key === null) return { key, notes: [] }
  const without = (why: string) => ({ key: null, notes: [`${name}: the key (${key.join(', ')}) is left out: ${why}.`] })
  for (const part of key) {
    const at = columns.findIndex((column) => column.name === part)
    const seen = surveys[at]
    if (!seen) return without(`${part} is computed`)
    if (seen.hasNull) return without(`${part} has rows without a value`)
    if (!target.capabilities.typesPerValue && seen.classes.has('bytes')) return without(`${part} holds bytes`)
  }
  return { key, notes: [] }
}

/** The type under which every value is held exactly: the declared one where it does, else one by what the values are. */
function typeFor(column: Column, seen: ValueSurvey, target: Engine, inKey: boolean): ColumnType {
  const { largestInteger } = target.capabilities
  const type = declaredFits(column.type, seen, target) ? column.type : typeByClass(seen)
  switch (type.kind) {
    case 'integer':
      if (seen.largest > largestInteger) return TEXT
      return type.max > largestInteger ? INT64 : type
    case 'boolean':
      return seen.smallest < 0n || seen.largest > 1n ? INT64 : type
    case 'text':
      return textType(type.maxLength, seen.longest, inKey)
    // Some servers rewrite JSON as they like; text stays.
    case 'json':
      return TEXT
    default:
      return type
  }
}

function declaredFits(type: ColumnType, seen: ValueSurvey, target: Engine): boolean {
  switch (type.kind) {
    case 'integer':
    case 'boolean':
      return seen.only('integer')
    case 'decimal':
      return seen.only('text') && seen.areDecimals ? true : decimalFits(type, seen)
    case 'double':
      return seen.only('real') || (seen.only('real', 'integer') && seen.areDoubles)
    case 'text':
    case 'json':
      return seen.only('text')
    case 'date':
      return seen.only('text') && (seen.areDates || target.capabilities.typesPerValue)
    case 'datetime':
      return seen.only('text') && (seen.areDatetimes || target.capabilities.typesPerValue)
    case 'time':
      return seen.only('text') && (seen.areTimes || target.capabilities.typesPerValue)
    case 'blob':
      return seen.only('bytes')
  }
}

function decimalFits({ precision, scale }: { precision: number; scale: number }, seen: ValueSurvey): boolean {
  // NUMERIC that says no more is not made a DECIMAL(65,30): its values are whatever they are.
  if (precision === 65 && scale === 30) return false
  return seen.only('integer', 'real') && seen.decimalDigits <= scale && seen.wholeDigits <= precision - scale
}

/** Values of several types have no type that holds them all but text, if that; the first that does not fit is told by name. */
function typeByClass(seen: ValueSurvey): ColumnType {
  if (seen.classes.size === 2 && seen.only('integer', 'real') && seen.areDoubles) return { kind: 'double' }
  const [only] = seen.classes
  return seen.classes.size > 1 || only === undefined ? TEXT : BY_CLASS[only]
}

const BY_CLASS: Record<ValueClass, ColumnType> = {
  integer: INT64,
  real: { kind: 'double' },
  text: TEXT,
  bytes: { kind: 'blob' },
  undecodable: TEXT
}

function textType(maxLength: number | null, longest: number, inKey: boolean): ColumnType {
  const most = Math.max(maxLength ?? (inKey ? SHORT_TEXT : 0), longest)
  const hasLimit = inKey || (maxLength !== null && most <= SHORT_TEXT)
  return { kind: 'text', maxLength: hasLimit ? most : null }
}

/** Names of what the definition of a table says and another engine is not told. */
function notCarried(state: PastTable): string[] {
  const [create = '', ...others] = state.ddl
  const words = create.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`/g, ' x ')
  const generated = state.columns.filter((column) => column.generated).map((column) => column.name)
  const lost = [
    ...(/\bDEFAULT\b(?!\s+(NULL|CHARSET|CHARACTER|COLLATE)\b)/i.test(words) ? ['default values'] : []),
    ...(/\bCHECK\b/i.test(words) ? ['checks'] : []),
    ...(/\bCOLLATE\b|\bCHARSET\b/i.test(words) ? ['collations (text compares byte by byte)'] : []),
    ...(/\bAUTO_?INCREMENT\b/i.test(words) ? ['the counter of new numbers'] : []),
    ...(/\bREFERENCES\b/i.test(words) ? ['foreign keys'] : []),
    ...(hasMoreIndexes(words, others) ? ['indexes and further unique keys'] : []),
    ...(others.some((sql) => /\bTRIGGER\b/i.test(sql)) ? ['triggers'] : []),
    ...(generated.length > 0 ? [`computed columns (${generated.join(', ')})`] : [])
  ]
  return lost.length === 0 ? [] : [`${state.name}: not carried over: ${lost.join(', ')}.`]
}

function hasMoreIndexes(create: string, others: readonly string[]): boolean {
  return (
    /(?<!PRIMARY )\bKEY\b|\bUNIQUE\b/i.test(create) ||
    others.some((sql) => /^\s*CREATE\s+(UNIQUE\s+)?INDEX\b/i.test(sql))
  )
}

/** Types that say the same in other words. */
const SAME_WORDS = [
  ['tinyint', 'smallint', 'mediumint', 'int', 'integer', 'bigint'],
  ['text', 'tinytext', 'mediumtext', 'longtext', 'varchar', 'clob'],
  ['double', 'real'],
  ['blob', 'tinyblob', 'mediumblob', 'longblob'],
  ['decimal', 'numeric'],
  ['boolean', 'tinyint', 'bool']
]

/** Which columns have become of another type, as sentences. */
export function changedTypes(mapped: MappedTable, made: Table): string[] {
  return mapped.columns.flatMap((column, i) => {
    const now = made.columns.find((candidate) => candidate.name === column.name)?.declared ?? ''
    const type = mapped.definition.columns[i]?.type.kind
    const sameKind = type === column.type.kind || (type === 'integer' && column.type.kind === 'boolean')
    const [a = '', b = ''] = [column.declared, now].map((declared) => /^\w*/.exec(declared.toLowerCase())?.[0] ?? '')
    // A server takes no text without a limit for a key.
    if (a === 'text' && b === 'varchar' && mapped.definition.key?.includes(column.name)) {
      return [`${mapped.definition.name}.${column.name}: ${column.declared} -> ${now}, because it is in the key`]
    }
    if (sameKind && (a === b || SAME_WORDS.some((words) => words.includes(a) && words.includes(b)))) return []
    return [`${mapped.definition.name}.${column.name}: ${column.declared || '(no type)'} -> ${now}`]
  })
}

/**
 * Turns rows of the state into rows as the other engine holds them.
 * @param made the table as it was made there
 * @throws RowbackError `value.unmappable` on the first value that it cannot hold exactly
 */
export function rowMapper(mapped: MappedTable, made: Table, target: Engine): (row: Row) => Row {
  const columns = writableColumns(made)
  const mappers = mapped.asText.map((asText, i) => valueMapper(columns[i] as Column, asText, target))
  const { name } = mapped.definition
  const names = mapped.columns.map((column) => column.name)
  const key = mapped.definition.key ?? names
  return (row) =>
    row.map((value, i) => {
      const held = value === null ? null : (mappers[i] as (value: Value) => Value | Unholdable)(value)
      if (!(held instanceof Unholdable)) return held
      const where = key.map((part) => `${part} = ${display(row[names.indexOf(part)] ?? null)}`).join(', ')
      throw new RowbackError({
        code: 'value.unmappable',
        message: `${name}.${names[i]} of the row ${where} cannot be held by ${target.product} as it is: ${held.reason}.`,
        hint: 'Write the state into a database of the same kind, or leave this table out with --table.'
      })
    })
}

function valueMapper(column: Column, numbersAsText: boolean, target: Engine): (value: Value) => Value | Unholdable {
  const adapt = target.adapter(column)
  const others = converterTo(column, target)
  const convert = (value: Exclude<Value, null>) =>
    numbersAsText && (typeof value === 'bigint' || typeof value === 'number') ? numberText(value) : others(value)
  return (value) => {
    const converted = convert(value as Exclude<Value, null>)
    return converted instanceof Unholdable || adapt === null ? converted : adapt(converted)
  }
}

function converterTo(column: Column, target: Engine): (value: Exclude<Value, null>) => Value | Unholdable {
  const { type } = column
  switch (type.kind) {
    case 'integer':
    case 'boolean':
      return (value) => (typeof value === 'bigint' ? value : misfit(value, column))
    case 'decimal':
      return (value) => asDecimal(value, type.scale, target) ?? misfit(value, column)
    case 'double':
      return (value) => asDouble(value, target) ?? misfit(value, column)
    case 'blob':
      return (value) => (classOf(value) === 'bytes' ? value : misfit(value, column))
    default:
      return (value) => asText(value, column)
  }
}

function asText(value: Exclude<Value, null>, column: Column): Value | Unholdable {
  if (typeof value === 'string') return value
  if (typeof value !== 'bigint' && typeof value !== 'number') return misfit(value, column)
  return new Unholdable(
    `${IN_WORDS[classOf(value)]} ${display(value)} stands among values of other types, and as ${column.declared} it could be taken for one of them`
  )
}

function asDouble(value: Exclude<Value, null>, target: Engine): Value | Unholdable | null {
  if (typeof value === 'bigint') return BigInt(Number(value)) === value ? Number(value) : null
  if (typeof value !== 'number') return null
  if (Object.is(value, -0)) return new Unholdable('it does not keep the sign of a zero')
  if (target.capabilities.typesPerValue || Number.isFinite(value)) return value
  return new Unholdable(`${value} is no number that it knows`)
}

/** Digits as servers give them back; where a decimal is a floating-point number, the engine's adapter makes one of it. */
function asDecimal(value: Exclude<Value, null>, scale: number, target: Engine): Value | null {
  if (typeof value === 'string') return value
  if (target.capabilities.typesPerValue) return classOf(value) === 'integer' || classOf(value) === 'real' ? value : null
  const digits = typeof value === 'bigint' ? String(value) : typeof value === 'number' ? plainDigits(value) : null
  if (digits === null) return null
  const [whole = '', fraction = ''] = digits.split('.')
  if (fraction.length > scale) return null
  return scale === 0 ? whole : `${whole}.${fraction.padEnd(scale, '0')}`
}

const IN_WORDS: Record<ValueClass, string> = {
  integer: 'the integer',
  real: 'the number',
  text: 'the text',
  bytes: 'the bytes',
  undecodable: 'text with bytes that stand for no character,'
}

function misfit(value: Exclude<Value, null>, column: Column): Unholdable {
  const shown = display(value)
  const short = shown.length > 60 ? `${shown.slice(0, 59)}…` : shown
  return new Unholdable(`${IN_WORDS[classOf(value)]} ${short} does not fit ${column.declared}`)
}
