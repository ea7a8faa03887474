-- A guided tour of kmeans: blobs, flowers, customers.
\timing off
\pset footer off
\pset null '-'
SET client_min_messages = notice;

CREATE EXTENSION kmeans;

\echo
\echo '=============================================================='
\echo ' 1. Blobs: does it find what is there?'
\echo '=============================================================='
\echo

-- 300 points around 4 centers, the same points that scikit-learn makes for
-- this seed.  y tells which blob a point came from; the fit does not see it.
CREATE TABLE blobs AS
SELECT id, x[1] AS x1, x[2] AS x2, y
FROM kmeans_make_blobs(n_samples => 300, centers => 4, cluster_std => 0.70, seed => 42);

\echo 'Fit four clusters on the two coordinates:'
SELECT model, k, n_rows, inertia, round(explained::numeric, 4) AS explained, n_iter, converged
FROM kmeans_fit('blobs', 'blobs', ARRAY['x1', 'x2'], k => 4);

\echo 'Their centroids:'
SELECT cluster, feature, round(value::numeric, 3) AS value FROM kmeans_centroids('blobs');

\echo 'Every blob is one cluster, and every cluster one blob:'
SELECT y AS blob, kmeans_predict('blobs', x1, x2) AS cluster, count(*)
FROM blobs GROUP BY 1, 2 ORDER BY 1, 2;

\echo 'A new point, and how sure its cluster is:'
SELECT n.cluster, n.next_cluster, round(n.distance::numeric, 3) AS distance, round(n.confidence::numeric, 3) AS confidence
FROM kmeans_nearest('blobs', -2.0, 8.0) n;

\echo
\echo '=============================================================='
\echo ' 2. Flowers: three kinds of Iris, from four measurements'
\echo '=============================================================='
\echo

CREATE TABLE iris AS SELECT * FROM kmeans_iris();

\echo 'Fit three clusters; the species is not a number and not asked for:'
SELECT model, k, n_features, n_rows, inertia, n_iter, converged
FROM kmeans_fit('iris', 'iris', ARRAY['sepal_length', 'sepal_width', 'petal_length', 'petal_width'], k => 3);

\echo 'What the clusters look like, in plain SQL (the table''s row is matched by name):'
SELECT kmeans_predict('iris', iris) AS cluster, count(*),
       round(avg(sepal_length)::numeric, 2) AS sepal_length, round(avg(sepal_width)::numeric, 2) AS sepal_width,
       round(avg(petal_length)::numeric, 2) AS petal_length, round(avg(petal_width)::numeric, 2) AS petal_width
FROM iris GROUP BY 1 ORDER BY 1;

\echo 'Clusters against species: setosa stands apart, the others overlap a little:'
SELECT species,
       count(*) FILTER (WHERE cluster = 0) AS cluster_0,
       count(*) FILTER (WHERE cluster = 1) AS cluster_1,
       count(*) FILTER (WHERE cluster = 2) AS cluster_2
FROM (SELECT species, kmeans_predict('iris', iris) AS cluster FROM iris) i
GROUP BY species ORDER BY species;

\echo 'The flowers that could as well be in another cluster:'
SELECT i.id, i.species, n.cluster, n.next_cluster, round(n.confidence::numeric, 3) AS confidence
FROM iris i, kmeans_nearest('iris', i) n ORDER BY n.confidence, i.id LIMIT 5;

\echo
\echo '=============================================================='
\echo ' 3. Customers: segments for a campaign'
\echo '=============================================================='
\echo

-- 1,200 customers.  Behind the numbers are four habits, and a deterministic
-- spread around each of them.
CREATE TABLE customers AS
WITH habit (habit, purchases, order_value, categories, tickets) AS (
  VALUES (0, 40, 60, 8, 1), (1, 12, 220, 5, 2), (2, 5, 35, 2, 1), (3, 8, 90, 3, 9)
), spread AS (
  SELECT i AS customer_id, (i * 7 + i / 11) % 4 AS habit,
         ((i * 7919) % 1000) / 500.0 - 1 AS a, ((i * 104729) % 1000) / 500.0 - 1 AS b,
         ((i * 1299709) % 1000) / 500.0 - 1 AS c, ((i * 15485863::bigint) % 1000) / 500.0 - 1 AS d
  FROM generate_series(1, 1200) i
)
SELECT customer_id,
       round(purchases * (1 + 0.35 * a))::int AS purchases_per_year,
       round((order_value * (1 + 0.30 * b))::numeric, 2) AS avg_order_value,
       greatest(1, round(categories + 1.4 * c))::int AS product_categories,
       greatest(0, round(tickets * (1 + 0.5 * d)))::int AS support_tickets
