# An installation that came by ALTER EXTENSION UPDATE is the same, object for
# object, as one made by CREATE EXTENSION, and its models are still there.
#
# For each script sql/upgrade/kmeans--A--B.sql, test/upgrade/kmeans--A.sql must
# be the install script of version A as it was released.  A made-up version
# shows that the comparison works, and that it sees a difference.

use strict;
use warnings;

use File::Basename qw(basename);
use File::Spec;
use KmeansTest;
use PostgreSQL::Test::RecursiveCopy;
use PostgreSQL::Test::Utils;
use Test::More;

my $installed = $ENV{KMEANS_TEST_ROOT}
  or plan skip_all => 'scripts of other versions need an extension directory of their own, as make test has it';

# --- A directory of extensions to add scripts to

my $root = File::Spec->rel2abs(PostgreSQL::Test::Utils::tempdir('root')) . '/root';
PostgreSQL::Test::RecursiveCopy::copypath($installed, $root);
$ENV{KMEANS_TEST_CONF} =~ s/\Q$installed\E/$root/g;

my $node = kmeans_cluster('update');
my $sharedir = `pg_config --sharedir`;
chomp $sharedir;
my $directory = "$root$sharedir/extension";
my $current = $node->safe_psql('postgres', q{SELECT extversion FROM pg_extension WHERE extname = 'kmeans'});
my $install = slurp_file("$directory/kmeans--$current.sql");

# --- What an installation is made of

# One line per property of each object, without anything that differs between
# two databases; pg_attver is a stamp that some servers put on every column.
my $definition = <<'SQL';
CREATE TEMP VIEW member AS
  SELECT classid, objid, pg_describe_object(classid, objid, 0) AS name
  FROM pg_depend
  WHERE deptype = 'e' AND refclassid = 'pg_extension'::regclass
    AND refobjid = (SELECT oid FROM pg_extension WHERE extname = 'kmeans');
CREATE TEMP VIEW relation AS
  SELECT m.name, c.* FROM member m JOIN pg_class c ON classid = 'pg_class'::regclass AND objid = c.oid;
SELECT line FROM (
SELECT concat_ws(' | ', name, 'comment', obj_description(objid, classid::regclass::name)) FROM member
UNION ALL
SELECT concat_ws(' | ', name, pg_get_functiondef(p.oid), 'acl', proacl)
FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid WHERE prokind <> 'a'
UNION ALL
SELECT concat_ws(' | ', name, pg_get_function_arguments(p.oid), prorettype::regtype, proparallel, provolatile, proisstrict, 'acl', proacl,
  aggkind, aggtransfn, aggfinalfn, aggcombinefn, aggserialfn, aggdeserialfn, aggmtransfn, aggminvtransfn, aggmfinalfn,
  aggfinalextra, aggmfinalextra, aggfinalmodify, aggmfinalmodify, aggsortop, aggtranstype::regtype, aggtransspace,
  aggmtranstype::regtype, aggmtransspace, agginitval, aggminitval)
FROM member JOIN pg_proc p ON classid = 'pg_proc'::regclass AND objid = p.oid JOIN pg_aggregate ON aggfnoid = p.oid
UNION ALL
SELECT concat_ws(' | ', name, relkind, relpersistence, relrowsecurity, reloptions, 'acl', relacl,
  CASE WHEN relkind = 'v' THEN pg_get_viewdef(oid) END)
FROM relation
UNION ALL
SELECT concat_ws(' | ', name, row_number() OVER (PARTITION BY r.oid ORDER BY attnum), attname, format_type(atttypid, atttypmod), attcollation::regcollation,
  attnotnull, attstorage, attcompression, attidentity, attgenerated,
  ARRAY(SELECT o FROM unnest(attoptions) o WHERE o !~ '^pg_attver='), 'acl', attacl, pg_get_expr(adbin, adrelid),
  'comment', col_description(r.oid, attnum))
FROM relation r JOIN pg_attribute ON attrelid = r.oid LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped
UNION ALL
SELECT concat_ws(' | ', name, conname, pg_get_constraintdef(c.oid)) FROM relation r JOIN pg_constraint c ON conrelid = r.oid
UNION ALL
SELECT concat_ws(' | ', name, pg_get_indexdef(indexrelid)) FROM relation r JOIN pg_index ON indrelid = r.oid
UNION ALL
SELECT concat_ws(' | ', name, pg_get_triggerdef(t.oid)) FROM relation r JOIN pg_trigger t ON tgrelid = r.oid
UNION ALL
SELECT concat_ws(' | ', name, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcache, seqcycle)
FROM relation r JOIN pg_sequence ON seqrelid = r.oid
UNION ALL
SELECT concat_ws(' | ', name, typtype, typlen, typalign, typstorage, typinput, typoutput, typreceive, typsend, typcategory,
  typispreferred, typcollation::regcollation, 'acl', typacl)
FROM member JOIN pg_type t ON classid = 'pg_type'::regclass AND objid = t.oid
UNION ALL
SELECT concat_ws(' | ', name, castfunc::regprocedure, castcontext, castmethod)
FROM member JOIN pg_cast t ON classid = 'pg_cast'::regclass AND objid = t.oid
UNION ALL
SELECT concat_ws(' | ', 'in dumps', t::regclass, condition)
FROM pg_extension, unnest(extconfig, extcondition) d(t, condition) WHERE extname = 'kmeans') d(line)
ORDER BY line COLLATE "C";
SQL

