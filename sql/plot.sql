SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
SET extra_float_digits = 1;

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  RETURN sqlstate || ' ' || sqlerrm;
END $$;

-- what XPath finds in a picture; s: stands for the namespace of SVG
CREATE FUNCTION found(picture text, path text) RETURNS text[] LANGUAGE sql AS $$
  SELECT xpath(path, xmlparse(DOCUMENT picture), ARRAY[ARRAY['s', 'http://www.w3.org/2000/svg']])::text[]
$$;
CREATE FUNCTION counted(picture text, path text) RETURNS int LANGUAGE sql AS $$
  SELECT cardinality(found(picture, path))
$$;

-- a picture that fetches something, or runs something
CREATE FUNCTION is_safe(picture text) RETURNS boolean LANGUAGE sql AS $$
  SELECT picture !~* '<script|<foreign|<image|<use|href=|url\(|@import|<[^>]*\son[a-z]+='
$$;

CREATE TABLE iris AS SELECT * FROM kmeans_iris();
CREATE TABLE blobs AS SELECT id, x[1] AS x, x[2] AS y FROM kmeans_make_blobs(300, 4, cluster_std => 0.70, seed => 42);
SELECT k FROM kmeans_fit('plot iris', 'iris', k => 3);
SELECT k FROM kmeans_fit('plot iris z', 'iris', k => 3, scale => 'standard');
SELECT k FROM kmeans_fit('plot blobs', 'blobs', k => 4);
SELECT k FROM kmeans_fit('plot strip', 'iris', '{petal_length}', k => 3);

-- rows, one element each; centroids, red; a legend
SELECT counted(p, '//s:g/s:circle') AS rows, counted(p, '//s:g/s:circle[@class="c0"]') AS c0,
       counted(p, '//s:g/s:circle[@class="c1"]') AS c1, counted(p, '//s:g/s:circle[@class="c2"]') AS c2,
       counted(p, '//s:path[@class="centroid" and @stroke="red"]') AS crosses,
       counted(p, '//s:style') AS styles, is_safe(p)
FROM kmeans_plot('plot iris') p;
SELECT found(p, '//s:text[@class!="t m" and @class!="t e"]/text()') AS texts FROM kmeans_plot('plot iris') p;

-- principal components and their shares, as scikit-learn's PCA
SELECT found(p, '//s:text[starts-with(., "PC")]/text()') AS axes FROM kmeans_plot('plot iris z') p;

-- two features: these; named ones; one of them; a model of one
SELECT found(p, '//s:text[@class="l m"]/text()') AS axes, counted(p, '//s:g/s:circle') AS rows FROM kmeans_plot('plot blobs') p;
SELECT found(p, '//s:text[@class="l m"]/text()') AS axes FROM kmeans_plot('plot iris', 'petal_width', 'sepal_length') p;
SELECT found(p, '//s:text[@class="l m"]/text()') AS axes FROM kmeans_plot('plot iris', x => 'petal_width') p;
SELECT found(p, '//s:text[@class="l m"]/text()') AS axes, counted(p, '//s:g/s:circle') AS rows FROM kmeans_plot('plot strip') p;
-- where a row lies: the frame of axis y is from 548 to 58
SELECT count(DISTINCT y) > 140 AS spread, min(y) > 58 AND max(y) < 548 AS inside
FROM kmeans_plot('plot strip') p, unnest(found(p, '//s:g/s:circle/@cy')) y0, CAST(y0 AS float8) y;

-- ticks at 1, 2 or 5 times a power of ten
SELECT found(p, '//s:text[@class="t m"]/text()') AS x, found(p, '//s:text[@class="t e" and @x<60]/text()') AS y FROM kmeans_plot('plot blobs') p;

-- by name and by position; size; title
SELECT kmeans_plot('plot iris', 'petal_length', 'petal_width', 'iris', 2000, 800, 600, 'T') =
       kmeans_plot(model => 'plot iris', x => 'petal_length', y => 'petal_width', source => 'TABLE iris', max_points => 2000,
                   width => 800, height => 600, title => 'T') AS same;
