import type { ScriptDialect } from '../script.ts'
import { isSign, writtenNames } from '../script.ts'
import type { SqlWord } from '../sql-words.ts'

/** How scripts are written for SQLite. */
export const SQLITE_DIALECT: ScriptDialect = {
  quotes: { names: ['"', '`', '['], texts: ["'"], backslash: false, hash: false },
  delimiters: false,
  runsComments: false,
  allowed: new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'VALUES']),
  objection,
  bookkeeping: (name) => name.startsWith('rowback_'),
  otherDatabases: new Set()
}

function objection(words: readonly SqlWord[]): string | null {
  const own = writtenNames(words).find((name) => name.startsWith('sqlite_'))
  if (own !== undefined) return `${own} is SQLite's own`
  // The database would take a parameter that nobody gives a value for NULL.
  const parameter = words.find(
    (word, i) =>
      isSign(word, '?') ||
      (word.kind === 'word' && word.text.startsWith('$')) ||
      ((isSign(word, ':') || isSign(word, '@')) && words[i + 1]?.kind === 'word')
  )
  return parameter === undefined ? null : `the parameter ${parameter.text} has no value`
}
