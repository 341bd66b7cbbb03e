import { describe, expect, test } from 'vitest'
import { RowFormatter } from '../../src/format/format.ts'
import type { Column, ColumnType } from '../../src/model/table.ts'

function column(name: string, type: ColumnType, nullable = false): Column {
  return { name, type, declared: '', nullable, hasDefault: false, generated: false }
}

const INTEGER: ColumnType = { kind: 'integer', min: -128n, max: 127n }
const TEXT: ColumnType = { kind: 'text', maxLength: 5 }

const formatter = new RowFormatter({
  columns: [
    { source: '编号', target: column('id', INTEGER) },
    { source: 'name', target: column('name', TEXT, true), rule: { trim: true } },
    { source: 'tier', target: column('tier', TEXT), rule: { map: { 金: 'gold' } } },
    { source: null, target: column('origin', TEXT), rule: { default: 'crm' } }
  ],
  sourceColumns: ['name', 'ignored', 'tier', '编号']
})

describe('format', () => {
  test('gives the values in the order of the columns', () => {
    expect(formatter.format({ line: 2, cells: [' Rex ', 'x', '金', '007'] })).toEqual({
      values: [7, 'Rex', 'gold', 'crm']
    })
    expect(formatter.format({ line: 3, cells: [' ', null, '金', '1'] })).toEqual({ values: [1, null, 'gold', 'crm'] })
  })

  test('stops at the first bad cell and names the column of the table', () => {
    expect(formatter.format({ line: 2, cells: ['too long', 'x', '?', 'abc'] })).toEqual({
      failure: { column: 'id', code: 'type.integer', reason: '"abc" is not an integer' }
    })
    expect(formatter.format({ line: 2, cells: ['Rex', 'x', '?', '1'] }).failure).toMatchObject({
      column: 'tier',
      code: 'not_in_map'
    })
    expect(formatter.format({ line: 2, cells: ['Rex', 'x', null, '1'] }).failure).toMatchObject({
      column: 'tier',
      code: 'required'
    })
  })

  test('a column that the source lacks is an error', () => {
    const target = column('id', INTEGER)
    expect(() => new RowFormatter({ columns: [{ source: 'id', target }], sourceColumns: ['nr'] })).toThrow(
      'The source has no column "id" for "id".'
    )
  })
})

describe('key', () => {
  test('is read though other cells are bad', () => {
    const row = { line: 2, cells: ['far too long', 'x', '?', '7'] }
    expect(formatter.format(row).failure).toBeDefined()
    expect(formatter.key(row, ['id'])).toEqual([7])
    expect(formatter.key({ line: 2, cells: ['Rex', 'x', '金', '7'] }, ['tier', 'id'])).toEqual(['gold', 7])
  })

  test('is null when one of its cells is null or bad', () => {
    expect(formatter.key({ line: 2, cells: [null, 'x', '金', '7'] }, ['id', 'name'])).toBeNull()
    expect(formatter.key({ line: 2, cells: ['Rex', 'x', '金', 'abc'] }, ['id', 'name'])).toBeNull()
    expect(formatter.key({ line: 2, cells: ['Rex', 'x', '?', '7'] }, ['tier'])).toBeNull()
  })

  test('is of columns that the source writes', () => {
    expect(() => formatter.key({ line: 2, cells: [] }, ['nope'])).toThrow('The key column "nope"')
  })
})
