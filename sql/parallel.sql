SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SET client_min_messages = error;

-- The same model whatever the number of workers: enough rows to want them
CREATE TABLE many AS
  SELECT i, (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y, (i % 1000 = 0)::int AS hole
  FROM generate_series(1, 300000) i;
CREATE TABLE parted (x float8, y float8, part int) PARTITION BY LIST (part);
CREATE TABLE parted_0 PARTITION OF parted FOR VALUES IN (0);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1) PARTITION BY RANGE (x);
CREATE TABLE parted_1_low PARTITION OF parted_1 FOR VALUES FROM (MINVALUE) TO (50000);
CREATE TABLE parted_1_high PARTITION OF parted_1 FOR VALUES FROM (50000) TO (MAXVALUE);
INSERT INTO parted SELECT x, y, i % 2 FROM many;
ANALYZE many, parted;

CREATE FUNCTION fit_with(workers int, source text, arguments text DEFAULT '') RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  model text;
BEGIN
  PERFORM set_config('max_parallel_maintenance_workers', workers::text, true);
  EXECUTE format('SELECT kmeans_fit(''p'', %L, ''{x,y}'', k => 20, init_centroids => %L, tol => 1, replace => true %s)', source,
    (SELECT array_agg(ARRAY[i * 5000, i % 7 * 15000]::float8[]) FROM generate_series(1, 20) i), arguments);
  EXECUTE 'SELECT md5(kmeans_get(''p'')::text)' INTO model;
  PERFORM kmeans_drop('p');
  RETURN model;
END $$;

SELECT arguments, count(DISTINCT model) AS models
FROM (VALUES (''), (', scale => ''standard'''), (', metric => ''cosine'', scale => ''minmax'''), (', max_iter => 2'), (', weight => ''hole''')) a(arguments),
     (VALUES (0), (1), (2), (4)) w(workers), LATERAL fit_with(workers, 'many', arguments) AS model
GROUP BY arguments ORDER BY arguments;
SELECT count(DISTINCT model) AS models
FROM (VALUES (0, 'many'), (1, 'many'), (0, 'parted'), (2, 'parted'), (2, 'SELECT x, y FROM many ORDER BY y')) w(workers, source), LATERAL fit_with(workers, source) AS model;

-- What the leader has to read alone it deals to workers, also from files
SELECT arguments, count(DISTINCT model) AS models
FROM (VALUES (', metric => ''cosine'', scale => ''minmax'''), (', weight => ''hole''')) a(arguments),
     (VALUES (0, 'SELECT * FROM many'), (1, 'SELECT * FROM many'), (3, 'SELECT * FROM many ORDER BY x'), (2, 'many')) w(workers, source), LATERAL fit_with(workers, source, arguments) AS model
GROUP BY arguments ORDER BY arguments;
SET maintenance_work_mem = '1MB';
SELECT count(DISTINCT model) AS models
FROM (VALUES (0, 'many'), (2, 'SELECT x, y FROM many'), (1, 'SELECT y, x FROM many ORDER BY y')) w(workers, source), LATERAL fit_with(workers, source) AS model;
RESET maintenance_work_mem;

-- Errors name the row as the serial load counts it
UPDATE many SET y = 'NaN' WHERE i = 200000;
VACUUM FULL many;
SELECT fit_with(2, 'many');
UPDATE many SET y = NULL WHERE i % 2 = 1 OR i = 200000;
SELECT count(DISTINCT fit_with(w, 'many', ', on_null => ''mean''')) AS models FROM generate_series(0, 2) w;
CREATE TABLE arrays AS SELECT i, CASE WHEN i > 250000 THEN ARRAY[i, 2]::float8[] WHEN i % 3 > 0 THEN ARRAY[i]::float8[] END AS x, i % 7 AS y FROM generate_series(1, 300000) i;
SELECT fit_with(2, 'arrays');
DELETE FROM arrays WHERE i > 250000;
SELECT count(DISTINCT fit_with(w, 'arrays', ', on_null => ''mean''')) AS models FROM generate_series(0, 2) w;

-- seeding
SELECT count(DISTINCT model) AS models FROM (SELECT w, (kmeans_fit('s', 'parted', '{x,y}', k => 3, n_init => 1, max_iter => 2, replace => true)).model, set_config('max_parallel_maintenance_workers', w::text, false) FROM generate_series(0, 2, 2) w) s;
SELECT kmeans_get('s@1')::text = kmeans_get('s@2')::text AS same;
SELECT kmeans_drop('s');

-- What workers may not read
CREATE TEMP TABLE passing AS SELECT * FROM many;
SELECT count(DISTINCT fit_with(w, 'passing')) AS models FROM generate_series(0, 2, 2) w;
CREATE FUNCTION mine(float8) RETURNS boolean LANGUAGE sql STABLE PARALLEL UNSAFE AS $$ SELECT $1 > 30000 $$;
CREATE ROLE regress_kmeans_reader;
GRANT SELECT ON many TO regress_kmeans_reader;
CREATE POLICY above ON many TO regress_kmeans_reader USING (mine(x));
ALTER TABLE many ENABLE ROW LEVEL SECURITY;
SET ROLE regress_kmeans_reader;
SET max_parallel_maintenance_workers = 2;
SELECT n_rows FROM kmeans_fit('mine', 'many', '{x}', k => 3, max_iter => 5);
RESET ROLE;
DROP POLICY above ON many;
CREATE POLICY below ON many TO regress_kmeans_reader USING (x < 30000);
SET ROLE regress_kmeans_reader;
SELECT n_rows FROM kmeans_fit('mine', 'many', '{x}', k => 3, max_iter => 5, replace => true);
SELECT kmeans_drop('mine');
RESET ROLE;

-- A failing fit in a block with an exception handler, and what follows it
DO $$
BEGIN
  PERFORM kmeans_fit('p', 'parted', '{x,y}', k => 6, init_centroids => '{{1,2,3},{1,2,3},{1,2,3},{1,2,3},{1,2,3},{1,2,3}}');
EXCEPTION WHEN invalid_parameter_value THEN
  RAISE WARNING '%', sqlerrm;
END $$;
SELECT count(*) FROM kmeans_models WHERE model = 'p';

DROP TABLE many, parted, arrays;
DROP FUNCTION fit_with, mine;
DROP ROLE regress_kmeans_reader;
