# Models in a dump: plain and custom, taken by a superuser or by a role with
# pg_read_all_data, restored elsewhere byte for byte; what a dump must not
# bring back.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('dump');

# every form a model is kept in, under the names and labels least convenient
$node->safe_psql('postgres', <<'SQL');
CREATE ROLE "an ""owner""";
CREATE ROLE reader;
CREATE ROLE gone;
CREATE ROLE backup LOGIN IN ROLE pg_read_all_data;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE TABLE points AS
  SELECT i AS id, x[1] AS "a b", x[2] * 1e-7 AS b, i % 3 AS w,
         ARRAY[x[1], x[2]] AS v, i % 2 = 0 AS flag
  FROM kmeans_make_blobs(90, 3, seed => 1) m(i, x, y);
GRANT SELECT ON points TO PUBLIC;
SET ROLE "an ""owner""";
SELECT kmeans_fit(E'it''s "a" \\ %s $q$', 'SELECT * FROM points',
                  ARRAY['a b', 'b', 'v', 'flag'], k => 3, scale => 'standard', weight => 'w', id_column => 'id');
SELECT kmeans_fit(E'it''s "a" \\ %s $q$', 'SELECT * FROM points',
                  ARRAY['a b', 'b', 'v', 'flag'], k => 4, on_null => 'mean', replace => true);
SELECT kmeans_set_label(E'it''s "a" \\ %s $q$@1', 2, E'tab \t newline \n größe \\N');
SELECT kmeans_fit('cosine', 'points', ARRAY['a b', 'b'], k => 2, metric => 'cosine', scale => 'minmax');
RESET ROLE;
SELECT kmeans_save('saved', kmeans_get('cosine'));
INSERT INTO kmeans_privilege
  SELECT model_id, r FROM kmeans_catalog, unnest('{reader,gone,-}'::regrole[]) r WHERE name = 'cosine';
CREATE TABLE vault AS SELECT 'cosine' AS name, kmeans_get('cosine') AS model;
DROP ROLE gone;
SQL

# what must be the same afterwards
my $tables = <<'SQL';
SELECT * FROM kmeans_catalog ORDER BY model_id;
SELECT * FROM kmeans_version ORDER BY model_id, version;
SELECT * FROM kmeans_centroid ORDER BY model_id, version, cluster;
SELECT * FROM kmeans_iteration ORDER BY model_id, version, run, iteration;
SELECT * FROM kmeans_privilege WHERE grantee::text !~ '^[0-9]+$' ORDER BY model_id, grantee::text;
SQL
my $values = <<'SQL';
SELECT md5(string_agg(kmeans_send, '' ORDER BY model, version)) FROM
  (SELECT model, version, kmeans_model_send(kmeans_get(model || '@' || version)) FROM kmeans_versions) v(model, version, kmeans_send);
SELECT kmeans_model_send(model) FROM vault;
SELECT kmeans_predict('cosine', "a b", b), kmeans_distance(v.model, "a b", b) FROM points, vault v ORDER BY id;
SELECT cluster, label FROM kmeans_clusters(E'it''s "a" \\ %s $q$@1');
SELECT model, owner, grantees[1:2], versions, source, columns, id_column FROM kmeans_models ORDER BY model;
SQL

sub content
{
	my ($db) = @_;
	my $content = $node->safe_psql($db, $tables . $values);

	# the dropped grantee is still listed where it was granted
	$content =~ s/,\d+\}/}/g;
	return $content;
}

my $before = content('postgres');
like($before, qr/größe/, 'there is something to dump');

sub check_copy
{
	my ($db, $how) = @_;

	is(content($db), $before, "$how: the same tables, values, labels and predictions");
	is( $node->safe_psql($db, q{
			SET ROLE reader; SELECT count(*) FROM kmeans_clusters('cosine')}),
		'2', "$how: a grantee may still read");
	is( $node->safe_psql($db, q{
			SELECT version FROM kmeans_fit('one more', 'points', ARRAY['b'], k => 2)}),
		'1', "$how: new models get ids of their own");
	return;
}

my $dir = $node->basedir;

# plain, by a superuser
$node->command_ok([ 'pg_dump', '--no-sync', '-f', "$dir/plain.sql", 'postgres' ], 'plain dump');
$node->safe_psql('postgres', 'CREATE DATABASE plain');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'plain', '-f', "$dir/plain.sql" ],
	'plain restore');
