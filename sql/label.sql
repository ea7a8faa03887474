--
-- Labelling rows: kmeans_predict, kmeans_label, kmeans_distance,
-- kmeans_transform, kmeans_nearest
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;

CREATE SCHEMA label_test;

-- A model made by hand.  The last argument replaces keys of its JSON form.
CREATE FUNCTION label_test.model(columns jsonb, centroids jsonb, changes jsonb DEFAULT '{}')
RETURNS kmeans_model LANGUAGE sql STABLE AS $$
    SELECT (jsonb_build_object(
        'format', 1, 'k', k, 'columns', columns, 'features', features,
        'metric', 'euclidean', 'shift', zeros, 'scale', ones, 'fill', NULL,
        'centroids', centroids, 'sizes', sizes, 'weights', sizes,
        'cluster_inertia', halves, 'radius_rms', halves, 'radius_max', halves,
        'mean', centroids, 'stddev', spread, 'min', centroids, 'max', centroids,
        'labels', nulls, 'inertia', 1, 'total_ss', 2, 'n_rows', 10 * k,
        'n_skipped', 0, 'n_iter', 1, 'converged', true, 'seed', 0, 'options', '{}'::jsonb,
        'outlier_histogram', '{"upper": [], "weight": [], "max": 0}'::jsonb) || changes)::kmeans_model
    FROM (SELECT jsonb_array_length(centroids) AS k,
                 jsonb_agg(feature ORDER BY c, t) AS features,
                 jsonb_agg(0) AS zeros, jsonb_agg(1) AS ones
          FROM (SELECT c, t, CASE v->>'kind' WHEN 'array' THEN format('%s[%s]', v->>'name', t)
                                 WHEN 'category' THEN format('%s=%s', v->>'name', v->'categories'->>(t - 1))
                                 ELSE v->>'name' END AS feature
                FROM jsonb_array_elements(columns) WITH ORDINALITY AS a (v, c),
                     generate_series(1, coalesce((v->>'length')::int, jsonb_array_length(v->'categories'), 1)) AS t) AS f) AS s,
         LATERAL (SELECT jsonb_agg(10) AS sizes, jsonb_agg(0.5) AS halves, jsonb_agg(NULL::int) AS nulls,
                         jsonb_agg(CASE WHEN j > 0 THEN ones END) AS spread
                  FROM generate_series(1, k) AS j) AS r
$$;

-- What a query fails with.
CREATE FUNCTION label_test.error(query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    message text;
    detail text;
    hint text;
BEGIN
    EXECUTE query;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS message = MESSAGE_TEXT, detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN SQLSTATE || ': ' || message || coalesce(E'\n  DETAIL ' || nullif(detail, ''), '')
        || coalesce(E'\n  HINT ' || nullif(hint, ''), '');
END
$$;

-- Three clusters on a line, with a gap in the ids, one of them labelled
CREATE TABLE label_test.models (name text, m kmeans_model);
INSERT INTO label_test.models
SELECT 'line', label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]',
                                '[[0, 0], [10, 0], [20, 0]]',
                                '{"ids": [0, 2, 5], "labels": ["near", null, "far"]}');
SELECT kmeans_predict(m, 9, 0), kmeans_label(m, 9, 0), kmeans_label(m, 1, 1), kmeans_distance(m, 9, 0),
       kmeans_transform(m, 13, 4), kmeans_nearest(m, 9, 0)
FROM label_test.models WHERE name = 'line';
SELECT n.* FROM label_test.models, kmeans_nearest(m, 26, 8) AS n;

-- A tie goes to the lower id; an exact hit has confidence 1
SELECT x, n.cluster, n.next_cluster, n.confidence, n.outlier_score
FROM label_test.models, generate_series(0, 20, 5) AS x, kmeans_nearest(m, x, 0) AS n ORDER BY x;

-- The ways to pass the columns
CREATE TABLE label_test.points (id int, b numeric, a real, note text);
INSERT INTO label_test.points VALUES (1, 1, 9, 'x'), (2, 0, 19, 'y'), (3, NULL, 1, 'z');
CREATE DOMAIN label_test.amount AS float8 CHECK (VALUE >= 0);
SELECT kmeans_predict(m, 9, 1) AS ints, kmeans_predict(m, 9.0, '1') AS literal,
       kmeans_predict(m, 9::smallint, 1::bigint) AS widths, kmeans_predict(m, 9::real, 1::label_test.amount) AS reals,
       kmeans_predict(m, ARRAY[9, 1]) AS array, kmeans_predict(m, ARRAY[9, 1]::numeric[]) AS numerics,
       kmeans_predict(m, '{9,1}') AS array_literal, kmeans_predict(m, VARIADIC ARRAY[9, 1]::float4[]) AS variadic,
       kmeans_predict(m, ROW(9, 1)) AS positional, kmeans_predict(m, ROW('9', '1')) AS literals
