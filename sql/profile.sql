--
-- profile: what is typical of clusters, which features matter, why a row
-- belongs where it does
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA profile_test;
SET search_path = profile_test, :ext;
\set SHOW_CONTEXT never

-- what a statement raises: SQLSTATE, message, hint
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || sqlerrm || coalesce(' | ' || nullif(hint, ''), '');
END $$;

CREATE TABLE iris AS SELECT * FROM kmeans_iris();
SELECT 1 FROM kmeans_fit('profile iris', 'iris', k => 3);
SELECT 1 FROM kmeans_fit('profile standard', 'iris', k => 3, scale => 'standard');
SELECT kmeans_set_label('profile iris', 0, 'setosa');

--
-- kmeans_profile: numpy's numbers; sd, minimum and maximum of the rows themselves
--
SELECT cluster, label, feature, round(mean::numeric, 6) AS mean, round(stddev::numeric, 6) AS stddev, min, max,
       round(overall_mean::numeric, 6) AS overall, round(z::numeric, 6) AS z, rank, level
FROM kmeans_profile('profile iris');
SELECT count(*) AS differences
FROM kmeans_profile(model => 'profile standard') p
JOIN (SELECT kmeans_predict('profile standard', i) AS cluster, f.feature, avg(v) AS mean, stddev_pop(v) AS sd, min(v), max(v)
      FROM iris i, LATERAL (VALUES ('sepal_length', sepal_length), ('sepal_width', sepal_width),
                                   ('petal_length', petal_length), ('petal_width', petal_width)) f(feature, v)
      GROUP BY 1, 2) r USING (cluster, feature)
WHERE abs(p.mean - r.mean) > 1e-12 OR abs(p.stddev - r.sd) > 1e-12 OR p.min <> r.min OR p.max <> r.max;
SELECT count(*) AS differences
FROM kmeans_profile('profile standard') p
JOIN (SELECT f.feature, avg(v) AS mean, stddev_pop(v) AS sd
      FROM iris, LATERAL (VALUES ('sepal_length', sepal_length), ('sepal_width', sepal_width),
                                 ('petal_length', petal_length), ('petal_width', petal_width)) f(feature, v)
      GROUP BY 1) r USING (feature)
WHERE abs(p.overall_mean - r.mean) > 1e-12 OR abs(p.z - (p.mean - r.mean) / r.sd) > 1e-12;

-- levels: ties share a place; six clusters on a line, four heights of b; c constant
CREATE TABLE steps AS SELECT g AS a, (ARRAY[1, 1, 2, 3, 3, 4])[g] AS b, 0.1 AS c FROM generate_series(1, 6) g;
SELECT 1 FROM kmeans_fit('profile steps', 'steps', k => 6);
SELECT cluster, feature, mean, stddev, overall_mean, round(z::numeric, 6) AS z, rank, level FROM kmeans_profile('profile steps')
ORDER BY feature, cluster;
-- one cluster: all in the middle
SELECT 1 FROM kmeans_fit('profile one', 'steps', k => 1);
SELECT feature, z, rank, level FROM kmeans_profile('profile one');
-- weights count as copies
SELECT 1 FROM kmeans_fit('profile weights', 'SELECT * FROM (VALUES (0, 1), (1, 3), (10, 4)) v(x, w)', k => 2, weight => 'w');
SELECT 1 FROM kmeans_fit('profile copies', 'SELECT x FROM (VALUES (0, 1), (1, 3), (10, 4)) v(x, w), generate_series(1, w)', k => 2);
SELECT * FROM kmeans_profile('profile weights');
SELECT (SELECT count(*) FROM (SELECT * FROM kmeans_profile('profile weights') EXCEPT SELECT * FROM kmeans_profile('profile copies')) d) AS profile,
       (SELECT count(*) FROM (SELECT * FROM kmeans_feature_importance('profile weights')
                              EXCEPT SELECT * FROM kmeans_feature_importance('profile copies')) d) AS importance;
-- a cluster of weight 0 has no profile, and no part in those of others
SELECT kmeans_save('profile weightless', (kmeans_get('profile steps')::jsonb || jsonb_build_object('weights', '{1,1,1,1,1,0}'::int[],
  'radius_rms', '{0,0,0,0,0,0}'::int[]) ||
  (SELECT jsonb_object_agg(key, value - 5 || '[[null, null, null]]') FROM jsonb_each(kmeans_get('profile steps')::jsonb)
   WHERE key IN ('mean', 'stddev', 'min', 'max')))::kmeans_model);
