import { Readable } from 'node:stream'
import { main } from '../../src/cli/main.ts'

/** One invocation of the command line, as the parent process asks for it. */
export interface BatchRequest {
  id: number
  args: string[]
  cwd: string
  env: NodeJS.ProcessEnv
  /** Base64. */
  stdin: string
}

export interface BatchAnswer {
  id: number
  code: number
  stdout: string
  stderr: string
}

// A process of its own that runs many invocations, one after the other: the parent forks this file with the arguments
// of a first one, which main.ts runs as it is imported.
let last: Promise<void> = Promise.resolve()

process.on('message', (request: BatchRequest) => {
  last = last.then(async () => {
    process.send?.(await answer(request))
  })
})
process.on('disconnect', () => process.exit(0))

async function answer({ id, args, cwd, env, stdin }: BatchRequest): Promise<BatchAnswer> {
  for (const name of Object.keys(process.env)) delete process.env[name]
  Object.assign(process.env, env)
  process.chdir(cwd)
  const input = Readable.from([Buffer.from(stdin, 'base64')], { objectMode: false })
  Object.defineProperty(process, 'stdin', { value: input, configurable: true })
  const out = capture(process.stdout)
  const err = capture(process.stderr)
  process.exitCode = undefined
  try {
    await main(args)
    return { id, code: Number(process.exitCode ?? 0), stdout: out.text(), stderr: err.text() }
  } catch (error) {
    return { id, code: 1, stdout: out.text(), stderr: `${err.text()}${String(error)}` }
  } finally {
    process.exitCode = undefined
    out.end()
    err.end()
    process.removeAllListeners('SIGINT')
    process.stdout.removeAllListeners('error')
  }
}

function capture(stream: NodeJS.WriteStream): { text(): string; end(): void } {
  const pieces: Buffer[] = []
  const { write } = stream
  stream.write = ((chunk: string | Uint8Array) => {
    pieces.push(Buffer.from(chunk as string))
    return true
  }) as typeof write
  return {
    text: () => Buffer.concat(pieces).toString(),
    end: () => {
      stream.write = write
    }
  }
}
