# Models in a dump: in every format, taken by a superuser or by a role with
# pg_read_all_data, restored elsewhere byte for byte, in other encodings and
# under other OIDs; what a dump must not bring back.

use strict;
use warnings;

use KmeansDump;
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

# what is shown is UTF8, wherever it is kept
$ENV{PGCLIENTENCODING} = 'UTF8';

my $node = kmeans_cluster('dump');
dump_fill($node);
my $before = dump_content($node, 'postgres');
like($before, qr/größe/, 'there is something to dump');

my $dir = $node->basedir;
my $plain = "$dir/plain.postgres";

# Restore a dump into a new database, and compare.
sub check_restore
{
	my ($server, $db, $file, $how, $options) = @_;
	my @restore = -f $file && slurp_file($file) =~ /^--/ ? ('psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', $file)
	  : ('pg_restore', '--exit-on-error', $file);

	$server->safe_psql('postgres', "CREATE DATABASE $db " . ($options // ''));
	$server->command_ok([ @restore, '-d', $db ], "$how: restore");
	is(dump_content($server, $db), $before, "$how: the same tables, values, labels and predictions");
	dump_check($server, $db, $how);
	return;
}

# --- Every format, by those who may

for my $role ('postgres', 'backup')
{
	for my $format ('plain', 'custom', 'directory', 'tar')
	{
		my $file = "$dir/$format.$role";

		$node->command_ok([ 'pg_dump', '--no-sync', '-U', $role, '-F', $format, '-f', $file, 'postgres' ], "$format by $role: dump");
		check_restore($node, "${format}_$role", $file, "$format by $role");
	}
}

# in parallel, data in any order, after the schema
$node->safe_psql('postgres', 'CREATE DATABASE parts');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-s', '-d', 'parts', "$dir/directory.backup" ], 'schema only');
$node->command_ok([ 'pg_restore', '--exit-on-error', '-a', '-j', '3', '-d', 'parts', "$dir/directory.backup" ],
	'data only, three jobs');
is(dump_content($node, 'parts'), $before, 'the same from its parts');

# a plain user can dump nothing of it
$node->safe_psql('postgres', 'CREATE ROLE nosy LOGIN');
$node->command_fails([ 'pg_dump', '--no-sync', '-U', 'nosy', '-f', "$dir/nosy.sql", 'postgres' ],
	'no dump without the right to read');

# --- From encoding to encoding

check_restore($node, 'latin1', $plain, 'UTF8 to LATIN1', q{ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin1', q{
	SELECT kmeans_drop('one more');
	SELECT kmeans_promote(E'it''s "a" \\\\ %s $q$', 2)});
$before = dump_content($node, 'latin1');
$node->command_ok([ 'pg_dump', '--no-sync', '-E', 'UTF8', '-f', "$dir/latin1", 'latin1' ], 'dump of LATIN1');
$node->safe_psql('postgres', q{CREATE DATABASE ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0});
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'ascii', '-f', "$dir/latin1" ], 'LATIN1 to SQL_ASCII');
is(dump_content($node, 'ascii'), $before, 'LATIN1 to SQL_ASCII: the same');
$before = dump_content($node, 'postgres');

# --- Edited dumps

my $dump = slurp_file($plain);

# The dump with one value changed: in the first row of a table, or in the first
# that has some value in another column.
sub edit
{
	my ($table, $column, $value, $where, $is) = @_;
	my ($before, $head, $names, $rows, $after) =
	  $dump =~ /\A(.*?)(COPY public\.$table \(([^)]*)\) FROM stdin;\n)(.*?)(^\\\.\n.*)\z/ms or die "no $table in the dump";
	my @names = split /, /, $names;
	my %place = map { $names[$_] => $_ } 0 .. $#names;
	my $done = 0;

	die "no $column" if !exists $place{$column};
	$rows =~ s{^(.*)$}{
		my @fields = split /\t/, $1, -1;

		if (!$done && (!defined $where || $fields[$place{$where}] eq $is))
		{
			$fields[$place{$column}] = $value;
			$done = 1;
		}
		join("\t", @fields);
	}gme;
	die "no row of $table where $where is $is" if !$done;
	return ("$before$head$rows$after", "$head$rows\\.\n");
}

