import type { ChildProcess } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { productAt } from './product.ts'
import type { Sandbox } from './sandbox.ts'
import { isRunning, tail } from './sandbox.ts'

/** A server for tests. */
export interface DatabaseServer {
  /** `mysql://root@127.0.0.1:PORT`, without a database. */
  url: string
  /** The path of its socket; empty for a server that was not started here. */
  socket: string
  /** Such as `MariaDB 10.11.19`. */
  product: string
  stop(): Promise<void>
}

export interface ServerProgram {
  command: string
  args: readonly string[]
  port: number
  socket: string
  /** What its log says when it serves. */
  ready?: string
}

const PATIENCE = 60_000

/** Starts a server in a sandbox and waits until it serves; the sandbox goes with the server, or when it fails. */
export async function startServer(sandbox: Sandbox, prepare: () => Promise<ServerProgram>): Promise<DatabaseServer> {
  try {
    const program = await prepare()
    const child = sandbox.start(program.command, program.args)
    await untilReady(sandbox, child, program)
    return {
      url: `mysql://root@127.0.0.1:${program.port}`,
      socket: program.socket,
      product: await productAt('127.0.0.1', program.port),
      stop: sandbox.remove
    }
  } catch (error) {
    await sandbox.remove()
    throw error
  }
}

async function untilReady(sandbox: Sandbox, child: ChildProcess, program: ServerProgram): Promise<void> {
  const { command, ready = 'ready for connections' } = program
  const deadline = Date.now() + PATIENCE
  for (;;) {
    const ended = !isRunning(child)
    const log = await sandbox.log()
    if (ended) throw new Error(`${command} did not come up:\n${tail(log)}`)
    if (log.includes(ready)) return
    if (Date.now() > deadline) throw new Error(`${command} is not ready after ${PATIENCE} ms:\n${tail(log)}`)
    await sleep(20)
  }
}

/** A server refuses to run as root unless it is told so. */
export function userArgs(): string[] {
  return process.getuid?.() === 0 ? ['--user=root'] : []
}
