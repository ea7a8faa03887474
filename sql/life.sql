--
-- life: labels, names, versions, drop
--
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT extnamespace::regnamespace AS ext FROM pg_extension WHERE extname = 'kmeans' \gset
CREATE SCHEMA life_test;
SET search_path = life_test, :ext;
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

CREATE TABLE points AS SELECT x FROM unnest('{1,2,11,12,21,22}'::float8[]) x;
SELECT version, k, inertia FROM kmeans_fit('life', 'points', k => 3);
SELECT version, k, inertia FROM kmeans_fit('life', 'points', k => 2, replace => true);

-- labels belong to a version's cluster
SELECT kmeans_set_label('life@1', 1, 'middle');
SELECT kmeans_set_label(model => 'life', cluster => 0, label => 'low');
SELECT kmeans_set_label('life@2', 1, 'low');
SELECT cluster, label FROM kmeans_clusters('life@1');
SELECT cluster, label FROM kmeans_clusters('life');
SELECT kmeans_label('life', 1), kmeans_label('life@1', 12), kmeans_label('life@1', 1);
SELECT kmeans_set_label('life', 1, NULL);
SELECT kmeans_set_label('life', 1, NULL);
SELECT cluster, label FROM kmeans_clusters('life');
SELECT kmeans_set_label('life', 1, E'quote '' back \\ \n größe %s $q$');
SELECT label = E'quote '' back \\ \n größe %s $q$' AS same FROM kmeans_clusters('life') WHERE cluster = 1;
SELECT error_of($$SELECT kmeans_set_label('life', 2, 'x')$$);
SELECT error_of($$SELECT kmeans_set_label('life@1', -1, 'x')$$);
SELECT error_of($$SELECT kmeans_set_label('life@1', 2147483647, 'x')$$);
SELECT error_of($$SELECT kmeans_set_label('life', 0, '')$$);
SELECT error_of($$SELECT kmeans_set_label('life@3', 0, 'x')$$);
SELECT error_of($$SELECT kmeans_set_label('lief', 0, 'x')$$);
SELECT error_of($$SELECT kmeans_set_label(NULL, 0, 'x')$$);
SELECT error_of($$SELECT kmeans_set_label('life', NULL, 'x')$$);

-- ids that are not contiguous are named as they are
SELECT kmeans_save('life ids', (jsonb_set(kmeans_get('life@1')::jsonb, '{ids}', '[0, 1, 7]'))::kmeans_model);
SELECT error_of($$SELECT kmeans_set_label('life ids', 2, 'x')$$);
SELECT kmeans_set_label('life ids', 7, 'seven');
SELECT cluster, label FROM kmeans_clusters('life ids');

-- a call site that has the model in its cache hears of every change
CREATE FUNCTION label_of(x float8) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  RETURN kmeans_label('life', x);
END $$;
SELECT label_of(1);
SELECT kmeans_set_label('life', 0, 'cheap');
SELECT label_of(1);
BEGIN;
SELECT kmeans_set_label('life', 0, 'undone');
SELECT label_of(1);
SAVEPOINT s;
SELECT kmeans_set_label('life', 0, 'undone, too');
SELECT label_of(1);
ROLLBACK TO s;
SELECT label_of(1);
ROLLBACK;
SELECT label_of(1);
-- a snapshot older than the change shows the old label, also to a call site that newer ones share
CREATE FUNCTION stable_label_of(x float8) RETURNS text STABLE LANGUAGE plpgsql AS $$
BEGIN
  RETURN kmeans_label('life', x);
END $$;
BEGIN;
DECLARE old_view CURSOR FOR SELECT stable_label_of(x) FROM points WHERE x < 5;
SELECT kmeans_set_label('life', 0, 'newer');
FETCH old_view;
SELECT stable_label_of(1);
FETCH old_view;
SELECT stable_label_of(1);
COMMIT;
SELECT stable_label_of(1), label_of(1);

