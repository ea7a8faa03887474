SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
SET extra_float_digits = 1;

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;
CREATE TABLE iris AS SELECT * FROM kmeans_iris();

-- What scikit-learn 1.2.1 says about Iris, by k and by scale: silhouette, Davies-Bouldin, Calinski-Harabasz
CREATE TABLE known (model text, k int, scale text, silhouette float8, davies_bouldin float8, calinski_harabasz float8);
INSERT INTO known VALUES
  ('judge 2', 2, 'none', 0.681046, 0.404293, 513.9245),
  ('judge 3', 3, 'none', 0.552819, 0.661972, 561.6278),
  ('judge 4', 4, 'none', 0.498051, 0.780307, 530.7658),
  ('judge 5', 5, 'none', 0.488749, 0.805965, 495.5415),
  ('judge z', 3, 'standard', 0.459948, 0.833595, 241.9044);
SET client_min_messages = warning;
SELECT count(kmeans_fit(model, 'iris', k => k, scale => scale)) AS models FROM known;
RESET client_min_messages;
SELECT model, n_rows, silhouette_rows, round(e.inertia::numeric, 6) AS inertia, round(e.explained::numeric, 6) AS explained,
       abs(e.silhouette - known.silhouette) < 1e-6 AS silhouette,
       abs(e.davies_bouldin - known.davies_bouldin) < 1e-6 AS davies_bouldin,
       abs(e.calinski_harabasz - known.calinski_harabasz) < 1e-4 AS calinski_harabasz
FROM known, kmeans_evaluate(model) e ORDER BY model;
-- to the last digits, at k = 3: 78.851441426146, 0.5256762761743067, 0.88427525134465, 0.5528190123564095, 0.6619715465007465, 561.62775662962
SELECT round(inertia::numeric, 10) AS inertia, round(mean_squared_distance::numeric, 12) AS mean_squared_distance,
       round(explained::numeric, 12) AS explained, round(silhouette::numeric, 12) AS silhouette, silhouette_rows,
       round(simplified_silhouette::numeric, 12) AS simplified, round(davies_bouldin::numeric, 12) AS davies_bouldin,
       round(calinski_harabasz::numeric, 9) AS calinski_harabasz
FROM kmeans_evaluate(model => 'judge 3', source => NULL, sample_rows => 10000, seed => 0);
-- of a fit's own rows what the fit says; the simplified silhouette is the mean confidence
SELECT e.inertia = v.inertia AS inertia, e.explained = v.explained AS explained,
       abs(e.simplified_silhouette - (SELECT avg(n.confidence) FROM iris i, kmeans_nearest('judge 3', i) n)) < 1e-14 AS simplified
FROM kmeans_evaluate('judge 3') e, kmeans_versions v WHERE v.model = 'judge 3';
-- a value, other rows, rows with a NULL, a row, no usable row
SELECT e = f AS same FROM kmeans_evaluate('judge 3') e, kmeans_evaluate(kmeans_get('judge 3'), 'iris') f;
SELECT n_rows, silhouette_rows, round(silhouette::numeric, 10) AS silhouette, round(davies_bouldin::numeric, 10) AS davies_bouldin, round(calinski_harabasz::numeric, 8) AS calinski_harabasz
FROM kmeans_evaluate('judge 3', 'SELECT * FROM iris WHERE id % 3 = 0');
SELECT n_rows, round(silhouette::numeric, 10) AS silhouette
FROM kmeans_evaluate('judge 3', 'SELECT * FROM iris WHERE id % 3 = 0 UNION ALL SELECT 0, NULL, 1, 1, 1, NULL');
SELECT * FROM kmeans_evaluate('judge 3', 'SELECT * FROM iris WHERE id = 1');
SELECT * FROM kmeans_evaluate('judge 3', 'SELECT id, NULL::float8 AS sepal_length, sepal_width, petal_length, petal_width FROM iris');
SELECT silhouette, simplified_silhouette, davies_bouldin, calinski_harabasz, e.inertia > 10 AS inertia FROM kmeans_evaluate('judge 3', 'SELECT * FROM iris WHERE id <= 50') e;

-- one cluster has nothing to be compared with
SELECT k, inertia FROM kmeans_fit('judge 1', 'iris', '{petal_length,petal_width}', k => 1);
SELECT inertia, explained, silhouette, silhouette_rows, simplified_silhouette, davies_bouldin, calinski_harabasz FROM kmeans_evaluate('judge 1');

