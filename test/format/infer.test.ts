import { describe, expect, test } from 'vitest'
import { type InferredColumn, TypeInference } from '../../src/format/infer.ts'
import type { RawCell } from '../../src/model/failed-row.ts'
import type { ColumnType } from '../../src/model/table.ts'

function infer(cells: RawCell[], textColumns: string[] = []): InferredColumn {
  const inference = new TypeInference(['c'], new Set(textColumns))
  for (const cell of cells) inference.add([cell])
  return inference.columns()[0] as InferredColumn
}

const INTEGER: ColumnType = { kind: 'integer', min: -9223372036854775808n, max: 9223372036854775807n }
const TEXT: ColumnType = { kind: 'text', maxLength: null }
const decimal = (precision: number, scale: number): ColumnType => ({ kind: 'decimal', precision, scale })

describe('integers', () => {
  test.each([
    [['0', '7', '-42']],
    [['9223372036854775807', '-9223372036854775808']],
    [['1000000000000000000']],
    [['20200131']]
  ])('%j are integers of 64 bits', (cells) => {
    expect(infer(cells).type).toEqual(INTEGER)
  })

  test.each([[['9223372036854775808']], [['-9223372036854775809']], [['1', '9999999999999999999']]])(
    '%j go beyond 64 bits and are decimals without a fraction',
    (cells) => {
      expect(infer(cells).type).toEqual(decimal(19, 0))
    }
  )

  test.each([
    '-0',
    '+5',
    '007',
    '00',
    '-01',
    ' 42',
    '42 ',
    '',
    '-',
    '1,000',
    '0x10',
    '１２',
    '1_000',
    '4 2',
    'Infinity'
  ])('%j keeps its text', (cell) => {
    expect(infer(['1', cell]).type).toEqual(TEXT)
    expect(infer([cell, '1']).type).toEqual(TEXT)
  })
})

describe('decimals', () => {
  test('take the most digits before and after the point', () => {
    expect(infer(['1.5', '-22.25', '333']).type).toEqual(decimal(5, 2))
    expect(infer(['0.5']).type).toEqual(decimal(2, 1))
    expect(infer(['12345678901234567890', '0.01']).type).toEqual(decimal(22, 2))
  })

  test.each(['.5', '5.', '00.5', '+0.5', '1.2.3', '1,5', ' 1.5', '1.5\n', '1.5e', '1.5e+', '1.5x', '-.5'])(
    '%j keeps its text',
    (cell) => {
      expect(infer(['1.5', cell]).type).toEqual(TEXT)
    }
  )

  test('that no database holds stay text', () => {
    expect(infer(['1'.repeat(65)]).type).toEqual(decimal(65, 0))
    expect(infer(['1'.repeat(66)]).type).toEqual(TEXT)
    expect(infer([`0.${'1'.repeat(30)}`]).type).toEqual(decimal(31, 30))
    expect(infer([`0.${'1'.repeat(31)}`]).type).toEqual(TEXT)
  })
})

describe('doubles', () => {
  test.each([
    [['1.5e10']],
    [['1.5E-10', '3', '2.25']],
    [['1', '-2.0e+3']],
    [['1.0e22', '1000000000000000000000']],
    [['0.0e0']],
    [['1.5e308', '123456789012345']]
  ])('%j come back from a double as they were', (cells) => {
    expect(infer(cells).type).toEqual({ kind: 'double' })
  })

  test.each([
    [['12E4']],
    [['1.5e10', '12E4']],
    [['1.5e10', '1234567890123456']],
    [['1234567890123456', '1.5e10']],
    [['0.1234567890123456', '1.5e10']],
    [['1.234567890123456e10']],
    [['1.5e309']],
    [['1.5e-320']],
    [['1.5e10', `0.${'0'.repeat(330)}1`]],
    [['1.5e10', 'NaN']]
  ])('%j would not, and are text', (cells) => {
    expect(infer(cells).type).toEqual(TEXT)
  })
})

describe('booleans', () => {
  test('are true and false in any letter case', () => {
    expect(infer(['true', 'FALSE', 'True', null]).type).toEqual({ kind: 'boolean' })
  })

  test.each(['yes', 'no', 't', 'on', ' true', 'truth', 'y'])('%j is none', (cell) => {
    expect(infer(['true', cell]).type).toEqual(TEXT)
    expect(infer([cell]).type).toEqual(TEXT)
  })

  test('0 and 1 are integers', () => {
    expect(infer(['0', '1']).type).toEqual(INTEGER)
    expect(infer(['true', '1']).type).toEqual(TEXT)
  })
})

