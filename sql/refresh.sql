--
-- refresh: the life of a model whose rows change
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA refresh_test;
SET search_path = refresh_test, :ext;
\set SHOW_CONTEXT never

-- what a statement raises: SQLSTATE, message, detail, hint
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || sqlerrm || coalesce(' | ' || nullif(detail, ''), '')
         || coalesce(' | ' || nullif(hint, ''), '');
END $$;

-- four groups, 250 rows each
CREATE TABLE customers AS
SELECT i AS id, i % 4 * 10 + (i * 7 % 13)::float8 / 13 AS spent, i % 4 * 5 + (i * 5 % 11)::float8 / 11 AS visits, 1 + i % 3 AS weight
FROM generate_series(1, 1000) i;
SELECT version, k FROM kmeans_fit('seg', 'customers', ARRAY['spent', 'visits'], k => 4, id_column => 'id');
SELECT kmeans_set_label('seg', 0, 'thrifty'), kmeans_set_label('seg', 3, 'big');

-- the same rows: the same model under the next number
SELECT old_version, new_version, promoted, n_rows, n_skipped, churn, max_centroid_shift, n_iter, converged, elapsed > '0' AS took_time FROM kmeans_refresh('seg');
SELECT cluster, label, size FROM kmeans_clusters('seg');
SELECT a.inertia = b.inertia AS same_inertia, a.options = b.options AS same_options, a.source = b.source AS same_source, a.seed = b.seed AS same_seed
FROM kmeans_versions a, kmeans_versions b WHERE a.model = 'seg' AND b.model = 'seg' AND a.version = 1 AND b.version = 2;

-- a group that moves far away keeps the id that lies nearest; others follow it
UPDATE customers SET spent = spent + 2 WHERE id % 4 = 3;
SELECT new_version, churn, round(max_centroid_shift::numeric, 6) AS shift FROM kmeans_refresh('seg');
SELECT cluster, label, size, round(centroid[1]::numeric, 3) AS spent FROM kmeans_clusters('seg');

-- one run from the old centroids, or all of it anew; ids stay either way
SELECT max(run) AS runs FROM kmeans_iterations('seg');
SELECT promoted, churn FROM kmeans_refresh(model => 'seg', source => NULL, warm_start => false, promote => true, max_churn => NULL);
SELECT max(run) AS runs FROM kmeans_iterations('seg');
SELECT cluster, label, size FROM kmeans_clusters('seg');

-- kept but not promoted: on request, or because too many rows would move
SELECT old_version, new_version, promoted FROM kmeans_refresh('seg', promote => false);
INSERT INTO customers SELECT 1000 + i, -50 - i * 0.01, -50, 1 FROM generate_series(1, 100) i;
SELECT old_version, new_version, promoted, n_rows, round(churn::numeric, 4) AS churn FROM kmeans_refresh('seg', max_churn => 0.1);
SELECT version, promoted FROM kmeans_versions WHERE model = 'seg' ORDER BY version;
SELECT round(avg((kmeans_predict('seg@4', spent, visits) <> kmeans_predict('seg@6', spent, visits))::int), 4) AS churn FROM customers;
SELECT promoted FROM kmeans_refresh('seg', max_churn => 0.5);
-- ... and the way back
SELECT kmeans_promote('seg', 4);
SELECT old_version, new_version FROM kmeans_refresh('seg', promote => false);
SELECT old_version, new_version FROM kmeans_refresh('seg@2', promote => false);
SELECT kmeans_promote('seg', 7);

-- ids are never used again: a cluster that comes back is a new one
SELECT version, k FROM kmeans_fit('ids', 'customers', ARRAY['spent'], k => 3);
SELECT version, k FROM kmeans_fit('ids', 'customers', ARRAY['spent'], k => 5, replace => true);
SELECT array_agg(cluster ORDER BY cluster) FROM kmeans_clusters('ids');
SELECT version, k FROM kmeans_fit('ids', 'customers', ARRAY['spent'], k => 2, replace => true);
SELECT kmeans_prune('ids', 1);
SELECT version, k FROM kmeans_fit('ids', 'customers', ARRAY['spent'], k => 4, replace => true);
SELECT bool_and(cluster > 4) AS new_ids FROM (SELECT cluster FROM kmeans_clusters('ids') ORDER BY cluster DESC LIMIT 2) c;
SELECT churn FROM kmeans_refresh('ids');

