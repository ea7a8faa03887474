SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
SET extra_float_digits = 1;
SET timezone = 'UTC';

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

-- The course, first part: blobs
CREATE TABLE blobs AS
  SELECT id, x[1] AS x, x[2] AS y, b.y AS blob
  FROM kmeans_make_blobs(n_samples => 300, centers => 4, cluster_std => 0.70, seed => 42) b;
SELECT model, version, k, n_features, n_rows, n_skipped, round(inertia::numeric, 9) AS inertia,
       round(explained::numeric, 6) AS explained, converged, seed, elapsed > interval '0' AS took_time
FROM kmeans_fit('blobs', 'blobs', ARRAY['x', 'y'], k => 4);
SELECT cluster, size, round(share::numeric, 3) AS share, round(centroid[1]::numeric, 8) AS x, round(centroid[2]::numeric, 8) AS y
FROM kmeans_clusters('blobs');
-- every blob is one cluster
SELECT blob, kmeans_predict('blobs', x, y) AS cluster, count(*) FROM blobs GROUP BY 1, 2 ORDER BY 2;

-- other blobs with known answers
SELECT round(inertia::numeric, 6) AS inertia FROM kmeans_fit('blobs_100', 'SELECT x FROM kmeans_make_blobs(100, 3, seed => 42)', k => 3);
SELECT array_agg(size ORDER BY size) AS sizes FROM kmeans_clusters('blobs_100');
SELECT round(inertia::numeric, 6) AS inertia FROM kmeans_fit('blobs_06', 'SELECT x FROM kmeans_make_blobs(300, 4, cluster_std => 0.6, seed => 0)', k => 4);
SELECT array_agg(size ORDER BY size) AS sizes FROM kmeans_clusters('blobs_06');

-- The second part: Iris
CREATE TABLE iris AS SELECT * FROM kmeans_iris();
SELECT k, n_rows, round(inertia::numeric, 12) AS inertia, abs(inertia - 78.851441426146) < 1e-9 AS right,
       round(explained::numeric, 3) AS explained, converged
FROM kmeans_fit('iris', 'iris', k => 3);
SELECT cluster, size, round(inertia::numeric, 6) AS inertia, centroid FROM kmeans_clusters('iris');
SELECT species, kmeans_predict('iris', i) AS cluster, count(*) FROM iris i GROUP BY 1, 2 ORDER BY 1, 2;

-- k from 1 to 5 as scikit-learn and R have it
SELECT f.k, round(f.inertia::numeric, 6) AS inertia,
       abs(f.inertia - (ARRAY[681.3706, 152.3479517603579, 78.851441426146, 57.22847321428572, 46.446182051282065])[f.k]) < 1e-6 AS right,
       f.explained >= 0 AS explained
FROM generate_series(1, 5) n, kmeans_fit('iris_' || n, 'SELECT sepal_length, sepal_width, petal_length, petal_width FROM iris', '{sepal_length,sepal_width,petal_length,petal_width}', n) f;
SELECT k, (SELECT array_agg(size ORDER BY size) FROM kmeans_clusters('iris_' || k)) AS sizes FROM generate_series(1, 5) k;
SELECT explained FROM kmeans_models WHERE model = 'iris_1';

-- scaled: the z-scored reference; minmax and cosine by their definitions
SELECT round(inertia::numeric, 6) AS inertia FROM kmeans_fit('iris_z', 'iris', k => 3, scale => 'standard');
SELECT array_agg(size ORDER BY size) FROM kmeans_clusters('iris_z');
SELECT round(inertia::numeric, 6) AS inertia FROM kmeans_fit('iris_minmax', 'iris', k => 3, scale => 'minmax');
SELECT abs(inertia - (SELECT sum(kmeans_distance('iris_minmax', i) ^ 2) FROM iris i)) < 1e-9 AS right FROM kmeans_models WHERE model = 'iris_minmax';
SELECT cluster, count(*),
       bool_and(abs(kmeans_distance('iris_minmax', i) -
         (SELECT sqrt(sum((v - c.scaled_value) ^ 2))
          FROM (VALUES ('sepal_length', (sepal_length - 4.3) / 3.6), ('sepal_width', (sepal_width - 2.0) / 2.4),
                       ('petal_length', (petal_length - 1.0) / 5.9), ('petal_width', (petal_width - 0.1) / 2.4)) AS f(feature, v)
          JOIN kmeans_centroids('iris_minmax') c USING (feature) WHERE c.cluster = p.cluster)) < 1e-9) AS by_hand