-- cosine: unit rows; scikit-learn on the same rows and labels
SELECT k FROM kmeans_fit('judge cosine', 'iris', k => 3, metric => 'cosine');
SELECT round(e.silhouette::numeric, 8) AS silhouette, round(davies_bouldin::numeric, 8) AS davies_bouldin, round(calinski_harabasz::numeric, 6) AS calinski_harabasz,
       e.inertia = v.inertia AS inertia, abs(e.explained - v.explained) < 1e-12 AS explained
FROM kmeans_evaluate('judge cosine') e, kmeans_versions v WHERE v.model = 'judge cosine';

-- weights count as copies, but not in the silhouette
CREATE TABLE weighted AS SELECT *, id % 3 AS w FROM iris;
SELECT k FROM kmeans_fit('judge w', 'weighted', '{sepal_length,sepal_width,petal_length,petal_width}', k => 3, weight => 'w');
SELECT k FROM kmeans_fit('judge copies', 'SELECT i.* FROM weighted i, generate_series(1, w)', '{sepal_length,sepal_width,petal_length,petal_width}', k => 3);
SELECT w.n_rows, c.n_rows AS copies, w.inertia = c.inertia AS inertia, w.mean_squared_distance = c.mean_squared_distance AS mean_squared, w.explained = c.explained AS explained,
       w.davies_bouldin = c.davies_bouldin AS davies_bouldin, w.calinski_harabasz = c.calinski_harabasz AS calinski_harabasz,
       w.silhouette_rows, w.silhouette = (SELECT silhouette FROM kmeans_evaluate('judge w', 'SELECT *, 1 AS w FROM iris')) AS silhouette
FROM kmeans_evaluate('judge w') w, kmeans_evaluate('judge copies') c;

-- the sample: distinct rows with their copies, the same in any order of rows, another for another seed
CREATE TABLE many AS SELECT i % 3000 AS a, (i % 3000) % 7 AS b FROM generate_series(1, 9000) i;
SELECT k FROM kmeans_fit('judge many', 'many', k => 4, scale => 'standard');
SELECT n_rows, silhouette_rows, round(silhouette::numeric, 6) AS silhouette FROM kmeans_evaluate('judge many');
SELECT n_rows, silhouette_rows, round(silhouette::numeric, 2) AS silhouette FROM kmeans_evaluate('judge many', sample_rows => 500);
SELECT e = f AS same, e.silhouette <> g.silhouette AS other
FROM kmeans_evaluate('judge many', sample_rows => 100) e, kmeans_evaluate('judge many', 'SELECT * FROM many ORDER BY b DESC, a', 100) f,
     kmeans_evaluate('judge many', sample_rows => 100, seed => 1) g;

-- kmeans_choose_k
\x
SELECT k, round(inertia::numeric, 6) AS inertia, round(explained::numeric, 6) AS explained, round(silhouette::numeric, 6) AS silhouette, round(davies_bouldin::numeric, 6) AS davies_bouldin,
       round(calinski_harabasz::numeric, 4) AS calinski_harabasz, round(elbow::numeric, 4) AS elbow, round(stability::numeric, 4) AS stability, smallest_cluster, best_by
FROM kmeans_choose_k('iris', '{sepal_length,sepal_width,petal_length,petal_width}', k_max => 5);
\x
-- winners on 2..10 and on 1..10; one cluster never wins; no other k has what k = 1 lacks
SELECT array_agg(k ORDER BY k) FILTER (WHERE best_by <> '{}') AS k, array_agg(best_by::text ORDER BY k) FILTER (WHERE best_by <> '{}') AS best_by
FROM kmeans_choose_k(source => 'iris', columns => '{sepal_length,sepal_width,petal_length,petal_width}', k_min => 2, k_max => 10, scale => 'none', metric => 'euclidean',
  n_init => NULL, seed => 0, sample_rows => 10000, on_null => 'skip', weight => NULL, id_column => 'id');
SELECT k, silhouette, davies_bouldin, calinski_harabasz, elbow, stability, best_by
FROM kmeans_choose_k('iris', '{petal_length,petal_width}', 1, 10) WHERE k = 1 OR 'elbow' = ANY (best_by);
-- the same as separate fits
SELECT bool_and(c.inertia = e.inertia) AS inertia, bool_and(c.explained = e.explained) AS explained, bool_and(c.silhouette = e.silhouette) AS silhouette,
       bool_and(abs(c.davies_bouldin - e.davies_bouldin) < 1e-12) AS davies_bouldin, bool_and(abs(c.calinski_harabasz - e.calinski_harabasz) < 1e-9) AS calinski_harabasz,
       bool_and(c.smallest_cluster = (SELECT min(size) FROM kmeans_clusters(model))) AS smallest
