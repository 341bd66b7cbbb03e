import { describe, expect, test } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import type { SourceOptions } from '../../src/sources/source.ts'
import { failure, readAll, tempFolder } from './helpers.ts'

const folder = tempFolder()

/** The outcome of reading a text, which must be the same at several window sizes. */
async function read(text: string, options: SourceOptions = {}, name = 'table.csv') {
  const path = await folder.write(name, text)
  const [first, ...others] = await Promise.all(
    [1 << 17, 1, 2, 3, 5, 11].map(async (windowBytes) => {
      const { source, rows, unreadable } = await readAll(path, options, { windowBytes })
      return { columns: source.columns, summary: source.summary, textColumns: source.textColumns, rows, unreadable }
    })
  )
  if (!first) throw new Error('nothing was read')
  for (const other of others) expect(other).toEqual(first)
  return first
}

async function fails(text: string, options: SourceOptions = {}) {
  return failure(readAll(await folder.write('bad.csv', text), options))
}

describe('delimiters and quotes', () => {
  test.each([
    ['comma', 'a,b,c\n1,2,3\n', '","'],
    ['semicolon', 'a;b;c\n1;2;3\n', '";"'],
    ['tab', 'a\tb\tc\n1\t2\t3\n', 'tab'],
    ['bar', 'a|b|c\n1|2|3\n', '"|"']
  ])('%s', async (_what, text, shown) => {
    const { columns, rows, summary } = await read(text, {}, 'file')
    expect(columns).toEqual(['a', 'b', 'c'])
    expect(rows).toEqual([{ line: 2, cells: ['1', '2', '3'] }])
    expect(summary).toBe(`CSV, delimiter ${shown}, utf-8`)
  })

  test.each([
    ['decimal commas', 'a;b;c\n1,5;2,5;3\n2,25;3,5;4\n', {}, ['a', 'b', 'c']],
    ['decimal commas without a header', '1,5;2,5;3,5\n2,5;3,5;4,5\n', {}, ['column1', 'column2', 'column3']],
    ['commas in text', 'name;note\nAnn;a, b, c\nBob;d\n', {}, ['name', 'note']],
    ['semicolons in text', 'name,tags,x\nAnn,a;b;c,1\nBob,d;e,2\n', {}, ['name', 'tags', 'x']],
    ['commas in quotes', 'name;note\n"Ann, B";"a, b"\n"Bob, C";"c, d"\n', {}, ['name', 'note']],
    ['a ragged line', 'a,b,c\n1,2,3\n1,2\n4,5,6\n', {}, ['a', 'b', 'c']],
    ['names of the table', 'a,b;c\n1,2;3\n', { expectedColumns: ['a', 'x'] }, ['a', 'b;c']],
    [
      'only names of the table',
      'a,b;c,d;e,f\n1,2;3,4;5,6\n',
      { expectedColumns: ['a,b', 'c,d'] },
      ['a,b', 'c,d', 'e,f']
    ],
    ['one column', 'name\nAnn\nBob\n', {}, ['name']],
    ['one line', 'a;b', { header: false }, ['column1', 'column2']]
  ])('are detected despite %s', async (_what, text, options, columns) => {
    expect((await read(text, options)).columns).toEqual(columns)
  })

  test('a name ending in .tsv or .tab promises tabs', async () => {
    const text = 'a,b\tc,d\n1,2\t3,4\n'
    expect((await read(text, {}, 'x.tsv')).columns).toEqual(['a,b', 'c,d'])
    expect((await read(text, {}, 'x.tab')).columns).toEqual(['a,b', 'c,d'])
    expect((await read('a;b\n1;2\n', {}, 'x.tsv')).columns).toEqual(['a', 'b'])
  })

  test('apostrophes quote when all cells that begin with one are well-formed', async () => {
    const { rows, summary } = await read("id,name\n1,'O''Hara, Ann'\n2,'Bob\nC'\n3,Eve\n")
    expect(rows.map((row) => row.cells[1])).toEqual(["O'Hara, Ann", 'Bob\nC', 'Eve'])
    expect(summary).toContain("quote '")
  })

  test('apostrophes around a whole column quote it', async () => {
    expect((await read("id,name\n1,'Ann'\n2,'Bob'\n")).rows.map((row) => row.cells[1])).toEqual(['Ann', 'Bob'])
    expect((await read("'id','name'\n'1',''\n")).columns).toEqual(['id', 'name'])
  })

  test('apostrophes around some cells are text', async () => {
    const { rows } = await read("id,name\n1,'Ann'\n2,Bob\n3,''\n")
    expect(rows.map((row) => row.cells[1])).toEqual(["'Ann'", 'Bob', "''"])
  })

  test.each([
    "id,city\n1,'s-Hertogenbosch\n2,Bob\n",
    "id,city\n1,'s-Hertogenbosch",
    `id,city\n1,'s-Hertogenbosch\n${'2,Bob\n'.repeat(20_000)}`
  ])('an apostrophe that nothing closes is text', async (text) => {
    const { rows } = await readAll(await folder.write('city.csv', text))
    expect(rows[0]?.cells).toEqual(['1', "'s-Hertogenbosch"])
  })

  test('apostrophes are text otherwise', async () => {
    const { rows } = await read("id,city\n1,'s-Hertogenbosch\n2,\"The 'Hague'\"\n3,it's\n4,'x'\n")
    expect(rows.map((row) => row.cells[1])).toEqual(["'s-Hertogenbosch", "The 'Hague'", "it's", "'x'"])
  })

  test('the user may say them', async () => {
    expect((await read('a:b,c\n1:2,3\n', { delimiter: ':' })).columns).toEqual(['a', 'b,c'])
    expect((await read('a||b\n1||2\n', { delimiter: '||' })).rows[0]?.cells).toEqual(['1', '2'])
    expect((await read('a\tb\n1\t2\n', { delimiter: '\\t' })).columns).toEqual(['a', 'b'])
    expect((await read('a\tb\n1\t2\n', { delimiter: 'tab' })).columns).toEqual(['a', 'b'])
    expect((await read("a,b\n1,'x,y'\n", { quote: "'" })).rows[0]?.cells).toEqual(['1', 'x,y'])
    expect((await read('a,b\n1,"x\n', { quote: 'none' })).rows[0]?.cells).toEqual(['1', '"x'])
  })

  test.each([
    [{ delimiter: '' }, 'source.delimiter'],
    [{ delimiter: '\n' }, 'source.delimiter'],
    [{ delimiter: '"' }, 'source.delimiter'],
    [{ quote: 'ab' }, 'source.quote'],
    [{ quote: '\n' }, 'source.quote'],
    [{ quote: ';', delimiter: ';' }, 'source.quote']
  ])('impossible ones are usage errors: %j', async (options, code) => {
    expect(await fails('a,b\n1,2\n', options)).toMatchObject({ code, exit: ExitCode.usage })
  })
})

