/** Bugs that are planted one by one, to see that something notices. */

export interface Edit {
  readonly file: string
  /** Stands in the file exactly once. */
  readonly search: string
  readonly replace: string
}

/** `simulation`: `npm run simulate`. `contract`: the contract suite on memory and SQLite, the histories that all backends share, and tests of what the simulation meets too seldom. */
export type Check = 'simulation' | 'contract'

export interface Mutant {
  /** The bug, as one would name it in a review. */
  readonly name: string
  readonly edits: readonly Edit[]
  /** What has to notice it; the first that does ends it. */
  readonly checks: readonly Check[]
}

const edit = (file: string, search: string, replace: string): Edit => ({ file, search, replace })

const simulated = (name: string, ...edits: readonly Edit[]): Mutant => ({ name, edits, checks: ['simulation'] })
const contracted = (name: string, ...edits: readonly Edit[]): Mutant => ({ name, edits, checks: ['contract'] })

const STORE = 'test/simulation/shard.ts'
const STORE_ADMIN = 'test/simulation/shard-admin.ts'
const FOLD = 'src/pipeline/partition-fold.ts'
const EFFECTS = 'src/reshard/effects.ts'
const STATE = 'src/generations/state.ts'
const LETTERS = 'src/pipeline/dead-letters.ts'
const SQLITE = 'backends/sqlite/writer-thread.ts'
const SQLITE_ADMIN = 'backends/sqlite/admin.ts'
const MEMORY = 'backends/memory/shard.ts'

/** As all three have it. */
const COMPARE = 'if (checkpoint.position !== batch.from || checkpoint.vouched !== batch.vouched) return'

const TRANSACTION = `    return await steps(() => {
      const refusal = this.#compare(meant, batch)
      if (refusal !== undefined) return refusal
      this.#write(meant, batch)
      return { kind: 'applied' }
    })`

/** The transaction in two steps, between which others have their turn. */
const apart = (first: string, second: string): string => `    const refusal = await steps(() => {
      const refusal = this.#compare(meant, batch)
      if (refusal === undefined) { ${first} }
      return refusal
    })
    if (refusal !== undefined) return refusal
    return await steps(() => {
      ${second}
      return { kind: 'applied' as const }
    })`

const DATA = 'for (const op of batch.ops) this.#writeOp(meant, op)'
const CHECKPOINT = 'this.#writeCheckpoint(meant, batch)'

/** In the rules that a store keeps. */
const inTheStore: readonly Mutant[] = [
  simulated('a store that does not compare', edit(STORE, COMPARE, 'if (checkpoint.position < 0) return')),
  simulated('a store that takes a batch which overlaps what it has', edit(STORE, COMPARE, 'if (checkpoint.position < batch.from) return')),
  simulated('the checkpoint before the data, in a step of its own', edit(STORE, TRANSACTION, apart(CHECKPOINT, DATA))),
  simulated('the checkpoint behind the data, outside their step', edit(STORE, TRANSACTION, apart(DATA, CHECKPOINT))),
  simulated('the comparison outside the step', edit(STORE, TRANSACTION, apart('', `${DATA}; ${CHECKPOINT}`))),
  simulated(
    'a store that compares under WATCH, and does not look whether it was touched',
    edit(STORE, 'if (this.version(meant) !== seen.version) return false', ''),
  ),
  simulated(
    'deletes before sets, of a batch that is not folded to the last op of each id',
    edit('src/pipeline/latest-ops.ts', 'ops[taken - 1]?.id === op.id', 'ops[taken - 1]?.id === op.id && ops[taken - 1]?.kind === op.kind'),
    edit(STORE, DATA, 'for (const op of batch.ops.toSorted((a, b) => (a.kind < b.kind ? -1 : 1))) this.#writeOp(meant, op)'),
  ),
  simulated(
    'a missing checkpoint read as 0',
    edit(
      STORE,
      'return this.copy(meant).checkpoints.get(partition)',
      'return this.copy(meant).checkpoints.get(partition) ?? { position: 0, vouched: 0, tombstonesRemovedTo: -1, leaderEpoch: -1, atEndMs: 0 }',
    ),
  ),
  simulated('a shard that is opened anew without being emptied', edit(STORE_ADMIN, 'copy.clear()', 'copy.filled = false')),
  simulated(
    'a shard marked as filled without a look at what it vouches for',
    edit(STORE_ADMIN, ' || !vouchesFor(checkpoints, endOffsets)) return false', ') return false'),
  ),
  simulated('a mark of being filled that outlives the data', edit(STORE_ADMIN, 'copy.clear()', 'copy.values.clear()')),
  simulated(
    'a read that does not ask for identity and mark',
    edit(STORE, '      this.#assertFilled(meant)\n      return values', '      return values'),
  ),
  simulated(
    'a reader that is told positions for what is vouched for',
    edit(STORE, 'checkpoints.map(checkpoint => checkpoint.vouched)', 'checkpoints.map(checkpoint => checkpoint.position)'),
  ),
]