FROM known, LATERAL kmeans_choose_k('iris', '{sepal_length,sepal_width,petal_length,petal_width}', k, k, scale) c, kmeans_evaluate(model) e;
-- stability is that of five fits as kmeans_fit makes them, where the sample has all rows
CREATE TABLE stable AS SELECT metric, scale, seed, format('stable %s %s %s', metric, scale, seed) AS model
FROM (VALUES ('euclidean', 'none'), ('euclidean', 'standard'), ('cosine', 'minmax')) v(metric, scale), generate_series(7, 11) seed;
SELECT count(kmeans_fit(model, 'iris', '{sepal_length,sepal_width,petal_length,petal_width}', 4, n_init => 2, metric => metric, scale => scale, seed => seed)) AS models FROM stable;
SELECT metric, scale, count(*) AS pairs, avg(agreement) < 1 AS differ,
       abs(avg(agreement) - (SELECT stability FROM kmeans_choose_k('iris', '{sepal_length,sepal_width,petal_length,petal_width}', 4, 4, scale, metric, n_init => 2, seed => 7))) < 1e-12 AS stability
FROM (SELECT a.metric, a.scale, (SELECT kmeans_adjusted_rand_index(kmeans_predict(a.model, i), kmeans_predict(b.model, i)) FROM iris i) AS agreement
      FROM stable a JOIN stable b USING (metric, scale) WHERE a.seed < b.seed) pairs
GROUP BY metric, scale ORDER BY metric, scale;
-- blobs: everything says 4, and the elbow is clear; without clusters there is none
SELECT k, best_by FROM kmeans_choose_k('SELECT x FROM kmeans_make_blobs(300, 4, cluster_std => 0.7, seed => 42)', k_min => 1, k_max => 8) WHERE best_by <> '{}' ORDER BY k;
SELECT count(*) FILTER (WHERE 'elbow' = ANY (best_by)) AS elbows, round(max(elbow)::numeric, 1) AS highest
FROM kmeans_choose_k('SELECT x FROM kmeans_make_blobs(2000, 1, seed => 1)');
-- fewer distinct rows than k_max: it stops there; fewer than k_min: nothing
SELECT k, round(inertia::numeric, 4) AS inertia, silhouette, elbow, stability, smallest_cluster, best_by
FROM kmeans_choose_k('SELECT x::float8 FROM unnest(ARRAY[1, 1, 2, 10, 10]) x', k_max => 5);
SELECT * FROM kmeans_choose_k('SELECT x::float8 FROM unnest(ARRAY[1, 1, 2, 10, 10]) x', k_min => 4, k_max => 5);
-- notices about the rows, as in a fit
SELECT count(*) FROM kmeans_choose_k('SELECT i AS a, CASE WHEN i > 5 THEN 1000 * (i % 4) END AS b FROM generate_series(1, 30) i', k_max => 3);
SELECT count(*) FROM kmeans_choose_k('SELECT i AS a, 7 AS b, 40 - i AS c FROM generate_series(1, 30) i', k_max => 3, scale => 'minmax', metric => 'cosine');
-- weights count as copies, but silhouette, stability and smallest_cluster count rows
SELECT bool_and(w.inertia = c.inertia) AS inertia, bool_and(w.davies_bouldin = c.davies_bouldin) AS davies_bouldin
FROM kmeans_choose_k('weighted', '{petal_length,petal_width}', 2, 4, weight => 'w') w
JOIN kmeans_choose_k('SELECT i.* FROM weighted i, generate_series(1, w)', '{petal_length,petal_width}', 2, 4) c USING (k);
-- workers change nothing
CREATE TABLE large AS SELECT i % 251 AS a, (i % 7) * 100 + i % 13 AS b FROM generate_series(1, 300000) i;
ANALYZE large;
CREATE TABLE chosen AS SELECT * FROM kmeans_choose_k('large', '{a,b}', k_max => 4, sample_rows => 1000);
SET max_parallel_maintenance_workers = 0;
SELECT count(*) AS k, bool_and(c = d) AS same FROM chosen c JOIN kmeans_choose_k('SELECT * FROM large ORDER BY b, a DESC', '{a,b}', k_max => 4, sample_rows => 1000) d USING (k);
RESET max_parallel_maintenance_workers;

