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

-- The same model as the fit's, from arrays and from rows
SELECT inertia FROM kmeans_fit('iris', 'iris', k => 3);
SELECT m->'inertia' AS inertia, m->'sizes' AS sizes, m->'features' AS features, m->'columns'->0 AS first_column
FROM (SELECT kmeans_agg(3, ARRAY[sepal_length, sepal_width, petal_length, petal_width])::jsonb AS m FROM iris) a;
SELECT m - 'options' = kmeans_get('iris')::jsonb - 'options' AS same, m->'options' AS options
FROM (SELECT kmeans_agg(3, i)::jsonb AS m FROM iris i) a;
SELECT m->'features' AS features, m->'inertia' AS inertia
FROM (SELECT kmeans_agg(3, i, '{"columns": ["petal_width", "petal_length"], "scale": "standard", "n_init": 3, "seed": 7}')::jsonb AS m FROM iris i) a;
SELECT m->'features' AS features FROM (SELECT kmeans_agg(2, ARRAY[petal_length, petal_width], '{"columns": ["length", "width"]}')::jsonb AS m FROM iris) a;
SELECT m->'features' AS features FROM (SELECT kmeans_agg(2, s)::jsonb AS m FROM (SELECT id, 7 AS customer_id, species, petal_length, ARRAY[petal_width, 1] AS more FROM iris) s) a;

-- GROUP BY: one model per group; the values can be kept, sent and used
CREATE TABLE by_species AS SELECT species, count(*) AS n, kmeans_agg(2, ARRAY[petal_length, petal_width]) AS model FROM iris GROUP BY species;
SELECT species, n, (model::jsonb)->'sizes' AS sizes, round(((model::jsonb)->>'inertia')::numeric, 6) AS inertia FROM by_species ORDER BY 1;
SELECT species, kmeans_predict(model, petal_length, petal_width) AS cluster, count(*) FROM iris JOIN by_species USING (species) GROUP BY 1, 2 ORDER BY 1, 2;
-- any order of rows, any plan
SELECT bool_and(a.model::text = b.model::text) AS same
FROM by_species b JOIN (SELECT species, kmeans_agg(2, ARRAY[petal_length, petal_width] ORDER BY id DESC) AS model FROM iris GROUP BY species) a USING (species);

-- OVER (PARTITION BY): fit and label in one query
SELECT species, cluster, count(*) FROM (
  SELECT species, kmeans_predict(kmeans_agg(2, ARRAY[petal_length, petal_width]) OVER (PARTITION BY species), petal_length, petal_width) AS cluster FROM iris) s
GROUP BY 1, 2 ORDER BY 1, 2;
-- a growing frame, with NULLs to be filled, sees each frame as its own group
SELECT i, (running::jsonb)->'n_rows' AS n_rows, (running::jsonb)->'fill' AS fill, (running::jsonb)->'centroids' AS centroids
FROM (SELECT i, kmeans_agg(2, r, '{"on_null": "mean"}') OVER (ORDER BY i) AS running
      FROM (SELECT i, r FROM generate_series(1, 5) i, LATERAL (SELECT CASE WHEN i % 2 = 1 THEN (i * 10)::float8 END AS v) r) s) t ORDER BY i;
SELECT (w::jsonb)->'n_skipped' AS skipped, count(*) FROM (SELECT kmeans_agg(1, ARRAY[x, y], '{"metric": "cosine"}') OVER () AS w FROM (VALUES (0.0, 0.0), (1.0, 2.0)) v(x, y)) s GROUP BY 1;

-- save and get
SELECT kmeans_save('saved', (SELECT model FROM by_species WHERE species = 'setosa'));
SELECT kmeans_get('saved')::text = (SELECT model::text FROM by_species WHERE species = 'setosa') AS same;
SELECT source, columns, n_rows FROM kmeans_models WHERE model = 'saved';

