# Where memory, address space or disk end: an error that says so, a backend
# that lives, and the models that were there before.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('limits');
my $directory = PostgreSQL::Test::Utils::tempdir();

$node->append_conf('postgresql.conf', <<'CONF');
client_min_messages = error
max_parallel_maintenance_workers = 0
autovacuum = off
CONF
$node->reload;
$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y, CASE i % 3 WHEN 0 THEN 'a' WHEN 1 THEN 'b' END AS c
  FROM generate_series(1, 500) i;
CREATE TABLE many AS
  SELECT (i * 7919::bigint % 100003)::float8 AS x, (i * 104729::bigint % 99991)::float8 AS y FROM generate_series(1, 600000) i;
VACUUM ANALYZE points, many;
SELECT kmeans_fit('kept', 'points', k => 3);
CREATE TABLE models AS SELECT kmeans_get('kept') AS model, kmeans_get('kept')::text AS json;
SQL

my $kept = $node->safe_psql('postgres', q{SELECT json FROM models});
my $same = q{SELECT kmeans_get('kept')::text = json FROM models};

# --- Every allocation fails once

my $library = "$directory/fail_malloc.so";
my $headers = `pg_config --includedir-server`;
chomp $headers;
is(system('cc', '-O1', '-shared', '-fPIC', "-I$headers", '-o', $library, __FILE__ =~ s,[^/]*$,lib/fail_malloc.c,r), 0, 'the failing allocator is built');
$node->stop;
{
	local $ENV{LD_PRELOAD} = $library;
	$node->start;
}
$node->safe_psql('postgres', <<"SQL");
CREATE FUNCTION fail_malloc(int) RETURNS void AS '$library' LANGUAGE C;
CREATE FUNCTION fail_malloc_workers(int) RETURNS void AS '$library' LANGUAGE C;
CREATE FUNCTION malloc_failed() RETURNS boolean AS '$library' LANGUAGE C;

-- let each allocation of a statement, or every so many-th of its workers, fail in its turn; what the statement said
CREATE FUNCTION sweep(statement text, every int DEFAULT NULL, OUT steps int, OUT answers text[]) LANGUAGE plpgsql AS \$\$
DECLARE
  answer text;
BEGIN
  answers := '{}';
  FOR n IN 0 .. 100000 LOOP
    steps := n;
    BEGIN
      PERFORM CASE WHEN every IS NULL THEN fail_malloc(n) ELSE fail_malloc_workers(n * every) END;
      EXECUTE statement;
      answer := 'done';
    EXCEPTION WHEN OTHERS THEN
      answer := SQLSTATE;
      -- what the server says when it cannot copy the setting
      IF SQLERRM LIKE 'invalid value for parameter "DateStyle"%' THEN
        answer := '53200';
      ELSIF answer <> '53200' THEN
        answer := answer || ' ' || SQLERRM;
      END IF;
    END;
    EXIT WHEN NOT malloc_failed();
    IF answer <> ALL (answers) THEN
      answers := answers || answer;
    END IF;
  END LOOP;
END
\$\$;
SQL

for my $case (
	[ 'fit', q{SELECT kmeans_fit('lost', 'points', replace => true)} ],
	[ 'fit of a query, with every option', q{SELECT kmeans_fit('lost', 'SELECT x, y, c, 1 AS w, 2 AS id FROM points', '{x,y,c}', k => 2, init => 'k-means||', scale => 'standard', metric => 'cosine', on_null => 'mean', weight => 'w', id_column => 'id', replace => true)} ],
	[ 'prediction by name', q{SELECT kmeans_nearest('kept', x, y) FROM points} ],
	[ 'prediction by value', q{SELECT kmeans_explain(model, 1, 2) FROM models} ],
	[ 'aggregate', q{SELECT kmeans_agg(3, row(x, y)) FROM points} ],
	[ 'text and value', q{SELECT json::kmeans_model::text FROM models} ],
	[ 'binary', q{SELECT kmeans_model_send(model) FROM models} ],
	[ 'saving', q{SELECT kmeans_save('lost', model, true) FROM models} ],
	[ 'choosing k', q{SELECT kmeans_choose_k('points', '{x,y}', k_max => 3)} ],
	[ 'evaluation', q{SELECT kmeans_evaluate('kept')} ],
	[ 'bulk', q{SELECT kmeans_assign('kept')} ],
	[ 'outliers', q{SELECT kmeans_outliers('kept')} ],
	[ 'silhouette', q{SELECT kmeans_silhouette((x::int % 3), array[x, y]) FROM points} ],
	[ 'description', q{SELECT kmeans_describe('kept'), kmeans_profile('kept')} ],
	[ 'progress', q{SELECT kmeans_list_progress()} ],
	[ 'list', q{SELECT kmeans_list_versions(), kmeans_list_models()} ])
{
	my ($name, $statement) = @$case;
	# twice: in a new session, and in one that knows the way
	my ($first, $again, $alive) = split /\n/, ($node->psql('postgres', "SELECT * FROM sweep(\$s\$$statement\$s\$);\nSELECT * FROM sweep(\$s\$$statement\$s\$);\n$same"))[1];

	like($first, qr/^[1-9]\d*\|\{53200(,done)?\}$/, "$name: out of memory at every step");
	like($again, qr/^\d+\|\{(53200)?(,?done)?\}$/, "$name: and again");
	is($alive, 't', "$name: the backend lives, with its models");
	note("$name: $first, $again");
}
unlike(slurp_file($node->logfile), qr/PANIC|FATAL|leak|was terminated/, 'nothing worse, and no leak');