check_copy('plain', 'plain');

# custom, by a role that may read all data and owns nothing
$node->command_ok([ 'pg_dump', '--no-sync', '-U', 'backup', '-Fc', '-f', "$dir/custom.dump", 'postgres' ],
	'custom dump by a role with pg_read_all_data');
$node->safe_psql('postgres', 'CREATE DATABASE custom');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-d', 'custom', "$dir/custom.dump" ], 'custom restore');
check_copy('custom', 'custom');

# in parallel, data in any order, after the schema
$node->safe_psql('postgres', 'CREATE DATABASE parts');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-s', '-d', 'parts', "$dir/custom.dump" ], 'schema only');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-a', '-j', '3', '-d', 'parts', "$dir/custom.dump" ],
	'data only, three jobs');
check_copy('parts', 'parts');

# a plain user can dump nothing of it
$node->safe_psql('postgres', 'CREATE ROLE nosy LOGIN');
$node->command_fails([ 'pg_dump', '--no-sync', '-U', 'nosy', '-f', "$dir/nosy.sql", 'postgres' ],
	'no dump without the right to read');

# with another role as owner: regrole shows names, so an edit is a replacement of names
my $dump = slurp_file("$dir/plain.sql");
$node->safe_psql('postgres', 'CREATE DATABASE edited; CREATE ROLE heir');
(my $edited = $dump) =~ s/^(\d+\tcosine\t)"an ""owner"""/$1heir/m;
isnt($edited, $dump, 'the owner stands in the dump by name');
append_to_file("$dir/edited.sql", $edited);
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'edited', '-f', "$dir/edited.sql" ],
	'restore for another owner');
is($node->safe_psql('edited', q{SET ROLE heir; SELECT kmeans_drop('cosine')}), 't', 'who owns the model');

# a model whose owner was dropped is dumped with a number, which nobody may become
$node->safe_psql('postgres', 'CREATE DATABASE orphan');
($edited = $dump) =~ s/^(\d+\tcosine\t)"an ""owner"""/${1}4000000000/m;
append_to_file("$dir/orphan.sql", $edited);
my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-p', $node->port, '-h', $node->host,
	'-d', 'orphan', '-f', "$dir/orphan.sql" ]);
like($stderr, qr/violates check constraint "kmeans_catalog_owner_check"/, 'a number is no owner');

# an edited dump: constraints where they can see it, the reader where they cannot
$node->safe_psql('postgres', 'CREATE DATABASE damaged');
($edited = $dump) =~ s/^(\d+\t1\t0\t\\N\t\d+\t\S+\t\S+\t\S+\t\S+\t)\{[^,}]*,/$1\{NaN,/m;
isnt($edited, $dump, 'a centroid can be edited');
append_to_file("$dir/damaged.sql", $edited);
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'damaged', '-f', "$dir/damaged.sql" ],
	'restore of a damaged dump');
is( $node->safe_psql('damaged', <<'SQL'), "XX001\nt", 'the damaged model is refused, the others work');
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate;
END $$;
SELECT DISTINCT s FROM kmeans_versions, state_of(format('SELECT kmeans_get(%L)', model || '@' || version)) s WHERE s <> 'fine';
SELECT bool_or(s = 'fine') FROM kmeans_versions, state_of(format('SELECT kmeans_get(%L)', model || '@' || version)) s;
SQL

# elsewhere: without the roles there is no restore, with them there is
my $other = kmeans_cluster('elsewhere');
$other->safe_psql('postgres', 'CREATE DATABASE copy');
($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-p', $other->port, '-h', $other->host,
	'-d', 'copy', '-f', "$dir/plain.sql" ]);
like($stderr, qr/role "an "owner"" does not exist/, 'roles come first');
$other->safe_psql('postgres', q{
	DROP DATABASE copy; CREATE DATABASE copy; CREATE ROLE "an ""owner"""; CREATE ROLE reader; CREATE ROLE backup});
$other->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'copy', '-f', "$dir/plain.sql" ],
	'restore in another cluster');
is($other->safe_psql('copy', $values), $node->safe_psql('plain', <<'SQL' . $values), 'the same there');
DO $$ BEGIN PERFORM kmeans_drop('one more'); END $$;
SQL

done_testing();