describe('the header', () => {
  test.each([
    ['names', 'id,name\n1,Ann\n', ['id', 'name']],
    ['names with blanks around', ' id , name\t\n1,Ann\n', ['id', 'name']],
    ['quoted names', '"id","na""me","a\nb"\n1,2,3\n', ['id', 'na"me', 'a\nb']],
    ['a number', '1,Ann\n2,Bob\n', ['column1', 'column2']],
    ['a decimal number', 'Ann,-1.5e3\nBob,2\n', ['column1', 'column2']],
    ['a date', 'Ann,2024-01-31\nBob,2024-02-01\n', ['column1', 'column2']],
    ['a date with time', 'Ann,2024-01-31T10:00\nBob,x\n', ['column1', 'column2']],
    ['an empty cell', 'Ann,\nBob,x\n', ['column1', 'column2']],
    ['an empty cell that is not at the end', 'Ann,,Bob\nEve,x,y\n', ['column1', 'column2', 'column3']],
    ['names and separators that stand for no column', 'id;name;;\n1;Ann;;\n', ['id', 'name', 'column3', 'column4']]
  ])('is detected by %s', async (_what, text, columns) => {
    const { columns: found, summary } = await read(text)
    expect(found).toEqual(columns)
    expect(summary.includes('no header')).toBe(columns[0] === 'column1')
  })

  test.each([
    ['a,\n1,x\n', ['a', 'column2'], 'column2'],
    ['a,\n1,\n', ['a', 'column2'], 'column2'],
    [',name,age\n0,Ann,3\n1,Bob,\n', ['column1', 'name', 'age'], 'column1'],
    ['id,,day\nx,y,2024-01-31\n', ['id', 'column2', 'day'], 'column2']
  ])('that lacks a name is one where it stands above numbers or dates: %j', async (text, columns, nameless) => {
    const { columns: found, rows, summary } = await read(text)
    expect([found, rows[0]?.line]).toEqual([columns, 2])
    expect(summary).toContain(`no name in the header for ${nameless}`)
  })

  test('that may also be a row is taken for one, and that is said', async () => {
    expect((await read('Ann,\nBob,x\n')).summary).toContain('taken for a row, unless you say --header')
    expect((await read('1,\n2,x\n')).summary).not.toContain('--header')
  })

  test('with a repeated name is refused, not loaded as a row', async () => {
    expect(await fails('x,x\ny,z\n')).toMatchObject({ code: 'source.header' })
    expect((await read('x,x\ny,z\n', { header: false })).rows).toHaveLength(2)
  })

  test('is one for sure when it has a name of the table, whatever the case', async () => {
    const { columns, rows } = await read('ID,2024,\n1,2,3\n', { expectedColumns: ['id', 'name'] })
    expect(columns).toEqual(['ID', '2024', 'column3'])
    expect(rows).toEqual([{ line: 2, cells: ['1', '2', '3'] }])
  })

  test('may be said to be there or not', async () => {
    expect((await read('1,,3\n4,5,6\n', { header: true })).columns).toEqual(['1', 'column2', '3'])
    const { columns, rows } = await read('id,name\n1,Ann\n', { header: false })
    expect(columns).toEqual(['column1', 'column2'])
    expect(rows[0]).toEqual({ line: 1, cells: ['id', 'name'] })
  })

  test('an empty cell at the end gives a column by position', async () => {
    const { columns, rows } = await read('a,b,\n1,2,\n3,4,5\n', { header: true })
    expect(columns).toEqual(['a', 'b', 'column3'])
    expect(rows.map((row) => row.cells)).toEqual([
      ['1', '2', null],
      ['3', '4', '5']
    ])
  })

  test('without one, the table gives the names when it has as many columns', async () => {
    const options = { header: false, expectedColumns: ['key', 'label'] }
    const { columns, summary } = await read('1,Ann\n2,Bob\n', options)
    expect(columns).toEqual(['key', 'label'])
    expect(summary).toContain("no header (the table's columns in order)")
    expect((await read('1,Ann,x\n2,Bob,y\n', options)).columns).toEqual(['column1', 'column2', 'column3'])
  })

  test('without one, the width is what most rows have', async () => {
    const { columns, unreadable } = await read('1,2,3\n1,2\n4,5\n6,7\n')
    expect(columns).toEqual(['column1', 'column2'])
    expect(unreadable).toMatchObject([{ line: 1, code: 'ragged' }])
  })

  test('the same name twice is an error that names it', async () => {
    const error = await fails('id, name,name,x,x\n1,2,3,4,5\n', { header: true })
    expect(error).toMatchObject({ code: 'source.header', exit: ExitCode.failed })
    expect(error.message).toContain('"name", "x"')
    expect((await fails('id,x,x\n1,2,3\n', { expectedColumns: ['id'] })).code).toBe('source.header')
  })

  test('with malformed quotes is an error', async () => {
    const error = await fails('id,"na"me\n1,2\n')
    expect(error.code).toBe('source.syntax')
    expect(error.message).toContain('line 1')
  })

  test('alone is an error', async () => {
    for (const text of ['id,name\n', 'id,name', `\nid,name\n\n${'\n'.repeat(100_000)}`]) {
      expect(await fails(text)).toMatchObject({ code: 'source.no_rows', exit: ExitCode.failed })
    }
  })

  test('may be as long as a window and more', async () => {
    const names = Array.from({ length: 5000 }, (_, i) => `a_rather_long_name_${i}`)
    for (const delimiter of [',', ';']) {
      const text = `${names.join(delimiter)}\n${names.map((_, i) => i).join(delimiter)}\n`
      const { source, rows } = await readAll(await folder.write('wide.csv', text))
      expect(source.columns).toEqual(names)
      expect(rows[0]?.cells.at(-1)).toBe('4999')
    }
  })

  test('may have names that objects have', async () => {
    const { columns, unreadable, rows } = await read('__proto__,constructor\n1,2\n3\n')
    expect(columns).toEqual(['__proto__', 'constructor'])
    expect(rows).toEqual([{ line: 2, cells: ['1', '2'] }])
    expect(Object.entries(unreadable[0]?.raw ?? {})).toEqual([
      ['__proto__', '3'],
      ['constructor', null]
    ])
  })
})

