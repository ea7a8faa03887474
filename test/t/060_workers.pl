# A fit with workers: the same model however many come, and a clean end when
# one of them does not live to see it.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $workers_of = q{SELECT pid FROM pg_stat_activity WHERE leader_pid IS NOT NULL AND query LIKE '%lost%'};
my $leftovers = q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'};

# enough work to want four workers
my $fit = q{SELECT kmeans_fit('m', 'points', '{x,y}', k => 40, init => 'random', n_init => 1, max_iter => 3, replace => true)};

# minutes of work, were it let
my $endless = q{SELECT kmeans_fit('lost', 'points', '{x,y,z}', k => 1000, init => 'random', tol => 0)};

my $node = kmeans_cluster('workers');
$node->append_conf('postgresql.conf', <<'CONF');
restart_after_crash = on
max_parallel_maintenance_workers = 4
max_logical_replication_workers = 0
client_min_messages = error
CONF
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y, i % 1009 AS z
  FROM generate_series(1, 400000) i;
CREATE TABLE wide AS
  SELECT (SELECT array_agg((i * t * 7919::bigint % 10007)::real) FROM generate_series(1, 300) t) AS x FROM generate_series(1, 6000) i;
VACUUM ANALYZE points, wide;
SQL

# The model of a fit under some settings, and how many workers it had.
sub fit_with
{
	my ($settings) = @_;
	my ($result, $stdout, $stderr) = $node->psql('postgres',
		"$settings SET client_min_messages = debug1; $fit; SET client_min_messages = error; SELECT md5(kmeans_get('m')::text)");
	my ($workers) = $stderr =~ /launched (\d+) of \d+ workers/;

	diag($stderr) if $result != 0;
	return ((split /\n/, $stdout)[-1], $workers // 0, $stderr);
}

# --- However many come

my ($model, $came) = fit_with('SET max_parallel_maintenance_workers = 0;');
is($came, 0, 'a fit without workers');
for my $case (
	[ 1, 'one worker', 'SET max_parallel_maintenance_workers = 1;' ],
	[ 2, 'two workers', 'SET max_parallel_maintenance_workers = 2;' ],
	[ 4, 'four workers', '' ],
	[ 1, 'four wanted, one allowed', 'SET max_parallel_workers = 1;' ],
	[ 0, 'none allowed', 'SET max_parallel_workers = 0;' ],
	[ 4, 'in a transaction that has written', 'BEGIN; CREATE TABLE t (); SAVEPOINT s; INSERT INTO points SELECT -1, -1, -1 WHERE false;' ],
	[ 4, 'under REPEATABLE READ', 'BEGIN ISOLATION LEVEL REPEATABLE READ;' ],
	[ 4, 'under SERIALIZABLE', 'BEGIN ISOLATION LEVEL SERIALIZABLE;' ])
{
	my ($expected, $name, $settings) = @$case;
	my ($other, $workers) = fit_with($settings);

	is($workers, $expected, "$name: so many come");
	is($other, $model, "$name: the same model");
}

for my $processes (1, 0)
{
	$node->append_conf('postgresql.conf', "max_worker_processes = $processes");
	$node->restart;
	my ($other, $workers) = fit_with('');
	is($workers, $processes, "max_worker_processes = $processes: so many come");
	is($other, $model, "max_worker_processes = $processes: the same model");
}
$node->append_conf('postgresql.conf', 'max_worker_processes = 8');
$node->restart;

# --- Sources that cannot be read in ranges of blocks

my (undef, $stdout, $stderr) = $node->psql('postgres', <<'SQL');
SET client_min_messages = debug1;
SELECT kmeans_fit('dealt', 'SELECT x FROM wide ORDER BY x[7]', k => 50, init => 'random', n_init => 1, max_iter => 3);
SET max_parallel_maintenance_workers = 0;
SELECT kmeans_fit('read', 'wide', k => 50, init => 'random', n_init => 1, max_iter => 3);
SET client_min_messages = error;
SELECT kmeans_get('dealt')::text = kmeans_get('read')::text;
SQL
like($stderr, qr/launched [1-4] of/, 'rows of a query are dealt to workers');
like($stdout, qr/^t$/m, 'with the same model');

# --- Little shared memory

# Run a command in a mount namespace of its own, whose /dev/shm has this size.
sub with_shared_memory
{
	my ($size, $command) = @_;

	return system('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c',
		"mount -t tmpfs -o size=$size none /dev/shm && exec unshare --user --map-user=$> $command") == 0;
}

SKIP:
{
	skip 'no mount namespaces for users here', 4 if !with_shared_memory('1200k', 'true 2>/dev/null');
	for my $case ([ '1200k', 'going on without workers: could not resize' ], [ '5m', 'launched 4 of 4 workers' ])
	{
		my ($size, $expected) = @$case;

		$node->stop;
		with_shared_memory($size, "pg_ctl -w -s -D '" . $node->data_dir . "' -l '" . $node->logfile . "' start")
		  or BAIL_OUT('the server does not start');
		$node->_update_pid(1);
		my ($other, $workers, $messages) = fit_with('');
		is($other, $model, "$size of shared memory: the same model");
		like($messages, qr/$expected/, "$size of shared memory: $expected");
	}
	$node->restart;
}

# --- The end of a worker

# Start the endless fit and wait until its workers are there.
sub begin_endless
{
	my %session;

	$session{harness} = IPC::Run::start([ 'psql', '-X', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-c', $endless ],
		'<', \undef, '>', \$session{stdout}, '2>', \$session{stderr});
	$node->poll_query_until('postgres', "SELECT count(*) = 4 FROM ($workers_of) w") or die 'no workers';
	return \%session;
}

for my $case ([ 'pg_terminate_backend', '57P01' ], [ 'pg_cancel_backend', '57014' ])
{
	my ($function, $sqlstate) = @$case;
	my $session = begin_endless();

	$node->safe_psql('postgres', "SELECT $function(pid) FROM ($workers_of LIMIT 1) w");
	$session->{harness}->finish;
	like($session->{stderr}, qr/ERROR:  $sqlstate:/, "$function of a worker ends the fit with $sqlstate");
	is($node->safe_psql('postgres', $leftovers), 0, "$function of a worker leaves none");
}

my $session = begin_endless();
my $victim = $node->safe_psql('postgres', "$workers_of LIMIT 1");
kill 'KILL', $victim;
$session->{harness}->finish;
ok($node->poll_query_until('postgres', undef, ''), 'the server restarts after kill -9 of a worker');
is($node->safe_psql('postgres', q{SELECT md5(kmeans_get('m')::text)}), $model, 'what was committed is as it was');
is($node->safe_psql('postgres', q{SELECT count(*) FROM kmeans_models WHERE model = 'lost'}), 0, 'nothing of the fit is left');

is($node->safe_psql('postgres', $leftovers), 0, 'no worker is left');
unlike(slurp_file($node->logfile), qr/leak/, 'no leak is reported');

$node->stop;
done_testing();
