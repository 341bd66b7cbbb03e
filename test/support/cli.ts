import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { cp, lstat, mkdtemp, readdir, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import type { Row } from '../../src/model/value.ts'

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
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
  /** Runs as this user. */
  uid?: number
}

/** Runs the real command line as a process of its own. */
export function cli(args: readonly string[], options: CliOptions): Promise<CliResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [MAIN, ...args], {
      cwd: options.cwd,
      env: {
        PATH: process.env.PATH,
        HOME: options.cwd,
        NODE_COMPILE_CACHE: COMPILE_CACHE,
        ROWBACK_AUTHOR: 'tester',
        ...options.env
      },
      ...(options.uid !== undefined && { uid: options.uid })
    })
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