describe('cells', () => {
  test('an empty cell is null, quoted or not', async () => {
    const { rows } = await read('a,b,c\n,"",x\n,,\n"","",""\n')
    expect(rows.map((row) => row.cells)).toEqual([
      [null, null, 'x'],
      [null, null, null],
      [null, null, null]
    ])
  })

  test('blanks stay, except around quotes', async () => {
    const { rows } = await read('a,b,c\n 1 ,  ,"x"  \n', { delimiter: ',' })
    expect(rows[0]?.cells).toEqual([' 1 ', '  ', 'x'])
  })

  test('a quote within an unquoted cell is text', async () => {
    const { rows, unreadable } = await read('a,b\n5" pipe,6"\nx"y"z,"q"\n')
    expect(rows.map((row) => row.cells)).toEqual([
      ['5" pipe', '6"'],
      ['x"y"z', 'q']
    ])
    expect(unreadable).toEqual([])
  })

  test('are text whatever they look like', async () => {
    const { rows, textColumns } = await read('a,b,c,d\n007,0.10,1e3,NULL\n')
    expect(rows[0]?.cells).toEqual(['007', '0.10', '1e3', 'NULL'])
    expect(textColumns.size).toBe(0)
  })
})

describe('line ends', () => {
  test('may be mixed; a carriage return in a quoted cell stays', async () => {
    const text = 'a,b\r\n1,x\n2,y\r\n3,"z\r"\r\n4,"z\r\nz"\n5,z\r\r\n"6","\r\n"\r\n7,"q"\r\n'
    const { rows } = await read(text)
    expect(rows).toEqual([
      { line: 2, cells: ['1', 'x'] },
      { line: 3, cells: ['2', 'y'] },
      { line: 4, cells: ['3', 'z\r'] },
      { line: 5, cells: ['4', 'z\r\nz'] },
      { line: 7, cells: ['5', 'z\r'] },
      { line: 8, cells: ['6', '\r\n'] },
      { line: 10, cells: ['7', 'q'] }
    ])
  })

  test('the last one may be missing', async () => {
    for (const end of ['', '\n', '\r\n', '\r', '\n\n', '\r\n \r\n']) {
      expect((await read(`a,b\n1,"x"${end}`)).rows).toEqual([{ line: 2, cells: ['1', 'x'] }])
      expect((await read(`a,b\n1,x${end}`)).rows).toEqual([{ line: 2, cells: ['1', 'x'] }])
    }
  })

  test('may be those of old Macs', async () => {
    const { columns, rows } = await read('a,b\r1,"x\ry\nz"\r\r2,w')
    expect(columns).toEqual(['a', 'b'])
    expect(rows).toEqual([
      { line: 2, cells: ['1', 'x\ry\nz'] },
      { line: 5, cells: ['2', 'w'] }
    ])
  })
})

