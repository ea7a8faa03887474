SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
SET extra_float_digits = 1;

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN concat_ws(' | ', sqlstate || ' ' || sqlerrm, nullif(detail, ''), nullif(hint, ''));
END $$;

-- what a model is, but for the names of its columns
CREATE FUNCTION numbers_of(model text) RETURNS jsonb LANGUAGE sql
  AS $$ SELECT kmeans_get(model)::jsonb - '{columns,features,options}'::text[] $$;

CREATE TYPE tier AS ENUM ('low', 'middle', 'high', 'unused');
ALTER TYPE tier ADD VALUE 'lowest' BEFORE 'low';

-- categories, and the same by hand: 0 or 1 for each
CREATE TABLE customers AS
  SELECT i AS id, 20 * (i * 7 % 5) + (i * 7919 % 1000) / 100.0::float8 AS spend, (ARRAY['web', 'Shop', 'phone', 'äpp'])[1 + i * 31 % 4] AS channel,
         (ARRAY['high', 'low', 'lowest'])[1 + i * 13 % 3]::tier AS level, (ARRAY['a', 'b'])[1 + i * 17 % 2]::char(4) AS side
  FROM generate_series(1, 900) i;
CREATE VIEW by_hand AS
  SELECT spend, (channel = 'Shop')::int AS c1, (channel = 'phone')::int AS c2, (channel = 'web')::int AS c3, (channel = 'äpp')::int AS c4,
         (level = 'lowest')::int AS l1, (level = 'low')::int AS l2, (level = 'high')::int AS l3, (side = 'a')::int AS s1, (side = 'b')::int AS s2
  FROM customers;

SELECT k, n_features, n_rows, n_skipped, converged FROM kmeans_fit('customers', 'customers', '{spend,channel,level,side}', k => 5);
SELECT k, n_features FROM kmeans_fit('by_hand', 'by_hand', k => 5);
SELECT numbers_of('customers') = numbers_of('by_hand') AS same;
SELECT c->>'name' AS name, c->>'kind' AS kind, c->>'categories' AS categories FROM jsonb_array_elements(kmeans_get('customers')::jsonb->'columns') c;
SELECT columns FROM kmeans_models WHERE model = 'customers';
SELECT kmeans_get('customers')::text::kmeans_model::text = kmeans_get('customers')::text AS round_trip;

-- centroids and profiles show shares
SELECT cluster, feature, round(value::numeric, 3) AS value FROM kmeans_centroids('customers') WHERE cluster < 2;
SELECT bool_and(abs(s - 1) < 1e-12) AS shares FROM (SELECT sum(mean) AS s FROM kmeans_profile('customers') GROUP BY cluster, split_part(feature, '=', 1) HAVING split_part(feature, '=', 1) <> 'spend') p;
SELECT count(*) FROM (SELECT cluster, feature, mean FROM kmeans_profile('customers') WHERE feature = 'channel=web') p
JOIN (SELECT kmeans_predict('customers', c) AS cluster, avg((channel = 'web')::int)::float8 AS mean FROM customers c GROUP BY 1) q USING (cluster) WHERE abs(p.mean - q.mean) < 1e-12;

-- by row, by values, by untyped literals, through every function
SELECT bool_and(kmeans_predict('customers', c) = kmeans_predict('by_hand', h)) AS by_row,
       bool_and(kmeans_predict('customers', c.spend, c.channel, c.level, c.side) = kmeans_predict('by_hand', h)) AS by_values,
       bool_and(kmeans_predict('customers', c.spend, c.channel::varchar, c.level::text, c.side::text) = kmeans_predict('by_hand', h)) AS as_text,
       bool_and(kmeans_transform('customers', c) = kmeans_transform('by_hand', h)) AS transform
FROM (SELECT row_number() OVER () AS n, c.* FROM customers c) c JOIN (SELECT row_number() OVER () AS n, h.* FROM by_hand h) h USING (n);
SELECT kmeans_predict('customers', 3, 'web', 'high', 'a') = kmeans_predict('by_hand', 3, 0, 0, 1, 0, 0, 0, 1, 1, 0) AS literals,
       kmeans_distance('customers', 3, 'web', 'high', 'a   ') = kmeans_distance('customers', 3, 'web', 'high', 'nowhere') AS blanks_count_in_text,
       kmeans_distance('customers', 3, 'web', 'high', 'a   '::char(4)) = kmeans_distance('customers', 3, 'web', 'high', 'a') AS but_not_in_char;
