import type { ChildProcess } from 'node:child_process'
import { fork, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { cp, lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { Row } from '../../src/model/value.ts'
import type { BatchAnswer, BatchRequest } from './suite-cli-batch.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
const BATCH = fileURLToPath(new URL('./suite-cli-batch.ts', import.meta.url))
/** Compiled once, the program starts in half the time. */
const COMPILE_CACHE = join(tmpdir(), 'rowback-test-compile-cache')

export interface CliResult {
  code: number | null
  stdout: string
  stderr: string
}

export interface CliOptions {
  cwd: string
  env?: NodeJS.ProcessEnv
  stdin?: string | Uint8Array
  /** Starts a process for this invocation alone; else one process runs many. */
  alone?: boolean
  /** Runs as this user; alone. */
  uid?: number
}

/** Runs the real command line, in a process of its own or in one that the tests of a file share. */
export function cli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  const env = {
    PATH: process.env.PATH,
    HOME: options.cwd,
    NODE_COMPILE_CACHE: COMPILE_CACHE,
    ROWBACK_AUTHOR: 'tester',
    ...options.env
  }
  return options.alone || options.uid !== undefined ? runAlone(args, env, options) : Batch.run(args, env, options)
}

function runAlone(args: readonly string[], env: NodeJS.ProcessEnv, options: CliOptions): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const uid = options.uid === undefined ? {} : { uid: options.uid }
    const child = spawn(process.execPath, [MAIN, ...args], { cwd: options.cwd, env, ...uid })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    child.stdin.on('error', () => {})
    child.stdin.end(options.stdin ?? '')
    child.on('error', reject)
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() })
    )
  })
}

/** The process that runs many invocations, so that the program is started once. */
class Batch {
  static #shared: Batch | null = null
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve: (result: CliResult) => void; reject: (reason: Error) => void }>()
  #last = 0

  private constructor() {
    this.#child = fork(BATCH, ['--version'], {
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: [],
      env: { ...process.env, NODE_COMPILE_CACHE: COMPILE_CACHE }
    })
    this.#child.on('message', ({ id, ...result }: BatchAnswer) => {
      this.#waiting.get(id)?.resolve(result)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) this.#child.channel?.unref()
    })
    this.#child.on('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process ended with ${code}`))
      Batch.#shared = null
    })
    this.#child.unref()
  }

  static run(args: readonly string[], env: NodeJS.ProcessEnv, options: CliOptions): Promise<CliResult> {
    Batch.#shared ??= new Batch()
    return Batch.#shared.#send(args, env, options)
  }

  #send(args: readonly string[], env: NodeJS.ProcessEnv, { cwd, stdin }: CliOptions): Promise<CliResult> {
    const id = ++this.#last
    const input = Buffer.from(stdin ?? '').toString('base64')
    const request: BatchRequest = { id, args: [...args], cwd, env, stdin: input }
    this.#child.channel?.ref()
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send(request)
    })
  }
}

/** One JSON document on standard output and nothing else anywhere, as `--json` promises. */
export function onlyJson<T = Record<string, unknown>>(result: CliResult): T {
  if (result.stderr !== '') throw new Error(`standard error is not empty: ${result.stderr}`)
  const document = JSON.parse(result.stdout) as T
  if (result.stdout !== `${JSON.stringify(document, null, 2)}\n`) throw new Error(`not one document: ${result.stdout}`)
  return document
}

/** A folder of its own for one test. */
export class Workplace {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  static async make(prefix = 'rowback-cli-'): Promise<Workplace> {
    mkdirSync(COMPILE_CACHE, { recursive: true })
    return new Workplace(await mkdtemp(join(tmpdir(), prefix)))
  }

  /** A copy of this folder, to be changed on its own. */
  async copy(): Promise<Workplace> {
    const other = await Workplace.make()
    await cp(this.path, other.path, { recursive: true, verbatimSymlinks: true })
    return other
  }

  at(name: string): string {
    return join(this.path, name)
  }

  async write(name: string, content: string | Uint8Array): Promise<string> {
    const path = this.at(name)
    mkdirSync(dirname(path), { recursive: true })
    await writeFile(path, content)
    return path
  }

  run(args: readonly string[], options: Omit<CliOptions, 'cwd'> = {}): Promise<CliResult> {
    return cli(args, { cwd: this.path, ...options })
  }

  /** Runs with `--json` and gives the document; the exit code must be the one expected. */
  async json<T = Record<string, unknown>>(
    args: readonly string[],
    options: Omit<CliOptions, 'cwd'> & { code?: number } = {}
  ): Promise<T> {
    const result = await this.run([...args, '--json'], options)
    if (result.code !== (options.code ?? 0)) {
      throw new Error(`exit code ${result.code} of ${args.join(' ')}: ${result.stdout}${result.stderr}`)
    }
    return onlyJson<T>(result)
  }

  /** The rows of a query, read past rowback. */
  rows(sql: string, database = 'shop.db'): Row[] {
    const db = new DatabaseSync(this.at(database), { readOnly: true })
    try {
      const statement = db.prepare(sql)
      statement.setReturnArrays(true)
      return statement.all() as unknown as Row[]
    } finally {
      db.close()
    }
  }

  /** Runs statements past rowback, as any other program would. */
  sql(statements: string, database = 'shop.db'): void {
    const db = new DatabaseSync(this.at(database))
    try {
      db.exec(statements)
    } finally {
      db.close()
    }
  }

  /** Everything in the folder: each path with what it holds. */
  async snapshot(below = ''): Promise<Record<string, string>> {
    const entries: Record<string, string> = {}
    const names = await readdir(join(this.path, below), { recursive: true })
    for (const name of names.sort()) {
      const path = join(this.path, below, name)
      const stat = await lstat(path)
      if (stat.isDirectory()) entries[name] = 'folder'
      else if (stat.isSymbolicLink()) entries[name] = `-> ${await readlink(path)}`
      else
        entries[name] = createHash('sha256')
          .update(await readFile(path))
          .digest('hex')
    }
    return entries
  }

  async remove(): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}
