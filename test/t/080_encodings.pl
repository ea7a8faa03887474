# Pictures, reports and PMML are read as UTF-8, whatever the encoding of the
# database they come from: well-formed, with the letters that were meant.

use strict;
use warnings;

use IPC::Run;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('encodings', extra => [ '--encoding=UTF8', '--locale=C' ]);

# a database's encoding, a letter as its client writes it, and as a document is
# to have it
my @cases = (
	[ 'UTF8', "\xc3\xa9", "\xc3\xa9" ],
	[ 'LATIN1', "\xe9", '&#233;' ],
	[ 'LATIN2', "\xe8", '&#269;' ],
	[ 'EUC_JP', "\xc6\xfc", '&#26085;' ],
	[ 'SQL_ASCII', "\xc3\xa9", '&#233;' ],
	[ 'SQL_ASCII', "\xe9", '?' ]);

foreach my $case (@cases)
{
	my ($encoding, $letter, $meant) = @$case;
	my $database = lc $encoding;

	$node->safe_psql('postgres', "CREATE DATABASE $database TEMPLATE template0 ENCODING '$encoding' LC_COLLATE 'C' LC_CTYPE 'C'")
	  if $node->safe_psql('postgres', "SELECT count(*) FROM pg_database WHERE datname = '$database'") eq '0';
	$node->safe_psql($database, qq{
SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SELECT kmeans_fit('model', 'SELECT i AS "<x $letter>", i % 3 AS y, chr(97 + i % 2) || ''$letter'' AS c FROM generate_series(1, 30) i',
  '{<x $letter>,y,c}', k => 3, replace => true);
SELECT kmeans_set_label('model', 0, 'label "$letter" & more')});
	foreach my $call (q{kmeans_plot('model', title => 'title %s')}, q{kmeans_plot('model', '<x %s>', 'y')},
		q{kmeans_plot_profile('model')}, q{kmeans_plot_silhouette('model')}, q{kmeans_report('model')}, q{kmeans_export('model', 'pmml')})
	{
		my $document = $node->safe_psql($database, 'SELECT ' . sprintf($call, $letter));
		my $output = '';

		like($document, qr/\Q$meant\E/, "$encoding: $call has the letter");
		unlike($document, qr/[^\x00-\x7f]/, "$encoding: $call is ASCII") if $encoding ne 'UTF8';
		ok(IPC::Run::run([ 'xmllint', '--noout', '-' ], '<', \$document, '>&', \$output), "$encoding: $call is well-formed UTF-8")
		  or diag($output);
	}
}

$node->stop;
done_testing();