FROM iris i, LATERAL (SELECT kmeans_predict('iris_minmax', i) AS cluster) p GROUP BY 1 ORDER BY 1;
SELECT round(inertia::numeric, 9) AS inertia, round(explained::numeric, 6) AS explained
FROM kmeans_fit('iris_cosine', 'iris', k => 3, metric => 'cosine');
SELECT cluster, round(sum(scaled_value ^ 2)::numeric, 12) AS length FROM kmeans_centroids('iris_cosine') GROUP BY 1 ORDER BY 1;
SELECT sum(size), round((SELECT sum(kmeans_distance('iris_cosine', i) ^ 2) FROM iris i)::numeric, 9) AS inertia
FROM kmeans_clusters('iris_cosine');

-- From given centroids, tol 0: the passes, sizes and inertia of scikit-learn
SELECT n_iter, round(inertia::numeric, 12) AS inertia, converged
FROM kmeans_fit('start', 'iris', k => 3, tol => 0,
  init_centroids => (SELECT array_agg(ARRAY[sepal_length, sepal_width, petal_length, petal_width] ORDER BY id) FROM iris WHERE id IN (1, 51, 101)));
SELECT n_iter, round(inertia::numeric, 12) AS inertia, converged
FROM kmeans_fit('start', 'iris', k => 3, tol => 0, replace => true,
  init_centroids => (SELECT array_agg(ARRAY[sepal_length, sepal_width, petal_length, petal_width] ORDER BY id) FROM iris WHERE id IN (1, 2, 3)));
SELECT array_agg(size ORDER BY size) FROM kmeans_clusters('start');

-- The log: one row per pass, inertia never rises, the last one is the model's
SELECT run, iteration, round(inertia::numeric, 6) AS inertia, reassigned, best FROM kmeans_iterations('start');
SELECT bool_and(inertia <= before OR before IS NULL) AS never_rises, count(DISTINCT run) AS runs,
       count(DISTINCT run) FILTER (WHERE best) AS best_runs,
       min(inertia) = (SELECT inertia FROM kmeans_models WHERE model = 'iris') AS best_is_model
FROM (SELECT *, lag(inertia) OVER (PARTITION BY run ORDER BY iteration) AS before FROM kmeans_iterations('iris')) i;

-- The same answer for any order of rows, for a table or an equivalent query
CREATE TABLE shuffled AS SELECT * FROM iris ORDER BY hashtext(id::text);
SELECT k FROM kmeans_fit('order', 'shuffled', k => 3);
SELECT k FROM kmeans_fit('query', 'SELECT sepal_length, sepal_width, petal_length, petal_width FROM iris ORDER BY id DESC', k => 3);
SELECT m, kmeans_get(m)::jsonb = kmeans_get('iris')::jsonb AS same FROM unnest(ARRAY['order', 'query']) m;
-- another seed may go another way, the same seed never; NULL draws one that is stored
SELECT seed >= 0 AS drawn, seed AS drawn_seed FROM kmeans_fit('drawn', 'iris', k => 3, seed => NULL) \gset
SELECT :'drawn' AS drawn, seed = :drawn_seed AS stored, (options->>'seed')::bigint = seed AS in_options FROM kmeans_versions WHERE model = 'drawn';

-- Quality on small sets: the mean over seeds within 0.5 % of the best known
SELECT b.k, avg(f.inertia) / min(b.best) < 1.005 AS good
FROM (VALUES (2, 152.3479517603579), (3, 78.851441426146), (4, 57.22847321428572), (5, 46.446182051282065)) AS b(k, best),
     generate_series(1, 20) s,
     kmeans_fit('quality', 'iris', k => b.k, seed => s, replace => true, columns => '{sepal_length,sepal_width,petal_length,petal_width}') f
GROUP BY b.k ORDER BY b.k;

-- init, n_init, max_iter
SELECT m.init, f.converged FROM (VALUES ('k-means++', NULL), ('k-means||', NULL), ('random', NULL), ('auto', NULL), ('random', 3), ('k-means||', 3), ('auto', 2)) AS m(init, n_init),
  kmeans_fit('init', 'iris', k => 3, init => m.init, n_init => m.n_init::int, replace => true) f;
