import { ExitCode, RowbackError } from '../errors.ts'
import type { WriteCounts } from '../model/change.ts'
import type { CapturedTable } from './capture.ts'
import type { Quotes, SqlWord } from './sql-words.ts'
import { eachWord } from './sql-words.ts'

/** How scripts are written for a database, and what in them could not be taken back. */
export interface ScriptDialect {
  quotes: Quotes
  /** `DELIMITER` at the beginning of a statement is a command, as in the stock client. */
  delimiters: boolean
  /** The server runs what stands in comments that begin with `!`. */
  runsComments: boolean
  /** First words of statements that may be part of a version. */
  allowed: ReadonlySet<string>
  /** A statement that begins as it should, and still cannot be taken back: why. */
  objection(words: readonly SqlWord[]): string | null
  /** Whether a name, in lower case, is one of bookkeeping, which no statement may name. */
  bookkeeping(name: string): boolean
  /** In lower case. */
  otherDatabases: ReadonlySet<string>
}

/** One statement of a script. */
export interface ScriptStatement {
  /** From 1 on. */
  number: number
  /** The line of the script on which it begins. */
  line: number
  /** Without what ends it. */
  text: string
  words: readonly SqlWord[]
  /** Its comments hold something for the server to run. */
  hidden: boolean
}

/** A script on its way into the database, as a version. */
export interface ScriptRun {
  statements: Iterable<ScriptStatement>
  /** All tables that it may change, itself or by cascades and triggers. */
  tables: readonly CapturedTable[]
  version: number
  /** Asked before each statement; throws when the run was given up. */
  goOn: () => void
}

export interface ScriptOutcome {
  /** What became of the rows of each table. */
  counts: WriteCounts[]
  statements: number
  /** Warnings of the server, as sentences. */
  warnings: string[]
}

/** The error of a statement, in the words of the database where it refused it; of the statement's text nothing is kept. */
export function statementFailed({ number, line }: ScriptStatement, error: unknown): unknown {
  if (!(error instanceof RowbackError)) return error
  const { cause, exit } = error
  const isRefusal = exit === ExitCode.failed && !/^(connection|script)\./.test(error.code)
  const which = `Statement ${number} (line ${line}) failed`
  return new RowbackError({
    code: isRefusal ? 'script.failed' : error.code,
    message: `${which}: ${isRefusal && cause instanceof Error ? cause.message : error.message}`,
    recorded: `${which}.`,
    state: error.state,
    hint: isRefusal ? 'Correct it, then run the whole script again.' : error.hint,
    exit,
    cause
  })
}

/**
 * The text of a statement that inserts whole rows into a table with a column more than its user knows of: with the names of
 * the columns that are meant. Where it selects all columns of others, it is left as it is.
 * @param columnsOf the list in SQL, without brackets, for a name in lower case; null for any other table
 */
export function withColumnsNamed(statement: ScriptStatement, columnsOf: (table: string) => string | null): string {
  const { words, text } = statement
  const verb = verbAt(words)
  if (!/^(INSERT|REPLACE)$/.test(verbOf(words))) return text
  const named = insertedAt(words, verb)
  const table = words[named]
  const columns = table ? columnsOf(table.text.toLowerCase()) : null
  const next = isWord(words[named + 1], 'AS') ? named + 3 : named + 1
  if (!table || columns === null || isSign(words[next], '(') || isWord(words[next], 'DEFAULT')) return text
  const takesAll = words.some((word, i) => isSign(word, '*') && !isSign(words[i - 1], '(') && isListed(words[i - 1]))
  if (takesAll) return text
  const at = (words[next - 1] as SqlWord).to - (words[0] as SqlWord).from
  return `${text.slice(0, at)} (${columns})${text.slice(at)}`
}

/** Behind these words `*` means all columns, and no product. */
function isListed(before: SqlWord | undefined): boolean {
  return (
    ['SELECT', 'ALL', 'DISTINCT'].some((word) => isWord(before, word)) || isSign(before, ',') || isSign(before, '.')
  )
}

