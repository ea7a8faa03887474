# A backend killed while it writes: the server comes back with every committed
# model byte for byte, and with nothing of the one that was being written.

use strict;
use warnings;

use IPC::Run ();
use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('crash');
$node->append_conf('postgresql.conf', "restart_after_crash = on\n");
$node->restart;

$node->safe_psql('postgres', <<'SQL');
CREATE TABLE points AS SELECT x FROM kmeans_make_blobs(2000, 20, 40, seed => 3);
SELECT kmeans_fit('kept', 'points', k => 20);
SELECT kmeans_fit('kept', 'points', k => 10, replace => true);
SELECT kmeans_set_label('kept', 3, 'committed');
SELECT kmeans_fit('dropped by the dead', 'points', k => 2);
CHECKPOINT;
SQL

my $content = <<'SQL';
SELECT * FROM kmeans_catalog ORDER BY model_id;
SELECT * FROM kmeans_version ORDER BY model_id, version;
SELECT * FROM kmeans_centroid ORDER BY model_id, version, cluster;
SELECT * FROM kmeans_iteration ORDER BY model_id, version, run, iteration;
SELECT kmeans_model_send(kmeans_get(model || '@' || version)) FROM kmeans_versions ORDER BY model, version;
SQL
my $before = $node->safe_psql('postgres', $content);

# Have a session change everything and not commit, then kill it.
sub kill_writer
{
	my ($statements, $how) = @_;
	my ($in, $out, $err) = ('', '', '');
	my $psql = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-v', 'ON_ERROR_STOP=1',
			'-f', '-', '-d', $node->connstr('postgres') ],
		'<', \$in, '>', \$out, '2>', \$err, IPC::Run::timeout(60));
	my $pid;

	$in .= "SELECT 'pid ' || pg_backend_pid();\n";
	pump_until($psql, IPC::Run::timeout(60), \$out, qr/pid (\d+)\n/m);
	($pid) = $out =~ /pid (\d+)/;
	$in .= "BEGIN;\n$statements\nSELECT 'written';\n";
	pump_until($psql, IPC::Run::timeout(60), \$out, qr/written/m);
	# the pages, too, may have reached the disk before the end
	$node->safe_psql('postgres', 'CHECKPOINT');
	is(kill('KILL', $pid), 1, "$how: the backend is killed");
	$psql->finish;
	# some connections are refused while the server recovers
	ok($node->poll_query_until('postgres', undef, ''), "$how: the server restarts");
	is($node->safe_psql('postgres', $content), $before, "$how: committed models are the same, byte for byte");
	return;
}

kill_writer(<<'SQL', 'new model');
SELECT kmeans_fit('never', 'points', k => 30);
SQL

kill_writer(<<'SQL', 'changes');
SELECT kmeans_fit('kept', 'points', k => 30, replace => true);
SELECT kmeans_set_label('kept@2', 3, 'lost'), kmeans_set_label('kept@1', 0, 'lost');
SELECT kmeans_rename('kept', 'renamed');
SELECT kmeans_drop('dropped by the dead');
SQL

# neither name nor version nor lock of the dead is in the way
is($node->safe_psql('postgres', q{SELECT version FROM kmeans_fit('never', 'points', k => 2)}),
	'1', 'the name is free');
is($node->safe_psql('postgres', q{SELECT version FROM kmeans_fit('kept', 'points', k => 2, replace => true)}),
	'3', 'the version is free');
is( $node->safe_psql('postgres', q{SELECT label FROM kmeans_clusters('kept@2') WHERE cluster = 3}),
	'committed', 'the label is the committed one');
$node->safe_psql('postgres', q{VACUUM kmeans_catalog; VACUUM kmeans_version; VACUUM kmeans_centroid});
is($node->safe_psql('postgres', q{SELECT kmeans_drop(model) FROM kmeans_models ORDER BY 1}),
	"t\nt\nt", 'all models can be dropped');

done_testing();
