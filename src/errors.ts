/** What the process answers when an operation ends: the exit codes of the command line. */
export const ExitCode = {
  done: 0,
  failed: 1,
  usage: 2,
  someRowsFailed: 3,
  locked: 4,
  conflict: 5,
  interrupted: 6,
  backupDamaged: 7,
  cancelled: 130
} as const

export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode]

export interface ErrorDetail {
  /** Stable, lower case, dotted: `table.missing`. Programs may rely on it. */
  code: string
  /** What failed, in one sentence. */
  message: string
  /** What the ledger keeps of it, where the message may quote what must not be kept. */
  recorded?: string
  /** What state the data is in now. */
  state?: string
  /** What to type or do next. */
  hint?: string
  exit?: ExitCode
  /** More of it for programs: goes into the JSON beside the rest. */
  details?: Readonly<Record<string, unknown>>
  cause?: unknown
}

/** What a database looks like when an operation was refused before its first write. */
export const NOTHING_CHANGED = 'Nothing was changed.'

/** The one error that rowback throws on purpose: it says what failed, what state the data is in, and what to do next. */
export class RowbackError extends Error {
  readonly code: string
  readonly recorded: string
  /** Added to by who knows more of it. */
  state: string
  readonly hint: string
  readonly exit: ExitCode
  readonly details: Readonly<Record<string, unknown>>

  constructor(detail: ErrorDetail) {
    super(detail.message, { cause: detail.cause })
    this.name = 'RowbackError'
    this.code = detail.code
    this.recorded = detail.recorded ?? detail.message
    this.state = detail.state ?? NOTHING_CHANGED
    this.hint = detail.hint ?? ''
    this.exit = detail.exit ?? ExitCode.failed
    this.details = detail.details ?? {}
  }
}

/** An error about how rowback was called or configured (exit code 2). */
export function usageError(code: string, message: string, hint = ''): RowbackError {
  return new RowbackError({ code, message, hint, exit: ExitCode.usage })
}
