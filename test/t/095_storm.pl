# Sessions that fit, predict and choose k under timeouts of 1 to 200 ms while
# another cancels whom it meets: each statement is cancelled or right, and
# nothing is left of any.  KMEANS_STORM is for how many seconds, 20 if it is not
# given.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time);

my $seconds = $ENV{KMEANS_STORM} || 20;
my $sessions = 3;
my $node = kmeans_cluster('storm');

$node->append_conf('postgresql.conf', <<'CONF');
max_parallel_maintenance_workers = 2
max_logical_replication_workers = 0
client_min_messages = error
autovacuum = off
CONF
$node->restart;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y, (i % 1009)::float8 AS z
  FROM generate_series(1, 150000) i;
CREATE TABLE part AS SELECT * FROM points LIMIT 2000;
VACUUM ANALYZE points, part;
SELECT kmeans_fit('kept', 'points', k => 20, init => 'random', n_init => 1, max_iter => 5);
CREATE TABLE kept AS SELECT kmeans_get('kept')::text AS model;
SQL

my @segments = glob('/dev/shm/PostgreSQL.*');
my @statements = (
	q{SELECT kmeans_fit('storm :session', 'points', k => 20, init => 'random', n_init => 1, max_iter => 5, replace => true) IS NOT NULL},
	q{SELECT kmeans_fit('storm :session', 'SELECT x, y, z FROM points OFFSET 0', k => 20, init => 'random', n_init => 1, max_iter => 5, replace => true) IS NOT NULL},
	q{SELECT kmeans_fit('storm :session', 'part', k => 1000, replace => true) IS NOT NULL},
	q{SELECT count(*) = 150000 FROM kmeans_assign('kept')},
	q{SELECT count(*) > 0 FROM kmeans_choose_k('part', k_max => 4, sample_rows => 500)},
	q{SELECT kmeans_agg(5, row(x, y, z)) IS NOT NULL FROM points},
	q{SELECT count(kmeans_predict('kept', x, y, z)) = 150000 FROM points},
	q{SELECT n_rows = 150000 FROM kmeans_evaluate('kept', sample_rows => 500)});

# One session's share: every statement, timeouts from 1 to 200 ms, some with
# temporary files, more than there is time for.  What is printed is answer and
# SQLSTATE.
sub script
{
	my ($session) = @_;
	my $script = "\\set QUIET on\n\\pset tuples_only on\n\\pset format unaligned\n";

	for my $step (1 .. 100 * $seconds)
	{
		my $statement = $statements[ ($step + $session) % @statements ] =~ s/:session/$session/r;
		my $timeout = 1 + ($step * 67 + $session * 31) % 200;
		my $memory = $step % 3 ? '64MB' : '1MB';

		$script .= "SET statement_timeout = 0; SET maintenance_work_mem = '$memory'; SET statement_timeout = $timeout;\n$statement;\n\\echo state :SQLSTATE\n";
	}
	return $script;
}

my $directory = PostgreSQL::Test::Utils::tempdir();
my $end = time + $seconds;
my @running;

for my $session (1 .. $sessions)
{
	my $file = "$directory/$session";

	append_to_file("$file.sql", script($session));
	push @running, IPC::Run::start([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-f', "$file.sql" ],
		'<', '/dev/null', '>', "$file.out", '2>', "$file.err");
}
while (time < $end)
{
	$node->safe_psql('postgres', <<'SQL');
DO $$
BEGIN
  FOR i IN 1 .. 20 LOOP
    PERFORM pg_stat_clear_snapshot();
    -- whoever comes first, leader or worker
    PERFORM pg_cancel_backend(pid) FROM (
      SELECT pid FROM pg_stat_activity
      WHERE state = 'active' AND pid <> pg_backend_pid() AND datname = current_database()
      ORDER BY md5(pid::text || i) LIMIT 1) a;
    PERFORM pg_sleep(0.02 + 0.001 * i);
  END LOOP;
END
$$;
SQL
}

# What is left of the scripts is not waited for.
$node->safe_psql('postgres', q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()});
$_->finish for @running;

my %states;
my ($statements, $answers) = (0, '');
for my $line (map { split /\n/, slurp_file("$directory/$_.out") } (1 .. $sessions))
{
	$states{$1}++, $statements++ if $line =~ /^state (\w+)$/;
	$answers .= "$line\n" if $line !~ /^(state \w+|t)$/;
}

note("$statements statements: ", join(', ', map { "$states{$_} $_" } sort keys %states));
cmp_ok($statements, '>', 2 * $seconds, 'many statements');
cmp_ok($states{'57014'} // 0, '>', $seconds, 'many were cancelled');
cmp_ok($states{'00000'} // 0, '>', 0, 'some were not');
delete @states{ '57014', '00000', '57P01' };
is(join(' ', %states), '', 'there was no other error');
is($answers, '', 'every answer was right');

ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 'no worker is left');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 1 FROM pg_stat_activity WHERE backend_type = 'client backend'}), 'nor a session');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_ls_tmpdir()'), 0, 'no file is left');
is($node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE pid <> pg_backend_pid()'), 0, 'no lock is left');
is($node->safe_psql('postgres', 'SELECT count(*) FROM kmeans_progress'), 0, 'no fit is running');
my @left = glob('/dev/shm/PostgreSQL.*');
cmp_ok(scalar(@left), '<=', scalar(@segments), 'no shared memory is left');
is($node->safe_psql('postgres', q{SELECT kmeans_get('kept')::text = model FROM kept}), 't', 'the model is as it was');
unlike(slurp_file($node->logfile), qr/PANIC|FATAL(?!:  terminating (connection|background worker "parallel worker") due to administrator command)|leak|was terminated by/, 'no leak is reported');

$node->stop;
done_testing();
