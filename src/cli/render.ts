import { createColors } from 'picocolors'
import type { RowbackError } from '../errors.ts'
import { errorDetails } from './views/errors.ts'

/** How text is made to stand out; all functions return their text unchanged where colours are off. */
export interface Style extends ReturnType<typeof createColors> {
  /** A command as the user can type it, with the flags that name this database. */
  command: (text: string) => string
}

export interface OutputFlags {
  json: boolean
  quiet: boolean
  color: boolean
}

/** The one place that prints: results to standard output, errors to standard error, JSON alone when it is asked for. */
export class Renderer {
  readonly #flags: OutputFlags
  /** Flags of this invocation that the next one needs, too. */
  readonly #repeated: { flags: string; lacksPassword: boolean }

  constructor(flags: OutputFlags, repeated: { flags: string; lacksPassword: boolean }) {
    this.#flags = flags
    this.#repeated = repeated
  }

  /** Progress is for people at a terminal. */
  get showsProgress(): boolean {
    return process.stderr.isTTY === true && !this.#flags.json && !this.#flags.quiet
  }

  /** Prints an operation's result: as JSON, or as its view for people. */
  result(output: unknown, view: (style: Style) => string): void {
    if (this.#flags.json) process.stdout.write(`${JSON.stringify(output, null, 2)}\n`)
    else if (!this.#flags.quiet) process.stdout.write(`${view(this.#style(process.stdout))}\n`)
  }

  /** Prints help and the like as it is. */
  text(text: string): void {
    process.stdout.write(text)
  }

  /** Prints what failed, what state the data is in, and what to do next. */
  error(error: RowbackError): void {
    const { code, message, state, details } = error
    const hint = this.#command(error.hint)
    if (this.#flags.json) {
      process.stdout.write(`${JSON.stringify({ error: { code, message, state, hint, ...details } }, null, 2)}\n`)
      return
    }
    const style = this.#style(process.stderr)
    const lines = [
      `${style.red('Error:')} ${message}`,
      `  ${state}`,
      ...errorDetails(error, style),
      ...(hint ? [`  ${style.bold('Next:')} ${hint}`] : [])
    ]
    process.stderr.write(`${lines.join('\n')}\n`)
  }

  #style(stream: NodeJS.WriteStream): Style {
    const colors = createColors(this.#flags.color && stream.isTTY === true && !process.env.NO_COLOR)
    return { ...colors, command: (text) => this.#command(text) }
  }

  #command(text: string): string {
    const { flags, lacksPassword } = this.#repeated
    // The repository comes last among the flags: where a hint asks for another one, that is the one to name.
    const whole = text.replace(/\b(rowback (?:backup )?[a-z]+)( --repository DIR)?/g, (_, verb, other) =>
      other ? `${verb}${flags.replace(/ --repository .*/, '')}${other}` : `${verb}${flags}`
    )
    return lacksPassword && whole !== text ? `${whole} (with the password in ROWBACK_PASSWORD)` : whole
  }
}
