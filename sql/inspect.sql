--
-- inspect: views, centroids, clusters, iterations; who sees what
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA inspect_test;
SET search_path = inspect_test, :ext;
SET timezone = 'UTC';
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

CREATE TABLE iris AS SELECT * FROM kmeans_iris();

-- two versions of one model, in different spaces, and one of directions
SELECT version FROM kmeans_fit('inspect', 'iris', k => 3, id_column => 'id');
SELECT version FROM kmeans_fit('inspect', 'iris', k => 3, scale => 'standard', id_column => 'id', replace => true);
SELECT version FROM kmeans_fit('inspect cosine', 'SELECT sepal_length AS a, petal_length AS b FROM iris', k => 2, metric => 'cosine', max_iter => 20, seed => 7);

-- the views, with exactly these columns in this order
SELECT array_agg(attname ORDER BY attnum) AS kmeans_models
FROM pg_attribute WHERE attrelid = 'kmeans_models'::regclass AND attnum > 0;
SELECT array_agg(attname ORDER BY attnum) AS kmeans_versions
FROM pg_attribute WHERE attrelid = 'kmeans_versions'::regclass AND attnum > 0;
\x
SELECT model, owner = current_user AS mine, grantees, version, versions, k, n_features, metric, scale, source,
       columns, id_column, n_rows, round(inertia::numeric, 6) AS inertia, round(explained::numeric, 6) AS explained,
       fitted_at BETWEEN now() - interval '1 hour' AND clock_timestamp() AS fitted_lately,
       age BETWEEN interval '0' AND interval '1 hour' AS young
FROM kmeans_models WHERE model LIKE 'inspect%' ORDER BY model;
SELECT model, version, promoted, k, n_features, n_rows, n_skipped, round(inertia::numeric, 6) AS inertia,
       round(explained::numeric, 6) AS explained, n_iter, converged, seed, metric, scale, source, columns, id_column,
       options ->> 'scale' AS option_scale, fitted_by = current_user AS by_me,
       fitted_at <= clock_timestamp() AS fitted_before, elapsed BETWEEN interval '0' AND interval '1 minute' AS quick
FROM kmeans_versions WHERE model LIKE 'inspect%' ORDER BY model, version;
\x

-- centroids: unscaled, value and scaled_value are the same numbers
SELECT cluster, label, feature, round(value::numeric, 8) AS value, value = scaled_value AS same
FROM kmeans_centroids('inspect@1');
-- scaled: value = scaled_value * sd + mean
SELECT c.feature, count(*), bool_and(abs(c.value - (c.scaled_value * s.sd + s.mean)) < 1e-12) AS back
FROM kmeans_centroids(model => 'inspect') c
JOIN (SELECT feature, avg(v) AS mean, stddev_pop(v) AS sd
      FROM iris, LATERAL (VALUES ('sepal_length', sepal_length), ('sepal_width', sepal_width),
                                 ('petal_length', petal_length), ('petal_width', petal_width)) f(feature, v)
      GROUP BY feature) s USING (feature)
GROUP BY c.feature ORDER BY c.feature;
-- cosine: value is the mean of the rows, scaled_value of length 1
SELECT c.cluster, abs(sqrt(sum(c.scaled_value ^ 2)) - 1) < 1e-12 AS unit,
       bool_and(abs(c.value - CASE c.feature WHEN 'a' THEN m.a ELSE m.b END) < 1e-12) AS means
FROM kmeans_centroids('inspect cosine') c
JOIN (SELECT kmeans_predict('inspect cosine', sepal_length, petal_length) AS cluster,
             avg(sepal_length) AS a, avg(petal_length) AS b
      FROM iris GROUP BY 1) m USING (cluster)
GROUP BY c.cluster ORDER BY c.cluster;

-- clusters add up to the model
SELECT cluster, label, size, weight, round(share::numeric, 6) AS share, round(inertia::numeric, 6) AS inertia,
       abs(radius_rms - sqrt(inertia / weight)) < 1e-12 AS rms, radius_max >= radius_rms AS max,
       (SELECT array_agg(round(x::numeric, 6)) FROM unnest(centroid) x) AS centroid
FROM kmeans_clusters('inspect@1');
SELECT v.version, sum(c.size) = v.n_rows AS rows, abs(sum(c.share) - 1) < 1e-12 AS shares,
       abs(sum(c.inertia) - v.inertia) < 1e-9 AS inertia, count(*) = v.k AS k
FROM kmeans_versions v, kmeans_clusters('inspect@' || v.version) c
WHERE v.model = 'inspect' GROUP BY v.version, v.n_rows, v.inertia, v.k ORDER BY v.version;
SELECT c.cluster, c.centroid = (SELECT array_agg(value) FROM kmeans_centroids('inspect') v WHERE v.cluster = c.cluster) AS same
FROM kmeans_clusters(model => 'inspect') c;
-- weights count, sizes do not
SELECT 1 FROM kmeans_fit('inspect weighted', 'SELECT * FROM (VALUES (0, 1), (1, 3), (10, 4)) v(x, w)', k => 2, weight => 'w');
SELECT cluster, size, weight, share, inertia, centroid FROM kmeans_clusters('inspect weighted');

