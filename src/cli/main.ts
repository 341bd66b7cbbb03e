#!/usr/bin/env node
import { CommanderError } from 'commander'
import { withoutPassword } from '../config.ts'
import { ExitCode, RowbackError } from '../errors.ts'
import { makeProgram, outputFlags, repeatedFlags } from './program.ts'
import { Renderer } from './render.ts'
import { keepYoungSpaceSmall } from './young-space.ts'

const PATIENCE_MS = 3000

/** Runs the command line and answers with its exit code. */
export async function main(argv: readonly string[]): Promise<void> {
  const renderer = new Renderer(outputFlags(argv), repeatedFlags(argv))
  let code: ExitCode = ExitCode.done
  const giveUp = new AbortController()
  process.once('SIGINT', () => {
    giveUp.abort(interrupted())
    // What does not end by itself, or is told a second time, ends at once: its transaction does not commit.
    const end = () => {
      renderer.error(interrupted())
      process.exit(ExitCode.cancelled)
    }
    setTimeout(end, PATIENCE_MS).unref()
    process.once('SIGINT', end)
  })
  // A reader such as `head` may close the pipe early; that is no error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(code)
    throw error
  })
  try {
    await makeProgram(argv, renderer, giveUp.signal, (result) => {
      code = result
    }).parseAsync(argv, { from: 'user' })
  } catch (error) {
    code = report(error, renderer)
  }
  process.exitCode = code
}

function report(error: unknown, renderer: Renderer): ExitCode {
  if (error instanceof CommanderError && error.exitCode === 0) return ExitCode.done
  const told = asRowbackError(error)
  renderer.error(told)
  return told.exit
}

function asRowbackError(error: unknown): RowbackError {
  if (error instanceof RowbackError) return error
  const message = error instanceof Error ? error.message : String(error)
  return new RowbackError({
    code: 'unexpected',
    message: `Something unexpected happened: ${message}`,
    state: 'A version is written whole or not at all; an unfinished one left nothing.',
    hint: 'See where the database stands with: rowback status',
    cause: error
  })
}

function interrupted(): RowbackError {
  return new RowbackError({
    code: 'interrupted',
    message: 'Interrupted.',
    state: 'A version is written whole or not at all; an unfinished one left nothing.',
    hint: 'See where the database stands with: rowback status',
    exit: ExitCode.cancelled
  })
}

const words = process.argv.slice(2)
keepYoungSpaceSmall()
// A password in an argument would stand in the list of processes.
if (words.some((word) => withoutPassword(word) !== word)) process.title = 'rowback'
await main(words.length > 0 ? words : ['--help'])
