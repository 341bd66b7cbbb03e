import { describe, expect, test } from 'vitest'
import { ExitCode, RowbackError } from '../../src/errors.ts'
import { CellFailure } from '../../src/format/cell-failure.ts'
import { type ColumnRule, columnRuleSchema, compileRule } from '../../src/format/rules.ts'
import { typeNamed } from '../../src/format/type-name.ts'
import type { RawCell } from '../../src/model/failed-row.ts'

function apply(rule: ColumnRule, cell: RawCell): RawCell | CellFailure {
  return compileRule(columnRuleSchema.parse(rule), 'c')(cell)
}

function codeOf(result: RawCell | CellFailure): string {
  expect(result).toBeInstanceOf(CellFailure)
  return (result as CellFailure).code
}

function errorOf(rule: ColumnRule): RowbackError {
  try {
    compileRule(columnRuleSchema.parse(rule), 'c')
  } catch (error) {
    expect(error).toBeInstanceOf(RowbackError)
    return error as RowbackError
  }
  throw new Error('the rule was compiled')
}

describe('the schema', () => {
  test('takes the rules of a plan file', () => {
    const rules: ColumnRule[] = [
      { from: '客户编号', type: 'integer' },
      { from: '姓名', trim: true, required: true, maxLength: 64 },
      { from: '加入日期', type: 'date', formats: ['yyyy/MM/dd', 'yyyy-MM-dd'] },
      { from: '等级', map: { 金: 'gold', 银: 2, 铜: null, 铁: true }, default: 'basic' },
      { min: 1, max: '2.5', pattern: '^x$' }
    ]
    for (const rule of rules) expect(columnRuleSchema.parse(rule)).toEqual(rule)
  })

  test.each([
    { form: 'x' },
    { type: 'int' },
    { type: 'text(0)' },
    { maxLength: 0 },
    { formats: [] },
    { formats: 'yyyy' },
    { map: { a: [] } },
    { from: '' }
  ])('refuses %j', (rule) => {
    expect(columnRuleSchema.safeParse(rule).success).toBe(false)
  })

  test('names types as a table has them', () => {
    expect(typeNamed('integer')).toMatchObject({ kind: 'integer' })
    expect(typeNamed('text(64)')).toEqual({ kind: 'text', maxLength: 64 })
    expect(typeNamed('text')).toEqual({ kind: 'text', maxLength: null })
    expect(typeNamed('decimal(12, 2)')).toEqual({ kind: 'decimal', precision: 12, scale: 2 })
    expect(typeNamed('decimal(12)')).toEqual({ kind: 'decimal', precision: 12, scale: 0 })
    expect(typeNamed('json')).toEqual({ kind: 'json' })
    for (const name of ['decimal', 'decimal(2,3)', 'decimal(0)', 'text(1,2)', 'Integer', 'varchar(3)', 'toString']) {
      expect(typeNamed(name)).toBeNull()
    }
  })
})

describe('trim', () => {
  test('takes blanks of any kind; what is empty then is null', () => {
    expect(apply({ trim: true }, ' \t\u3000a b\u00a0\n')).toBe('a b')
    expect(apply({ trim: true }, ' \u3000 ')).toBeNull()
    expect(apply({ trim: true }, null)).toBeNull()
  })

  test('is asked for: without it nothing changes', () => {
    expect(apply({}, ' a ')).toBe(' a ')
    expect(apply({}, '')).toBe('')
    expect(apply({ from: 'x', type: 'integer' }, ' 1 ')).toBe(' 1 ')
  })
})

describe('map', () => {
  const map = { 金: 'gold', '1': 2, yes: true, none: null, __proto__x: 'p' }

  test('replaces what it has', () => {
    expect(apply({ map }, '金')).toBe('gold')
    expect(apply({ map }, '1')).toBe('2')
    expect(apply({ map }, 'yes')).toBe('true')
    expect(apply({ map }, 'none')).toBeNull()
    expect(apply({ map, trim: true }, ' 金 ')).toBe('gold')
    expect(apply({ map }, null)).toBeNull()
  })

  test('fails for what it lacks, unless there is a default', () => {
    expect(apply({ map: { a: 1, b: 2 } }, 'x')).toEqual(
      new CellFailure('not_in_map', '"x" is not in the map, which has "a", "b"')
    )
    expect(codeOf(apply({ map }, 'toString'))).toBe('not_in_map')
    expect(apply({ map, default: 'basic' }, 'x')).toBe('basic')
    expect(apply({ map, default: 'basic' }, 'none')).toBe('basic')
    expect(apply({ map, default: null }, 'x')).toBeNull()
  })

  test('a large map is not told whole', () => {
    const large = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`k${i}`, i]))
    expect((apply({ map: large }, 'x') as CellFailure).reason).toMatch(/"k7", …$/)
  })
})