SELECT kmeans_transform('customers', 3, 'new', 'unused'::tier, 'Web') = kmeans_transform('by_hand', 3, 0, 0, 0, 0, 0, 0, 0, 0, 0) AS unseen_is_zeros,
       kmeans_predict('customers', 3, 'web', NULL::tier, 'a') AS null_is_null;
SELECT count(*) AS features, round(sum(contribution)::numeric, 9) = round((SELECT t[2] ^ 2 - t[1] ^ 2 FROM (SELECT array_agg(d ORDER BY d) AS t
  FROM unnest(kmeans_transform('customers', 3, 'web', 'high', 'a')) d) s)::numeric, 9) AS explained
FROM kmeans_explain('customers', 3, 'web', 'high', 'a');
SELECT n.cluster IS NOT NULL AS nearest FROM kmeans_nearest('customers', 3, 'web', 'high', 'a') n;
SELECT count(*) AS rows, bool_and(a.cluster = kmeans_predict('customers', c)) AS assigned FROM kmeans_assign('customers', id_column => 'id') a JOIN customers c ON a.id = c.id::text;
SELECT n_rows, inertia = (SELECT inertia FROM kmeans_models WHERE model = 'customers') AS same_inertia FROM kmeans_evaluate('customers');
SELECT count(*) BETWEEN 1 AND 100 AS some FROM kmeans_outliers('customers', contamination => 0.05);
SELECT count(*) FROM kmeans_describe('customers');

-- choosing k, and the aggregate over row values
SELECT bool_and(a = b) AS same FROM kmeans_choose_k('customers', '{spend,channel,level,side}', k_max => 5) a JOIN kmeans_choose_k('by_hand', k_max => 5) b USING (k);
SELECT (m::jsonb - '{columns,features,options}'::text[]) = numbers_of('customers') AS same FROM (SELECT kmeans_agg(5, c, '{"columns": ["spend", "channel", "level", "side"]}') AS m FROM customers c) a;
SELECT (m::jsonb - '{columns,features,options}'::text[]) = numbers_of('customers') AS any_order FROM (SELECT kmeans_agg(5, c, '{"columns": ["spend", "channel", "level", "side"]}' ORDER BY spend, id) AS m FROM customers c) a;
SELECT id, m->'columns'->0->'categories' AS categories
FROM (SELECT id, kmeans_agg(1, c, '{"columns": ["channel"]}') OVER (ORDER BY id)::jsonb AS m FROM customers c WHERE id <= 5) w;
SELECT kmeans_predict(m, 'web') = kmeans_predict(m, (SELECT r FROM (SELECT 'web' AS channel) r)) AS one_category_column
FROM (SELECT kmeans_agg(3, c, '{"columns": ["channel"]}') AS m FROM customers c) a;

-- scaled, cosine, weighted; categories stay 0 and 1
SELECT kmeans_fit('scaled', 'customers', '{spend,channel,level}', k => 4, scale => 'standard') IS NOT NULL;
SELECT m->'shift' = jsonb_build_array(m->'shift'->0, 0, 0, 0, 0, 0, 0, 0) AS shift, m->'scale' = jsonb_build_array(m->'scale'->0, 1, 1, 1, 1, 1, 1, 1) AS scale
FROM (SELECT kmeans_get('scaled')::jsonb AS m) s;
SELECT kmeans_fit('minmax', 'customers', '{channel,spend}', k => 4, scale => 'minmax') IS NOT NULL;
SELECT m->'shift' AS shift, m->'scale' AS scale FROM (SELECT kmeans_get('minmax')::jsonb AS m) s;
SELECT kmeans_fit('cosine', 'customers', '{spend,channel,level,side}', k => 5, metric => 'cosine') IS NOT NULL, kmeans_fit('by_hand_cosine', 'by_hand', k => 5, metric => 'cosine') IS NOT NULL;
SELECT numbers_of('cosine') = numbers_of('by_hand_cosine') AS cosine;
SELECT kmeans_fit('weighted', 'SELECT *, id % 3 AS w FROM customers', '{spend,channel}', k => 4, weight => 'w') IS NOT NULL,
       kmeans_fit('copies', 'SELECT c.* FROM customers c, generate_series(1, id % 3)', '{spend,channel}', k => 4) IS NOT NULL;
SELECT w->'centroids' = c->'centroids' AS centroids, w->'cluster_inertia' = c->'cluster_inertia' AS inertia FROM numbers_of('weighted') w, numbers_of('copies') c;
SELECT kmeans_fit('one', 'SELECT 1.5 AS x, ''only'' AS c UNION ALL SELECT 2.5, ''only''', '{x,c}', k => 1, scale => 'standard') IS NOT NULL;
SELECT kmeans_fit('tells', 'SELECT id * 10.0 AS big, side FROM customers', k => 2, columns => '{big,side}') IS NOT NULL;

