--
-- assign: the labels of whole sources, outliers; whose rights a source runs with
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA assign_test;
SET search_path = assign_test, :ext;
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
SELECT 1 FROM kmeans_fit('assign iris', 'iris', k => 3, id_column => 'id');
SELECT 1 FROM kmeans_fit('assign standard', 'iris', k => 5, scale => 'standard', id_column => 'id');
SELECT 1 FROM kmeans_fit('assign cosine', 'iris', k => 2, metric => 'cosine', id_column => 'id');
SELECT kmeans_set_label('assign iris', 0, 'setosa');

--
-- kmeans_assign says of every row what kmeans_nearest says
--
SELECT id, cluster, label, round(distance::numeric, 6) AS distance, next_cluster, next_label, round(confidence::numeric, 6) AS confidence,
       round(outlier_score::numeric, 6) AS outlier_score FROM kmeans_assign('assign iris') WHERE id IN ('1', '51', '101');
SELECT m AS model, count(*), count(DISTINCT a.id) AS ids, count(*) FILTER (WHERE a.cluster IS DISTINCT FROM n.cluster OR a.label IS DISTINCT FROM n.label
         OR a.distance IS DISTINCT FROM n.distance OR a.next_cluster IS DISTINCT FROM n.next_cluster OR a.next_label IS DISTINCT FROM n.next_label
         OR a.confidence IS DISTINCT FROM n.confidence OR a.outlier_score IS DISTINCT FROM n.outlier_score) AS differences
FROM unnest('{assign iris,assign standard,assign cosine,assign iris@1}'::text[]) m, kmeans_assign(m) a JOIN iris i ON i.id::text = a.id, kmeans_nearest(m, i) n
GROUP BY m ORDER BY m;
SELECT cluster, count(*) FROM kmeans_assign(model => 'assign iris', source => NULL, id_column => NULL) GROUP BY 1 ORDER BY 1;
-- ids: of another column, of any type, ordinals, NULL
SELECT id, cluster FROM kmeans_assign('assign iris', id_column => 'species') LIMIT 1;
SELECT id, cluster FROM kmeans_assign('assign iris', $$SELECT *, date '2024-02-29' AS day FROM iris LIMIT 1$$, 'day');
SELECT id, cluster FROM kmeans_assign('assign iris', $$SELECT *, row(id, species) AS both FROM iris LIMIT 1$$, 'both');
SELECT id, cluster FROM kmeans_assign('assign iris', 'SELECT sepal_length, sepal_width, petal_length, petal_width, NULL::int AS id FROM iris LIMIT 2');
-- columns are found by name, in any order, of any type of their kind
SELECT id, cluster, round(distance::numeric, 6) AS distance
FROM kmeans_assign('assign iris', 'SELECT petal_width::numeric, petal_length::real, species, sepal_width, sepal_length, id AS "row ""id""" FROM iris WHERE id < 3', 'row "id"');
-- without the model's id column rows are numbered, in the order of a serial run
SET client_min_messages = notice;
SELECT id, cluster FROM kmeans_assign('assign iris', 'SELECT sepal_length, sepal_width, petal_length, petal_width FROM iris ORDER BY iris.id DESC LIMIT 3');
SET client_min_messages = warning;
SELECT 1 FROM kmeans_fit('assign line', 'SELECT * FROM (VALUES (1), (2), (11), (12), (NULL)) v(x)', k => 2);
SELECT * FROM kmeans_assign('assign line');
SELECT count(*) AS differences FROM kmeans_assign('assign line', 'SELECT x FROM generate_series(1, 1000) x') WHERE cluster <> kmeans_predict('assign line', id::int);
-- NULL: filled if the model was fitted so; cosine: rows of length 0 count as NULL
SELECT 1 FROM kmeans_fit('assign fill', 'SELECT * FROM (VALUES (1, 1), (2, NULL), (9, 9)) v(a, b)', k => 2, on_null => 'mean');
SELECT a.id, a.cluster, a.distance = n.distance AS same FROM kmeans_assign('assign fill', 'SELECT * FROM (VALUES (NULL::int, NULL::int), (1, NULL)) v(a, b)') a,
  LATERAL (SELECT CASE a.id WHEN '2' THEN 1 END AS x) v, kmeans_nearest('assign fill', x, NULL::int) n;
