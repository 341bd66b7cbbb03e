import type { RawCell } from '../model/failed-row.ts'
import { countMembers } from './json-structure.ts'
import type { UnreadableRow } from './source.ts'
import { messageOf } from './source-error.ts'
import { countOf } from './strings.ts'

/** An object that is a row. */
export interface JsonRow {
  line: number
  /** Its values; numbers that would not print as they were written are in the form of {@link RawJson}. */
  values: Record<string, unknown>
}

/** Why a text is no row; `malformed` when it is not even JSON. */
export type JsonFault = UnreadableRow & { malformed: boolean }

interface RawJson {
  rawJSON: string
}

// In Node since 21, in TypeScript's library not yet.
interface ExactJson {
  parse(
    text: string,
    revive: (this: unknown, key: string, value: unknown, context: { source: string }) => unknown
  ): unknown
  rawJSON(text: string): RawJson
  isRawJSON(value: unknown): value is RawJson
}

const json = JSON as unknown as ExactJson

/**
 * A number that JavaScript may print otherwise than it is written: from 16 digits on, smaller than a millionth, with an
 * exponent, with a zero at the end of its fraction, or minus zero. It may also find text in a string, to no harm.
 */
const INEXACT_NUMBER = /[[:,]\s*(?:-?(?:\d[\d.]{15}|0\.000000|\d+(?:\.\d+)?[eE]|\d+\.\d*0(?!\d))|-0(?![\d.]))/

const ESCAPED_BACKSLASH = /\\(?:\\|u005[cC])/
const KEY_WITH_BACKSLASH = /"(?:[^"\\]|\\.)*?\\(?:\\|u005[cC])(?:[^"\\]|\\.)*"\s*:/

const ESCAPED_SURROGATE = /\\u[dD][89a-fA-F]/

/** Parses one object with the numbers' own digits. */
export function parseJsonRow(text: string, line: number): JsonRow | JsonFault {
  const fault = (code: UnreadableRow['code'], reason: string, malformed = false): JsonFault => ({
    line,
    code,
    reason,
    raw: { _extra: text.toWellFormed() },
    malformed
  })
  if (!text.isWellFormed()) return fault('encoding', 'holds bytes that do not decode, shown here as \ufffd')
  if (hasBackslashInKey(text)) return fault('syntax', 'has a key with a backslash, which cannot be read reliably')
  let value: unknown
  try {
    value = parseExactly(text)
  } catch (error) {
    return fault('syntax', `is not valid JSON: ${messageOf(error)}`, true)
  }
  if (!isObject(value)) return fault('syntax', `is ${kindOf(value)}, not an object`)
  if (hasKeyTwice(text, value)) return fault('syntax', 'has the same key twice in one object')
  if (ESCAPED_SURROGATE.test(text) && hasLoneSurrogate(value)) {
    return fault('encoding', 'holds half of a surrogate pair (\\ud800 to \\udfff), which is no character')
  }
  return { line, values: value }
}

/** Cells in the order of the columns; null where the object has no such key. */
export function cellsOf({ values }: JsonRow, columns: string[]): RawCell[] {
  return columns.map((column) => (Object.hasOwn(values, column) ? cellOf(values[column]) : null))
}

/** Whether the value is text, or becomes one. */
export function isTextual(value: unknown): boolean {
  return typeof value === 'string' || (typeof value === 'object' && value !== null && !json.isRawJSON(value))
}

// A reviver that asks for the source takes five times as long.
function parseExactly(text: string): unknown {
  if (!INEXACT_NUMBER.test(text)) return JSON.parse(text)
  return json.parse(text, (_key, value, { source }) =>
    typeof value === 'number' && String(value) !== source ? json.rawJSON(source) : value
  )
}

function cellOf(value: unknown): RawCell {
  if (value === null || typeof value === 'string') return value
  if (typeof value !== 'object') return String(value)
  return json.isRawJSON(value) ? value.rawJSON : JSON.stringify(value)
}

/**
 * V8 (seen in Node.js 24.21) may take the key `"k\""` for `"k\\"` once it has parsed that one: it compares characters as
 * they are written with keys as they are. A key that holds a backslash would so change the keys of other rows.
 */
function hasBackslashInKey(text: string): boolean {
  return ESCAPED_BACKSLASH.test(text) && KEY_WITH_BACKSLASH.test(text)
}

/** Parsing keeps the last of two members with the same key, so that there are fewer than the text has colons. */
function hasKeyTwice(text: string, value: object): boolean {
  const members = distinctMembers(value)
  // Most strings have no colon: then there is no need to tell them from the others.
  return countOf(':', text) > members && countMembers(text) > members
}

function distinctMembers(value: object): number {
  const members = Object.values(value)
  let count = Array.isArray(value) ? 0 : members.length
  for (const member of members) {
    if (typeof member === 'object' && member !== null && !json.isRawJSON(member)) count += distinctMembers(member)
  }
  return count
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !json.isRawJSON(value)
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'string' ? 'a text' : typeof value === 'boolean' ? 'true or false' : 'a number'
}

function hasLoneSurrogate(value: unknown): boolean {
  if (typeof value === 'string') return !value.isWellFormed()
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).some(([key, member]) => !key.isWellFormed() || hasLoneSurrogate(member))
}