SELECT cluster, feature, mean, overall_mean, round(z::numeric, 6) AS z, rank, level FROM kmeans_profile('profile weightless')
WHERE cluster IN (0, 4, 5);
-- numbers whose squares overflow, next to tiny ones
SELECT 1 FROM kmeans_fit('profile large', 'SELECT x * 1e150 AS x, x * 1e-200 AS y FROM generate_series(1, 4) x', k => 2);
SELECT feature, overall_mean, round(z::numeric, 6) AS z FROM kmeans_profile('profile large');

--
-- kmeans_describe
--
SELECT * FROM kmeans_describe('profile iris');
SELECT cluster, description FROM kmeans_describe('profile steps');
SELECT cluster, share, description FROM kmeans_describe('profile one');
SELECT cluster, share, description FROM kmeans_describe('profile weights');
SELECT cluster, share, description FROM kmeans_describe('profile weightless');
-- kinds of columns
SELECT 1 FROM kmeans_fit('profile kinds', $$
  SELECT g % 100 < 30 AS paid, date '2024-01-01' + (g % 100) AS since,
         timestamp '2024-01-01 08:00' + g % 100 * interval '90 minutes' AS at,
         timestamptz '2024-01-01 08:00+00' + g % 100 * interval '1 minute' AS atz,
         g % 100 * interval '7 hours' AS age, g % 100 * 1234567.0 AS revenue, (g % 100) / 1e9 AS rate
  FROM generate_series(1, 100) g$$, k => 3, scale => 'standard');
SELECT feature, description FROM unnest('{paid,since,at,atz,age,revenue,rate}'::text[]) feature,
  LATERAL (SELECT kmeans_get('profile kinds')::jsonb AS j) m,
  LATERAL (SELECT array_position('{paid,since,at,atz,age,revenue,rate}'::text[], feature) - 1 AS t) p,
  LATERAL (SELECT jsonb_object_agg(key, CASE key
             WHEN 'columns' THEN jsonb_build_array(value -> t) WHEN 'features' THEN jsonb_build_array(value -> t)
             WHEN 'shift' THEN jsonb_build_array(value -> t) WHEN 'scale' THEN jsonb_build_array(value -> t)
             WHEN 'centroids' THEN one WHEN 'mean' THEN one WHEN 'stddev' THEN one WHEN 'min' THEN one WHEN 'max' THEN one
             ELSE value END) AS j
           FROM jsonb_each(j), LATERAL (SELECT CASE WHEN key IN ('centroids', 'mean', 'stddev', 'min', 'max')
             THEN (SELECT jsonb_agg(jsonb_build_array(c -> t)) FROM jsonb_array_elements(value) c) END AS one) o) s,
  LATERAL (SELECT description FROM kmeans_describe(s.j::kmeans_model) WHERE cluster = 1) d;
-- categories, in a model made by hand
SELECT 1 FROM kmeans_fit('profile channel', 'SELECT (g % 4 < 3)::int AS web, (g % 4 = 3)::int AS shop FROM generate_series(1, 40) g', k => 2);
CREATE TABLE vault AS SELECT (kmeans_get('profile channel')::jsonb
  || '{"columns": [{"name": "channel", "kind": "category", "categories": ["web", "shop"]}], "features": ["channel=web", "channel=shop"]}')::kmeans_model AS m;
SELECT d.* FROM vault, kmeans_describe(m) d;
-- nothing unusual, nothing claimed
SELECT 1 FROM kmeans_fit('profile same', 'SELECT g % 10 AS x, (g % 10 = 5)::int * 100 AS y FROM generate_series(1, 100) g', k => 2);
SELECT cluster, description FROM kmeans_describe('profile same');
-- rare and almost all
SELECT 1 FROM kmeans_fit('profile rare', 'SELECT (g = 1)::int * 10 AS x FROM generate_series(1, 2000) g', k => 2);
SELECT cluster, description FROM kmeans_describe('profile rare');

--
-- kmeans_feature_importance: scikit-learn's f_classif on the same labels
--
SELECT feature, round(between_ss::numeric, 6) AS between_ss, round(total_ss::numeric, 6) AS total_ss, round(eta2::numeric, 6) AS eta2,
       round(f_ratio::numeric, 4) AS f_ratio, rank FROM kmeans_feature_importance('profile iris');
SELECT feature, round(between_ss::numeric, 6) AS between_ss, round(total_ss::numeric, 6) AS total_ss, round(eta2::numeric, 6) AS eta2,
       round(f_ratio::numeric, 4) AS f_ratio, rank FROM kmeans_feature_importance('profile standard') ORDER BY rank;
