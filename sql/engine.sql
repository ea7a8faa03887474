--
-- engine: instruction sets and pruning choose among means with equal results
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE SCHEMA engine_test;
SET search_path = engine_test, public;

-- blobs; whole numbers, with ties and copies; seconds since 1970
CREATE TABLE data (name text, k int, x float8, y float8, z float8);
INSERT INTO data
  SELECT 'blobs', 7, b.x[1], b.x[2], b.x[3]
  FROM kmeans_make_blobs(3000, 7, 3, 2.0, seed => 1) b
  UNION ALL
  SELECT 'ties', 9, i % 5, i / 5 % 7, i % 3 FROM generate_series(1, 2000) i
  UNION ALL
  SELECT 'seconds', 6, 1.7e9 + 86400 * (i % 9) + i % 77, 1.7e9 - i % 1000, i % 13
  FROM generate_series(1, 2000) i;

-- one fit of each data set under the present settings, and every iteration
CREATE FUNCTION fits() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  data_set text;
  answer text := '';
BEGIN
  FOREACH data_set IN ARRAY ARRAY['blobs', 'ties', 'seconds'] LOOP
    PERFORM kmeans_fit('engine', format('SELECT x, y, z FROM engine_test.data WHERE name = %L', data_set),
                       k => (SELECT min(k) FROM data WHERE name = data_set), n_init => 3);
    answer := answer || kmeans_get('engine')::text ||
      (SELECT string_agg((i.run, i.iteration, i.inertia, i.shift, i.reassigned)::text, ' ' ORDER BY run, iteration)
       FROM kmeans_iterations('engine') i);
    PERFORM kmeans_drop('engine');
  END LOOP;
  RETURN answer;
END
$$;
SET client_min_messages = warning;

-- every word is taken, or refused because the processor is of another kind
CREATE TABLE answers (simd text, pruning text, answer text);
CREATE TABLE refusals (simd text, sqlstate text, message text, detail text);
DO $$
DECLARE
  word text;
  pruning text;
  d text;
BEGIN
  FOREACH word IN ARRAY ARRAY['auto', 'avx512', 'avx2', 'neon', 'generic'] LOOP
    BEGIN
      PERFORM set_config('kmeans.simd', word, false);
      FOREACH pruning IN ARRAY ARRAY['auto', 'on', 'off'] LOOP
        PERFORM set_config('kmeans.pruning', pruning, false);
        INSERT INTO answers VALUES (word, pruning, fits());
      END LOOP;
    EXCEPTION WHEN invalid_parameter_value THEN
      GET STACKED DIAGNOSTICS d = PG_EXCEPTION_DETAIL;
      INSERT INTO refusals VALUES (word, SQLSTATE, SQLERRM, d);
    END;
  END LOOP;
END
$$;
RESET kmeans.simd;
RESET kmeans.pruning;
SELECT count(DISTINCT answer) AS answers, bool_or(simd = 'generic') AS generic,
       bool_or(simd = 'auto') AS auto
FROM answers;
SELECT DISTINCT sqlstate, replace(message, simd, 'WORD') AS message, detail FROM refusals;

SET kmeans.simd = sse2;
SET kmeans.pruning = maybe;

DROP SCHEMA engine_test CASCADE;