SELECT * FROM kmeans_assign('assign cosine', $$SELECT 0 AS sepal_length, 0 AS sepal_width, 0 AS petal_length, 0 AS petal_width, 'zero' AS id$$);
-- one cluster; a source without rows; arrays; kinds of columns; weights do not matter
SELECT 1 FROM kmeans_fit('assign one', 'SELECT 5 AS x FROM generate_series(1, 3)', k => 1);
SELECT * FROM kmeans_assign('assign one', 'SELECT 7 AS x');
SELECT count(*) FROM kmeans_assign('assign iris', 'SELECT * FROM iris WHERE false');
SELECT 1 FROM kmeans_fit('assign mixed', $$SELECT ARRAY[g, g % 7] AS v, g % 2 = 0 AS even, date '2024-01-01' + g AS day, interval '1 hour' * g AS age, g AS w
  FROM generate_series(1, 60) g$$, columns => '{v,even,day,age}', k => 3, scale => 'standard', weight => 'w');
SELECT count(*) AS differences FROM generate_series(1, 60) g, kmeans_assign('assign mixed',
  $$SELECT ARRAY[g, g % 7] AS v, g % 2 = 0 AS even, date '2024-01-01' + g AS day, interval '1 hour' * g AS age FROM generate_series(1, 60) g$$) a
WHERE a.id::int = g AND a.cluster <> kmeans_predict('assign mixed', ARRAY[g, g % 7], g % 2 = 0, date '2024-01-01' + g, interval '1 hour' * g);
-- many clusters, many features, more rows than a batch, and more than work_mem
SELECT 1 FROM kmeans_fit('assign many', 'SELECT g * g % 9973 AS x, g * 31 % 4999 AS y FROM generate_series(1, 6000) g', k => 2000, max_iter => 2, init => 'random', n_init => 1);
SET work_mem = '64kB';
SELECT count(*) AS rows, count(*) FILTER (WHERE a.cluster <> n.cluster OR a.next_cluster <> n.next_cluster OR a.outlier_score <> n.outlier_score) AS differences
FROM generate_series(1, 6000) g JOIN kmeans_assign('assign many') a ON a.id::int = g, kmeans_nearest('assign many', g * g % 9973, g * 31 % 4999) n;
RESET work_mem;
SELECT 1 FROM kmeans_fit('assign wide', 'SELECT array_agg(i * g % 101) AS v FROM generate_series(1, 3000) i, generate_series(1, 70) g GROUP BY g', k => 4, n_init => 1);
SELECT count(*) AS rows, count(*) FILTER (WHERE a.distance <> kmeans_distance('assign wide', v)) AS differences
FROM kmeans_assign('assign wide', 'SELECT array_agg(i * g % 101) AS v, g AS id FROM generate_series(1, 3000) i, generate_series(1, 70) g GROUP BY g', 'id') a
JOIN (SELECT array_agg(i * g % 101) AS v, g AS id FROM generate_series(1, 3000) i, generate_series(1, 70) g GROUP BY g) w ON w.id::text = a.id;
-- reads only
BEGIN READ ONLY;
SELECT count(*) FROM kmeans_assign('assign iris');
SELECT count(*) FROM kmeans_outliers('assign iris');
COMMIT;

--
-- kmeans_outliers
--
SELECT id, cluster, label, round(distance::numeric, 6) AS distance, round(outlier_score::numeric, 6) AS score, threshold, reason
FROM kmeans_outliers('assign iris', contamination => 0.04);
-- at most the share asked for; what kmeans_nearest scores; sorted
SELECT c, count(*) <= c * 150 AS few, count(*) >= c * 150 - 2 AS enough,
       count(*) FILTER (WHERE score IS DISTINCT FROM n.outlier_score OR score <= threshold OR score > before OR n.cluster <> o.cluster) AS wrong
