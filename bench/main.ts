import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { HISTORY, measureHistory } from './history.ts'
import { MYSQL, MYSQL_LARGE, measureMysql, measureMysqlLarge } from './mysql.ts'
import { BACKUPS, measureBackups } from './mysql-backups.ts'
import { measureSqlite, SQLITE } from './sqlite.ts'

const DOCUMENT = fileURLToPath(new URL('../docs/benchmarks.md', import.meta.url))

const INTRODUCTION = `# Benchmarks

Made by \`npm run bench\`, which writes this page; \`npm run bench -- sqlite\`, \`npm run bench -- mysql\`,
\`npm run bench -- mysql --large\`, \`npm run bench -- backups\` and \`npm run bench -- history\` write their part of it. Seconds depend on
the machine and on what else it does; the
ratios are taken in one run, side by side.
`

interface Part {
  title: string
  database: 'sqlite' | 'mysql' | 'backups' | 'history'
  large: boolean
  measure: () => Promise<string>
}

/** In the order of the document. */
const PARTS: Part[] = [
  { title: SQLITE, database: 'sqlite', large: false, measure: measureSqlite },
  { title: MYSQL, database: 'mysql', large: false, measure: measureMysql },
  { title: BACKUPS, database: 'backups', large: false, measure: measureBackups },
  { title: HISTORY, database: 'history', large: false, measure: measureHistory },
  { title: MYSQL_LARGE, database: 'mysql', large: true, measure: measureMysqlLarge }
]

await main()

async function main(): Promise<void> {
  for (const part of chosenParts()) {
    const text = await part.measure()
    console.log(`## ${part.title}\n\n${text}`)
    writeSection(part.title, text)
  }
}

function chosenParts(): Part[] {
  const { values, positionals } = parseArgs({
    options: { large: { type: 'boolean', default: false } },
    allowPositionals: true
  })
  const parts = PARTS.filter(
    ({ database, large }) => large === values.large && (positionals.length === 0 || positionals.includes(database))
  )
  if (parts.length === 0) throw new Error('Usage: npm run bench [-- sqlite | mysql [--large] | backups | history]')
  return parts
}

/** Puts one section into the document; the others stay as they stand. */
function writeSection(title: string, text: string): void {
  const sections = new Map(readSections()).set(title, text)
  const known = PARTS.filter((part) => sections.has(part.title))
  const written = known.map((part) => `## ${part.title}\n\n${sections.get(part.title)}`)
  writeFileSync(DOCUMENT, [INTRODUCTION, ...written].join('\n'))
}

function readSections(): [title: string, text: string][] {
  const text = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, 'utf8') : ''
  const sections = text.split(/^## /m).slice(1)
  return sections.map((section) => {
    const end = section.indexOf('\n')
    return [section.slice(0, end), `${section.slice(end).trim()}\n`]
  })
}