/** In the code above the seams. */
const aboveTheSeams: readonly Mutant[] = [
  simulated(
    'latest instead of earliest',
    edit(
      FOLD,
      "if (checkpoint.position === 0) return { kind: 'at', checkpoint }",
      "if (checkpoint.position === 0) return { kind: 'at', checkpoint: { ...checkpoint, position: (await log.endOffsets(topic))[this.#partition] ?? 0 } }",
    ),
  ),
  simulated('a hole ignored', edit('src/pipeline/holes.ts', 'hole?.start ?? position', 'position')),
  simulated(
    'a hole that a restart forgets',
    edit('src/pipeline/holes.ts', 'until: Number.POSITIVE_INFINITY } : undefined', 'until: checkpoint.position + 1 } : undefined'),
  ),
  simulated(
    'being filled by position instead of what is vouched for',
    edit('src/model/view-backend.ts', '(checkpoints[partition]?.vouched ?? 0) >= end', '(checkpoints[partition]?.position ?? 0) >= end'),
  ),
  simulated('missing deletes ignored where a shard is found', edit(FOLD, "if (missing === 'possible') return { kind: 'expired' }", '')),
  // Seeds in which a tombstone goes just then are rare; the pipeline's own tests make it.
  contracted(
    'missing deletes ignored while it is read on',
    edit(FOLD, 'if (lane.missesDeletes(stretch)) {', 'if (lane.missesDeletes(stretch) && lane.empty) {'),
  ),
  contracted('a late shard that stays in its lane', edit(FOLD, 'for (const shard of pending.keys()) lane.shards.delete(shard)', '')),
  simulated('a swallowed error reply: the log did not take a dead letter', edit(LETTERS, 'else failed.push(record)', '')),
  simulated(
    'a checkpoint that does not wait for the dead letters below it',
    edit(
      FOLD,
      'const letters = await deadLetters.add(this.#partition, folded.faulty, signal)',
      'const letters: { readonly reason: string }[] = []\n    void deadLetters.add(this.#partition, folded.faulty, signal).catch(() => undefined)',
    ),
  ),
  simulated('a dead letter resolved by an earlier record', edit('src/pipeline/letter-table.ts', ' && letter.offset <= offset', '')),
  simulated('no resolution of dead letters', edit(FOLD, 'await deadLetters.resolve(this.#partition, folded.ops, signal)', '')),
  simulated(
    'a read that is one offset short of Logfold-After',
    edit('src/api/shard-watch.ts', '(vouched[partition] ?? 0) > offset)', '(vouched[partition] ?? 0) >= offset)'),
  ),
  simulated(
    'a read that waits for Logfold-After, and answers all the same',
    edit('src/api/after.ts', 'if (!reached.every(Boolean)) throw', 'if (reached.length < 0) throw'),
    edit('src/api/after.ts', 'if (!positions.every(vouched => reaches(vouched, targets)))', 'if (positions.length < 0)'),
  ),
  contracted(
    'a Logfold-After that is not looked at again after the value',
    edit('src/api/after.ts', 'if (!positions.every(vouched => reaches(vouched, targets)))', 'if (positions.length < 0)'),
  ),
  simulated(
    'a shard that is opened anew, and nobody fills',
    edit('src/pipeline/view-pipeline.ts', 'this.#filling.opened(shard)', 'void shard'),
    edit('src/pipeline/filling.ts', 'if (!filled) this.opened(shard)', 'if (!filled) void shard'),
  ),
  simulated(
    'a lost shard that is not opened again',
    edit('src/pipeline/openings.ts', 'const outcome = await admin.open(shard, { anew })', "const outcome: 'kept' | 'opened' = 'kept'"),
  ),
  simulated(
    'a topic that was made again, not noticed',
    edit('test/simulation/log-server.ts', 'if (found?.id === id) return found', 'if (found !== undefined) return found'),
  ),
]

/** In what makes, switches and drops generations. */
const inReshards: readonly Mutant[] = [
  simulated('identities that are not compared', edit(STORE, "=== undefined ? { kind: 'open' }", "!== 'uid' ? { kind: 'open' }")),
  // Its own tests make the moment in which what is to serve lacks just what was told.
  contracted(
    'a process that goes over to what lacks things it has told',
    edit(
      'src/generations/live-view.ts',
      'if (this.#told.isKeptBy(target.generation.topicId, vouched)) return true',
      'if (this.#told !== undefined) return true',
    ),
  ),
  simulated(
    'a process that stays with what served before',
    edit('src/generations/live-view.ts', 'if (target !== undefined && target !== current &&', 'if (target !== undefined && current === undefined &&'),
  ),
  // Seeds in which somebody still answers from it just then are rare; the keeper's own tests make it.
  contracted('a drop that does not wait for readers', edit(EFFECTS, 'if (readers.length > 0)', 'if (readers.length < 0)')),
  simulated(
    'a server that is away taken for one with nothing left',
    edit(EFFECTS, 'if (!isSilence(one.reason) || !state.forsaken) throw one.reason', 'if (one.reason !== undefined) continue'),
  ),
  simulated(
    'a switch without a verification',
    edit(STATE, "return isVerified(meant) || forced.includes(UNVERIFIED) ? undefined : 'not-verified'", 'return undefined'),
    edit(EFFECTS, " || !isVerified(next.state) || !goesTo(next, 'serving')", " || !goesTo(next, 'serving')"),
    edit(
      EFFECTS,
      '(await unverified(next)) !== undefined || (await notReady(next, parts.signal)) !== undefined',
      '(await notReady(next, parts.signal)) !== undefined',
    ),
  ),
  simulated('a command accepted that is out of date', edit(STATE, "if (command.after !== state.last) return refused('out-of-date')", '')),
  simulated(
    'a first generation made beside one that another process made',
    edit('src/generations/first.ts', 'if (generations.length > 0) return', ''),
  ),
]