FROM unnest('{0,0.01,0.1,0.5}'::float8[]) c, LATERAL (SELECT id, cluster, outlier_score AS score, threshold, lag(outlier_score) OVER () AS before
                                                      FROM kmeans_outliers(model => 'assign iris', source => 'iris', contamination => c, id_column => 'id')) o
JOIN iris i ON i.id::text = o.id, kmeans_nearest('assign iris', i) n GROUP BY c ORDER BY c;
-- only what exceeds every fitted row
SELECT id, cluster, round(outlier_score::numeric, 3) AS score, reason
FROM kmeans_outliers('assign iris', 'TABLE iris UNION ALL VALUES (151, 5.0, 3.4, 1.5, 1.3, NULL), (152, 50, 3.4, 1.5, 0.2, NULL), (153, NULL, 1, 1, 1, NULL)', 0);
-- rows of weight 0 have been fitted, too
SELECT 1 FROM kmeans_fit('assign weightless', 'SELECT i AS id, i % 10 AS a, 100 AS b, 1 AS w FROM generate_series(1, 50) i UNION ALL VALUES (51, 5, 130, 0)', '{a,b}', k => 2, weight => 'w', id_column => 'id');
SELECT count(*) FROM kmeans_outliers('assign weightless', contamination => 0);
SELECT id, outlier_score > threshold AS above FROM kmeans_outliers('assign weightless', 'SELECT * FROM (VALUES (51, 5, 130, 0), (52, 5, 131, 1)) v(id, a, b, w)', contamination => 0);
-- a model of one value: any other is infinitely far; equal scores in the order of the rows
SELECT * FROM kmeans_outliers('assign one', 'SELECT * FROM (VALUES (5), (6), (5), (-1)) v(x)');
-- a constant feature and a far one; many deviations, the three largest; huge ones
SELECT 1 FROM kmeans_fit('assign reasons', 'SELECT g % 5 AS a, g % 7 AS b, g % 11 AS c, g % 13 AS d, 3 AS e FROM generate_series(1, 5005) g', k => 1);
SELECT id, reason FROM kmeans_outliers('assign reasons', 'SELECT * FROM (VALUES (2, 3, 5, 6, 4), (9, 10, 11, 12, 3), (2, 3, 5, 20, 3), (99999, 3, 5, 6, 3)) v(a, b, c, d, e)', 0);
-- cosine: a row's length is no reason
SELECT id, reason FROM kmeans_outliers('assign cosine', 'SELECT 1000 * sepal_length AS sepal_length, sepal_width, petal_length, petal_width, id FROM iris WHERE id = 1', 0);
SELECT count(*) FROM kmeans_outliers('assign cosine', 'SELECT 1000 * sepal_length AS sepal_length, 1000 * sepal_width AS sepal_width,
  1000 * petal_length AS petal_length, 1000 * petal_width AS petal_width, id FROM iris', 0);

--
-- what goes wrong
--
SELECT error_of($$SELECT * FROM kmeans_assign(NULL)$$);
SELECT error_of($$SELECT * FROM kmeans_outliers(NULL)$$);
SELECT error_of($$SELECT * FROM kmeans_outliers('assign iris', contamination => NULL)$$);
SELECT error_of($$SELECT * FROM kmeans_outliers('assign iris', contamination => 0.51)$$);
SELECT error_of($$SELECT * FROM kmeans_outliers('assign iris', contamination => -0.01)$$);
SELECT error_of($$SELECT * FROM kmeans_outliers('assign iris', contamination => 'NaN')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iri')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris@2')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', 'iriss')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', 'SELECT 1; SELECT 2')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', 'DELETE FROM iris RETURNING *')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', '')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', 'iris WHERE id = 1')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', 'SELECT id, sepal_length, sepal_width, petal_length FROM iris')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign iris', 'iris', 'nosuch')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign line', 'SELECT 1 AS x, 2 AS x')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign line', $q$SELECT '1'::text AS x$q$)$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign line', 'SELECT true AS x')$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign mixed', $q$SELECT 1 AS v, true AS even, now() AS day, interval '1 s' AS age$q$)$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign line', $q$SELECT * FROM (VALUES (1::float8), ('NaN'), (2)) v(x)$q$)$$);
SELECT error_of($$SELECT * FROM kmeans_assign('assign line', $q$SELECT x::float8 FROM (VALUES (1.0), (1e200)) v(x)$q$)$$);
-- the value that is too large is so after scaling
SELECT k FROM kmeans_fit('assign far', 'SELECT i * 1e9::float8 AS large, i * 1e-300::float8 AS small FROM generate_series(1, 9) AS i', k => 2, scale => 'standard');
SELECT error_of(statement) FROM unnest(ARRAY[$$SELECT * FROM kmeans_assign('assign far', 'SELECT 1e10 AS large, 1e3 AS small')$$,
  $$SELECT kmeans_predict('assign far', 1e10, 1e3)$$, $$SELECT * FROM kmeans_transitions('assign far', 1, 1, 'SELECT 1e10 AS large, 1e3 AS small')$$]) AS statement;