-- ... and if the newer ones came first
BEGIN;
DECLARE old_view CURSOR FOR SELECT stable_label_of(x) FROM points WHERE x < 5;
SELECT kmeans_set_label('life', 0, 'newest');
SELECT stable_label_of(1);
CREATE TABLE next_command ();
SELECT stable_label_of(1);
FETCH old_view;
SELECT stable_label_of(1);
FETCH old_view;
ROLLBACK;
SELECT stable_label_of(1), label_of(1);

-- names
SELECT kmeans_rename('life', 'life renamed');
SELECT error_of($$SELECT kmeans_predict('life', 1)$$);
SELECT error_of($$SELECT label_of(1)$$);
SELECT model, version, versions FROM kmeans_models WHERE model LIKE 'life%' ORDER BY model;
SELECT kmeans_label('life renamed', 1), kmeans_label('life renamed@1', 12);
SELECT error_of($$SELECT kmeans_rename('life renamed', 'life ids')$$);
SELECT error_of($$SELECT kmeans_rename('life renamed', 'life renamed')$$);
SELECT error_of($$SELECT kmeans_rename('life', 'other')$$);
SELECT error_of($$SELECT kmeans_rename('life renamed', 'a@1')$$);
SELECT error_of($$SELECT kmeans_rename('life renamed', '')$$);
SELECT error_of(format('SELECT kmeans_rename(%L, %L)', 'life renamed', repeat('x', 64)));
SELECT error_of($$SELECT kmeans_rename('life renamed@1', 'life')$$);
SELECT error_of($$SELECT kmeans_rename('life renamed', NULL)$$);
SELECT error_of($$SELECT kmeans_rename(NULL, 'life')$$);
-- 63 bytes of anything but @ will do
SELECT kmeans_rename('life renamed', repeat('ä', 31) || '"');
SELECT kmeans_rename(model => repeat('ä', 31) || '"', new_name => E'life '' \\ %s\n$q$ select');
SELECT model = E'life '' \\ %s\n$q$ select' AS same, kmeans_predict(model || '@1', 12) FROM kmeans_models WHERE model LIKE 'life %select';
SELECT kmeans_rename(E'life '' \\ %s\n$q$ select', 'life');
SELECT label_of(1);

-- a name that is free again starts anew
SELECT error_of($$SELECT kmeans_fit('life', 'points', k => 2)$$);
SELECT kmeans_drop('life');
SELECT error_of($$SELECT kmeans_drop('life')$$);
SELECT version FROM kmeans_fit('life', 'points', k => 2);
SELECT cluster, label FROM kmeans_clusters('life');
SET client_min_messages = notice;
SELECT kmeans_drop('no such model', if_exists => true);
SELECT kmeans_drop(model => 'life', if_exists => true);
SET client_min_messages = warning;
SELECT error_of($$SELECT kmeans_drop('life ids@1')$$);
SELECT error_of($$SELECT kmeans_drop('')$$);
SELECT error_of($$SELECT kmeans_drop(NULL)$$);
SELECT error_of($$SELECT kmeans_drop('life ids', NULL)$$);
SELECT error_of($$SELECT kmeans_drop('lif ids')$$);

-- several changes in one statement and in one transaction
BEGIN;
SELECT kmeans_set_label('life ids', 0, 'a'), kmeans_set_label('life ids', 0, 'b'), kmeans_set_label('life ids', 1, 'c');
SELECT kmeans_rename('life ids', 'life 2'), kmeans_rename('life 2', 'life 3');
SELECT version FROM kmeans_fit('life 3', 'points', k => 3, replace => true);
SELECT cluster, label FROM kmeans_clusters('life 3');
SELECT kmeans_drop('life 3');
SELECT version FROM kmeans_fit('life 3', 'points', k => 1);
ROLLBACK;
SELECT model, version FROM kmeans_models WHERE model LIKE 'life%';
SELECT cluster, label FROM kmeans_clusters('life ids');