# what constraints see
$node->safe_psql('postgres', 'CREATE DATABASE hostile');
$node->safe_psql('hostile', 'CREATE EXTENSION kmeans');
for my $case (
	[ 'kmeans_catalog', 'name', 'a@2', 'kmeans_catalog_name_check' ],
	[ 'kmeans_catalog', 'name', '', 'kmeans_catalog_name_check' ],
	[ 'kmeans_catalog', 'name', 'x' x 64, 'kmeans_catalog_name_check' ],
	[ 'kmeans_catalog', 'name', 'saved', 'kmeans_catalog_name_key' ],
	[ 'kmeans_catalog', 'model_id', '3', 'kmeans_catalog_pkey' ],
	[ 'kmeans_catalog', 'owner', '4000000000', 'kmeans_catalog_owner_check' ],
	[ 'kmeans_catalog', 'owner', '-', 'kmeans_catalog_owner_check' ],
	[ 'kmeans_catalog', 'owner', 'nobody at all', 'role "nobody at all" does not exist|invalid name syntax' ],
	[ 'kmeans_catalog', 'promoted', '0', 'kmeans_catalog_promoted_check' ],
	[ 'kmeans_catalog', 'promoted', '7', 'kmeans_catalog_promoted_check' ],
	[ 'kmeans_catalog', 'last_cluster', '-1', 'kmeans_catalog_last_cluster_check' ],
	[ 'kmeans_version', 'version', '0', 'kmeans_version_version_check' ],
	[ 'kmeans_version', 'columns', '{}', 'kmeans_version_columns_check' ],
	[ 'kmeans_version', 'kinds', '{number}', 'kmeans_version_columns_check' ],
	[ 'kmeans_version', 'options', '[]', 'kmeans_version_options_check' ],
	[ 'kmeans_version', 'metric', 'manhattan', 'kmeans_version_metric_check' ],
	[ 'kmeans_version', 'shift', '{1}', 'kmeans_version_features_check' ],
	[ 'kmeans_version', 'features', '{}', 'kmeans_version_features_check' ],
	[ 'kmeans_version', 'k', '0', 'kmeans_version_k_check' ],
	[ 'kmeans_version', 'k', '65536', 'kmeans_version_k_check' ],
	[ 'kmeans_version', 'n_rows', '-1', 'kmeans_version_counts_check' ],
	[ 'kmeans_version', 'outlier_upper', '{1}', 'kmeans_version_outlier_check' ],
	[ 'kmeans_version', 'elapsed_ms', 'Infinity', 'kmeans_version_time_check' ],
	[ 'kmeans_version', 'fitted_at', 'infinity', 'kmeans_version_time_check' ],
	[ 'kmeans_version', 'inertia', '\N', 'null value in column "inertia"' ],
	[ 'kmeans_centroid', 'cluster', '-1', 'kmeans_centroid_cluster_check' ],
	[ 'kmeans_centroid', 'cluster', '1', 'kmeans_centroid_pkey' ],
	[ 'kmeans_centroid', 'size', '-1', 'kmeans_centroid_size_check' ],
	[ 'kmeans_centroid', 'weight', '-0.5', 'kmeans_centroid_size_check' ],
	[ 'kmeans_centroid', 'mean', '{1}', 'kmeans_centroid_features_check' ],
	[ 'kmeans_centroid', 'centroid', '{}', 'kmeans_centroid_features_check' ],
	[ 'kmeans_iteration', 'run', '0', 'kmeans_iteration_run_check' ],
	[ 'kmeans_privilege', 'grantee', '4000000000', 'kmeans_privilege_grantee_check' ])
{
	my ($table, $column, $value, $expected) = @$case;
	my (undef, $copy) = edit($table, $column, $value);
	my ($result, $stdout, $stderr) = $node->psql('hostile', "BEGIN;\n${copy}ROLLBACK;");

	like($stderr, qr/$expected/, "$table.$column may not be " . ($value || 'empty'));
}

# what they cannot see the reader does
sub restore_edited
{
	my ($db, @edit) = @_;
	my ($edited) = edit(@edit);

	append_to_file("$dir/$db.sql", $edited);
	$node->safe_psql('postgres', "CREATE DATABASE $db");
	$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', $db, '-f', "$dir/$db.sql" ], "$db: restore");
	return;
}

my $damage = 0;
for my $case (
	[ 'kmeans_centroid', 'centroid', '{NaN,0}' ],
	[ 'kmeans_centroid', 'centroid', '{0,1e200}' ],
	[ 'kmeans_centroid', 'size', '999' ],
	[ 'kmeans_centroid', 'stddev', '{-1,0}' ],
	[ 'kmeans_version', 'kinds', '{number,hyperbole}' ],
	[ 'kmeans_version', 'k', '3' ],
	[ 'kmeans_version', 'scale', '{0,0}' ],
	[ 'kmeans_version', 'features', '{a,a}' ])
{
	my $db = 'damaged' . $damage++;
	my $cosine = $node->safe_psql('postgres', q{SELECT model_id FROM kmeans_catalog WHERE name = 'cosine'});

	restore_edited($db, @$case, 'model_id', $cosine);
	is( $node->safe_psql($db, <<'SQL'), "cosine XX001\nt", "$db: @$case: this model is refused, the others work");
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate;
END $$;
SELECT model, s FROM kmeans_versions, state_of(format('SELECT kmeans_get(%L)', model || '@' || version)) s WHERE s <> 'fine' \g (format=unaligned fieldsep=' ')
SELECT count(*) = 4 FROM kmeans_versions, state_of(format('SELECT kmeans_get(%L)', model || '@' || version)) s WHERE s = 'fine';
SQL
}

# with another role as owner: a dump shows names of roles, so an edit is a replacement of names
$node->safe_psql('postgres', 'CREATE ROLE heir');
restore_edited('edited', 'kmeans_catalog', 'owner', 'heir', 'name', 'cosine');
is($node->safe_psql('edited', q{SET ROLE heir; SELECT kmeans_drop('cosine')}), 't', 'who owns the model');

# --- Elsewhere: without the roles there is no restore; with them, whatever
# their numbers, there is

my $other = kmeans_cluster('elsewhere');
$other->safe_psql('postgres', 'CREATE DATABASE copy');
my ($stdout, $stderr) = run_command([ 'psql', '-X', '-q', '-p', $other->port, '-h', $other->host, '-d', 'copy', '-f', $plain ]);
like($stderr, qr/role "an "owner"" does not exist/, 'roles come first');
$other->safe_psql('postgres', q{
	DROP DATABASE copy; CREATE ROLE decoy; CREATE ROLE backup; CREATE ROLE reader; CREATE ROLE "an ""owner"""});
isnt($other->safe_psql('postgres', 'SELECT oid FROM pg_roles ORDER BY rolname'),
	$node->safe_psql('postgres', 'SELECT oid FROM pg_roles ORDER BY rolname'), 'roles have other numbers there');
check_restore($other, 'copy', $plain, 'elsewhere');

done_testing();
