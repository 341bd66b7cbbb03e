/**
 * The same JSON with `\"` and `\\` written as `\u0022` and `\u005c`. V8 (seen in Node.js 24.21) takes the key `"k\""` for
 * `"k\\"` when an object before had that one: it compares a key's unread characters with keys that it knows, and ends
 * at the quotation mark. Keys of others are therefore parsed in this form; test/model/json-text.test.ts shows both.
 */
export function parseableJson(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(["\\])/g, (_, escaped: string) => (escaped === '"' ? '\\u0022' : '\\u005c'))
}