-- a version replaced keeps the labels of its clusters
SELECT kmeans_set_label('life ids', 1, 'middle');
SELECT version FROM kmeans_fit('life ids', 'points', k => 3, replace => true);
SELECT cluster, label FROM kmeans_clusters('life ids');

-- which version the name means, and the way back
SELECT version FROM kmeans_fit('life v', 'points', k => 1);
SELECT version FROM kmeans_fit('life v', 'points', k => 2, replace => true);
SELECT version FROM kmeans_fit('life v', 'points', k => 3, replace => true);
CREATE FUNCTION cluster_of(x float8) RETURNS int STABLE LANGUAGE plpgsql AS $$
BEGIN
  RETURN kmeans_predict('life v', x);
END $$;
SELECT cluster_of(22);
SELECT kmeans_promote('life v', 1);
SELECT cluster_of(22), kmeans_predict('life v', 22), kmeans_predict('life v@3', 22);
SELECT version, promoted FROM kmeans_versions WHERE model = 'life v' ORDER BY version;
SELECT kmeans_set_label('life v', 0, 'all');
SELECT kmeans_label('life v', 22), kmeans_label('life v@1', 22), kmeans_label('life v@2', 22);
SELECT kmeans_promote(model => 'life v', version => 3);
SELECT cluster_of(22);
BEGIN;
SELECT kmeans_promote('life v', 2);
SELECT cluster_of(22);
ROLLBACK;
SELECT cluster_of(22);
SELECT error_of($$SELECT kmeans_promote('life v', 4)$$);
SELECT error_of($$SELECT kmeans_promote('life v', 0)$$);
SELECT error_of($$SELECT kmeans_promote('life v', NULL)$$);
SELECT error_of($$SELECT kmeans_promote('life v@2', 2)$$);
SELECT error_of($$SELECT kmeans_promote('life w', 1)$$);

-- old versions go, the promoted one stays, numbers are not used again
SELECT kmeans_prune('life v');
SELECT kmeans_prune(model => 'life v', keep => 2);
SELECT version FROM kmeans_versions WHERE model = 'life v' ORDER BY version;
SELECT kmeans_promote('life v', 2);
SELECT version FROM kmeans_fit('life v', 'points', k => 2, replace => true);
SELECT kmeans_promote('life v', 3);
SELECT kmeans_prune('life v', 1);
SELECT version, promoted FROM kmeans_versions WHERE model = 'life v' ORDER BY version;
SELECT kmeans_prune('life v', 0);
SELECT version, promoted FROM kmeans_versions WHERE model = 'life v' ORDER BY version;
SELECT error_of($$SELECT kmeans_predict('life v@4', 1)$$);
SELECT count(*) FROM kmeans_centroid JOIN kmeans_catalog USING (model_id) WHERE name = 'life v';
SELECT count(DISTINCT version) FROM kmeans_iteration JOIN kmeans_catalog USING (model_id) WHERE name = 'life v';
SELECT version FROM kmeans_fit('life v', 'points', k => 2, replace => true);
SELECT error_of($$SELECT kmeans_prune('life v', -1)$$);
SELECT error_of($$SELECT kmeans_prune('life v', NULL)$$);
SELECT error_of($$SELECT kmeans_prune('life w')$$);
SELECT kmeans_drop('life v');

-- a source that meddles with the model it is fitted for
CREATE FUNCTION meddle(statement text) RETURNS float8 VOLATILE LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 1;
END $$;
CREATE FUNCTION drop_it() RETURNS boolean LANGUAGE plpgsql AS 'BEGIN RETURN kmeans_drop(''life ids''); END';
CREATE FUNCTION fit_it() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN version FROM kmeans_fit('life new', 'SELECT 1 AS x', k => 1); END $$;
ALTER FUNCTION drop_it() SET search_path = life_test, :ext;
ALTER FUNCTION fit_it() SET search_path = life_test, :ext;
SELECT error_of($$SELECT kmeans_fit('life ids', 'SELECT life_test.meddle(''SELECT life_test.drop_it()'') AS x', k => 1, replace => true)$$);
SELECT error_of($$SELECT kmeans_fit('life new', 'SELECT life_test.meddle(''SELECT life_test.fit_it()'') AS x', k => 1)$$);
SELECT model, version FROM kmeans_models WHERE model LIKE 'life%';