describe('formats', () => {
  test.each([
    ['yyyy/MM/dd', '2024/02/29', '2024-02-29'],
    ['dd.MM.yyyy', '29.02.2024', '2024-02-29'],
    ['yyyyMMdd', '20240229', '2024-02-29'],
    ['yyyy年M月d日', '2024年2月9日', '2024-02-09'],
    ['d/M/yyyy H:mm', '9/2/2024 7:05', '2024-02-09 07:05:00'],
    ['yyyy-MM-ddTHH:mm:ss', '2024-02-29T10:30:05', '2024-02-29 10:30:05'],
    ['yyyyMMddHHmmss', '20240229103005', '2024-02-29 10:30:05'],
    ['HH:mm', '10:30', '10:30:00'],
    ['[yyyy] MM+dd', '[2024] 02+29', '2024-02-29']
  ])('%s reads %s', (format, cell, iso) => {
    expect(apply({ formats: [format] }, cell)).toBe(iso)
  })

  test.each([
    ['yyyy/MM/dd', '2024-02-29'],
    ['yyyy/MM/dd', '2024/2/29'],
    ['yyyy/MM/dd', '2023/02/29'],
    ['yyyy/MM/dd', ' 2024/02/29'],
    ['yyyy/MM/dd', '2024/02/29 10:00'],
    ['dd.MM.yyyy', '29x02x2024'],
    ['yyyy-MM-dd HH:mm', '2024-02-29 24:00'],
    ['HH:mm:ss', '10:30:60']
  ])('%s does not read %j', (format, cell) => {
    expect(codeOf(apply({ formats: [format] }, cell))).toBe('type.date')
  })

  test('are tried in order', () => {
    const formats = ['dd/MM/yyyy', 'MM/dd/yyyy', 'yyyy-MM-dd']
    expect(apply({ formats }, '03/04/2024')).toBe('2024-04-03')
    expect(apply({ formats }, '03/14/2024')).toBe('2024-03-14')
    expect(apply({ formats }, '2024-03-14')).toBe('2024-03-14')
    expect(apply({ formats }, 'soon')).toEqual(
      new CellFailure('type.date', '"soon" is not a date written as dd/MM/yyyy or MM/dd/yyyy or yyyy-MM-dd')
    )
    expect(apply({ formats, default: '2000-01-01' }, null)).toBe('2000-01-01')
  })

  test.each([
    'YYYY-MM-DD',
    'yy/MM/dd',
    'yyyyy-MM-dd',
    'yyyy-MMM-dd',
    'yyyy-MM-dd hh:mm',
    'yyyy-MM-dd 00:00',
    'yyyy-MM',
    'dd.MM.',
    'yyyy-MM-dd HH',
    'mm:ss',
    'yyyy-MM-dd-dd',
    'yyyyMd',
    '',
    '-'
  ])('%j is no format', (format) => {
    expect(errorOf({ formats: [format] })).toMatchObject({ code: 'plan.format', exit: ExitCode.usage })
  })
})

describe('default', () => {
  test('stands in for null only', () => {
    expect(apply({ default: 'x' }, null)).toBe('x')
    expect(apply({ default: 0 }, null)).toBe('0')
    expect(apply({ default: false }, null)).toBe('false')
    expect(apply({ default: 'x' }, '')).toBe('')
    expect(apply({ default: 'x', trim: true }, ' ')).toBe('x')
  })

  test('is checked like any value', () => {
    expect(codeOf(apply({ default: 'xyz', maxLength: 2 }, null))).toBe('too_long')
  })
})

