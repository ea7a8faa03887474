# The extension comes and goes whole, in any schema; what a session is told
# that cannot be told the same way twice.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('extension');

# in any schema, and away again
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE SCHEMA "a ""schema"""; CREATE EXTENSION kmeans SCHEMA "a ""schema"""');
is( $node->safe_psql('other', q{
		SELECT k FROM "a ""schema""".kmeans_fit('m', 'SELECT * FROM "a ""schema""".kmeans_iris()', k => 2, columns => '{petal_width}');
		SELECT "a ""schema""".kmeans_predict('m', 0.2) <> "a ""schema""".kmeans_predict('m', 2.0);
		SELECT model, version FROM "a ""schema""".kmeans_models;
		SELECT count(*) FROM "a ""schema""".kmeans_clusters('m');
		SELECT "a ""schema""".kmeans_save('copy', "a ""schema""".kmeans_get('m'));
	}),
	"2\nt\nm|1\n2\n1", 'everything works in a schema that is not in search_path');
is( $node->safe_psql('other', q{
		SELECT count(*) FROM "a ""schema""".kmeans_iris() i,
			(SELECT "a ""schema""".kmeans_agg(3, array[i.petal_width]) AS model FROM "a ""schema""".kmeans_iris() i) m
		WHERE "a ""schema""".kmeans_distance(m.model, array[i.petal_width]) >= 0}),
	'150', 'and so do values');
$node->safe_psql('other', 'DROP EXTENSION kmeans; DROP SCHEMA "a ""schema"""');
is( $node->safe_psql('other', q{
		SELECT (SELECT count(*) FROM pg_proc WHERE proname LIKE 'kmeans%')
			+ (SELECT count(*) FROM pg_class WHERE relname LIKE 'kmeans%')
			+ (SELECT count(*) FROM pg_type WHERE typname LIKE '%kmeans%')}),
	'0', 'the extension goes whole');

# not for everybody to install
$node->safe_psql('other', 'CREATE ROLE ordinary; GRANT CREATE ON DATABASE other TO ordinary');
my ($status, $stdout, $stderr) =
  $node->psql('other', 'SET ROLE ordinary; CREATE SCHEMA mine; CREATE EXTENSION kmeans SCHEMA mine');
like($stderr, qr/permission denied to create extension/, 'an ordinary role cannot install it');

# a seed that was drawn, and that no result shows
my $points = 'VALUES (1, 2), (1, 3), (4, 7), (6, 2), (9, 9), (5, 1), (2, 8), (3, 3)';
$node->safe_psql('postgres', "SELECT kmeans_fit('drawn', '$points', k => 3)");
for my $call ('SELECT md5(string_agg(x::text, id::text)) FROM kmeans_make_blobs(seed => SEED)',
	"SELECT * FROM kmeans_evaluate('drawn', sample_rows => 4, seed => SEED)",
	"SELECT * FROM kmeans_choose_k('$points', k_max => 6, seed => SEED)",
	"SELECT md5(kmeans_plot_elbow('$points', k_max => 6, seed => SEED))")
{
	($status, $stdout, $stderr) = $node->psql('postgres', $call =~ s/SEED/NULL/r);
	like($stderr, qr/NOTICE:  the seed drawn is \d+/, "a drawn seed is told: $call");
	my ($seed) = $stderr =~ /seed drawn is (\d+)/;
	is($node->safe_psql('postgres', $call =~ s{SEED}{$seed // 0}er), $stdout, 'and gives the same again');
}

$node->stop;
done_testing();
