# Inputs that fuzzing has found (test/fuzz), read again through SQL: each is a
# value that survives its text, or an error that malformed input has.  And
# values of the catalog as nobody has written them.

use strict;
use warnings;

use KmeansTest;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = kmeans_cluster('corpus');
my $corpus = __FILE__ =~ s,[^/]*/[^/]*$,fuzz/corpus,r;

$node->safe_psql('postgres', <<'SQL');
-- a type of the same bytes
SET client_min_messages = error;
CREATE TYPE raw;
CREATE FUNCTION raw_in(cstring) RETURNS raw LANGUAGE internal IMMUTABLE STRICT AS 'byteain';
CREATE FUNCTION raw_out(raw) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'byteaout';
CREATE TYPE raw (INPUT = raw_in, OUTPUT = raw_out, ALIGNMENT = double, STORAGE = external);
CREATE CAST (raw AS kmeans_model) WITHOUT FUNCTION;
CREATE TABLE inputs (target text, name text, bytes bytea);
CREATE TABLE received (model kmeans_model);

-- what becomes of an input
CREATE FUNCTION answer(target text, bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  model kmeans_model;
BEGIN
  model := CASE target
    WHEN 'text' THEN convert_from(bytes, 'UTF8')::kmeans_model
    WHEN 'stored' THEN bytes::text::raw::kmeans_model::text::kmeans_model END;
  RETURN CASE WHEN model::text::kmeans_model::text = model::text AND kmeans_model_send(model) IS NOT NULL
    AND (SELECT count(*) >= 1 FROM kmeans_clusters(model)) THEN 'a model' ELSE 'another model' END;
EXCEPTION WHEN OTHERS THEN
  RETURN SQLSTATE;
END $$;
SQL

sub read_file
{
	my ($file) = @_;

	open my $handle, '<:raw', $file or die "$file: $!";
	local $/ = undef;
	return scalar <$handle>;
}

my %expected = (text => '22P02|a model', stored => 'XX001|a model');
for my $target (sort keys %expected)
{
	my $script = '';
	my @files = glob("$corpus/$target/*");

	cmp_ok(scalar(@files), '>', 10, "$target: there are inputs");
	for my $file (@files)
	{
		$script .= "INSERT INTO inputs VALUES ('$target', '" . ($file =~ s,.*/,,r) . "', '\\x" . unpack('H*', read_file($file)) . "');\n";
	}
	$node->safe_psql('postgres', $script);
}
# Text with a zero byte, or not in the encoding, never gets to the type.  Options
# are carried and not looked at: the text of a value in which they are damaged may
# be refused.
is($node->safe_psql('postgres', q{SELECT target, answer, count(*), min(name) FROM (SELECT target, name, answer(target, bytes) FROM inputs) a
  WHERE answer NOT IN ('a model', CASE target WHEN 'text' THEN '22P02' ELSE 'XX001' END, '54000')
    AND NOT (target = 'text' AND answer = '22021' OR target = 'stored' AND answer = '22P02') GROUP BY 1, 2}), '', 'values and texts: a model, or the right error');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM inputs WHERE answer(target, bytes) = 'a model'}), '>', 0, 'some are models');

# COPY's binary form: a header, one row of one column, the end
my @wrong;
for my $file (glob("$corpus/binary/*"))
{
	my $bytes = read_file($file);
	my $input = "PGCOPY\n\xff\r\n\0" . pack('N N n N', 0, 0, 1, length $bytes) . $bytes . pack('n', 0xffff);
	my $path = $node->basedir . '/input';
	my ($result, $stdout, $stderr);

	open my $handle, '>:raw', $path or die $!;
	print $handle $input;
	close $handle;
	($result, $stdout, $stderr) = $node->psql('postgres', "\\set VERBOSITY sqlstate\nCOPY received FROM '$path' WITH (FORMAT binary)");
	push @wrong, "$file: $stderr" if $result != 0 && $stderr !~ /22P02|22P03|08P01|22021|54000/;
}
is("@wrong", '', 'binary: a model, or the right error');

# --- The catalog

$node->safe_psql('postgres', <<'SQL');
SET client_min_messages = error;
SELECT kmeans_fit('m', $$SELECT i AS x, i % 3 AS y, CASE i % 2 WHEN 0 THEN 'a' ELSE 'b' END AS c FROM generate_series(1, 20) i$$, '{x,y,c}', k => 3, scale => 'standard', on_null => 'mean');

