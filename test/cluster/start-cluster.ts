import { existsSync } from 'node:fs'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { installData, requireMariadbd, serverArgs } from '../support/servers/mariadb.ts'
import { freePorts } from '../support/servers/ports.ts'
import type { DatabaseServer } from '../support/servers/private-server.ts'
import { startServer } from '../support/servers/private-server.ts'
import { findProgram } from '../support/servers/programs.ts'
import { createSandbox } from '../support/servers/sandbox.ts'

const PROVIDERS = ['/usr/lib/galera/libgalera_smm.so', '/usr/lib64/galera-4/libgalera_smm.so']
const REDO_LOG = '--innodb-log-file-size=32M'

/** The ports of a node: of clients, the group, and the two ways to receive the group's state. */
interface Ports {
  client: number
  group: number
  increment: number
  snapshot: number
}

export interface ClusterNode extends DatabaseServer {
  /** Ends the server as a power cut would; `stop()` still cleans up after it. */
  kill(): Promise<void>
}

export interface Cluster {
  nodes: ClusterNode[]
  stop(): Promise<void>
}

/** Starts three nodes of a MariaDB Galera cluster on the loopback interface. */
export async function startCluster(): Promise<Cluster> {
  const ports = await nodePorts(3)
  const nodes = [await startNode(0, ports)]
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.stop()))
  }
  try {
    const joined = await Promise.allSettled([startNode(1, ports), startNode(2, ports)])
    nodes.push(...joined.filter((result) => result.status === 'fulfilled').map((result) => result.value))
    for (const result of joined) if (result.status === 'rejected') throw result.reason
    return { nodes, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

async function nodePorts(count: number): Promise<Ports[]> {
  const free = await freePorts(4 * count)
  return Array.from({ length: count }, (_, node) => {
    const [client, group, increment, snapshot] = free.slice(4 * node) as [number, number, number, number]
    return { client, group, increment, snapshot }
  })
}

/** The first node makes the data and the group; the others join it and receive the data with rsync. */
async function startNode(index: number, allPorts: readonly Ports[]): Promise<ClusterNode> {
  const [command, provider] = [await requireMariadbd(), await requireProvider()]
  const ports = allPorts[index]!
  const sandbox = await createSandbox(`galera-${index + 1}`)
  const server = await startServer(sandbox, async () => {
    const user = isRoot() ? ['--user=nobody'] : []
    if (isRoot()) await sandbox.run('chown', ['nobody', sandbox.folder])
    if (index === 0) await installData(sandbox, [REDO_LOG, ...user])
    else await makeDataFolder()
    const socket = join(sandbox.folder, 'mysqld.sock')
    const args = [
      ...serverArgs(sandbox, ports.client, socket),
      '--innodb-buffer-pool-size=64M',
      REDO_LOG,
      '--binlog-format=ROW',
      '--innodb-autoinc-lock-mode=2',
      '--wsrep-on=ON',
      `--wsrep-provider=${provider}`,
      `--wsrep-cluster-address=gcomm://${index === 0 ? '' : `127.0.0.1:${allPorts[0]!.group}`}`,
      `--wsrep-node-name=node${index + 1}`,
      '--wsrep-node-address=127.0.0.1',
      '--wsrep-sst-method=rsync',
      `--wsrep-sst-receive-address=127.0.0.1:${ports.snapshot}`,
      `--wsrep-provider-options=${providerOptions(ports)}`,
      ...user
    ]
    return { command, args, port: ports.client, socket, ready: 'Synchronized with group, ready for connections' }
  })
  return { ...server, kill }

  async function kill(): Promise<void> {
    process.kill(Number(await readFile(join(sandbox.folder, 'mysqld.pid'), 'utf8')), 'SIGKILL')
  }

  async function makeDataFolder(): Promise<void> {
    const folder = join(sandbox.folder, 'data')
    await mkdir(folder)
    if (isRoot()) await sandbox.run('chown', ['nobody', folder])
  }
}

function providerOptions(ports: Ports): string {
  return [
    `gmcast.listen_addr=tcp://127.0.0.1:${ports.group}`,
    `ist.recv_addr=tcp://127.0.0.1:${ports.increment}`,
    'gcache.size=16M'
  ].join(';')
}

async function requireProvider(): Promise<string> {
  const found = PROVIDERS.find((path) => existsSync(path))
  if (!found || !(await findProgram('rsync'))) throw new Error('A cluster needs: apt-get install galera-4 rsync')
  return found
}

/** Root's rsync would give the received files to nobody, so root's nodes are nobody's. */
function isRoot(): boolean {
  return process.getuid?.() === 0
}