SELECT version, (SELECT count(DISTINCT run) FROM kmeans_iterations('init@' || version)) AS runs, options->>'init' AS init FROM kmeans_versions WHERE model = 'init' ORDER BY version;
SELECT n_iter, converged FROM kmeans_fit('short', 'iris', k => 3, max_iter => 2, n_init => 1);
SELECT round(sum(inertia)::numeric, 9) = round((SELECT inertia FROM kmeans_models WHERE model = 'short')::numeric, 9) AS consistent, sum(size) FROM kmeans_clusters('short');

-- verbose
SET client_min_messages = notice;
SELECT n_iter FROM kmeans_fit('verbose', 'SELECT x::float8 FROM generate_series(1, 10) x', k => 2, init_centroids => '{{1},{2}}', verbose => true);

-- Weights count as copies
CREATE TABLE weighted AS SELECT id % 7 AS w, * FROM iris;
CREATE TABLE copies AS SELECT i.* FROM iris i, generate_series(1, i.id % 7);
SELECT f.n_rows, g.n_rows, f.inertia = g.inertia AS inertia, f.explained = g.explained AS explained, f.n_iter = g.n_iter AS passes
FROM kmeans_fit('weighted', 'weighted', '{sepal_length,sepal_width,petal_length,petal_width}', k => 3, weight => 'w', scale => 'standard') f,
     kmeans_fit('copies', 'copies', k => 3, scale => 'standard') g;
SELECT w.size, w.weight, c.size AS copies, w.centroid = c.centroid AS centroid, w.radius_rms = c.radius_rms AS radius FROM kmeans_clusters('weighted') w JOIN kmeans_clusters('copies') c USING (cluster) ORDER BY cluster;
-- a NULL weight skips the row, weight 0 is labelled but pulls nothing
SELECT n_rows, n_skipped, k FROM kmeans_fit('w0', 'SELECT x::float8 AS x, CASE WHEN x < 90 THEN 1 WHEN x < 95 THEN 0 END AS w FROM generate_series(1, 99) x', k => 2, weight => 'w');
SELECT size, weight, centroid FROM kmeans_clusters('w0');
-- and has no part in a scale
SELECT abs(inertia - 1.0 / 9) < 1e-15 AS inertia FROM kmeans_fit('w0_scaled', 'VALUES (0.0::float8, 1), (1, 1), (2, 1), (3, 1), (100, 0)', k => 2, scale => 'minmax', weight => 'column2');
SELECT kmeans_get('w0_scaled')::jsonb->'scale' AS scale;
-- fractional weights
SELECT inertia FROM kmeans_fit('frac', 'VALUES (0.0, 0.5), (2.0, 0.5), (10.0, 0.25), (12.0, 0.0)', k => 2, weight => 'column2', init_centroids => '{{0},{10}}');
SELECT size, weight, centroid, radius_max FROM kmeans_clusters('frac');

-- NULL: skip, error, mean
CREATE TABLE holes (a float8, b float8);
INSERT INTO holes SELECT CASE WHEN i % 5 = 0 THEN NULL ELSE i % 10 END, CASE WHEN i % 7 = 0 THEN NULL ELSE i / 50 END FROM generate_series(1, 100) i;
SELECT n_rows, n_skipped FROM kmeans_fit('holes', 'holes', k => 2);
SELECT error_of($$SELECT kmeans_fit('holes2', 'holes', k => 2, on_null => 'error')$$);
SELECT n_rows, n_skipped FROM kmeans_fit('holes_mean', 'holes', k => 2, on_null => 'mean');
SELECT kmeans_predict('holes_mean', NULL::float8, 1::float8) IS NOT NULL AS filled, kmeans_predict('holes', NULL::float8, 1::float8) IS NULL AS not_filled;
SELECT abs(((kmeans_get('holes_mean')::jsonb)->'fill'->>0)::float8 - avg(a)) < 1e-12 AS mean FROM holes;
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT 1::float8 AS a, NULL::float8 AS b FROM generate_series(1, 5)', k => 1, on_null => 'mean')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT NULL::float8[] AS a FROM generate_series(1, 5)', k => 1, on_null => 'mean')$$);
-- a NULL array before its length is known
SELECT n_rows, n_skipped, n_features FROM kmeans_fit('late', $$VALUES (NULL, 1), (NULL, 2), ('{1,2}'::float8[], 3), ('{3,4}', NULL)$$, k => 2, on_null => 'mean');
SELECT error_of($$SELECT kmeans_fit('late2', 'VALUES (NULL, 1), (''{1,2}''::float8[], 3)', k => 2, on_null => 'error')$$);
-- a row that is skipped says nothing about it, wherever it comes
SELECT n_rows, n_skipped FROM kmeans_fit('late3', $$VALUES ('{1,2,3}'::float8[], NULL), ('{1,2}', 1), ('{3,4}', 2)$$, k => 2);
SELECT n_rows, n_skipped FROM kmeans_fit('late4', $$VALUES ('{1,2,3}'::float8[], NULL), ('{1,2}', 1), ('{3,4}', 2)$$, '{column1}', k => 2, weight => 'column2', on_null => 'error');
-- many rows that wait, in memory and in files
SELECT n_rows FROM kmeans_fit('late5', 'SELECT CASE WHEN i > 5000 THEN ARRAY[i, 1] END AS a, ARRAY[i, i % 7] AS b FROM generate_series(1, 6000) i', k => 2, on_null => 'mean');
SET work_mem = '64kB';
SELECT n_rows FROM kmeans_fit('late6', 'SELECT CASE WHEN i > 5000 THEN ARRAY[i, 1] END AS a, ARRAY[i, i % 7] AS b FROM generate_series(1, 6000) i', k => 2, on_null => 'mean');
RESET work_mem;
SELECT kmeans_get('late5')::text = kmeans_get('late6')::text AS same;

