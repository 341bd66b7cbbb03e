import { writeFileSync } from 'node:fs'

// JavaScript, so that a measured process does not spend its time on loading what strips types.

/** Preloaded into a measured process: writes its peak resident memory, in KiB, when it ends. */
process.on('exit', () => {
  const file = process.env.PEAK_MEMORY_FILE
  if (file) writeFileSync(file, String(process.resourceUsage().maxRSS))
})