-- NULL: skipped rows bring no category; the shares; an error
CREATE TABLE holes AS SELECT id, CASE WHEN id % 7 > 0 THEN spend END AS spend, CASE WHEN id % 7 = 0 THEN 'hidden' WHEN id % 5 > 0 THEN channel END AS channel FROM customers;
SELECT n_features, n_rows, n_skipped FROM kmeans_fit('holes', 'holes', '{spend,channel}', k => 3);
SELECT features - 0 AS features FROM (SELECT kmeans_get('holes')::jsonb->'features' AS features) f;
SELECT n_features, n_rows, n_skipped FROM kmeans_fit('filled', 'holes', '{spend,channel}', k => 3, on_null => 'mean');
SELECT f.feature, round(f.fill::numeric, 9) = round(avg((split_part(f.feature, '=', 2) = h.channel)::int), 9) AS fill_is_share
FROM (SELECT jsonb_array_elements_text(m->'features') AS feature, jsonb_array_elements_text(m->'fill')::float8 AS fill FROM (SELECT kmeans_get('filled')::jsonb AS m) s) f, holes h
WHERE f.feature <> 'spend' GROUP BY 1, f.fill ORDER BY 1;
SELECT kmeans_predict('filled', 3, NULL::text) IS NOT NULL AS filled, kmeans_predict('holes', 3, NULL::text) IS NULL AS not_filled;
SELECT (m::jsonb - '{columns,features,options}'::text[]) = numbers_of('filled') AS same
FROM (SELECT kmeans_agg(3, h, '{"columns": ["spend", "channel"], "on_null": "mean"}') AS m FROM holes h) a;
SELECT error_of($$SELECT kmeans_fit('new', 'holes', '{spend,channel}', k => 3, on_null => 'error')$$);
SELECT error_of($$SELECT kmeans_fit('new', 'SELECT 1.5 AS x, NULL AS c', '{x,c}', k => 1, on_null => 'mean')$$);
SELECT error_of($$SELECT kmeans_fit('new', 'SELECT 1.5 AS x, NULL AS c', '{x,c}', k => 1)$$);
SELECT error_of($$SELECT kmeans_agg(1, r, '{"columns": ["x", "c"], "on_null": "mean"}') FROM (SELECT 1.5 AS x, NULL::text AS c) r$$);

-- at most 100 categories
SELECT n_features FROM kmeans_fit('hundred', 'SELECT (i % 100)::text AS c FROM generate_series(1, 1000) i', '{c}', k => 2);
SELECT error_of($$SELECT kmeans_fit('new', 'SELECT (i % 101)::text AS c FROM generate_series(1, 1000) i', '{c}', k => 2)$$);
SELECT error_of($$SELECT kmeans_agg(2, r, '{"columns": ["c"]}') FROM (SELECT i::text AS c FROM generate_series(1, 1000) i) r$$);
SELECT error_of($$SELECT kmeans_choose_k('SELECT i::text AS c FROM generate_series(1, 1000) i', '{c}')$$);
SELECT error_of(s) FROM unnest(ARRAY[$$SELECT kmeans_predict('customers', ARRAY[1, 2, 3, 4])$$, $$SELECT kmeans_predict('customers', 3, 'web', 'high')$$,
  $$SELECT kmeans_predict('customers', 3, 7, 'high', 'a')$$, $$SELECT kmeans_fit('new', 'customers', '{spend,channel}', weight => 'channel')$$]) s;

-- strange texts are texts
SELECT n_features FROM kmeans_fit('strange', $$SELECT c FROM unnest(ARRAY['', ' ', 'a=b', '"', '{x}', E'\n', 'null', repeat('long', 5000)]) c$$, '{c}', k => 8);
SELECT count(DISTINCT kmeans_transform('strange', c)) = 8 AS all_differ, kmeans_predict('strange', '{x}') = kmeans_predict('strange', '{x}'::text) AS braces
FROM unnest(ARRAY['', ' ', 'a=b', '"', '{x}', E'\n', 'null', repeat('long', 5000)]) c;

