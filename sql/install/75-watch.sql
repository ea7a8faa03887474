-- Running fits.

CREATE FUNCTION kmeans_list_progress()
RETURNS TABLE (
    pid int,
    model text,
    phase text,
    run int,
    iteration int,
    max_iter int,
    rows_read bigint,
    inertia float8,
    reassigned bigint,
    started_at timestamptz)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL RESTRICTED ROWS 10;

COMMENT ON FUNCTION kmeans_list_progress() IS
'the fits that run in this database now and that the current user may see; what the view kmeans_progress shows';

CREATE VIEW kmeans_progress AS
SELECT p.pid, p.model, p.phase, p.run, p.iteration, p.max_iter, p.rows_read,
       p.inertia, p.reassigned, p.started_at
FROM kmeans_list_progress() AS p;

COMMENT ON VIEW kmeans_progress IS
'the fits that run in this database now, of your sessions, or of all for superusers and members of pg_read_all_stats: one row each';
COMMENT ON COLUMN kmeans_progress.pid IS 'process of the session, as in pg_stat_activity';
COMMENT ON COLUMN kmeans_progress.model IS 'name of the model; null for kmeans_choose_k';
COMMENT ON COLUMN kmeans_progress.phase IS 'loading, preparing, seeding, iterating, summarizing, comparing (kmeans_choose_k) or storing';
COMMENT ON COLUMN kmeans_progress.run IS 'number of the run, from 1';
COMMENT ON COLUMN kmeans_progress.iteration IS 'iterations of this run that are done; null before the first';
COMMENT ON COLUMN kmeans_progress.max_iter IS 'where a run ends at the latest';
COMMENT ON COLUMN kmeans_progress.rows_read IS 'rows that were read from the source; while workers help to read, those of the session''s own process';
COMMENT ON COLUMN kmeans_progress.inertia IS 'of the last iteration that is done';
COMMENT ON COLUMN kmeans_progress.reassigned IS 'rows that changed their cluster in that iteration';
COMMENT ON COLUMN kmeans_progress.started_at IS 'when the fit began to read its source';

GRANT SELECT ON kmeans_progress TO PUBLIC;