FROM label_test.models;
SELECT p.id, kmeans_predict(m, p) AS whole, kmeans_predict(m, a, b) AS columns,
       kmeans_predict(m, (SELECT s FROM (SELECT p.b, p.note, p.a) AS s)) AS record, n.cluster, n.distance
FROM label_test.points AS p, label_test.models, kmeans_nearest(m, p) AS n ORDER BY p.id;

-- NULL: a column, an array, an element, a row value, a model
SELECT kmeans_predict(m, NULL, 1), kmeans_label(m, 1, NULL), kmeans_distance(m, NULL), kmeans_transform(m, NULL::float8[]),
       kmeans_predict(m, ARRAY[1, NULL]), kmeans_predict(m, NULL::label_test.points), kmeans_nearest(m, NULL, NULL),
       kmeans_predict(NULL::kmeans_model, 1, 1), kmeans_predict(NULL, 1, 1), kmeans_predict(m, ROW(NULL, 1))
FROM label_test.models;
SELECT n.* FROM label_test.models, kmeans_nearest(m, NULL, 1) AS n;

-- ... which the model may fill
INSERT INTO label_test.models
SELECT 'filled', label_test.model('[{"name": "a", "kind": "number"}, {"name": "v", "kind": "array", "length": 2}]',
                                  '[[0, 0, 0], [10, 10, 10]]', '{"fill": [8, 7, 9]}');
SELECT kmeans_predict(m, NULL, ARRAY[9, 9]), kmeans_distance(m, 10, NULL), kmeans_distance(m, NULL, NULL),
       kmeans_predict(m, NULL), kmeans_predict(m, ROW(NULL::float8, NULL::float8[]))
FROM label_test.models WHERE name = 'filled';

-- Every kind of column; untyped literals are read by the column
CREATE TYPE label_test.plan AS ENUM ('free', 'paid');
INSERT INTO label_test.models
SELECT 'kinds', label_test.model(
    '[{"name": "n", "kind": "number"}, {"name": "b", "kind": "boolean"}, {"name": "d", "kind": "date"},
      {"name": "t", "kind": "timestamp"}, {"name": "z", "kind": "timestamptz"}, {"name": "i", "kind": "interval"},
      {"name": "v", "kind": "array", "length": 2}, {"name": "c", "kind": "category", "categories": ["free", "paid"]}]',
    '[[0, 0, 0, 0, 0, 0, 0, 0, 0, 0]]');
SET timezone = 'UTC';
SELECT q.what, round((q.distance ^ 2)::numeric, 6) AS squares
FROM label_test.models, LATERAL (VALUES
    ('number', kmeans_distance(m, 3, false, '0', '0', '0', '0', '{0,0}', 'none')),
    ('boolean', kmeans_distance(m, 0, true, '0', '0', '0', '0', '{0,0}', 'none')),
    ('date', kmeans_distance(m, 0, 'f', date '1970-01-03', '0', '0', '0', '{0,0}', 'none')),
    ('before 1970', kmeans_distance(m, 0, '0', date '1969-12-30', '0', '0', '0', '{0,0}', 'none')),
    ('timestamp', kmeans_distance(m, 0, 'off', '0', timestamp '1970-01-01 00:00:01.5', '0', '0', '{0,0}', 'none')),
    ('timestamptz', kmeans_distance(m, 0, false, '0', '0', timestamptz '1970-01-01 01:00:02+01', '0', '{0,0}', 'none')),
    ('timestamptz literal', kmeans_distance(m, 0, false, '0', '0', '2', '0', '{0,0}', 'none')),
    ('interval', kmeans_distance(m, 0, false, '0', '0', '0', interval '-3 s', '{0,0}', 'none')),
    ('interval literal', kmeans_distance(m, 0, false, '0', '0', '0', '86400', '{0,0}', 'none')),
    ('array', kmeans_distance(m, 0, false, '0', '0', '0', '0', ARRAY[1, 2]::smallint[], 'none')),
    ('category', kmeans_distance(m, 0, false, '0', '0', '0', '0', '{0,0}', 'free')),
    ('char', kmeans_distance(m, 0, false, '0', '0', '0', '0', '{0,0}', 'paid'::char(9))),
    ('enum', kmeans_distance(m, 0, false, '0', '0', '0', '0', '{0,0}', 'paid'::label_test.plan)),
    ('unseen', kmeans_distance(m, 0, false, '0', '0', '0', '0', '{0,0}', 'Paid '::text))) AS q (what, distance)
