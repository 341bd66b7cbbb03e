import { describe, expect, test } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import { failure, readAll, tempFolder } from './helpers.ts'

const folder = tempFolder()

/** The outcome of reading a text, which must be the same at several window sizes. */
async function read(text: string, name = 'rows.json') {
  const path = await folder.write(name, text)
  const [first, ...others] = await Promise.all(
    [1 << 17, 1, 2, 3, 5, 11].map(async (windowBytes) => {
      const { source, rows, unreadable } = await readAll(path, {}, { windowBytes })
      return { columns: source.columns, summary: source.summary, text: [...source.textColumns], rows, unreadable }
    })
  )
  if (!first) throw new Error('nothing was read')
  for (const other of others) expect(other).toEqual(first)
  return first
}

async function fails(text: string, name = 'bad.json') {
  const path = await folder.write(name, text)
  const error = await failure(readAll(path))
  expect((await failure(readAll(path, {}, { windowBytes: 2 }))).message).toBe(error.message)
  return error
}

const both = (rows: string[]): [string, string][] => [
  ['rows.json', `[${rows.join(',\n')}]`],
  ['rows.ndjson', `${rows.join('\n')}\n`]
]

describe('cells of JSON and NDJSON', () => {
  test.each(both(['{"i":9007199254740993,"d":0.10,"e":1E+2,"z":-0,"f":1.0,"t":0.0000001,"n":12,"h":-3.25}']))(
    'numbers keep their own digits: %s',
    async (name, text) => {
      const { rows, text: textColumns } = await read(text, name)
      expect(rows[0]?.cells).toEqual(['9007199254740993', '0.10', '1E+2', '-0', '1.0', '0.0000001', '12', '-3.25'])
      expect(textColumns).toEqual([])
    }
  )

  test.each(both(['{"a":null,"b":"","c":"x\\"\\u4e2d\\n","d":true,"e":false}']))(
    'null, text and booleans: %s',
    async (name, text) => {
      const { rows, text: textColumns } = await read(text, name)
      expect(rows[0]?.cells).toEqual([null, '', 'x"中\n', 'true', 'false'])
      expect(textColumns).toEqual(['b', 'c'])
    }
  )

  test.each(both(['{"a":{"x":[0.10, 9007199254740993,null,"\\"[{"], "y":{ }},"b":[ ],"c":1}']))(
    'what is nested becomes JSON text, digits and all: %s',
    async (name, text) => {
      const { rows, text: textColumns } = await read(text, name)
      expect(rows[0]?.cells).toEqual(['{"x":[0.10,9007199254740993,null,"\\"[{"],"y":{}}', '[]', '1'])
      expect(textColumns).toEqual(['a', 'b'])
    }
  )

  test.each(both(['{"b":1,"a":2}', '{"a":3}', '{"c":"x","b":4}', '{}']))(
    'columns are all keys in order of appearance; what is absent is null: %s',
    async (name, text) => {
      const { columns, rows } = await read(text, name)
      expect(columns).toEqual(['b', 'a', 'c'])
      expect(rows.map((row) => row.cells)).toEqual([
        ['1', '2', null],
        [null, '3', null],
        ['4', null, 'x'],
        [null, null, null]
      ])
    }
  )

  test.each(both(['{"a":1}', '{"a":2,"late":"x"}'].flatMap((row, i) => Array(i === 0 ? 30_000 : 1).fill(row))))(
    'also a key that only the last row has: %s',
    async (name, text) => {
      const { source, rows } = await readAll(await folder.write(name, text))
      expect(source.columns).toEqual(['a', 'late'])
      expect(source.textColumns).toEqual(new Set(['late']))
      expect(rows.at(-1)).toEqual({ line: 30_001, cells: ['2', 'x'] })
    }
  )

  test.each(both(['{"a":1}', '{"a":"\\ud83d"}', '{"a":{"\\uDE00":1}}', '{"a":"\\ud83d\\ude00"}', '{"a":"\\\\ud83d"}']))(
    'half of a surrogate pair fails its row: %s',
    async (name, text) => {
      const { rows, unreadable } = await read(text, name)
      expect(rows.map((row) => row.cells[0])).toEqual(['1', '😀', '\\ud83d'])
      expect(unreadable).toMatchObject([
        { line: 2, code: 'encoding', raw: { _extra: '{"a":"\\ud83d"}' } },
        { line: 3, code: 'encoding', raw: { _extra: '{"a":{"\\uDE00":1}}' } }
      ])
    }
  )

  test.each(both(['{"a":1,"a":2}', '{"a":":","b":"::"}', '{"a":{"x":0.10,"x":1}}', '{"a":[{"b":1},{"b":2}]}']))(
    'the same key twice in one object fails its row: %s',
    async (name, text) => {
      const { rows, unreadable } = await read(text, name)
      expect(rows.map((row) => row.line)).toEqual([2, 4])
      expect(unreadable).toMatchObject([
        { line: 1, code: 'syntax', raw: { _extra: '{"a":1,"a":2}' } },
        { line: 3, code: 'syntax' }
      ])
    }
  )

  test.each(both(['{"a":1}', '5', '"x"', 'null', '[{"a":1}]', 'true', '{"a":2}']))(
    'what is no object fails: %s',
    async (name, text) => {
      const { rows, unreadable } = await read(text, name)
      expect(rows.map((row) => row.line)).toEqual([1, 7])
      expect(unreadable.map((row) => [row.line, row.code, row.raw])).toEqual([
        [2, 'syntax', { _extra: '5' }],
        [3, 'syntax', { _extra: '"x"' }],
        [4, 'syntax', { _extra: 'null' }],
        [5, 'syntax', { _extra: '[{"a":1}]' }],
        [6, 'syntax', { _extra: 'true' }]
      ])
      expect(unreadable[0]?.reason).toBe('is a number, not an object')
    }
  )

  test.each(both(['{"__proto__":1,"constructor":"x","toString":null}', '{"a":2}']))(
    'keys may be those that objects have anyway: %s',
    async (name, text) => {
      const { columns, rows } = await read(text, name)
      expect(columns).toEqual(['__proto__', 'constructor', 'toString', 'a'])
      expect(rows.map((row) => row.cells)).toEqual([
        ['1', 'x', null, null],
        [null, null, null, '2']
      ])
    }
  )
})

