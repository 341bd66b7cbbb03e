import type { ScriptDialect } from '../script.ts'
import { isSign, isWord } from '../script.ts'
import type { Quotes, SqlWord } from '../sql-words.ts'

const ALLOWED = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'VALUES', 'TABLE', 'SET', 'DO'])
/** They would give away the lock that keeps other migrations out. */
const LOCKS = new Set(['GET_LOCK', 'RELEASE_LOCK', 'RELEASE_ALL_LOCKS'])

/**
 * Scripts as the stock client reads them.
 * @param sqlMode the server's own, in which scripts run
 * @param otherDatabases on the same server, in lower case
 */
export function mysqlDialect(sqlMode: string, controlSchema: string, otherDatabases: Set<string>): ScriptDialect {
  const modes = new Set(sqlMode.toUpperCase().split(','))
  return {
    quotes: quotesOf(modes),
    delimiters: true,
    runsComments: true,
    allowed: ALLOWED,
    objection,
    bookkeeping: (name) => name.startsWith('rowback_') || name === controlSchema.toLowerCase(),
    otherDatabases
  }
}

function quotesOf(modes: ReadonlySet<string>): Quotes {
  const ansi = modes.has('ANSI_QUOTES')
  return {
    names: ansi ? ['`', '"'] : ['`'],
    texts: ansi ? ["'"] : ["'", '"'],
    backslash: !modes.has('NO_BACKSLASH_ESCAPES'),
    hash: true
  }
}

function objection(words: readonly SqlWord[]): string | null {
  if (isWord(words[0], 'SET') && !setsOwnVariables(words)) return 'it changes the session or the server, not rows'
  for (const [i, word] of words.entries()) {
    const next = words[i + 1]
    if (isWord(word, 'INTO') && (isWord(next, 'OUTFILE') || isWord(next, 'DUMPFILE'))) return 'it writes a file'
    if (isSign(next, '(') && LOCKS.has(word.text.toUpperCase())) return `${word.text} is about locks, not rows`
  }
  return null
}

/** `SET @a = 1, @b = f(2, 3)` */
function setsOwnVariables(words: readonly SqlWord[]): boolean {
  let depth = 0
  let expected = true
  for (const [i, word] of words.entries()) {
    if (i === 0) continue
    if (expected && !(isSign(word, '@') && !isSign(words[i + 1], '@'))) return false
    expected = false
    if (isSign(word, '(')) depth++
    else if (isSign(word, ')')) depth--
    else if (depth === 0 && isSign(word, ',')) expected = true
  }
  return !expected
}
