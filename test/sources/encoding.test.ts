import { describe, expect, test } from 'vitest'
import { ExitCode } from '../../src/errors.ts'
import { openSource } from '../../src/sources/open.ts'
import { encode, failure, readAll, tempFolder } from './helpers.ts'

const folder = tempFolder()
const ROWS = 'id,name\n1,张三\n2,😀\n'
const swapped = (text: string) => Buffer.from(text, 'utf16le').swap16()

/** What is read of the bytes: the encoding by name and the second column. */
async function reading(bytes: Uint8Array, encoding?: string, windowBytes = 5) {
  const path = await folder.write('text.csv', bytes)
  const { source, rows, unreadable } = await readAll(path, encoding ? { encoding } : {}, { windowBytes })
  return { summary: source.summary, columns: source.columns, names: rows.map((row) => row.cells[1]), unreadable }
}

describe('Unicode', () => {
  test.each([
    ['utf-8', Buffer.from(ROWS)],
    ['utf-8', Buffer.from(`\ufeff${ROWS}`)],
    ['utf-16le', Buffer.from(`\ufeff${ROWS}`, 'utf16le')],
    ['utf-16be', swapped(`\ufeff${ROWS}`)],
    ['utf-16le', Buffer.from(ROWS, 'utf16le')],
    ['utf-16be', swapped(ROWS)]
  ])('%s', async (label, bytes) => {
    for (const windowBytes of [1, 2, 3, 4, 1000]) {
      const { summary, columns, names } = await reading(bytes, undefined, windowBytes)
      expect(columns).toEqual(['id', 'name'])
      expect(names).toEqual(['张三', '😀'])
      expect(summary.endsWith(`, ${label}`)).toBe(true)
    }
  })

  test('UTF-16 without a mark is known by few NUL bytes, also where U+4E00 has one', async () => {
    const text = '编号,姓名\n一,一一一上一一上一一上上一\n二,张三\n'
    for (const bytes of [Buffer.from(text, 'utf16le'), swapped(text)]) {
      expect((await reading(bytes)).names).toEqual(['一一一上一一上一一上上一', '张三'])
    }
  })

  test('a text that merely holds a NUL byte is not UTF-16', async () => {
    for (const text of ['id,name\n1,a\0b\n', 'id,name\n1,ab\0\n', 'id,name\n1,张三\0\n', 'id,name\n1,张三a\0\n']) {
      const error = await failure(openSource(await folder.write('nul.csv', text)))
      expect(error.code).toBe('source.binary')
    }
  })

  test('only the first byte order mark is one', async () => {
    const { columns, names } = await reading(Buffer.from('\ufeff\ufeffid,name\n1,\ufeffx\n'))
    expect(columns).toEqual(['id', 'name'])
    expect(names).toEqual(['\ufeffx'])
  })

  test('a genuine U+FFFD is text', async () => {
    const { names, unreadable } = await reading(Buffer.from('id,name\n1,\ufffd\n2,a\ufffdb\n'))
    expect(names).toEqual(['\ufffd', 'a\ufffdb'])
    expect(unreadable).toEqual([])
  })

  test('half of a surrogate pair in UTF-16 fails its row only', async () => {
    const text = 'id,name\n1,a\ud83db\n2,\ufffd\n3,😀\n'
    for (const bytes of [Buffer.from(`\ufeff${text}`, 'utf16le'), swapped(`\ufeff${text}`)]) {
      const { names, unreadable } = await reading(bytes, undefined, 3)
      expect(names).toEqual(['\ufffd', '😀'])
      expect(unreadable).toMatchObject([{ line: 2, code: 'encoding' }])
    }
  })

  test('half a code unit at the end of UTF-16 is not lost silently', async () => {
    const { names, unreadable } = await reading(
      Buffer.concat([Buffer.from('\ufeffid,name\n1,a\n2,b', 'utf16le'), Buffer.of(0x41)])
    )
    expect(names).toEqual(['a'])
    expect(unreadable).toMatchObject([{ line: 3, code: 'encoding' }])
  })

  test('UTF-32 is refused', async () => {
    const bytes = Buffer.concat(
      [...'\ufeffid,name\n'].map((c) => Buffer.of(c.charCodeAt(0) & 255, c.charCodeAt(0) >> 8, 0, 0))
    )
    expect(await failure(openSource(await folder.write('utf32.csv', bytes)))).toMatchObject({ code: 'source.encoding' })
  })
})

