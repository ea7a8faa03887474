# A library and SQL objects that do not fit together are told apart, rather
# than read wrongly; the catalog is found wherever it went.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('catalog');
my $state_of = <<'SQL';
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || sqlerrm || ' | ' || hint;
END $$;
SQL

# the library without the extension
$node->safe_psql('postgres', 'CREATE DATABASE bare');
is( $node->safe_psql('bare', $state_of . <<'SQL'),
CREATE FUNCTION stray(text, boolean) RETURNS boolean AS 'kmeans', 'kmeans_drop' LANGUAGE C;
SELECT state_of($$SELECT stray('m', false)$$);
SQL
	'55000 extension "kmeans" is not installed in this database | Run CREATE EXTENSION kmeans.',
	'no extension');

# tables of another version of the extension
$node->safe_psql('postgres', $state_of . q{SELECT kmeans_fit('m', 'SELECT 1 AS x', k => 1)});
is( $node->safe_psql('postgres', <<'SQL'),
BEGIN;
ALTER TABLE kmeans_centroid ADD COLUMN more int;
SELECT state_of($$SELECT kmeans_get('m')$$);
ROLLBACK;
SQL
	'55000 table "kmeans_centroid" has 15 columns, but the library expects 14 | Run ALTER EXTENSION kmeans UPDATE.',
	'a column too many');
is( $node->safe_psql('postgres', <<'SQL'),
BEGIN;
ALTER TABLE kmeans_centroid RENAME TO elsewhere;
SELECT state_of($$SELECT kmeans_get('m')$$);
ROLLBACK;
SQL
	'42P01 relation "kmeans_centroid" of extension "kmeans" does not exist | Run ALTER EXTENSION kmeans UPDATE.',
	'a table too few');

# one session: the extension dropped and created again in another schema,
# indexes rebuilt, the schema renamed
is( $node->safe_psql('postgres', <<'SQL'), "0\n1\n0\n42704\n0\n0\n0", 'the catalog is found again');
SELECT kmeans_predict('m', 1);
CREATE FUNCTION cached(x int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN kmeans_predict('m', x); END $$;
SELECT version FROM kmeans_fit('two', 'SELECT 1 AS x', k => 1);
SELECT cached(1);
SET client_min_messages = warning;
DROP EXTENSION kmeans CASCADE;
CREATE SCHEMA s;
CREATE EXTENSION kmeans SCHEMA s;
SET search_path = s, public;
SELECT substr(state_of($$SELECT kmeans_predict('m', 1)$$), 1, 5);
DO $$ BEGIN PERFORM kmeans_fit('m', 'SELECT 2 AS x', k => 1); END $$;
SELECT cached(1);
ALTER SCHEMA s RENAME TO t;
SET search_path = t, public;
SELECT cached(1);
REINDEX TABLE CONCURRENTLY kmeans_catalog;
REINDEX TABLE CONCURRENTLY kmeans_version;
REINDEX TABLE CONCURRENTLY kmeans_centroid;
SELECT cached(1);
SQL

done_testing();
