# Fits much larger than their memory: the peak of the process stays near the
# budget, and no temporary file outlives success, an error or a cancel.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('memory');
my $budget = 16 * 1024;
my $rows = 2_000_000;

# Peaks are those of whole processes: little shared memory keeps them plain.
$node->append_conf('postgresql.conf', <<"CONF");
shared_buffers = 1MB
maintenance_work_mem = ${budget}kB
max_parallel_maintenance_workers = 0
log_temp_files = 0
CONF
$node->restart;
$node->safe_psql('postgres', qq{
CREATE TABLE data AS SELECT (i * 7919::bigint % 10007) / 7::float8 AS a, (i * 104729::bigint % 9973) / 7::float8 AS b, (i % 101) / 7::float8 AS c, (i % 103) / 7::float8 AS d,
  (i % 107) / 7::float8 AS e, (i % 109) / 7::float8 AS f, (i % 113) / 7::float8 AS g, (i % 127) / 7::float8 AS h FROM generate_series(1, $rows) i;
ANALYZE data});

# the fit and its arguments, after the model's name
my $fit = q{'data', '{a,b,c,d,e,f,g,h}', k => 8, init => 'random', n_init => 1, max_iter => 5, tol => 0};
my $files = 'SELECT count(*) FROM pg_ls_tmpdir()';
my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmHWM:\s+(\d+)')};

# ---- Success ----

# what a process needs for the fit of a small part, and for all
my ($small, $large) = split /\n/, $node->safe_psql('postgres', qq{
SET client_min_messages = error;
DO \$\$ BEGIN PERFORM kmeans_fit('small', 'SELECT * FROM data LIMIT 1000', k => 8, n_init => 1); END \$\$;
$peak;
DO \$\$ BEGIN PERFORM kmeans_fit('large', $fit); END \$\$;
$peak});
cmp_ok($large - $small, '<=', 1.2 * $budget, "peak: the budget and a fifth (from $small to $large kB)");
cmp_ok($large - $small, '>=', 0.8 * $budget, 'the budget is used');
is($node->safe_psql('postgres', $files), 0, 'no files after a fit');

my $spilled = 0;
$spilled += $_ for slurp_file($node->logfile) =~ /temporary file: .*, size (\d+)/g;
cmp_ok($spilled, '>', $rows * 8 * 8 - $budget * 1024, 'the rest was in files');

my ($all, $same) = split /\n/, $node->safe_psql('postgres', qq{
SET client_min_messages = error;
SET maintenance_work_mem = '1GB';
DO \$\$ BEGIN PERFORM kmeans_fit('memory', $fit); END \$\$;
$peak;
SELECT kmeans_get('memory')::text = kmeans_get('large')::text});
is($same, 't', 'the same model as in memory');

# values, and what the documentation grants beside them
cmp_ok(($all - $small) * 1024 / $rows, '<=', 8 * 8 * 1.1 + 14, 'bytes for a row in memory');

# floats take half of it
my $real = $node->safe_psql('postgres', qq{
SET client_min_messages = error;
SET maintenance_work_mem = '1GB';
DO \$\$ BEGIN PERFORM kmeans_fit('real', 'SELECT a::real, b::real, c::real, d::real, e::real, f::real, g::real, h::real FROM data',
  k => 8, init => 'random', n_init => 1, max_iter => 5, tol => 0); END \$\$;
$peak});
cmp_ok(($real - $small) * 1024 / $rows, '<=', 8 * 4 * 1.1 + 14, 'bytes for a row of floats in memory');

# ---- An error, a cancel, an end ----

my ($ret, $stdout, $stderr) = $node->psql('postgres', qq{
SET client_min_messages = error;
SET temp_file_limit = '50MB';
\\set VERBOSITY sqlstate
SELECT kmeans_fit('failed', $fit);
$files;
SELECT 'alive'}, on_error_stop => 0);
like($stderr, qr/ERROR:  53400/, 'the limit of files is respected');
is($stdout, "0\nalive", 'nothing is left, and the session lives');

for my $workers (0, 2)
{
	for my $timeout (30, 300, 700, 1200)
	{
		($ret, $stdout, $stderr) = $node->psql('postgres', qq{
SET client_min_messages = error;
SET max_parallel_maintenance_workers = $workers;
SET statement_timeout = $timeout;
\\set VERBOSITY sqlstate
SELECT kmeans_fit('cancelled', 'data', '{a,b,c,d,e,f,g,h}', k => 100, init => 'random', n_init => 1, tol => 0);
RESET statement_timeout;
$files}, on_error_stop => 0);
		like($stderr, qr/ERROR:  57014/, "cancelled after $timeout ms, $workers workers");
		is($stdout, 0, 'nothing is left');
	}
}

# a cancel that is caught: files go with the subtransaction
is( $node->safe_psql('postgres', qq{
CREATE FUNCTION caught() RETURNS text LANGUAGE plpgsql AS \$\$
BEGIN
  PERFORM kmeans_fit('caught', 'data', '{a,b,c,d,e,f,g,h}', k => 100, init => 'random', n_init => 1, tol => 0);
EXCEPTION WHEN query_canceled THEN
  RETURN 'caught, files: ' || (SELECT count(*) FROM pg_ls_tmpdir());
END \$\$;
SET statement_timeout = '1s';
SELECT caught()}), 'caught, files: 0', 'nothing is left within the transaction');

my $log = slurp_file($node->logfile);
unlike($log, qr/leak|not closed at end-of-transaction/, 'nothing leaks');

$node->stop;
done_testing();