describe('dates and times', () => {
  test('are recognized in their ISO form', () => {
    expect(infer(['2024-02-29', '2000-02-29', '0001-01-01']).type).toEqual({ kind: 'date' })
    expect(infer(['00:00:00', '23:59:59', '10:00:00.123456789']).type).toEqual({ kind: 'time' })
    expect(infer(['2024-02-29 10:00', '2023-12-31 23:59']).type).toEqual({ kind: 'datetime' })
    expect(infer(['2024-02-29T10:00:00', '2024-02-29T10:00:00.5']).type).toEqual({ kind: 'datetime' })
  })

  test.each([
    '0000-00-00',
    '2020-00-10',
    '2020-01-00',
    '2023-02-29',
    '1900-02-29',
    '2020-04-31',
    '2020-13-01',
    '0000-01-01',
    '2020/01/01',
    '01.02.2020',
    '2020-1-1',
    '2020-01-01 ',
    '2020-01-0a',
    '12020-01-01'
  ])('%j is no date', (cell) => {
    expect(infer([cell]).type).toEqual(TEXT)
    expect(infer(['2020-01-01', cell]).type).toEqual(TEXT)
  })

  test.each([
    '2020-01-01 24:00:00',
    '2020-01-01 10:60',
    '2020-01-01 10:00:60',
    '2020-01-01 10:00:00.',
    '2020-01-01 10:00:00.1234567890',
    '2020-01-01 10:00:0',
    '2020-01-01 10',
    '2020-01-01  10:00',
    '2020-01-01_10:00',
    '2020-01-01 10:00 Z',
    '2020-01-01 10:00z',
    '2020-01-01 10:00+0800',
    '2020-01-01 10:00+15:00',
    '2020-01-01 10:00ZZ',
    '2020-02-30 10:00'
  ])('%j is no datetime', (cell) => {
    expect(infer([cell]).type).toEqual(TEXT)
  })

  test.each(['10:00', '24:00:00', '1:00:00', '10:00:60', '10:00:00.', '10:00:00Z', '-10:00:00', '10:00:00 '])(
    '%j is no time',
    (cell) => {
      expect(infer([cell]).type).toEqual(TEXT)
    }
  )

  test.each([
    [['2020-01-01', '2020-01-01 10:00']],
    [['2020-01-01 10:00', '2020-01-01']],
    [['2020-01-01 10:00', '2020-01-01T10:00']],
    [['2020-01-01 10:00', '2020-01-01 10:00:00']],
    [['2020-01-01 10:00:00Z', '2020-01-01 10:00:00']],
    [['2020-01-01 10:00:00Z', '2020-01-01 10:00:00+00:00']],
    [['10:00:00', '2020-01-01']]
  ])('%j mix forms and are text', (cells) => {
    expect(infer(cells).type).toEqual(TEXT)
  })

  test('zones and fractions are told, as not every database holds them', () => {
    expect(infer(['2020-01-01T10:00:00Z', '2020-01-01T10:00:00.5Z'])).toMatchObject({ zoned: true, fractionDigits: 1 })
    expect(infer(['2020-01-01 10:00:00.123456789+08:00'])).toMatchObject({ zoned: true, fractionDigits: 9 })
    expect(infer(['2020-01-01 10:00:00-03:30'])).toMatchObject({ type: { kind: 'datetime' }, zoned: true })
    expect(infer(['10:00:00.25', '10:00:00'])).toMatchObject({ zoned: false, fractionDigits: 2 })
    expect(infer(['2020-01-01 10:00:00.5', 'x'])).toMatchObject({ type: TEXT, zoned: false, fractionDigits: 0 })
  })
})

describe('columns', () => {
  test('without any value are text that may be null', () => {
    expect(infer([null, null])).toMatchObject({ name: 'c', type: TEXT, nullable: true })
    expect(infer([])).toMatchObject({ type: TEXT, nullable: false })
  })

  test('are nullable when any cell was null, whenever it came', () => {
    expect(infer(['1', null])).toMatchObject({ type: INTEGER, nullable: true })
    expect(infer([null, '1'])).toMatchObject({ type: INTEGER, nullable: true })
    expect(infer(['a', '1', null, 'b'])).toMatchObject({ type: TEXT, nullable: true })
    expect(infer(['a', ''])).toMatchObject({ type: TEXT, nullable: false })
  })

  test('that the source knows as text stay text', () => {
    expect(infer(['1', '2', null], ['c'])).toMatchObject({ type: TEXT, nullable: true })
  })

  test('are inferred apart from each other', () => {
    const inference = new TypeInference(['id', 'name', 'note', 'born'], new Set())
    inference.add(['1', 'Rex', null, '2020-01-01'])
    inference.add(['2', null, 'x', '2020-01-02'])
    inference.add(['3', 'Bello', null, null])
    expect(inference.columns().map(({ name, type, nullable }) => [name, type.kind, nullable])).toEqual([
      ['id', 'integer', false],
      ['name', 'text', true],
      ['note', 'text', true],
      ['born', 'date', true]
    ])
  })

  test('a row that is too short has nulls', () => {
    const inference = new TypeInference(['a', 'b'], new Set())
    inference.add(['1'])
    expect(inference.columns()[1]).toMatchObject({ type: TEXT, nullable: true })
  })
})