WHERE name = 'kinds';
-- intervals count as EXTRACT(epoch ...) says
SELECT i, kmeans_distance(m, i) = abs(extract(epoch FROM i)) AS same
FROM label_test.model('[{"name": "i", "kind": "interval"}]', '[[0]]') AS m,
     unnest(ARRAY['1 year 2 mons 3 days 04:05:06.789', '-1 year 1 mon', '-13 mons', '178000000 years', '0.000001 s']::interval[]) AS i;
-- one array column; one column of numbers
SELECT kmeans_predict(m, ARRAY[1, 2, 3]), kmeans_predict(m, '{9,9,9}'), kmeans_predict(m, ROW(ARRAY[9, 9, 9])),
       kmeans_distance(m, ARRAY[3, 4, 0]::bigint[]), kmeans_distance(m, ARRAY[3, 4, 0]::int[]),
       kmeans_distance(m, ARRAY[3, 4, -0.0]::float8[]), kmeans_distance(m, ARRAY[3, 4, 0]::numeric[]),
       kmeans_distance(m, (ARRAY[7, 3, 4, 0]::float4[])[2:4])
FROM label_test.model('[{"name": "v", "kind": "array", "length": 3}]', '[[0, 0, 0], [9, 9, 9]]') AS m;
SELECT kmeans_predict(m, 7), kmeans_predict(m, '7'), kmeans_predict(m, ARRAY[7]), kmeans_predict(m, '{7}'), kmeans_predict(m, NULL)
FROM label_test.model('[{"name": "a", "kind": "number"}]', '[[0], [9]]') AS m;
-- arrays from a table: short, long, toasted
CREATE TABLE label_test.arrays (id int, v float8[]);
INSERT INTO label_test.arrays VALUES (1, ARRAY[3, 4]);
INSERT INTO label_test.arrays SELECT n, array_agg(t ORDER BY t) FROM unnest(ARRAY[16, 16000]) AS n, generate_series(1, n) AS t GROUP BY n;
SELECT id, octet_length(array_send(v)) AS bytes, round(kmeans_distance(m, v)::numeric, 6) AS distance,
       kmeans_distance(m, v) = sqrt((SELECT sum(e * e) FROM unnest(v) AS e)) AS right
FROM label_test.arrays,
     label_test.model(jsonb_build_array(jsonb_build_object('name', 'v', 'kind', 'array', 'length', cardinality(v))),
                      jsonb_build_array(to_jsonb(array_fill(0, ARRAY[cardinality(v)])))) AS m
ORDER BY id;

-- Scaled, and cosine: a row without a direction counts as NULL
SELECT kmeans_predict(m, 40, 1.5), kmeans_distance(m, 40, 2), kmeans_transform(m, 60, 2)
FROM label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]',
                      '[[-1, 0], [3, 4]]', '{"shift": [50, 2], "scale": [10, 0.5]}') AS m;
SELECT kmeans_predict(m, 3, 1), round(kmeans_distance(m, 0, 7)::numeric, 12), kmeans_predict(m, 1e200, 1e300),
       kmeans_predict(m, 0, 0), kmeans_nearest(m, 0, 0)
FROM label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]',
                      '[[1, 0], [0, 1]]', '{"metric": "cosine", "fill": [0, 0]}') AS m;
