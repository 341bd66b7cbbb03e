import { readFile } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import type { TestProject } from 'vitest/node'
import { findServer, HOW_TO_PROVIDE } from './find.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** The server of the tests, `mysql://root@127.0.0.1:PORT`; null where there is none. */
    mysqlUrl: string | null
  }
}

const ASKS = "inject('mysqlUrl')"
const TESTS = resolve(import.meta.dirname, '../..')

/** Starts a server when a test file of this run asks for it, itself or in what it imports. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const needed = project.vitest.config.watch || (await anyAsks(project.vitest.state.getPaths()))
  const server = needed ? await findServer() : null
  if (needed) console.error(server ? `Tests use ${server.product}` : `Skipped what ${HOW_TO_PROVIDE}`)
  project.provide('mysqlUrl', server?.url ?? null)
  return async () => server?.stop()
}

async function anyAsks(files: readonly string[], seen = new Set<string>()): Promise<boolean> {
  for (const file of files.filter((path) => path.startsWith(TESTS) && !seen.has(path))) {
    seen.add(file)
    const text = await readFile(file, 'utf8')
    const imported = [...text.matchAll(/(?:from|import) '(\.[^']+\.ts)'/g)].map(([, path]) =>
      resolve(dirname(file), path!)
    )
    if (text.includes(ASKS) || (await anyAsks(imported, seen))) return true
  }
  return false
}
