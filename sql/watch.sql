--
-- watch: fits that run
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
\set SHOW_CONTEXT never

CREATE SCHEMA watch_test;
SET search_path = watch_test, public;

-- nothing runs
SELECT * FROM kmeans_progress;
\d kmeans_progress

-- a fit sees itself, in its source
CREATE TABLE seen (pid int, model text, phase text, run int, iteration int, max_iter int,
                   rows_read bigint, inertia float8, reassigned bigint, started_at timestamptz);
CREATE FUNCTION look(x float8) RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_stat_clear_snapshot();
  INSERT INTO watch_test.seen SELECT * FROM public.kmeans_progress;
  RETURN x;
END
$$;
SELECT k FROM kmeans_fit('watched', 'SELECT watch_test.look(i) FROM generate_series(1, 3) i', k => 2, max_iter => 17);
SELECT count(*) FROM kmeans_choose_k('SELECT watch_test.look(i) FROM generate_series(1, 3) i', k_max => 2);
SELECT pid = pg_backend_pid() AS me, model, phase, run, iteration, max_iter, rows_read, inertia, reassigned,
       started_at BETWEEN now() - interval '1 hour' AND clock_timestamp() AS started, count(*)
FROM seen GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 ORDER BY max_iter;
SELECT pg_stat_clear_snapshot();
SELECT * FROM kmeans_progress;

-- rows are counted by the thousand
TRUNCATE seen;
SELECT k FROM kmeans_fit('watched', 'SELECT CASE WHEN i = 10000 THEN watch_test.look(i) ELSE i END AS x FROM generate_series(1, 10000) i', k => 2, replace => true);
SELECT rows_read FROM seen;

-- a fit within a fit; the outer one shows up again
TRUNCATE seen;
CREATE FUNCTION inner_fit() RETURNS float8 LANGUAGE plpgsql AS $$
BEGIN
  PERFORM public.kmeans_fit('inner', 'SELECT watch_test.look(1)', k => 1, replace => true);
  RETURN 1;
END
$$;
SELECT k FROM kmeans_fit('outer', 'SELECT CASE i WHEN 1 THEN watch_test.inner_fit() WHEN 5000 THEN watch_test.look(i) ELSE i END AS x FROM generate_series(1, 5000) i', k => 1);
SELECT model, rows_read FROM seen ORDER BY model;
SELECT * FROM kmeans_progress;

-- errors end a fit, and so does a savepoint
SELECT kmeans_fit('watched', 'SELECT 1 / 0 AS x', k => 1, replace => true);
SELECT count(*) FROM kmeans_progress;
BEGIN;
SAVEPOINT s;
SELECT kmeans_fit('watched', 'SELECT 1 / 0 AS x', k => 1, replace => true);
ROLLBACK TO s;
SELECT count(*) FROM kmeans_progress;
COMMIT;

-- without track_activities there is nothing to see
TRUNCATE seen;
SET track_activities = off;
SELECT k FROM kmeans_fit('watched', 'SELECT watch_test.look(1)', k => 1, replace => true);
SELECT count(*) FROM seen;
RESET track_activities;

SELECT kmeans_drop(model) FROM kmeans_models WHERE model IN ('inner', 'outer', 'watched');
SET client_min_messages = warning;
DROP SCHEMA watch_test CASCADE;
