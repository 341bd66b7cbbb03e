import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readAll, tempFolder } from './helpers.ts'

const folder = tempFolder()

/** A value as JSON text, and the cell that it must become. */
interface Value {
  text: string
  cell: string | null
}

const PIECES = [
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '\n',
  '\u2028',
  '\ufeff',
  '\ufffd',
  'a',
  'é',
  '中',
  '😀',
  '0.10'
]
const string = fc.array(fc.constantFrom(...PIECES), { maxLength: 6 }).map((parts) => parts.join(''))
/** A key with a backslash is refused (see json.test.ts). */
const name = string.map((text) => text.replaceAll('\\', ''))
const number = fc.oneof(
  fc.constantFrom('0.10', '9007199254740993', '-0', '-0.0', '1e5', '1E+2', '1.0', '0.0000001', '1e999', '100', '-4.5'),
  fc.tuple(fc.maxSafeInteger(), fc.nat(1_000_000)).map(([a, b]) => `${a}.${b}`),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((n) => JSON.stringify(n)),
  fc.bigInt().map(String)
)
const scalar: fc.Arbitrary<Value> = fc.oneof(
  fc.constant({ text: 'null', cell: null }),
  fc.boolean().map((b) => ({ text: String(b), cell: String(b) })),
  number.map((text) => ({ text, cell: text })),
  string.map((text) => ({ text: JSON.stringify(text), cell: text }))
)
const nested: fc.Arbitrary<Value> = fc.oneof(
  fc.array(scalar, { maxLength: 3 }).map((items) => asIs(`[${items.map((item) => item.text).join(',')}]`)),
  fc.tuple(name, scalar).map(([key, value]) => asIs(`{${JSON.stringify(`k${key}`)}:${value.text}}`))
)
const key = fc.oneof(
  fc.constantFrom('id', 'name', '__proto__', 'constructor', ''),
  name.map((s) => `k${s}`)
)
const object = fc.uniqueArray(fc.tuple(key, fc.oneof(scalar, nested)), { selector: ([k]) => k, maxLength: 5 })
const blanks = fc.constantFrom('', ' ', '\n', '\r\n  ', '\t')
const objects = fc.array(fc.tuple(object, blanks, blanks), { minLength: 1, maxLength: 6 })
type Objects = [[string, Value][], string, string][]

function asIs(text: string): Value {
  return { text, cell: text }
}

function textOf(members: [string, Value][], gap: string): string {
  return `{${members.map(([k, v]) => `${gap}${JSON.stringify(k)}:${gap}${v.text}`).join(',')}${gap}}`
}

function columnsOf(all: Objects): string[] {
  return [...new Set(all.flatMap(([members]) => members.map(([k]) => k)))]
}

function cellsOf(members: [string, Value][], columns: string[]): (string | null)[] {
  const byKey = new Map(members.map(([k, v]) => [k, v.cell]))
  return columns.map((column) => byKey.get(column) ?? null)
}

function linesIn(text: string): number {
  return text.split('\n').length - 1
}

test('an array of objects is read back exactly, with its line numbers, wherever windows are cut', async () => {
  await fc.assert(
    fc.asyncProperty(objects, fc.integer({ min: 1, max: 60 }), fc.boolean(), async (all, windowBytes, wrapped) => {
      const columns = columnsOf(all)
      fc.pre(columns.length > 0)
      let text = wrapped ? '\n{"count":\n[1, 2],"rows": [' : '['
      const expected = all.map(([members, before, gap], i) => {
        text += (i > 0 ? ',' : '') + before
        const line = linesIn(text) + 1
        text += textOf(members, gap)
        return { line, cells: cellsOf(members, columns) }
      })
      text += wrapped ? ']\n}' : ']\n'
      const { rows, unreadable, source } = await readAll(await folder.write('t.json', text), {}, { windowBytes })
      expect(unreadable).toEqual([])
      expect(source.columns).toEqual(columns)
      expect(rows).toEqual(expected)
    }),
    { numRuns: 250 }
  )
}, 120_000)

test('NDJSON is read back exactly, with its line numbers, wherever windows are cut', async () => {
  await fc.assert(
    fc.asyncProperty(objects, fc.integer({ min: 1, max: 60 }), fc.boolean(), async (all, windowBytes, lastLineEnd) => {
      const columns = columnsOf(all)
      fc.pre(columns.length > 0)
      let text = ''
      const expected = all.map(([members, before, gap]) => {
        text += before.includes('\n') ? before : ''
        const line = linesIn(text) + 1
        text += `${textOf(members, gap.replaceAll(/[\r\n]/g, ''))}\n`
        return { line, cells: cellsOf(members, columns) }
      })
      const path = await folder.write('t.ndjson', lastLineEnd ? text : text.trimEnd())
      const { rows, unreadable, source } = await readAll(path, {}, { windowBytes })
      expect(unreadable).toEqual([])
      expect(source.columns).toEqual(columns)
      expect(rows).toEqual(expected)
    }),
    { numRuns: 250 }
  )
}, 120_000)

test('cut or changed anywhere, JSON gives the same outcome at every window size', async () => {
  const text = '[{"a":"x\\"[1","b":[1,{"c":2.50}]},\n {"a":null},\n 5, "s", {"b":{}}]\n'
  await fc.assert(
    fc.asyncProperty(
      fc.nat(text.length),
      fc.constantFrom('', '"', '{', '}', '[', ']', ',', ':', '\\', '\n'),
      fc.integer({ min: 1, max: 20 }),
      async (at, replacement, windowBytes) => {
        const path = await folder.write('cut.json', text.slice(0, at) + replacement + text.slice(at + 1))
        const outcome = (bytes: number) =>
          readAll(path, {}, { windowBytes: bytes }).then(
            ({ rows, unreadable }) => ({ rows, unreadable }),
            (error: Error) => error.message
          )
        expect(await outcome(windowBytes)).toEqual(await outcome(1 << 20))
      }
    ),
    { numRuns: 150 }
  )
}, 120_000)