describe('line numbers', () => {
  test('count the header, blank lines and the lines within cells', async () => {
    const { rows, unreadable } = await read('\n\nid,"na\nme"\n\n1,"a\n\nb"\n \n2,c\n\n\n3\n"4\n",d\n')
    expect(rows).toEqual([
      { line: 6, cells: ['1', 'a\n\nb'] },
      { line: 10, cells: ['2', 'c'] },
      { line: 14, cells: ['4\n', 'd'] }
    ])
    expect(unreadable).toMatchObject([{ line: 13, code: 'ragged' }])
  })

  test('in a file of one column blank lines are skipped, too, but cells of blanks and "" are rows', async () => {
    const { rows } = await read('name\n\nAnn\n""\n\r\n  \n"B\n\nob"\n\n""\r\n\n', { header: true, delimiter: ',' })
    expect(rows).toEqual([
      { line: 3, cells: ['Ann'] },
      { line: 4, cells: [null] },
      { line: 6, cells: ['  '] },
      { line: 7, cells: ['B\n\nob'] },
      { line: 11, cells: [null] }
    ])
  })
})

describe('ragged lines', () => {
  test('fail, with their cells by column and the surplus joined', async () => {
    const { rows, unreadable } = await read('a;b;c;d;e\n1;2;3;4;5\n1;;3\n1;2;3;4;5;6;"7;8";\n9;8;7;6;5\n', {
      delimiter: ';'
    })
    expect(rows.map((row) => row.line)).toEqual([2, 5])
    expect(unreadable).toEqual([
      {
        line: 3,
        code: 'ragged',
        reason: 'has 3 cells, 5 expected',
        raw: { a: '1', b: null, c: '3', d: null, e: null }
      },
      {
        line: 4,
        code: 'ragged',
        reason: 'has 8 cells, 5 expected',
        raw: { a: '1', b: '2', c: '3', d: '4', e: '5', _extra: '6;7;8;' }
      }
    ])
  })

  test('of one cell are said so', async () => {
    expect((await read('a,b\n1,2\n3\n')).unreadable[0]?.reason).toBe('has 1 cell, 2 expected')
  })
})

