import { describe, expect, test } from 'vitest'
import type { Quotes } from '../../src/engines/sql-words.ts'
import { sourcesOf, wordsOf } from '../../src/engines/sql-words.ts'

const MYSQL: Quotes = { names: ['`'], texts: ["'", '"'], backslash: true, hash: true }
const SQLITE: Quotes = { names: ['"', '`', '[', "'"], texts: [], backslash: false, hash: false }

const read = (sql: string) =>
  sourcesOf(wordsOf(sql, MYSQL)).map(({ schema, name }) => (schema === null ? name : `${schema}.${name}`))

describe('what a statement reads from', () => {
  test.each([
    ['SELECT a FROM t', ['t']],
    ['select a from`t`x', ['t']],
    ['SELECT t FROM a, b AS c, (d, e) WHERE f IN (SELECT g FROM h)', ['a', 'b', 'd', 'e', 'h']],
    ['SELECT 1 FROM a JOIN b ON a.x = b.y, c LEFT JOIN (d) USING (e, f) WHERE g', ['a', 'b', 'c', 'd']],
    ['SELECT 1 FROM a JOIN b USING (x), c', ['a', 'b', 'c']],
    ['SELECT 1 FROM shop . t, `a``b`.`c`', ['shop.t', 'a`b.c']],
    ['SELECT 1 FROM a USE INDEX (b) STRAIGHT_JOIN c ORDER BY d, e', ['a', 'c']],
    ["SELECT ' FROM x', \"FROM y\", 'it''s \\' FROM z' FROM t -- FROM u\n # FROM v\n /* FROM w */", ['t']],
    ['SELECT 1--2 FROM t', ['t']],
    ['WITH a AS (SELECT 1 FROM b) SELECT * FROM a UNION SELECT c FROM d', ['b', 'a', 'd']],
    ['TABLE t', ['t']],
    ['SELECT 1.0FROM t', ['t']],
    ['SELECT \\NFROM t', ['t']],
    ['SELECT x.from FROM t LIMIT 1, 2', ['t']],
    ['SELECT (SELECT max(a) FROM b), c FROM d GROUP BY e, f HAVING g', ['b', 'd']]
  ])('%s', (sql, names) => {
    expect(read(sql)).toEqual(names)
  })

  test('SQLite takes every kind of quote for a name', () => {
    const words = wordsOf(`SELECT [a b] FROM "c""d" JOIN \`e\` JOIN 'f''g' -- h`, SQLITE)
    expect(words.map(({ text }) => text)).toEqual(['SELECT', 'a b', 'FROM', 'c"d', 'JOIN', 'e', 'JOIN', "f'g"])
  })
})
