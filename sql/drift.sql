--
-- drift: how far rows have moved from a model, and between its versions
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA drift_test;
SET search_path = drift_test, :ext;
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

CREATE TABLE customers AS
SELECT i AS id, i % 4 * 10 + sin(i * 7) AS spent, i % 4 * 5 + cos(i * 3) AS visits, (1 + i % 3)::float8 AS weight
FROM generate_series(1, 2000) i;
SELECT k FROM kmeans_fit('seg', 'customers', ARRAY['spent', 'visits'], k => 4, id_column => 'id', scale => 'standard', weight => 'weight');
SELECT kmeans_set_label('seg', 0, 'thrifty');

-- the rows of the fit
SELECT cluster, label, share_then = share_now AS same_share, psi = 0 AS no_psi, round(distance_ratio::numeric, 9) AS ratio,
  outlier_rate BETWEEN 0.03 AND 0.06 AS expected_outliers, verdict FROM kmeans_drift('seg');

-- other rows, against the definition
CREATE TABLE later AS SELECT id, spent + CASE WHEN id % 4 = 3 THEN id % 17 * 0.2 ELSE 0 END AS spent, visits, weight FROM customers WHERE id % 4 > 0 OR id % 3 = 0
UNION ALL SELECT 5000, NULL, 1, 1 UNION ALL SELECT 5001, 1, 1, 0;
CREATE FUNCTION verdict_of(psi float8, ratio float8, outliers float8) RETURNS text LANGUAGE sql AS
$$ SELECT CASE WHEN psi >= 0.25 OR ratio > 1.25 OR outliers > 0.15 THEN 'refresh' WHEN psi >= 0.1 THEN 'watch' ELSE 'stable' END $$;
CREATE TABLE expected AS
WITH cut AS (SELECT threshold FROM kmeans_outliers('seg', contamination => 0.05) LIMIT 1),
now AS (SELECT n.cluster, weight AS w, n.distance AS d, n.outlier_score > threshold AS o FROM later l, cut, kmeans_nearest('seg', l) n WHERE n.cluster IS NOT NULL),
sums AS (SELECT cluster, sum(w) AS w, sum(w * d * d) AS ss, sum(w) FILTER (WHERE o) AS o FROM now GROUP BY GROUPING SETS (cluster, ())),
total AS (SELECT * FROM sums WHERE cluster IS NULL),
clusters AS (SELECT c.cluster, c.share AS share_then, coalesce(s.w, 0) / t.w AS share_now, sqrt(s.ss / s.w) / c.radius_rms AS ratio, coalesce(s.o, 0) / s.w AS rate
  FROM kmeans_clusters('seg') c CROSS JOIN total t LEFT JOIN sums s ON s.cluster = c.cluster),
index AS (SELECT *, (greatest(share_now, 1e-4) - greatest(share_then, 1e-4)) * ln(greatest(share_now, 1e-4) / greatest(share_then, 1e-4)) AS psi FROM clusters)
SELECT cluster, share_then, share_now, psi, ratio, rate FROM index
UNION ALL SELECT NULL, 1, 1, (SELECT sum(psi) FROM index), sqrt(t.ss / t.w) / sqrt((SELECT sum(inertia) / sum(weight) FROM kmeans_clusters('seg'))), t.o / t.w FROM total t;
SELECT d.cluster, abs(d.share_then - e.share_then) < 1e-12 AND abs(d.share_now - e.share_now) < 1e-12 AS shares, abs(d.psi - e.psi) < 1e-12 AS psi,
  abs(d.distance_ratio - e.ratio) < 1e-9 AS ratio, abs(d.outlier_rate - e.rate) < 1e-12 AS rate, d.verdict = verdict_of(e.psi, e.ratio, e.rate) AS verdict_right, d.verdict
FROM kmeans_drift(model => 'seg', source => 'later') d JOIN expected e ON d.cluster IS NOT DISTINCT FROM e.cluster;
SELECT count(*) = 5 AND count(*) FILTER (WHERE cluster IS NULL) = 1 AS rows FROM kmeans_drift('seg', 'later');
-- any order of rows
SELECT count(*) FROM (SELECT * FROM kmeans_drift('seg', 'SELECT * FROM later ORDER BY md5(id::text)') EXCEPT SELECT * FROM kmeans_drift('seg', 'SELECT * FROM later ORDER BY id')) x;