SELECT kmeans_drop('assign far');
SELECT error_of($$SELECT * FROM kmeans_assign('assign wide', 'SELECT ARRAY[1, 2] AS v')$$);
SELECT error_of($$SELECT kmeans_assign('assign line', 'SELECT x / (x - 2) AS x FROM generate_series(1, 3) x')$$);
-- a stored source that no longer fits
CREATE TABLE moving AS SELECT g AS x FROM generate_series(1, 10) g;
SELECT 1 FROM kmeans_fit('assign moving', 'moving', k => 2);
ALTER TABLE moving RENAME x TO y;
SELECT error_of($$SELECT * FROM kmeans_assign('assign moving')$$);
ALTER TABLE moving RENAME TO moved;
SELECT error_of($$SELECT * FROM kmeans_outliers('assign moving')$$);
-- no stored source
CREATE TEMP TABLE passing AS SELECT g AS x FROM generate_series(1, 10) g;
SELECT 1 FROM kmeans_fit('assign temporary', 'passing', k => 2);
SELECT error_of($$SELECT * FROM kmeans_assign('assign temporary')$$);
SELECT count(*) FROM kmeans_assign('assign temporary', 'passing');
SELECT kmeans_save('assign saved', kmeans_get('assign line'));
SELECT error_of($$SELECT * FROM kmeans_outliers('assign saved')$$);
SELECT count(*) FROM kmeans_outliers('assign saved', 'SELECT * FROM (VALUES (1), (100)) v(x)', 0);

--
-- whose rights: a stored source runs as the owner, and only for owners
--
CREATE ROLE assign_owner;
CREATE ROLE assign_member IN ROLE assign_owner;
CREATE ROLE assign_grantee;
GRANT USAGE, CREATE ON SCHEMA assign_test TO PUBLIC;
GRANT USAGE ON SCHEMA :ext TO PUBLIC;
SET ROLE assign_owner;
CREATE TABLE private AS SELECT g AS x FROM generate_series(1, 20) g;
SELECT 1 FROM kmeans_fit('assign private', 'private', k => 2);
-- says who runs it
CREATE FUNCTION who(int) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  RAISE WARNING '% as %, search_path %', $1, current_user, current_setting('search_path');
  RETURN $1;
