/** A word, name, text or sign of a SQL statement. */
export interface SqlWord {
  kind: 'word' | 'quoted' | 'text' | 'sign'
  /** What it says, without quotes. */
  text: string
  /** Where it begins and ends in the SQL, quotes included. */
  from: number
  to: number
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
const WORD = /[\p{L}\p{N}_$\u0080-\uFFFF]+/uy

/** Takes a statement apart; comments and blanks are left out. */
export function wordsOf(sql: string, quotes: Quotes): SqlWord[] {
  return [...eachWord(sql, quotes)]
}

/**
 * The same one by one.
 * @param delimiter what ends a statement now, which is then a sign of its own wherever it stands outside of quotes
 */
export function* eachWord(sql: string, quotes: Quotes, delimiter: () => string = () => ';'): Iterable<SqlWord> {
  let at = 0
  while (at < sql.length) {
    const from = at
    at = endOfSkipped(sql, at, quotes)
    if (at > from) continue
    const end = delimiter()
    const sign = sql[at] as string
    const isName = quotes.names.includes(sign)
    if (sql.startsWith(end, at)) {
      at += end.length
      yield { kind: 'sign', text: end, from, to: at }
    } else if (isName || quotes.texts.includes(sign)) {
      const { text, to } = quotedText(sql, at, !isName && quotes.backslash)
      at = to
      yield { kind: isName ? 'quoted' : 'text', text, from, to }
    } else {
      const word = wordAt(sql, at, end)
      at += word.length || 1
      if (word === '') yield { kind: 'sign', text: sign, from, to: at }
      else yield* splitNumber(word, from)
    }
  }
}

function wordAt(sql: string, at: number, delimiter: string): string {
  WORD.lastIndex = at
  const word = WORD.exec(sql)?.[0] ?? ''
  const cut = word.indexOf(delimiter)
  return cut < 0 ? word : word.slice(0, cut)
}

/** Servers take `1.0FROM` for a number and a word, and `\NFROM` for NULL and one. */
function* splitNumber(word: string, from: number): Iterable<SqlWord> {
  const to = from + word.length
  const [, number, rest] = /^(N|\d.*?)(FROM|JOIN|STRAIGHT_JOIN|TABLE)$/i.exec(word) ?? []
  if (number === undefined || rest === undefined) yield { kind: 'word', text: word, from, to }
  else {
    yield { kind: 'word', text: number, from, to: from + number.length }
    yield { kind: 'word', text: rest, from: from + number.length, to }
  }
}

const BLANKS = /\s+|--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y
const BLANKS_WITH_HASH = /\s+|--(?=\s|$)[^\n]*|#[^\n]*|\/\*[\s\S]*?(?:\*\/|$)/y

/** Where blanks or a comment end that begin there. */
function endOfSkipped(sql: string, at: number, { hash }: Quotes): number {
  const blanks = hash ? BLANKS_WITH_HASH : BLANKS
  blanks.lastIndex = at
  return at + (blanks.exec(sql)?.[0].length ?? 0)
}

/** Up to the closing quote, which stands twice where it is meant. */
function quotedText(sql: string, from: number, backslash: boolean): { text: string; to: number } {
  const close = CLOSING[sql[from] as string] ?? (sql[from] as string)
  let text = ''
  let at = from + 1
  while (at < sql.length) {
    if (backslash && sql[at] === '\\') {
      text += sql[at + 1] ?? ''
      at += 2
    } else if (sql[at] !== close) text += sql[at++]
    else if (close !== ']' && sql[at + 1] === close) {
      text += close
      at += 2
    } else break
  }
  return { text, to: Math.min(at + 1, sql.length) }
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

/** The names that WITH gives, at any depth: `name AS (` and `name (columns) AS (`. */
export function namesGiven(words: readonly SqlWord[]): string[] {
  const names: string[] = []
  for (const [i, { kind, text }] of words.entries()) {
    if (kind !== 'word' || !/^AS$/i.test(text) || words[i + 1]?.text !== '(') continue
    let at = i - 1
    if (words[at]?.kind === 'sign' && words[at]?.text === ')') {
      while (at > 0 && !(words[at]?.kind === 'sign' && words[at]?.text === '(')) at--
      at--
    }
    const name = words[at]
    if (name && name.kind !== 'sign') names.push(name.text)
  }
  return names
}
