# KmeansTest.pm
#     Clusters that find the extension where the test run installed it.
#
# test/setup.sh leaves the settings in KMEANS_TEST_CONF; without it the
# extension is expected in the server's own directories (make install).

package KmeansTest;

use strict;
use warnings;

use Exporter 'import';
use PostgreSQL::Test::Cluster;

our @EXPORT = qw(kmeans_cluster);

# A started cluster with the extension created in the database postgres.
# Arguments are those of PostgreSQL::Test::Cluster's init, and install_path of
# its new.
sub kmeans_cluster
{
	my ($name, %options) = @_;
	my $node = PostgreSQL::Test::Cluster->new($name, install_path => delete $options{install_path});

	$node->init(%options);
	$node->append_conf('postgresql.conf', $ENV{KMEANS_TEST_CONF} // '');
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION kmeans');
	return $node;
}

1;
