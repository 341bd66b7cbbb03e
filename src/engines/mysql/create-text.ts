import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'

const DEFAULT = /( DEFAULT )'((?:[^'\\]|''|\\[\s\S])*)'/g
/** The line of an index other than the primary key. */
const INDEX = /^ {2}(UNIQUE |FULLTEXT |SPATIAL )?KEY /
const ESCAPED: Record<string, string> = { '0': '\0', n: '\n', r: '\r', t: '\t', Z: '\x1a' }

/**
 * What SHOW CREATE TABLE says, as text. MariaDB prints the default of a BINARY column as its bytes, which need not be
 * text; they are written in hex here.
 */
export function createText(shown: Value | undefined): string {
  if (!(shown instanceof RawText)) return String(shown)
  const bytes = Buffer.from(shown.bytes).toString('latin1')
  const text = bytes.replace(DEFAULT, (all, before: string, body: string) =>
    isUtf8(body) ? all : `${before}X'${Buffer.from(unescaped(body), 'latin1').toString('hex')}'`
  )
  return Buffer.from(text, 'latin1').toString('utf8')
}

/**
 * What SHOW CREATE TABLE says, without one column and the indexes over it.
 * @param statement has each column and each index on a line of its own
 */
export function withoutColumn(statement: string, column: string): string {
  const name = `\`${column}\``
  const kept = statement
    .split('\n')
    .filter((line) => !line.startsWith(`  ${name} `) && !(INDEX.test(line) && line.includes(name)))
  return kept.map((line, i) => (kept[i + 1]?.startsWith(')') ? line.replace(/,$/, '') : line)).join('\n')
}

function isUtf8(bytes: string): boolean {
  const buffer = Buffer.from(bytes, 'latin1')
  return Buffer.from(buffer.toString('utf8')).equals(buffer)
}

function unescaped(body: string): string {
  return body.replace(/''|\\([\s\S])/g, (pair, sign?: string) =>
    sign === undefined ? pair[0]! : (ESCAPED[sign] ?? sign)
  )
}