-- a cluster without rows; one whose rows were all alike; verdicts by the index alone
SELECT cluster, round(share_now::numeric, 3) AS now, round(psi::numeric, 3) AS psi, round(distance_ratio::numeric, 3) AS ratio, outlier_rate IS NULL AS none, verdict
FROM kmeans_drift('seg', 'SELECT * FROM customers WHERE id % 4 <> 2');
SELECT k FROM kmeans_fit('points', 'SELECT x FROM unnest(''{0,0,10,11,12}''::float8[]) x', k => 2);
SELECT cluster, share_now, distance_ratio, verdict FROM kmeans_drift('points', 'SELECT x FROM unnest(''{0,0,10,11,12}''::float8[]) x');
SELECT cluster, share_now, distance_ratio, verdict FROM kmeans_drift('points', 'SELECT x FROM unnest(''{0,0.1,10,11,12}''::float8[]) x');
SELECT cluster, share_now, round(psi::numeric, 4) AS psi, verdict FROM kmeans_drift('points', 'SELECT x FROM unnest(''{0,10,11,11,12}''::float8[]) x');
SELECT cluster, share_now, round(psi::numeric, 4) AS psi, verdict FROM kmeans_drift('points', 'SELECT x FROM unnest(''{0,0,0,0,11,11}''::float8[]) x');

SELECT error_of($$SELECT kmeans_drift('seg', 'SELECT * FROM customers LIMIT 0')$$);
SELECT error_of($$SELECT kmeans_drift('seg', 'SELECT NULL::float8 AS spent, 1 AS visits, 1 AS weight, 1 AS id')$$);
SELECT error_of($$SELECT kmeans_drift('seg', 'SELECT spent, visits FROM customers')$$);
SELECT error_of($$SELECT kmeans_drift('seg', 'SELECT 1e200 AS spent, 1 AS visits, 1 AS weight')$$);
SELECT error_of($$SELECT kmeans_drift('seg', 'SELECT ''NaN''::float8 AS spent, 1 AS visits, 1 AS weight')$$);
SELECT error_of($$SELECT kmeans_drift('seg@2')$$);
SELECT error_of($$SELECT kmeans_drift('sec')$$);
SELECT error_of($$SELECT kmeans_drift(NULL)$$);
SELECT kmeans_save('saved', kmeans_get('seg'));
SELECT error_of($$SELECT kmeans_drift('saved')$$);
SELECT count(*) FROM kmeans_drift('saved', 'later');
-- ... whose options say by which column rows are weighted
SELECT count(*) FROM (SELECT * FROM kmeans_drift('saved', 'later') EXCEPT SELECT * FROM kmeans_drift('seg', 'later')) x;
SELECT id_column, source IS NULL AS no_source FROM kmeans_versions WHERE model = 'saved';

-- transitions: what the model changed, as a crosstab of predictions
UPDATE customers SET spent = spent + id % 29 * 0.5;
INSERT INTO customers VALUES (3000, NULL, 1, 1);
SELECT new_version, churn > 0 AS moved FROM kmeans_refresh('seg', warm_start => false);
CREATE TABLE crosstab AS
SELECT a AS from_cluster, b AS to_cluster, count(*) AS n, count(*) / sum(count(*)) OVER (PARTITION BY a) AS share
FROM (SELECT kmeans_predict('seg@1', c) AS a, kmeans_predict('seg@2', c) AS b FROM customers c) p GROUP BY a, b;
SELECT count(*) > 4 AS moved, count(*) = (SELECT count(*) FROM crosstab) AS all_pairs, bool_and(t.n = c.n AND abs(t.share - c.share) < 1e-12) AS right,
  bool_and(from_label IS NOT DISTINCT FROM CASE WHEN t.from_cluster = 0 THEN 'thrifty' END AND to_label IS NOT DISTINCT FROM CASE WHEN t.to_cluster = 0 THEN 'thrifty' END) AS labels
FROM kmeans_transitions('seg', 1, 2) t JOIN crosstab c ON t.from_cluster IS NOT DISTINCT FROM c.from_cluster AND t.to_cluster IS NOT DISTINCT FROM c.to_cluster;
SELECT from_cluster, to_cluster, n, share FROM kmeans_transitions('seg', 1, 2) WHERE from_cluster IS NULL;
SELECT sum(n) FROM kmeans_transitions(model => 'seg', version_a => 2, version_b => 1, source_a => NULL, source_b => NULL);
SELECT count(*) FROM (SELECT * FROM kmeans_transitions('seg', 1, 2, source_a => 'customers') EXCEPT SELECT * FROM kmeans_transitions('seg', 1, 2)) x;
SELECT sum(n) FROM kmeans_transitions('seg', 1, 2, source_b => 'SELECT * FROM customers WHERE id <= 100');

