import { access, constants } from 'node:fs/promises'
import { delimiter, join } from 'node:path'

/** Where servers are, which are not always on the PATH of an ordinary user. */
const SERVER_FOLDERS = ['/usr/sbin', '/usr/libexec']

/** The path of the first of these programs that is installed. */
export async function findProgram(...names: string[]): Promise<string | null> {
  const folders = [...(process.env.PATH ?? '').split(delimiter).filter(Boolean), ...SERVER_FOLDERS]
  for (const path of names.flatMap((name) => folders.map((folder) => join(folder, name)))) {
    if (await isExecutable(path)) return path
  }
  return null
}

function isExecutable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false
  )
}