SELECT found(p, '/s:svg/@width | /s:svg/@height | /s:svg/@viewBox') AS size, found(p, '/s:svg/s:title/text()') AS title
FROM kmeans_plot('plot iris', width => 400, height => 300, title => 'Flowers') p;
SELECT counted(p, '//s:text[@class="h"]/text()') AS headings FROM kmeans_plot('plot iris', title => '') p;
SELECT counted(p, '//s:circle') AS circles, counted(p, '//s:text[.="centroid"]') AS legend FROM kmeans_plot('plot iris', width => 200, height => 200) p;

-- fewer rows than there are: distinct ones, whatever their order
SELECT counted(p, '//s:g/s:circle') AS rows, found(p, '//s:text[@class="n"]/text()') AS note FROM kmeans_plot('plot iris', max_points => 40) p;
SELECT kmeans_plot('plot iris', max_points => 40, source => 'SELECT * FROM iris ORDER BY petal_width, id') =
       kmeans_plot('plot iris', max_points => 40) AS same;
SELECT count(*) FROM (
  SELECT unnest(found(kmeans_plot('plot iris', 'petal_length', 'petal_width', max_points => 40), '//s:g/s:circle/@cx'))
  EXCEPT
  SELECT unnest(found(kmeans_plot('plot iris', 'petal_length', 'petal_width', max_points => 41), '//s:g/s:circle/@cx'))) s;

-- rows without a value are not drawn; another source
SELECT counted(p, '//s:g/s:circle') AS rows, found(p, '//s:text[@class="n"]/text()') AS note
FROM kmeans_plot('plot blobs', source => 'SELECT * FROM (VALUES (1.0, 2.0), (NULL, 3.0), (4.0, 5.0)) AS v (x, y)') p;
SELECT counted(p, '//s:g/s:circle') AS rows FROM kmeans_plot('plot blobs', source => 'SELECT 1 AS x, 1e12 AS y') p;

-- rows that are all without a value; categories
SELECT counted(p, '//s:g/s:circle') AS rows, counted(p, '//s:path[@class="centroid"]') AS crosses, found(p, '//s:text[@class="n"]/text()') AS note
FROM kmeans_plot('plot iris', source => 'SELECT *, NULL::float8 AS petal_width FROM (SELECT sepal_length, sepal_width, petal_length FROM iris) s') p;
SELECT found(p, '//s:text[@class="n m"]/text()') AS why_not, xml_is_well_formed_document(r) AS report
FROM CAST('SELECT NULL::float8 AS petal_length' AS text) AS source, kmeans_plot_silhouette('plot strip', source) p, kmeans_report('plot strip', source) r;
SELECT k FROM kmeans_fit('plot species', 'iris', '{species,petal_length}', k => 3, init_centroids => '{{1,0,0,1},{0,1,0,4},{0,0,1,6}}');
SELECT found(p, '//s:text[@class="l m"]/text()') AS axes, counted(p, '//s:g/s:circle') AS rows FROM kmeans_plot('plot species', 'species=setosa', 'petal_length') p;

-- more clusters than colours: other shapes; more than a legend has lines for
CREATE TABLE many AS SELECT i, i % 7 AS j, i * i % 11 AS k FROM generate_series(1, 400) i;
SELECT k FROM kmeans_fit('plot many', 'many', k => 40);
SELECT counted(p, '//s:g/s:circle') + counted(p, '//s:g/s:rect') + counted(p, '//s:g/s:path') AS rows,
       counted(p, '//s:g/s:rect') > 0 AND counted(p, '//s:g/s:path') > 0 AS shapes,
       counted(p, '//s:path[@class="centroid"]') AS crosses,
       found(p, '//s:text[contains(., " more")]/text()') AS more
FROM kmeans_plot('plot many') p;

-- dates, times and intervals
CREATE TABLE times AS SELECT date '2023-11-20' + i AS day, timestamptz '2024-02-28 12:00 UTC' + i * interval '7 minutes' AS at,
  i * interval '90 minutes' AS took, 1900000 + 37000 * (i % 17) AS cents FROM generate_series(0, 200) i;
