# Whatever stands in the schema, the extension binds to pg_catalog and to
# itself.  Mallory may write to the schema and to public; she plants, in both,
# an operator for every pair of types for which pg_catalog has none, and for
# every polymorphic function ones with the types of the catalog's columns.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('lookalikes');
my $plant = <<'SQL';
DO $plant$
DECLARE
  here text = current_schema();
  types regtype[] = '{int2,int4,int8,float4,float8,numeric,bool,varchar,bpchar,name,text,timestamp,timestamptz,interval,regrole,oid,jsonb,text[],int4[],float8[]}';
  one record;
BEGIN
  EXECUTE format('CREATE FUNCTION %I.trap() RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE ''mallory runs as %%'', current_user; END $$', here);
  FOR one IN
    SELECT o AS name, a, b FROM unnest('{=,<>,<,<=,>,>=,~,!~,+,-,||}'::text[]) o, unnest(types) a, unnest(types) b
    WHERE NOT EXISTS (SELECT FROM pg_operator WHERE oprname = o AND oprleft = a AND oprright = b)
  LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION %I.planted(%s, %s) RETURNS boolean LANGUAGE sql AS ''SELECT %I.trap(); SELECT true''', here, one.a, one.b, here);
    EXECUTE format('CREATE OPERATOR %I.%s (FUNCTION = %I.planted, LEFTARG = %s, RIGHTARG = %s)', here, one.name, here, one.a, one.b);
  END LOOP;
  FOR one IN
    SELECT DISTINCT proname AS name, a, pronargs AS n
    FROM pg_proc, unnest(types) a
    WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind = 'f' AND pronargs BETWEEN 1 AND 2
      AND proargtypes[0] IN ('anyarray'::regtype, 'anyelement'::regtype, 'anycompatiblearray'::regtype)
  LOOP
    EXECUTE format('CREATE OR REPLACE FUNCTION %I.%I(%s) RETURNS int4 LANGUAGE sql AS ''SELECT %I.trap(); SELECT 1''', here, one.name,
                   CASE one.n WHEN 1 THEN one.a::text ELSE format('%s, %s', one.a, one.a) END, here);
  END LOOP;
END
$plant$;
SQL

# what the members of the extension, their constraints and rules depend on
# beyond pg_catalog (which is pinned) and each other
my $strangers = <<'SQL';
SET search_path = pg_catalog;
WITH RECURSIVE member AS (
  SELECT classid, objid FROM pg_depend
  WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'kmeans')
  UNION
  SELECT d.classid, d.objid FROM pg_depend d JOIN member m ON d.refclassid = m.classid AND d.refobjid = m.objid
  WHERE d.deptype IN ('a', 'i'))
SELECT DISTINCT pg_describe_object(d.classid, d.objid, 0) || ' uses ' || pg_describe_object(d.refclassid, d.refobjid, 0)
FROM pg_depend d JOIN member USING (classid, objid)
WHERE d.deptype = 'n' AND (d.refclassid, d.refobjid) NOT IN (SELECT classid, objid FROM member)
  AND d.refclassid <> 'pg_namespace'::regclass
ORDER BY 1;
SQL

$node->safe_psql('postgres', 'CREATE ROLE mallory');
for my $where ('evil', 'public')
{
	$node->safe_psql('postgres', "CREATE DATABASE $where");
	$node->safe_psql($where, $where eq 'evil' ? 'CREATE SCHEMA evil AUTHORIZATION mallory' : 'GRANT ALL ON SCHEMA public TO mallory');
	$node->safe_psql($where, "SET ROLE mallory; SET search_path = $where; $plant");
	cmp_ok($node->safe_psql($where, 'SET search_path = pg_catalog; SELECT count(*) FROM pg_operator WHERE oprowner <> 10'),
		'>', 1000, "mallory has planted operators in $where");
	$node->safe_psql($where, "SET search_path = $where; CREATE EXTENSION kmeans SCHEMA $where");
	is($node->safe_psql($where, $strangers), '', "nothing binds to what stands in $where");

	# a restore: the checks run as whoever does it
	$node->safe_psql($where, <<SQL);
SELECT $where.kmeans_fit('m', 'SELECT * FROM $where.kmeans_iris()', k => 3);
INSERT INTO $where.kmeans_privilege SELECT model_id, 'mallory' FROM $where.kmeans_catalog;
BEGIN;
SET LOCAL search_path = $where;
CREATE TEMP TABLE kept_catalog AS SELECT * FROM kmeans_catalog;
CREATE TEMP TABLE kept_version AS SELECT * FROM kmeans_version;
CREATE TEMP TABLE kept_centroid AS SELECT * FROM kmeans_centroid;
CREATE TEMP TABLE kept_iteration AS SELECT * FROM kmeans_iteration;
TRUNCATE kmeans_catalog, kmeans_version, kmeans_centroid, kmeans_iteration;
INSERT INTO kmeans_catalog SELECT * FROM kept_catalog;
INSERT INTO kmeans_version SELECT * FROM kept_version;
INSERT INTO kmeans_centroid SELECT * FROM kept_centroid;
INSERT INTO kmeans_iteration SELECT * FROM kept_iteration;
COMMIT;
SQL
	is( $node->safe_psql($where, <<SQL), "t\n3\n1", "and it works in $where");
SET search_path = $where;
SELECT age OPERATOR(pg_catalog.>=) '0' FROM kmeans_models;
SELECT pg_catalog.count(*) FROM kmeans_clusters('m');
SELECT version FROM kmeans_versions;
SQL
	is( $node->safe_psql($where, <<SQL), "2\n4\n3\n1", "and its life goes on in $where");
SET search_path = $where;
SELECT new_version FROM kmeans_refresh('m', warm_start => false);
SELECT pg_catalog.count(*) FROM kmeans_drift('m');
SELECT pg_catalog.count(*) FROM kmeans_transitions('m', 1, 2);
SELECT kmeans_prune('m', 1);
SELECT FROM kmeans_set_label('m', 0, 'a'), kmeans_set_owner('m', 'mallory'), kmeans_revoke('m', 'mallory'), kmeans_rename('m', 'n'), kmeans_drop('n');
SQL
}

$node->stop;
done_testing();