-- a value that does not belong there, for each type of column
CREATE TABLE strange (type text, value text);
INSERT INTO strange
  SELECT t, v FROM unnest(ARRAY['integer', 'bigint']) t, unnest(ARRAY['0', '-1', '1', '2147483647', '-2147483648', NULL]) v
  UNION ALL
  SELECT 'double precision', v FROM unnest(ARRAY['0', '-1', '1e308', '-0', 'NaN', 'Infinity', '-Infinity', '1e-320', NULL]) v
  UNION ALL
  SELECT 'double precision[]', v FROM unnest(ARRAY['{}', '{1}', '{NULL,1,2,3}', '{NaN,1,2,3}', '{Infinity,1,2,3}', '{-1,-1,-1,-1}', '{0,0,0,0}', '{{1,2},{3,4}}', '[0:3]={1,2,3,4}', '{1,2,3,4,5}', '{1e308,1e308,1e308,1e308}', NULL]) v
  UNION ALL
  SELECT 'text', v FROM unnest(ARRAY['', 'x', repeat('x', 100000), '%s%n', '{}', 'euclidean', NULL]) v
  UNION ALL
  SELECT 'text[]', v FROM unnest(ARRAY['{}', '{x}', '{NULL}', '{x,x,x}', '{{x,y},{c,d}}', '[0:2]={x,y,c}', '{"",y,c}', '{x,y,c,d}', NULL]) v
  UNION ALL
  SELECT 'integer[]', v FROM unnest(ARRAY['{}', '{0}', '{-1,1,1}', '{NULL,1,1}', '{1,1,2147483647}', '{{1,1,2}}', NULL]) v
  UNION ALL
  SELECT 'jsonb', v FROM unnest(ARRAY['{}', '[]', 'null', '1', '"x"', '{"k": -1}', '{"k": "x", "metric": 1}', '{"x": {"y": []}}', NULL]) v
  UNION ALL
  SELECT 'boolean', v FROM unnest(ARRAY['t', 'f', NULL]) v
  UNION ALL
  SELECT 'timestamp with time zone', v FROM unnest(ARRAY['infinity', '-infinity', NULL]) v
  UNION ALL
  SELECT 'interval', v FROM unnest(ARRAY['-1 day', '178000000 years', NULL]) v
  UNION ALL
  SELECT 'regrole', v FROM unnest(ARRAY['postgres', '0', NULL]) v;

-- put it into every row of the column, look at the model in every way, and say
-- how that ended
CREATE FUNCTION try(relation text, field text, type text, value text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  answer text := 'fine';
  look text;
BEGIN
  BEGIN
    EXECUTE format('UPDATE %s SET %I = %L::%s', relation, field, value, type);
    FOREACH look IN ARRAY ARRAY['kmeans_get(''m'')::text', 'kmeans_predict(''m'', 1, 2, ''a'')', 'kmeans_clusters(''m'')', 'kmeans_profile(''m'')',
      'kmeans_describe(''m'')', 'kmeans_iterations(''m'')', 'kmeans_list_models()', 'kmeans_list_versions()', 'kmeans_assign(''m'')',
      'kmeans_fit(''m'', ''SELECT 1 AS x'', k => 1, replace => true)', 'kmeans_set_label(''m'', 0, ''x'')', 'kmeans_drop(''m'')'] LOOP
      BEGIN
        EXECUTE 'SELECT count(*) FROM (SELECT ' || look || ') l';
      EXCEPTION WHEN OTHERS THEN
        IF SQLSTATE NOT IN ('XX001', '42704', '42501', '55000', '22023', '42703', '42601', '0A000', '42P01', '22003', '22008', '22P02')
          AND NOT (SQLSTATE = '54000' AND SQLERRM LIKE '%no version numbers left') THEN
          answer := look || ': ' || SQLSTATE || ' ' || SQLERRM;
        END IF;
      END;
    END LOOP;
    RAISE EXCEPTION USING ERRCODE = 'P0001', MESSAGE = answer;
  EXCEPTION
    WHEN raise_exception THEN RETURN SQLERRM;
    -- refused by the table itself
    WHEN check_violation OR not_null_violation OR unique_violation OR program_limit_exceeded THEN RETURN 'refused';
  END;
END $$;
CREATE TABLE tried AS
  SELECT c.relation, c.field, s.value, try(c.relation, c.field, c.type, s.value) AS answer
  FROM (SELECT attrelid::regclass::text AS relation, attname AS field, format_type(atttypid, atttypmod) AS type
        FROM pg_attribute WHERE attrelid IN ('kmeans_catalog'::regclass, 'kmeans_version'::regclass, 'kmeans_centroid'::regclass, 'kmeans_iteration'::regclass)
          AND attnum > 0 AND NOT attisdropped) c LEFT JOIN strange s ON s.type = c.type;
SQL
is($node->safe_psql('postgres', q{SELECT * FROM tried WHERE answer NOT IN ('fine', 'refused')}), '', 'catalog: nothing unforeseen');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM tried WHERE answer = 'refused'}), '>', 100, 'catalog: much is refused');
cmp_ok($node->safe_psql('postgres', q{SELECT count(*) FROM tried WHERE answer = 'fine'}), '>', 20, 'catalog: the rest was looked at');
is($node->safe_psql('postgres', q{SELECT DISTINCT relation, field FROM tried WHERE value IS NULL AND answer IS NULL}), '', 'catalog: every column was tried');
is($node->safe_psql('postgres', q{SELECT kmeans_predict('m', 1, 2, 'a') IS NOT NULL}), 't', 'catalog: the model stands');
unlike(slurp_file($node->logfile), qr/PANIC|TRAP|was terminated by|leak/, 'the server lives');

$node->stop;
done_testing();
