# A cancel is honoured within 100 ms wherever it comes: in every phase of
# everything that takes long, with workers and without.  Afterwards nothing is
# left of it.
#
# A statement is cancelled at points spread over its duration.  Time is that of
# a session which is already there.  On a machine with other work to do a
# process may have to wait, and so a point that is late is tried again; what
# does not look for cancels is late every time.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $points = 10;
my $longest = 600;               # ms: where a statement is looked at
my $late = 100;                  # ms
my $tries = 4;

my $node = kmeans_cluster('cancel');
$node->append_conf('postgresql.conf', <<'CONF');
max_logical_replication_workers = 0
client_min_messages = error
log_temp_files = -1
CONF
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y, (i % 1009)::float8 AS z
  FROM generate_series(1, 400000) i;
CREATE TABLE part AS SELECT * FROM points LIMIT 20000;
CREATE TABLE d128 AS
  SELECT (SELECT array_agg((i * t * 7919::bigint % 10007)::real) FROM generate_series(1, 128) t) AS x FROM generate_series(1, 30000) i;
CREATE TABLE long AS
  SELECT (SELECT array_agg((i * t * 7919::bigint % 10007)::float8) FROM generate_series(1, 5000) t) AS x FROM generate_series(1, 600) i;
VACUUM ANALYZE points, part, d128, long;
SELECT kmeans_fit('few', 'points', '{x,y,z}', k => 20, init => 'random', n_init => 1, max_iter => 3);
SELECT kmeans_fit('many', 'part', '{x,y,z}', k => 10000, init => 'random', n_init => 1, max_iter => 1);
SELECT kmeans_save('carried', kmeans_get('many'));
-- the server fetches a value in one go, and so it must not be too large
SELECT kmeans_fit('long', 'long', k => 60, init => 'random', n_init => 1, max_iter => 1);
CREATE TABLE models AS SELECT kmeans_get(model) AS model FROM kmeans_models WHERE model IN ('many', 'long');
CREATE TABLE texts AS SELECT model::text AS model FROM models;
SQL

# Run a statement under a timeout; how long it took, and its SQLSTATE.  Many at
# once, since sessions are slow to begin.
sub timed
{
	my ($setting, $statement, @timeouts) = @_;
	my $script = "\\set QUIET on\n$setting\n";
	my ($stdout, $stderr) = ('', '');
	my @results;

	for my $timeout (@timeouts)
	{
		$script .= "SET statement_timeout = $timeout;\n\\timing on\n$statement \\g /dev/null\n\\timing off\n\\echo state :SQLSTATE\n";
	}
	IPC::Run::run([ 'psql', '-X', '-q', '-d', $node->connstr('postgres'), '-f', '-' ], '<', \$script, '>', \$stdout, '2>', \$stderr);
	push @results, [ $1, $2 ] while $stdout =~ /^Time: ([\d.]+) ms.*?\nstate (\w+)$/msg;
	is(scalar @results, scalar @timeouts, 'an answer to each') or diag($stdout, $stderr);
	return @results;
}