describe('UTF-8 with bad bytes', () => {
  const good = Array.from({ length: 20 }, (_, i) => `${i},张三${i}\n`).join('')
  const bytes = Buffer.concat([
    Buffer.from(`id,name\n${good}20,caf`),
    Buffer.of(0xe9),
    Buffer.from('\n21,\ufffd genuine\n22,'),
    Buffer.of(0xe5, 0xbc),
    Buffer.from(',x\n23,last\n')
  ])

  test('the rows with them fail, the others are read, at any window size', async () => {
    for (const windowBytes of [1, 2, 3, 7, 64, 100_000]) {
      const { names, unreadable, summary } = await reading(bytes, undefined, windowBytes)
      expect(summary).toContain('utf-8')
      expect(names.length).toBe(22)
      expect(names.slice(-2)).toEqual(['\ufffd genuine', 'last'])
      expect(unreadable).toEqual([
        {
          line: 22,
          code: 'encoding',
          reason: 'column "name" holds bytes that are not utf-8, shown here as \ufffd',
          raw: { id: '20', name: 'caf\ufffd' }
        },
        {
          line: 24,
          code: 'encoding',
          reason: 'column "name" holds bytes that are not utf-8, shown here as \ufffd',
          raw: { id: '22', name: '\ufffd\ufffd', _extra: 'x' }
        }
      ])
    }
  })

  test('cut within a character at the end, too', async () => {
    const { names, unreadable } = await reading(Buffer.from(`id,name\n${good}20,张`).subarray(0, -1))
    expect(names.length).toBe(20)
    expect(unreadable).toMatchObject([{ line: 22, code: 'encoding' }])
  })

  test('overlong forms, surrogates and what is above U+10FFFF are bad bytes', async () => {
    for (const bad of ['c0af', 'eda080', 'f4908080', 'e08080', 'f08080af', 'ff', '80', 'c2']) {
      const line = Buffer.concat([
        Buffer.from(`id,name\n${good}20,x`),
        Buffer.from(bad, 'hex'),
        Buffer.from('y\n21,z\n')
      ])
      const { names, unreadable } = await reading(line)
      expect(names.at(-1)).toBe('z')
      expect(unreadable).toMatchObject([{ line: 22, code: 'encoding' }])
    }
  })

  test('NDJSON and JSON rows fail one by one, too', async () => {
    const rows = [...Array(9).keys()].map((i) => Buffer.from(`{"a":"张${i}"}`))
    const bad = Buffer.concat([Buffer.from('{"a":"'), Buffer.of(0xe9), Buffer.from('"}')])
    const lines = Buffer.concat(
      [...rows, bad, Buffer.from('{"a":"\ufffd"}')].flatMap((row) => [row, Buffer.from('\n')])
    )
    const array = Buffer.concat([
      Buffer.from('['),
      ...rows.flatMap((row) => [row, Buffer.from(',\n')]),
      bad,
      Buffer.from(']')
    ])
    const ndjson = await readAll(await folder.write('bad.ndjson', lines))
    expect(ndjson.rows.length).toBe(10)
    expect(ndjson.rows.at(-1)).toEqual({ line: 11, cells: ['\ufffd'] })
    expect(ndjson.unreadable).toMatchObject([{ line: 10, code: 'encoding', raw: { _extra: '{"a":"\ufffd"}' } }])
    const json = await readAll(await folder.write('bad.json', array), {}, { windowBytes: 4 })
    expect(json.rows.length).toBe(9)
    expect(json.unreadable).toMatchObject([{ line: 10, code: 'encoding' }])
  })

  test.each([
    ['Zoë', 'Müller', '\xe9'],
    ['Zoë', 'Ann', '\xe9'],
    ['张三', '李四', '\xe5'],
    ['naïve', '5 €', '\xff'],
    ['Иван', 'Мария', '\xd0']
  ])('in a file of three rows: %s, %s', async (first, second, bad) => {
    const bytes = Buffer.concat([
      Buffer.from(`id,name\n1,${first}\n2,${second}\n3,x`),
      Buffer.from(bad, 'latin1'),
      Buffer.from('y\n')
    ])
    const { names, unreadable, summary } = await reading(bytes)
    expect(summary.endsWith(', utf-8')).toBe(true)
    expect(names).toEqual([first, second])
    expect(unreadable).toMatchObject([{ line: 4, code: 'encoding', raw: { id: '3' } }])
  })

  test('in the header they are an error, because columns would be misnamed', async () => {
    const header = Buffer.concat([Buffer.from('id,caf'), Buffer.of(0xe9), Buffer.from(`\n${good}`)])
    expect(await failure(openSource(await folder.write('header.csv', header)))).toMatchObject({
      code: 'source.encoding'
    })
  })
})