-- fewer clusters than asked for, then rows for all of them
CREATE TABLE few AS SELECT x FROM unnest('{1,2}'::float8[]) x, generate_series(1, 5);
SELECT k FROM kmeans_fit('few', 'few', k => 4);
INSERT INTO few SELECT x FROM unnest('{11,12}'::float8[]) x;
SELECT new_version, churn FROM kmeans_refresh('few');
SELECT array_agg(cluster ORDER BY cluster) FROM kmeans_clusters('few');
-- a cluster that has lost its rows moves to others, and keeps its id
DELETE FROM few WHERE x = 1;
INSERT INTO few VALUES (13);
SELECT churn FROM kmeans_refresh('few');
SELECT cluster, centroid FROM kmeans_clusters('few');

-- however often the number of clusters changes: an id that is gone stays gone, a new one is above all others
CREATE TABLE tide AS SELECT j * 10 AS x FROM generate_series(1, 6) j, generate_series(1, 6);
SELECT k FROM kmeans_fit('tide', 'tide', k => 6);
SET client_min_messages = error;
DO $$
BEGIN
  FOR i IN 1 .. 20 LOOP
    DELETE FROM tide;
    INSERT INTO tide SELECT j * 10 + i * 7 % 15 FROM generate_series(1, CASE i % 4 WHEN 0 THEN 2 WHEN 1 THEN 6 WHEN 2 THEN 9 ELSE 4 END) j, generate_series(1, 6);
    PERFORM kmeans_refresh('tide', warm_start => i % 2 = 0);
  END LOOP;
END $$;
SET client_min_messages = warning;
CREATE TABLE tide_ids AS SELECT version, cluster FROM kmeans_versions v, LATERAL kmeans_clusters('tide@' || version) c WHERE model = 'tide';
SELECT max(version) AS versions, max(cluster) > 20 AS many, bool_and(n = last - first + 1) AS once,
  bool_and(first = 1 OR cluster > (SELECT max(e.cluster) FROM tide_ids e WHERE e.version < first)) AS above
FROM tide_ids JOIN (SELECT cluster, min(version) AS first, max(version) AS last, count(*) AS n FROM tide_ids GROUP BY cluster) i USING (cluster);
SELECT bool_and(shared = least(k, before)) AS all_used
FROM (SELECT n.version, count(*) AS k, count(o.cluster) AS shared, (SELECT count(*) FROM tide_ids b WHERE b.version = n.version - 1) AS before
  FROM tide_ids n LEFT JOIN tide_ids o ON o.cluster = n.cluster AND o.version = n.version - 1 WHERE n.version > 1 GROUP BY n.version) v;

-- a start that was given at the fit, and a category that appears after it
CREATE TABLE visits AS SELECT i % 3 * 10 + i % 7 * 0.1 AS spent, CASE i % 2 WHEN 0 THEN 'shop' ELSE 'web' END AS channel FROM generate_series(1, 300) i;
SELECT n_features FROM kmeans_fit('start', 'visits', ARRAY['spent', 'channel'], k => 3, init_centroids => ARRAY[[0, 1, 0], [10, 0, 1], [20, 0, 0]]);
INSERT INTO visits VALUES (11, 'app'), (12, 'app');
SELECT n_rows, churn FROM kmeans_refresh('start');
SELECT n_rows, churn FROM kmeans_refresh('start@1', warm_start => false);
SELECT n_rows, churn FROM kmeans_refresh('start', warm_start => false);
SELECT version, n_features, options -> 'init_centroids' AS start FROM kmeans_versions WHERE model = 'start' ORDER BY version;