/** Takes a script apart into its statements, one at a time. */
export function* statementsOf(script: string, dialect: ScriptDialect): Iterable<ScriptStatement> {
  const lines = new LineCounter(script)
  let delimiter = ';'
  let words: SqlWord[] = []
  let number = 0
  let begin = 0
  let ignoredTo = 0
  const taken = (to: number): ScriptStatement | null => {
    const hidden = dialect.runsComments && hasHidden(script, begin, to, words)
    const first = words[0]
    if (first === undefined && !hidden) return null
    const from = first?.from ?? begin
    number++
    return { number, line: lines.at(from), text: script.slice(from, words.at(-1)?.to ?? to), words, hidden }
  }
  for (const word of eachWord(script, dialect.quotes, () => delimiter)) {
    if (word.from < ignoredTo) continue
    if (dialect.delimiters && words.length === 0 && isWord(word, 'DELIMITER')) {
      ignoredTo = endOfLine(script, word.to)
      delimiter = script.slice(word.to, ignoredTo).trim() || delimiter
      begin = ignoredTo
    } else if (word.kind === 'sign' && word.text === delimiter) {
      const statement = taken(word.from)
      if (statement) yield statement
      words = []
      begin = word.to
    } else words.push(word)
  }
  const last = taken(script.length)
  if (last) yield last
}

function endOfLine(script: string, from: number): number {
  const end = script.indexOf('\n', from)
  return end < 0 ? script.length : end
}

/** Between the words stand blanks and comments. */
function hasHidden(script: string, from: number, to: number, words: readonly SqlWord[]): boolean {
  let at = from
  for (const edge of [...words, { from: to, to }]) {
    if (edge.from > at && /\/\*M?!/.test(script.slice(at, edge.from))) return true
    at = edge.to
  }
  return false
}

/** Counts lines on the way through a text. */
class LineCounter {
  readonly #text: string
  #at = 0
  #line = 1

  constructor(text: string) {
    this.#text = text
  }

  /** @param at not before the one asked for last */
  at(at: number): number {
    for (let next = this.#text.indexOf('\n', this.#at); next >= 0 && next < at; ) {
      this.#line++
      this.#at = next + 1
      next = this.#text.indexOf('\n', this.#at)
    }
    return this.#line
  }
}

const SCHEMA = 'it changes the schema, which no version takes back'
const TRANSACTION = 'the script is one transaction, which ends when all of it is done'
const SESSION = 'it changes the session or the server, not rows'
const HIDDEN = 'what it does cannot be seen beforehand, and it may commit'
const FILES = 'it reads or writes files'

const REASONS = new Map<string, string>(
  [
    [SCHEMA, ['CREATE', 'ALTER', 'DROP', 'RENAME', 'TRUNCATE', 'REINDEX', 'ANALYZE', 'OPTIMIZE', 'REPAIR', 'VACUUM']],
    [
      TRANSACTION,
      ['BEGIN', 'START', 'COMMIT', 'ROLLBACK', 'SAVEPOINT', 'RELEASE', 'END', 'XA', 'LOCK', 'UNLOCK', 'FLUSH']
    ],
    [SESSION, ['SET', 'USE', 'PRAGMA', 'ATTACH', 'DETACH', 'GRANT', 'REVOKE', 'RESET', 'KILL', 'INSTALL']],
    [HIDDEN, ['CALL', 'PREPARE', 'EXECUTE', 'DEALLOCATE', 'HANDLER']],
    [FILES, ['LOAD', 'IMPORT', 'SOURCE']]
  ].flatMap(([reason, verbs]) => (verbs as string[]).map((verb): [string, string] => [verb, reason as string]))
)

/** Why a statement cannot be part of a version; null when it can. */
export function refusalOf({ words, hidden }: ScriptStatement, dialect: ScriptDialect): string | null {
  if (hidden) return 'the server runs what stands in its comment'
  const verb = verbOf(words)
  const named =
    verb === 'SET' && dialect.allowed.has('SET') ? `${verb} of more than variables of its own (SET @name)` : verb
  const because = (reason: string) => `${named}: ${reason}`
  if (!dialect.allowed.has(verb)) {
    return because(REASONS.get(verb) ?? `only ${[...dialect.allowed].join(', ')} can be part of a version`)
  }
  const objection = dialect.objection(words)
  if (objection !== null) return because(objection)
  const bookkeeping = [...namesIn(words), ...writtenNames(words)].find((name) => dialect.bookkeeping(name))
  if (bookkeeping !== undefined) return `${bookkeeping} is bookkeeping of rowback`
  const other = otherDatabaseIn(words, dialect)
  return other === null ? null : `${other} is another database`
}

