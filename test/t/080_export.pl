# What kmeans_export writes is understood where the extension is not: SQL by a
# database without it, PMML by its schema, JSON by numpy.

use strict;
use warnings;

use IPC::Run;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('export');

# 10,000 rows: on a grid, so that many lie exactly between centroids, with
# holes, of every kind of column
my $rows = q{
CREATE TYPE tier AS ENUM ('low', 'middle', 'high');
CREATE TABLE rows AS
SELECT i AS id, (i * 7919 % 101)::int AS n, (i * 104729 % 97) / 8.0::float8 AS x, (i * 31 % 1000) / 7::numeric AS "Amount ""net""",
       CASE WHEN i % 11 > 0 THEN i % 3 = 0 END AS yes, (ARRAY['web', 'shop', 'it''s', 'a\b'])[1 + i * 13 % 4] AS channel,
       CASE WHEN i % 17 > 0 THEN (ARRAY['low', 'high', 'middle'])[1 + i % 3]::tier END AS level, (ARRAY['a', 'b'])[1 + i % 2]::char(3) AS side,
       date '1890-03-01' + i * 7 AS day, timestamp '1999-12-31 23:59:58.654321' + i * interval '1 hour 7.000001 s' AS stamp,
       timestamptz '1968-02-29 00:00:00.5+00' - i * interval '1 day' AS moment, i % 29 * interval '-1 mon 13 days 04:05:06.789' AS span,
       ARRAY[i % 7, i * 3 % 11]::real[] AS v, CASE WHEN i % 5 > 0 THEN ARRAY[i % 3, i % 4] END AS w
FROM generate_series(1, 10000) AS i;
};

my %models = (
	euclidean => q{'rows', '{n,x}', k => 9},
	scaled => q{'rows', ARRAY['n', 'x', 'Amount "net"'], k => 8, scale => 'standard'},
	minmax => q{'rows', '{n,x,yes}', k => 5, scale => 'minmax'},
	cosine => q{'rows', '{n,x,v}', k => 6, metric => 'cosine'},
	category => q{'rows', '{x,channel,level,side}', k => 10},
	filled => q{'rows', '{x,level,yes,w}', k => 4, scale => 'standard', on_null => 'mean'},
	dates => q{'rows', '{day,stamp,moment,span}', k => 7, scale => 'minmax'},
	seconds => q{'rows', '{stamp}', k => 3},
	array => q{'rows', '{v,w}', k => 12},
	categories => q{'rows', '{channel,yes}', k => 3, metric => 'cosine', on_null => 'mean'},
	one => q{'rows', '{n}', k => 1},
	many => q{'rows', '{n,x}', k => 100},
	unit => q{'rows', '{n,x}', k => 5, metric => 'cosine'},
	query => q{'SELECT id, n, x * 2 AS y FROM rows WHERE n > 3', '{n,y}', k => 2});

$node->safe_psql('postgres', $rows);
$node->safe_psql('postgres', 'CREATE DATABASE elsewhere TEMPLATE template0');
$node->safe_psql('elsewhere', $rows);
is($node->safe_psql('elsewhere', 'SELECT count(*) FROM pg_extension WHERE extname = \'kmeans\''), '0', 'elsewhere there is no extension');

foreach my $name (sort keys %models)
{
	$node->safe_psql('postgres', "SELECT kmeans_fit('$name', $models{$name})");
	same_labels($name, $name eq 'query' ? undef : 'rows');
	valid_pmml($name);
}

# Ties: rows exactly between the centroids of a model made by hand
$node->safe_psql('postgres', q{
CREATE TABLE ties AS SELECT i AS id, i % 3 - 1.0::float8 AS x, i % 5 - 2.0::float8 AS y FROM generate_series(1, 10000) AS i;
SELECT kmeans_fit('ties', 'SELECT * FROM (VALUES (-1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, -1.0)) AS v (x, y)', '{x,y}', k => 4);
SELECT kmeans_set_label('ties', c, 'it''s "' || c || '"') FROM generate_series(0, 2) AS c});
$node->safe_psql('elsewhere', q{
CREATE TABLE ties AS SELECT i AS id, i % 3 - 1.0::float8 AS x, i % 5 - 2.0::float8 AS y FROM generate_series(1, 10000) AS i});
same_labels('ties', 'ties');

# Strange names, among them those of the exported SELECT itself
my $strange = q{
CREATE TABLE "ro""ws"";" AS SELECT i AS id, i % 10 AS "a ""b"" %s", i % 7 AS "kmeans:scaled(x)", i % 2 AS "cluster", i % 3 AS "z0", E'<&"\t' || i % 3 AS "d0'"
FROM generate_series(1, 100) AS i;
};
$node->safe_psql($_, $strange) foreach ('postgres', 'elsewhere');
$node->safe_psql('postgres', q{SELECT kmeans_fit('<"&', '"ro""ws"";"', ARRAY['a "b" %s', 'kmeans:scaled(x)', 'cluster', 'z0', 'd0'''], k => 3, scale => 'minmax')});
is($node->safe_psql('elsewhere', "SELECT string_agg(concat(id, ' ', c), ',' ORDER BY id) FROM (" . export('<"&', 'sql') . ') AS s (id, a, k, c1, z, d, c, l)'),
	$node->safe_psql('postgres', q{SELECT string_agg(concat(id, ' ', kmeans_predict('<"&', r)), ',' ORDER BY id) FROM "ro""ws"";" AS r}),
	'strange names are names');