describe('GBK', () => {
  test.each([
    'id,name\n1,张三\n2,李四\n',
    'id,name\n1,张伟\n',
    'id,name\n1,李\n',
    'id,备注\n1,abc\n',
    '编号,姓名,城市\n1,王芳,北京\n2,刘洋,上海\n',
    'id,name\n1,李喆\n2,陶珺\n',
    'id,name\n1,联通\n',
    'id,name\n1,iPhone手机\n2,A座\n',
    '姓名,金额（元）\n周杰,￥12.00\n'
  ])('is detected in a short file: %j', async (text) => {
    const path = await folder.write('gbk.csv', encode(text, 'gbk'))
    const { source, rows } = await readAll(path, { header: true, delimiter: ',' }, { windowBytes: 3 })
    expect(source.summary).toContain('gbk')
    const read = [source.columns, ...rows.map((row) => row.cells)].map((cells) => cells.join(','))
    expect(`${read.join('\n')}\n`).toBe(text)
  })

  test('is detected where the Chinese begins far from the start', async () => {
    const text = `id,name\n${'1,abc\n'.repeat(60_000)}2,张三\n`
    const { summary, names } = await reading(encode(text, 'gbk'), undefined, 10_000)
    expect(summary).toContain('gbk')
    expect(names.at(-1)).toBe('张三')
  })

  test('is detected in one long line', async () => {
    const text = `[${'{"name":"张三的备注"},'.repeat(12_000)}{"name":"李四"}]`
    const { source, rows } = await readAll(await folder.write('gbk.json', encode(text, 'gbk')))
    expect(source.summary).toContain('gbk')
    expect(rows.at(-1)?.cells).toEqual(['李四'])
  })

  test('has the characters of GB 18030', async () => {
    const bytes = Buffer.concat([
      encode('id,name\n1,张三李四王五', 'gbk'),
      Buffer.from('9435 8332'.replace(' ', ''), 'hex'),
      Buffer.from('\n')
    ])
    expect((await reading(bytes)).names).toEqual([
      `张三李四王五${new TextDecoder('gb18030').decode(Buffer.from('94358332', 'hex'))}`
    ])
  })

  const dirty = Buffer.concat([
    encode('编号,姓名\n1,王芳北京上海广州\n2,刘', 'gbk'),
    Buffer.of(0xff),
    encode('\n3,陈静深圳杭州\n', 'gbk')
  ])

  test('with a bad byte is an error that says how to go on, never mojibake', async () => {
    const error = await failure(openSource(await folder.write('dirty.csv', dirty)))
    expect(error).toMatchObject({ code: 'source.encoding', exit: ExitCode.failed })
    expect(error.hint).toContain('--encoding gbk')
  })

  test('with a bad byte fails that row when the user says that it is GBK', async () => {
    for (const label of ['gbk', 'GB2312', 'gb18030']) {
      const { columns, names, unreadable } = await reading(dirty, label, 3)
      expect(columns).toEqual(['编号', '姓名'])
      expect(names).toEqual(['王芳北京上海广州', '陈静深圳杭州'])
      expect(unreadable).toMatchObject([{ line: 3, code: 'encoding', raw: { 编号: '2' } }])
    }
  })
})

