import fc from 'fast-check'
import { expect, test } from 'vitest'
import { CellFailure } from '../../src/format/cell-failure.ts'
import { coercerFor } from '../../src/format/coerce.ts'
import { parseDecimal, toScale } from '../../src/format/decimal-text.ts'
import { type InferredColumn, TypeInference } from '../../src/format/infer.ts'
import type { RawCell } from '../../src/model/failed-row.ts'
import type { Value } from '../../src/model/value.ts'

const integer = fc.oneof(
  fc.integer().map(String),
  fc.bigInt({ min: -(2n ** 65n), max: 2n ** 65n }).map(String),
  fc.constantFrom('0', '-0', '007', '+1', '9223372036854775807', '9223372036854775808', ' 1')
)
const decimal = fc
  .tuple(fc.integer(), fc.stringMatching(/^\d{1,6}$/))
  .map(([whole, fraction]) => `${whole}.${fraction}`)
const scientific = fc
  .tuple(fc.integer({ min: -99, max: 99 }), fc.stringMatching(/^\d{1,16}$/), fc.integer({ min: -330, max: 330 }))
  .map(([whole, fraction, exponent]) => `${whole}.${fraction}e${exponent}`)
const instant = fc.date({
  min: new Date('0001-01-02T00:00:00Z'),
  max: new Date('9999-12-30T00:00:00Z'),
  noInvalidDate: true
})
const date = instant.map((moment) => moment.toISOString().slice(0, 10))
const time = instant.map((moment) => moment.toISOString().slice(11, 19))
const forms: ((iso: string) => string)[] = [
  (iso) => iso,
  (iso) => iso.slice(0, 23),
  (iso) => iso.slice(0, 16).replace('T', ' '),
  (iso) => `${iso.slice(0, 19).replace('T', ' ')}+08:00`
]
const datetime = fc.constantFrom(...forms).map((form) => instant.map((moment) => form(moment.toISOString())))
const boolean = fc.constantFrom('true', 'false', 'TRUE', 'False')
const junk = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '0000-00-00', '2020-00-10', '12E4', 'NaN', '1e5', 'yes', '24:00:00', '0x10')
)

/** A column mostly of one kind, as files have them; sometimes anything. */
const kinds = fc.oneof(
  fc.constantFrom<fc.Arbitrary<string>>(integer, decimal, scientific, date, time, boolean, junk),
  fc.constant(fc.oneof(integer, decimal)),
  fc.constant(fc.oneof(integer, decimal, scientific)),
  fc.constant(fc.oneof(integer, decimal, scientific, date, time, boolean, junk)),
  datetime
)
const cells = kinds.chain((kind) => fc.array(fc.option(kind, { nil: null, freq: 6 }), { maxLength: 8 }))

function infer(column: RawCell[]): InferredColumn {
  const inference = new TypeInference(['c'], new Set())
  for (const cell of column) inference.add([cell])
  return inference.columns()[0] as InferredColumn
}

/** What must come back of a cell: the same text, or for numbers with a point the same number. */
function expected(cell: string, column: InferredColumn): string {
  switch (column.type.kind) {
    case 'decimal':
    case 'double':
      return exactNumber(cell)
    case 'boolean':
      return cell.toLowerCase()
    case 'datetime':
      return column.zoned ? cell : cell.replace('T', ' ').replace(/^(.{16})$/, '$1:00')
    default:
      return cell
  }
}

function backToText(value: Value, column: InferredColumn): string {
  switch (column.type.kind) {
    case 'decimal':
    case 'double':
      return exactNumber(String(value))
    case 'boolean':
      return value === 1 ? 'true' : 'false'
    default:
      return String(value)
  }
}

function exactNumber(text: string): string {
  const number = parseDecimal(text)
  if (!number) throw new Error(`${text} is no number`)
  return toScale(number, Math.max(number.digits.length - number.point, 0))
}

test('what is inferred holds every cell, and gives it back', () => {
  const seen = new Set<string>()
  fc.assert(
    fc.property(cells, (column) => {
      const inferred = infer(column)
      seen.add(inferred.type.kind)
      const coerce = coercerFor({ ...inferred, declared: '', hasDefault: false, generated: false })
      for (const cell of column) {
        const value = coerce(cell)
        expect(value).not.toBeInstanceOf(CellFailure)
        if (cell === null) expect(value).toBeNull()
        else expect(backToText(value as Value, inferred)).toBe(expected(cell, inferred))
      }
    }),
    { numRuns: 3000 }
  )
  expect([...seen].sort()).toEqual(['boolean', 'date', 'datetime', 'decimal', 'double', 'integer', 'text', 'time'])
})

test('the order of the rows does not matter', () => {
  fc.assert(
    fc.property(cells, (column) => {
      expect(infer([...column].reverse()).type).toEqual(infer(column).type)
    })
  )
})
