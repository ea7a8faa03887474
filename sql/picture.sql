SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
SET extra_float_digits = 1;

-- what a statement raises
CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;

-- Iris: the numbers of the data set
SELECT * FROM kmeans_iris() WHERE id IN (1, 50, 51, 100, 101, 150) ORDER BY id;
SELECT species, count(*), min(id), max(id),
       round(avg(sepal_length)::numeric, 3) AS sepal_length, round(avg(sepal_width)::numeric, 3) AS sepal_width,
       round(avg(petal_length)::numeric, 3) AS petal_length, round(avg(petal_width)::numeric, 3) AS petal_width
FROM kmeans_iris() GROUP BY species ORDER BY min(id);

-- inertia of one cluster: 681.3706
SELECT round((150 * (var_pop(sepal_length) + var_pop(sepal_width) + var_pop(petal_length) + var_pop(petal_width)))::numeric, 4) AS inertia
FROM kmeans_iris();

-- a SQL function that the planner can look through
EXPLAIN (COSTS OFF) SELECT species FROM kmeans_iris() WHERE petal_length > 5;

-- blobs: the known numbers of scikit-learn, by position and by name
SELECT * FROM kmeans_make_blobs(300, 4, 2, 0.70, -10, 10, true, 42) LIMIT 3;
SELECT array_agg(y ORDER BY id) FILTER (WHERE id <= 10) AS first_labels,
       count(*), min(id), max(id),
       round(sum(x[1])::numeric, 7) AS sum_1, round(sum(x[2])::numeric, 8) AS sum_2
FROM kmeans_make_blobs(n_samples => 300, centers => 4, cluster_std => 0.70, seed => 42);
SELECT y, count(*), round(avg(x[1])::numeric, 8) AS x_1, round(avg(x[2])::numeric, 8) AS x_2
FROM kmeans_make_blobs(300, 4, 2, 0.70, seed => 42) GROUP BY y ORDER BY y;
SELECT array_agg(y ORDER BY id) FILTER (WHERE id <= 10) AS first_labels,
       min(x[1]) FILTER (WHERE id = 1) AS x_1, min(x[2]) FILTER (WHERE id = 1) AS x_2,
       round(sum(x[1])::numeric, 8) AS sum_1, round(sum(x[2])::numeric, 8) AS sum_2
FROM kmeans_make_blobs(100, 3, seed => 42);

-- defaults; seed 0 is a seed like any other
SELECT count(*), count(DISTINCT y) AS centers, min(array_length(x, 1)) AS n_features FROM kmeans_make_blobs();
SELECT bool_and(a.x = b.x AND a.y = b.y) AS same
FROM kmeans_make_blobs() a
JOIN kmeans_make_blobs(100, 3, 2, 1.0, -10, 10, true, 0) b USING (id);

-- the first n mod centers blobs get one row more; without shuffle in order
SELECT array_agg(y ORDER BY id) AS y FROM kmeans_make_blobs(11, 4, shuffle => false);

-- more centers than rows
SELECT array_agg(y ORDER BY id) AS y FROM kmeans_make_blobs(2, 5, shuffle => false);

-- no spread: rows are their centers, and these lie where they may
SELECT count(DISTINCT x) AS centers, min(least(x[1], x[2], x[3])) >= 2 AND max(greatest(x[1], x[2], x[3])) <= 3 AS inside
FROM kmeans_make_blobs(50, 5, 3, 0, 2, 3);
SELECT DISTINCT x FROM kmeans_make_blobs(5, 2, 1, 0, 7, 7);

-- shuffling changes the order only
SELECT count(*) FROM (
  SELECT x, y FROM kmeans_make_blobs(1000, 7, 4, seed => 5)
  INTERSECT
  SELECT x, y FROM kmeans_make_blobs(1000, 7, 4, seed => 5, shuffle => false)) s;

-- the largest seed; a drawn one differs from call to call (up to 1 in 2^32)
SELECT count(*) FROM kmeans_make_blobs(seed => 4294967295);
SET client_min_messages = warning;
SELECT bool_and(a.x = b.x) AS same
FROM kmeans_make_blobs(seed => NULL) a JOIN kmeans_make_blobs(seed => NULL) b USING (id);
RESET client_min_messages;

-- in the select list, row by row
SELECT (kmeans_make_blobs(3, 1)).id;
SELECT id FROM kmeans_make_blobs(1000000, 3) LIMIT 1;

-- what cannot be
SELECT call, error_of('SELECT * FROM kmeans_make_blobs(' || call || ')') AS error
FROM unnest(ARRAY['n_samples => 0', 'n_samples => -1', 'centers => 0', 'n_features => 0', 'n_features => 16001',
                  'cluster_std => -1', 'cluster_std => ''NaN''', 'cluster_std => ''Infinity''',
                  'center_min => ''-Infinity''', 'center_max => ''NaN''', 'center_min => 11',
                  'center_min => -1.7e308, center_max => 1.7e308', 'cluster_std => 1.7e308',
                  'seed => -1', 'seed => 4294967296',
                  'n_samples => NULL', 'centers => NULL', 'n_features => NULL', 'cluster_std => NULL',
                  'center_min => NULL', 'center_max => NULL', 'shuffle => NULL']) AS call;
SELECT left(error_of('SELECT * FROM kmeans_make_blobs(2147483647, 3, 16000)'), 19) AS error;

-- cancelled while it works
SET statement_timeout = '50ms';
SELECT count(*) FROM kmeans_make_blobs(20000000, 3);
RESET statement_timeout;

DROP FUNCTION error_of(text);