END $$;
SET client_min_messages = error;
SELECT 1 FROM kmeans_fit('assign who', 'SELECT who(x) AS x FROM private LIMIT 1', k => 1);
SET client_min_messages = warning;
RESET ROLE;
INSERT INTO kmeans_privilege SELECT model_id, 'assign_grantee' FROM kmeans_catalog WHERE name IN ('assign private', 'assign who');
SELECT count(*) FROM kmeans_assign('assign who');
SET ROLE assign_member;
SELECT count(*) FROM kmeans_assign('assign private');
SELECT count(*) FROM kmeans_outliers('assign private');
SET ROLE assign_grantee;
SELECT error_of($$SELECT * FROM kmeans_assign('assign private')$$);
SELECT error_of($$SELECT * FROM kmeans_outliers('assign private@1')$$);
-- with a source, with one's own rights
SELECT count(*) FROM kmeans_assign('assign private', 'SELECT * FROM (VALUES (1), (2)) v(x)');
SELECT error_of($$SELECT * FROM kmeans_assign('assign private', 'private')$$);
SELECT count(*) FROM kmeans_assign('assign who', 'SELECT assign_test.who(1) AS column1, 1 AS x');
RESET ROLE;

-- what an owner can try when a superuser runs her source
CREATE TABLE tried (what text);
GRANT INSERT ON tried TO PUBLIC;
SET SESSION AUTHORIZATION assign_owner;
CREATE FUNCTION trap(what text) RETURNS int LANGUAGE plpgsql AS $$
BEGIN
  IF session_user = current_user THEN RETURN 1; END IF;
  BEGIN
    EXECUTE what;
    INSERT INTO assign_test.tried VALUES ('done: ' || what);
  EXCEPTION WHEN OTHERS THEN
    INSERT INTO assign_test.tried VALUES (sqlstate || ' ' || what);
  END;
  RETURN 1;
END $$;
SELECT 1 FROM kmeans_fit('assign trap', $$
  SELECT trap(w) AS x FROM unnest(ARRAY['ALTER ROLE assign_owner SUPERUSER', 'SET ROLE postgres', 'RESET ROLE', 'SET SESSION AUTHORIZATION DEFAULT',
    'CREATE TEMP TABLE t (x int)', 'DECLARE c CURSOR WITH HOLD FOR SELECT 1', 'SELECT set_config(''search_path'', ''evil'', false)', 'COMMIT']) w$$, k => 1);
RESET SESSION AUTHORIZATION;
SELECT count(*) FROM kmeans_assign('assign trap');
SELECT what FROM tried;
SELECT current_user = session_user AS myself, current_setting('search_path') LIKE 'assign_test,%' AS my_path,
       (SELECT rolsuper FROM pg_roles WHERE rolname = 'assign_owner') AS super, (SELECT count(*) FROM pg_cursors WHERE name = 'c') AS cursors;
-- and after an error
SELECT error_of($$SELECT * FROM kmeans_assign('assign moving')$$) ~ '^42P01' AS failed, current_user = session_user AS myself,
       current_setting('search_path') LIKE 'assign_test,%' AS my_path;
-- row-level security is the owner's for a stored source, one's own for another
ALTER TABLE private ENABLE ROW LEVEL SECURITY;
ALTER TABLE private FORCE ROW LEVEL SECURITY;
CREATE POLICY few ON private USING (current_user <> 'assign_owner' OR x <= 5);
SELECT count(*) FROM kmeans_assign('assign private');
SELECT count(*) FROM kmeans_assign('assign private', 'private');
-- a dropped owner is nobody
ALTER TABLE private OWNER TO CURRENT_USER;
DROP OWNED BY assign_owner;
DROP ROLE assign_owner;
SELECT error_of($$SELECT * FROM kmeans_assign('assign private')$$);
SELECT count(*) FROM kmeans_assign('assign private', 'private');
SET ROLE assign_grantee;
SELECT error_of($$SELECT * FROM kmeans_assign('assign private')$$);
RESET ROLE;

SELECT proname, pg_get_function_arguments(oid) AS arguments, provolatile, proparallel FROM pg_proc
WHERE proname IN ('kmeans_assign', 'kmeans_outliers') ORDER BY 1, 2;
SELECT bool_and(kmeans_drop(model)) FROM kmeans_models WHERE model LIKE 'assign%';
RESET search_path;
DROP SCHEMA assign_test CASCADE;
DROP ROLE assign_member, assign_grantee;