# The definition in a new database after some statements.
sub definition_after
{
	my ($db, $statements) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE \"$db\"");
	$node->safe_psql($db, $statements);
	return $node->safe_psql($db, $definition);
}

# What only one of two definitions has.
sub difference
{
	my ($left, $right) = @_;
	my %count;

	$count{$_}++ for split /\n/, $left;
	$count{$_}-- for split /\n/, $right;
	return join("\n", map { ($count{$_} > 0 ? '- ' : '+ ') . $_ } grep { $count{$_} } sort keys %count);
}

# Updated from $old to $new: the same as $new?  And what is in it survives.
sub check_update
{
	my ($old, $new) = @_;
	my $db = "$old to $new";
	my $updated = definition_after($db, <<"SQL");
CREATE EXTENSION kmeans VERSION '$old';
SELECT kmeans_fit('m', 'SELECT * FROM kmeans_iris()', k => 3);
CREATE TABLE kept AS SELECT kmeans_get('m') AS model, kmeans_predict('m', i) AS cluster, i.id FROM kmeans_iris() i;
ALTER EXTENSION kmeans UPDATE TO '$new';
SQL

	my $installed = definition_after("$new after $old", "CREATE EXTENSION kmeans VERSION '$new'");

	is(difference($updated, $installed), '', "$db: the same objects");
	is( $node->safe_psql($db, <<'SQL'), "t\n150\n2", "$db: models are kept");
SELECT model::text = kmeans_get('m')::text FROM kept LIMIT 1;
SELECT count(*) FROM kmeans_iris() i JOIN kept USING (id) WHERE kmeans_predict('m', i) = kept.cluster;
SELECT version FROM kmeans_fit('m', 'SELECT * FROM kmeans_iris()', k => 2, replace => true);
SQL
	return;
}

# --- Every version that can be updated

my @scripts = map { basename($_) } glob("$directory/kmeans--*--*.sql");
for my $script (@scripts)
{
	my ($old) = $script =~ /^kmeans--(.*?)--/;

	append_to_file("$directory/kmeans--$old.sql", slurp_file("test/upgrade/kmeans--$old.sql"));
	check_update($old, $current);
}
note(scalar(@scripts) . ' upgrade scripts');

# --- A made-up one

my $more = <<'SQL';
CREATE FUNCTION kmeans_more(a int, b int DEFAULT 3) RETURNS int LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT a + b';
COMMENT ON FUNCTION kmeans_more(int, int) IS 'more';
CREATE TABLE kmeans_note (model_id bigint PRIMARY KEY, note text CHECK (note <> ''));
COMMENT ON COLUMN kmeans_note.note IS 'a note';
GRANT SELECT ON kmeans_note TO PUBLIC;
SELECT pg_catalog.pg_extension_config_dump('kmeans_note', 'WHERE model_id > 0');
CREATE VIEW kmeans_notes AS SELECT model, note FROM kmeans_models, kmeans_note;
ALTER FUNCTION kmeans_iris() COST 7;
SQL
append_to_file("$directory/kmeans--$current--new.sql", $more);
append_to_file("$directory/kmeans--new.sql", $install . $more);
check_update($current, 'new');

my $direct = $node->safe_psql("new after $current", $definition);
my $number = 0;
for my $slip (
	[ "COMMENT ON FUNCTION kmeans_more(int, int) IS 'more';", '', 'a comment' ],
	[ 'STABLE PARALLEL SAFE', 'VOLATILE', 'how a function may be called' ],
	[ 'DEFAULT 3', 'DEFAULT 4', 'a default' ],
	[ "'SELECT a + b'", "'SELECT a - b'", 'a body' ],
	[ 'PRIMARY KEY', '', 'an index' ],
	[ "CHECK (note <> '')", '', 'a constraint' ],
	[ 'note text', 'note varchar', 'a type' ],
	[ 'GRANT SELECT ON kmeans_note TO PUBLIC;', '', 'a grant' ],
	[ 'WHERE model_id > 0', '', 'which rows a dump has' ],
	[ "FROM kmeans_models, kmeans_note;", 'FROM kmeans_note, kmeans_models;', 'a view' ],
	[ 'COST 7', 'COST 8', 'a cost' ])
{
	my ($right, $wrong, $what) = @$slip;
	my $version = 'slip' . $number++;
	(my $script = $more) =~ s/\Q$right\E/$wrong/ or die $what;

	append_to_file("$directory/kmeans--$current--$version.sql", $script);
	my $updated = definition_after($version,
		"CREATE EXTENSION kmeans VERSION '$current'; ALTER EXTENSION kmeans UPDATE TO '$version'");
	isnt(difference($updated, $direct), '', "$what that differs is seen");
}

$node->stop;
done_testing();
