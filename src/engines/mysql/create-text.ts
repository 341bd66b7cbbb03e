import type { Value } from '../../model/value.ts'
import { RawText } from '../../model/value.ts'

const DEFAULT = /( DEFAULT )'((?:[^'\\]|''|\\[\s\S])*)'/g
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

function isUtf8(bytes: string): boolean {
  const buffer = Buffer.from(bytes, 'latin1')
  return Buffer.from(buffer.toString('utf8')).equals(buffer)
}

function unescaped(body: string): string {
  return body.replace(/''|\\([\s\S])/g, (pair, sign?: string) =>
    sign === undefined ? pair[0]! : (ESCAPED[sign] ?? sign)
  )
}
