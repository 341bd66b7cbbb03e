import { describe, expect, test } from 'vitest'
import { CellFailure } from '../../src/format/cell-failure.ts'
import { coercerFor } from '../../src/format/coerce.ts'
import type { Column, ColumnType } from '../../src/model/table.ts'

function column(type: ColumnType, nullable = false): Column {
  return { name: 'c', type, declared: '', nullable, hasDefault: false, generated: false }
}

function coerce(type: ColumnType, cell: string): unknown {
  return coercerFor(column(type))(cell)
}

function failure(type: ColumnType, cell: string): CellFailure {
  const result = coerce(type, cell)
  expect(result).toBeInstanceOf(CellFailure)
  return result as CellFailure
}

const INT64: ColumnType = { kind: 'integer', min: -(2n ** 63n), max: 2n ** 63n - 1n }
const TINY: ColumnType = { kind: 'integer', min: -128n, max: 127n }
const UNSIGNED: ColumnType = { kind: 'integer', min: 0n, max: 2n ** 64n - 1n }
const MONEY: ColumnType = { kind: 'decimal', precision: 5, scale: 2 }
const DOUBLE: ColumnType = { kind: 'double' }
const BOOLEAN: ColumnType = { kind: 'boolean' }
const DATE: ColumnType = { kind: 'date' }
const DATETIME: ColumnType = { kind: 'datetime' }
const TIME: ColumnType = { kind: 'time' }
const BLOB: ColumnType = { kind: 'blob' }
const JSON_TYPE: ColumnType = { kind: 'json' }

describe('null', () => {
  test('is null where the column allows it, and fails elsewhere', () => {
    expect(coercerFor(column(TINY, true))(null)).toBeNull()
    expect(coercerFor(column(TINY))(null)).toEqual(new CellFailure('required', 'column "c" must have a value'))
  })

  test('is not the empty text', () => {
    expect(coercerFor(column({ kind: 'text', maxLength: 3 }, true))('')).toBe('')
    expect(coercerFor(column(TINY, true))('')).toBeInstanceOf(CellFailure)
  })
})

describe('integer', () => {
  test.each([
    ['42', 42],
    ['-42', -42],
    ['007', 7],
    ['+5', 5],
    [' 42 ', 42],
    ['42.0', 42],
    ['42.', 42],
    ['4.2e1', 42],
    ['420e-1', 42],
    ['000000000000000000000042', 42],
    ['9007199254740991', 9007199254740991],
    ['9007199254740992', 9007199254740992n],
    ['-9007199254740993', -9007199254740993n],
    ['9223372036854775807', 9223372036854775807n],
    ['-9223372036854775808', -9223372036854775808n]
  ])('%j is %s', (cell, value) => {
    expect(coerce(INT64, cell)).toBe(value)
  })

  test.each(['0', '-0', '00', '-0.0', '0e9', '+0'])('%j is zero without a sign', (cell) => {
    expect(coerce(INT64, cell)).toBe(0)
  })

  test.each([
    '',
    ' ',
    'abc',
    '42.5',
    '4.25e1',
    '4 2',
    '1,000',
    '0x10',
    '--5',
    '+',
    '-',
    '.',
    '1e',
    'NaN',
    'null',
    '１'
  ])('%j is none', (cell) => {
    expect(failure(INT64, cell).code).toBe('type.integer')
  })

  test('reasons name the value', () => {
    expect(failure(INT64, 'abc').reason).toBe('"abc" is not an integer')
    expect(failure(INT64, 'x'.repeat(70)).reason).toBe(`"${'x'.repeat(59)}…" is not an integer`)
    expect(failure(INT64, `${'x'.repeat(58)}😀😀`).reason).toBe(`"${'x'.repeat(58)}…" is not an integer`)
    expect(failure(INT64, '1\n2').reason).toBe('"1\\n2" is not an integer')
  })

  test('what a spreadsheet has shortened is refused', () => {
    expect(failure(INT64, '1.23457E+11')).toMatchObject({
      code: 'type.integer',
      reason: '"1.23457E+11" leaves out digits of an integer: write it in full'
    })
  })

  test.each([
    [TINY, '128', '-128 to 127'],
    [TINY, '-129', '-128 to 127'],
    [TINY, '0000000000000000000128', '-128 to 127'],
    [INT64, '9223372036854775808', '-9223372036854775808 to 9223372036854775807'],
    [INT64, '9'.repeat(59), '-9223372036854775808 to 9223372036854775807'],
    [UNSIGNED, '-1', '0 to 18446744073709551615'],
    [UNSIGNED, '18446744073709551616', '0 to 18446744073709551615']
  ])('%o does not hold %s', (type, cell, range) => {
    expect(failure(type, cell)).toEqual(new CellFailure('out_of_range', `"${cell}" is outside ${range}`))
  })

  test('a very long number is out of range', () => {
    expect(failure(INT64, '9'.repeat(100_000)).code).toBe('out_of_range')
    expect(failure(INT64, '1e999999999').code).toBe('type.integer')
  })

  test('the ends of a range belong to it', () => {
    expect(coerce(TINY, '127')).toBe(127)
    expect(coerce(TINY, '-128')).toBe(-128)
    expect(coerce(UNSIGNED, '18446744073709551615')).toBe(18446744073709551615n)
  })
})

