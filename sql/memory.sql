SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SET client_min_messages = error;

-- the message without quotes, which some servers put around names of settings
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || translate(sqlerrm, '"', '');
END $$;

-- 200,000 rows of two values: 6 MB.  Some have no direction, some a hole, some no weight.
CREATE TABLE rows AS
  SELECT i, (i * 7919::bigint % 10007)::float8 AS x, (i * 104729::bigint % 9973)::float8 AS y, i % 4 AS w,
         CASE WHEN i % 50 > 0 THEN (i * 7919::bigint % 10007)::float8 END AS h,
         CASE WHEN i % 30 > 0 THEN (i * 7919::bigint % 10007)::float8 ELSE 0 END AS u, CASE WHEN i % 30 > 0 THEN (i * 104729::bigint % 9973)::float8 ELSE 0 END AS v
  FROM generate_series(1, 120000) i;
ANALYZE rows;

-- The same model whatever the memory and the number of workers
CREATE FUNCTION fit_with(memory text, workers int, columns text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  model text;
BEGIN
  PERFORM set_config('maintenance_work_mem', memory, true), set_config('max_parallel_maintenance_workers', workers::text, true);
  EXECUTE format('SELECT kmeans_fit(''memory'', ''rows'', %L, k => 20, tol => 1, replace => true %s)', columns, arguments);
  EXECUTE 'SELECT md5(kmeans_get(''memory'')::text)' INTO model;
  PERFORM kmeans_drop('memory');
  RETURN model;
END $$;
SELECT columns, arguments, count(DISTINCT model) AS models
FROM (VALUES ('{x,y}', ', init => ''k-means||'', n_init => 2'), ('{x,y}', ', init => ''k-means++'', n_init => 2'), ('{x,y}', ', init => ''random'', n_init => 3, weight => ''w'', scale => ''minmax'''), ('{h,y}', ', init => ''random'', n_init => 1, on_null => ''mean'', weight => ''w'''),
             ('{u,v}', ', init => ''random'', n_init => 2, metric => ''cosine'', weight => ''w''')) a(columns, arguments),
     (VALUES ('1MB'), ('1GB')) m(memory), (VALUES (0), (2)) w(workers), LATERAL fit_with(memory, workers, columns, arguments) AS model
GROUP BY 1, 2 ORDER BY 1, 2;

-- Values that floats hold are kept as floats, others as doubles.  Which rows are which depends on their order, the model does not.
CREATE FUNCTION mixed(memory text, source text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  model text;
BEGIN
  PERFORM set_config('maintenance_work_mem', memory, true);
  EXECUTE format('SELECT kmeans_fit(''mixed'', %L, k => 7, n_init => 1, max_iter => 9, scale => ''standard'')', source);
  EXECUTE 'SELECT md5((kmeans_get(''mixed'')::jsonb)::text)' INTO model;
  PERFORM kmeans_drop('mixed');
  RETURN model;
END $$;
SELECT count(DISTINCT mixed(memory, 'SELECT CASE WHEN i > 100 THEN x ELSE x + 0.1 END AS x, y / 8 AS y FROM rows ORDER BY ' || ordering)) AS models
FROM (VALUES ('1MB'), ('1GB')) m(memory), (VALUES ('i'), ('-i'), ('y, i'), ('i % 2, i')) o(ordering);
SELECT mixed('1MB', 'SELECT ARRAY[x, y, i] AS a FROM rows') = mixed('1GB', 'SELECT ARRAY[x::real, y::real, i::real] AS a FROM rows ORDER BY -i') AS same;

-- It was the files that made the difference; a limit on them is respected, and what was there is gone
CREATE FUNCTION limited(memory text, workers int) RETURNS text LANGUAGE plpgsql SET temp_file_limit = '1MB' AS $$
BEGIN
  PERFORM set_config('maintenance_work_mem', memory, true), set_config('max_parallel_maintenance_workers', workers::text, true);
  RETURN error_of('SELECT kmeans_fit(''limited'', ''rows'', ''{x,y}'', k => 2, init => ''random'', n_init => 1, max_iter => 2)') ||
    ', files: ' || (SELECT count(*) FROM pg_ls_tmpdir());
END $$;
SELECT memory, workers, limited(memory, workers) FROM (VALUES ('1MB', 0), ('1MB', 2), ('1GB', 0)) v(memory, workers);

-- Aggregates: groups beyond the memory of a hash table.  Rows stay as they came: a window may ask again.
CREATE FUNCTION aggregate_with(memory text, hash text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  models text;
BEGIN
  PERFORM set_config('work_mem', memory, true), set_config('enable_hashagg', hash, true), set_config('max_parallel_workers_per_gather', '0', true);
  EXECUTE format('SELECT md5(string_agg(m::text, ''|'' ORDER BY g)) FROM (%s) s', query) INTO models;
  RETURN models;
END $$;
SELECT query, count(DISTINCT models) AS models
FROM (VALUES ('SELECT i % 3 AS g, kmeans_agg(3, ARRAY[x, y], ''{"n_init": 1}'') AS m FROM rows WHERE i <= 60000 GROUP BY 1'),
             ('SELECT i % 2 AS g, kmeans_agg(3, r, ''{"n_init": 1, "columns": ["h", "y"], "on_null": "mean"}'') AS m FROM rows r WHERE i <= 40000 GROUP BY 1'),
             ('SELECT i % 2 AS g, kmeans_agg(3, ARRAY[u, v], ''{"n_init": 1, "metric": "cosine"}'') AS m FROM rows WHERE i <= 40000 GROUP BY 1'),
             ('SELECT DISTINCT ON (g) g, m FROM (SELECT i % 2 AS g, kmeans_agg(2, ARRAY[x, y], ''{"n_init": 1}'') OVER (PARTITION BY i % 2) AS m FROM rows WHERE i <= 12000) w ORDER BY g'),
             ('SELECT DISTINCT ON (g) g, m FROM (SELECT i / 3000 AS g, kmeans_agg(2, ARRAY[h, y], ''{"n_init": 1, "on_null": "mean"}'') OVER (ORDER BY i / 3000) AS m FROM rows WHERE i < 12000) w ORDER BY g'),
             ('SELECT DISTINCT ON (g) g, m FROM (SELECT i / 3000 AS g, kmeans_agg(2, ARRAY[u, v], ''{"n_init": 1, "metric": "cosine"}'') OVER (ORDER BY i / 3000) AS m FROM rows WHERE i < 12000) w ORDER BY g'),
             ('SELECT DISTINCT ON (g) g, m FROM (SELECT i / 3000 AS g, kmeans_agg(2, ARRAY[x, y], ''{"n_init": 1}'') OVER (ORDER BY i / 3000 GROUPS BETWEEN 1 PRECEDING AND CURRENT ROW) AS m FROM rows WHERE i < 12000) w ORDER BY g')) q(query),
     (VALUES ('64kB', 'on'), ('64kB', 'off'), ('256MB', 'on')) m(memory, hash), LATERAL aggregate_with(memory, hash, query) AS models
GROUP BY 1 ORDER BY 1;
-- a frame that has grown gives what its rows give at once
SET work_mem = '64kB';
SELECT count(*) AS frames, bool_and(running::text = alone::text) AS same
FROM (SELECT DISTINCT ON (g) g, running FROM (SELECT i / 3000 AS g, kmeans_agg(2, ARRAY[h, y], '{"n_init": 1, "on_null": "mean"}') OVER (ORDER BY i / 3000) AS running FROM rows WHERE i < 12000) w ORDER BY g) s,
     LATERAL (SELECT kmeans_agg(2, ARRAY[h, y], '{"n_init": 1, "on_null": "mean"}') AS alone FROM rows WHERE i / 3000 <= g) a;
SET temp_file_limit = '64kB';
SELECT error_of('SELECT kmeans_agg(3, ARRAY[x, y]) FROM rows') || ', files: ' || (SELECT count(*) FROM pg_ls_tmpdir());
RESET temp_file_limit;
-- a cursor that is closed early, a transaction that fails with one open
BEGIN;
DECLARE c CURSOR FOR SELECT g, kmeans_agg(3, ARRAY[x, y], '{"n_init": 1}') OVER (PARTITION BY g) IS NOT NULL AS fitted FROM (SELECT i % 2 AS g, x, y FROM rows WHERE i <= 12000) r;
FETCH 1 FROM c;
CLOSE c;
SELECT count(*) AS files FROM pg_ls_tmpdir();
DECLARE d CURSOR FOR SELECT g, kmeans_agg(3, ARRAY[x, y], '{"n_init": 1}') OVER (PARTITION BY g) IS NOT NULL AS fitted FROM (SELECT i % 2 AS g, x, y FROM rows WHERE i <= 12000) r;
FETCH 1 FROM d;
SELECT count(*) > 0 AS files FROM pg_ls_tmpdir();
SELECT 1 / 0 AS failure;
ROLLBACK;
SELECT count(*) AS files FROM pg_ls_tmpdir();
RESET work_mem;

-- Rows as wide as the memory, one in a chunk
SET maintenance_work_mem = '1MB';
SELECT n_features, n_rows FROM kmeans_fit('wide_1', 'SELECT ARRAY(SELECT (i * t % 17)::float8 FROM generate_series(1, 12000) t) AS a FROM generate_series(1, 40) i', k => 2, n_init => 1);
RESET maintenance_work_mem;
SELECT n_features, n_rows FROM kmeans_fit('wide_2', 'SELECT ARRAY(SELECT (i * t % 17)::float8 FROM generate_series(1, 12000) t) AS a FROM generate_series(1, 40) i', k => 2, n_init => 1);
SELECT kmeans_get('wide_1')::text = kmeans_get('wide_2')::text AS same;

SELECT count(kmeans_drop(model)) AS dropped FROM kmeans_models WHERE model LIKE 'wide__';
DROP TABLE rows;
DROP FUNCTION error_of, fit_with, mixed, limited, aggregate_with;
