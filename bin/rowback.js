#!/usr/bin/env node
var major = Number(process.versions.node.split('.')[0])
if (major < 24) {
  console.error(`rowback needs Node.js 24 or newer, and this is ${process.versions.node}.`)
  process.exitCode = 2
} else {
  // Compiled code is kept between runs: a command starts in half the time.
  import('node:module').then((module) => {
    module.enableCompileCache()
    return import('../bundle/main.js')
  })
}
