import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { Missing } from './missing.ts'
import { isMissing, run } from './run.ts'

/** The version that tests run on, as jars and as a container. */
export const KAFKA_VERSION = '4.3.1'

const JAVA_MIN = 17
const MAVEN_MS = 600_000

/** Kafka on this machine. */
export interface KafkaJars {
  /** The program, of version 17 or later. */
  readonly java: string
  /** Options of the VM, for every program. */
  readonly options: readonly string[]
  /** What java takes behind `-cp`. */
  readonly classPath: string
  /** The features that a new cluster starts with: what `kafka-storage format` writes, which is the same for every node. */
  readonly bootstrapCheckpoint: string
  /** Where the classes that a broker loads are kept ready, once one was stopped with `-XX:ArchiveClassesAtExit`. */
  readonly classArchive: string
}

/**
 * Few threads, little memory, a quick start: tests start it often, and never need it fast. What the VM says goes to stderr, away from what tools print. An
 * archive that isn't there, or another Java's, is ignored.
 */
const optionsWith = (classArchive: string): readonly string[] => [
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:+IgnoreUnrecognizedVMOptions',
  ...(existsSync(classArchive) ? [`-XX:SharedArchiveFile=${classArchive}`] : []),
  '-Xlog:disable',
  '-Xlog:all=error:stderr',
  `-Dlog4j2.configurationFile=${join(import.meta.dirname, 'kafka-log4j2.yaml')}`,
]

const POM = `<project><modelVersion>4.0.0</modelVersion><groupId>logfold</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>${KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka-tools</artifactId><version>${KAFKA_VERSION}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>2.25.5</version></dependency>
</dependencies></project>
`

const FORMATTED = `process.roles=controller
node.id=1
controller.quorum.voters=1@127.0.0.1:1
listeners=CONTROLLER://127.0.0.1:1
controller.listener.names=CONTROLLER
log.dirs=formatted
`

/**
 * Finds Java, and the jars in the cache (LOGFOLD_TEST_CACHE, else ~/.cache/logfold-tests); Maven fills it the first time, 60 MB. The cache folder appears whole
 * or not at all, so that runs may do so at the same time.
 */
export async function kafkaJars(): Promise<KafkaJars> {
  found ??= findJava()
  const java = await found
  const cache = process.env.LOGFOLD_TEST_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'logfold-tests')
  const folder = join(cache, `kafka-${KAFKA_VERSION}`)
  if (!existsSync(folder)) {
    await mkdir(cache, { recursive: true })
    await fill(java, cache, folder)
  }
  const classArchive = join(folder, 'classes.jsa')
  return {
    java,
    options: optionsWith(classArchive),
    classPath: join(folder, 'libs', '*'),
    bootstrapCheckpoint: join(folder, 'formatted', 'bootstrap.checkpoint'),
    classArchive,
  }
}

async function fill(java: string, cache: string, folder: string): Promise<void> {
  const filling = await mkdtemp(join(cache, `kafka-${KAFKA_VERSION}-filling-`))
  try {
    await writeFile(join(filling, 'pom.xml'), POM)
    await maven(filling)
    await writeFile(join(filling, 'format.properties'), FORMATTED)
    const format = ['kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAAAAAAAAAAAAAAQ', '-c', 'format.properties']
    await run(java, ['-cp', join('libs', '*'), ...format], { cwd: filling })
    // Refused where another run was quicker: its folder holds the same.
    await rename(filling, folder).catch(error => {
      if (!existsSync(folder)) throw error
    })
  } finally {
    await rm(filling, { recursive: true, force: true })
  }
}

async function maven(cwd: string): Promise<void> {
  try {
    await run('mvn', ['-q', '-B', 'dependency:copy-dependencies', '-DoutputDirectory=libs'], { cwd, timeoutMs: MAVEN_MS })
  } catch (cause) {
    if (isMissing(cause)) throw new Missing('there is no mvn on PATH, to bring the jars', { cause })
    throw new Missing(`Maven didn't bring the jars: ${(cause as Error).message}`, { cause })
  }
}

let found: Promise<string> | undefined

async function findJava(): Promise<string> {
  const home = process.env.JAVA_HOME
  const java = home === undefined ? 'java' : join(home, 'bin', 'java')
  let version: string
  try {
    version = await run(java, ['--version'])
  } catch (cause) {
    throw new Missing(home === undefined ? 'there is no java on PATH' : `there is no java in JAVA_HOME, ${home}`, { cause })
  }
  const major = Number(/\d+/.exec(version)?.[0])
  if (major < JAVA_MIN) throw new Missing(`${java} is version ${major}, and Kafka needs ${JAVA_MIN}`)
  return java
}
