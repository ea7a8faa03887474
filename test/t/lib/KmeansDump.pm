# KmeansDump.pm
#     A database with every form a model is kept in, and what must be the same
#     of it wherever it is restored.
#
#     dump_fill($node)                    in the database postgres of a new cluster
#     dump_content($node, $db)            a text to compare
#     dump_check($node, $db, $how)        after comparing: does life go on?

package KmeansDump;

use strict;
use warnings;

use Exporter 'import';
use Test::More;

our @EXPORT = qw(dump_fill dump_content dump_check);

# names and labels are the least convenient ones
sub dump_fill
{
	my ($node) = @_;

	$node->safe_psql('postgres', <<'SQL');
CREATE ROLE "an ""owner""";
CREATE ROLE reader;
CREATE ROLE gone;
CREATE ROLE backup LOGIN IN ROLE pg_read_all_data;
GRANT CREATE ON SCHEMA public TO PUBLIC;
CREATE TABLE points AS
  SELECT i AS id, x[1] AS "a b", x[2] * 1e-7 AS b, i % 3 AS w,
         ARRAY[x[1], x[2]] AS v, i % 2 = 0 AS flag, CASE i % 3 WHEN 0 THEN 'größer' WHEN 1 THEN E'{"\\N\t' ELSE '' END AS kind
  FROM kmeans_make_blobs(90, 3, seed => 1) m(i, x, y);
GRANT SELECT ON points TO PUBLIC;
SET ROLE "an ""owner""";
SELECT kmeans_fit(E'it''s "a" \\ %s $q$', 'SELECT * FROM points',
                  ARRAY['a b', 'b', 'v', 'flag'], k => 3, scale => 'standard', weight => 'w', id_column => 'id');
SELECT kmeans_fit(E'it''s "a" \\ %s $q$', 'SELECT * FROM points',
                  ARRAY['a b', 'b', 'v', 'flag'], k => 4, on_null => 'mean', replace => true);
SELECT kmeans_set_label(E'it''s "a" \\ %s $q$@1', 2, E'tab \t newline \n größe \\N');
SELECT kmeans_promote(E'it''s "a" \\ %s $q$', 1);
SELECT kmeans_fit('größe', 'points', ARRAY['kind', 'b'], k => 3);
SELECT kmeans_fit('cosine', 'points', ARRAY['a b', 'b'], k => 2, metric => 'cosine', scale => 'minmax');
SELECT kmeans_grant('cosine', r) FROM unnest('{reader,gone,public}'::text[]) r;
RESET ROLE;
SELECT kmeans_save('saved', kmeans_get('cosine'));
CREATE TABLE vault AS SELECT 'cosine' AS name, kmeans_get('cosine') AS model;
DROP ROLE gone;
SQL
	return;
}

# the tables themselves; of roles that are gone nothing is dumped
my $tables = <<'SQL';
SELECT * FROM kmeans_catalog ORDER BY model_id;
SELECT * FROM kmeans_version ORDER BY model_id, version;
SELECT * FROM kmeans_centroid ORDER BY model_id, version, cluster;
SELECT * FROM kmeans_iteration ORDER BY model_id, version, run, iteration;
SELECT * FROM kmeans_privilege WHERE grantee::text !~ '^[0-9]+$' ORDER BY model_id, grantee::text;
SQL
my $values = <<'SQL';
SELECT md5(string_agg(kmeans_send, '' ORDER BY model, version)) FROM
  (SELECT model, version, kmeans_model_send(kmeans_get(model || '@' || version)) FROM kmeans_versions) v(model, version, kmeans_send);
SELECT kmeans_model_send(model) FROM vault;
SELECT kmeans_predict('cosine', "a b", b), kmeans_distance(v.model, "a b", b), kmeans_predict('größe', p) FROM points p, vault v ORDER BY id;
SELECT model, cluster, label FROM kmeans_versions, kmeans_clusters(model || '@' || version) ORDER BY model, version, cluster;
SELECT model, owner, ARRAY(SELECT g FROM unnest(grantees) g WHERE g !~ '^[0-9]+$' ORDER BY g), version, versions, source, columns, id_column
FROM kmeans_models ORDER BY model;
SQL

sub dump_content
{
	my ($node, $db) = @_;

	return $node->safe_psql($db, $tables . $values);
}

sub dump_check
{
	my ($node, $db, $how) = @_;

	is( $node->safe_psql($db, q{SET ROLE reader; SELECT count(*) FROM kmeans_clusters('cosine')}),
		'2', "$how: a grantee may still read");
	is( $node->safe_psql($db, q{
			SET ROLE reader; SELECT version FROM kmeans_fit('one more', 'points', ARRAY['b'], k => 2)}),
		'1', "$how: new models get ids of their own");
	is( $node->safe_psql($db, q{
			SET ROLE "an ""owner"""; SELECT version FROM kmeans_fit(E'it''s "a" \\\\ %s $q$', 'points', ARRAY['b'], k => 2, replace => true)}),
		'3', "$how: versions go on counting");
	return;
}

1;