-- kmeans_adjusted_rand_index: Iris and its species, 0.730238; types may differ; rows with a NULL are ignored
SELECT round(kmeans_adjusted_rand_index(species, kmeans_predict('judge 3', i))::numeric, 6) AS iris FROM iris i;
SELECT kmeans_adjusted_rand_index(a, b) AS example, kmeans_adjusted_rand_index(b, a::text) AS turned
FROM (VALUES (0, 0.0), (0, 0.00), (0, 3), (1, 3), (1, 2), (1, 2.000), (NULL, 7), (8, NULL)) v(a, b);
SELECT kmeans_adjusted_rand_index(id, -id) AS alone, kmeans_adjusted_rand_index(1, species) AS trivial, kmeans_adjusted_rand_index(1, 2.0) AS one,
       kmeans_adjusted_rand_index(NULL::int, species) AS nothing, kmeans_adjusted_rand_index(ARRAY[id % 3], (id % 3)::boolean) AS arrays FROM iris;
SELECT kmeans_adjusted_rand_index(id, id) AS no_rows FROM iris WHERE id < 0;
-- parallel: the same; both kinds of state take part
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
EXPLAIN (COSTS OFF) SELECT kmeans_adjusted_rand_index(a, b) FROM large;
CREATE TEMP TABLE agreement AS SELECT kmeans_adjusted_rand_index(a % 5, 'b' || b % 10) AS parallel, kmeans_adjusted_rand_index(a, NULL::int) AS none FROM large;
SET max_parallel_workers_per_gather = 0;
SELECT parallel = (SELECT kmeans_adjusted_rand_index(a % 5, 'b' || b % 10) FROM large) AS same, none FROM agreement;
SELECT round(kmeans_adjusted_rand_index(a % 5, b % 10) OVER (ORDER BY a, b)::numeric, 6) AS running FROM large WHERE a < 5 AND b < 5 GROUP BY a, b ORDER BY a, b LIMIT 8;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET parallel_tuple_cost;
RESET min_parallel_table_scan_size;

-- kmeans_silhouette: arrays, rows, any order; clusters may have any numbers
SELECT round(kmeans_silhouette(kmeans_predict('judge 3', i), ARRAY[sepal_length, sepal_width, petal_length, petal_width])::numeric, 10) AS arrays,
       round(kmeans_silhouette(kmeans_predict('judge 3', i) * 1000 - 7, i)::numeric, 10) AS rows,
       kmeans_silhouette(kmeans_predict('judge 3', i), i ORDER BY id DESC) = kmeans_silhouette(kmeans_predict('judge 3', i), i) AS any_order,
       kmeans_silhouette(1, i) AS one_cluster FROM iris i;
SELECT kmeans_silhouette(c, x) AS by_hand, kmeans_silhouette(c, NULL::float8[]) AS nothing
FROM (VALUES (1, '{0}'::float8[]), (1, '{1}'), (2, '{4}'), (2, NULL), (NULL, '{2}'), (2, '{NULL}')) v(c, x);
SELECT kmeans_silhouette(id, i) AS alone, kmeans_silhouette(id, i) FILTER (WHERE false) AS no_rows FROM iris i;
SELECT kmeans_silhouette(c, r) AS rows_with_arrays FROM (SELECT i / 2 AS c, s AS r FROM (SELECT i, s FROM generate_series(0, 3) i, LATERAL (SELECT ARRAY[i / 2, i] AS x, i % 2 AS y) s) t) u;
SET work_mem = '64kB';
SELECT error_of($$SELECT kmeans_silhouette(i % 3, ARRAY[i, i * i]) FROM generate_series(1, 10000) i$$);
\set VERBOSITY terse
SELECT kmeans_silhouette(i % 3, ARRAY[i, i * i]) FROM generate_series(1, 10000) i;
\set VERBOSITY default
RESET work_mem;
-- very many groups take as long as so many times one
SET work_mem = '1GB';
SET statement_timeout = '20s';
SELECT count(s) AS groups FROM (SELECT kmeans_silhouette(i % 2, ARRAY[i]) AS s FROM generate_series(1, 300000) i GROUP BY i / 4) g;
RESET statement_timeout;
RESET work_mem;

