import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { OutputChunk } from 'rolldown'
import { rolldown } from 'rolldown'

const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** Beside `dist`, so that package.json is found from the same depth. */
const FOLDER = join(ROOT, 'bundle')

/**
 * Writes the command line with all that it is made of into a few files: to find and read some 480 modules takes longer than
 * most commands. The licences of the packages among them go along.
 */
const input = {
  main: join(ROOT, 'src/cli/main.ts'),
  // Looked for by its name, beside whoever begins it.
  'object-thread-main': join(ROOT, 'src/store/object-thread-main.ts')
}
const bundle = await rolldown({ input, platform: 'node', cwd: ROOT })
rmSync(FOLDER, { recursive: true, force: true })
const { output } = await bundle.write({ dir: FOLDER, format: 'esm', chunkFileNames: '[name].js' })
await bundle.close()
const modules = output.filter((file): file is OutputChunk => file.type === 'chunk').flatMap((chunk) => chunk.moduleIds)
writeFileSync(join(FOLDER, 'LICENSES.txt'), licencesOf(packagesOf(modules)))

/** The folders of the packages that these modules come from. */
function packagesOf(modules: readonly string[]): string[] {
  const found = modules.map((module) => /^.*\/node_modules\/(@[^/]+\/)?[^/]+/.exec(module)?.[0])
  return [...new Set(found.filter((folder) => folder !== undefined))].sort()
}

function licencesOf(packages: readonly string[]): string {
  const parts = packages.map((folder) => {
    const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
    if (file === undefined) throw new Error(`${name} has no licence to go along`)
    return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`
  })
  return `The program contains these packages.\n\n${parts.join(`\n${'-'.repeat(80)}\n\n`)}`
}