SELECT k FROM kmeans_fit('plot times', 'times', k => 3, scale => 'standard');
SELECT found(p, '//s:text[@class="t m"]/text()') AS ticks, found(p, '//s:text[@class="l m"]/text()') AS axes FROM kmeans_plot('plot times', 'day', 'took') p;
SELECT found(p, '//s:text[@class="t m"]/text()') AS ticks, found(p, '//s:text[@class="l m"]/text()') AS axes FROM kmeans_plot('plot times', 'at', 'took') p;
SELECT found(p, '//s:text[@class="t m"]/text()') AS ticks, found(p, '//s:text[@class="l m"]/text()') AS axes FROM kmeans_plot('plot times', 'took') p;
SELECT found(p, '//s:text[@class="t m"]/text()') AS ticks FROM kmeans_plot('plot times', 'cents') p;

-- one value; values far out
SELECT source, found(p, '//s:text[@class="t m"]/text()') AS ticks, counted(p, '//s:g/s:circle') AS rows
FROM unnest(ARRAY['SELECT 7 AS x, 0 AS y', 'SELECT 1e9 + i / 1e6 AS x, i AS y FROM generate_series(1, 3) i',
                  'SELECT i * 1e-9 AS x, i AS y FROM generate_series(-2, 2) i',
                  'SELECT i * 1e150 AS x, i AS y FROM generate_series(-2, 2) i']) source,
     kmeans_plot('plot blobs', x => 'x', source => source, max_points => 10) p;


SELECT k FROM kmeans_fit('plot one', 'SELECT 7 AS x', k => 1);
SELECT found(p, '//s:text[@class="t m"]/text()') AS ticks FROM kmeans_plot('plot one') p;

-- hostile names stay text
CREATE TABLE hostile AS SELECT id, x AS "<script>alert('x')</script>", y AS "a ""quoted"" & very very long feature name that ends nowhere near" FROM blobs;
SELECT k FROM kmeans_fit('plot </title><script>', 'hostile', k => 4);
SELECT kmeans_set_label('plot </title><script>', 0, '<script>alert("hi")</script>'), kmeans_set_label('plot </title><script>', 1, E'bell\x07 & <tab>\t''"'),
       kmeans_set_label('plot </title><script>', 2, ']]>'), kmeans_set_label('plot </title><script>', 3, '&amp;<!--');
SELECT is_safe(p), found(p, '/s:svg/s:title/text()') AS title, found(p, '//s:path[@class="centroid"]/s:title/text()') AS labels,
       found(p, '//s:text[@class="l m"]/text()') AS axes
FROM kmeans_plot('plot </title><script>') p;
SELECT is_safe(p) AND counted(p, '//s:text/s:title') > 0 AS shortened
FROM kmeans_plot('plot </title><script>', width => 300, title => repeat('"><svg onload=alert(1)>' || chr(1), 20)) p;

-- kmeans_plot_elbow: six criteria, each with its winner
SELECT found(p, '//s:text[contains(@class, "l b") and not(contains(@class, "e"))]/text()') AS criteria,
       found(p, '//s:text[@class="l b e" or @class="l e"]/text()') AS best, counted(p, '//s:circle[@class="best"]') AS rings,
       counted(p, '//s:path[@class="curve"]') AS curves, counted(p, '//s:circle[@class="c0"]') AS points, is_safe(p)
FROM kmeans_plot_elbow('iris') p;
SELECT kmeans_plot_elbow('iris', '{petal_length,petal_width}', 1, 4, 'standard', 'cosine', 3, 7, 50, 'error', 'sepal_width', 'id') =
       kmeans_plot_elbow(source => 'TABLE iris', columns => '{petal_length,petal_width}', k_min => 1, k_max => 4, scale => 'standard', metric => 'cosine',
                         n_init => 3, seed => 7, sample_rows => 50, on_null => 'error', weight => 'sepal_width', id_column => 'id') AS same;