-- the sums are the model's, also where centroids are not yet the means
SELECT 1 FROM kmeans_fit('profile loose', 'iris', k => 5, tol => 10);
SELECT bool_or(p.mean <> c.value) AS loose FROM kmeans_profile('profile loose') p JOIN kmeans_centroids('profile loose') c USING (cluster, feature);
SELECT name, abs(sum(total_ss) / (m ->> 'total_ss')::float8 - 1) < 1e-12 AS total,
       abs(sum(between_ss) / ((m ->> 'total_ss')::float8 - (m ->> 'inertia')::float8) - 1) < 1e-12 AS explained
FROM unnest('{profile iris,profile standard,profile loose,profile weights}'::text[]) name, LATERAL (SELECT kmeans_get(name)::jsonb AS m) g,
     kmeans_feature_importance(name) GROUP BY name, m ORDER BY name;
-- undefined: one cluster; a constant; as many clusters as rows
SELECT * FROM kmeans_feature_importance('profile one');
SELECT feature, total_ss, eta2, f_ratio, rank FROM kmeans_feature_importance('profile steps');
-- no row differs from its cluster
SELECT * FROM kmeans_feature_importance('profile rare');
-- cosine: as if the rows had kept their lengths
SELECT 1 FROM kmeans_fit('profile cosine', 'SELECT sepal_length AS a, petal_length AS b FROM iris', k => 2, metric => 'cosine');
SELECT feature, abs(i.total_ss / r.total - 1) < 1e-12 AS total, abs(i.between_ss / r.between - 1) < 1e-9 AS between
FROM kmeans_feature_importance('profile cosine') i
JOIN (SELECT feature, sum((v - mean) ^ 2) AS total, sum((cluster_mean - mean) ^ 2) AS between
      FROM (SELECT f.feature, v, avg(v) OVER (PARTITION BY f.feature) AS mean,
                   avg(v) OVER (PARTITION BY f.feature, kmeans_predict('profile cosine', sepal_length, petal_length)) AS cluster_mean
            FROM iris, LATERAL (VALUES ('a', sepal_length), ('b', petal_length)) f(feature, v)) x GROUP BY feature) r USING (feature);

--
-- kmeans_explain
--
SELECT cluster, label, next_cluster, next_label, feature, value, round(centroid::numeric, 6) AS centroid, round(next_centroid::numeric, 6) AS next_centroid,
       round(contribution::numeric, 6) AS contribution, round(share::numeric, 6) AS share
FROM kmeans_explain('profile iris', 5.9, 3.0, 5.1, 1.8);
SELECT cluster, label, next_cluster, next_label, feature, value, round(share::numeric, 6) AS share FROM kmeans_explain('profile iris', 5.1, 3.5, 1.4, 0.2);
-- contributions add up, the cluster is kmeans_nearest's, the values are the row's, in every space
SELECT m AS model, bool_and(e.total) AS totals, bool_and(e.shares) AS shares, bool_and(e.cluster = n.cluster AND e.next_cluster = n.next_cluster) AS same,
       bool_and(e.vals = ARRAY[petal_length, petal_width, sepal_length, sepal_width]) AS vals
FROM (SELECT m, i.*, n.d[1] AS d1, n.d[2] AS d2 FROM unnest('{profile iris,profile standard}'::text[]) m, iris i,
           LATERAL (SELECT array_agg(d ORDER BY d) AS d FROM unnest(kmeans_transform(m, i)) d) n) x,
     LATERAL (SELECT abs(sum(contribution) - (d2 ^ 2 - d1 ^ 2)) < 1e-9 AS total, abs(sum(share) - 1) < 1e-9 AS shares, min(cluster) AS cluster,
                     min(next_cluster) AS next_cluster, array_agg(value ORDER BY feature) AS vals
              FROM kmeans_explain(m, sepal_length, sepal_width, petal_length, petal_width)) e,
     kmeans_nearest(m, sepal_length, sepal_width, petal_length, petal_width) n
