import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { fileURLToPath } from 'node:url'
import { styleText } from 'node:util'

/**
 * Does the main job on real data (the airports of vega-datasets) in a temporary folder, and shows it. Every command
 * is printed as a user would type it; what it prints is what the program printed.
 */
const MAIN = fileURLToPath(new URL('../src/cli/main.ts', import.meta.url))
const AIRPORTS = fileURLToPath(new URL('../node_modules/vega-datasets/data/airports.csv', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'rowback-demo-'))

function say(text: string): void {
  console.log(`\n${styleText('cyan', text)}`)
}

function rowback(command: string, expected = 0): void {
  console.log(styleText('bold', `\n$ rowback ${command}`))
  const words = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '')
  const { status } = spawnSync(process.execPath, [MAIN, ...words], {
    cwd: folder,
    stdio: 'inherit',
    env: { ...process.env, ROWBACK_TARGET: '', ROWBACK_AUTHOR: '' }
  })
  if (status !== expected) throw new Error(`rowback ${command}: exit code ${status}, expected ${expected}`)
}

/** A later edition of the file: corrections, new airports, one that closed, and the mistakes that files have. */
function writeSecondEdition(): void {
  const lines = readFileSync(AIRPORTS, 'utf8').trimEnd().split(/\r?\n/)
  const edited = lines.map((line) => {
    if (line.startsWith('00M,')) return line.replace('Thigpen', 'Thigpen Field')
    if (line.startsWith('ORD,')) return line.replace(/41\.\d+/, '41.97694')
    if (line.startsWith('LAX,')) return line.replace(/33\.\d+/, 'about 34')
    if (line.startsWith('SFO,')) return `${line},extra`
    return line
  })
  edited.push('XWA,Williston Basin International,Williston,ND,USA,48.2581,-103.7486')
  edited.push('XNA,Northwest Arkansas National,Bentonville,AR,USA,36.28187,-94.30681')
  edited.push(',Nameless Strip,Nowhere,TX,USA,31.0,-99.0')
  writeFileSync(join(folder, 'airports-2.csv'), `${edited.join('\n')}\n`)
}

/** All data of the table as one hash, read without rowback. */
function fingerprint(): string {
  const db = new DatabaseSync(join(folder, 'travel.db'), { readOnly: true })
  const rows = db
    .prepare('SELECT iata, name, city, state, country, latitude, longitude FROM airports ORDER BY iata')
    .all()
  db.close()
  return createHash('sha256').update(JSON.stringify(rows)).digest('hex')
}

try {
  copyFileSync(AIRPORTS, join(folder, 'airports.csv'))
  writeSecondEdition()

  say('A new database, and every migration into it a version:')
  rowback('init --target sqlite:travel.db --strategy incremental --author "Li Lei <lilei@example.com>"')
  rowback('migrate airports.csv --create --key iata -m "US airports, first edition"')
  const before = fingerprint()

  say(
    'A second edition comes in. Some of its rows are wrong; the good ones go in, the bad ones come back with reasons:'
  )
  rowback('migrate airports-2.csv --table airports -m "second edition" --remarks "from the ministry" --tag spring', 3)
  rowback('rows 2 --failed')

  say('Who did what, and what changed?')
  rowback('log')
  rowback('diff 1 2')

  say('Who wrote this one row, and why?')
  rowback(
    'query "SELECT iata, name, version_id, author_name, description, remarks FROM airports JOIN rowback_version USING (version_id) WHERE iata = \'00M\'"'
  )

  say('The second edition was a mistake. Look first, then go back:')
  rowback('rollback 1 --dry-run')
  rowback('rollback 1 -m "the ministry withdrew it"')
  rowback('diff 1 3')

  const after = fingerprint()
  if (before !== after) throw new Error('the data is not what version 1 left')
  say('Proof, read without rowback: all rows hash to the same value as after version 1.')
  console.log(`  after version 1  ${before}\n  after rollback   ${after}`)

  say('Even the way back is a version, so nothing is lost:')
  rowback('log')

  say('Now your own file:')
  console.log(`  npx rowback migrate YOUR_FILE.csv -m "what it is"     makes rowback.db here
  npx rowback log
  npx rowback rollback 0                                takes it all back`)
} finally {
  rmSync(folder, { recursive: true })
}