SELECT found(p, '//s:text[@class="n"]/text()') AS note, found(p, '//s:text[@class="t m"]/text()') AS ticks
FROM kmeans_plot_elbow('iris', '{petal_length}', k_min => 2, k_max => 4, sample_rows => 20) p;
SELECT found(p, '//s:text[@class="n m"]/text()') AS missing, found(p, '//s:text[@class="l e"]/text()') AS unclear
FROM kmeans_plot_elbow('iris', k_max => 1) p;
SELECT counted(p, '//s:path[@class="curve"]') AS curves, counted(p, '//s:circle[@class="c0"]') AS points, length(p) < 20000 AS small
FROM kmeans_plot_elbow('iris', k_max => 80, n_init => 1) p;
SELECT error_of('SELECT kmeans_plot_elbow(''iris'', ' || call || ')') AS error
FROM unnest(ARRAY['k_min => 0', 'k_min => 3, k_max => 2', 'k_max => NULL', 'sample_rows => 0', 'columns => ''{nothing}''']) AS call;

-- kmeans_plot_profile: clusters x features
SELECT found(p, '//s:text[@transform]/text()') AS features, found(p, '//s:text[@class="l e"]/text()') AS clusters,
       found(p, '//s:text[starts-with(@class, "l m")]/text()') AS z, found(p, '//s:text[starts-with(@class, "t m") and @x<390 and @y<240]/text()') AS means, is_safe(p)
FROM kmeans_plot_profile('plot iris') p;
SELECT cluster, feature, round(z::numeric, 1) AS z, round(mean::numeric, 2) AS mean FROM kmeans_profile('plot iris') WHERE cluster < 2;
-- colours: 11 steps of half a standard deviation
SELECT found(p, '//s:rect[@width=74]/@class') AS colours FROM kmeans_plot_profile('plot iris') p;
-- a large model: the largest clusters, the features that matter most
SELECT format('CREATE TABLE wide AS SELECT %s FROM generate_series(1, 2000) i', string_agg(format('%s * (i %% %s) AS %I', t, t + 2, repeat('&', 40) || t), ', ' ORDER BY t)) AS statement FROM generate_series(1, 100) t \gset
:statement;
SELECT k FROM kmeans_fit('plot wide', 'wide', k => 220, max_iter => 3, n_init => 1);
SELECT counted(p, '//s:rect[@width=74]') AS cells, found(p, '//s:text[@class="n"]/text()') AS note, length(p) < 200000 AS small,
       counted(p, '//s:text[@transform and contains(s:title, "&100")]') AS matters, counted(p, '//s:text[@transform and s:title="&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&&1"]') AS does_not
FROM kmeans_plot_profile('plot wide') p;
-- cells as broad as what they say; numbers that get one digit more by rounding
SELECT counted(p, '//s:text[s:title]') AS shortened, found(p, '//s:text[contains(., ":")]/text()') AS times FROM kmeans_plot_profile('plot times') p;
SELECT k FROM kmeans_fit('plot thousand', 'SELECT 999.6 AS x', k => 1);
SELECT found(p, '//s:text[@class="t m"]/text()') AS mean FROM kmeans_plot_profile('plot thousand') p;
-- a label without end; a cluster without weight
SELECT kmeans_set_label('plot wide', 0, repeat('x', 1000000));
SELECT max(length(p)) < 300000 AS small FROM (VALUES (kmeans_plot_profile('plot wide')), (kmeans_plot('plot wide', max_points => 100))) v (p);
SELECT kmeans_save('plot weightless', (v || jsonb_build_object('weights', '{50,58,0}'::int[],
  'mean', jsonb_set(v->'mean', '{2}', '[null]'), 'stddev', jsonb_set(v->'stddev', '{2}', '[null]'),
  'min', jsonb_set(v->'min', '{2}', '[null]'), 'max', jsonb_set(v->'max', '{2}', '[null]')))::kmeans_model)
FROM (SELECT kmeans_get('plot strip')::jsonb) AS g (v);
SELECT found(p, '//s:rect[@width=74]/@class') AS colours, found(p, '//s:text[@class="l m"]/text()') AS z FROM kmeans_plot_profile('plot weightless') p;
SELECT provolatile, proparallel FROM pg_proc WHERE proname = 'kmeans_plot_profile';
SELECT error_of('SELECT kmeans_plot_profile(NULL)'), error_of('SELECT kmeans_plot_profile(''no such model'')');

-- kmeans_plot_silhouette: one area per cluster, the mean as kmeans_evaluate's
SELECT counted(p, '//s:path') AS areas, found(p, '//s:text[@class="l e" or @class="t" or @class="n"]/text()') AS texts,
       found(p, '//s:text[starts-with(., "mean")]/text()') AS mean, is_safe(p)