/** Only with a dot behind it a name can be that of a database; an alias stands somewhere without one. */
function otherDatabaseIn(words: readonly SqlWord[], { otherDatabases }: ScriptDialect): string | null {
  const isDotted = (i: number) => isSign(words[i + 1], '.')
  const suspects = words.filter(
    (word, i) =>
      isName(word) && isDotted(i) && !isSign(words[i - 1], '.') && otherDatabases.has(word.text.toLowerCase())
  )
  const real = suspects.find(
    (suspect) =>
      !words.some((word, i) => isName(word) && word.text === suspect.text && !isDotted(i) && !isSign(words[i - 1], '.'))
  )
  return real?.text ?? null
}

/** The word that says what a statement does; behind WITH stands another one. */
export function verbOf(words: readonly SqlWord[]): string {
  return words[verbAt(words)]?.text.toUpperCase() ?? ''
}

const VERBS = new Set(['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'REPLACE', 'VALUES', 'TABLE'])

function verbAt(words: readonly SqlWord[]): number {
  const first = words.findIndex((word) => !isSign(word, '('))
  if (!isWord(words[first], 'WITH')) return Math.max(first, 0)
  let depth = 0
  for (let i = first + 1; i < words.length; i++) {
    const word = words[i] as SqlWord
    if (isSign(word, '(')) depth++
    else if (isSign(word, ')')) depth--
    else if (depth === 0 && word.kind === 'word' && VERBS.has(word.text.toUpperCase())) return i
  }
  return first
}

const BEFORE_TABLE = new Set(['LOW_PRIORITY', 'DELAYED', 'HIGH_PRIORITY', 'IGNORE', 'INTO'])
const AFTER_TABLES: Record<string, ReadonlySet<string>> = {
  UPDATE: new Set(['SET']),
  DELETE: new Set(['WHERE', 'ORDER', 'LIMIT', 'RETURNING'])
}

/**
 * The names among which are all tables that a statement writes by itself, in lower case; SQLite takes even 'text' for one.
 * For a statement that writes into several, or reads others on the way, those and their aliases are among them too.
 */
export function writtenNames(words: readonly SqlWord[]): string[] {
  const at = verbAt(words)
  const verb = verbOf(words)
  if (verb === 'INSERT' || verb === 'REPLACE') {
    return words
      .slice(insertedAt(words, at))
      .slice(0, 1)
      .map((word) => word.text.toLowerCase())
  }
  const after = AFTER_TABLES[verb]
  if (after === undefined) return []
  const names: string[] = []
  let depth = 0
  for (const word of words.slice(at + 1)) {
    if (isSign(word, '(')) depth++
    else if (isSign(word, ')')) depth--
    else if (depth === 0 && word.kind === 'word' && after.has(word.text.toUpperCase())) break
    if (word.kind !== 'sign') names.push(word.text.toLowerCase())
  }
  return names
}

/** Where the name of the table stands that is inserted into. */
function insertedAt(words: readonly SqlWord[], verb: number): number {
  let at = verb + 1
  for (; at < words.length; at++) {
    const word = words[at] as SqlWord
    if (isWord(word, 'OR')) at++
    else if (word.kind !== 'word' || !BEFORE_TABLE.has(word.text.toUpperCase())) break
  }
  return isSign(words[at + 1], '.') ? at + 2 : at
}

/** All names in a statement, in lower case. */
export function namesIn(words: readonly SqlWord[]): Set<string> {
  return new Set(words.filter(isName).map((word) => word.text.toLowerCase()))
}

/** Names that are called: an opening bracket follows. */
export function calledIn(words: readonly SqlWord[]): Set<string> {
  return new Set(
    words.filter((word, i) => isName(word) && isSign(words[i + 1], '(')).map((word) => word.text.toLowerCase())
  )
}

export function isSign(word: SqlWord | undefined, text: string): boolean {
  return word?.kind === 'sign' && word.text === text
}

export function isWord(word: SqlWord | undefined, text: string): boolean {
  return word?.kind === 'word' && word.text.toUpperCase() === text
}

function isName(word: SqlWord): boolean {
  return word.kind === 'word' || word.kind === 'quoted'
}