-- Bad input
SELECT e, error_of(e) FROM unnest(ARRAY[
  $$SELECT * FROM kmeans_evaluate(NULL::text)$$,
  $$SELECT * FROM kmeans_evaluate(kmeans_get('judge 3'), NULL)$$,
  $$SELECT * FROM kmeans_evaluate('nobody')$$,
  $$SELECT * FROM kmeans_evaluate('judge 3@7')$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', 'SELECT * FROM iris WHERE false')$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', 'SELECT 1 AS sepal_length')$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', 'no such relation')$$,
  $$SELECT * FROM kmeans_evaluate('judge w', 'iris')$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', sample_rows => 0)$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', sample_rows => NULL)$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', 'SELECT 1e300 AS sepal_length, 1 AS sepal_width, 1 AS petal_length, 1 AS petal_width')$$,
  $$SELECT * FROM kmeans_evaluate('judge 3', 'SELECT ''NaN''::float8 AS sepal_length, 1 AS sepal_width, 1 AS petal_length, 1 AS petal_width')$$]) e;
SELECT e, error_of(e) FROM unnest(ARRAY[
  $$SELECT * FROM kmeans_choose_k(NULL)$$,
  $$SELECT * FROM kmeans_choose_k('')$$,
  $$SELECT * FROM kmeans_choose_k('nowhere')$$,
  $$SELECT * FROM kmeans_choose_k('iris', '{nothing}')$$,
  $$SELECT * FROM kmeans_choose_k('iris', '{}')$$,
  $$SELECT * FROM kmeans_choose_k('iris', k_min => 0)$$,
  $$SELECT * FROM kmeans_choose_k('iris', k_min => 4, k_max => 3)$$,
  $$SELECT * FROM kmeans_choose_k('iris', k_max => 65536)$$,
  $$SELECT * FROM kmeans_choose_k('iris', k_min => NULL)$$,
  $$SELECT * FROM kmeans_choose_k('iris', k_max => NULL)$$,
  $$SELECT * FROM kmeans_choose_k('iris', scale => 'robust')$$,
  $$SELECT * FROM kmeans_choose_k('iris', metric => 'manhattan')$$,
  $$SELECT * FROM kmeans_choose_k('iris', n_init => 0)$$,
  $$SELECT * FROM kmeans_choose_k('iris', sample_rows => -1)$$,
  $$SELECT * FROM kmeans_choose_k('iris', on_null => 'ignore')$$,
  $$SELECT * FROM kmeans_choose_k('iris', weight => 'heavy')$$,
  $$SELECT * FROM kmeans_choose_k('iris', id_column => 'none')$$,
  $$SELECT * FROM kmeans_choose_k('SELECT * FROM iris LIMIT 3', k_min => 4)$$,
  $$SELECT * FROM kmeans_choose_k('SELECT * FROM iris WHERE false')$$,
  $$SELECT * FROM kmeans_choose_k('SELECT 1e200 AS x FROM generate_series(1, 20)')$$,
  $$SELECT * FROM kmeans_choose_k('SELECT NULL::int AS x FROM generate_series(1, 20)', on_null => 'error')$$]) e;
SELECT e, error_of(e) FROM unnest(ARRAY[
  $$SELECT kmeans_adjusted_rand_index(point(1, 2), 1)$$,
  $$SELECT kmeans_silhouette(1, 2)$$,
  $$SELECT kmeans_silhouette(1, ARRAY['a'])$$,
  $$SELECT kmeans_silhouette(c, x) FROM (VALUES (1, '{0,1}'::float8[]), (2, '{1}')) v(c, x)$$,
  $$SELECT kmeans_silhouette(1, ARRAY[[1, 2], [3, 4]])$$,
  $$SELECT kmeans_silhouette(1, ARRAY[1, 'Infinity'::float8])$$,
  $$SELECT kmeans_silhouette(1, ARRAY[1e300, 1])$$,
  $$SELECT kmeans_silhouette(1, r) FROM (SELECT 'a'::text AS name, 7 AS customer_id) r$$,
  $$SELECT kmeans_silhouette(c, CASE c WHEN 1 THEN ROW(1, 2) ELSE ROW(1.5, 2, 3) END) FROM generate_series(1, 2) c$$,
  $$SELECT kmeans_silhouette('a', ARRAY[1, 2])$$]) e;

DO $$ BEGIN PERFORM kmeans_drop(model) FROM kmeans_models WHERE model LIKE 'judge%'; END $$;
DROP TABLE iris, known, weighted, many, large, chosen;
DROP FUNCTION error_of(text);