/** In the backends themselves. */
const inTheBackends: readonly Mutant[] = [
  contracted('SQLite: no compare', edit(SQLITE, COMPARE, 'if (checkpoint.position < 0) return')),
  contracted('SQLite: what is vouched for is not compared', edit(SQLITE, ' || checkpoint.vouched !== batch.vouched', '')),
  contracted('SQLite: an overlapping batch is taken', edit(SQLITE, COMPARE, 'if (checkpoint.position < batch.from) return')),
  contracted(
    'SQLite: the checkpoint before the data',
    edit(
      SQLITE,
      '  writeOps(generation, batch)\n  writeCheckpoint(file, generation, batch.partition, batch.checkpoint)',
      "  writeCheckpoint(file, generation, batch.partition, batch.checkpoint)\n  file.use(db => db.exec('COMMIT; BEGIN IMMEDIATE'))\n  writeOps(generation, batch)",
    ),
  ),
  contracted(
    'SQLite: no transaction around data and checkpoint',
    edit(SQLITE, "file.use(db => transaction(db, 'immediate', () => work(db)))", 'file.use(db => work(db))'),
  ),
  contracted(
    'SQLite: a missing checkpoint is read as 0',
    edit(
      'backends/sqlite/checkpoint.ts',
      'return row === undefined ? undefined : checkpointOf(row)',
      'return checkpointOf(row ?? [0, 0, -1, -1, 0])',
    ),
  ),
  contracted(
    'SQLite: a read that does not ask for the mark',
    edit('backends/sqlite/reader-thread.ts', 'if (assertOpen(file, generation).filled) return', 'if (assertOpen(file, generation)) return'),
  ),
  contracted('SQLite: filled for an earlier opening', edit(SQLITE_ADMIN, ' || openingOf(file, generation) !== opening) return', ') return')),
  contracted('SQLite: filled by position', edit(SQLITE_ADMIN, '|| !vouchesFor(checkpoints, endOffsets)', '')),
  contracted('SQLite: what was dropped is opened again', edit(SQLITE_ADMIN, "if (wasDropped(file, generation)) return 'dropped'", '')),
  contracted('SQLite: a late command serves', edit(SQLITE_ADMIN, "if (isOutdated(file, generation, since)) return 'outdated'", '')),
  contracted(
    'SQLite: a command of another topic does not serve',
    edit('backends/sqlite/fence.ts', 'WHERE command_topic_id = ? AND', 'WHERE ? <> 1 AND'),
  ),
  contracted(
    'SQLite: a drop leaves no uid where another identity stands',
    edit(
      SQLITE_ADMIN,
      "    recordDropped(file, db, generation)\n    if (standing.kind !== 'foreign') takeIdentity(file, db, generation)",
      "    if (standing.kind === 'foreign') return true\n    recordDropped(file, db, generation)\n    takeIdentity(file, db, generation)",
    ),
  ),
  contracted(
    'SQLite: a drop leaves what people see',
    edit(SQLITE_ADMIN, "if (namesake(file, generation)?.shows === 'this') db.exec", 'if (!tables) db.exec'),
  ),
  contracted('SQLite: deletes are lost', edit(SQLITE, 'if (value === undefined) del.run(id)', 'if (value === undefined) del.setReturnArrays(true)')),
  contracted(
    'memory: filled for an earlier opening',
    edit('backends/memory/operations.ts', ' || found.copy.opening !== opening) return', ') return'),
  ),
  contracted(
    'memory: what was dropped is opened again',
    edit(MEMORY, "if (this.#fence(generation).dropped.has(generation.uid)) return 'dropped'", ''),
  ),
  contracted('memory: a late command serves', edit(MEMORY, "if (fence.isOutdated(since)) return 'outdated'", '')),
  contracted('memory: no compare', edit(MEMORY, COMPARE, 'if (checkpoint.position < 0) return')),
  contracted('memory: what is vouched for is not compared', edit(MEMORY, ' || checkpoint.vouched !== batch.vouched', '')),
  contracted('memory: a missing checkpoint is read as 0', edit(MEMORY, "if (checkpoint === undefined) return { kind: 'lost' }", '')),
  contracted(
    'memory: another identity is not noticed',
    edit(MEMORY, 'identityDifference(identityOf(generation, this.name), copy.identity) !== undefined', 'copy.size < 0'),
  ),
]

export const mutants: readonly Mutant[] = [...inTheStore, ...aboveTheSeams, ...inReshards, ...inTheBackends]
