# pg_upgrade from an older server: models, versions, labels, grants and values
# of a user's own arrive as they were, and life goes on.
#
# KMEANS_OLD_INSTALL is where the older server is installed, KMEANS_OLD_TEST_CONF
# its settings to find the extension built for it; test/servers.sh has both.

use strict;
use warnings;

use KmeansDump;
use KmeansTest;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $old_install = $ENV{KMEANS_OLD_INSTALL}
  or plan skip_all => 'there is no older server to come from; see test/servers.sh';

# the older server first; what finds the extension differs
my $new_conf = $ENV{KMEANS_TEST_CONF};
$ENV{KMEANS_TEST_CONF} = $ENV{KMEANS_OLD_TEST_CONF};
my $old = kmeans_cluster('old', install_path => $old_install);
dump_fill($old);
my $before = dump_content($old, 'postgres');
like($before, qr/größe/, 'there is something to upgrade');
$old->stop;

my $new = PostgreSQL::Test::Cluster->new('new');
$new->init(no_data_checksums => 1);
$new->append_conf('postgresql.conf', $new_conf);

my $bindir = $new->config_data('--bindir');
chdir $new->basedir;
command_ok(
	[ 'pg_upgrade', '--no-sync', '-d', $old->data_dir, '-D', $new->data_dir, '-b', "$old_install/bin", '-B', $bindir,
		'-s', $new->host, '-p', $old->port, '-P', $new->port ],
	'pg_upgrade from ' . $old->pg_version . ' to ' . $new->pg_version);
$new->start;
is(dump_content($new, 'postgres'), $before, 'the same tables, values, labels and predictions');
dump_check($new, 'postgres', 'upgraded');

$new->stop;
done_testing();
