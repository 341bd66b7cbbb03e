import { connect } from 'node:net'

const PATIENCE = 10_000

/** Which server listens there, such as `MariaDB 10.11.19`: a server of MySQL's protocol greets with its version. */
export async function productAt(host: string, port: number): Promise<string> {
  const version = versionOf(await greeting(host, port))
  const number = /^\d+(\.\d+)*/.exec(version.replace(/^5\.5\.5-/, ''))?.[0] ?? version
  return `${/mariadb/i.test(version) ? 'MariaDB' : 'MySQL'} ${number}`
}

/** Four bytes of frame, the protocol (10; 255 is an error), the version up to a zero. */
function versionOf(greeting: Buffer): string {
  if (greeting[4] !== 10) throw new Error(`Not a MySQL server's greeting: ${greeting.subarray(7).toString()}`)
  return greeting.subarray(5, greeting.indexOf(0, 5)).toString()
}

function greeting(host: string, port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host, port })
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error(`No greeting from ${host}:${port}`)))
    socket.once('data', (data) => {
      resolve(data)
      socket.destroy()
    })
    socket.once('error', reject)
    socket.once('close', () => reject(new Error(`${host}:${port} closed the connection without a greeting`)))
  })
}
