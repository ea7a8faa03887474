# A nightly refresh, but by the minute: pg_cron runs it as the model's
# owner, two that fall together follow one another, readers notice nothing but
# the new version, and nobody else's schedule gets anywhere.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $sharedir = `pg_config --sharedir`;
chomp $sharedir;
plan skip_all => 'pg_cron is not installed' if !-f "$sharedir/extension/pg_cron.control";

my $node = kmeans_cluster('schedule');
$node->append_conf('postgresql.conf', "shared_preload_libraries = 'pg_cron'\ncron.host = '" . $node->host . "'");
$node->restart;
$node->safe_psql('postgres', <<'SQL');
CREATE EXTENSION pg_cron;
CREATE ROLE analyst LOGIN;
CREATE ROLE stranger LOGIN;
CREATE ROLE reader LOGIN;
GRANT CREATE ON SCHEMA public TO analyst;
GRANT USAGE ON SCHEMA cron TO analyst, stranger;
SQL

# --- A model, and then other rows

my @analyst = (extra_params => [ '-U', 'analyst' ]);
$node->safe_psql('postgres', <<'SQL', @analyst);
CREATE TABLE visits AS SELECT x, y FROM unnest('{1,2,3,21,22,23,51,52,53}'::float8[], '{5,4,5,90,91,90,40,41,40}'::float8[]) v(x, y);
SELECT kmeans_fit('segments', 'SELECT x, y FROM visits, pg_sleep(1.5)', k => 3);
SELECT kmeans_set_label('segments', 1, 'the middle');
SELECT kmeans_grant('segments', 'reader');
INSERT INTO visits VALUES (26, 92), (27, 91);
SQL

# --- Two refreshes of it at the same time, by its owner; one by a stranger

my $refresh = q{$$SELECT * FROM kmeans_refresh('segments')$$};
my @stranger = (extra_params => [ '-U', 'stranger' ]);

$node->safe_psql('postgres', <<"SQL", @analyst);
SELECT cron.schedule('segments', '* * * * *', $refresh);
SELECT cron.schedule('the same, and prune', '* * * * *', \$\$SELECT * FROM kmeans_refresh('segments'); SELECT kmeans_prune('segments', keep => 100)\$\$);
SQL
$node->safe_psql('postgres', "SELECT cron.schedule('not mine', '* * * * *', $refresh)", @stranger);

# meanwhile a session reads, which pg_cron knows nothing of
my @reader = (extra_params => [ '-U', 'reader' ]);
my $label = q{SELECT kmeans_label('segments', 30, 90)};
my $waiting = q{FROM pg_stat_activity WHERE usename = 'analyst' AND query LIKE '%kmeans_refresh%' AND state = 'active' AND wait_event_type = 'Lock'};

ok($node->poll_query_until('postgres', "SELECT count(*) > 0 $waiting"), 'one refresh waits for the other');
is($node->safe_psql('postgres', $label, @reader), 'the middle', 'a reader waits for neither');
ok($node->poll_query_until('postgres', q{SELECT version >= 3 FROM kmeans_models WHERE model = 'segments'}), 'both bring a version');
ok($node->poll_query_until('postgres', q{SELECT count(DISTINCT jobid) = 3 FROM cron.job_run_details WHERE status IN ('succeeded', 'failed')}),
	'pg_cron has seen all three end');
$node->safe_psql('postgres', 'SELECT cron.unschedule(jobid) FROM cron.job');
ok($node->poll_query_until('postgres', q{SELECT count(*) = 0 FROM cron.job_run_details WHERE status NOT IN ('succeeded', 'failed')}),
	'the last ones end');

# --- What came of it

is( $node->safe_psql('postgres', q{
		SELECT username, count(DISTINCT jobid), bool_and(status = 'succeeded') FROM cron.job_run_details WHERE username = 'analyst' GROUP BY username}),
	'analyst|2|t', 'as the owner, with success');
is( $node->safe_psql('postgres', q{
		SELECT DISTINCT username, status FROM cron.job_run_details WHERE return_message LIKE '%permission denied for model "segments"%'}),
	'stranger|failed', 'as somebody else, without');
is( $node->safe_psql('postgres', q{
		SELECT (SELECT count(*) FROM kmeans_versions) - (SELECT count(*) FROM cron.job_run_details WHERE status = 'succeeded')}),
	'1', 'a version for each run, and the first');
is( $node->safe_psql('postgres', q{
		SELECT DISTINCT n_rows, fitted_by, converged FROM kmeans_versions WHERE version > 1;
		SELECT max(version) = (SELECT version FROM kmeans_models) FROM kmeans_versions}),
	"11|analyst|t\nt", 'with the new rows, and in use');
is($node->safe_psql('postgres', $label, @reader), 'the middle', 'names stay with their clusters');

$node->stop;
done_testing();
