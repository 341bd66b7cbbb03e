import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { glob, mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
const SOURCES = ['/etc/apt/sources.list.d/debian.sources', '/etc/apt/sources.list']
/** What the packages depend on and a server does not need. */
const UNNEEDED = /^(perl|libperl|gcc-|libc-gconv)/

/**
 * Unpacks the MySQL server of Debian unstable, with its libraries, into `home/root`: about 100 MB to download. Nothing
 * is installed. Other systems unpack theirs there by hand.
 */
export async function downloadMysql(home: string): Promise<void> {
  if (!existsSync(KEYRING)) throw new Error(`No MySQL in ${home}/root: only on Debian can it be downloaded`)
  const apt = join(home, 'apt')
  console.error(`Downloading MySQL into ${home}`)
  try {
    await download(apt)
    await unpack(join(apt, 'archives'), join(home, 'root'))
  } finally {
    await rm(apt, { recursive: true, force: true })
  }
}

async function download(apt: string): Promise<void> {
  for (const folder of ['lists/partial', 'archives/partial']) await mkdir(join(apt, folder), { recursive: true })
  await writeFile(join(apt, 'status'), '')
  await writeFile(join(apt, 'sources.list'), `deb [signed-by=${KEYRING}] ${await mirror()} sid main\n`)
  const options = [
    `Dir::State=${apt}`,
    `Dir::State::lists=${apt}/lists`,
    `Dir::State::status=${apt}/status`,
    `Dir::Cache=${apt}`,
    `Dir::Cache::archives=${apt}/archives`,
    `Dir::Etc::sourcelist=${apt}/sources.list`,
    'Dir::Etc::sourceparts=/dev/null',
    'APT::Sandbox::User=',
    'APT::Keep-Downloaded-Packages=true'
  ].flatMap((option) => ['-o', option])
  await run('apt-get', [...options, 'update', '-qq'])
  const install = ['install', '-y', '-qq', '--no-install-recommends', '--download-only']
  await run('apt-get', [...options, ...install, 'mysql-server-core', 'mysql-common'])
}

/** The mirror that this machine already uses. */
async function mirror(): Promise<string> {
  for (const file of SOURCES.filter((path) => existsSync(path))) {
    const uri = /^(?:URIs:|deb(?:\s+\[[^\]]*\])?)\s+(\S+)/m.exec(await readFile(file, 'utf8'))?.[1]
    if (uri) return uri
  }
  throw new Error(`No mirror of Debian in ${SOURCES.join(' or ')}`)
}

/** Into a folder that gets its name only when it is complete. */
async function unpack(archives: string, root: string): Promise<void> {
  const partial = `${root}.partial`
  await rm(partial, { recursive: true, force: true })
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) {
    await mkdir(join(partial, 'usr', name), { recursive: true })
    await symlink(`usr/${name}`, join(partial, name))
  }
  for await (const archive of glob(join(archives, '*.deb'))) {
    if (UNNEEDED.test(basename(archive))) continue
    const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink --no-same-owner'
    await run('sh', ['-c', script, 'unpack', archive, partial])
  }
  await rm(root, { recursive: true, force: true })
  await rename(partial, root)
}