-- who moved: two sources, matched on the id column
SELECT from_cluster, to_cluster, n, round(share::numeric, 4) AS share FROM kmeans_transitions('seg', 1, 1, 'SELECT * FROM later WHERE id < 30', 'SELECT id + 8 AS id, spent, visits FROM later WHERE id < 30');
CREATE TABLE matched AS
SELECT a.cluster AS from_cluster, b.cluster AS to_cluster, count(*) AS n
FROM kmeans_assign('seg@1', 'later') a FULL JOIN kmeans_assign('seg@2', 'customers') b USING (id) GROUP BY 1, 2;
SELECT count(*) = (SELECT count(*) FROM matched) AS all_pairs, bool_and(t.n = m.n) AS right
FROM kmeans_transitions('seg', 1, 2, 'later', 'customers') t JOIN matched m ON t.from_cluster IS NOT DISTINCT FROM m.from_cluster AND t.to_cluster IS NOT DISTINCT FROM m.to_cluster;
-- ... beyond work_mem
SET work_mem = '64kB';
SELECT count(*) = (SELECT count(*) FROM matched) AS all_pairs, bool_and(t.n = m.n) AS right
FROM kmeans_transitions('seg', 1, 2, 'later', 'customers') t JOIN matched m ON t.from_cluster IS NOT DISTINCT FROM m.from_cluster AND t.to_cluster IS NOT DISTINCT FROM m.to_cluster;
RESET work_mem;
-- a row without an id has no counterpart
SELECT from_cluster, to_cluster, n FROM kmeans_transitions('seg', 1, 1, 'SELECT NULL::int AS id, 0.1 AS spent, 1 AS visits', 'SELECT NULL::text AS id, 0.1 AS spent, 1 AS visits');
SELECT count(*) FROM kmeans_transitions('seg', 1, 2, 'SELECT * FROM later LIMIT 0', 'SELECT * FROM later LIMIT 0');
SELECT count(*) FROM kmeans_transitions('seg', 1, 2, 'SELECT * FROM later LIMIT 0');

-- versions with other columns; more pairs of clusters than are counted at a time
CREATE TABLE grid AS SELECT a, b FROM generate_series(1, 280) a, generate_series(1, 280) b;
SELECT k FROM kmeans_fit('grid', 'SELECT a FROM generate_series(1, 280) a', k => 280);
SELECT k FROM kmeans_fit('grid', 'SELECT b FROM generate_series(1, 280) b', k => 280, replace => true);
SELECT count(*), count(DISTINCT (from_cluster, to_cluster)), min(n), max(n), bool_and(abs(share - 1.0 / 280) < 1e-12) AS shares,
  bool_and(ordered) AS ordered
FROM (SELECT *, (from_cluster, to_cluster) > lag((from_cluster, to_cluster), 1, (-1, -1)) OVER () AS ordered FROM kmeans_transitions('grid', 1, 2, 'grid')) t;

SELECT error_of($$SELECT kmeans_transitions('grid', 1, 2, 'grid', 'grid')$$);
SELECT error_of($$SELECT kmeans_transitions('grid', 1, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 1, 2, 'SELECT * FROM later UNION ALL SELECT * FROM later WHERE id = 7', 'later')$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 1, 2, 'later', 'SELECT * FROM later UNION ALL SELECT * FROM later WHERE id = 7')$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 1, 2, 'later', 'SELECT spent, visits FROM later')$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 1, 3)$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 0, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('seg@1', 1, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('sec', 1, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('seg', NULL, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 1, NULL)$$);
SELECT error_of($$SELECT kmeans_transitions(NULL, 1, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('seg', 1, 2, 'SELECT 1e200 AS spent, 1 AS visits')$$);

-- both work where nothing may be written
BEGIN READ ONLY;
SELECT count(*) FROM kmeans_drift('seg');
SELECT count(*) > 0 AS some FROM kmeans_transitions('seg', 1, 2);
COMMIT;

SELECT kmeans_drop('seg'), kmeans_drop('points'), kmeans_drop('saved'), kmeans_drop('grid');
RESET search_path;
DROP SCHEMA drift_test CASCADE;