-- Rows of length 0 have no cosine
SELECT n_rows, n_skipped FROM kmeans_fit('zero', 'VALUES (0.0, 0.0), (1.0, 1.0), (2.0, 2.1), (-1.0, 1.0)', k => 2, metric => 'cosine');
SELECT error_of($$SELECT kmeans_fit('zero2', 'VALUES (0.0, 0.0), (1.0, 1.0), (2.0, 2.1), (-1.0, 1.0)', k => 2, metric => 'cosine', on_null => 'error')$$);
-- which may take all weight along
SELECT error_of($$SELECT kmeans_fit('zero2', 'SELECT * FROM (VALUES (0.0, 0.0, 1), (1.0, 1.0, 0), (2.0, 2.1, 0)) v(x, y, w)', k => 2, metric => 'cosine', weight => 'w')$$);

-- What the data can be like
-- k = 1, k = n, one row
SELECT k, n_rows, inertia, explained FROM kmeans_fit('one', 'VALUES (3.0, 4.0)', k => 1);
SELECT k, n_rows, inertia, explained FROM kmeans_fit('all', 'SELECT x::float8 FROM generate_series(1, 20) x', k => 20);
-- fewer distinct rows than k
SELECT k, inertia FROM kmeans_fit('few', 'SELECT (x % 3)::float8 AS x FROM generate_series(1, 30) x', k => 5);
SELECT cluster, size, centroid FROM kmeans_clusters('few');
SELECT k FROM kmeans_fit('few_given', 'SELECT (x % 3)::float8 AS x FROM generate_series(1, 30) x', k => 5, init_centroids => '{{1},{1},{1},{7},{8}}');
SELECT k FROM kmeans_fit('few_random', 'SELECT (x % 3)::float8 AS x FROM generate_series(1, 30) x', k => 5, init => 'random');
-- an empty cluster moves to the farthest row
SELECT k, inertia FROM kmeans_fit('empty', 'VALUES (0.0), (1.0), (10.0), (11.0), (50.0)', k => 3, init_centroids => '{{0},{1000},{2000}}');
SELECT size, centroid FROM kmeans_clusters('empty');
-- exact ties go to the lowest id
SELECT inertia FROM kmeans_fit('tie', 'VALUES (0.0), (0.0), (2.0), (4.0), (4.0)', k => 2, init_centroids => '{{0},{4}}', max_iter => 1);
SELECT size, centroid FROM kmeans_clusters('tie');
-- epoch seconds with a spread of seconds
SELECT k, round(inertia::numeric, 6) AS inertia
FROM kmeans_fit('epoch', $$SELECT timestamptz '2023-11-14 22:13:20Z' + (i % 3) * interval '1 minute' + i * interval '1 millisecond' AS t FROM generate_series(0, 299) i$$, k => 3);
SELECT size FROM kmeans_clusters('epoch');
-- 1e-10 beside 1e12 keeps its digits
SELECT k FROM kmeans_fit('wide', 'VALUES (1e-10::float8), (2e-10), (3e-10), (1e12), (1e12 + 2)', k => 2);
SELECT size, centroid FROM kmeans_clusters('wide');
-- subnormal values; 1e300 with scaling
SELECT k >= 1 AS ok FROM kmeans_fit('tiny', 'VALUES (5e-324::float8), (1e-320), (1.0)', k => 2);
SELECT k, n_rows FROM kmeans_fit('huge', 'VALUES (1e300::float8), (1.1e300), (-1e300), (-1.1e300)', k => 2, scale => 'standard');
SELECT size FROM kmeans_clusters('huge');
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (1e200::float8, 1.0), (2, 2.0)', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (1e300::float8), (-1e300)', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (1.7e308::float8), (-1.7e308)', k => 1, scale => 'minmax')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT x::float8 * 1e153 FROM generate_series(-40, 40) x', k => 2)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT (x % 3 - 1) * 1e153::float8 AS x FROM generate_series(1, 3000) x', k => 2)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (1.0::float8), (''NaN'')', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (1.0::float8), (''-Infinity'')', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (1.0), (''NaN''::numeric)', k => 1)$$);

