--
-- type: the value type kmeans_model, its text, binary and jsonb forms
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
\set SHOW_CONTEXT never
SET client_encoding = 'UTF8';

CREATE SCHEMA type_test;

-- a model of every kind of column, written by hand
CREATE TABLE type_test.valid (t text);
INSERT INTO type_test.valid VALUES ('{
  "format": 1, "k": 2,
  "columns": [{"name": "spend", "kind": "number"},
              {"name": "v", "kind": "array", "length": 2},
              {"name": "plan \"x\"", "kind": "category", "categories": ["basic", "größe\n"]},
              {"name": "since", "kind": "timestamptz"}],
  "features": ["spend", "v[1]", "v[2]", "plan \"x\"=basic", "plan \"x\"=größe\n", "since"],
  "metric": "euclidean",
  "shift": [0.1, 0, 0, 0, 0, 1700000000.123456],
  "scale": [2.5, 1, 1, 1, 1, 1e6],
  "fill": [0.1, 0, 0, 0.5, 0.5, 1700000000.123456],
  "centroids": [[-1.5, 0, -0.0, 1, 0, 0.30000000000000004], [1.5, 3, 4, 0, 1, 5e-324]],
  "sizes": [3, 5], "weights": [3, 4.5], "cluster_inertia": [0.1, 1e300], "radius_rms": [0.18, 2], "radius_max": [1, 2],
  "mean": [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]],
  "stddev": [[0, 0, 0, 0, 0, 0], [1, 1, 1, 1, 1, 1.7976931348623157e308]],
  "min": [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]],
  "max": [[1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12]],
  "labels": [null, "gold \"§\" \\ \n"],
  "inertia": 1e300, "total_ss": 2e300, "n_rows": 8, "n_skipped": 9007199254740993, "n_iter": 4, "converged": true,
  "seed": -9223372036854775808,
  "options": {"k": 2, "tol": 0.0001, "init": null, "nested": {"a": [1, {"b": "c"}]}},
  "outlier_histogram": {"upper": [0, 1.0078125, 3], "weight": [1, 2.5, 4], "max": 2.9}
}');

-- one cluster, small enough to be read; clusters without weight have no mean
CREATE TABLE type_test.small (t text);
INSERT INTO type_test.small VALUES ('{"format": 1, "k": 2, "columns": [{"name": "a", "kind": "number"}],
  "features": ["a"], "metric": "cosine", "shift": [0], "scale": [1], "fill": null, "ids": [0, 7],
  "centroids": [[1], [-1]], "sizes": [2, 0], "weights": [2, 0], "cluster_inertia": [0, 0], "radius_rms": [0, 0],
  "radius_max": [0, 0], "mean": [[3], [null]], "stddev": [[1], [null]], "min": [[2], [null]], "max": [[4], [null]],
  "labels": [null, null], "inertia": 0, "total_ss": 0, "n_rows": 2, "n_skipped": 0, "n_iter": 1, "converged": false,
  "seed": 0, "options": {}, "outlier_histogram": {"upper": [0, "Infinity"], "weight": [2, 0], "max": "Infinity"}}');

-- ---- Output ----

\pset format unaligned
SELECT t::kmeans_model FROM type_test.valid;
SELECT t::kmeans_model FROM type_test.small;
\pset format aligned

-- what is written reads back as the same model, in every form
CREATE TABLE type_test.model AS
  SELECT t::kmeans_model AS m FROM type_test.valid UNION ALL SELECT t::kmeans_model FROM type_test.small;
SELECT m::text::kmeans_model::text = m::text AS text_form,
       m::jsonb::kmeans_model::text = m::text AS jsonb_form,
       m::jsonb = m::text::jsonb AS same_object,
       kmeans_model_send(m::text::kmeans_model) = kmeans_model_send(m) AS binary_form,
       get_byte(kmeans_model_send(m), 0) AS version,
       substr(kmeans_model_send(m), 2) = convert_to(m::text, 'UTF8') AS version_and_text
