import { Argument, type Command, Option } from 'commander'
import { z } from 'zod'
import type { Operation, OptionMeta } from '../operations/operation.ts'

interface Property extends OptionMeta {
  type?: string
  description?: string
  enum?: string[]
  default?: unknown
}

interface ObjectSchema {
  properties: Record<string, Property>
  required?: string[]
}

/** Adds an operation's inputs to a command: arguments and flags are read off its schema, none is written by hand. */
export function addInputs(command: Command, operation: Operation): void {
  const schema = z.toJSONSchema(operation.input, { io: 'input', unrepresentable: 'any' }) as unknown as ObjectSchema
  for (const name of operation.positional) command.addArgument(toArgument(name, schema))
  for (const [name, property] of Object.entries(schema.properties)) {
    if (!operation.positional.includes(name)) for (const option of toOptions(name, property)) command.addOption(option)
  }
}

function toArgument(name: string, schema: ObjectSchema): Argument {
  const property = schema.properties[name] ?? {}
  const dots = property.type === 'array' ? '...' : ''
  const shown = `${property.placeholder ?? name.toUpperCase()}${dots}`
  return new Argument(schema.required?.includes(name) ? `<${shown}>` : `[${shown}]`, property.description)
}

function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`
}

/** The name of an input as it is typed: its flag, or the argument as the help shows it. */
export function typedName(operation: Operation, name: string): string {
  if (!operation.positional.includes(name)) return flagOf(name)
  return (operation.input.shape[name]?.meta() as OptionMeta | undefined)?.placeholder ?? name.toUpperCase()
}

function toOptions(name: string, property: Property): Option[] {
  const flag = flagOf(name)
  const description = property.description ?? ''
  if (property.type === 'boolean') {
    const option = new Option(flag, description)
    return property.default === undefined
      ? [option, new Option(flag.replace('--', '--no-'), `the opposite of ${flag}`)]
      : [option]
  }
  const short = property.short ? `-${property.short}, ` : ''
  const placeholder = property.placeholder ?? name.toUpperCase()
  const choices = property.enum ? `; one of ${property.enum.join(', ')}` : ''
  const option = new Option(`${short}${flag} <${placeholder}>`, `${description}${choices}`)
  if (property.default !== undefined) option.description += ` (${String(property.default)} when left out)`
  return [option]
}

/** The input of an operation from what was typed; what was not typed is left out. */
export function inputOf(
  operation: Operation,
  positional: unknown[],
  flags: Record<string, unknown>
): Record<string, unknown> {
  const known = Object.keys(operation.input.shape)
  const fromFlags = Object.fromEntries(
    known.filter((name) => flags[name] !== undefined).map((name) => [name, flags[name]])
  )
  const fromArguments = operation.positional
    .map((name, i): [string, unknown] => [name, positional[i]])
    .filter(([, value]) => value !== undefined)
  return { ...fromFlags, ...Object.fromEntries(fromArguments) }
}