describe('other encodings', () => {
  test.each([
    'café, naïve, Müller',
    'id,name\n1,naïve\n2,Müller\n',
    'id,name\n1,José\n2,Größe\n',
    'id,price\n1,5 €\n',
    'id,city\n1,Århus\n2,Malmö\n3,Zürich\n',
    'name,note\nSão Paulo,Coração e ações\n',
    'a,b\nCRÉÉE,créée\n',
    'a,b\nit’s,“so” – it is\n',
    'a,b\n25 °C,½ cup © £5\n'
  ])('windows-1252: %j', async (text) => {
    const path = await folder.write('western.csv', encode(text, 'windows-1252'))
    const { source, rows } = await readAll(path, { header: false, delimiter: ';' })
    expect(source.summary).toMatch(/, windows-1252 \(a guess, .* --encoding\)$/)
    expect(`${rows.map((row) => row.cells[0]).join('\n')}\n`).toBe(text.endsWith('\n') ? text : `${text}\n`)
  })

  test.each([
    ['windows-1251', '№,имя,город\n1,Иван,Москва\n2,Мария,Санкт-Петербург и это был тест для всех\n'],
    ['big5', '姓名,城市\n陳大文,台北\n林小明,高雄\n王美麗,臺中\n'],
    ['shift_jis', '名前,都市\n田中,東京\n鈴木,大阪です\n'],
    ['euc-jp', '名前,都市\n田中,東京\n鈴木,大阪です\n'],
    ['euc-kr', '이름,도시\n김철수,서울\n이영희,부산\n박지민,대구\n']
  ])('%s, from a few lines', async (label, text) => {
    const { source, rows } = await readAll(await folder.write('other.csv', encode(text, label)), { header: true })
    expect(source.summary).toContain(label)
    const read = [source.columns, ...rows.map((row) => row.cells)].map((cells) => cells.join(','))
    expect(`${read.join('\n')}\n`).toBe(text)
  })

  test.each([
    ['bytes that are nothing', Buffer.from('id,name\n1,\x81\x8d\x8f\n', 'latin1')],
    ['a short Japanese name', encode('id,name\n1,田中\n', 'shift_jis')],
    ['Polish letters that windows-1252 would garble', encode('Łódź,Kraków,Gdańsk\nżółć,gęś,jaźń\n', 'iso-8859-2')]
  ])('what cannot be told is an error: %s', async (_what, bytes) => {
    const error = await failure(openSource(await folder.write('unclear.csv', bytes)))
    expect(error).toMatchObject({ code: 'source.encoding', exit: ExitCode.failed })
    expect(error.hint).toContain('--encoding')
  })

  test('the user may say it', async () => {
    const bytes = encode('id,name\n1,田中\n', 'shift_jis')
    expect((await reading(bytes, 'sjis')).names).toEqual(['田中'])
    expect((await reading(Buffer.from('id,name\n1,é\n'), 'latin1')).names).toEqual(['Ã©'])
    expect((await reading(Buffer.from(ROWS, 'utf16le'), 'utf-16le')).names).toEqual(['张三', '😀'])
    expect((await reading(swapped(`\ufeff${ROWS}`), 'utf-16')).names).toEqual(['张三', '😀'])
    expect((await reading(Buffer.from(`\ufeff${ROWS}`), 'UTF8')).columns).toEqual(['id', 'name'])
  })

  test('when the user says UTF-8, rows that are not fail', async () => {
    const { names, unreadable } = await reading(Buffer.from('id,name\n1,caf\xe9\n2,tea\n', 'latin1'), 'utf-8')
    expect(names).toEqual(['tea'])
    expect(unreadable).toMatchObject([{ line: 2, code: 'encoding' }])
  })

  test('an unknown name is a usage error', async () => {
    const error = await failure(openSource(await folder.write('text.csv', ROWS), { encoding: 'klingon' }))
    expect(error).toMatchObject({ code: 'source.encoding', exit: ExitCode.usage })
  })
})
