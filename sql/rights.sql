--
-- rights: who may do what, function by function; whose rights a source has
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA rights_test;
SET search_path = rights_test, :ext;
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

CREATE ROLE rights_owner;
CREATE ROLE rights_member IN ROLE rights_owner;
CREATE ROLE rights_grantee;
CREATE ROLE rights_child IN ROLE rights_grantee;
CREATE ROLE rights_stranger;
CREATE ROLE rights_super SUPERUSER;
CREATE ROLE rights_mallory;
GRANT ALL ON SCHEMA rights_test TO PUBLIC;
GRANT USAGE ON SCHEMA :ext TO PUBLIC;
CREATE TABLE rows AS SELECT i AS id, (i % 3 * 10 + i % 7)::float8 AS x, (i % 5)::float8 AS y FROM generate_series(1, 200) i;
ALTER TABLE rows OWNER TO rights_owner;
CREATE TABLE open_rows AS TABLE rows;
GRANT SELECT ON open_rows TO PUBLIC;

SET ROLE rights_owner;
SELECT k FROM kmeans_fit('m', 'rows', ARRAY['x', 'y'], k => 3, id_column => 'id');
SELECT k FROM kmeans_fit('m', 'rows', ARRAY['x', 'y'], k => 3, id_column => 'id', replace => true);
SELECT kmeans_grant('m', 'rights_grantee');