describe('NDJSON', () => {
  test('blank lines are skipped, malformed lines fail, line numbers are true', async () => {
    const { rows, unreadable, summary } = await read('\n{"a":1}\r\n\n  \n{"a":\n{"a":2},\n{"a":3}', 'x.jsonl')
    expect(summary).toBe('NDJSON, utf-8')
    expect(rows).toEqual([
      { line: 2, cells: ['1'] },
      { line: 7, cells: ['3'] }
    ])
    expect(unreadable.map((row) => [row.line, row.code, row.raw])).toEqual([
      [5, 'syntax', { _extra: '{"a":' }],
      [6, 'syntax', { _extra: '{"a":2},' }]
    ])
    expect(unreadable[0]?.reason).toContain('not valid JSON')
  })

  test('in a file called .json is known by its second object', async () => {
    const { rows, unreadable, summary } = await read('{"a":1}\n{"a":2}\nx\n')
    expect(summary).toBe('NDJSON, utf-8')
    expect(rows.map((row) => row.line)).toEqual([1, 2])
    expect(unreadable).toMatchObject([{ line: 3, code: 'syntax' }])
  })

  test('without a single object is an error that shows the first fault', async () => {
    const error = await fails('id,name\n1,Ann\n', 'csv.ndjson')
    expect(error).toMatchObject({ code: 'source.syntax', exit: ExitCode.failed })
    expect(error.message).toContain('line 1')
  })

  test('with empty objects only has no rows', async () => {
    expect(await fails('{}\n{}\n', 'none.ndjson')).toMatchObject({ code: 'source.no_rows' })
  })

  test('a line without end is an error', async () => {
    const path = await folder.write('long.ndjson', `{"a":1}\n{"a":"${'x'.repeat(17 * 1024 * 1024)}"}`)
    const error = await failure(readAll(path))
    expect(error.code).toBe('source.syntax')
    expect(error.message).toContain('line 2')
  })
})

