import type { z } from 'zod'
import type { ExitCode } from '../errors.ts'
import type { Context } from './context.ts'

/** How an option is shown on the command line, kept in a schema's metadata. */
export interface OptionMeta {
  /** One letter: `m` for `-m`. */
  short?: string
  /** What stands for the value in the help: `FILE`. */
  placeholder?: string
}

/** One verb, said once: command line, library and later faces are made from it. */
export interface Operation<I extends z.ZodObject = z.ZodObject, O = unknown> {
  name: string
  /** One line for a list of commands. */
  summary: string
  /** More, for its own help; may be empty. */
  details: string
  example: string
  /** Names of the inputs that are positional arguments, in order. */
  positional: readonly string[]
  input: I
  /** Whether it makes sense on a database that is not there yet. */
  makesDatabase: boolean
  /** Whether a target that cannot be opened is no error before the operation asks for it. */
  worksWithoutDatabase?: boolean
  /**
   * What becomes of changes of tables that an interrupted run left half-way, before the operation looks at the tables:
   * `recover` puts them right first, `refuse` ends with exit code 6. Left out where it looks at none.
   */
  whenInterrupted?(input: z.output<I>): 'recover' | 'refuse' | null
  run(context: Context, input: z.output<I>): Promise<O>
  /** What the process answers when it is done. */
  exitCode?(output: O): ExitCode
}

/** Keeps the types of one operation's input and output together. */
export function operation<I extends z.ZodObject, O>(definition: Operation<I, O>): Operation<I, O> {
  return definition
}