-- Columns of every type
SELECT n_features, k FROM kmeans_fit('types',
  $$SELECT i::int2 AS a, i::int4 AS b, i::int8 AS c, i::float4 AS d, i::float8 AS e, i::numeric AS f, i % 2 = 0 AS g,
           date '1970-01-01' + i AS h, timestamp '1970-01-01' + i * interval '1 second' AS i, timestamptz '1970-01-01Z' + i * interval '1 second' AS j,
           i * interval '1 second' AS k, ARRAY[i, i + 1]::int[] AS l, ARRAY[i, i, i]::real[] AS m, ARRAY[i]::numeric[] AS n
    FROM generate_series(1, 100) i$$, k => 1, scale => 'none');
SELECT feature, value FROM kmeans_centroids('types');
SELECT columns, id_column, metric, scale FROM kmeans_models WHERE model = 'types';

-- Wide rows: 1,600 columns (of a query), an array of 16,000
SELECT n_features, k FROM kmeans_fit('columns_1600', (SELECT 'SELECT ' || string_agg(format('(i + %s)::float8 AS c%s', j, j), ', ') || ' FROM generate_series(1, 20) i' FROM generate_series(1, 1600) j), k => 2);
SELECT n_features, k FROM kmeans_fit('array_16000', 'SELECT array_agg((i * 16000 + j)::float8 ORDER BY j) AS x FROM generate_series(1, 20) i, generate_series(1, 16000) j GROUP BY i', k => 2);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT array_fill(1.0::float8, ARRAY[16001]) AS x FROM generate_series(1, 3)', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT array_fill(1.0::float8, ARRAY[16000]) AS x FROM generate_series(1, 3)', k => 251)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (''{1,2}''::float8[]), (''{1,2,3}'')', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (''{1,2}''::float8[]), (''{1,NULL}'')', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (''{}''::float8[])', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'VALUES (''{{1,2}}''::float8[])', k => 1)$$);

-- extreme values in rows that do not count, and where scaling overflows
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT CASE WHEN i = 0 THEN 1e200 ELSE i END AS x, i AS w FROM generate_series(0, 20) i', '{x}', k => 2, weight => 'w')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT CASE WHEN i = 1 THEN 1.7e308 ELSE -1.7e308 END AS x FROM generate_series(1, 10) i', k => 2, scale => 'standard')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT CASE WHEN i = 1 THEN 1.7e308 ELSE -1.7e308 END AS x, i AS y FROM generate_series(1, 10) i', k => 2, scale => 'standard', metric => 'cosine')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT i::float8 AS x, 1e308::float8 AS w FROM generate_series(1, 10) i', '{x}', k => 2, weight => 'w')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT i::float8 AS x, 5e-324::float8 AS w FROM generate_series(1, 10) i', '{x}', k => 2, weight => 'w')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT 1e160::float8 AS x, 1e-200::float8 AS w FROM generate_series(1, 10) i', '{x}', k => 2, weight => 'w')$$);

-- Notices on scales
SELECT k FROM kmeans_fit('scales', 'SELECT i::float8 AS frequency, (i * 30)::float8 AS avg_order, 1 AS constant FROM generate_series(1, 100) i', k => 2);
SELECT k FROM kmeans_fit('scaled', 'SELECT i::float8 AS frequency, (i * 30)::float8 AS avg_order, 1 AS constant FROM generate_series(1, 100) i', k => 2, scale => 'standard');