describe('decimal', () => {
  test.each([
    ['1.50', '1.50'],
    ['1.5', '1.50'],
    ['1', '1.00'],
    ['-1.5', '-1.50'],
    ['+1.5', '1.50'],
    [' 1.5 ', '1.50'],
    ['001.5', '1.50'],
    ['.5', '0.50'],
    ['5.', '5.00'],
    ['1.5000', '1.50'],
    ['999.99', '999.99'],
    ['1.5e2', '150.00'],
    ['15E-1', '1.50'],
    ['1e-2', '0.01'],
    ['-0', '0.00'],
    ['-0.00', '0.00'],
    ['0e5', '0.00']
  ])('%j is %s', (cell, value) => {
    expect(coerce(MONEY, cell)).toBe(value)
  })

  test.each(['', 'abc', '1,5', '1.2.3', '1e', 'e5', '.', '-', '0x1', 'NaN', 'Infinity', '$5', '1 000'])(
    '%j is none',
    (cell) => {
      expect(failure(MONEY, cell)).toMatchObject({ code: 'type.decimal', reason: `"${cell}" is not a number` })
    }
  )

  test('too many digits are out of range', () => {
    expect(failure(MONEY, '1000')).toMatchObject({
      code: 'out_of_range',
      reason: '"1000" has 4 digits before the point, the column holds 3'
    })
    expect(failure(MONEY, '1.005')).toMatchObject({
      code: 'out_of_range',
      reason: '"1.005" would be rounded: it has 3 digits after the point, the column holds 2'
    })
    expect(failure(MONEY, '1e-3').code).toBe('out_of_range')
    expect(failure(MONEY, '1e3').code).toBe('out_of_range')
    expect(failure(MONEY, '1e999999999999').code).toBe('out_of_range')
    expect(failure(MONEY, '1e-999999999999').code).toBe('out_of_range')
  })

  test('digits that no double has are kept', () => {
    const wide: ColumnType = { kind: 'decimal', precision: 65, scale: 30 }
    const text = `${'1234567890'.repeat(3)}12345.${'0987654321'.repeat(3)}`
    expect(coerce(wide, text)).toBe(text)
    expect(coerce(wide, `-${text}`)).toBe(`-${text}`)
  })

  test('a column may hold no digit before or after the point', () => {
    expect(coerce({ kind: 'decimal', precision: 2, scale: 2 }, '0.5')).toBe('0.50')
    expect(failure({ kind: 'decimal', precision: 2, scale: 2 }, '1.5').code).toBe('out_of_range')
    expect(coerce({ kind: 'decimal', precision: 3, scale: 0 }, '12.0')).toBe('12')
    expect(coerce({ kind: 'decimal', precision: 3, scale: 0 }, '-12')).toBe('-12')
    expect(failure({ kind: 'decimal', precision: 3, scale: 0 }, '12.5').code).toBe('out_of_range')
  })
})

