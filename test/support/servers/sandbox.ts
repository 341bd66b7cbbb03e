import type { ChildProcess } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A temporary folder and the program that runs in it. Both go with `remove()`, or when this process ends in any way. */
export interface Sandbox {
  folder: string
  /** Runs a program to its end; fails with the end of its output. */
  run(command: string, args: readonly string[]): Promise<void>
  /** Starts a program that stays. */
  start(command: string, args: readonly string[]): ChildProcess
  /** What the last program wrote. */
  log(): Promise<string>
  remove(): Promise<void>
}

/**
 * Outlives this process, even a SIGKILL of it: when its input ends, it kills the process group it was told last,
 * and removes the folder.
 */
const KEEPER = `
while read -r line; do group=$line; done
[ -n "$group" ] && kill -9 "-$group" 2>/dev/null
rm -rf "$1"
`

/** Makes a temporary folder to run one program at a time in. */
export async function createSandbox(name: string): Promise<Sandbox> {
  const folder = await mkdtemp(join(tmpdir(), `rowback-${name}-`))
  const logFile = join(folder, 'output.log')
  const keeper = spawn('sh', ['-c', KEEPER, 'keeper', folder], {
    cwd: '/',
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore']
  })
  const input = keeper.stdin as Socket
  input.on('error', () => {})
  input.unref()
  keeper.unref()
  let program: ChildProcess | undefined

  const sandbox: Sandbox = {
    folder,
    async run(command, args) {
      const child = sandbox.start(command, args)
      child.ref()
      if (isRunning(child)) await once(child, 'exit')
      if (child.exitCode !== 0) throw new Error(`${command} failed:\n${tail(await sandbox.log())}`)
    },
    start(command, args) {
      const output = openSync(logFile, 'w')
      const child = spawn(command, args, { cwd: folder, detached: true, stdio: ['ignore', output, output] })
      closeSync(output)
      child.unref()
      if (child.pid !== undefined) input.write(`${child.pid}\n`)
      child.on('exit', () => input.write('\n'))
      program = child
      return child
    },
    log: () => readFile(logFile, 'utf8'),
    async remove() {
      keeper.ref()
      program?.ref()
      const programEnds = program && isRunning(program) ? once(program, 'exit') : undefined
      const keeperEnds = keeper.exitCode === null ? once(keeper, 'exit') : undefined
      input.end()
      await Promise.all([programEnds, keeperEnds])
    }
  }
  return sandbox
}

/** Whether a started program has not ended yet. */
export function isRunning(child: ChildProcess): boolean {
  return child.pid !== undefined && child.exitCode === null && child.signalCode === null
}

/** The end of a log, for an error message. */
export function tail(log: string, lines = 25): string {
  return log.trimEnd().split('\n').slice(-lines).join('\n')
}
