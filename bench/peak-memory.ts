import { writeFileSync } from 'node:fs'

/** Preloaded into a measured process: writes its peak resident memory, in KiB, when it ends. */
process.on('exit', () => {
  const file = process.env.PEAK_MEMORY_FILE
  if (file) writeFileSync(file, String(process.resourceUsage().maxRSS))
})