describe('double', () => {
  test.each([
    ['1', 1],
    ['-1.5', -1.5],
    ['+.5', 0.5],
    ['5.', 5],
    [' 1.5e10 ', 1.5e10],
    ['1E-7', 1e-7],
    ['0.1234567890123456789', 0.12345678901234568],
    ['-0', -0]
  ])('%j is %d', (cell, value) => {
    expect(coerce(DOUBLE, cell)).toBe(value)
  })

  test.each(['', ' ', 'NaN', 'Infinity', '-inf', '0x10', '1e', '.', '1,5', '1_0', '0b1'])('%j is none', (cell) => {
    expect(failure(DOUBLE, cell).code).toBe('type.double')
  })

  test('beyond the largest double is out of range', () => {
    expect(failure(DOUBLE, '1e309').code).toBe('out_of_range')
    expect(failure(DOUBLE, '-1e309').code).toBe('out_of_range')
  })
})

describe('boolean', () => {
  test.each(['true', 'T', 'Yes', 'y', 'ON', '1', ' true '])('%j is 1', (cell) => {
    expect(coerce(BOOLEAN, cell)).toBe(1)
  })

  test.each(['false', 'F', 'No', 'n', 'OFF', '0'])('%j is 0', (cell) => {
    expect(coerce(BOOLEAN, cell)).toBe(0)
  })

  test.each(['', '2', 'maybe', '1.0', 'tru'])('%j is neither', (cell) => {
    expect(failure(BOOLEAN, cell).code).toBe('type.boolean')
  })
})

describe('text', () => {
  const short: ColumnType = { kind: 'text', maxLength: 3 }

  test.each(['', ' a ', 'abc', '😀😀😀', '\u0000', 'e\u0301a'])('%j stays as it is', (cell) => {
    expect(coerce(short, cell)).toBe(cell)
  })

  test('too long names both numbers', () => {
    expect(failure(short, 'abcd')).toEqual(new CellFailure('too_long', '"abcd" has 4 characters, 3 are allowed'))
    expect(failure(short, '😀😀😀😀').reason).toBe('"😀😀😀😀" has 4 characters, 3 are allowed')
  })

  test('without a limit holds anything', () => {
    const long = 'x'.repeat(100_000)
    expect(coerce({ kind: 'text', maxLength: null }, long)).toBe(long)
  })

  test.each(['\ud800', 'a\udc00b', '\udc00\ud800'])('half a character fails: %j', (cell) => {
    expect(failure(short, cell).code).toBe('encoding')
  })
})

describe('date', () => {
  test.each([
    ['2024-02-29', '2024-02-29'],
    ['2024/02/29', '2024-02-29'],
    ['20240229', '2024-02-29'],
    [' 2024-02-29 ', '2024-02-29'],
    ['2024-02-29 00:00', '2024-02-29'],
    ['2024-02-29T00:00:00.000', '2024-02-29'],
    ['2024/02/29 00:00:00', '2024-02-29']
  ])('%j is %s', (cell, value) => {
    expect(coerce(DATE, cell)).toBe(value)
  })

  test.each([
    '',
    '2023-02-29',
    '0000-00-00',
    '2020-00-10',
    '29.02.2024',
    '02/29/2024',
    '2024-02/29',
    '2024-2-9',
    '202402'
  ])('%j is none', (cell) => {
    expect(failure(DATE, cell).code).toBe('type.date')
  })

  test('nothing is lost in silence', () => {
    expect(failure(DATE, '2024-02-29 10:30')).toEqual(
      new CellFailure('type.date', '"2024-02-29 10:30" would lose the time in a date')
    )
    expect(failure(DATE, '2024-02-29 00:00:00.001').code).toBe('type.date')
    expect(failure(DATE, '2024-02-29T00:00:00Z').reason).toContain('would lose the time zone')
    expect(failure(DATE, '2023-02-29').reason).toBe('"2023-02-29" does not exist in the calendar or on the clock')
  })
})