-- what a query gives, as text
CREATE FUNCTION value_of(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  value text;
BEGIN
  EXECUTE query INTO value;
  RETURN value;
END $$;

-- every kind of model: churn is what the two versions say of the rows, whatever the fit did to count it
CREATE TABLE kinds AS
SELECT i AS id, i % 5 * 10 + sin(i) * 4 AS a, CASE WHEN i % 7 > 0 THEN i % 3 * 3 + cos(i * 3) * 2 END AS b, (i % 4)::float8 AS w,
  CASE i % 4 WHEN 0 THEN 'shop' WHEN 1 THEN 'web' ELSE 'phone' END AS channel
FROM generate_series(1, 3000) i;
CREATE TABLE kind (name text, columns text[], options text);
INSERT INTO kind VALUES
  ('plain', '{a,b}', ''),
  ('standard', '{a,b}', 'scale => ''standard'''),
  ('minmax', '{a,b}', 'scale => ''minmax'''),
  ('cosine', '{a,b}', 'metric => ''cosine'', scale => ''standard'''),
  ('weight', '{a,b}', 'weight => ''w'''),
  ('mean', '{a,b}', 'on_null => ''mean'', scale => ''standard'''),
  ('mean weight', '{a,b}', 'on_null => ''mean'', weight => ''w'''),
  ('category', '{a,channel}', 'scale => ''standard'''),
  ('one', '{a}', 'k => 1, metric => ''cosine'', scale => ''standard''');
SELECT name FROM kind, LATERAL (SELECT value_of(format('SELECT 1 FROM kmeans_fit(%L, ''kinds'', %L, tol => 0%s%s)', name, columns,
  CASE WHEN options NOT LIKE '%k => 1%' THEN ', k => 5' ELSE '' END, coalesce(', ' || nullif(options, ''), '')))) f ORDER BY name;
-- ... and where nothing has changed every centroid is found where it was
SELECT name, r.churn, r.max_centroid_shift < 1e-12 AS stays FROM kind, LATERAL kmeans_refresh(name, promote => false) r ORDER BY name;
UPDATE kinds SET a = a + id % 11, b = b + id % 5, channel = CASE WHEN id % 3 = 0 THEN 'app' ELSE channel END;
CREATE TABLE kind_churn AS SELECT name, columns, options, r.churn FROM kind, LATERAL kmeans_refresh(name) r;
SELECT name, r.churn > 0 AS moved, abs(r.churn - o.churn) < 1e-12 AS right
FROM kind_churn r,
LATERAL (SELECT value_of(format(
  'SELECT coalesce(sum(w) FILTER (WHERE one IS DISTINCT FROM two), 0) / sum(w) AS c FROM (SELECT %s AS w, kmeans_predict(%L, k) AS one, kmeans_predict(%L, k) AS two FROM refresh_test.kinds k) p WHERE two IS NOT NULL',
  CASE WHEN name LIKE '%weight' THEN 'w' ELSE '1.0::float8' END, name || '@1', name))::float8 AS churn) o
ORDER BY name;
-- another metric: a cosine cluster is where the mean of its rows is
SELECT 1 FROM kmeans_fit('place', 'SELECT a + 100 AS a, b FROM kinds WHERE b IS NOT NULL', k => 3, metric => 'cosine');
SELECT kmeans_set_label('place', cluster, 'was ' || cluster) FROM kmeans_clusters('place');
SELECT 1 FROM kmeans_fit('place', 'SELECT a + 100 AS a, b FROM kinds WHERE b IS NOT NULL', k => 3, replace => true);
WITH cost AS (SELECT a.cluster AS old_id, b.cluster AS new_id, (a.centroid[1] - b.centroid[1]) ^ 2 + (a.centroid[2] - b.centroid[2]) ^ 2 AS d2
  FROM kmeans_clusters('place@1') a, kmeans_clusters('place@2') b)
SELECT bool_and(b.label = 'was ' || b.cluster) AS labels,
  (SELECT sum(d2) FROM cost WHERE old_id = new_id) <= (SELECT min(x.d2 + y.d2 + z.d2) FROM cost x, cost y, cost z
    WHERE (x.old_id, y.old_id, z.old_id) = (0, 1, 2) AND x.new_id <> y.new_id AND x.new_id <> z.new_id AND y.new_id <> z.new_id) + 1e-9 AS nearest
FROM kmeans_clusters('place') b;
-- with workers
CREATE TABLE many AS SELECT i AS id, i % 5 * 10 + sin(i) * 4 AS a, i % 3 * 3 + cos(i * 3) * 2 AS b FROM generate_series(1, 200000) i;
SELECT 1 FROM kmeans_fit('many', 'many', k => 6, scale => 'standard');
UPDATE many SET a = a + id % 9;
SELECT kmeans_save('many serial', kmeans_get('many'));
CREATE TABLE many_churn AS SELECT churn FROM kmeans_refresh('many');
SET max_parallel_maintenance_workers = 0;
INSERT INTO many_churn SELECT churn FROM kmeans_refresh('many serial', 'many');
RESET max_parallel_maintenance_workers;
SELECT churn > 0 AS moved, abs(churn - (SELECT avg((kmeans_predict('many@1', many) <> kmeans_predict('many@2', many))::int) FROM many)) < 1e-12 AS right FROM many_churn;
SELECT (kmeans_get('many')::jsonb - 'n_iter') = (kmeans_get('many serial')::jsonb - 'n_iter') AS same;

-- another source: bound in the caller's search_path, stored with the version
CREATE SCHEMA refresh_other;
CREATE TABLE refresh_other.archive AS SELECT * FROM customers WHERE id <= 500;
SET search_path = refresh_test, refresh_other, :ext;
SELECT n_rows FROM kmeans_refresh('seg', 'SELECT * FROM archive WHERE id > 100');
SET search_path = refresh_test, :ext;
SELECT version, source FROM kmeans_versions WHERE model = 'seg' AND promoted;
SELECT n_rows FROM kmeans_refresh('seg');
-- ... a temporary one can be used once
CREATE TEMP TABLE now_and_here AS SELECT * FROM customers WHERE id <= 300;
SELECT n_rows FROM kmeans_refresh('seg', 'now_and_here');
SELECT error_of($$SELECT kmeans_refresh('seg')$$);
SELECT n_rows FROM kmeans_refresh('seg', 'customers');

-- what fails leaves the old version
SELECT version AS before FROM kmeans_models WHERE model = 'seg' \gset
ALTER TABLE customers RENAME TO clients;
SELECT error_of($$SELECT kmeans_refresh('seg')$$);
ALTER TABLE clients RENAME TO customers;
ALTER TABLE customers RENAME COLUMN visits TO calls;
SELECT error_of($$SELECT kmeans_refresh('seg')$$);
ALTER TABLE customers RENAME COLUMN calls TO visits;
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT * FROM customers LIMIT 3')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT * FROM customers LIMIT 0')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT id, spent FROM customers')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT spent, visits FROM customers')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT id, spent, ARRAY[1, 2] AS visits FROM customers')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT id, spent, visits > 0 AS visits FROM customers')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'SELECT 1; SELECT 2')$$);
SELECT error_of($$SELECT kmeans_refresh('seg', 'DELETE FROM customers')$$);
SELECT error_of($$SELECT kmeans_refresh('many serial@1')$$);
SELECT error_of($$SELECT kmeans_refresh('seg@99')$$);
SELECT error_of($$SELECT kmeans_refresh('sec')$$);
SELECT error_of($$SELECT kmeans_refresh(NULL)$$);
SELECT error_of($$SELECT kmeans_refresh('seg', warm_start => NULL)$$);
SELECT error_of($$SELECT kmeans_refresh('seg', promote => NULL)$$);
SELECT error_of($$SELECT kmeans_refresh('seg', max_churn => 1.5)$$);
SELECT error_of($$SELECT kmeans_refresh('seg', max_churn => 'NaN')$$);
BEGIN READ ONLY;
SELECT error_of($$SELECT kmeans_refresh('seg')$$);
COMMIT;
SELECT version = :before AS stands FROM kmeans_models WHERE model = 'seg';

