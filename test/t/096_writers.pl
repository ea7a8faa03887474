# Sessions that fit, refresh, rename, drop, save, label, promote, prune, grant
# and read a few models, one statement or three at a time, in every isolation
# level.  Each statement does its work, or is told that there is no such model,
# that there is one already, or that it has to be repeated; nothing is left half
# done.  KMEANS_STORM is for how many seconds, 6 if it is not given.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $seconds = $ENV{KMEANS_STORM} || 6;
my $node = kmeans_cluster('writers');

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS SELECT i % 7 * 10 + i % 3 AS x, i % 5 AS y FROM generate_series(1, 300) i;
CREATE TABLE outcome (level text, call text, state text, message text);

-- one of the calls, for two of the models
CREATE FUNCTION act(number int, a int, b int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  one text := 'model ' || a;
  two text := 'model ' || b;
  calls text[] := ARRAY[
    format('kmeans_fit(%L, ''points'', ARRAY[''x'', ''y''], k => 3)', one),
    format('kmeans_fit(%L, ''points'', ARRAY[''x'', ''y''], k => 4, replace => true)', one),
    format('kmeans_fit(%L, ''points'', ARRAY[''y'', ''x''], k => 2, replace => true)', one),
    format('kmeans_refresh(%L)', one),
    format('kmeans_refresh(%L, promote => false)', one),
    format('kmeans_rename(%L, %L)', one, two),
    format('kmeans_drop(%L)', one),
    format('kmeans_save(%L, kmeans_get(%L), replace => true)', one, two),
    format('kmeans_set_label(%L, 0, %L)', one, two),
    format('kmeans_promote(%L, 1)', one),
    format('kmeans_prune(%L, 1)', one),
    format('kmeans_grant(%L, ''public'')', one),
    format('kmeans_revoke(%L, ''public'')', one),
    format('sum(kmeans_predict(%L, 1, 2)) FROM points', one),
    format('count(*) FROM kmeans_drift(%L, ''points'')', one),
    format('count(*) FROM kmeans_transitions(%L, 1, 2, ''points'')', one),
    'count(*) FROM kmeans_versions'];
BEGIN
  EXECUTE 'SELECT ' || calls[number];
  INSERT INTO outcome VALUES (current_setting('transaction_isolation'), calls[number], 'done');
EXCEPTION WHEN OTHERS THEN
  INSERT INTO outcome VALUES (current_setting('transaction_isolation'), calls[number], sqlstate, sqlerrm);
END $$;
SQL

my $call = "\\set number random(1, 17)\n\\set a random(1, 4)\n\\set b random(1, 4)\nSELECT act(:number, :a, :b);\n";
my $directory = PostgreSQL::Test::Utils::tempdir();
append_to_file("$directory/one", $call);
append_to_file("$directory/three", "BEGIN;\n" . $call x 3 . "END;\n");

my @sessions;
for my $level ('read committed', 'repeatable read', 'serializable')
{
	local $ENV{PGOPTIONS} = "-c deadlock_timeout=20ms -c client_min_messages=error -c default_transaction_isolation=" . $level =~ s/ /\\ /r;
	my %run = (out => '', err => '');

	# a transaction that has to be repeated counts as failed, and pgbench goes on
	$run{handle} = IPC::Run::start(
		[ 'pgbench', '-n', '--random-seed=1', '-c', 2, '-T', $seconds, '-f', "$directory/one", '-f', "$directory/three",
			'-h', $node->host, '-p', $node->port, 'postgres' ],
		'<', \undef, '>', \$run{out}, '2>', \$run{err}, IPC::Run::timeout($seconds + 120));
	push @sessions, \%run;
}
for my $run (@sessions)
{
	ok($run->{handle}->finish, 'no session was lost') or diag $run->{err};
}

is( $node->safe_psql('postgres', q{SELECT level, call, state, min(message), count(*) FROM outcome
  WHERE state NOT IN ('done', '42704', '42710', '40001', '40P01')
    AND NOT (state = '55000' AND call LIKE 'kmeans_refresh%' AND message LIKE '%has no stored source')
  GROUP BY level, call, state ORDER BY level, call, state}),
	'', 'no other errors');
is( $node->safe_psql('postgres', q{SELECT count(*) FROM outcome WHERE level = 'read committed' AND state = '40001'}),
	'0', 'nothing has to be repeated for the sake of one snapshot if there is one per statement');
is( $node->safe_psql('postgres', q{SELECT count(DISTINCT level) FROM outcome WHERE state = 'done' AND call LIKE 'kmeans_refresh%'}),
	'3', 'models were refreshed in each level');

# --- What is there belongs together

is( $node->safe_psql('postgres', <<'SQL'), '0|0|0|0|0', 'no part of a model is missing, or left over');
SELECT (SELECT count(*) FROM kmeans_catalog c WHERE NOT EXISTS (SELECT FROM kmeans_version v WHERE v.model_id = c.model_id AND v.version = c.promoted)),
  (SELECT count(*) FROM kmeans_version v LEFT JOIN kmeans_catalog c USING (model_id) WHERE c.model_id IS NULL OR v.version > c.last_version),
  (SELECT count(*) FROM kmeans_version v WHERE k <> (SELECT count(*) FROM kmeans_centroid c WHERE c.model_id = v.model_id AND c.version = v.version)),
  (SELECT count(*) FROM kmeans_centroid c LEFT JOIN kmeans_version v USING (model_id, version) LEFT JOIN kmeans_catalog m USING (model_id)
   WHERE v.model_id IS NULL OR c.cluster > m.last_cluster),
  (SELECT count(*) FROM kmeans_iteration i LEFT JOIN kmeans_version v USING (model_id, version) WHERE v.model_id IS NULL)
  + (SELECT count(*) FROM kmeans_privilege p LEFT JOIN kmeans_catalog c USING (model_id) WHERE c.model_id IS NULL);
SQL
is( $node->safe_psql('postgres', q{SELECT count(*) FROM kmeans_versions v WHERE kmeans_predict(model || '@' || version, '{1,2}'::float8[]) IS NULL}),
	'0', 'every version predicts');

done_testing();