describe('datetime', () => {
  test.each([
    ['2024-02-29 10:30:00', '2024-02-29 10:30:00'],
    ['2024-02-29T10:30', '2024-02-29 10:30:00'],
    ['2024-02-29T10:30:05.120', '2024-02-29 10:30:05.120'],
    ['2024-02-29', '2024-02-29 00:00:00'],
    ['20240229', '2024-02-29 00:00:00'],
    ['2024/02/29 10:30', '2024-02-29 10:30:00'],
    [' 2024-02-29 10:30 ', '2024-02-29 10:30:00'],
    ['2024-02-29T10:30Z', '2024-02-29T10:30Z'],
    ['2024-02-29T10:30:00+08:00', '2024-02-29T10:30:00+08:00'],
    [' 2024-02-29 10:30:00-03:30', '2024-02-29 10:30:00-03:30']
  ])('%j is %s', (cell, value) => {
    expect(coerce(DATETIME, cell)).toBe(value)
  })

  test.each([
    '',
    'now',
    '10:30:00',
    '2023-02-29 10:30',
    '2024-02-29 24:00',
    '2024-02-29 10:60',
    '2024-02-29 10:30:60',
    '2024-02-29 10:30:00.1234567890',
    '2024-02-29 10:30+15:00',
    '2024-02-29 10:30:00 UTC',
    '2024-02-29 1:30'
  ])('%j is none', (cell) => {
    expect(failure(DATETIME, cell).code).toBe('type.datetime')
  })
})

describe('time', () => {
  test.each([
    ['10:30:00', '10:30:00'],
    ['9:05', '09:05:00'],
    ['10:30:00.5', '10:30:00.5'],
    [' 10:30 ', '10:30:00'],
    ['838:59:59', '838:59:59'],
    ['838:59:59.999999', '838:59:59.999999'],
    ['-838:59:59', '-838:59:59'],
    ['-1:00', '-01:00:00'],
    ['-0:00', '00:00:00'],
    ['24:00:00', '24:00:00'],
    ['010:00:00', '10:00:00']
  ])('%j is %s', (cell, value) => {
    expect(coerce(TIME, cell)).toBe(value)
  })

  test.each(['', '10', '10:60', '10:30:60', '10:30:00.', '10:30pm', '1000:00:00', '2024-02-29 10:30'])(
    '%j is none',
    (cell) => {
      expect(failure(TIME, cell).code).toBe('type.time')
    }
  )

  test('has a range', () => {
    expect(failure(TIME, '839:00:00')).toEqual(
      new CellFailure('out_of_range', '"839:00:00" is outside -838:59:59 to 838:59:59')
    )
  })
})

describe('blob', () => {
  test('is written in hex', () => {
    expect(coerce(BLOB, '0x00fFA0')).toEqual(new Uint8Array([0, 255, 160]))
    expect(coerce(BLOB, '0x')).toEqual(new Uint8Array())
  })

  test.each(['', 'abc', '0x0', '0xzz', '0X00', 'ff', ' 0x00', '0x00\n'])('%j is none', (cell) => {
    expect(failure(BLOB, cell).code).toBe('type.blob')
    expect(failure(BLOB, cell).reason).toContain('write 0x and two hex digits per byte')
  })
})

describe('json', () => {
  test.each(['{"a": 1.0}', '[]', 'null', ' 1 ', '"x"', '{"id":12345678901234567890}'])('%j stays as it is', (cell) => {
    expect(coerce(JSON_TYPE, cell)).toBe(cell)
  })

  test.each(['', '{', "{'a':1}", 'undefined', '[1,]'])('%j is none', (cell) => {
    expect(failure(JSON_TYPE, cell).code).toBe('type.json')
  })

  test('half a character fails', () => {
    expect(failure(JSON_TYPE, '"\ud800"').code).toBe('encoding')
  })
})