-- numbers of versions end
BEGIN;
UPDATE kmeans_catalog SET last_version = 2147483646 WHERE name = 'life ids';
SELECT kmeans_save('life ids', kmeans_get('life ids'), replace => true);
SELECT error_of($$SELECT kmeans_save('life ids', kmeans_get('life ids'), replace => true)$$);
ROLLBACK;

-- read-only transactions
BEGIN READ ONLY;
SELECT error_of($$SELECT kmeans_drop('life ids')$$);
SELECT error_of($$SELECT kmeans_rename('life ids', 'x')$$);
SELECT error_of($$SELECT kmeans_set_label('life ids', 1, 'x')$$);
SELECT error_of($$SELECT kmeans_drop(NULL)$$);
SELECT error_of($$SELECT kmeans_promote('life ids', 1)$$);
SELECT error_of($$SELECT kmeans_prune('life ids')$$);
SELECT error_of($$SELECT kmeans_set_owner('life ids', 'postgres')$$);
SELECT error_of($$SELECT kmeans_grant('life ids', 'public')$$);
SELECT error_of($$SELECT kmeans_revoke('life ids', 'public')$$);
SELECT count(*) FROM kmeans_clusters('life ids');
COMMIT;

-- the owner and the members of that role change a model; grantees read it
CREATE ROLE life_owner;
CREATE ROLE life_member IN ROLE life_owner;
CREATE ROLE life_grantee;
CREATE ROLE "life %s ""stranger""";
GRANT USAGE ON SCHEMA life_test, :ext TO PUBLIC;
SET ROLE life_owner;
SELECT version FROM kmeans_fit('life private', 'SELECT 1 AS x', k => 1);
RESET ROLE;
INSERT INTO kmeans_privilege SELECT model_id, 'life_grantee' FROM kmeans_catalog WHERE name = 'life private';
SET ROLE life_grantee;
SELECT error_of($$SELECT kmeans_set_label('life private', 0, 'x')$$);
SELECT error_of($$SELECT kmeans_rename('life private', 'x')$$);
SELECT error_of($$SELECT kmeans_drop('life private')$$);
SELECT error_of($$SELECT kmeans_drop('life private', if_exists => true)$$);
SELECT error_of($$SELECT kmeans_fit('life private', 'SELECT 1 AS x', k => 1, replace => true)$$);
SET ROLE "life %s ""stranger""";
SELECT error_of($$SELECT kmeans_set_label('life private', 0, 'x')$$);
SELECT error_of($$SELECT kmeans_rename('life private', 'x')$$);
SELECT error_of($$SELECT kmeans_drop('life private')$$);
SET ROLE life_member;
SELECT kmeans_set_label('life private', 0, 'by a member');
SELECT kmeans_rename('life private', 'life public');
SELECT kmeans_drop('life public');
RESET ROLE;
SELECT count(*) FROM kmeans_privilege;
-- an owner that was dropped: superusers only
SET ROLE life_owner;
SELECT version FROM kmeans_fit('life private', 'SELECT 1 AS x', k => 1);
RESET ROLE;
DROP OWNED BY life_owner;
DROP ROLE life_owner;
INSERT INTO kmeans_privilege SELECT model_id, 'life_grantee' FROM kmeans_catalog WHERE name = 'life private';
SET ROLE life_grantee;
SELECT error_of($$SELECT kmeans_drop('life private')$$);
SET ROLE life_member;
SELECT error_of($$SELECT kmeans_drop('life private')$$);
RESET ROLE;
SELECT kmeans_drop('life private');
DROP ROLE life_member, life_grantee, "life %s ""stranger""";

SELECT kmeans_drop('life ids');
RESET search_path;
DROP SCHEMA life_test CASCADE;