-- a source that changes the model it is read for: once refreshes it itself, which would use an id twice
CREATE TABLE shared AS SELECT x FROM unnest(ARRAY[1, 2, 3, 4]) x;
CREATE FUNCTION again(statement text, OUT n bigint) LANGUAGE plpgsql AS $$
BEGIN
  SELECT versions INTO n FROM kmeans_models WHERE model = 'self';
  IF n = 1 THEN
    EXECUTE statement;
  END IF;
END $$;
ALTER FUNCTION again(text) SET search_path = refresh_test, :ext;
SELECT version FROM kmeans_fit('self', 'SELECT x::float8 FROM refresh_test.shared', ARRAY['x'], k => 2);
SELECT error_of(format('SELECT kmeans_refresh(''self'', %L)', format('SELECT x::float8 FROM refresh_test.shared, refresh_test.again(%L)', statement)))
FROM (VALUES ('SELECT kmeans_refresh(''self'')'), ('SELECT kmeans_refresh(''self'', promote => false)'),
             ('SELECT kmeans_set_label(''self'', 0, ''a'')'), ('SELECT kmeans_rename(''self'', ''other'')'), ('SELECT kmeans_drop(''self'')'),
             ('SELECT kmeans_models FROM kmeans_models')) s(statement);
-- ... what it has changed and taken back does not count
CREATE FUNCTION tried() RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  PERFORM kmeans_drop('self');
  RAISE division_by_zero;
