import type { SingleBar } from 'cli-progress'
import type { OpenOptions } from '../rowback.ts'

type OnProgress = NonNullable<OpenOptions['onProgress']>

/** A bar on standard error for long loads; nothing at all where there is no terminal. */
export class Progress {
  readonly #bar: SingleBar | null
  #started = false

  private constructor(bar: SingleBar | null) {
    this.#bar = bar
  }

  static async open(visible: boolean): Promise<Progress> {
    if (!visible) return new Progress(null)
    // Loaded when it is shown: every command would wait for it.
    const { Presets, SingleBar } = await import('cli-progress')
    const bar = new SingleBar(
      {
        format: ' {bar} {percentage}% | {table} | {rows} rows | {eta_formatted} left',
        hideCursor: true,
        clearOnComplete: true,
        etaBuffer: 50
      },
      Presets.shades_classic
    )
    return new Progress(bar)
  }

  update({ table, bytesRead, bytes, rows }: Parameters<OnProgress>[0]): void {
    if (!this.#bar) return
    const shown = { table, rows: rows.toLocaleString('en') }
    if (this.#started) this.#bar.update(Math.min(bytesRead, bytes), shown)
    else this.#bar.start(bytes, bytesRead, shown)
    this.#started = true
  }

  stop(): void {
    if (this.#started) this.#bar?.stop()
    this.#started = false
  }
}
