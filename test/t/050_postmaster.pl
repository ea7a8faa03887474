# The postmaster dies while a backend is deep in a fit: the backend notices and
# goes, and the server can be started again, with what was committed.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = kmeans_cluster('postmaster');

$node->safe_psql('postgres', q{SELECT kmeans_fit('kept', 'SELECT * FROM kmeans_iris()', k => 3)});

# minutes of work, were it let
my $session = IPC::Run::start(
	[ 'psql', '-X', '-d', $node->connstr('postgres'), '-c',
		q{SELECT kmeans_fit('lost', 'SELECT x FROM kmeans_make_blobs(200000, 500, 8)', k => 500, init => 'random', tol => 0)} ],
	'<', \undef, '>', \my $stdout, '2>', \my $stderr);
ok( $node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_stat_activity WHERE query LIKE '%lost%' AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'}),
	'the fit has begun');
sleep 2;
my $backend = $node->safe_psql('postgres',
	q{SELECT pid FROM pg_stat_activity WHERE query LIKE '%lost%' AND backend_type = 'client backend' AND pid <> pg_backend_pid() AND state = 'active'});
like($backend, qr/^\d+$/, 'and is under way');

$node->kill9;
my $gone = 0;
for (1 .. 100)
{
	last if $gone = !kill(0, $backend);
	usleep(50_000);
}
ok($gone, 'the backend is gone within 5 seconds');
$session->finish;
like(slurp_file($node->logfile), qr/terminating connection due to unexpected postmaster exit/, 'it says why');

$node->start;
is($node->safe_psql('postgres', 'SELECT model FROM kmeans_models'), 'kept', 'the server starts again, with what was committed');

$node->stop;
done_testing();