EXCEPTION WHEN division_by_zero THEN
  RETURN 1;
END $$;
ALTER FUNCTION tried() SET search_path = refresh_test, :ext;
SELECT n_rows, churn FROM kmeans_refresh('self', 'SELECT x::float8 FROM shared, tried()');
SELECT model, versions FROM kmeans_models WHERE model = 'self';

-- hostile names
CREATE SCHEMA "ref ""% s'";
CREATE TABLE "ref ""% s'"."select $q$
%s" AS SELECT id, spent AS "a'; DROP TABLE x --", visits AS "Größe ""%d""" FROM customers;
SELECT n_rows FROM kmeans_fit(E'm '' "\n %s $q$ --', E'"ref ""% s''"."select $q$\n%s"', k => 3, id_column => 'id');
SELECT churn, n_rows FROM kmeans_refresh(E'm '' "\n %s $q$ --');
SELECT new_version FROM kmeans_refresh(E'm '' "\n %s $q$ --', E'SELECT * FROM "ref ""% s''"."select $q$\n%s" WHERE true');
SELECT new_version FROM kmeans_refresh(E'm '' "\n %s $q$ --');

-- 100 refreshes in one backend leave nothing behind
\set ECHO none
\o /dev/null
SELECT 'SELECT churn, kmeans_prune(''few'', 3) FROM kmeans_refresh(''few''); SELECT kmeans_predict(''few'', 1)' FROM generate_series(1, 30) \gexec
SELECT sum(total_bytes) AS bytes FROM pg_backend_memory_contexts \gset
SELECT 'SELECT churn, kmeans_prune(''few'', 3) FROM kmeans_refresh(''few''); SELECT kmeans_predict(''few'', 1)' FROM generate_series(1, 100) \gexec
\o
\set ECHO all
SELECT sum(total_bytes) - :bytes < 1024 * 1024 AS no_growth FROM pg_backend_memory_contexts;

SELECT bool_and(kmeans_drop(model)) FROM kmeans_models;
RESET search_path;
DROP SCHEMA refresh_test, refresh_other, "ref ""% s'" CASCADE;