valid_pmml('<"&');

# also where ids are not 0, 1, ...
$node->safe_psql('postgres', q{SELECT kmeans_save('renumbered', (kmeans_get('scaled')::jsonb || '{"ids": [1, 2, 4, 5, 6, 8, 9, 70]}')::kmeans_model)});
numpy_predicts($_) foreach ('scaled', 'renumbered');
sqlite_labels($_) foreach ('euclidean', 'scaled', 'renumbered', 'many', 'one', 'unit');

$node->stop;
done_testing();

sub export
{
	my ($name, $format) = @_;

	return $node->safe_psql('postgres', "SELECT kmeans_export('$name', '$format')");
}

# The exported SELECT gives every row of a table (put in place of the model's own
# source, unless undef) the id and the label that kmeans_predict and kmeans_label
# give it.
sub same_labels
{
	my ($name, $table) = @_;
	my $sql = export($name, 'sql');
	my $source = $node->safe_psql('postgres', "SELECT source FROM kmeans_models WHERE model = '$name'");
	my $labels = q{SELECT string_agg(concat_ws(' ', id, coalesce(cluster::text, 'none'), label), ',' ORDER BY id)};
	my @places = $sql =~ /\Q$source\E/g;

	is(scalar(@places), 1, "$name: the source stands in the exported SQL once");
	$sql =~ s/FROM \(?\Q$source\E\)? AS source/FROM $table AS source/ if defined $table;
	my $predicted = $node->safe_psql('postgres',
		"$labels FROM (SELECT r.id, kmeans_predict('$name', r) AS cluster, kmeans_label('$name', r) AS label FROM " .
		  (defined $table ? $table : "($source)") . ' AS r) AS s');
	my $selected = $node->safe_psql('elsewhere', "$labels FROM ($sql) AS s");

	cmp_ok(length $predicted, '>', 10000, "$name: there are labels");
	ok($predicted eq $selected, "$name: the exported SQL gives the same")
	  or diag(substr($predicted, 0, 200), "\n", substr($selected, 0, 200));
}

sub valid_pmml
{
	my ($name) = @_;
	my $pmml = export($name, 'pmml');
	my $output = '';

	ok(IPC::Run::run([ 'xmllint', '--noout', '--schema', 'test/data/pmml-4-4-clustering.xsd', '-' ],
			'<', \$pmml, '>&', \$output), "$name: its PMML is valid")
	  or diag($output);
}

# The lines of the README, for a scaled model
sub numpy_predicts
{
	my ($name) = @_;
	my ($lines) = slurp_file('README.md') =~ /^```python\n(.*?)^```\n/ms;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $output = '';

	ok(defined $lines, 'the README has lines of Python');
	append_to_file("$dir/model.json", export($name, 'json'));
	append_to_file("$dir/rows.csv", $node->safe_psql('postgres',
			q{COPY (SELECT n, x, "Amount ""net""" FROM rows ORDER BY id) TO STDOUT (FORMAT csv)}) . "\n");
	append_to_file("$dir/predict.py", "import os\nos.chdir('$dir')\n${lines}print(*clusters, sep=',')\n");
	IPC::Run::run([ '/usr/bin/python3', "$dir/predict.py" ], '>', \$output, '2>', \my $errors);
	chomp $output;
	ok($output eq $node->safe_psql('postgres', "SELECT string_agg(kmeans_predict('$name', r)::text, ',' ORDER BY id) FROM rows AS r"),
		"$name: numpy predicts the same from the JSON")
	  or diag($errors);
}

# The exported SELECT, run by a server of another kind
sub sqlite_labels
{
	my ($name) = @_;
	my $dir = PostgreSQL::Test::Utils::tempdir;
	my $sql = export($name, 'sql');
	my $output = '';

	$sql =~ s/FROM \S+ AS source$/FROM plain AS source/;
	append_to_file("$dir/rows.csv", $node->safe_psql('postgres',
			q{COPY (SELECT id, n, x, "Amount ""net""" FROM rows ORDER BY id) TO STDOUT (FORMAT csv)}) . "\n");
	append_to_file("$dir/select.sql", $sql);
	append_to_file("$dir/label.py", <<"PYTHON");
import csv, sqlite3
database = sqlite3.connect(':memory:')
database.execute('CREATE TABLE plain (id INTEGER, n INTEGER, x REAL, "Amount ""net""" REAL)')
database.executemany('INSERT INTO plain VALUES (?, ?, ?, ?)', csv.reader(open('$dir/rows.csv')))
query = open('$dir/select.sql').read()
print(*(row[0] for row in database.execute(f"""SELECT coalesce("cluster" || label, 'none') FROM ({query}) AS s ORDER BY id""")), sep=',')
PYTHON
	IPC::Run::run([ '/usr/bin/python3', "$dir/label.py" ], '>', \$output, '2>', \my $errors);
	chomp $output;
	ok($output eq $node->safe_psql('postgres',
			"SELECT string_agg(coalesce(kmeans_predict('$name', r) || kmeans_label('$name', r), 'none'), ',' ORDER BY id) FROM rows AS r"),
		"$name: SQLite labels the rows alike")
	  or diag($errors, substr($output, 0, 200));
}
