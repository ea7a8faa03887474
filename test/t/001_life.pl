# What only a server of its own can show: models outlive a crash and move
# through a dump; the extension comes and goes whole, in any schema.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('life');

my $fit = q{
	SELECT 1 FROM kmeans_fit('flowers', 'SELECT * FROM kmeans_iris()',
		ARRAY['sepal_length', 'sepal_width', 'petal_length', 'petal_width'], 3);
	SELECT kmeans_set_label('flowers', 0, 'setosa "and" ''more''');
	CREATE TABLE kept AS SELECT kmeans_get('flowers') AS model;
};
my $labels = q{
	SELECT string_agg(kmeans_label('flowers', i) || kmeans_predict(k.model, i), ' ' ORDER BY i.id)
	FROM kmeans_iris() i, kept k;
};
my $facts = q{
	SELECT model, version, promoted, k, inertia, columns, fitted_at FROM kmeans_versions;
};

$node->safe_psql('postgres', $fit);
my $labels_before = $node->safe_psql('postgres', $labels);
my $facts_before = $node->safe_psql('postgres', $facts);
like($facts_before, qr/^flowers\|1\|t\|3\|78\.85144142614\d*\|/, 'the version is listed');
like($labels_before, qr/^setosa "and" 'more'0 /, 'the first flower has its label');

# a crash
$node->stop('immediate');
$node->start;
is($node->safe_psql('postgres', $facts), $facts_before, 'the model outlives a crash');
is($node->safe_psql('postgres', $labels), $labels_before, 'and labels as before');

# dump and restore
my $dump = $node->basedir . '/dump.sql';
$node->command_ok([ 'pg_dump', '--no-sync', '-f', $dump, 'postgres' ], 'dump');
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'psql', '-X', '-q', '-v', 'ON_ERROR_STOP=1', '-d', 'copy', '-f', $dump ], 'restore');
is($node->safe_psql('copy', $facts), $facts_before, 'the restored model is the same');
is($node->safe_psql('copy', $labels), $labels_before, 'and labels the same');
is( $node->safe_psql('copy', q{
		SELECT version FROM kmeans_fit('flowers', 'SELECT * FROM kmeans_iris()',
			ARRAY['petal_length'], 2, replace => true)}),
	'2', 'a restored model takes the next version');
is( $node->safe_psql('copy', q{
		SELECT version FROM kmeans_fit('more flowers', 'SELECT * FROM kmeans_iris()',
			ARRAY['petal_length'], 2)}),
	'1', 'a restored catalog takes new models');

# in any schema, and away again
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE SCHEMA "a ""schema"""; CREATE EXTENSION kmeans SCHEMA "a ""schema"""');
is( $node->safe_psql('other', q{
		SELECT k FROM "a ""schema""".kmeans_fit('m', 'SELECT * FROM "a ""schema""".kmeans_iris()', k => 2, columns => '{petal_width}');
		SELECT "a ""schema""".kmeans_predict('m', 0.2) <> "a ""schema""".kmeans_predict('m', 2.0)}),
	"2\nt", 'everything works in a schema that is not in search_path');
$node->safe_psql('other', 'DROP EXTENSION kmeans; DROP SCHEMA "a ""schema"""');
is( $node->safe_psql('other', q{SELECT count(*) FROM pg_proc WHERE proname LIKE 'kmeans%'}),
	'0', 'the extension goes whole');

# what it says of a seed that it drew
my ($status, $stdout, $stderr) =
  $node->psql('postgres', 'SELECT count(*) FROM kmeans_make_blobs(seed => NULL)');
like($stderr, qr/NOTICE:  blobs are made with the drawn seed \d+/, 'a drawn seed is told');
my ($seed) = $stderr =~ /drawn seed (\d+)/;
like(
	$node->safe_psql('postgres', "SELECT count(*) FROM kmeans_make_blobs(seed => $seed)"),
	qr/^100$/, 'and can be given');

$node->stop;
done_testing();