FROM kmeans_plot_silhouette('plot iris') p;
SELECT round(silhouette::numeric, 3) AS silhouette FROM kmeans_evaluate('plot iris');
-- bars get shorter within a cluster
SELECT bool_and(x <= before) AS sorted, count(*) > 50 AS points
FROM (SELECT x, lag(x) OVER (ORDER BY i) AS before
      FROM kmeans_plot_silhouette('plot iris') p, regexp_matches((found(p, '//s:path[@class="c0"]/@d'))[1], '[ML]([0-9.]+) ', 'g') WITH ORDINALITY AS m (x1, i), CAST(x1[1] AS float8) x) s
WHERE before > 200;
SELECT kmeans_plot_silhouette('plot iris', 'iris', 2000) = kmeans_plot_silhouette(model => 'plot iris', source => 'TABLE iris', max_points => 2000) AS same,
       kmeans_plot_silhouette('plot iris', 'SELECT * FROM iris ORDER BY petal_width, id', 30) = kmeans_plot_silhouette('plot iris', max_points => 30) AS any_order;
SELECT found(p, '//s:text[@class="n"]/text()') AS note FROM kmeans_plot_silhouette('plot iris', max_points => 30) p;
SELECT counted(p, '//s:path') AS areas, found(p, '//s:text[@class="n m"]/text()') AS why_not FROM kmeans_plot_silhouette('plot iris', source => 'SELECT * FROM iris WHERE species = ''setosa''') p;
SELECT is_safe(p), length(p) < 200000 AS small FROM kmeans_plot_silhouette('plot wide') p;
SELECT error_of('SELECT kmeans_plot_silhouette(' || call || ')') AS error
FROM unnest(ARRAY['NULL', '''plot iris'', max_points => 0', '''plot iris'', max_points => NULL', '''plot iris'', ''blobs''', '''plot weightless''']) AS call;

-- kmeans_report: one page, well-formed, that needs nothing else
SELECT p LIKE '<!DOCTYPE html>%' AS html, xml_is_well_formed_document(p) AS well_formed, is_safe(p), length(p) < 100000 AS small,
       found(p, '//h1/text() | //h2/text()') AS sections, found(p, '//s:svg/s:title/text()') AS pictures, counted(p, '//style') AS styles, counted(p, '//s:style') AS others
FROM kmeans_report('plot iris') p;
SELECT found(p, '//tr[th="Version" or th="Clusters" or th="Columns" or th="Rows" or th="Explained" or th="Iterations" or th="Source"]//pre/text()') AS summary FROM kmeans_report('plot iris') p;
SELECT counted(p, '//s:g/s:circle') AS rows FROM kmeans_report('plot iris') p;
SELECT found(p, '//tr[th="label"]/following-sibling::tr[1]/td/text()') AS cluster,
       found(p, '//tr[th="eta2" or th="between clusters"]/following-sibling::tr[1]/td/text()') AS feature,
       found(p, '//tr[th="Davies-Bouldin"]/following-sibling::tr[1]/td/text()') AS evaluation FROM kmeans_report('plot iris') p;
SELECT round(silhouette::numeric, 5), round(davies_bouldin::numeric, 5), round(calinski_harabasz::numeric, 2) FROM kmeans_evaluate('plot iris');
SELECT counted(p, '//tr[th="shift"]/following-sibling::tr') = (SELECT count(*) FROM kmeans_iterations('plot iris') WHERE best) AS iterations,
       found(p, '//tr[th="by"]/following-sibling::tr/td[1]/text()') AS versions FROM kmeans_report('plot iris') p;

SELECT found(p, format('//tr[td[1]="%s"]/td/text()', f)) AS feature FROM kmeans_report('plot times') p, unnest(ARRAY['day', 'at', 'took', 'cents']) f;
SELECT bool_and(moment ~ '^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[-+][0-9:]+$') AS whole_seconds
FROM kmeans_report('plot iris') p, unnest(found(p, '//tr[th="by"]/following-sibling::tr/td[7]/text()')) moment;

-- more versions, an old one; another source; a model without one
SELECT version FROM kmeans_fit('plot iris', 'iris', k => 4, replace => true);
SELECT found(p, '//h1/text()') AS model, found(p, '//tr[th="Version"]//pre/text()') AS version, found(p, '//tr[th="by"]/following-sibling::tr/td[1]/text()') AS versions
FROM kmeans_report('plot iris@1') p;
SELECT found(p, '//tr[th="Rows of this page"]//pre/text()') AS source, counted(p, '//s:g/s:circle') AS rows, found(p, '//p/text()') AS notes
FROM kmeans_report('plot weightless', 'SELECT * FROM iris WHERE petal_width < 1 AND id > 10') p;
SELECT error_of('SELECT kmeans_report(' || call || ')') AS error
FROM unnest(ARRAY['NULL', '''no such model''', '''plot weightless''', '''plot iris'', ''blobs''', '''plot iris'', ''SELECT * FROM iris WHERE false''']) AS call;

-- hostile names; a large model: what is left out is said
SELECT is_safe(p) AND xml_is_well_formed_document(p) AS safe, found(p, '//h1/text()') AS name FROM kmeans_report('plot </title><script>') p;
SELECT is_safe(p) AND xml_is_well_formed_document(p) AS safe, octet_length(p) <= 500000 AS small, found(p, '//p/text()') AS notes,
       found(p, '//tr[th="label"]/following-sibling::tr/td[1]/text()')::int[] =
       (SELECT array_agg(cluster ORDER BY cluster) FROM (SELECT cluster FROM kmeans_clusters('plot wide') ORDER BY weight DESC, cluster LIMIT 50) c) AS largest
FROM kmeans_report('plot wide') p;
SELECT count(kmeans_set_label('plot wide', c, repeat('&<>', 1000) || c)) FROM generate_series(0, 219) c;
SELECT is_safe(p) AND xml_is_well_formed_document(p) AS safe, octet_length(p) BETWEEN 100000 AND 500000 AS small, found(p, '//p/text()') AS notes
FROM kmeans_report('plot wide') p;

-- what cannot be
SELECT call, error_of('SELECT kmeans_plot(' || call || ')') AS error
FROM unnest(ARRAY['NULL', '''no such model''', '''plot iris'', ''no such feature''', '''plot iris'', ''petal_width'', ''species''',
                  '''plot iris'', y => ''petal_width''', '''plot iris'', source => ''nowhere''', '''plot iris'', source => ''blobs''',
                  '''plot iris'', source => ''SELECT * FROM iris WHERE false''',
                  '''plot iris'', max_points => 0', '''plot iris'', max_points => 1000001', '''plot iris'', max_points => NULL',
                  '''plot iris'', width => 199', '''plot iris'', width => 10001', '''plot iris'', width => NULL',
                  '''plot iris'', height => 0', '''plot iris'', height => NULL']) AS call;
-- all features are named, or it is said that there are more
SELECT format('SELECT 1 AS %s', string_agg(repeat(c, 63), ', 1 AS ')) AS query FROM unnest(ARRAY['a', 'b', 'c', 'd']) c \gset
SELECT k FROM kmeans_fit('plot names', :'query', k => 1);
SELECT kmeans_plot('plot names', 'x');
SELECT kmeans_plot('plot wide', 'x');
SELECT kmeans_save('plot saved', kmeans_get('plot iris'));
SELECT error_of($$SELECT kmeans_plot('plot saved')$$);
SELECT counted(p, '//s:g/s:circle') AS rows FROM kmeans_plot('plot saved', source => 'iris') p;

-- only the owner runs the stored source
CREATE ROLE plot_other;
GRANT USAGE ON SCHEMA public TO plot_other;
SET ROLE plot_other;
SELECT error_of($$SELECT kmeans_plot('plot iris')$$);
RESET ROLE;
DROP OWNED BY plot_other;
DROP ROLE plot_other;

SELECT count(kmeans_drop(model)) FROM kmeans_models WHERE model LIKE 'plot %';
DROP TABLE iris, blobs, many, times, hostile, wide;
DROP FUNCTION error_of(text), counted(text, text), found(text, text), is_safe(text);
