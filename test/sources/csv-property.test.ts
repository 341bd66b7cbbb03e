import fc from 'fast-check'
import { expect, test } from 'vitest'
import { readAll, tempFolder } from './helpers.ts'

const folder = tempFolder()

const NASTY = ['"', '""', ',', ';', '\t', '|', "'", '\n', '\r', '\r\n', ' ', '\ufeff', '\ufffd', '\u00a0', '\u2028']
const cellText = fc
  .array(fc.oneof(fc.constantFrom(...NASTY), fc.constantFrom('a', '7', 'é', '中', '😀', 'long enough to be a slice')), {
    maxLength: 6
  })
  .map((parts) => parts.join(''))

interface Written {
  text: string
  rows: { line: number; cells: (string | null)[] }[]
}

interface Style {
  delimiter: string
  lineEnds: string[]
  quoteAll: boolean
  blankLinesBefore: number[]
  lastLineEnd: boolean
  bom: boolean
}

const style: fc.Arbitrary<Style> = fc.record({
  delimiter: fc.constantFrom(',', ';', '\t', '|'),
  lineEnds: fc.constantFrom(['\n'], ['\r\n'], ['\n', '\r\n']),
  quoteAll: fc.boolean(),
  blankLinesBefore: fc.array(fc.nat(2), { maxLength: 5 }),
  lastLineEnd: fc.boolean(),
  bom: fc.boolean()
})

const table = fc.integer({ min: 1, max: 4 }).chain((width) =>
  fc.record({
    width: fc.constant(width),
    rows: fc.array(fc.array(cellText, { minLength: width, maxLength: width }), { minLength: 1, maxLength: 8 })
  })
)

/** Writes by RFC 4180, keeping count of the lines. */
function serialise(width: number, rows: string[][], style: Style): Written {
  let text = ''
  let line = 1
  let written = 0
  const put = (piece: string) => {
    text += piece
    line += piece.split('\n').length - 1
  }
  const putRow = (cells: string[]) => {
    put(cells.map((cell) => quoted(cell, style, cells.length === 1)).join(style.delimiter))
    const isLast = written === rows.length
    if (!isLast || style.lastLineEnd) put(style.lineEnds[written % style.lineEnds.length] ?? '\n')
    written++
  }
  putRow(Array.from({ length: width }, (_, i) => `name ${i}`))
  const expected: Written['rows'] = []
  for (const [i, cells] of rows.entries()) {
    put('\n'.repeat(style.blankLinesBefore[i] ?? 0))
    expected.push({ line, cells: cells.map((cell) => cell || null) })
    putRow(cells)
  }
  return { text: (style.bom ? '\ufeff' : '') + text, rows: expected }
}

function quoted(cell: string, { delimiter, quoteAll }: Style, alone: boolean): string {
  const must = /["\r\n]/.test(cell) || cell.includes(delimiter) || (alone && cell === '')
  return must || quoteAll ? `"${cell.replaceAll('"', '""')}"` : cell
}

test('what was written by RFC 4180 is read back exactly, with its line numbers, wherever windows are cut', async () => {
  await fc.assert(
    fc.asyncProperty(table, style, fc.integer({ min: 1, max: 60 }), async ({ width, rows }, how, windowBytes) => {
      const written = serialise(width, rows, how)
      const path = await folder.write('table.csv', written.text)
      const read = await readAll(path, { delimiter: how.delimiter, quote: '"', header: true }, { windowBytes })
      expect(read.unreadable).toEqual([])
      expect(read.rows).toEqual(written.rows)
      expect(read.source.columns).toEqual(Array.from({ length: width }, (_, i) => `name ${i}`))
    }),
    { numRuns: 250 }
  )
}, 120_000)

test('the same text gives the same rows and failures at every window size, even when it is malformed', async () => {
  const junk = fc
    .array(
      fc.constantFrom('a', '1', ',', ',', '"', '""', '\r', '\r"\n', '\n', '\n', '\r\n', ' ', '"x"', '"x",', 'b,c\n'),
      {
        minLength: 1,
        maxLength: 40
      }
    )
    .map((parts) => `h1,h2\n${parts.join('')}\nend,end\n`)
  await fc.assert(
    fc.asyncProperty(junk, fc.integer({ min: 1, max: 30 }), async (text, windowBytes) => {
      const path = await folder.write('junk.csv', text)
      const options = { delimiter: ',', quote: '"', header: true }
      const outcome = (bytes: number) =>
        readAll(path, options, { windowBytes: bytes }).then(
          ({ rows, unreadable }) => ({ rows, unreadable }),
          (error: Error) => error.message
        )
      expect(await outcome(windowBytes)).toEqual(await outcome(1 << 20))
    }),
    { numRuns: 250 }
  )
}, 120_000)