-- Every function that takes a model, and what it takes to call it: to own the
-- model; to read it; to own it, or to read it and pass a source.
RESET ROLE;
CREATE TABLE calls (fn text, needs text, call text);
GRANT SELECT ON calls TO PUBLIC;
INSERT INTO calls VALUES
  ('kmeans_fit', 'own', $$kmeans_fit('m', 'open_rows', ARRAY['x', 'y'], k => 3, replace => true)$$),
  ('kmeans_save', 'own', $$kmeans_save('m', kmeans_get('m'), replace => true)$$),
  ('kmeans_refresh', 'own', $$kmeans_refresh('m')$$),
  ('kmeans_refresh', 'own', $$kmeans_refresh('m', 'open_rows')$$),
  ('kmeans_refresh', 'own', $$kmeans_refresh('m@1', promote => false)$$),
  ('kmeans_set_label', 'own', $$kmeans_set_label('m', 0, 'x')$$),
  ('kmeans_promote', 'own', $$kmeans_promote('m', 1)$$),
  ('kmeans_rename', 'own', $$kmeans_rename('m', 'other')$$),
  ('kmeans_set_owner', 'own', $$kmeans_set_owner('m', current_user)$$),
  ('kmeans_drop', 'own', $$kmeans_drop('m')$$),
  ('kmeans_drop', 'own', $$kmeans_drop('m', if_exists => true)$$),
  ('kmeans_prune', 'own', $$kmeans_prune('m', 1)$$),
  ('kmeans_grant', 'own', $$kmeans_grant('m', 'public')$$),
  ('kmeans_revoke', 'own', $$kmeans_revoke('m', 'rights_grantee')$$),
  ('kmeans_get', 'read', $$kmeans_get('m')$$),
  ('kmeans_get', 'read', $$kmeans_get('m@1')$$),
  ('kmeans_get', 'read', $$kmeans_get('m@2')$$),
  ('kmeans_predict', 'read', $$kmeans_predict('m', 1.0, 2.0)$$),
  ('kmeans_predict', 'read', $$kmeans_predict('m@1', ARRAY[1.0, 2.0])$$),
  ('kmeans_predict', 'read', $$kmeans_predict('m', r) FROM open_rows r LIMIT 1$$),
  ('kmeans_label', 'read', $$kmeans_label('m', 1.0, 2.0)$$),
  ('kmeans_distance', 'read', $$kmeans_distance('m', 1.0, 2.0)$$),
  ('kmeans_transform', 'read', $$kmeans_transform('m', 1.0, 2.0)$$),
  ('kmeans_nearest', 'read', $$kmeans_nearest('m', 1.0, 2.0)$$),
  ('kmeans_explain', 'read', $$kmeans_explain('m', 1.0, 2.0)$$),
  ('kmeans_centroids', 'read', $$kmeans_centroids('m')$$),
  ('kmeans_clusters', 'read', $$kmeans_clusters('m')$$),
  ('kmeans_profile', 'read', $$kmeans_profile('m')$$),
  ('kmeans_describe', 'read', $$kmeans_describe('m')$$),
  ('kmeans_feature_importance', 'read', $$kmeans_feature_importance('m')$$),
  ('kmeans_iterations', 'read', $$kmeans_iterations('m')$$),
  ('kmeans_export', 'read', $$kmeans_export('m')$$),
  ('kmeans_export', 'read', $$kmeans_export('m', 'sql')$$),
  ('kmeans_plot_profile', 'read', $$kmeans_plot_profile('m')$$),
  ('kmeans_assign', 'source', $$kmeans_assign('m')$$),
  ('kmeans_assign', 'read', $$kmeans_assign('m', 'open_rows')$$),
  ('kmeans_evaluate', 'source', $$kmeans_evaluate('m')$$),
  ('kmeans_evaluate', 'read', $$kmeans_evaluate('m', 'open_rows')$$),
  ('kmeans_outliers', 'source', $$kmeans_outliers('m')$$),
  ('kmeans_outliers', 'read', $$kmeans_outliers('m', 'open_rows')$$),
  ('kmeans_drift', 'source', $$kmeans_drift('m')$$),
  ('kmeans_drift', 'read', $$kmeans_drift('m', 'open_rows')$$),
  ('kmeans_transitions', 'source', $$kmeans_transitions('m', 1, 2)$$),
  ('kmeans_transitions', 'read', $$kmeans_transitions('m', 1, 2, 'open_rows')$$),
  ('kmeans_transitions', 'read', $$kmeans_transitions('m', 1, 2, 'open_rows', 'open_rows')$$),
  ('kmeans_plot', 'source', $$kmeans_plot('m')$$),
  ('kmeans_plot', 'read', $$kmeans_plot('m', source => 'open_rows')$$),
  ('kmeans_plot_silhouette', 'source', $$kmeans_plot_silhouette('m')$$),
  ('kmeans_plot_silhouette', 'read', $$kmeans_plot_silhouette('m', 'open_rows')$$),
  ('kmeans_report', 'source', $$kmeans_report('m')$$),
  ('kmeans_report', 'read', $$kmeans_report('m', 'open_rows')$$);

-- no such function is missing here
SELECT p.proname FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND e.extname = 'kmeans'
WHERE p.proargnames[1] = 'model' AND p.proargtypes[0] = 'text'::regtype
EXCEPT SELECT fn FROM calls;