FROM type_test.model;

-- ids 0, 1, ... go without saying
SELECT jsonb_set(t::jsonb, '{ids}', '[0, 1]')::kmeans_model::jsonb ? 'ids' AS shown FROM type_test.small;

-- numbers are exact whatever extra_float_digits says
DO $$
DECLARE
  digits int;
  shown text;
BEGIN
  SELECT m::text INTO shown FROM type_test.model LIMIT 1;
  FOREACH digits IN ARRAY ARRAY[-15, 0, 3] LOOP
    PERFORM set_config('extra_float_digits', digits::text, true);
    IF (SELECT m::text FROM type_test.model LIMIT 1) <> shown THEN
      RAISE WARNING 'extra_float_digits % changes the text', digits;
    END IF;
  END LOOP;
END $$;
SELECT m::jsonb #> '{centroids,0,5}' AS sum, (m::jsonb #>> '{centroids,1,5}')::float8 = 5e-324 AS smallest,
       (m::jsonb #>> '{stddev,1,5}')::float8 = 1.7976931348623157e308 AS largest,
       m::jsonb #> '{centroids,0,2}' AS negative_zero, m::jsonb -> 'seed' AS seed, m::jsonb -> 'n_skipped' AS n_skipped
FROM type_test.model LIMIT 1;

-- all doubles that a matrix can hold come back, bit for bit
CREATE FUNCTION type_test.power(e int) RETURNS float8 LANGUAGE sql AS $$
  SELECT CASE WHEN e < -1022 THEN 2::float8 ^ (e + 200) * 2::float8 ^ (-200) ELSE 2::float8 ^ e END
$$;
SET extra_float_digits = 1;
SELECT count(*) AS doubles,
       count(*) FILTER (WHERE (regexp_replace(t::kmeans_model::text, '.*"shift": \[(.*?)\].*', '\1'))::float8 IS DISTINCT FROM x) AS changed
FROM (SELECT x, regexp_replace(s.t, '"shift": \[0\]', '"shift": [' || x || ']') AS t
      FROM type_test.small s, generate_series(-1074, 1000, 7) e, LATERAL (SELECT type_test.power(e) * (1 + sin(e) / 3) AS x) p) d;
RESET extra_float_digits;

-- binary input, as COPY reads it
CREATE TABLE type_test.received (m kmeans_model);
CREATE FUNCTION type_test.receive(b bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  header bytea := '\x5047434f50590aff0d0a000000000000000000';
  file bytea := header || '\x0001' || int4send(length(b)) || b || '\xffff';
BEGIN
  EXECUTE format('COPY type_test.received FROM PROGRAM %L (FORMAT binary)',
                 'echo ' || replace(encode(file, 'base64'), E'\n', '') || ' | base64 -d');
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' | ' || SQLERRM;
END $$;
SELECT type_test.receive(kmeans_model_send(m)) FROM type_test.model;
SELECT count(*), bool_and(EXISTS (SELECT FROM type_test.received r WHERE r.m::text = t.m::text)) AS equal FROM type_test.model t;

-- two ways to write one model are one model: bytes are equal
SELECT a *= b AS same_bytes
FROM (SELECT ROW(t::kmeans_model) AS a,
             ROW(replace(replace(t, '1.5', '15e-1'), '"init": null, ', '"init": 5, "init": null, ')::kmeans_model) AS b
      FROM type_test.valid) x;

-- stored out of line, in a column of one's own, in arrays and rows
CREATE TEMP TABLE own (region text, m kmeans_model DEFAULT NULL);
INSERT INTO own SELECT 'region ' || i, t::kmeans_model FROM type_test.valid, generate_series(1, 50) i;
INSERT INTO own VALUES ('none');
SELECT count(m), count(DISTINCT m::text) FROM own;
SELECT cardinality(array_agg(m)::text::kmeans_model[]) AS elements, (array_agg(m ORDER BY region))[2] IS NOT NULL AS element FROM own;

-- ---- Casts: explicit or in assignment, never implicit ----

SELECT format('%s -> %s', castsource::regtype, casttarget::regtype) AS "cast", castcontext
FROM pg_cast WHERE 'kmeans_model'::regtype IN (castsource, casttarget) ORDER BY 1;
CREATE TEMP TABLE assigned (m kmeans_model, j jsonb, t text);
INSERT INTO assigned SELECT t::jsonb, t::kmeans_model, t::kmeans_model FROM type_test.small;
SELECT m::jsonb = j AS m_is_j, m::text = t AS m_is_t FROM assigned;
INSERT INTO assigned (m) SELECT t FROM type_test.small;

-- ---- Malformed text ----

SELECT 'x'::kmeans_model;
SELECT '{"format": 2}'::kmeans_model;

-- one by one, many thousands of times: without workers, where queries are made parallel
CREATE FUNCTION type_test.try(t text) RETURNS text LANGUAGE plpgsql SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
  PERFORM t::kmeans_model;
  RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' | ' || SQLERRM;
END $$;

-- not JSON, or not an object
SELECT i AS no, type_test.try(bad) FROM unnest(ARRAY[
  '', ' ', 'x', '{', '{}', '[]', '[{"format": 1}]', '3', 'null', '"format"', '{"format": 1',
  '{"format": 1}', '{"format": 1,}', '{"format": 1} x', '{format: 1}', '{"format": NaN}', '{"labels": ["\u0000"]}',
  '{"labels": ["\ud800"]}', repeat('[', 100000), '{"options": ' || repeat('{"a":', 100000), '{"centroids": ' || repeat('[', 100000)
]) WITH ORDINALITY AS b (bad, i) ORDER BY i;

-- a key too few, a key too many, a key twice
SELECT key, type_test.try((t::jsonb - key)::text) FROM type_test.valid, jsonb_object_keys(t::jsonb) key ORDER BY key COLLATE "C";
SELECT type_test.try(jsonb_set(t::jsonb, '{centroid}', '[]')::text) FROM type_test.valid;
SELECT type_test.try(jsonb_set(t::jsonb, ARRAY[repeat('€', 100)], '1')::text) FROM type_test.valid;
SELECT type_test.try(replace(t, '"k": 2,', '"k": 2, "k": 2,')) FROM type_test.valid;

-- every key with a value of every wrong type
SELECT key, string_agg(DISTINCT split_part(r, ' ', 1), ', ') AS answers,
       bool_and(r LIKE '%key "' || key || '%') FILTER (WHERE r <> 'accepted') AS named, count(*) FILTER (WHERE r = 'accepted') AS accepted
FROM type_test.valid, jsonb_object_keys(t::jsonb) key,
     unnest(ARRAY['null', 'true', '1.5', '"x"', '[]', '{}', '[null]', '[[1]]', '[{}]', '[[[1]]]', '{"a": 1}', '["x", 1]', '[true, 1]']) wrong,
     LATERAL (SELECT type_test.try(jsonb_set(t::jsonb, ARRAY[key], wrong::jsonb)::text) AS r) x
GROUP BY key ORDER BY key COLLATE "C";

-- values that do not fit together
CREATE FUNCTION type_test.change(path text, value text) RETURNS text LANGUAGE sql AS $$
  SELECT type_test.try(jsonb_set(t::jsonb, path::text[], value::jsonb)::text) FROM type_test.valid
$$;
SELECT path, CASE WHEN length(value) > 40 THEN left(value, 37) || '...' ELSE value END AS value, type_test.change(path, value)
FROM (VALUES
  ('{format}', '2'), ('{format}', '"1"'),
  ('{k}', '0'), ('{k}', '-1'), ('{k}', '3'), ('{k}', '2.0'), ('{k}', '65536'), ('{k}', '99999999999'), ('{k}', '1e400'),
  ('{columns}', '[]'), ('{columns}', '{"name": "a"}'), ('{columns}', '["spend"]'), ('{columns,0}', '[]'), ('{columns,0}', '{}'),
  ('{columns,0}', '{"name": "spend"}'), ('{columns,0}', '{"name": "", "kind": "number"}'),
  ('{columns,0,name}', '7'), ('{columns,0,name}', '"amount"'), ('{columns,0,name}', '{"name": "spend"}'), ('{columns,0,name}', '"v"'), ('{columns,0,name}', '"v[1]"'),
  ('{columns,0,kind}', '"vector"'), ('{columns,0,kind}', 'null'), ('{columns,0,length}', '1'), ('{columns,0,type}', '"int"'),
  ('{columns,1,length}', '3'), ('{columns,1,length}', '0'), ('{columns,1,length}', '-2'), ('{columns,1,length}', '2147483648'), ('{columns,1,kind}', '"category"'),
  ('{columns,2,categories}', '["basic"]'), ('{columns,2,categories}', '["basic", "basic"]'), ('{columns,2,categories}', '["basic", null]'),
  ('{columns,2,categories}', '[]'), ('{columns,2,categories}', 'null'), ('{columns,3,categories}', '[]'),
  ('{features}', '[]'), ('{features,0}', '"amount"'), ('{features,1}', '"v"'), ('{features,1}', 'null'), ('{features,6}', '"more"'),
  ('{metric}', '"manhattan"'), ('{metric}', 'null'),
  ('{shift}', '[0]'), ('{shift,0}', '1e309'), ('{shift,0}', '-1e400'), ('{shift,0}', '1e-400'), ('{shift,0}', '"Infinity"'), ('{shift,0}', '"NaN"'),
  ('{scale,2}', '0'), ('{scale,2}', '-1'), ('{scale,2}', 'null'), ('{fill}', '[1]'), ('{fill,0}', 'null'), ('{fill}', 'null'),
  ('{ids}', '[0]'), ('{ids}', '[1, 0]'), ('{ids}', '[3, 3]'), ('{ids}', '[-1, 0]'), ('{ids}', '[0, 2147483648]'), ('{ids}', '[0, 2147483647]'), ('{ids}', 'null'),
  ('{centroids}', '[[1, 2, 3, 4, 5, 6]]'), ('{centroids,1}', '[1, 2, 3, 4, 5]'), ('{centroids}', '[[1], [2]]'), ('{centroids}', '[[], []]'),
  ('{centroids}', '[1, 2]'), ('{centroids,1,2}', '[3]'), ('{centroids,1,2}', 'null'), ('{centroids,1,2}', '"3"'), ('{centroids,1,2}', '1e160'), ('{centroids,1,2}', '1e153'),
  ('{sizes}', '[1, 2, 3]'), ('{sizes,1}', '-5'), ('{sizes,1}', '6'), ('{sizes,1}', '9223372036854775807'), ('{sizes,1}', '9223372036854775808'), ('{sizes,1}', '2.5'),
  ('{weights,0}', '-1'), ('{weights}', '[0, 0]'), ('{weights}', '[1e308, 1e308]'), ('{weights,0}', '0'),
  ('{cluster_inertia,1}', '-0.5'), ('{radius_rms,1}', '-0.5'), ('{radius_max,1}', '-0.5'),
  ('{mean,1,3}', 'null'), ('{mean,1}', '[1]'), ('{stddev,1,3}', '-1'), ('{min,1,3}', '10.5'), ('{max,0,0}', 'null'), ('{max,0,0}', '"Infinity"'),
  ('{labels}', '["a"]'), ('{labels,0}', '1'), ('{labels,0}', '["a"]'), ('{labels,0}', '""'), ('{labels,0}', '"gold \"§\" \\ \n"'),
  ('{inertia}', '-1'), ('{inertia}', 'null'), ('{total_ss}', '-1'), ('{total_ss}', '1e999'),
  ('{n_rows}', '-1'), ('{n_rows}', '7'), ('{n_rows}', '8.0'), ('{n_skipped}', '-1'), ('{n_iter}', '-1'), ('{n_iter}', '2147483648'), ('{n_iter}', '4.5'),
  ('{converged}', '1'), ('{converged}', '"true"'), ('{seed}', '9223372036854775808'), ('{seed}', '0.5'), ('{seed}', 'null'),
  ('{options}', '[]'), ('{options}', '"{}"'), ('{options}', 'null'), ('{options,a}', '1e5000'),
  ('{options,a}', '0.' || repeat('0', 500) || '1'), ('{options,a}', repeat('[', 7) || repeat(']', 7)), ('{options,a}', repeat('[', 8) || repeat(']', 8)),
  ('{outlier_histogram}', '[]'), ('{outlier_histogram}', '{}'), ('{outlier_histogram,sum}', '1'), ('{outlier_histogram,upper}', '[0, 1]'),
  ('{outlier_histogram,upper}', '[1, 0, 2]'), ('{outlier_histogram,upper}', '[0, 1, 1]'), ('{outlier_histogram,upper}', '[-1, 0, 1]'),
  ('{outlier_histogram,upper,2}', '"Infinity"'), ('{outlier_histogram,upper,2}', '"-Infinity"'), ('{outlier_histogram,upper,2}', '{"a": 1}'),
  ('{outlier_histogram,weight,0}', '-1'), ('{outlier_histogram,weight,0}', '"Infinity"'), ('{outlier_histogram,max}', '-1'), ('{outlier_histogram,max}', 'null')
) AS c (path, value);
SELECT type_test.try(regexp_replace(t, '"tol": 0.0001', '"tol": 1e-5000')) FROM type_test.valid;

-- limits: too many features, too many clusters, too many of both
CREATE FUNCTION type_test.wide(k int, d int, filled boolean) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  per_d text := rtrim(repeat('1,', d), ',');
  per_k text := rtrim(repeat('1,', k), ',');
  cells text := CASE WHEN filled THEN rtrim(repeat('[' || per_d || '],', k), ',') ELSE '' END;
BEGIN
  RETURN type_test.try(format(
    '{"format": 1, "k": %1$s, "columns": [{"name": "v", "kind": "array", "length": %2$s}], "features": [%3$s],
      "metric": "euclidean", "shift": [%4$s], "scale": [%4$s], "fill": null, "centroids": [%6$s], "sizes": [%5$s],
      "weights": [%5$s], "cluster_inertia": [%5$s], "radius_rms": [%5$s], "radius_max": [%5$s], "mean": [%6$s],
      "stddev": [%6$s], "min": [%6$s], "max": [%6$s], "labels": [%7$s], "inertia": 0, "total_ss": 0, "n_rows": 1000000,
      "n_skipped": 0, "n_iter": 1, "converged": true, "seed": 0, "options": {},
      "outlier_histogram": {"upper": [], "weight": [], "max": 0}}',
    k, d, (SELECT string_agg('"v[' || i || ']"', ',' ORDER BY i) FROM generate_series(1, d) i), per_d, per_k, cells,
    rtrim(repeat('null,', k), ',')));
END $$;
SELECT k, d, filled, type_test.wide(k, d, filled)
FROM (VALUES (1, 16000, true), (1, 16001, true), (65535, 1, true), (65536, 1, true), (250, 16000, false), (251, 16000, false)) x (k, d, filled);
SELECT type_test.try('{"weights": [0' || repeat(',0', 4200000) || ']}');

-- whatever happens to a character of the text, the answer is a model or 22P02
SELECT DISTINCT CASE WHEN r LIKE '22P02 | invalid input for type kmeans_model: %' THEN '22P02' ELSE r END AS answers
FROM type_test.small, generate_series(1, length(t)) i, unnest(ARRAY['', '"', ',', '0', '-', 'e', '[', ']', '{', '}', '\', 'null', '{"a": ']) c,
     LATERAL (SELECT type_test.try(overlay(t PLACING c FROM i FOR 1)) AS r OFFSET 0) x ORDER BY 1;

-- ---- Malformed binary ----

SELECT what, type_test.receive(b)
FROM (SELECT kmeans_model_send(m) AS good FROM type_test.model LIMIT 1) g,
     LATERAL (VALUES (1, 'as sent', good), (2, 'nothing', ''), (3, 'version only', '\x01'), (4, 'version 0', set_byte(good, 0, 0)),
                     (5, 'version 2', set_byte(good, 0, 2)), (6, 'cut short', substr(good, 1, length(good) - 1)),
                     (7, 'too long', good || '\x20'), (8, 'too long', good || '\x7b'), (9, 'a zero byte', good || '\x00'),
                     (10, 'not UTF-8', set_byte(good, 100, 255)), (11, 'not JSON', '\x0178')) b (i, what, b)
ORDER BY i;

-- ---- Damaged values ----

-- a type with the same bytes, to damage them
CREATE TYPE type_test.raw;
SET client_min_messages = warning;
CREATE FUNCTION type_test.raw_in(cstring) RETURNS type_test.raw LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION type_test.raw_out(type_test.raw) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
RESET client_min_messages;
CREATE TYPE type_test.raw (INPUT = type_test.raw_in, OUTPUT = type_test.raw_out, ALIGNMENT = double, STORAGE = external);
CREATE CAST (type_test.raw AS kmeans_model) WITHOUT FUNCTION;
CREATE CAST (kmeans_model AS type_test.raw) WITHOUT FUNCTION;
CREATE FUNCTION type_test.show(bytes bytea) RETURNS text LANGUAGE plpgsql SET max_parallel_workers_per_gather = 0 AS $$
BEGIN
  RETURN bytes::text::type_test.raw::kmeans_model::text;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE || ' | ' || SQLERRM;
END $$;
CREATE TABLE type_test.bytes AS SELECT m::type_test.raw::text::bytea AS b FROM type_test.model;
SELECT type_test.show(b) = m::text AS undamaged FROM type_test.bytes, type_test.model WHERE m::type_test.raw::text::bytea = b;
SELECT type_test.show(''), type_test.show(substr(b, 1, 76)), type_test.show(b || '\x00') FROM type_test.bytes LIMIT 1;

-- every beginning, and every byte changed
SELECT DISTINCT type_test.show(substr(b, 1, i)) FROM type_test.bytes, LATERAL generate_series(0, length(b) - 1) i ORDER BY 1;
SELECT DISTINCT CASE WHEN r LIKE '{"format": 1, "k": %' THEN 'a model'
                     WHEN r LIKE 'XX001 | value of type kmeans_model is inconsistent: %' THEN 'XX001' ELSE r END AS answers
FROM type_test.bytes, LATERAL generate_series(0, length(b) - 1) i, unnest(ARRAY[0, 1, 127, 128, 255]) byte,
     LATERAL (SELECT type_test.show(set_byte(b, i, byte)) AS r OFFSET 0) x ORDER BY 1;

-- ---- Catalog ----

SELECT typlen, typalign, typstorage, obj_description(oid, 'pg_type') AS comment FROM pg_type WHERE oid = 'kmeans_model'::regtype;
SELECT proname, provolatile, proparallel, proisstrict, proleakproof, obj_description(oid, 'pg_proc') IS NOT NULL AS comment
FROM pg_proc WHERE proname LIKE 'kmeans\_model\_%' AND 'kmeans_model'::regtype IN (prorettype, proargtypes[0]) ORDER BY 1;

SET client_min_messages = warning;
DROP TABLE own, assigned;
DROP SCHEMA type_test CASCADE;