describe('JSON', () => {
  test('an array of objects', async () => {
    const { rows, summary, columns } = await read(' \n[\n\n{"a":\n1}\n, {"a":2}, {"a":3}\n]\n\n')
    expect(summary).toBe('JSON array, utf-8')
    expect(columns).toEqual(['a'])
    expect(rows).toEqual([
      { line: 4, cells: ['1'] },
      { line: 6, cells: ['2'] },
      { line: 6, cells: ['3'] }
    ])
  })

  test('strings may hold what looks like structure', async () => {
    const { rows } = await read('[{"a":"]},[{\\"]"},{"a":"\\\\"},{"a":"\\\\\\"]"}]')
    expect(rows.map((row) => row.cells[0])).toEqual([']},[{"]', '\\', '\\"]'])
  })

  test.each([
    ['alone', '{"data":[{"a":1},{"a":2}]}'],
    [
      'among others',
      '{"meta":{"n":[{"x":1}],"m":[]},"tags":["x","y"],"none":[],\n"data" : [ {"a":1},\n{"a":2} ],"next":null}'
    ],
    ['after a key with structure in it', '{"[{":"]","data":[{"a":1},{"a":2}]}']
  ])('an object with one array of objects: %s', async (_what, text) => {
    const { rows, summary } = await read(text)
    expect(summary).toBe('JSON array, utf-8')
    expect(rows.map((row) => row.cells)).toEqual([['1'], ['2']])
  })

  test('in which what is no object fails', async () => {
    const { rows, unreadable } = await read('{"data":[5,\n{"a":1}]}')
    expect(rows).toEqual([{ line: 2, cells: ['1'] }])
    expect(unreadable).toMatchObject([{ line: 1, code: 'syntax' }])
  })

  test.each([
    ['without an array', '\n{"a":1,"b":"x"}', ['1', 'x']],
    ['with an array of other things', '\n{"a":1,"b":[1,"{"]}', ['1', '[1,"{"]']],
    ['with two arrays of objects', '\n{"a":[{"x":1}],"b":[{"y":0.50}]}', ['[{"x":1}]', '[{"y":0.50}]']],
    [
      'with arrays of objects further down',
      '\n{"a":[[{"x":1}]],"b":{"c":[{"y":1}]}}',
      ['[[{"x":1}]]', '{"c":[{"y":1}]}']
    ]
  ])('a single object is one row: %s', async (_what, text, cells) => {
    const { rows, summary } = await read(text)
    expect(summary).toBe('JSON object, utf-8')
    expect(rows).toEqual([{ line: 2, cells }])
  })

  test.each([['[]'], [' [ \n ] '], ['{"data":[]}'], ['[{},{}]'], ['{}']])('without rows: %s', async (text) => {
    expect(await fails(text)).toMatchObject({ code: 'source.no_rows', exit: ExitCode.failed })
  })

  test.each([
    ['cut short', '[{"a":1},\n{"a":2},\n\n{"a":', 4],
    ['cut within a string', '[{"a":1},\n{"a":"x', 2],
    ['not closed', '[{"a":1},\n{"a":2}\n', 2],
    ['a comma too many', '[{"a":1},\n{"a":2},\n]', 3],
    ['two commas', '[{"a":1},\n,{"a":2}]', 2],
    ['only a comma', '[\n,]', 2],
    ['a comma too few', '[{"a":1}\n{"a":2}]', 1],
    ['a wrong bracket', '[{"a":1},\n{"a":[2}]}]', 2],
    ['a leading zero', '[{"a":1},\n\n{"a":02}]', 3],
    ['a bare word', '[{"a":1},\n{a:2}]', 2],
    ['a comment', '[{"a":1},\n// x\n{"a":2}]', 2],
    ['a line end in a string', '[{"a":1},\n{"a":"x\ny"},{"a":2}]', 2],
    ['something after the end', '[{"a":1}]\n\n{"b":2}', 3],
    ['an array more', '[{"a":1}]\n[{"b":2}]', 2],
    ['something around the array', '{"data":[{"a":1}],\n"x":}', 2],
    ['an open object around the array', '{"data":[{"a":1}],\n"x":1', 1],
    ['an object cut short', '\n{"a":1,\n"b":2', 2],
    ['a malformed object', '\n{"a":1,\n"b":}', 2],
    ['objects one after another', '{\n"a":1}\n{\n"a":2}', 1]
  ])('malformed is an error that names the line: %s', async (_what, text, line) => {
    const error = await fails(text)
    expect(error).toMatchObject({ code: 'source.syntax', exit: ExitCode.failed })
    expect(error.message).toMatch(new RegExp(`line ${line}\\b`))
  })

  test('a row with a backslash in a key fails, so that no other key is taken for it', async () => {
    const quotedKeys = Array.from({ length: 200 }, (_, i) => `{"k\\"":${i}}`)
    const text = [`{"k\\\\":1}`, `{"a":{"k\\u005c":1}}`, `{"k\\"":"C:\\\\dir"}`, ...quotedKeys].join('\n')
    const { columns, rows, unreadable } = await read(text, 'rows.ndjson')
    expect(columns).toEqual(['k"'])
    expect(rows).toHaveLength(201)
    expect(rows[0]).toEqual({ line: 3, cells: ['C:\\dir'] })
    expect(unreadable.map(({ line, code }) => [line, code])).toEqual([
      [1, 'syntax'],
      [2, 'syntax']
    ])
  })

  test.each(['5', '"x"', 'id,name\n1,Ann\n'])('what is neither array nor object is an error: %j', async (text) => {
    expect(await fails(text)).toMatchObject({ code: 'source.syntax', exit: ExitCode.failed })
  })

  test('an element without end is an error after 16 MiB', async () => {
    const text = `[{"a":1},\n\n{"a":"${'x,]}\n'.repeat(4 * 1024 * 1024)}`
    const error = await failure(readAll(await folder.write('endless.json', text)))
    expect(error.code).toBe('source.syntax')
    expect(error.message).toContain('line 3')
    expect(error.message).toContain('16 MiB')
  })

  test('an object of more than 16 MiB is an error, unless an array in it has the rows', async () => {
    const rows = Array.from({ length: 300_000 }, (_, i) => `{"a":${i},"b":"some text that makes it long enough"}`)
    const wrapped = await readAll(await folder.write('wrapped.json', `{"data":[${rows.join(',\n')}]}`))
    expect(wrapped.rows.length).toBe(300_000)
    expect(wrapped.rows.at(-1)).toEqual({ line: 300_000, cells: ['299999', 'some text that makes it long enough'] })
    const single = await folder.write('single.json', `{"a":"${'x'.repeat(17 * 1024 * 1024)}"}`)
    expect((await failure(readAll(single))).message).toContain('16 MiB')
  }, 20_000)
})
