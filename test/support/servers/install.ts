import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { rm, writeFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { findProgram } from './programs.ts'

const run = promisify(execFile)
/** Asked by Debian's packages before they start a service. */
const POLICY = '/usr/sbin/policy-rc.d'

/** Whether this process may install packages: root on Debian or Ubuntu. */
export async function canInstall(): Promise<boolean> {
  return process.getuid?.() === 0 && (await findProgram('apt-get')) !== null
}

/** Installs MariaDB's packages, and does not start the service that they bring. */
export async function installMariadb(): Promise<void> {
  console.error('Installing mariadb-server for the tests')
  await withoutServices(async () => {
    await apt('update')
    await apt('install', '-y', '--no-install-recommends', 'mariadb-server', 'mariadb-client')
  })
}

async function withoutServices(action: () => Promise<void>): Promise<void> {
  if (existsSync(POLICY)) return action()
  await writeFile(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  try {
    await action()
  } finally {
    await rm(POLICY)
  }
}

async function apt(...args: string[]): Promise<void> {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
  await run('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, maxBuffer: 2 ** 26 })
}