# The points at which a statement was too late, in all tries.
sub late_points
{
	my ($setting, $statement, $worst, $wrong, @timeouts) = @_;
	my %late = map { $_ => 1 } @timeouts;

	for (1 .. $tries)
	{
		my @try = sort { $a <=> $b } keys %late;
		my @results;

		last if !@try;
		@results = timed($setting, $statement, @try);
		for my $i (0 .. $#results)
		{
			my ($time, $state) = @{ $results[$i] };
			my $over = $time - $try[$i];

			$$wrong = $state if $state !~ /^(57014|00000)$/;
			next if $state eq '57014' && $over > $late;
			$$worst = $over if $state eq '57014' && $over > $$worst;
			delete $late{ $try[$i] };
		}
	}
	return sort { $a <=> $b } keys %late;
}

for my $case (
	[ 'reading', q{SELECT kmeans_fit('lost', 'points', '{x,y,z}', k => 1, max_iter => 1, replace => true)} ],
	[ 'reading and dealing', q{SELECT kmeans_fit('lost', 'SELECT x, y, z FROM points OFFSET 0', k => 20, init => 'random', replace => true)} ],
	[ 'seeding', q{SELECT kmeans_fit('lost', 'points', '{x,y,z}', k => 2000, init => 'k-means++', replace => true)} ],
	[ 'seeding by k-means||', q{SELECT kmeans_fit('lost', 'points', '{x,y,z}', k => 300, init => 'k-means||', replace => true)} ],
	[ 'passes', q{SELECT kmeans_fit('lost', 'points', '{x,y,z}', k => 500, init => 'random', tol => 0, replace => true)} ],
	[ 'passes over long rows', q{SELECT kmeans_fit('lost', 'd128', k => 300, init => 'random', tol => 0, replace => true)} ],
	[ 'thousands of features', q{SELECT kmeans_fit('lost', 'long', k => 300, init => 'random', n_init => 1, replace => true)} ],
	[ 'description', q{SELECT kmeans_fit('lost', 'part', '{x,y,z}', k => 5000, init => 'random', n_init => 1, max_iter => 1, replace => true)} ],
	[ 'ids carried over', q{SELECT kmeans_fit('carried', 'part', '{x,y,z}', k => 3000, init => 'random', n_init => 1, max_iter => 1, replace => true)} ],
	[ 'temporary files', q{SELECT kmeans_fit('lost', 'points', '{x,y,z}', k => 20, init => 'random', tol => 0, replace => true)}, q{SET maintenance_work_mem = '1MB'} ],
	[ 'temporary files of long rows', q{SELECT kmeans_fit('lost', 'd128', k => 20, init => 'random', tol => 0, replace => true)}, q{SET maintenance_work_mem = '4MB'} ],
	[ 'storing', q{SELECT kmeans_save('lost', model, true) FROM models} ],
	[ 'text of a value', q{SELECT octet_length(model::text) FROM models} ],
	[ 'value of a text', q{SELECT pg_column_size(model::kmeans_model) FROM texts} ],
	[ 'one group', q{SELECT kmeans_agg(100, row(x, y, z)) FROM points} ],
	[ 'one large group', q{SELECT kmeans_agg(20, row(x, y, z)) FROM points}, q{SET work_mem = '64kB'} ],
	[ 'number of clusters', q{SELECT kmeans_choose_k('points', '{x,y,z}')} ],
	[ 'number of clusters, long rows', q{SELECT kmeans_choose_k('d128', k_max => 4)} ],
	[ 'evaluation', q{SELECT kmeans_evaluate('few')} ],
	[ 'evaluation of many clusters', q{SELECT kmeans_evaluate('many', sample_rows => 2000)} ],
	[ 'bulk', q{SELECT kmeans_assign('few')} ],
	[ 'outliers of many clusters', q{SELECT kmeans_outliers('many')} ],
	[ 'prediction', q{SELECT kmeans_nearest('many', x, y, z) FROM points} ],
	[ 'silhouette', q{SELECT kmeans_silhouette((x::bigint % 7)::int, array[x, y, z]) FROM part} ],
	[ 'Rand index', q{SELECT kmeans_adjusted_rand_index(x::int, y::int) FROM points} ])
{
	my ($name, $statement, $setting) = @$case;

	for my $workers ($statement =~ /_fit|choose_k/ ? (0, 2) : 0)
	{
		subtest "$name, $workers workers" => sub {
			my $settings = ($setting // '') . ";SET max_parallel_maintenance_workers = $workers;";
			my ($duration) = map { $_->[0] } timed($settings, $statement, 2 * $longest);
			my ($worst, $wrong) = (0, '');
			my $last = $duration < $longest ? $duration : $longest;
			my @timeouts = grep { $_ > 0 } map { int($last * $_ / ($points + 1)) } (1 .. $points);
			my @late = late_points($settings, $statement, \$worst, \$wrong, @timeouts);

			is($wrong, '', 'cancelled or done');
			is("@late", '', 'in time');
			note(sprintf '%s: %.0f ms, at most %.1f ms late', $name, $duration, $worst);
		};
	}
}

is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker'}), 0, 'no worker is left');
is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_ls_tmpdir()}), 0, 'no file is left');
is($node->safe_psql('postgres', q{SELECT count(*) FROM kmeans_progress}), 0, 'no fit is running');
unlike(slurp_file($node->logfile), qr/leak/, 'no leak is reported');

$node->stop;
done_testing();
