SET client_min_messages = warning;
CREATE EXTENSION IF NOT EXISTS kmeans;
RESET client_min_messages;
SET extra_float_digits = 1;

CREATE FUNCTION error_of(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  detail text;
  hint text;
BEGIN
  EXECUTE statement;
  RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
  RETURN sqlstate || ' ' || sqlerrm || coalesce(' | ' || nullif(detail, ''), '')
         || coalesce(' | ' || nullif(hint, ''), '');
END $$;
CREATE FUNCTION fit_error(source text) RETURNS text LANGUAGE sql
  AS $$ SELECT error_of(format('SELECT kmeans_fit(''new'', %L, k => 2)', source)) $$;

CREATE SCHEMA shop;
CREATE TABLE shop.orders (order_id int PRIMARY KEY, amount numeric, items int, channel text, meta jsonb, customer_id int, id int, made date);
INSERT INTO shop.orders SELECT i, 10 + i % 50, 1 + i % 3, 'web', '{}', i, i, date '2026-01-01' + i % 9 FROM generate_series(1, 200) i;
CREATE VIEW shop.big AS SELECT amount, items FROM shop.orders WHERE amount > 30;
CREATE MATERIALIZED VIEW shop.summary AS SELECT items, avg(amount)::float8 AS amount FROM shop.orders GROUP BY customer_id, items;
CREATE TABLE "Mixed Case" ("Total Spend" float8, n int);
INSERT INTO "Mixed Case" SELECT i, i % 4 FROM generate_series(1, 20) i;

-- What columns are features by default, and why the others are not
SELECT n_features, n_rows FROM kmeans_fit('m', 'shop.orders', k => 2, scale => 'minmax');
SELECT source, columns FROM kmeans_models WHERE model = 'm';
SELECT n_features FROM kmeans_fit('m', 'shop.orders', k => 2, weight => 'items', id_column => 'made', replace => true);
SELECT n_features FROM kmeans_fit('m', 'SELECT * FROM shop.orders WHERE items < 3', k => 2, replace => true, scale => 'standard');

-- One to three identifiers, folded as in SQL; every kind of relation
SELECT replace(s, current_database(), 'this_database') AS source, (kmeans_fit('m', s, k => 2, replace => true, scale => 'standard', columns => CASE WHEN s LIKE '%Mixed%' THEN '{Total Spend}' ELSE '{amount,items}' END::text[])).n_rows
FROM unnest(ARRAY['SHOP.Orders', ' shop . orders ', '"shop"."orders"', format('%s.shop.orders', current_database()), 'shop.big', 'shop.summary', '"Mixed Case"']) s;
-- WITH, VALUES, TABLE, set operations, a join, comments, a trailing semicolon
SET search_path = shop, public;
SELECT s, (kmeans_fit('m', s, k => 2, replace => true)).n_rows
FROM unnest(ARRAY['WITH o AS (SELECT amount FROM orders) SELECT * FROM o', 'VALUES (1, 2), (3, 4), (5, 6)', 'VALUES(1),(2),(3)', 'TABLE big', 'SELECT amount FROM big UNION ALL SELECT 1',
  'SELECT o.amount, b.items FROM orders o JOIN big b ON b.items = o.items AND o.order_id < 10', '/* all */ SELECT amount FROM orders -- of them
  ;', 'SELECT amount FROM orders ORDER BY amount LIMIT 10', '(SELECT items FROM orders)']) s;
RESET search_path;
-- the names are bound: what is stored is qualified and says what was meant
SELECT version, source FROM kmeans_versions WHERE model = 'm' ORDER BY version;

-- A temporary object can be fitted, its text is not stored
CREATE TEMP TABLE passing AS SELECT amount FROM shop.orders;
SELECT n_rows FROM kmeans_fit('t', 'passing', k => 2);
SELECT n_rows FROM kmeans_fit('t', 'SELECT p.amount FROM passing p', k => 2, replace => true);
SELECT version, source FROM kmeans_versions WHERE model = 't' ORDER BY version;
CREATE FUNCTION pg_temp.twice(numeric) RETURNS numeric LANGUAGE sql AS $$ SELECT 2 * $1 $$;
CREATE DOMAIN pg_temp.amount AS numeric;
SELECT n_rows FROM kmeans_fit('t', 'SELECT pg_temp.twice(amount) AS amount FROM shop.orders', k => 2, replace => true);
SELECT n_rows FROM kmeans_fit('t', 'SELECT o.amount FROM shop.orders o, pg_temp.twice(o.amount) t WHERE t > 50', k => 2, replace => true);
SELECT n_rows FROM kmeans_fit('t', 'SELECT amount::pg_temp.amount AS amount FROM shop.orders', k => 2, replace => true);
SELECT version, source FROM kmeans_versions WHERE model = 't' ORDER BY version;
DROP TABLE passing;

-- Not a relation, not one read-only query
SELECT fit_error(s) FROM unnest(ARRAY['', '   ', ';', '-- nothing', 'nosuch', 'no.such', 'a.b.c.d', 'otherdb.shop.orders', 'shop.orders_pkey', 'kmeans_fit_summary',
  'shop.orders WHERE amount > 30', 'nosuch WHERE amount > 30', 'SELECT * FORM shop.orders', 'SELECT 1; SELECT 2', 'SELECT 1 AS a;; SELECT 2',
  'INSERT INTO shop.orders DEFAULT VALUES', 'UPDATE shop.orders SET amount = 0', 'DELETE FROM shop.orders', 'MERGE INTO shop.orders USING shop.big ON false WHEN MATCHED THEN DELETE',
  'WITH x AS (DELETE FROM shop.orders RETURNING amount) SELECT * FROM x', 'WITH x AS (INSERT INTO shop.orders VALUES (0) RETURNING amount) SELECT * FROM x',
  'SELECT * FROM shop.orders FOR UPDATE', 'SELECT * FROM (SELECT amount FROM shop.orders FOR SHARE) s', 'SELECT amount INTO shop.copy FROM shop.orders',
  'SELECT $1', 'SELECT amount FROM shop.orders WHERE amount > $1', 'EXPLAIN SELECT 1', 'SHOW search_path', 'CALL nothing()', 'DROP TABLE shop.orders', 'CREATE TABLE x AS SELECT 1',
  'SELECT nosuch FROM shop.orders', 'SELECT 1 / 0 AS x', '"', 'shop."orders', 'SELECT FROM shop.orders']) s;
SELECT error_of($$SELECT kmeans_fit('shop.orders', 'segments')$$);
CREATE TABLE rows_to_label AS SELECT 1 AS x;
SELECT error_of($$SELECT kmeans_assign('rows_to_label', 'segments')$$);
DROP TABLE rows_to_label;
SELECT count(*), sum(amount) FROM shop.orders;

-- Columns that cannot be
SELECT error_of(format('SELECT kmeans_fit(''new'', ''shop.orders'', k => 2, columns => %L)', c)) FROM unnest(ARRAY['{nosuch}', '{meta}', '{amount * 2}', '{amount,nosuch}', '{Amount}']) c;
SELECT error_of($$SELECT kmeans_fit('new', 'SELECT amount, items AS amount FROM shop.orders', columns => '{amount}')$$);
SELECT error_of($$SELECT kmeans_fit('new', 'SELECT amount, items AS amount FROM shop.orders')$$);
SELECT error_of($$SELECT kmeans_fit('new', 'SELECT channel FROM shop.orders')$$);

-- Names with capitals: the source is SQL, columns are called as they are; errors say whose source, whose columns
CREATE TABLE shop."Mixed" AS SELECT i AS "Price", i % 7 AS n FROM generate_series(1, 20) AS i;
SELECT error_of(format('SELECT kmeans_fit(''"Mixed"'', %L, k => 2)', s)) FROM unnest(ARRAY['shop.Mixed', 'shop.MIXED']) AS s;
SELECT error_of(format('SELECT kmeans_fit(''new'', ''shop."Mixed"'', k => 2, columns => %L)', c))
FROM unnest(ARRAY['{price}', '{"\"Price\""}', '{mixed.Price}', '{nosuch}', '{"\"\""}']) AS c;
SELECT error_of($$SELECT kmeans_fit('new', 'shop."Mixed"', k => 2, id_column => 'PRICE')$$);
SELECT error_of($$SELECT kmeans_fit('new', 'shop."Mixed"', k => 2, weight => 'nosuch')$$);
SELECT k FROM kmeans_fit('mixed', 'shop."Mixed"', k => 2);
SELECT kmeans_predict('mixed', 1, true);
ALTER TABLE shop."Mixed" RENAME "Price" TO price;
SELECT count(*) FROM kmeans_assign('mixed');
SELECT kmeans_refresh('mixed');
SELECT kmeans_drop('mixed');

-- Functions see the fixed search_path, at the fit as later
CREATE FUNCTION shop.path() RETURNS text LANGUAGE sql STABLE AS $$ SELECT current_setting('search_path') $$;
SELECT error_of($$SELECT kmeans_fit('m', 'SELECT (1 / (shop.path() = ''pg_catalog, pg_temp'')::int)::float8 AS x FROM generate_series(1, 3)', k => 1, replace => true)$$);
SHOW search_path;
-- a failed fit leaves the settings alone
SET datestyle = 'German';
SELECT fit_error('SELECT 1 / 0 AS x');
SHOW datestyle;
RESET datestyle;

-- Domains, arrays of them, and arrays that do not begin at 1
CREATE DOMAIN shop.price AS numeric CHECK (VALUE > 0);
CREATE DOMAIN shop.prices AS shop.price[];
CREATE TABLE shop.bids (a shop.price, b shop.price[], c shop.prices, d int[]);
INSERT INTO shop.bids VALUES (1, '{2,3}', '{4,5}', '[0:1]={6,7}'), (3, '{4,5}', '[5:6]={6,7}', '{8,9}');
SELECT n_features, inertia FROM kmeans_fit('bids', 'shop.bids', k => 1);
SELECT feature, value FROM kmeans_centroids('bids');
SELECT error_of($$SELECT kmeans_fit('bids', 'SELECT ARRAY[1, NULL]::shop.price[] AS b', k => 1, replace => true)$$);
SELECT kmeans_drop('bids');

-- The caller's rights: tables, columns, row-level security
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_kmeans_clerk;
RESET client_min_messages;
CREATE ROLE regress_kmeans_clerk;
GRANT USAGE ON SCHEMA shop TO regress_kmeans_clerk;
GRANT SELECT (amount) ON shop.orders TO regress_kmeans_clerk;
SET ROLE regress_kmeans_clerk;
SELECT n_rows FROM kmeans_fit('clerk', 'shop.orders', '{amount}', k => 2);
SELECT error_of($$SELECT kmeans_fit('clerk2', 'shop.orders', '{items}', k => 2)$$);
SELECT error_of($$SELECT kmeans_fit('m', 'shop.orders', '{amount}', k => 2)$$);
SELECT error_of($$SELECT kmeans_fit('m', 'shop.orders', '{amount}', k => 2, replace => true)$$);
RESET ROLE;
ALTER TABLE shop.orders ENABLE ROW LEVEL SECURITY;
CREATE POLICY few ON shop.orders USING (amount < 15);
SET ROLE regress_kmeans_clerk;
SELECT n_rows FROM kmeans_fit('clerk', 'shop.orders', '{amount}', k => 2, replace => true);
RESET ROLE;
SELECT kmeans_drop('clerk');

SET client_min_messages = warning;
SELECT count(kmeans_drop(m)) AS dropped FROM unnest(ARRAY['m', 't']) m;
DROP SCHEMA shop CASCADE;
DROP TABLE "Mixed Case";
DROP FUNCTION fit_error, error_of;
DROP ROLE regress_kmeans_clerk;