-- the same from the value, in the same words
CREATE TABLE vault AS SELECT kmeans_get('inspect cosine') AS model;
SELECT count(*) AS differences FROM
  ((SELECT * FROM kmeans_centroids('inspect cosine') EXCEPT SELECT c.* FROM vault, kmeans_centroids(vault.model) c)
   UNION ALL
   (SELECT c.* FROM vault, kmeans_centroids(model => vault.model) c EXCEPT SELECT * FROM kmeans_centroids('inspect cosine'))) d;
SELECT count(*) AS differences FROM
  ((SELECT * FROM kmeans_clusters('inspect cosine') EXCEPT SELECT c.* FROM vault, kmeans_clusters(vault.model) c)
   UNION ALL
   (SELECT c.* FROM vault, kmeans_clusters(model => vault.model) c EXCEPT SELECT * FROM kmeans_clusters('inspect cosine'))) d;

-- iterations: all runs, one of them the best, whose last inertia is the model's and the lowest
SELECT count(DISTINCT run) AS runs, min(run) AS first_run, min(iteration) AS first_iteration,
       count(DISTINCT run) FILTER (WHERE best) AS best_runs, bool_and(elapsed_ms >= 0) AS timed,
       bool_and(reassigned = 150) FILTER (WHERE iteration = 1) AS all_in_the_first
FROM kmeans_iterations('inspect');
SELECT bool_and(inertia <= before) AS never_rises
FROM (SELECT inertia, lag(inertia) OVER (PARTITION BY run ORDER BY iteration) AS before FROM kmeans_iterations('inspect')) i;
SELECT i.iteration = v.n_iter AS last, abs(i.inertia - v.inertia) < 1e-9 AS of_the_model,
       i.inertia = (SELECT min(inertia) FROM kmeans_iterations(model => 'inspect')) AS lowest
FROM kmeans_versions v, LATERAL (SELECT * FROM kmeans_iterations('inspect') WHERE best ORDER BY iteration DESC LIMIT 1) i
WHERE v.model = 'inspect' AND v.promoted;

-- a saved model has no source and no iterations; explained is null if there is nothing to explain
SELECT kmeans_save('inspect saved', model) FROM vault;
SELECT source, scale, versions FROM kmeans_models WHERE model = 'inspect saved';
SELECT fitted_by = current_user AS by_me, elapsed FROM kmeans_versions WHERE model = 'inspect saved';
SELECT count(*) FROM kmeans_iterations('inspect saved');

-- long options, whole
SELECT kmeans_save('inspect long', jsonb_set(model::jsonb, '{options}',
    jsonb_build_object('scale', 'minmax', 'init_centroids', (SELECT jsonb_agg(md5(i::text)) FROM generate_series(1, 5000) i)))::kmeans_model)
FROM vault;
SELECT m.scale, v.scale = m.scale AS same, v.options = (kmeans_get(m.model)::jsonb)['options'] AS whole
FROM kmeans_models m JOIN kmeans_versions v USING (model) WHERE m.model = 'inspect long';
SELECT kmeans_drop('inspect long');
SELECT 1 FROM kmeans_fit('inspect one', 'SELECT 5 AS x FROM generate_series(1, 3)', k => 1);
SELECT inertia, explained FROM kmeans_models WHERE model = 'inspect one';
SELECT cluster, size, radius_rms, radius_max, centroid FROM kmeans_clusters('inspect one');

-- what cannot be found
SELECT error_of($$SELECT * FROM kmeans_clusters('inspct')$$);
SELECT error_of($$SELECT * FROM kmeans_centroids('no such model')$$);
SELECT error_of($$SELECT * FROM kmeans_iterations('inspect@3')$$);
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect@')$$);
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect@0')$$);
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect@1@2')$$);
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect@99999999999')$$);
SELECT error_of($$SELECT * FROM kmeans_clusters('')$$);
SELECT error_of(format('SELECT * FROM kmeans_clusters(%L)', repeat('ä', 32)));
SELECT error_of($$SELECT * FROM kmeans_clusters(NULL::text)$$);
SELECT error_of($$SELECT * FROM kmeans_iterations(NULL)$$);
SELECT count(*) FROM kmeans_clusters(NULL::kmeans_model);

