import type { CommanderError } from 'commander'
import { Command } from 'commander'
import { withoutPassword } from '../config.ts'
import { ExitCode, usageError } from '../errors.ts'
import { catalog } from '../operations/catalog.ts'
import type { Operation } from '../operations/operation.ts'
import { openFor, TOOL_VERSION } from '../rowback.ts'
import { addInputs, inputOf, typedName } from './options.ts'
import { Progress } from './progress.ts'
import type { Renderer } from './render.ts'
import { shellWord } from './views/table.ts'
import { viewOf } from './views/views.ts'

export interface GlobalFlags {
  target?: string
  repository?: string
  json?: boolean
  quiet?: boolean
  color?: boolean
}

/** What one invocation wants of the output, read before anything can go wrong. */
export function outputFlags(argv: readonly string[]): { json: boolean; quiet: boolean; color: boolean } {
  return { json: argv.includes('--json'), quiet: argv.includes('--quiet'), color: !argv.includes('--no-color') }
}

/** Something before an @ that looks like a password, in a URL that is no URL. */
const LIKE_PASSWORD = /:\/\/[^@]*:[^@]*@/

/**
 * The flags that name the database, as a shell takes them, without the password.
 * @returns the flags, and whether a password was left out of them
 */
export function repeatedFlags(argv: readonly string[]): { flags: string; lacksPassword: boolean } {
  let lacksPassword = false
  const flags = ['--target', '--repository'].flatMap((name) => {
    const at = argv.findIndex((word) => word === name || word.startsWith(`${name}=`))
    const value = argv[at]?.slice(name.length + 1) || argv[at + 1]
    if (at < 0 || value === undefined) return []
    const bare = withoutPassword(value)
    if (LIKE_PASSWORD.test(bare)) return []
    if (bare !== value) lacksPassword = true
    return [` ${name} ${shellWord(bare)}`]
  })
  return { flags: flags.join(''), lacksPassword }
}

/**
 * Makes the command line from the catalog.
 * @param argv what was typed: no other commands' inputs are made into flags, which takes longer than all the rest
 * @param signal gives the running command up
 * @param finish called with the exit code of the command that ran
 */
export function makeProgram(
  argv: readonly string[],
  renderer: Renderer,
  signal: AbortSignal,
  finish: (code: ExitCode) => void
): Command {
  const program = new Command('rowback')
    .description('Data migrations into relational databases, versioned and reversible.')
    .version(TOOL_VERSION)
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({ writeOut: (text) => renderer.text(text), writeErr: () => {} })
    .exitOverride((error) => endWith(error, ''))
    .addHelpText('after', `\nExample:\n  $ rowback migrate customers.csv -m "Q3 customers"`)
  addGlobalFlags(program)
  const run = (operation: Operation, input: Record<string, unknown>, flags: GlobalFlags & Record<string, unknown>) =>
    runOperation(operation, input, flags, renderer, signal).then(finish)
  const named = catalog.filter(({ name }) => argv.includes(name.split(' ')[0] as string))
  for (const operation of catalog) {
    const command = addCommand(program, operation, run)
    if (named.length === 0 || named.includes(operation)) addInputs(command, operation)
    addGlobalFlags(command)
  }
  return program
}

function addGlobalFlags(command: Command): void {
  command
    .option(
      '--target <URL>',
      'the database, such as sqlite:shop.db or mysql://user@host/shop; else ROWBACK_TARGET, rowback.yaml, or rowback.db here'
    )
    .option('--repository <DIR>', 'where backups are kept; .rowback when left out')
    .option('--json', 'print one JSON document and nothing else')
    .option('--quiet', 'print nothing but errors')
    .option('--no-color', 'print without colours')
}

const GROUPS: Record<string, string> = {
  backup: 'full backups: make, list, restore, export, verify and prune them'
}

/** The command that a command with a name of several words stands under, made when it is first needed. */
function groupOf(program: Command, names: readonly string[]): Command {
  return names.reduce((parent, name) => {
    const known = parent.commands.find((command) => command.name() === name)
    return (
      known ??
      parent
        .command(name)
        .description(GROUPS[name] as string)
        .exitOverride((error) => endWith(error, name))
    )
  }, program)
}

/** Help ends well; anything else is a mistake that the help of this command can clear up. */
function endWith(error: CommanderError, command: string): never {
  if (error.exitCode === 0) throw error
  const message = error.code === 'commander.help' ? 'No command was given.' : error.message.replace(/^error: /, '')
  throw usageError(
    'usage',
    message,
    command === '' ? 'See the commands with: rowback --help' : `See: rowback ${command} --help`
  )
}

type RunOperation = (
  operation: Operation,
  input: Record<string, unknown>,
  flags: GlobalFlags & Record<string, unknown>
) => Promise<void>

function addCommand(program: Command, operation: Operation, run: RunOperation): Command {
  const words = operation.name.split(' ')
  const command = groupOf(program, words.slice(0, -1))
    .command(words.at(-1) as string)
    .summary(operation.summary)
    .description([operation.summary, operation.details].filter((part) => part !== '').join('\n\n'))
    .addHelpText('after', `\nExample:\n  $ ${operation.example}`)
    .configureHelp({ showGlobalOptions: false })
    .exitOverride((error) => endWith(error, operation.name))
  command.action(async (...given: unknown[]) => {
    const flags = { ...program.opts(), ...command.opts() } as GlobalFlags & Record<string, unknown>
    const input = inputOf(operation, given.slice(0, operation.positional.length), command.opts())
    await run(operation, input, flags)
  })
  return command
}

async function runOperation(
  operation: Operation,
  input: Record<string, unknown>,
  flags: GlobalFlags & Record<string, unknown>,
  renderer: Renderer,
  signal: AbortSignal
): Promise<ExitCode> {
  const progress = await Progress.open(renderer.showsProgress)
  const author = typeof flags.author === 'string' ? flags.author : undefined
  const rowback = await openFor(operation, {
    target: flags.target,
    repository: flags.repository,
    author,
    onProgress: (state) => progress.update(state),
    signal
  })
  try {
    const output = await rowback.run(operation, input, (name) => typedName(operation, name))
    progress.stop()
    renderer.result(output, (style) => viewOf(operation.name)(output, style))
    return operation.exitCode?.(output) ?? ExitCode.done
  } finally {
    progress.stop()
    await rowback.close()
  }
}