-- a new version keeps the categories it has, appends new ones, and carries ids and labels over
SELECT kmeans_set_label('customers', 2, 'the second');
CREATE TABLE spread AS SELECT cluster, label, feature, round(value::numeric, 9) AS value FROM kmeans_centroids('customers');
SELECT version, n_features FROM kmeans_fit('customers', 'SELECT * FROM customers WHERE channel <> ''web'' UNION ALL SELECT 1000 + i, 2.5, ''aaa'', ''unused'', ''a'' FROM generate_series(1, 3) i',
  '{spend,channel,level,side}', k => 5, replace => true);
SELECT c->>'name' AS name, c->>'categories' AS categories FROM jsonb_array_elements(kmeans_get('customers')::jsonb->'columns') c;
SELECT cluster, label FROM kmeans_clusters('customers') WHERE label IS NOT NULL;
SELECT version FROM kmeans_fit('customers', 'customers', '{spend,channel,level,side}', k => 5, replace => true);
SELECT bool_and(abs(c.value - s.value) < 1 AND c.label IS NOT DISTINCT FROM s.label) AS same_clusters, count(*) FROM kmeans_centroids('customers') c JOIN spread s USING (cluster, feature) WHERE feature = 'spend';
SELECT feature, value FROM kmeans_centroids('customers') WHERE cluster = 0 AND feature IN ('channel=aaa', 'level=unused');
SELECT version FROM kmeans_fit('customers', 'customers', '{spend,side,channel,level}', k => 5, replace => true);

-- the same model by any number of workers, within any memory, dealt or read in ranges
CREATE TABLE many AS SELECT (i * 7919::bigint % 100003)::float8 AS x, (ARRAY['web', 'shop', 'phone'])[1 + i / 70000] AS channel, (ARRAY['high', 'low', 'lowest'])[1 + i * 13 % 3]::tier AS level,
  CASE WHEN i % 20 > 0 THEN 'c' || i % 10 END AS hole FROM generate_series(1, 200000) i;
ANALYZE many;
SET client_min_messages = error;
CREATE FUNCTION fit_with(memory text, workers int, source text, arguments text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  model text;
BEGIN
  PERFORM set_config('maintenance_work_mem', memory, true), set_config('max_parallel_maintenance_workers', workers::text, true);
  EXECUTE format('SELECT kmeans_fit(''many'', %L, ''{x,channel,level,hole}'', k => 5, tol => 1, max_iter => 5 %s)', source, arguments);
  EXECUTE 'SELECT md5(kmeans_get(''many'')::text)' INTO model;
  PERFORM kmeans_drop('many');
  RETURN model;
END $$;
SELECT arguments, count(*) AS fits, count(DISTINCT model) AS models
FROM (SELECT arguments, fit_with(memory, workers, source, arguments) AS model
      FROM (VALUES (''), (', on_null => ''mean'', scale => ''minmax''')) a(arguments),
           (VALUES ('64MB', 0, 'many'), ('64MB', 2, 'many'), ('1MB', 0, 'many'), ('1MB', 1, 'many'), ('64MB', 2, 'SELECT * FROM many'), ('1MB', 2, 'SELECT * FROM many ORDER BY x')) m(memory, workers, source)) f
GROUP BY 1 ORDER BY 1;
CREATE TABLE wide AS SELECT i::float8 AS x, 'c' || i % 101 AS channel FROM generate_series(1, 200000) i;
ANALYZE wide;
SET max_parallel_maintenance_workers = 2;
SELECT error_of($$SELECT kmeans_fit('new', 'wide', '{x,channel}')$$) LIKE '54000 column "channel" has more than 100 categories | Row 101 brings one more.%' AS too_many;

-- no two features of one name
SELECT error_of(format('SELECT kmeans_fit(''new'', %L, %L', 'SELECT * FROM (' || rows || ')', names) || ', k => 2)')
FROM (VALUES ('VALUES (''b'', 1), (''c'', 2)) r(a, "a=b"', '{a,a=b}'),
             ('VALUES (''b=c'', ''x''), (''d'', ''c'')) r(a, "a=b"', '{a,a=b}'), ('VALUES (ARRAY[1, 2], 3)) r(a, "a[2]"', '{a,a[2]}')) v(rows, names);
SELECT error_of($$SELECT kmeans_agg(2, r) FROM (VALUES (ARRAY[1, 2], 3), (ARRAY[3, 5], 7)) r(a, "a[2]")$$);
SELECT error_of($$SELECT kmeans_plot('customers', x => 'channel')$$);

SELECT bool_and(kmeans_drop(model)) FROM kmeans_models;
DROP FUNCTION fit_with, error_of, numbers_of;
DROP VIEW by_hand;
DROP TABLE customers, holes, spread, many, wide;
DROP TYPE tier;
