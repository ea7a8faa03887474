# kmeans_progress, from other sessions: who sees what of a fit that is running.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('progress');
$node->append_conf('postgresql.conf', "client_min_messages = error\n");
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y FROM generate_series(1, 200000) i;
VACUUM ANALYZE points;
GRANT SELECT ON points TO public;
CREATE ROLE fitter LOGIN;
CREATE ROLE member LOGIN IN ROLE fitter;
CREATE ROLE monitor LOGIN IN ROLE pg_read_all_stats;
CREATE ROLE stranger LOGIN;
CREATE DATABASE elsewhere;
SQL
$node->safe_psql('elsewhere', 'CREATE EXTENSION kmeans');

sub seen_by
{
	my ($role, $what, $database) = @_;

	return $node->safe_psql($database // 'postgres', "SELECT $what FROM kmeans_progress", extra_params => [ '-U', $role ]);
}

# minutes of work, were it let
for my $workers (0, 2)
{
	my ($stdout, $stderr) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-X', '-U', 'fitter', '-d', $node->connstr('postgres'), '-c', "SET max_parallel_maintenance_workers = $workers", '-c',
			q{SELECT kmeans_fit('müller', 'points', k => 2000, init => 'random', n_init => 1, tol => 0)} ],
		'<', \undef, '>', \$stdout, '2>', \$stderr, IPC::Run::timeout(120));

	ok($node->poll_query_until('postgres', q{SELECT iteration > 1 FROM kmeans_progress}), "$workers workers: it gets on");
	my $fit = q{model, phase, run, max_iter, rows_read, inertia > 0, reassigned > 0, started_at < now(), pid = (SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND usename = 'fitter' AND pid <> pg_backend_pid())};
	my $row = 'müller|iterating|1|300|200000|t|t|t|t';

	is(seen_by($_, $fit), $row, "$workers workers: seen by $_") for qw(postgres fitter member monitor);
	is(seen_by('stranger', 'count(*)'), 0, "$workers workers: not by a stranger");
	is(seen_by('postgres', 'count(*)', 'elsewhere'), 0, "$workers workers: not from another database");

	my $first = seen_by('postgres', 'iteration');
	ok($node->poll_query_until('postgres', "SELECT iteration > $first FROM kmeans_progress"), "$workers workers: it still gets on");
	for my $view (split /\n/, $node->safe_psql('postgres', q{SELECT viewname FROM pg_views WHERE viewname LIKE 'pg_stat_progress_%'}))
	{
		is($node->safe_psql('postgres', "SELECT count(*) FROM $view"), 0, "$workers workers: not in $view");
	}
	$node->safe_psql('postgres', 'SELECT pg_cancel_backend(pid) FROM kmeans_progress');
	$session->finish;
	like($stderr, qr/canceling statement/, "$workers workers: the process is the right one");
	is(seen_by('postgres', 'count(*)'), 0, "$workers workers: gone with the fit");
}

$node->stop;
done_testing();
