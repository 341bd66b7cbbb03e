/** What a server is and can do; read off its version, and off its variables where versions do not tell. */
export interface Product {
  /** For people: `MariaDB 10.11.6`. */
  name: string
  family: 'mariadb' | 'mysql' | 'tidb'
  /** Columns can be hidden from `SELECT *`. */
  invisibleColumns: boolean
  /** `LOAD DATA LOCAL INFILE` is switched on. */
  localInfile: boolean
  /**
   * A load into an empty table without checks of unique and foreign keys is made in bulk, and a warning tells of a key that
   * is there twice all the same. Earlier servers would abort the whole transaction, and clusters replicate rows.
   */
  bulkLoads: boolean
  /** The storage engine of temporary tables that are only read once. */
  stageOptions: string
  /** Names of tables are the same in upper and in lower case. */
  ignoresCase: boolean
  /** The server is one of several that replicate synchronously: its locks are its own. */
  cluster: boolean
  /** Identifies the node among those of a cluster. */
  node: string
}

/** Server variables that {@link readProduct} wants to see; those that a server does not know are left out. */
export const PRODUCT_VARIABLES = [
  ...['version', 'version_comment', 'local_infile', 'wsrep_on', 'hostname', 'port'],
  'lower_case_table_names'
]

/** The versions of MariaDB whose loads in bulk were tried. */
const BULK_LOADS = [
  [10, 11, 14],
  [11, 0, 0]
] as const satisfies readonly [number[], number[]]

/** @param variables by lower-case name */
export function readProduct(variables: ReadonlyMap<string, string>): Product {
  const version = variables.get('version') ?? ''
  const family = familyOf(version)
  const numbers = versionNumbers(version, family)
  const isCluster = isOn(variables.get('wsrep_on'))
  const minimum = family === 'mariadb' ? [10, 3, 0] : [8, 0, 23]
  return {
    name: `${{ mariadb: 'MariaDB', mysql: 'MySQL', tidb: 'TiDB' }[family]} ${numbers.join('.')}`,
    family,
    invisibleColumns: family !== 'tidb' && isAtLeast(numbers, minimum),
    localInfile: isOn(variables.get('local_infile')),
    bulkLoads: family === 'mariadb' && !isCluster && isBetween(numbers, BULK_LOADS),
    // Aria without its log stages rows faster than InnoDB (docs/benchmarks.md).
    stageOptions: family === 'mariadb' ? 'ENGINE=Aria TRANSACTIONAL=0' : 'ENGINE=InnoDB',
    ignoresCase: variables.get('lower_case_table_names') !== '0',
    cluster: isCluster,
    node: `${variables.get('hostname') ?? ''}:${variables.get('port') ?? ''}`
  }
}

function familyOf(version: string): Product['family'] {
  if (/mariadb/i.test(version)) return 'mariadb'
  return /tidb/i.test(version) ? 'tidb' : 'mysql'
}

/** `5.5.5-10.11.6-MariaDB` says 5.5.5 only for old replicas; TiDB says its own number last. */
function versionNumbers(version: string, family: Product['family']): number[] {
  const own = family === 'tidb' ? version.replace(/^.*tidb-v/i, '') : version.replace(/^5\.5\.5-(?=\d+\.)/, '')
  return (/^\d+(\.\d+)*/.exec(own)?.[0] ?? '0').split('.').map(Number)
}

function isAtLeast(numbers: readonly number[], minimum: readonly number[]): boolean {
  for (const [i, least] of minimum.entries()) {
    const number = numbers[i] ?? 0
    if (number !== least) return number > least
  }
  return true
}

function isBetween(numbers: readonly number[], [least, below]: readonly [number[], number[]]): boolean {
  return isAtLeast(numbers, least) && !isAtLeast(numbers, below)
}

function isOn(value: string | undefined): boolean {
  return value === '1' || value?.toUpperCase() === 'ON'
}
