# A hot standby reads everything, hears of every change also where a model is
# cached, and refuses at once to write.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $primary = kmeans_cluster('primary', allows_streaming => 1);
$primary->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS SELECT x FROM unnest('{1,2,11,12}'::float8[]) x;
SELECT kmeans_fit('m', 'points', k => 2);
SELECT kmeans_set_label('m', 0, 'first');
CREATE FUNCTION state_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'fine';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;
CREATE FUNCTION label_of(x float8) RETURNS text STABLE LANGUAGE plpgsql AS
  $$ BEGIN RETURN kmeans_label('m', x); END $$;
CREATE FUNCTION distance_of(x float8) RETURNS float8 STABLE LANGUAGE plpgsql AS
  $$ BEGIN RETURN kmeans_distance('m', x); END $$;
SQL

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;

# everything that reads
my $content = <<'SQL';
SELECT model, owner, version, k, inertia, fitted_at FROM kmeans_models ORDER BY model;
SELECT * FROM kmeans_versions ORDER BY model, version;
SELECT * FROM kmeans_centroids('m');
SELECT * FROM kmeans_clusters('m');
SELECT * FROM kmeans_iterations('m');
SELECT kmeans_get('m');
SELECT x, kmeans_predict('m', x), kmeans_label('m@1', x), kmeans_distance('m', x), kmeans_transform('m', x) FROM points;
SELECT kmeans_agg(2, ARRAY[x]) FROM points;
SELECT * FROM kmeans_assign('m');
SELECT * FROM kmeans_evaluate('m');
SELECT * FROM kmeans_outliers('m', 'SELECT 50 AS x');
SELECT * FROM kmeans_choose_k('points', k_max => 3);
SELECT * FROM kmeans_profile('m');
SELECT * FROM kmeans_explain('m', 3);
SQL
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', $content), $primary->safe_psql('postgres', $content),
	'the standby shows the same');

# a session that has the model in its cache hears of changes on the primary
my $session = $standby->background_psql('postgres');
is($session->query_safe('SELECT label_of(1)'), 'first', 'cached on the standby');
for my $change (
	[ q{SELECT kmeans_set_label('m', 0, 'second')}, 'second' ],
	[ q{SELECT kmeans_fit('m', 'SELECT x - 10 AS x FROM points', k => 1, replace => true)}, 'second' ],
	[ q{SELECT kmeans_set_label('m', 0, NULL)}, '0' ])
{
	$primary->safe_psql('postgres', $change->[0]);
	$primary->wait_for_catchup($standby);
	is($session->query_safe('SELECT label_of(1)'), $change->[1], "after $change->[0]");
}

# also of numbers that a refresh has changed, and of the way back
my $distance = q{SELECT distance_of(1)};
my $old = $session->query_safe($distance);
$primary->safe_psql('postgres', q{UPDATE points SET x = x + 5; SELECT * FROM kmeans_refresh('m')});
$primary->wait_for_catchup($standby);
is($session->query_safe($distance), $primary->safe_psql('postgres', $distance), 'after a refresh: as on the primary');
isnt($session->query_safe($distance), $old, 'after a refresh: not as before');
$primary->safe_psql('postgres', q{SELECT kmeans_promote('m', 2)});
$primary->wait_for_catchup($standby);
is($session->query_safe($distance), $old, 'after the old version is promoted: as before');

# a role that loses its grant there loses it here
$primary->safe_psql('postgres', q{CREATE ROLE reader; SELECT kmeans_grant('m', 'reader')});
$primary->wait_for_catchup($standby);
$session->query_safe('SET ROLE reader');
is($session->query_safe($distance), $old, 'a grantee reads');
$primary->safe_psql('postgres', q{SELECT kmeans_revoke('m', 'reader')});
$primary->wait_for_catchup($standby);
is($session->query_safe(q{SELECT state_of('SELECT distance_of(1)')}), '42501 permission denied for model "m"', 'until it is revoked');
$session->quit;

# everything that writes
for my $call (
	[ 'kmeans_fit', q{'new', 'points', k => 2} ],
	[ 'kmeans_fit', q{NULL, NULL} ],
	[ 'kmeans_save', q{'new', NULL} ],
	[ 'kmeans_set_label', q{'m', 0, 'x'} ],
	[ 'kmeans_rename', q{'m', 'n'} ],
	[ 'kmeans_drop', q{'no such model', true} ],
	[ 'kmeans_refresh', q{'m'} ],
	[ 'kmeans_promote', q{'m', 1} ],
	[ 'kmeans_prune', q{'m', 1} ],
	[ 'kmeans_set_owner', q{'m', 'reader'} ],
	[ 'kmeans_grant', q{'m', 'public'} ],
	[ 'kmeans_revoke', q{'m', 'public'} ])
{
	my ($function, $arguments) = @$call;

	like($standby->safe_psql('postgres', "SELECT state_of(\$\$SELECT $function($arguments)\$\$)"),
		qr/^25006 cannot execute $function\(\)/, "$function($arguments) is refused");
}

# after a promotion the standby goes on where the primary was
$standby->promote;
is($standby->safe_psql('postgres', q{SELECT version FROM kmeans_fit('m', 'points', k => 2, replace => true)}),
	'4', 'the promoted standby writes');

done_testing();
