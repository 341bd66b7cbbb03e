import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const ROOT = fileURLToPath(new URL('..', import.meta.url))

export interface Measurement {
  seconds: number
  /** Peak resident memory in MiB; null for programs that are not ours. */
  peak: number | null
}

/**
 * Runs a program to its end.
 * @param input a file that it reads as its standard input
 * @throws Error with its output when it fails
 */
export function runProgram(command: string, args: string[], cwd: string, input = '/dev/null'): Measurement {
  const stdin = openSync(input, 'r')
  const startedAt = performance.now()
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', stdio: [stdin, 'pipe', 'pipe'] })
  const seconds = (performance.now() - startedAt) / 1000
  closeSync(stdin)
  if (result.error) throw result.error
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stdout}${result.stderr}`)
  return { seconds, peak: null }
}

/** Runs rowback as its package does: compiled, by its command line. */
export function runRowback(args: string[], cwd: string): Measurement {
  const folder = mkdtempSync(join(tmpdir(), 'rowback-peak-'))
  const file = join(folder, 'peak')
  process.env.PEAK_MEMORY_FILE = file
  const preload = join(ROOT, 'bench/peak-memory.js')
  const main = join(ROOT, 'bin/rowback.js')
  const measured = runProgram(process.execPath, ['--import', preload, main, ...args, '--quiet'], cwd)
  const peak = Number(readFileSync(file, 'utf8')) / 1024
  rmSync(folder, { recursive: true })
  return { ...measured, peak }
}

/** The median of each kind of work over all rounds. */
export function medians<W extends string>(rounds: Record<W, Measurement>[]): Record<W, Measurement> {
  const works = Object.keys(rounds[0] ?? {}) as W[]
  const of = (work: W) => median(rounds.map((round) => round[work]))
  return Object.fromEntries(works.map((work) => [work, of(work)])) as Record<W, Measurement>
}

/** The middle one by time; the peak is the highest of all. */
export function median(measurements: Measurement[]): Measurement {
  const sorted = [...measurements].sort((a, b) => a.seconds - b.seconds)
  const middle = sorted[Math.floor(sorted.length / 2)] as Measurement
  const peaks = measurements.map((one) => one.peak).filter((peak) => peak !== null)
  return { seconds: middle.seconds, peak: peaks.length > 0 ? Math.max(...peaks) : null }
}