-- k = 1 has no runner-up; two centroids in one place leave no confidence
SELECT n.* FROM label_test.model('[{"name": "a", "kind": "number"}]', '[[0]]') AS m, kmeans_nearest(m, 2) AS n;
SELECT n.* FROM label_test.model('[{"name": "a", "kind": "number"}]', '[[3], [3]]') AS m, kmeans_nearest(m, 3) AS n;
-- radii: a single row is nobody's reference, a radius of 0 takes the model's
SELECT x, n.cluster, n.outlier_score
FROM label_test.model('[{"name": "a", "kind": "number"}]', '[[0], [10], [20]]',
                      '{"sizes": [10, 1, 10], "weights": [10, 1, 10], "radius_rms": [2, 0, 0], "inertia": 84}') AS m,
     unnest(ARRAY[0, 4, 10, 16, 20]) AS x, kmeans_nearest(m, x) AS n ORDER BY x;
-- more clusters than one block of lanes, against the definition
SELECT count(*) AS rows, count(*) FILTER (WHERE kmeans_predict(m, x, y) <> best) AS wrong,
       count(*) FILTER (WHERE kmeans_distance(m, x, y) <> sqrt(least)) AS wrong_distance
FROM (SELECT label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]',
                              jsonb_agg(jsonb_build_array(j * 7 % 19, j * 5 % 23) ORDER BY j)) AS m
      FROM generate_series(0, 36) AS j) AS s,
     generate_series(0, 20) AS x, generate_series(0, 24) AS y,
     LATERAL (SELECT j AS best, (x - j * 7 % 19) ^ 2 + (y - j * 5 % 23) ^ 2 AS least
              FROM generate_series(0, 36) AS j ORDER BY least, j LIMIT 1) AS b;

-- Models alternating in one column, the last one too large for its row
INSERT INTO label_test.models
SELECT 'big', label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]',
                               jsonb_agg(jsonb_build_array(j, 0) ORDER BY j))
FROM generate_series(0, 999) AS j;
SELECT x, string_agg(format('%s %s', name, kmeans_predict(m, x, 0)), ', ' ORDER BY name) AS clusters
FROM label_test.models, generate_series(1, 31, 15) AS x WHERE name IN ('line', 'big') GROUP BY x ORDER BY x;

-- What is refused
SELECT q.query, label_test.error(format('SELECT %s FROM label_test.models WHERE name = %L', q.query, q.model))
FROM (VALUES
    ('line', 'kmeans_predict(m, 1)'),
    ('line', 'kmeans_predict(m, 1, 2, 3)'),
    ('line', 'kmeans_predict(m, ARRAY[1, 2, 3])'),
    ('line', 'kmeans_predict(m, ''{}''::int[])'),
    ('line', 'kmeans_predict(m, ARRAY[[1, 2], [3, 4]])'),
    ('line', 'kmeans_predict(m, VARIADIC ARRAY[1])'),
    ('line', 'kmeans_predict(m, ''{1,x}'')'),
    ('line', 'kmeans_predict(m, ROW(1, 2, 3))'),
    ('line', 'kmeans_predict(m, ROW())'),
    ('line', 'kmeans_predict(m, (SELECT s FROM (SELECT 1 AS a, 2 AS c) AS s))'),
    ('line', 'kmeans_predict(m, (SELECT s FROM (SELECT 1 AS p, 2 AS q) AS s))'),
    ('line', 'kmeans_predict(m, 1, ''2''::text)'),
    ('line', 'kmeans_predict(m, 1, true)'),
    ('line', 'kmeans_predict(m, 1, ''x'')'),
    ('line', 'kmeans_predict(m, 1, now())'),
    ('line', 'kmeans_predict(m, ARRAY[''1'', ''2''])'),
    ('line', 'kmeans_predict(m, 1, ''{}''::jsonb)'),
    ('line', 'kmeans_predict(m, 1, ''NaN''::float8)'),
    ('line', 'kmeans_predict(m, ''-Infinity''::real, 1)'),
    ('line', 'kmeans_predict(m, ''NaN''::numeric, 1)'),
    ('line', 'kmeans_predict(m, 1, ''1e400'')'),
    ('line', 'kmeans_predict(m, 1, (''1'' || repeat(''0'', 400))::numeric)'),
    ('line', 'kmeans_predict(m, ARRAY[1, ''Infinity'']::real[])'),
    ('line', 'kmeans_predict(m, 1, -1e200)'),
    ('filled', 'kmeans_predict(m, 1, ARRAY[1, NULL])'),
    ('filled', 'kmeans_predict(m, 1, ARRAY[1, 2, 3])'),
    ('filled', 'kmeans_predict(m, 1, ARRAY[[1, 2]])'),
    ('filled', 'kmeans_predict(m, 1, ''{}''::real[])'),
    ('filled', 'kmeans_predict(m, 1, ARRAY[1, ''NaN'']::float8[])'),
    ('filled', 'kmeans_predict(m, 1, ARRAY[1, ''Infinity'']::numeric[])'),
    ('filled', 'kmeans_predict(m, 1, ARRAY[1, -1e300])'),
    ('filled', 'kmeans_predict(m, ARRAY[1, 2, 3])'),
    ('filled', 'kmeans_predict(m, 1, 2)'),
    ('kinds', 'kmeans_predict(m, 0, ''maybe'', ''0'', ''0'', ''0'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', date ''infinity'', ''0'', ''0'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''0'', timestamp ''-infinity'', ''0'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''0'', ''0'', timestamptz ''infinity'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''0'', ''0'', ''1970-01-01 01:00:02'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''0'', ''now'', ''0'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''0'', ''0'', ''0'', ''1 day'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''yesterdays'', ''0'', ''0'', ''0'', ''{0,0}'', ''free'')'),
    ('kinds', 'kmeans_predict(m, 0, ''t'', ''0'', ''0'', ''0'', ''0'', ''{0,0}'', 1)')) AS q (model, query);
