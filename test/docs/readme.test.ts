import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { catalog } from '../../src/operations/catalog.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const MAIN = join(ROOT, 'src/cli/main.ts')

interface Block {
  language: string
  file: string | null
  text: string
}

function blocksOf(markdown: string): Block[] {
  return [...markdown.matchAll(/^```(\w+)(?: file=(\S+))?\n([\s\S]*?)^```/gm)].map(([, language, file, text]) => ({
    language: language as string,
    file: file ?? null,
    text: text as string
  }))
}

const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const chinese = readFileSync(join(ROOT, 'README.zh-CN.md'), 'utf8')
const folder = mkdtempSync(join(tmpdir(), 'rowback-readme-'))
afterAll(() => rmSync(folder, { recursive: true }))

function run(command: string) {
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
  return spawnSync(process.execPath, [MAIN, ...words.slice(1)], { cwd: folder, encoding: 'utf8' })
}

describe('README', () => {
  for (const block of blocksOf(readme)) {
    if (block.file !== null) writeFileSync(join(folder, block.file), block.text)
  }
  const commands = blocksOf(readme)
    .filter((block) => block.language === 'sh')
    .flatMap((block) => block.text.trim().split('\n'))
    .filter((line) => line.startsWith('rowback '))

  test('has commands to run', () => expect(commands.length).toBeGreaterThan(8))

  test.each(commands)('%s', (line) => {
    const [command = '', comment = ''] = line.split(/\s+#\s+/)
    const expected = Number(/exits (\d)/.exec(comment)?.[1] ?? 0)
    const result = run(command)
    expect(result.status, result.stdout + result.stderr).toBe(expected)
    expect(result.stdout).not.toBe('')
  })

  test('the library example runs', () => {
    const code = blocksOf(readme).find((block) => block.language === 'ts')?.text ?? ''
    mkdirSync(join(folder, 'node_modules'))
    mkdirSync(join(folder, 'node_modules/rowback'))
    symlinkSync(join(ROOT, 'src'), join(folder, 'node_modules/rowback/src'))
    writeFileSync(
      join(folder, 'node_modules/rowback/package.json'),
      JSON.stringify({ name: 'rowback', type: 'module', exports: './src/index.ts' })
    )
    writeFileSync(join(folder, 'example.ts'), code)
    const result = spawnSync(process.execPath, ['example.ts'], { cwd: folder, encoding: 'utf8' })
    expect(result.stderr).toBe('')
    expect(result.stdout).toBe('1 3\n')
  })

  test('the Chinese one shows the same commands, files and code', () => {
    const same = (markdown: string) =>
      blocksOf(markdown).map((block) => ({ ...block, text: block.text.replace(/#.*$/gm, '').replace(/ +$/gm, '') }))
    expect(same(chinese)).toEqual(same(readme))
  })

  test('names every command or its help does', () => {
    const help = run('rowback --help').stdout
    for (const operation of catalog) {
      const words = operation.name.split(' ')
      const listed = words.length === 1 ? help : run(`rowback ${words[0]} --help`).stdout
      expect(help).toMatch(new RegExp(`^  ${words[0]} `, 'm'))
      expect(listed).toMatch(new RegExp(`^  ${words.at(-1)} `, 'm'))
      expect(operation.example).toMatch(new RegExp(`^rowback ${operation.name}`))
    }
  })
})