SELECT k FROM kmeans_fit('constants', 'SELECT i::float8 AS x, 1 AS a, 2 AS b, 3 AS c, 4 AS d, 5 AS e, 6 AS f FROM generate_series(1, 100) i', k => 2, scale => 'standard');

-- replace: versions, and ids that stay with their clusters
SELECT version FROM kmeans_fit('again', 'VALUES (0.0), (1.0), (100.0), (101.0)', k => 2);
SELECT kmeans_set_label('again', 0, 'low');
SELECT kmeans_set_label('again', 1, 'high');
SELECT version FROM kmeans_fit('again', 'VALUES (200.0), (201.0), (100.0), (101.0)', k => 2, replace => true);
SELECT cluster, label, centroid FROM kmeans_clusters('again');
SELECT version, k FROM kmeans_fit('again', 'VALUES (200.0), (201.0), (99.0), (101.0), (0.0)', k => 3, replace => true);
SELECT cluster, label, centroid FROM kmeans_clusters('again');
SELECT cluster, kmeans_label('again', centroid), kmeans_predict('again', centroid), kmeans_transform('again', centroid) FROM kmeans_clusters('again');
SELECT version FROM kmeans_fit('again', 'VALUES (1.0, 2.0), (3.0, 4.0)', k => 1, replace => true);
SELECT cluster, label FROM kmeans_clusters('again');
SELECT cluster, label FROM kmeans_clusters('again@3');
SELECT version, promoted, k, n_features FROM kmeans_versions WHERE model = 'again' ORDER BY version;
-- with other features and the same columns again
SELECT error_of($$SELECT kmeans_fit('again', 'VALUES (1.0)', k => 1)$$);

-- no id is used twice, and they do not wrap around
SELECT kmeans_save('last_id', ((kmeans_get('again')::jsonb) || '{"ids": [2147483647]}')::kmeans_model);
SELECT error_of($$SELECT kmeans_fit('last_id', 'VALUES (1.0, 2.0), (3.0, 4.0)', k => 2, replace => true)$$);

-- ids from very many clusters: distances between clusters are not kept
WITH n AS (SELECT 65535 AS k), z AS (SELECT jsonb_agg(0) AS zeros, jsonb_agg(1) AS ones, jsonb_agg(ARRAY[i]) AS rows, jsonb_agg(ARRAY[0]) AS spread, jsonb_agg(NULL::text) AS labels FROM n, generate_series(1, k) i)
SELECT kmeans_save('very_many', (jsonb_set(kmeans_get('empty')::jsonb, '{columns,0,name}', '"x"') || jsonb_build_object('features', '["x"]'::jsonb, 'k', 65535, 'n_rows', 65535, 'centroids', rows, 'sizes', ones, 'weights', ones, 'cluster_inertia', zeros,
  'radius_rms', zeros, 'radius_max', zeros, 'mean', rows, 'stddev', spread, 'min', rows, 'max', rows, 'labels', labels, 'inertia', 0))::kmeans_model) FROM z;
SELECT k FROM kmeans_fit('very_many', 'SELECT x * 30::float8 AS x FROM generate_series(1, 2049) x', k => 2049, init => 'random', n_init => 1, replace => true);
SELECT count(*), bool_and(cluster = centroid[1] - 1) AS same FROM kmeans_clusters('very_many');

-- save and get
SELECT kmeans_save('saved', kmeans_get('iris'));
SELECT kmeans_get('saved')::text = kmeans_get('iris')::text AS same;
SELECT error_of($$SELECT kmeans_save('saved', kmeans_get('iris'))$$);
SELECT kmeans_save('saved', kmeans_get('blobs'), replace => true);
SELECT error_of($$SELECT kmeans_save('saved', NULL)$$);
SELECT error_of($$SELECT kmeans_save('a@b', kmeans_get('iris'))$$);
SELECT error_of($$SELECT kmeans_get('nosuch')$$);
SELECT error_of($$SELECT kmeans_get('saved@9')$$);

