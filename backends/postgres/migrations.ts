import { SWALLOWED_CODE } from './faults.ts'
import { literal, type OwnNames } from './names.ts'

/**
 * What is ours in a schema, step by step. A step that was published never changes; a new one goes behind the last. The schema says in `"@format"` how many of them it
 * has. The function is made by the last step that changed it, alone: it takes the place of an earlier one.
 *
 * A schema with fewer steps is read as it is, and its writer calls it lost, so that a process that may open it takes the missing steps; nothing is folded again. A process that was
 * there before goes on with a schema that has more: so a step must leave the tables and the function's parameters usable for the code before it.
 */
export const migrations: readonly ((schema: string, own: OwnNames) => readonly string[])[] = [
  (_, own) => [identityTable(own), checkpointTable(own), grantsTable(own)],
  (schema, own) => [`ALTER TABLE ${own.identity} ADD COLUMN IF NOT EXISTS opening text NOT NULL DEFAULT ''`, applyFunction(schema, own)],
  (_, own) => [fenceTable(own)],
]

/** How many `"@apply"` takes. One that takes less was made before the format was published, and doesn't count. */
export const APPLY_PARAMETERS = 11

const identityTable = (own: OwnNames): string => `CREATE TABLE IF NOT EXISTS ${own.identity} (
  generation text COLLATE "C" PRIMARY KEY,
  uid text NOT NULL,
  log_id text NOT NULL,
  topic_id text NOT NULL,
  definition_hash text NOT NULL,
  shard text NOT NULL,
  filled boolean NOT NULL
)`

/** Its rows change with every batch: room in the page lets a row's versions stay beside each other, and go without VACUUM. */
const checkpointTable = (own: OwnNames): string => `CREATE TABLE IF NOT EXISTS ${own.checkpoint} (
  generation text COLLATE "C" NOT NULL,
  log_partition integer NOT NULL,
  position bigint NOT NULL,
  vouched bigint NOT NULL,
  tombstones_removed_to bigint NOT NULL,
  leader_epoch integer NOT NULL,
  at_end_ms bigint NOT NULL,
  entries bigint NOT NULL,
  PRIMARY KEY (generation, log_partition)
) WITH (fillfactor = 20)`

const grantsTable = (own: OwnNames): string => `CREATE TABLE IF NOT EXISTS ${own.grants} (
  view text COLLATE "C" PRIMARY KEY,
  statements text[] NOT NULL
)`

const fenceTable = (own: OwnNames): string => `CREATE TABLE IF NOT EXISTS ${own.fence} (
  view text COLLATE "C" PRIMARY KEY,
  dropped text[] NOT NULL DEFAULT '{}',
  served_topic_id text,
  served_offset bigint
)`

/**
 * Guarantee: a batch is taken, with its checkpoint, where the partition's checkpoint stands at the batch's begin and vouches for what the batch says, and the identity is the
 * caller's; else nothing is done.
 * Answers 'applied', 'lost', 'elsewhere' with the checkpoint, or 'foreign' with the identity, as JSON.
 *
 * How: the checkpoint is locked by the first statement, and each statement after it sees what was committed before it began. So a call that waited for another writer sees all
 * that writer did. Opening or dropping the generation deletes the checkpoints in the step that changes the identity, and has to wait for this lock: the identity
 * read behind it belongs to the checkpoint.
 *
 * Keys go in in their order: two writers that set keys in common then wait for each other, and not in a circle. Where one deletes what the other sets, a circle may come
 * about, as deletes go behind all sets; Postgres then ends one of the two, and its batch is repeated.
 *
 * A row that was inserted has xmax 0, one that was updated has not: it was locked first. So each checkpoint keeps how many entries its partition brought, less those it
 * deleted, and the sum over the partitions is the number of entries, which nobody has to count. A row that doesn't come back at all was swallowed by a trigger.
 */
const applyFunction = (schema: string, own: OwnNames): string => `CREATE OR REPLACE FUNCTION ${own.apply}(
  IN of_generation text, IN of_identity text[], IN of_partition integer, IN begins bigint, IN vouches bigint, IN becomes bigint[],
  IN set_keys text[], IN set_values anyarray, IN set_offsets bigint[], IN set_times timestamptz[], IN del_keys text[],
  OUT outcome text, OUT detail text
) LANGUAGE plpgsql AS $body$
DECLARE
  entries_table constant text := format('%I.%I', ${literal(schema)}, of_generation);
  standing record;
  known record;
  added bigint := 0;
  written bigint := 0;
  removed bigint := 0;
BEGIN
  SELECT * INTO known FROM ${own.checkpoint} c WHERE c.generation = of_generation AND c.log_partition = of_partition FOR UPDATE;
  SELECT ARRAY[i.uid, i.log_id, i.topic_id, i.definition_hash, i.shard] AS identity INTO standing
    FROM ${own.identity} i WHERE i.generation = of_generation;
  IF standing.identity IS NULL OR to_regclass(entries_table) IS NULL THEN
    outcome := 'lost';
  ELSIF standing.identity <> of_identity THEN
    outcome := 'foreign';
    detail := to_json(standing.identity)::text;
  ELSIF known.position IS NULL THEN
    outcome := 'lost';
  ELSIF known.position <> begins OR known.vouched <> vouches THEN
    outcome := 'elsewhere';
    detail := json_build_array(known.position, known.vouched, known.tombstones_removed_to, known.leader_epoch, known.at_end_ms)::text;
  ELSE
    IF cardinality(set_keys) > 0 THEN
      EXECUTE 'WITH written AS (
          INSERT INTO ' || entries_table || ' (key, value, log_partition, log_offset, log_time)
          SELECT s.key, s.value, $1, s.log_offset, s.log_time FROM unnest($2, $3, $4, $5) AS s (key, value, log_offset, log_time)
          ORDER BY s.key COLLATE "C"
          ON CONFLICT (key) DO UPDATE SET value = excluded.value, log_partition = excluded.log_partition,
            log_offset = excluded.log_offset, log_time = excluded.log_time
          RETURNING xmax = 0 AS is_new
        ) SELECT count(*) FILTER (WHERE is_new), count(*) FROM written'
        INTO added, written USING of_partition, set_keys, set_values, set_offsets, set_times;
      IF written <> cardinality(set_keys) THEN
        RAISE EXCEPTION 'A trigger on % kept % of % entries from being written', entries_table, cardinality(set_keys) - written, cardinality(set_keys)
          USING ERRCODE = '${SWALLOWED_CODE}';
      END IF;
    END IF;
    IF cardinality(del_keys) > 0 THEN
      EXECUTE 'DELETE FROM ' || entries_table || ' WHERE key = ANY ($1)' USING del_keys;
      GET DIAGNOSTICS removed = ROW_COUNT;
    END IF;
    UPDATE ${own.checkpoint} c SET position = becomes[1], vouched = becomes[2], tombstones_removed_to = becomes[3],
        leader_epoch = becomes[4], at_end_ms = becomes[5], entries = c.entries + added - removed
      WHERE c.generation = of_generation AND c.log_partition = of_partition;
    outcome := 'applied';
  END IF;
END
$body$`