-- Fewer rows than k, fewer distinct rows, no usable row
SELECT (m::jsonb)->'k' AS k, (m::jsonb)->'n_rows' AS n_rows FROM (SELECT kmeans_agg(8, ARRAY[x]) AS m FROM generate_series(1.0, 3.0) x) s;
SELECT (m::jsonb)->'k' AS k FROM (SELECT kmeans_agg(3, ARRAY[7.0]) AS m FROM generate_series(1, 3)) s;
SELECT kmeans_agg(2, ARRAY[x]) IS NULL AS nothing FROM generate_series(1.0, 0.0) x;
SELECT kmeans_agg(2, NULL::float8[]) IS NULL AS nothing FROM generate_series(1, 3);
SELECT kmeans_agg(2, r) IS NULL AS nothing FROM (SELECT NULL::float8 AS x FROM generate_series(1, 3)) r;
SELECT kmeans_agg(2, ARRAY[0.0, 0.0], '{"metric": "cosine"}') IS NULL AS nothing FROM generate_series(1, 3);
SELECT (m::jsonb)->'n_rows' AS n_rows, (m::jsonb)->'n_skipped' AS n_skipped
FROM (SELECT kmeans_agg(2, a) AS m FROM (VALUES (NULL), ('{1,2}'::int[]), ('{3,4}'), (NULL), ('{5,6}')) v(a)) s;
SELECT (m::jsonb)->'n_rows' AS n_rows, (m::jsonb)->'fill' AS fill
FROM (SELECT kmeans_agg(2, a, '{"on_null": "mean"}') AS m FROM (VALUES (NULL), ('{1,2}'::int[]), ('{3,4}'), (NULL), ('{5,6}')) v(a)) s;
SELECT (m::jsonb)->'n_rows' AS n_rows, (m::jsonb)->'fill' AS fill
FROM (SELECT kmeans_agg(2, v, '{"on_null": "mean"}') AS m FROM (VALUES (1, NULL), (NULL, '{1,2}'::int[]), (3, '{3,4}')) v(x, a)) s;
-- rows before the first array: their number alone if they are NULL, else copies, within limits
SELECT m->'n_rows' AS n_rows, m->'fill' AS fill FROM (SELECT kmeans_agg(1, a, '{"on_null": "mean"}')::jsonb AS m
FROM (SELECT NULL::int[] FROM generate_series(1, 20000) UNION ALL VALUES ('{1,2}'::int[])) v(a)) s;
SET work_mem = '64kB';
SET hash_mem_multiplier = 1;
SELECT error_of($$SELECT kmeans_agg(1, v, '{"on_null": "mean"}') FROM (SELECT i, NULL::int[] FROM generate_series(1, 20000) i) v(x, a)$$);
SELECT kmeans_agg(1, v) FROM (SELECT i, NULL::int[] FROM generate_series(1, 20000) i) v(x, a);
RESET work_mem;
RESET hash_mem_multiplier;
-- a NULL element is a feature that is NULL
SELECT on_null, (m::jsonb)->'n_rows' AS n_rows, (m::jsonb)->'n_skipped' AS n_skipped, (m::jsonb)->'centroids' AS centroids
FROM (SELECT on_null, kmeans_agg(1, ARRAY[x, y], jsonb_build_object('on_null', on_null)) AS m FROM (VALUES (NULL, 1.0), (1.0, 2.0), (3.0, NULL), (5.0, 6.0)) v(x, y), (VALUES ('skip'), ('mean')) o(on_null) GROUP BY 1) s ORDER BY 1;
SELECT kmeans_agg(2, ARRAY[x], NULL) IS NOT NULL AS defaults FROM generate_series(1.0, 9.0) x;

-- The inertia of one cluster is no square of a root
SELECT kmeans_agg(2, ARRAY[amount, items])::jsonb -> 'total_ss' AS total_ss FROM (VALUES (1.0, 5.0), (3, 5), (11, 7), (13, 7)) v(amount, items);

-- Bad input
SELECT error_of(format('SELECT kmeans_agg(2, ARRAY[x], %L) FROM generate_series(1.0, 9.0) x', o))
FROM unnest(ARRAY['{"speed": 1}', '[]', '{"n_init": 0}', '{"n_init": 1.5}', '{"n_init": 1e30}', '{"n_init": "two"}', '{"max_iter": 0}', '{"tol": -1}', '{"tol": "low"}', '{"init": "best"}', '{"init": 3}',
  '{"metric": "l1"}', '{"scale": "robust"}', '{"on_null": "zero"}', '{"columns": "x"}', '{"columns": [1]}', '{"columns": []}', '{"columns": ["a", "b"]}', '{"columns": ["a", "a"]}', '{"columns": [""]}', '{"weight": "w"}', '{"seed": 1.5}', '{"seed": 9223372036854775808}']) o;
SELECT error_of(s) FROM unnest(ARRAY[
  'SELECT kmeans_agg(NULL, ARRAY[x]) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(0, ARRAY[x]) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(x::int, ARRAY[x]) FROM generate_series(1.0, 9.0) x',
  'SELECT kmeans_agg(2, ARRAY[x], CASE WHEN x > 5 THEN ''{}''::jsonb ELSE ''{"seed": 1}'' END) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, ARRAY[x], CASE WHEN x > 5 THEN ''{}''::jsonb END) FROM generate_series(1.0, 9.0) x',
  'SELECT kmeans_agg(1, CASE WHEN x > 5 THEN ROW(x, 1) ELSE ROW(x, 1, 2) END) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, x) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, x::text) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, ARRAY[x::text]) FROM generate_series(1.0, 9.0) x',
  'SELECT kmeans_agg(2, ARRAY[x, NULL], ''{"on_null": "error"}'') FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, array_fill(x, ARRAY[x::int])) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, ARRAY[ARRAY[x]]) FROM generate_series(1.0, 9.0) x',
  'SELECT kmeans_agg(2, ARRAY[x, ''NaN'']::float8[]) FROM generate_series(1.0, 9.0) x', 'SELECT kmeans_agg(2, ARRAY[1e200::float8]) FROM generate_series(1.0, 9.0) x',
  'SELECT kmeans_agg(2, ARRAY[x], ''{"on_null": "error"}'') FROM (VALUES (1.0), (NULL)) v(x)', 'SELECT kmeans_agg(2, a, ''{"on_null": "error"}'') FROM (VALUES (NULL), (''{1}''::int[])) v(a)',
  'SELECT kmeans_agg(2, i, ''{"columns": ["nosuch"]}'') FROM iris i', 'SELECT kmeans_agg(2, r) FROM (SELECT species FROM iris) r',
  'SELECT kmeans_agg(2, r, ''{"columns": ["meta"]}'') FROM (SELECT ''{}''::jsonb AS meta) r']) s;

-- many small groups
SELECT count(*) AS groups, count(DISTINCT m::text) AS models, sum(((m::jsonb)->>'k')::int) AS clusters
FROM (SELECT g, kmeans_agg(3, ARRAY[(i * 7919 % 101)::float8, (i * g % 97)::float8]) AS m FROM generate_series(1, 500) g, generate_series(1, 40) i GROUP BY g) s;

SET client_min_messages = warning;
SELECT count(kmeans_drop(m)) AS dropped FROM unnest(ARRAY['iris', 'saved']) m;
DROP TABLE iris, by_species;
DROP FUNCTION error_of;