SELECT label_test.error($$SELECT kmeans_predict(m, ARRAY[1, 2]) FROM label_test.model(
    '[{"name": "a", "kind": "number"}, {"name": "d", "kind": "date"}]', '[[0, 0]]') AS m$$);

-- By name
SELECT kmeans_save('label_line', m) FROM label_test.models WHERE name = 'line';
SELECT kmeans_predict('label_line', 9, 0), kmeans_label('label_line', 9, 0), kmeans_label('label_line', ARRAY[1, 1]),
       kmeans_distance('label_line', '9', '0'), kmeans_transform('label_line', ROW(13, 4)), kmeans_nearest('label_line@1', 9, 0),
       kmeans_predict(NULL::text, 1, 1);
SELECT p.id, n.* FROM label_test.points AS p, kmeans_nearest('label_line', p) AS n ORDER BY p.id;
SELECT q.query, label_test.error('SELECT ' || q.query)
FROM (VALUES
    ('kmeans_predict(''label_line'', 1, 2, 3)'),
    ('kmeans_predict(''label_line@1'', ARRAY[[1, 2]])'),
    ('kmeans_predict(''label_line'', ROW(1))'),
    ('kmeans_predict(''label_line@2'', 1, 2)'),
    ('kmeans_predict(''label_lin'', 1, 2)'),
    ('kmeans_predict('''', 1, 2)')) AS q (query);
SELECT label_test.error('PREPARE label_parameter AS SELECT kmeans_predict(''label_line'', $1, $2)');
SELECT label_test.error('PREPARE label_parameter(text) AS SELECT kmeans_predict(''label_line'', $1, 0); EXECUTE label_parameter(''9'')');

-- One call site sees what becomes of its model
CREATE FUNCTION label_test.say(name text, x float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN kmeans_label(name, x, 0);
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ': ' || SQLERRM;
END
$$;
CREATE ROLE label_reader;
GRANT USAGE ON SCHEMA label_test TO label_reader;
CREATE TABLE label_test.story (step int, action text, answer text, pinned text);
GRANT INSERT ON label_test.story TO label_reader;
DO $$
DECLARE
    actions text[] = ARRAY[
        'SELECT 1',
        'SELECT kmeans_set_label(''label_line'', 2, ''middle'')',
        'SELECT kmeans_save(''label_line'', m, true) FROM label_test.models WHERE name = ''line''',
        'SELECT kmeans_save(''label_line'', label_test.model(''[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]'', ''[[0, 0], [9, 9]]''), true)',
        'SET LOCAL ROLE label_reader',
        'RESET ROLE',
        'SELECT kmeans_drop(''label_line'')',
        'SELECT kmeans_save(''label_line'', m) FROM label_test.models WHERE name = ''line''',
        'SELECT kmeans_rename(''label_line'', ''label_other'')',
        'SELECT kmeans_rename(''label_other'', ''label_line'')'];
BEGIN
    FOR i IN 1 .. cardinality(actions) LOOP
        EXECUTE actions[i];
        INSERT INTO label_test.story VALUES (i, actions[i], label_test.say('label_line', 9), label_test.say('label_line@1', 9));
    END LOOP;
END
$$;
SELECT step, left(action, 50) AS action, answer, pinned FROM label_test.story ORDER BY step;
PREPARE label_site(float8) AS SELECT kmeans_predict('label_line', $1, 0);
SET plan_cache_mode = force_generic_plan;
EXECUTE label_site(19);
SELECT kmeans_save('label_line', label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]', '[[0, 0], [9, 9]]'), true);
EXECUTE label_site(19);
RESET plan_cache_mode;
DEALLOCATE label_site;
-- names alternating, and a row's type altered, at one call site
SELECT kmeans_save('label_big', m) FROM label_test.models WHERE name = 'big';
SELECT x, kmeans_predict(CASE x % 2 WHEN 0 THEN 'label_line' ELSE 'label_big' END, x, 0) FROM generate_series(100, 103) AS x;
CREATE FUNCTION label_test.whole() RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    p record;
BEGIN
    SELECT * INTO p FROM label_test.points WHERE note = 'y';
    RETURN kmeans_predict('label_big', p);
END
$$;
SELECT label_test.whole();
ALTER TABLE label_test.points ADD COLUMN before_b int DEFAULT 7, ADD COLUMN c float8 DEFAULT 8;
UPDATE label_test.points SET c = b;
ALTER TABLE label_test.points DROP COLUMN b;
ALTER TABLE label_test.points RENAME c TO b;
SELECT label_test.whole();

-- The session keeps models by name, up to a few megabytes
SET max_parallel_workers_per_gather = 0;
SELECT count(kmeans_save('label_wide' || i, label_test.model('[{"name": "v", "kind": "array", "length": 2000}]',
    (SELECT jsonb_agg(to_jsonb(array_fill(j * i, ARRAY[2000]))) FROM generate_series(0, 9) AS j)))) AS saved
FROM generate_series(1, 15) AS i;
SELECT count(*) FILTER (WHERE kmeans_predict('label_wide' || i, array_fill(7 * i, ARRAY[2000])) = 7) AS right_ones
FROM generate_series(1, 15) AS i, generate_series(1, 2);
SELECT sum(total_bytes) BETWEEN 4e6 AND 9e6 AS bounded FROM pg_backend_memory_contexts WHERE name LIKE 'kmeans model%';
SELECT count(*) FILTER (WHERE kmeans_predict('label_wide' || i, array_fill(7 * i, ARRAY[2000])) = 7) AS right_ones
FROM generate_series(1, 15) AS i;
SELECT count(kmeans_drop('label_wide' || i)) FROM generate_series(1, 15) AS i;
SELECT label_test.error($$SELECT kmeans_predict('label_wide7', array_fill(7, ARRAY[2000]))$$);
SELECT coalesce(sum(total_bytes), 0) < 1e6 AS freed FROM pg_backend_memory_contexts WHERE name LIKE 'kmeans model%';
RESET max_parallel_workers_per_gather;
-- kept of a model is what it consists of, and its centroids once more; not what was fetched of long arrays
SELECT kmeans_save('label_wide', label_test.model('[{"name": "v", "kind": "array", "length": 500}]',
    (SELECT jsonb_agg(to_jsonb(array_fill(j, ARRAY[500]))) FROM generate_series(0, 39) AS j))) AS saved;
-- in this process, not in a worker
DO $$
BEGIN
    ASSERT kmeans_predict('label_wide', array_fill(7, ARRAY[500])) = 7;
END
$$;
SELECT sum(used_bytes) < 1.7 * (SELECT pg_column_size(kmeans_get('label_wide'))) AS lean
FROM pg_backend_memory_contexts WHERE name = 'kmeans model';
SELECT kmeans_drop('label_wide');
-- names longer than any model's
SELECT kmeans_predict('label_line@' || repeat('0', 90) || '1', 9, 0);

-- Thousands of models that are alike but for their centroids are told apart in less time than it took to fit them
SELECT clock_timestamp() AS began \gset
CREATE TABLE label_test.alike AS SELECT i / 3 AS g, kmeans_agg(2, ARRAY[i, 2 * i]) AS m FROM generate_series(0, 59999) AS i GROUP BY 1;
SELECT clock_timestamp() AS fitted \gset
SELECT count(*) FILTER (WHERE kmeans_predict(m, 3 * g + 2, 6 * g + 4) = 1) AS right_ones FROM label_test.alike;
SELECT clock_timestamp() - :'fitted' < :'fitted'::timestamptz - :'began' AS soon;

-- In parallel workers as in the leader
CREATE TABLE label_test.many AS SELECT i AS a, i % 7 AS b FROM generate_series(0, 19999) AS i;
ANALYZE label_test.many;
SET max_parallel_workers_per_gather = 0;
CREATE TABLE label_test.serial AS SELECT sum(kmeans_predict('label_big', a, b)) AS s, sum(kmeans_distance('label_big', t)) AS d FROM label_test.many AS t;
SET max_parallel_workers_per_gather = 2;
SET parallel_setup_cost = 0;
SET parallel_tuple_cost = 0;
SET min_parallel_table_scan_size = 0;
SELECT s = (SELECT sum(kmeans_predict('label_big', a, b)) FROM label_test.many) AS same_clusters,
       abs(d / (SELECT sum(kmeans_distance('label_big', t)) FROM label_test.many AS t) - 1) < 1e-12 AS same_distances
FROM label_test.serial;
RESET parallel_tuple_cost;

-- The planner knows that a large model costs more than to send a row to the leader
CREATE FUNCTION label_test.is_parallel(call text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    plan text;
BEGIN
    EXECUTE 'EXPLAIN (FORMAT JSON) SELECT ' || call || ' FROM label_test.many AS t' INTO plan;
    RETURN plan LIKE '%"Gather"%';
END
$$;
SELECT label_test.is_parallel('kmeans_predict(''label_big'', a, b)') AS by_name,
       label_test.is_parallel(format('kmeans_predict(%L::kmeans_model, a, b)', kmeans_get('label_line'))) AS small,
       label_test.is_parallel(format('kmeans_predict(%L::kmeans_model, t)', m)) AS large,
       label_test.is_parallel('sum(kmeans_predict(''label_big'', t))') AS aggregated
FROM (SELECT label_test.model('[{"name": "a", "kind": "number"}, {"name": "b", "kind": "number"}]', jsonb_agg(jsonb_build_array(i, i))) AS m FROM generate_series(1, 1000) AS i) AS s;
RESET max_parallel_workers_per_gather;
RESET parallel_setup_cost;
RESET min_parallel_table_scan_size;

-- As wide as a table can be
DO $$
BEGIN
    EXECUTE (SELECT format('CREATE TABLE label_test.wide (%s)', string_agg(format('c%s int2 DEFAULT %s', i, i % 3), ', ' ORDER BY i))
             FROM generate_series(1, 1600) AS i);
END
$$;
INSERT INTO label_test.wide DEFAULT VALUES;
SELECT kmeans_predict(m, w), round((kmeans_distance(m, w) ^ 2)::numeric, 6) AS squares,
       kmeans_predict(m, (SELECT array_agg(i % 3 ORDER BY i) FROM generate_series(1, 1600) AS i)) AS array
FROM label_test.wide AS w,
     (SELECT label_test.model(jsonb_agg(jsonb_build_object('name', 'c' || i, 'kind', 'number') ORDER BY i DESC),
                              jsonb_build_array(jsonb_agg(0), jsonb_agg(9))) AS m
      FROM generate_series(1, 1600) AS i) AS s;
SELECT label_test.error($$
    SELECT kmeans_predict(label_test.model(jsonb_agg(jsonb_build_object('name', 'c' || i, 'kind', 'number') ORDER BY i),
                                           jsonb_build_array(jsonb_agg(0))), 1)
    FROM generate_series(1, 1600) AS i$$);

-- A fit's own labels
SELECT f.k, f.n_rows FROM kmeans_fit('label_iris', 'SELECT * FROM kmeans_iris()', k => 3) AS f;
SELECT c.cluster, c.size = count(i.id) AS size, abs(c.inertia - sum(kmeans_distance('label_iris', i) ^ 2)) < 1e-9 AS inertia
FROM kmeans_clusters('label_iris') AS c LEFT JOIN kmeans_iris() AS i ON kmeans_predict('label_iris', i) = c.cluster
GROUP BY c.cluster, c.size, c.inertia ORDER BY c.cluster;

SELECT kmeans_drop('label_line'), kmeans_drop('label_big'), kmeans_drop('label_iris');
SET client_min_messages = warning;
DROP SCHEMA label_test CASCADE;
DROP ROLE label_reader;
RESET client_min_messages;
RESET timezone;