# ... and every fifth of workers: the fit ends, or goes on without them
$node->safe_psql('postgres', 'CREATE TABLE few AS SELECT x, y FROM many LIMIT 3000; ANALYZE few');
my $work = q{k => 200, init => 'random', n_init => 30, max_iter => 1, replace => true};
for my $case (
	[ 'reading workers', 'few' ],
	[ 'workers that rows are dealt to', 'SELECT * FROM few' ])
{
	my ($name, $source) = @$case;
	my $statement = "SELECT kmeans_fit('lost', '$source', '{x,y}', $work)";
	my ($answer, $alive, $left) = split /\n/, ($node->psql('postgres', <<"SQL"))[1];
SET max_parallel_maintenance_workers = 1;
SET statement_timeout = '60s';
SELECT * FROM sweep(\$s\$$statement\$s\$, 5);
$same;
SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'parallel worker';
SQL

	like($answer, qr/^[1-9]\d+\|\{(done,53200|53200,done|53200|done)\}$/, "$name: out of memory");
	is($alive, 't', "$name: the backend lives, with its models");
	is($left, '0', "$name: no worker is left");
	note("$name: $answer");
}
unlike(slurp_file($node->logfile), qr/PANIC|leak|was terminated/, 'nothing worse of workers, and no leak');
$node->restart;

# --- Address space

# What a session says to a fit that needs more than is left, and afterwards.
my ($stdout, $stderr) = ('', '');
$node->psql('postgres', <<'SQL', stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
\set VERBOSITY sqlstate
SET maintenance_work_mem = '1GB';
SELECT kmeans_predict('kept', 1, 2) IS NOT NULL;
SELECT pg_backend_pid() AS pid, (split_part(pg_read_file('/proc/self/statm'), ' ', 1)::bigint * 4096 + 8000000) AS most \gset
\setenv PID :pid
\setenv MOST :most
\! prlimit --pid $PID --as=$MOST:
SELECT kmeans_fit('lost', 'many', replace => true);
SELECT kmeans_choose_k('many');
SELECT kmeans_agg(8, row(x, y)) FROM many;
\! prlimit --pid $PID --as=unlimited:
SELECT kmeans_get('kept')::text = json FROM models;
SELECT n_rows FROM kmeans_fit('later', 'many', k => 2);
SQL
like($stderr, qr/\A(.*ERROR:  53200(\n|\z)){3}\z/, 'address space: errors say so');
is($stdout, "t\nt\n600000", 'address space: the backend lives, and fits when there is room');

# --- Temporary files

$node->psql('postgres', <<'SQL', stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
\set VERBOSITY sqlstate
SET maintenance_work_mem = '1MB';
SET work_mem = '64kB';
SET temp_file_limit = '2MB';
SELECT kmeans_fit('lost', 'many', replace => true);
SELECT kmeans_choose_k('many');
SELECT kmeans_agg(8, row(x, y)) FROM many;
SELECT count(*) FROM pg_ls_tmpdir();
RESET temp_file_limit;
SELECT kmeans_get('kept')::text = json FROM models;
SELECT n_rows FROM kmeans_fit('later', 'many', k => 2, replace => true);
SQL
like($stderr, qr/\A(.*ERROR:  53400(\n|\z)){3}\z/, 'temp_file_limit: errors say so');
is($stdout, "0\nt\n600000", 'temp_file_limit: the backend lives, without files');

# --- A disk that is full

SKIP:
{
	my $disk = "$directory/disk";
	my $mount = "mount -t tmpfs -o size=4m none '$disk'";

	mkdir $disk;
	skip 'no mount namespaces for users here', 3
	  if system('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c', "$mount 2>/dev/null") != 0;
	$node->stop;
	is(system('unshare', '--user', '--map-root-user', '--mount', 'sh', '-c',
			"$mount && exec unshare --user --map-user=$> pg_ctl -w -s -D '" . $node->data_dir . "' -l '" . $node->logfile . "' start"),
		0, 'a server with a small disk');
	$node->_update_pid(1);
	$node->safe_psql('postgres', "CREATE TABLESPACE small LOCATION '$disk'");
	for my $workers (0, 2)
	{
		$node->psql('postgres', <<"SQL", stdout => \$stdout, stderr => \$stderr, on_error_stop => 0);
\\set VERBOSITY sqlstate
SET max_parallel_maintenance_workers = $workers;
SET temp_tablespaces = small;
SET maintenance_work_mem = '1MB';
SET work_mem = '64kB';
SELECT kmeans_fit('lost', 'many', replace => true);
SELECT kmeans_choose_k('many');
SELECT kmeans_agg(8, row(x, y)) FROM many;
SELECT count(*) FROM pg_ls_tmpdir((SELECT oid FROM pg_tablespace WHERE spcname = 'small'));
RESET temp_tablespaces;
SELECT kmeans_get('kept')::text = json FROM models;
SELECT n_rows FROM kmeans_fit('later', 'many', k => 2, replace => true);
SQL
		like($stderr, qr/\A(.*ERROR:  53100(\n|\z)){3}\z/, "full disk, $workers workers: errors say so");
		is($stdout, "0\nt\n600000", "full disk, $workers workers: the backend lives, without files");
	}
	$node->safe_psql('postgres', 'DROP TABLESPACE small');
}
is($node->safe_psql('postgres', q{SELECT string_agg(model, ' ' ORDER BY model) FROM kmeans_models WHERE model <> 'lost'}), 'kept later', 'the models are those that were fitted');
is($node->safe_psql('postgres', q{SELECT json FROM models}), $kept, 'and the old one is as it was');
unlike(slurp_file($node->logfile), qr/PANIC|leak|was terminated/, 'no leak in all that');

$node->stop;
done_testing();