describe('malformed quotes', () => {
  test('fail their line; the rest is read', async () => {
    const { rows, unreadable } = await read('a,b,c\n1,"x"y,3\n4,"q",6\n7,"a" b "c",9\r\n8,8,8\n')
    expect(rows.map((row) => [row.line, ...row.cells])).toEqual([
      [3, '4', 'q', '6'],
      [5, '8', '8', '8']
    ])
    expect(unreadable).toEqual([
      {
        line: 2,
        code: 'syntax',
        reason: 'a quoted cell goes on after its closing quote',
        raw: { a: '1', b: null, c: null, _extra: '"x"y,3' }
      },
      {
        line: 4,
        code: 'syntax',
        reason: 'a quoted cell goes on after its closing quote',
        raw: { a: '7', b: null, c: null, _extra: '"a" b "c",9' }
      }
    ])
  })

  test('in the last line, or in surplus cells', async () => {
    const { unreadable } = await read('a,b\n1,2\n1,2,3,"x"y')
    expect(unreadable).toMatchObject([{ line: 3, code: 'syntax', raw: { a: '1', b: '2', _extra: '3,"x"y' } }])
  })

  test('in a cell of several lines fail these lines', async () => {
    const { rows, unreadable } = await read('id,note,x\n1,"he said\n"hello" to, us",2\n3,fine,4\n')
    expect(rows).toEqual([{ line: 4, cells: ['3', 'fine', '4'] }])
    expect(unreadable).toMatchObject([
      { line: 2, code: 'syntax', raw: { id: '1', _extra: '"he said\n"hello" to, us",2' } }
    ])
  })

  test('after a cell of several lines in the same row fail the row', async () => {
    const { rows, unreadable } = await read('a,b,c\n"x\ny",2,"z"z\n4,5,6\n', { delimiter: ',' })
    expect(rows).toEqual([{ line: 4, cells: ['4', '5', '6'] }])
    expect(unreadable).toMatchObject([{ line: 2, code: 'syntax', raw: { a: 'x\ny', b: '2', _extra: '"z"z' } }])
  })

  test('a quote that was not meant to open a cell costs its line only', async () => {
    const { rows, unreadable } = await read('a,b,c\n1,"x,3\n4,5,6\n7,"8",9\n10,11,12\n', { delimiter: ',' })
    expect(rows.map((row) => row.line)).toEqual([3, 4, 5])
    expect(unreadable).toMatchObject([{ line: 2, code: 'syntax', raw: { a: '1', _extra: '"x,3' } }])
  })

  test('on every line take no longer than others', async () => {
    const lines = 200_000
    const path = await folder.write('broken.csv', `a,b,c\n1,2,3\n${'1,"x"y,3\n'.repeat(lines)}`)
    const { unreadable, rows } = await readAll(path)
    expect(unreadable.length).toBe(lines)
    expect(unreadable.at(-1)?.line).toBe(lines + 2)
    expect(rows.length).toBe(1)
  }, 20_000)
})

describe('a quote that is never closed', () => {
  test('is an error at the end of the file that names the line of its row', async () => {
    const error = await fails('a,b\n1,2\n\n3,"x\n4,5\n6,7\n', { delimiter: ',' })
    expect(error).toMatchObject({ code: 'source.syntax', exit: ExitCode.failed })
    expect(error.message).toContain('line 4')
  })

  test('is an error after 16 MiB, soon and in little memory', async () => {
    const rows = '1234567,some text\n'
    const path = await folder.write('open.csv', `a,b\n${rows.repeat(1000)}8,"x\n${rows.repeat(3_000_000)}`)
    const error = await failure(readAll(path))
    expect(error.code).toBe('source.syntax')
    expect(error.message).toContain('line 1002')
    expect(error.message).toMatch(/16 MiB; a quote may never be closed\.$/)
  }, 20_000)

  test('a long cell that is closed is read', async () => {
    const long = 'some text, and more\n'.repeat(500_000)
    const { rows } = await readAll(await folder.write('long.csv', `a,b\n1,"${long}"\n2,x\n`))
    expect(rows[0]?.cells[1]).toBe(long)
    expect(rows[1]).toEqual({ line: 500_003, cells: ['2', 'x'] })
  }, 20_000)
})
