import type { Engine } from '../engines/engine.ts'
import { Unholdable } from '../engines/engine.ts'
import { usageError } from '../errors.ts'
import { CellFailure } from '../format/cell-failure.ts'
import { coercerFor } from '../format/coerce.ts'
import type { Column } from '../model/table.ts'
import type { Row, Value } from '../model/value.ts'

/** A row's key as a user gives it: its value, or its columns with their values. */
export type GivenKey = string | Record<string, string | number | bigint | boolean>

/**
 * The texts of a key's cells.
 * @param given `42`; `a=1,b=x`, where a value may have commas; or an object, as JSON on the command line
 * @param names the columns of the table's key
 * @throws RowbackError `key.invalid` (exit code 2)
 */
export function keyTexts(table: string, names: readonly string[], given: GivenKey): string[] {
  const texts = typeof given === 'string' ? textsOf(given, names) : textsIn(given, names)
  if (texts === null) throw misfit(table, names, given)
  return texts
}

/**
 * The cells of a key as columns hold them.
 * @throws RowbackError `key.invalid` (exit code 2) where they cannot
 */
export function keyCells(engine: Engine, columns: readonly Column[], texts: readonly string[]): Row {
  return columns.map((column, i) => cellOf(engine, column, texts[i] as string))
}

function textsOf(given: string, names: readonly string[]): string[] | null {
  const object = objectIn(given)
  return (object && textsIn(object, names)) ?? textsOfPairs(given, names) ?? (names.length === 1 ? [given] : null)
}

function objectIn(given: string): Record<string, unknown> | null {
  if (!given.startsWith('{')) return null
  try {
    return JSON.parse(given) as Record<string, unknown>
  } catch {
    return null
  }
}

function textsIn(given: Record<string, unknown>, names: readonly string[]): string[] | null {
  const texts = names.map((name) => given[name] ?? null)
  if (Object.keys(given).length !== names.length || texts.includes(null)) return null
  return texts.map(String)
}

/** The values between `name=` and the comma before the next `name=`, in whatever order the columns come. */
function textsOfPairs(given: string, names: readonly string[]): string[] | null {
  const starts = names.map((name) => (given.startsWith(`${name}=`) ? 0 : given.indexOf(`,${name}=`) + 1))
  if (!given.startsWith(`${names[starts.indexOf(0)] ?? ''}=`)) return null
  if (starts.filter((start) => start === 0).length > 1) return null
  return names.map((name, i) => {
    const begin = (starts[i] as number) + name.length + 1
    const next = starts.filter((start) => start > begin)
    return given.slice(begin, next.length === 0 ? undefined : Math.min(...next) - 1)
  })
}

/** What a file's cell with this text would become; SQLite also holds text where another type was declared. */
function cellOf(engine: Engine, column: Column, text: string): Value {
  const coerced = coercerFor(column)(text)
  if (coerced instanceof CellFailure) {
    const { kind } = column.type
    if (engine.capabilities.typesPerValue) return kind === 'text' || kind === 'blob' ? text : asHeld(text)
    throw usageError('key.invalid', `${column.name}: ${coerced.reason}.`, 'See the key with: rowback inspect TABLE')
  }
  const held = engine.adapter(column)?.(coerced) ?? coerced
  if (held instanceof Unholdable) throw usageError('key.invalid', `${column.name}: ${held.reason}.`)
  return typeof held === 'number' && column.type.kind === 'integer' ? BigInt(held) : held
}

/** Where a number is declared such a database holds what looks like one as one, also beyond what a load may bring. */
function asHeld(text: string): Value {
  if (!/^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(text)) return text
  const integer = /^\s*-?\d+\s*$/.test(text) ? BigInt(text) : null
  return integer !== null && BigInt.asIntN(64, integer) === integer ? integer : Number(text)
}

function misfit(table: string, names: readonly string[], given: GivenKey) {
  const example = names.map((name) => `${name}=...`).join(',')
  return usageError(
    'key.invalid',
    `The rows of ${table} are found by ${names.join(', ')}, and ${typeof given === 'string' ? `"${given}"` : 'that'} does not name them.`,
    `Write it as "${example}".`
  )
}
