# The postmaster dies while a backend is deep in a fit, with workers or without:
# all of them notice and go, and the server can be started again, with what was
# committed.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = kmeans_cluster('postmaster');
my $fitting = q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%lost%' AND pid <> pg_backend_pid() AND state = 'active'};

$node->safe_psql('postgres', q{SELECT kmeans_fit('kept', 'SELECT * FROM kmeans_iris()', k => 3)});

for my $workers (0, 2)
{
	# minutes of work, were it let
	my $session = IPC::Run::start(
		[ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', "SET max_parallel_maintenance_workers = $workers", '-c',
			q{SELECT kmeans_fit('lost', 'SELECT x FROM kmeans_make_blobs(200000, 500, 8)', k => 500, init => 'random', tol => 0)} ],
		'<', \undef, '>', \my $stdout, '2>', \my $stderr);
	ok($node->poll_query_until('postgres', "SELECT count(*) = 1 + $workers FROM ($fitting) f"), "$workers workers: the fit is under way");
	sleep 1;
	my @processes = split /\n/, $node->safe_psql('postgres', $fitting);

	$node->kill9;
	my $left = @processes;
	for (1 .. 100)
	{
		$left = grep { kill(0, $_) } @processes;
		last if $left == 0;
		usleep(50_000);
	}
	is($left, 0, "$workers workers: all processes are gone within 5 seconds");
	$session->finish;

	# one that waits for another goes without a word, as the server's own do
	like(slurp_file($node->logfile), qr/terminating connection due to unexpected postmaster exit/, 'it says why') if $workers == 0;

	$node->start;
	is($node->safe_psql('postgres', 'SELECT model FROM kmeans_models'), 'kept', 'the server starts again, with what was committed');
}

$node->stop;
done_testing();