-- who sees what: nothing in the tables, in the views and functions what is one's own or granted
CREATE ROLE inspect_owner;
CREATE ROLE inspect_member IN ROLE inspect_owner;
CREATE ROLE inspect_grantee;
CREATE ROLE inspect_stranger;
GRANT USAGE ON SCHEMA inspect_test, :ext TO PUBLIC;
GRANT SELECT ON iris TO PUBLIC;
SET ROLE inspect_owner;
SELECT 1 FROM kmeans_fit('inspect private', 'iris', k => 2);
SELECT error_of('SELECT * FROM kmeans_catalog');
SELECT error_of('SELECT * FROM kmeans_version');
SELECT error_of('SELECT * FROM kmeans_centroid');
SELECT error_of('SELECT * FROM kmeans_iteration');
SELECT error_of('SELECT * FROM kmeans_privilege');
SELECT error_of($$SELECT nextval('kmeans_model_id_seq')$$);
SELECT model, owner FROM kmeans_models;
SET ROLE inspect_member;
SELECT model, owner FROM kmeans_models;
SELECT count(*) FROM kmeans_centroids('inspect private');
SET ROLE inspect_stranger;
SELECT count(*) FROM kmeans_models;
SELECT count(*) FROM kmeans_versions;
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect private')$$);
SELECT error_of($$SELECT * FROM kmeans_centroids('inspect private@1')$$);
SELECT error_of($$SELECT * FROM kmeans_iterations('inspect private')$$);
-- no hint at names that are not theirs
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect privat')$$);
RESET ROLE;
INSERT INTO kmeans_privilege SELECT model_id, 'inspect_grantee' FROM kmeans_catalog WHERE name = 'inspect private';
SET ROLE inspect_grantee;
SELECT model, owner, grantees FROM kmeans_models;
SELECT count(*) FROM kmeans_clusters('inspect private@1');
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect privat')$$);
RESET ROLE;
INSERT INTO kmeans_privilege SELECT model_id, '-' FROM kmeans_catalog WHERE name = 'inspect private';
SET ROLE inspect_stranger;
SELECT model, owner, grantees FROM kmeans_models;
RESET ROLE;

-- an owner that was dropped is nobody
DROP OWNED BY inspect_owner;
DROP ROLE inspect_owner;
DELETE FROM kmeans_privilege;
SELECT model, owner ~ '^[0-9]+$' AS number FROM kmeans_models WHERE model = 'inspect private';
SET ROLE inspect_member;
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect private')$$);
RESET ROLE;
SELECT kmeans_drop('inspect private');
DROP ROLE inspect_member, inspect_grantee, inspect_stranger;

-- rows of the catalog are input like any other
BEGIN;
UPDATE kmeans_centroid SET centroid = '{1,2,NULL,4}' FROM kmeans_catalog m WHERE m.model_id = kmeans_centroid.model_id AND name = 'inspect';
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect')$$);
UPDATE kmeans_centroid SET centroid = '{1,2,NaN,4}' FROM kmeans_catalog m WHERE m.model_id = kmeans_centroid.model_id AND name = 'inspect';
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect')$$);
UPDATE kmeans_version SET k = 60000 FROM kmeans_catalog m WHERE m.model_id = kmeans_version.model_id AND name = 'inspect';
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect')$$);
UPDATE kmeans_version SET kinds = '{number,number,number,colour}' FROM kmeans_catalog m WHERE m.model_id = kmeans_version.model_id AND name = 'inspect';
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect')$$);
UPDATE kmeans_version SET kinds = '{number,number,number,category}' FROM kmeans_catalog m WHERE m.model_id = kmeans_version.model_id AND name = 'inspect';
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect')$$);
DELETE FROM kmeans_version USING kmeans_catalog m WHERE m.model_id = kmeans_version.model_id AND name = 'inspect';
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect')$$);
SELECT error_of($$SELECT * FROM kmeans_clusters('inspect@2')$$);
SELECT count(*) FROM kmeans_models WHERE model = 'inspect';
ROLLBACK;
SELECT error_of($$INSERT INTO kmeans_catalog VALUES (-1, 'x', '99999', 1, 1, 0, 1, now())$$) ~ '^23514' AS owner_checked;
SELECT error_of($$INSERT INTO kmeans_catalog VALUES (-1, 'x', '-', 1, 1, 0, 1, now())$$) ~ '^23514' AS owner_checked;
SELECT error_of($$INSERT INTO kmeans_catalog VALUES (-1, 'x@1', CURRENT_USER::regrole, 1, 1, 0, 1, now())$$) ~ '^23514' AS name_checked;
SELECT error_of($$INSERT INTO kmeans_privilege VALUES (-1, '99999')$$) ~ '^23514' AS grantee_checked;

SELECT bool_and(kmeans_drop(model)) FROM kmeans_models WHERE model LIKE 'inspect%';
SELECT (SELECT count(*) FROM kmeans_version v WHERE NOT EXISTS (SELECT 1 FROM kmeans_catalog c WHERE c.model_id = v.model_id)) AS versions_left,
       (SELECT count(*) FROM kmeans_centroid v WHERE NOT EXISTS (SELECT 1 FROM kmeans_catalog c WHERE c.model_id = v.model_id)) AS centroids_left,
       (SELECT count(*) FROM kmeans_iteration v WHERE NOT EXISTS (SELECT 1 FROM kmeans_catalog c WHERE c.model_id = v.model_id)) AS iterations_left;
RESET search_path;
DROP SCHEMA inspect_test CASCADE;
