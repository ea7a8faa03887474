SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SET client_min_messages = error;
\pset format unaligned

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
  RETURN concat_ws(' | ', sqlstate || ' ' || sqlerrm, nullif(detail, ''));
END $$;

CREATE TABLE visits AS SELECT i AS id, i % 3 * 10 AS amount, (ARRAY['web', 'it''s'])[1 + i % 2] AS channel, i % 5 = 0 AS paid FROM generate_series(0, 29) i;
SELECT k FROM kmeans_fit('visits', 'visits', '{amount,channel,paid}', k => 2, scale => 'minmax', on_null => 'mean');
SELECT kmeans_set_label('visits', 1, 'the "second"''s');

-- JSON: the value's text
SELECT kmeans_export('visits') = kmeans_get('visits')::text AS is_value, kmeans_export(model => 'visits@1', format => 'json')::kmeans_model::text = kmeans_get('visits')::text AS can_be_read;

-- SQL: every row has the id and the label of a prediction, NULLs are filled
SELECT kmeans_export('visits', 'sql');
SELECT kmeans_export('visits', 'sql') AS query \gset
SELECT count(*) AS rows, bool_and(cluster = kmeans_predict('visits', v)) AS clusters, bool_and(label = kmeans_label('visits', v)) AS labels FROM (:query) q JOIN visits v USING (id);
UPDATE visits SET channel = CASE WHEN id % 4 > 0 THEN channel END, amount = nullif(amount, 10), paid = nullif(paid, id % 7 = 0);
SELECT count(*) AS rows, bool_and(cluster = kmeans_predict('visits', v)) AS clusters, bool_and(label = kmeans_label('visits', v)) AS labels FROM (:query) q JOIN visits v USING (id);

-- without a fill a NULL is NULL; so is a row without a direction
SELECT k FROM kmeans_fit('skipped', 'visits', '{amount,channel,paid}', k => 3);
SELECT kmeans_export('skipped', 'sql') AS query \gset
SELECT count(*) AS rows, count(cluster) AS labelled, bool_and(cluster IS NOT DISTINCT FROM kmeans_predict('skipped', v) AND label IS NOT DISTINCT FROM kmeans_label('skipped', v)) AS same FROM (:query) q JOIN visits v USING (id);
SELECT k FROM kmeans_fit('cosine', 'SELECT i, i % 4 AS a, i % 3 AS b FROM generate_series(1, 24) i', '{a,b}', k => 3, metric => 'cosine');
SELECT kmeans_export('cosine', 'sql') AS query \gset
SELECT count(*) AS rows, count(cluster) AS labelled, bool_and(cluster IS NOT DISTINCT FROM kmeans_predict('cosine', a, b)) AS same FROM (:query) q;

-- a model without a stored source, ids that are not 0, 1, ...
SELECT kmeans_save('saved', (kmeans_get('skipped')::jsonb || '{"ids": [3, 7, 70]}')::kmeans_model);
SELECT kmeans_export('saved', 'sql') LIKE '%FROM rows_to_label AS source' AS placeholder;
SELECT replace(kmeans_export('saved', 'sql'), 'rows_to_label', 'visits') AS query \gset
SELECT array_agg(DISTINCT cluster) AS ids, bool_and(cluster IS NOT DISTINCT FROM kmeans_predict('saved', v)) AS same FROM (:query) q JOIN visits v USING (id);

-- PMML
SELECT kmeans_export('visits', 'pmml');
SELECT kmeans_export('cosine', 'pmml');
SELECT xml_is_well_formed_document(kmeans_export('skipped', 'pmml')) AS well_formed;

-- as many as one SELECT holds, and more
SELECT n_features FROM kmeans_fit('wide', 'SELECT array_agg((i * j % 17)::float8 ORDER BY j) AS x FROM generate_series(1, 20) i, generate_series(1, 1600) j GROUP BY i', '{x}', k => 2);
SELECT kmeans_export('wide', 'sql') AS query \gset
SELECT count(*) AS rows, bool_and(cluster = kmeans_predict('wide', x)) AS same FROM (:query) q;
SELECT n_features FROM kmeans_fit('wider', 'SELECT array_agg((i * j % 17)::float8 ORDER BY j) AS x FROM generate_series(1, 20) i, generate_series(1, 1601) j GROUP BY i', '{x}', k => 2);

SELECT error_of($$SELECT kmeans_export('wider', 'sql')$$);
SELECT error_of(s) FROM unnest(ARRAY[$$SELECT kmeans_export('visits', 'xml')$$, $$SELECT kmeans_export('visits', 'SQL')$$, $$SELECT kmeans_export('visits', NULL)$$, $$SELECT kmeans_export(NULL)$$,
  $$SELECT kmeans_export('nothing')$$, $$SELECT kmeans_export('visits@7', 'sql')$$]) s;
SELECT k FROM kmeans_fit('control', 'SELECT E''a\x01b'' AS c', '{c}', k => 1);
SELECT replace(error_of($$SELECT kmeans_export('control', 'pmml')$$), E'\x01', '?') AS error_of;
CREATE ROLE kmeans_export_stranger;
SET ROLE kmeans_export_stranger;
SELECT error_of($$SELECT kmeans_export('visits', 'sql')$$);
RESET ROLE;
DROP ROLE kmeans_export_stranger;
BEGIN READ ONLY;
SELECT length(kmeans_export('visits', 'pmml')) > 0 AS reads_only;
ROLLBACK;

SELECT bool_and(kmeans_drop(model)) FROM kmeans_models;
DROP TABLE visits;
DROP FUNCTION error_of;
