# A process of a fit killed with signal 9, in every phase of the fit that
# kmeans_progress knows: the server restarts, what was committed is as it was,
# and nothing of the fit is left.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);

my $node = kmeans_cluster('phases');
$node->append_conf('postgresql.conf', <<'CONF');
restart_after_crash = on
max_parallel_maintenance_workers = 2
max_logical_replication_workers = 0
client_min_messages = error
autovacuum = off
CONF
$node->restart;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y, (i % 1009)::float8 AS z
  FROM generate_series(1, 400000) i;
CREATE TABLE part AS SELECT * FROM points LIMIT 40000;
CREATE FUNCTION slow(x float8) RETURNS float8 LANGUAGE plpgsql PARALLEL SAFE AS $$ BEGIN PERFORM pg_sleep(0.0001); RETURN x; END $$;
CREATE VIEW slowly AS SELECT slow(x) AS x FROM points;
VACUUM ANALYZE points, part;
SELECT kmeans_fit('kept', 'points', k => 10);
SELECT kmeans_set_label('kept', 3, 'committed');
SQL

my $content = <<'SQL';
SELECT * FROM kmeans_catalog ORDER BY model_id;
SELECT * FROM kmeans_version ORDER BY model_id, version;
SELECT * FROM kmeans_centroid ORDER BY model_id, version, cluster;
SELECT * FROM kmeans_iteration ORDER BY model_id, version, run, iteration;
SELECT kmeans_model_send(kmeans_get(model || '@' || version)) FROM kmeans_versions ORDER BY model, version;
SQL
my $before = $node->safe_psql('postgres', $content);
my @segments = glob('/dev/shm/PostgreSQL.*');
my $watched = 'SELECT phase FROM kmeans_progress';
my $workers = q{SELECT pid FROM pg_stat_activity WHERE backend_type = 'parallel worker'};

# Start a fit, wait for a phase, and kill the backend or a worker.
sub kill_in
{
	my ($phase, $whom, $arguments) = @_;
	my $name = "$whom killed while $phase";
	my ($stdout, $stderr) = ('', '');
	my $session = IPC::Run::start([ 'psql', '-X', '-d', $node->connstr('postgres'), '-c', "SELECT kmeans_fit('lost', $arguments)" ],
		'<', \undef, '>', \$stdout, '2>', \$stderr, IPC::Run::timeout(120));
	my $who = $whom eq 'worker' ? "($workers LIMIT 1)" : '(SELECT pid FROM kmeans_progress)';
	my $pid = '';

	# at once, since a phase may be short
	for (1 .. 300)
	{
		$pid = $node->safe_psql('postgres', <<"SQL");
DO \$\$
BEGIN
  FOR i IN 1 .. 200 LOOP
    PERFORM pg_stat_clear_snapshot();
    EXIT WHEN ($watched) = '$phase' AND $who IS NOT NULL;
    PERFORM pg_sleep(0.001);
  END LOOP;
END
\$\$;
SELECT $who WHERE ($watched) = '$phase';
SQL
		last if $pid ne '';
		last if !$session->pumpable;
	}
	ok($pid ne '' && kill('KILL', $pid), $name) or diag($stdout, $stderr);
	$session->finish;
	ok($node->poll_query_until('postgres', undef, ''), "$name: the server restarts");
	is($node->safe_psql('postgres', $content), $before, "$name: committed models are the same, byte for byte");
	is($node->safe_psql('postgres', "SELECT count(*) FROM ($workers) w"), 0, "$name: no worker is left");
	is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), 0, "$name: no file is left");
	is(scalar(glob_segments()), scalar(@segments), "$name: no shared memory is left");
	return;
}

# A list: in scalar context glob would iterate.
sub glob_segments
{
	my @found = glob('/dev/shm/PostgreSQL.*');

	return @found;
}

kill_in('loading', 'backend', q{'slowly', k => 2});
kill_in('seeding', $_, q{'points', '{x,y,z}', k => 3000, init => 'k-means++'}) for 'backend', 'worker';
kill_in('iterating', $_, q{'points', '{x,y,z}', k => 1000, init => 'random', tol => 0}) for 'backend', 'worker';
kill_in('summarizing', $_, q{'part', '{x,y,z}', k => 10000, init => 'random', n_init => 1, max_iter => 1}) for 'backend', 'worker';
kill_in('storing', 'backend', q{'part', '{x,y,z}', k => 30000, init => 'random', n_init => 1, max_iter => 1});

is($node->safe_psql('postgres', q{SELECT kmeans_fit('lost', 'part', '{x,y,z}', k => 2) IS NOT NULL}), 't', 'the name is free');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|leak|terminated by signal (?!9)/, 'nobody died but those killed');

$node->stop;
done_testing();