-- what a call gives under a role; whatever it did is undone
CREATE FUNCTION outcome(who text, call text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  PERFORM set_config('role', who, true);
  EXECUTE 'SELECT ' || call;
  RAISE SQLSTATE 'UNDO1';
EXCEPTION
  WHEN SQLSTATE 'UNDO1' THEN RETURN 'ok';
  WHEN OTHERS THEN RETURN sqlstate;
END $$;
CREATE VIEW outcomes AS
SELECT needs, call, who, outcome(who, call) AS found,
  CASE WHEN who IN ('rights_owner', 'rights_member', 'rights_super') OR (may_read AND needs = 'read') THEN 'ok' ELSE '42501' END AS wanted
FROM calls c, (VALUES ('rights_owner', true), ('rights_member', true), ('rights_super', true), ('rights_grantee', true),
  ('rights_child', true), ('rights_stranger', false)) w(who, may_read)
WHERE EXISTS (SELECT FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace AND n.oid = (SELECT extnamespace FROM pg_extension WHERE extname = 'kmeans') WHERE p.proname = c.fn);
SELECT count(*) > 200 AS many, count(*) FILTER (WHERE found <> wanted) AS wrong FROM outcomes;
SELECT * FROM outcomes WHERE found <> wanted;

-- the same when everybody is granted, and when that is taken back; a session's cached model does not help
SELECT kmeans_grant('m', 'public');
SELECT count(*) FROM outcomes WHERE who = 'rights_stranger' AND found <> CASE needs WHEN 'read' THEN 'ok' ELSE '42501' END;
SELECT kmeans_revoke('m', 'public'), kmeans_revoke('m', 'rights_grantee');
SELECT count(*) FROM outcomes WHERE who IN ('rights_grantee', 'rights_child', 'rights_stranger') AND found <> '42501';
SELECT kmeans_grant('m', 'rights_grantee');

-- what the refused are told
SET ROLE rights_stranger;
SELECT error_of($$SELECT kmeans_drift('m', 'open_rows')$$);
SELECT error_of($$SELECT kmeans_predict('m@99', 1, 2)$$);
SELECT error_of($$SELECT kmeans_transitions('m', 7, 8)$$);
SELECT error_of($$SELECT kmeans_promote('m', 99)$$);
SELECT error_of($$SELECT kmeans_set_label('m', 99, 'x')$$);
SELECT error_of($$SELECT kmeans_predict('mm', 1, 2)$$);
SELECT error_of($$SELECT kmeans_fit('m', 'open_rows')$$);
SELECT error_of($$SELECT kmeans_grant('m', 'rights_stranger')$$);
SET ROLE rights_grantee;
SELECT error_of($$SELECT kmeans_grant('m', 'rights_stranger')$$);
SELECT error_of($$SELECT kmeans_refresh('m', 'open_rows')$$);
SELECT error_of($$SELECT kmeans_drift('m')$$);
SELECT error_of($$SELECT kmeans_transitions('m', 1, 2)$$);
SELECT error_of($$SELECT kmeans_set_owner('m', 'rights_grantee')$$);
-- a source that is passed has the caller's rights, whatever the model's owner may
SELECT error_of($$SELECT kmeans_drift('m', 'rows')$$);
SELECT error_of($$SELECT kmeans_transitions('m', 1, 2, 'rows', 'open_rows')$$);

-- nothing else shows a model: tables, statistics, plans, a cheap function in WHERE
CREATE FUNCTION peek(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$ BEGIN RAISE WARNING 'seen %', $1; RETURN true; END $$;
SET ROLE rights_stranger;
SELECT relname, error_of(format('SELECT * FROM %s', c.oid::regclass)) AS error FROM pg_class c
JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e' WHERE relkind IN ('r', 'S') AND relname LIKE 'kmeans%' ORDER BY relname;
SELECT count(*) FROM kmeans_models WHERE peek(model);
SELECT count(*) FROM kmeans_versions WHERE peek(model || version || source);
RESET ROLE;
ANALYZE kmeans_catalog, kmeans_version, kmeans_centroid;
SELECT count(*) > 0 AS there FROM pg_stats WHERE tablename LIKE 'kmeans!_%' ESCAPE '!';
SET ROLE rights_stranger;
SELECT count(*) FROM pg_stats WHERE tablename LIKE 'kmeans!_%' ESCAPE '!';
EXPLAIN (COSTS OFF, VERBOSE) SELECT kmeans_predict('no such model', x, y) FROM open_rows;
EXPLAIN (COSTS OFF, VERBOSE) SELECT kmeans_predict('m', x, y) FROM open_rows;
SET ROLE rights_grantee;
SELECT model, owner, grantees, version FROM kmeans_models WHERE peek(model);
RESET ROLE;

-- one session, several roles; prepared statements and functions with a model in their cache
SET plan_cache_mode = force_generic_plan;
PREPARE guess AS SELECT kmeans_predict('m', 1.0, 2.0) IS NOT NULL AS known;
CREATE FUNCTION known() RETURNS boolean LANGUAGE plpgsql STABLE AS $$ BEGIN RETURN kmeans_predict('m', 1.0, 2.0) IS NOT NULL; END $$;
SET ROLE rights_owner;
EXECUTE guess;
SELECT known();
SET ROLE rights_stranger;
EXECUTE guess;
SELECT error_of('SELECT known()');
SET ROLE rights_child;
EXECUTE guess;
SELECT known();
-- ... in a function with its definer's rights, and after it
SET ROLE rights_owner;
CREATE FUNCTION lent() RETURNS bigint LANGUAGE sql SECURITY DEFINER AS $$ SELECT sum(kmeans_predict('m', x, y)) + (SELECT count(*) FROM kmeans_drift('m')) FROM rights_test.rows $$;
SET ROLE rights_stranger;
SELECT lent() > 0 AS lent, error_of($$SELECT kmeans_predict('m', 1.0, 2.0)$$) AS mine, error_of($$SELECT kmeans_drift('m')$$) AS my_drift;
RESET ROLE;
REVOKE rights_grantee FROM rights_child;
SET ROLE rights_child;
EXECUTE guess;
SELECT error_of('SELECT known()');
RESET ROLE;
DROP ROLE rights_child;
DEALLOCATE guess;
RESET plan_cache_mode;

-- another owner: whose member one is
SET ROLE rights_owner;
-- (newer servers say it in other words)
SELECT replace(error_of($$SELECT kmeans_set_owner('m', 'rights_stranger')$$), 'be able to SET ROLE', 'be member of role') AS error_of;
SELECT error_of($$SELECT kmeans_set_owner('m', 'no such role')$$);
SELECT error_of($$SELECT kmeans_set_owner('m', 'public')$$);
SELECT error_of($$SELECT kmeans_set_owner('m', NULL)$$);
SELECT error_of($$SELECT kmeans_set_owner(NULL, 'rights_owner')$$);
SELECT error_of($$SELECT kmeans_set_owner('m@1', 'rights_owner')$$);
SELECT error_of($$SELECT kmeans_grant('m', 'no such role')$$);
SELECT error_of($$SELECT kmeans_grant('m', 'PUBLIC')$$), error_of($$SELECT kmeans_revoke('m', 'Public')$$);
SELECT error_of($$SELECT kmeans_grant('m', NULL)$$);
SELECT error_of($$SELECT kmeans_grant('m@1', 'public')$$);
SELECT error_of($$SELECT kmeans_revoke('m', 'no such role')$$);
SELECT error_of($$SELECT kmeans_revoke(NULL, 'public')$$);
SELECT kmeans_set_owner(model => 'm', role => 'rights_owner');
RESET ROLE;
GRANT rights_stranger TO rights_owner;
SET ROLE rights_owner;
SELECT kmeans_set_owner('m', 'rights_stranger');
RESET ROLE;
REVOKE rights_stranger FROM rights_owner;
SET ROLE rights_owner;
SELECT error_of($$SELECT kmeans_refresh('m')$$);
-- ... with whose rights the source runs from now on
SET ROLE rights_stranger;
SELECT error_of($$SELECT kmeans_refresh('m')$$);
RESET ROLE;
SELECT error_of($$SELECT kmeans_refresh('m')$$);
GRANT SELECT ON rows TO rights_stranger;
SELECT n_rows FROM kmeans_refresh('m');
SELECT fitted_by = current_user AS by_me FROM kmeans_versions WHERE model = 'm' AND promoted;
SELECT kmeans_set_owner('m', 'rights_owner');
REVOKE SELECT ON rows FROM rights_stranger;

-- a refresh by a superuser binds a source's names for her, and runs it as the owner
CREATE TABLE secret AS TABLE open_rows;
REVOKE ALL ON secret FROM PUBLIC;
SELECT error_of($$SELECT kmeans_refresh('m', 'secret')$$);
-- ... and under row security as the owner sees it
ALTER TABLE rows ENABLE ROW LEVEL SECURITY;
ALTER TABLE rows FORCE ROW LEVEL SECURITY;
CREATE POLICY half ON rows USING (id <= 100);
SELECT n_rows FROM kmeans_refresh('m');
SELECT count(*) FROM kmeans_assign('m');
SELECT count(*) FROM kmeans_assign('m', 'rows');
DROP POLICY half ON rows;
ALTER TABLE rows NO FORCE ROW LEVEL SECURITY;
ALTER TABLE rows DISABLE ROW LEVEL SECURITY;

-- grants to roles that are dropped are worth nothing, and go with the next change
CREATE ROLE rights_leaver;
SELECT kmeans_grant('m', 'rights_leaver');
SELECT grantees FROM kmeans_models WHERE model = 'm';
DROP ROLE rights_leaver;
SELECT count(*) FROM kmeans_privilege;
SELECT kmeans_grant('m', 'rights_stranger'), kmeans_revoke('m', 'rights_stranger'), kmeans_revoke('m', 'rights_stranger');
SELECT grantees FROM kmeans_models WHERE model = 'm';
SELECT count(*) FROM kmeans_privilege;

-- Hostile sources.  What mallory's function tries, whoever runs it, it writes
-- down; nothing may come of it.
CREATE TABLE canary AS SELECT 1 AS x;
CREATE TABLE attempts (n int GENERATED ALWAYS AS IDENTITY, runner text, action text, outcome text);
GRANT INSERT ON attempts TO rights_mallory;
CREATE TABLE actions (action text);
GRANT SELECT ON actions TO PUBLIC;
INSERT INTO actions VALUES
  ('ALTER ROLE rights_mallory SUPERUSER'), ('GRANT rights_super TO rights_mallory'), ('SET ROLE rights_super'), ('RESET ROLE'), ('SET ROLE NONE'),
  ('SET SESSION AUTHORIZATION rights_super'), ('RESET SESSION AUTHORIZATION'), ('SELECT set_config(''role'', ''rights_super'', false)'),
  ('SELECT set_config(''session_authorization'', ''rights_super'', false)'), ('CREATE TEMP TABLE shadow (x int)'),
  ('DECLARE stolen CURSOR WITH HOLD FOR SELECT 1'), ('UPDATE rights_test.canary SET x = 2'), ('DROP TABLE rights_test.canary'),
  ('INSERT INTO rights_test.late VALUES (1)'), ('SELECT kmeans_drop(''m'')'), ('SELECT kmeans_get(''m'')'), ('SELECT kmeans_refresh(''m'')'),
  ('SELECT kmeans_grant(''m'', ''rights_mallory'')'), ('COMMIT'), ('SET search_path = rights_test'), ('SELECT set_config(''kmeans.pruning'', ''off'', false)');
SET ROLE rights_mallory;
CREATE TABLE late (x int);
CREATE FUNCTION late_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'ALTER ROLE rights_mallory SUPERUSER'; RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER late AFTER INSERT ON late DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late_trigger();
CREATE FUNCTION attack(dry boolean) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE
  what text;
  outcome text;
BEGIN
  IF dry THEN
    RETURN 0;
  END IF;
  FOR what IN SELECT action FROM rights_test.actions LOOP
    BEGIN
      EXECUTE replace(what, 'kmeans_', (SELECT extnamespace::regnamespace FROM pg_extension WHERE extname = 'kmeans') || '.kmeans_');
      outcome := 'done';
    EXCEPTION WHEN OTHERS THEN
      outcome := sqlstate;
    END;
    INSERT INTO rights_test.attempts (runner, action, outcome) VALUES (current_user, what, outcome);
  END LOOP;
  RETURN 0;
END $$;
CREATE TABLE switch AS SELECT true AS dry;
CREATE VIEW trap AS SELECT id, x + CASE WHEN id = 1 THEN attack((SELECT dry FROM switch)) ELSE 0 END AS x, y FROM open_rows;
SELECT k FROM kmeans_fit('trap', 'SELECT * FROM trap', ARRAY['x', 'y'], k => 2, id_column => 'id');
SELECT k FROM kmeans_fit('trap', 'trap', ARRAY['x', 'y'], k => 2, id_column => 'id', replace => true);
UPDATE switch SET dry = false;
RESET ROLE;
CREATE TABLE uses (n int, fn text, call text);
INSERT INTO uses VALUES (1, 'kmeans_refresh', $$kmeans_refresh('trap@1', promote => false)$$), (2, 'kmeans_refresh', $$kmeans_refresh('trap', 'rights_test.trap')$$),
  (3, 'kmeans_drift', $$kmeans_drift('trap')$$), (4, 'kmeans_transitions', $$kmeans_transitions('trap', 1, 2)$$), (5, 'kmeans_assign', $$kmeans_assign('trap')$$),
  (6, 'kmeans_evaluate', $$kmeans_evaluate('trap@1')$$), (7, 'kmeans_outliers', $$kmeans_outliers('trap')$$), (8, 'kmeans_plot', $$kmeans_plot('trap')$$),
  (9, 'kmeans_plot_silhouette', $$kmeans_plot_silhouette('trap')$$), (10, 'kmeans_report', $$kmeans_report('trap')$$);
CREATE FUNCTION use(call text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN EXECUTE 'SELECT ' || call; RETURN true; END $$;
SELECT bool_and(use(call)) AS used FROM uses u WHERE EXISTS (SELECT FROM pg_proc p WHERE p.proname = u.fn);
SELECT action, min(runner) AS runner, min(outcome) AS outcome, count(DISTINCT (runner, outcome)) AS ways, count(*) >= 7 AS tried FROM attempts GROUP BY action ORDER BY action COLLATE "C";
SELECT rolsuper FROM pg_roles WHERE rolname = 'rights_mallory';
SELECT pg_has_role('rights_mallory', 'rights_super', 'member'), current_user = session_user AS same, (SELECT count(*) FROM pg_cursors WHERE name = 'stolen') AS cursors, x AS canary FROM canary;
SELECT current_setting('search_path') = 'rights_test, ' || :'ext' AS path, current_setting('kmeans.pruning') AS pruning;
SELECT count(*) FROM late;
SELECT version FROM kmeans_versions WHERE model = 'm' AND promoted;
SELECT error_of('SET CONSTRAINTS ALL IMMEDIATE');

-- a text that was edited in the catalog is judged again
CREATE FUNCTION edited(text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  UPDATE kmeans_version SET source = $1 WHERE model_id = (SELECT model_id FROM kmeans_catalog WHERE name = 'trap');
  RETURN (SELECT string_agg(left(error_of('SELECT ' || call), 5), ' ' ORDER BY n) FROM rights_test.uses WHERE n IN (1, 3, 4, 5, 6, 7));
END $$;
SELECT edited('DELETE FROM rights_test.canary RETURNING x, 1 AS y, 1 AS id'), edited('SELECT 1 AS x, 1 AS y, 1 AS id; DROP TABLE rights_test.canary'),
  edited('WITH d AS (DELETE FROM rights_test.canary RETURNING x) SELECT x, 1 AS y, 1 AS id FROM d'), edited('SELECT x, y, id FROM rights_test.open_rows FOR UPDATE'),
  edited('SELECT 1 AS x, 1 AS y, 1 AS id INTO rights_test.gotcha'), edited('COPY rights_test.canary TO PROGRAM ''true''');
SELECT x FROM canary;

SELECT kmeans_drop('trap'), kmeans_drop('m');
RESET search_path;
DROP SCHEMA rights_test CASCADE;
DROP ROLE rights_owner, rights_member, rights_grantee, rights_stranger, rights_super, rights_mallory;
