/** A word, name, text or sign of a SQL statement. */
export interface SqlWord {
  kind: 'word' | 'quoted' | 'text' | 'sign'
  /** What it says, without quotes. */
  text: string
}

/** What stands in quotes is a name, or text, as the engine has it. */
export interface Quotes {
  names: readonly string[]
  texts: readonly string[]
  /** A backslash in a text takes the meaning from what follows. */
  backslash: boolean
  /** `#` begins a comment. */
  hash: boolean
}

const CLOSING: Record<string, string> = { '[': ']' }

/** Takes a statement apart; comments and blanks are left out. */
export function wordsOf(sql: string, quotes: Quotes): SqlWord[] {
  const words: SqlWord[] = []
  let at = 0
  while (at < sql.length) {
    const rest = sql.slice(at)
    const skipped = skippedLength(rest, quotes)
    if (skipped > 0) {
      at += skipped
      continue
    }
    const sign = sql[at] as string
    const isName = quotes.names.includes(sign)
    if (isName || quotes.texts.includes(sign)) {
      const { text, length } = quotedText(rest, !isName && quotes.backslash)
      words.push({ kind: isName ? 'quoted' : 'text', text })
      at += length
      continue
    }
    const word = /^[\p{L}\p{N}_$\u0080-\uFFFF]+/u.exec(rest)?.[0]
    if (word === undefined) words.push({ kind: 'sign', text: sign })
    else words.push(...splitNumber(word).map((text): SqlWord => ({ kind: 'word', text })))
    at += word?.length ?? 1
  }
  return words
}

/** Servers take `1.0FROM` for a number and a word, and `\NFROM` for NULL and one. */
function splitNumber(word: string): string[] {
  const [, number, rest] = /^(N|\d.*?)(FROM|JOIN|STRAIGHT_JOIN|TABLE)$/i.exec(word) ?? []
  return number === undefined || rest === undefined ? [word] : [number, rest]
}

function skippedLength(rest: string, { hash }: Quotes): number {
  const comment = hash
    ? /^(\s+|--(?=[\s]|$)[^\n]*|#[^\n]*|\/\*[\s\S]*?(\*\/|$))/
    : /^(\s+|--[^\n]*|\/\*[\s\S]*?(\*\/|$))/
  return comment.exec(rest)?.[0].length ?? 0
}

/** Up to the closing quote, which stands twice where it is meant. */
function quotedText(rest: string, backslash: boolean): { text: string; length: number } {
  const close = CLOSING[rest[0] as string] ?? (rest[0] as string)
  let text = ''
  let at = 1
  while (at < rest.length) {
    if (backslash && rest[at] === '\\') {
      text += rest[at + 1] ?? ''
      at += 2
    } else if (rest[at] !== close) text += rest[at++]
    else if (close !== ']' && rest[at + 1] === close) {
      text += close
      at += 2
    } else break
  }
  return { text, length: at + 1 }
}

/** Where a statement names something to read from. */
export interface Source {
  schema: string | null
  name: string
}

const OPENS = new Set(['FROM', 'JOIN', 'STRAIGHT_JOIN', 'TABLE', 'LATERAL', 'OJ'])
const CLOSES = new Set([
  ...['SELECT', 'WHERE', 'GROUP', 'ORDER', 'HAVING', 'LIMIT', 'WINDOW', 'UNION', 'EXCEPT', 'INTERSECT', 'VALUES'],
  ...['PROCEDURE', 'FOR', 'LOCK', 'OFFSET', 'FETCH']
])

/**
 * What a statement reads from: the names after FROM and JOIN and the commas that follow them, at any depth. Names that
 * WITH gives are among them.
 */
export function sourcesOf(words: readonly SqlWord[]): Source[] {
  const sources: Source[] = []
  const outer: ('from' | 'on' | 'other')[] = []
  let place: 'from' | 'on' | 'other' = 'other'
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as SqlWord
    const before = words[i - 1]
    if (word.kind === 'sign') {
      if (word.text === '(') {
        outer.push(place)
        // Brackets after a name hold arguments, columns or indexes; after a comma or FROM, more to read from.
        place = place === 'from' && opensSource(before) ? 'from' : 'other'
      } else if (word.text === ')') place = outer.pop() ?? 'other'
      else if (word.text === ',' && place === 'on') place = 'from'
      continue
    }
    const upper = word.kind === 'word' ? word.text.toUpperCase() : ''
    const isPart = before?.kind === 'sign' && before.text === '.'
    if (!isPart && OPENS.has(upper)) place = 'from'
    else if (!isPart && (upper === 'ON' || upper === 'USING') && place === 'from') place = 'on'
    else if (!isPart && CLOSES.has(upper)) place = 'other'
    else if (place === 'from' && word.kind !== 'text' && opensSource(before)) {
      const isSchema = words[i + 1]?.text === '.' && words[i + 1]?.kind === 'sign'
      if (isSchema) sources.push({ schema: word.text, name: words[i + 2]?.text ?? '' })
      else sources.push({ schema: null, name: word.text })
    }
  }
  return sources
}

function opensSource(before: SqlWord | undefined): boolean {
  if (before === undefined) return false
  if (before.kind === 'sign') return before.text === ',' || before.text === '('
  return before.kind === 'word' && OPENS.has(before.text.toUpperCase())
}