-- Arguments
SELECT error_of($$SELECT kmeans_fit(NULL, 'iris')$$);
SELECT error_of($$SELECT kmeans_fit('h', NULL)$$);
SELECT error_of(format('SELECT kmeans_fit(%L, %L, k => 3, %s)', 'h', 'iris', argument))
FROM (VALUES ('init => NULL'), ('max_iter => NULL'), ('tol => NULL'), ('metric => NULL'), ('scale => NULL'), ('on_null => NULL'), ('replace => NULL'), ('verbose => NULL'),
             ('init => ''best'''), ('metric => ''manhattan'''), ('scale => ''robust'''), ('on_null => ''zero'''),
             ('n_init => 0'), ('max_iter => 0'), ('tol => -1'), ('tol => ''NaN'''),
             ('columns => ''{}'''), ('columns => ''{sepal_length,NULL}'''), ('columns => ''{sepal_length,sepal_length}'''), ('columns => ''{{sepal_length},{sepal_width}}'''),
             ('columns => ''{sepal_length,sepal_area}'''), ('columns => ''{"sepal_length * 2"}'''), ('columns => ''{id}'', id_column => ''id'''),
             ('weight => ''nosuch'''), ('weight => ''species'''), ('id_column => ''nosuch'''),
             ('init_centroids => ''{1,2,3}'''), ('init_centroids => ''{{1,2,3},{1,2,3},{1,2,3}}'''), ('init_centroids => ''{{1,2,3,4},{1,2,3,4}}'''),
             ('init_centroids => ''{{1,2,3,4},{1,2,3,4},{1,2,3,NULL}}'''), ('init_centroids => ''{{1,2,3,4},{1,2,3,4},{1,2,3,Infinity}}'''),
             ('init_centroids => ''{{1,2,3,4},{2,2,3,4},{3,2,3,4}}'', n_init => 2'), ('init_centroids => ''{{1,2,3,4},{2,2,3,4},{3,2,3,4}}'', init => ''random'''),
             ('init_centroids => ''{{1,2,3,4},{2,2,3,4},{0,0,0,0}}'', metric => ''cosine'''), ('init_centroids => ''{{1,2,3,4},{2,2,3,4},{1e200,0,0,0}}''')) AS a(argument);
-- more names than anybody would compare with each other
SET statement_timeout = '20s';
SELECT error_of($$SELECT kmeans_fit('h', 'iris', (SELECT array_agg('c' || i) FROM generate_series(1, 300000) i))$$);
RESET statement_timeout;
SELECT error_of($$SELECT kmeans_fit('h', 'iris', k => NULL)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'iris', k => 0)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'iris', k => 65536)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'iris', k => 151)$$);
SELECT error_of($$SELECT kmeans_fit('', 'iris')$$);
SELECT error_of($$SELECT kmeans_fit(repeat('x', 64), 'iris')$$);
SELECT error_of($$SELECT kmeans_fit('a@1', 'iris')$$);
SELECT error_of($$SELECT kmeans_fit('iris', 'iris')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT x::float8, -1 AS w FROM generate_series(1, 5) x', k => 1, weight => 'w')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT x::float8, 0 AS w FROM generate_series(1, 5) x', k => 1, weight => 'w')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT x::float8, ''NaN''::float8 AS w FROM generate_series(1, 5) x', k => 1, weight => 'w')$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT 1.0 AS x WHERE false', k => 1)$$);
SELECT error_of($$SELECT kmeans_fit('h', 'SELECT NULL::float8 AS x FROM generate_series(1, 5)', k => 1)$$);
BEGIN READ ONLY;
SELECT kmeans_fit('h', 'iris', k => 3);
ROLLBACK;
BEGIN READ ONLY;
SELECT kmeans_save('h', NULL);
ROLLBACK;
SELECT count(*) FROM kmeans_models WHERE model = 'h';

-- names as wild as SQL allows
CREATE TABLE "Wild ""Table"" %s $q$" ("a ""b""" float8, "select" float8, "c'd
e" float8);
INSERT INTO "Wild ""Table"" %s $q$" SELECT i, i % 7, i % 3 FROM generate_series(1, 50) i;
SELECT model, n_features FROM kmeans_fit('it''s "wild" %s', '"Wild ""Table"" %s $q$"', k => 2);
SELECT feature FROM kmeans_centroids('it''s "wild" %s') WHERE cluster = 0;
SELECT count(*), count(DISTINCT kmeans_predict('it''s "wild" %s', w)) FROM "Wild ""Table"" %s $q$" w;

SET client_min_messages = warning;
SELECT count(kmeans_drop(model)) > 0 AS dropped FROM (SELECT model FROM kmeans_models OFFSET 0) m;
DROP TABLE blobs, iris, shuffled, weighted, copies, holes, "Wild ""Table"" %s $q$";
DROP FUNCTION error_of;