FROM spread JOIN habit USING (habit);

SELECT * FROM customers ORDER BY customer_id LIMIT 5;

-- Order values run into hundreds and tickets into ones: without a common scale
-- the order value alone would decide.  customer_id ends in _id, so it is left
-- out by itself.
\echo 'Fit four segments on standardized columns:'
SELECT model, version, k, n_features, n_rows, round(explained::numeric, 3) AS explained, n_iter, converged
FROM kmeans_fit('segments', 'customers', k => 4, scale => 'standard', id_column => 'customer_id');

\echo 'The segments, in original units:'
SELECT cluster, size, round(100 * share::numeric, 1) AS percent,
       (SELECT string_agg(c.feature || ' ' || round(c.value::numeric, 1), ', ')
        FROM kmeans_centroids('segments') c WHERE c.cluster = s.cluster) AS centroid
FROM kmeans_clusters('segments') s;

-- A label belongs to a segment by what it is, not by its number: look the
-- number up by the centroid.
\echo 'Name them:'
CREATE TEMP TABLE portrait AS
SELECT cluster,
       max(value) FILTER (WHERE feature = 'purchases_per_year') AS purchases,
       max(value) FILTER (WHERE feature = 'avg_order_value') AS order_value,
       max(value) FILTER (WHERE feature = 'support_tickets') AS tickets
FROM kmeans_centroids('segments') GROUP BY cluster;

SELECT kmeans_set_label('segments', (SELECT cluster FROM portrait ORDER BY purchases DESC LIMIT 1), 'High-Volume, Low-Maintenance'),
       kmeans_set_label('segments', (SELECT cluster FROM portrait ORDER BY order_value DESC LIMIT 1), 'Big Spender'),
       kmeans_set_label('segments', (SELECT cluster FROM portrait ORDER BY tickets DESC LIMIT 1), 'Legacy, At-Risk'),
       kmeans_set_label('segments', (SELECT cluster FROM portrait ORDER BY purchases LIMIT 1), 'New, High-Growth Potential')
\g /dev/null

SELECT cluster, label, size FROM kmeans_clusters('segments');

\echo 'Label every customer into a table:'
CREATE TABLE customer_segments AS
SELECT c.customer_id, n.cluster, n.label, n.confidence
FROM customers c, kmeans_nearest('segments', c) n;

SELECT label, count(*) FROM customer_segments GROUP BY label ORDER BY label;

\echo 'The campaign: whom to call first, those at risk with the most at stake:'
SELECT c.customer_id, c.purchases_per_year * c.avg_order_value AS revenue, c.support_tickets, s.label
FROM customers c JOIN customer_segments s USING (customer_id)
WHERE s.label = 'Legacy, At-Risk' ORDER BY revenue DESC, c.customer_id LIMIT 5;

\echo 'A new customer, labelled as she arrives:'
SELECT kmeans_label('segments', 6, 40.00, 2, 0) AS label;

-- A quarter later: every seventh customer buys more of more, and the model
-- follows.  The old version stays, and the labels stay with their segments.
UPDATE customers
SET purchases_per_year = purchases_per_year + 9, product_categories = product_categories + 2,
    avg_order_value = avg_order_value + 60
WHERE customer_id % 7 = 0;

\echo 'A quarter later, fit again, as the next version of the same model:'
SELECT model, version, k, n_rows, converged
FROM kmeans_fit('segments', 'customers', k => 4, scale => 'standard', id_column => 'customer_id', replace => true);

SELECT cluster, label, size FROM kmeans_clusters('segments');

\echo 'Both versions can be asked:'
SELECT model, version, promoted, n_rows, round(explained::numeric, 3) AS explained FROM kmeans_versions
WHERE model = 'segments' ORDER BY version;

\echo 'Who moved:'
SELECT s.label AS was, kmeans_label('segments', c) AS is_now, count(*)
FROM customers c JOIN customer_segments s USING (customer_id)
WHERE s.label <> kmeans_label('segments', c)
GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2;

\echo
\echo 'The models of this tour:'
SELECT model, version, versions, k, n_features, scale, n_rows FROM kmeans_models ORDER BY model;