describe('checks', () => {
  test('required', () => {
    expect(apply({ required: true }, 'a')).toBe('a')
    expect(apply({ required: true }, ' ')).toBe(' ')
    expect(apply({ required: true }, null)).toEqual(new CellFailure('required', 'column "c" must have a value'))
    expect(codeOf(apply({ required: true }, ''))).toBe('required')
    expect(codeOf(apply({ required: true, trim: true }, ' '))).toBe('required')
    expect(apply({ required: true, default: 'x' }, null)).toBe('x')
    expect(apply({ required: false }, null)).toBeNull()
  })

  test('maxLength counts characters', () => {
    expect(apply({ maxLength: 2 }, '😀😀')).toBe('😀😀')
    expect(apply({ maxLength: 2 }, 'abc')).toEqual(new CellFailure('too_long', '"abc" has 3 characters, 2 are allowed'))
    expect(apply({ maxLength: 2 }, null)).toBeNull()
  })

  test('min and max compare numbers exactly', () => {
    expect(apply({ min: 1, max: 10 }, '1')).toBe('1')
    expect(apply({ min: 1, max: 10 }, ' 10.000 ')).toBe(' 10.000 ')
    expect(apply({ max: '9007199254740993' }, '9007199254740993')).toBe('9007199254740993')
    expect(codeOf(apply({ max: '9007199254740993' }, '9007199254740994'))).toBe('out_of_range')
    expect(apply({ min: 1 }, '0.999')).toEqual(new CellFailure('out_of_range', '"0.999" is less than the minimum 1'))
    expect(apply({ max: -1.5 }, '-1')).toEqual(new CellFailure('out_of_range', '"-1" is more than the maximum -1.5'))
    expect(codeOf(apply({ min: 1 }, 'abc'))).toBe('type.decimal')
    expect(apply({ min: 1 }, null)).toBeNull()
  })

  test('min and max compare dates; a date covers its whole day', () => {
    const rule = { min: '2020-01-01', max: '2020-12-31' }
    expect(apply(rule, '2020/01/01')).toBe('2020/01/01')
    expect(apply(rule, '2020-12-31T23:59:59')).toBe('2020-12-31T23:59:59')
    expect(apply(rule, '2019-12-31')).toEqual(
      new CellFailure('out_of_range', '"2019-12-31" is before the minimum 2020-01-01')
    )
    expect(apply(rule, '2021-01-01')).toEqual(
      new CellFailure('out_of_range', '"2021-01-01" is after the maximum 2020-12-31')
    )
    expect(codeOf(apply(rule, '2020'))).toBe('type.date')
    expect(codeOf(apply(rule, '2020-02-30'))).toBe('type.date')
    expect(apply({ max: '2020-01-01 10:00' }, '2020-01-01 10:00:00.000')).toBe('2020-01-01 10:00:00.000')
    expect(codeOf(apply({ max: '2020-01-01 10:00:00.50' }, '2020-01-01 10:00:00.51'))).toBe('out_of_range')
    expect(apply({ min: '2020-01-01 10:00:00.50' }, '2020-01-01 10:00:00.5')).toBe('2020-01-01 10:00:00.5')
    expect(codeOf(apply({ min: '2020-01-01 10:00' }, '2020-01-01'))).toBe('out_of_range')
  })

  test('a bound is a number or a date, and both are of one kind', () => {
    expect(errorOf({ min: 'low' })).toMatchObject({ code: 'plan.bound', exit: ExitCode.usage })
    expect(errorOf({ min: '2020-02-30' }).code).toBe('plan.bound')
    expect(errorOf({ min: 1, max: '2020-01-01' }).code).toBe('plan.bound')
    expect(errorOf({ min: 2, max: 1 }).code).toBe('plan.bound')
    expect(errorOf({ min: '2020-01-02', max: '2020-01-01' }).code).toBe('plan.bound')
  })

  test('pattern is searched for', () => {
    expect(apply({ pattern: '^[A-Z]{2}$' }, 'DE')).toBe('DE')
    expect(apply({ pattern: '@' }, 'a@b')).toBe('a@b')
    expect(apply({ pattern: '^[A-Z]{2}$' }, 'DEU')).toEqual(
      new CellFailure('check', '"DEU" does not match the pattern ^[A-Z]{2}$')
    )
    expect(apply({ pattern: '^.$' }, '😀')).toBe('😀')
    expect(apply({ pattern: 'x' }, null)).toBeNull()
    expect(errorOf({ pattern: '(' })).toMatchObject({ code: 'plan.pattern', exit: ExitCode.usage })
  })
})