GROUP BY m ORDER BY m;
SELECT feature, value, round(centroid::numeric, 6) AS centroid, contribution > 0 AS for_it, abs(sum(contribution) OVER () - (d[2] ^ 2 - d[1] ^ 2)) < 1e-12 AS total
FROM kmeans_explain('profile cosine', 5, 1.4), (SELECT array_agg(d ORDER BY d) AS d FROM unnest(kmeans_transform('profile cosine', 5, 1.4)) d) t;
-- by array and row value, by a value; a filled column; one cluster; a tie; nothing for NULL
SELECT count(*), count(DISTINCT e) FROM (SELECT e FROM iris i, kmeans_explain('profile iris', i) e WHERE i.id = 7
  UNION ALL SELECT e FROM kmeans_explain('profile iris', ARRAY[4.6, 3.4, 1.4, 0.3]) e
  UNION ALL SELECT e FROM kmeans_explain(kmeans_get('profile iris'), 4.6, 3.4, 1.4, 0.3) e) x;
SELECT 1 FROM kmeans_fit('profile fill', 'SELECT * FROM (VALUES (1, 1), (2, NULL), (9, 9)) v(a, b)', k => 2, on_null => 'mean');
SELECT * FROM kmeans_explain('profile fill', 3, NULL);
SELECT * FROM kmeans_explain('profile one', 1, 2, 3);
SELECT * FROM kmeans_explain('profile rare', 5);
SELECT count(*) FROM kmeans_explain('profile iris', NULL, 1, 1, 1);
SELECT count(*) FROM kmeans_explain(NULL::text, 1);
SELECT count(*) FROM kmeans_explain(NULL::kmeans_model, 1);
SELECT e.feature, e.value FROM vault, kmeans_explain(m, 'shop') e;

--
-- values of type kmeans_model give the same; no row for NULL
--
SELECT count(*) AS differences FROM
  ((SELECT * FROM kmeans_profile('profile iris') EXCEPT SELECT * FROM kmeans_profile(kmeans_get('profile iris'))) UNION ALL
   (SELECT * FROM kmeans_profile(kmeans_get('profile iris')) EXCEPT SELECT * FROM kmeans_profile('profile iris'))) d;
SELECT count(*) AS differences FROM
  (SELECT * FROM kmeans_describe('profile iris') EXCEPT SELECT * FROM kmeans_describe(model => kmeans_get('profile iris'))) d;
SELECT count(*) AS differences FROM
  (SELECT * FROM kmeans_feature_importance('profile iris') EXCEPT SELECT * FROM kmeans_feature_importance(model => kmeans_get('profile iris'))) d;
SELECT (SELECT count(*) FROM kmeans_profile(NULL::kmeans_model)) AS profile, (SELECT count(*) FROM kmeans_describe(NULL::kmeans_model)) AS describe,
       (SELECT count(*) FROM kmeans_feature_importance(NULL::kmeans_model)) AS importance;
SELECT proname, pg_get_function_arguments(oid) AS arguments, provolatile, proparallel FROM pg_proc
WHERE proname IN ('kmeans_profile', 'kmeans_describe', 'kmeans_feature_importance', 'kmeans_explain') ORDER BY 1, 2;

--
-- what goes wrong
--
SELECT error_of($$SELECT * FROM kmeans_profile(NULL::text)$$);
SELECT error_of($$SELECT * FROM kmeans_describe(NULL::text)$$);
SELECT error_of($$SELECT * FROM kmeans_feature_importance(NULL::text)$$);
SELECT error_of($$SELECT * FROM kmeans_profile('profile iri')$$);
SELECT error_of($$SELECT * FROM kmeans_describe('profile iris@9')$$);
SELECT error_of($$SELECT * FROM kmeans_feature_importance('profile iris@')$$);
SELECT error_of($$SELECT * FROM kmeans_explain('profile iri', 1)$$);
SELECT error_of($$SELECT * FROM kmeans_explain('profile iris', 1)$$);
SELECT error_of($$SELECT * FROM kmeans_explain('profile iris', 1, 2, 3, 'NaN'::float8)$$);
SELECT error_of($$SELECT * FROM kmeans_explain('profile iris', 1, 2, 3, 'x'::text)$$);
CREATE ROLE profile_stranger;
GRANT USAGE ON SCHEMA profile_test, :ext TO PUBLIC;
SET ROLE profile_stranger;
SELECT error_of($$SELECT * FROM kmeans_profile('profile iris')$$);
SELECT error_of($$SELECT * FROM kmeans_describe('profile iris')$$);
SELECT error_of($$SELECT * FROM kmeans_feature_importance('profile iris')$$);
SELECT error_of($$SELECT * FROM kmeans_explain('profile iris', 1, 2, 3, 4)$$);
RESET ROLE;

SELECT bool_and(kmeans_drop(model)) FROM kmeans_models WHERE model LIKE 'profile%';
RESET search_path;
DROP SCHEMA profile_test CASCADE;
DROP ROLE profile_stranger;
