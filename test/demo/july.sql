-- A month goes by in the warehouse of warehouse.sql: most customers go on as
-- before, some buy much more, some are silent from now on, some of the silent
-- come back, and 900 are new.

UPDATE report SET as_of = as_of + 31;

CREATE TEMP TABLE july AS
SELECT customer_id, avg_order_value, product_categories,
       CASE WHEN recency_days > 90 THEN CASE WHEN draw(customer_id, 20) < 0.04 THEN 5 ELSE 0 END
            WHEN draw(customer_id, 20) < 0.05 THEN 0
            WHEN draw(customer_id, 20) > 0.93 THEN 3 * orders_per_month + 4
            ELSE orders_per_month END AS wanted,
       CASE WHEN draw(customer_id, 20) < 0.05 THEN 3 ELSE 0 END AS complaints
FROM customer_features
UNION ALL
SELECT c, 20 + 60 * draw(c, 21), 2, 1 + 4 * draw(c, 22), 0 FROM generate_series(50001, 50900) AS c;

INSERT INTO customers
SELECT customer_id, as_of - 1 - (draw(customer_id, 23) * 29)::int, (ARRAY['app', 'web'])[1 + customer_id % 2]
FROM july, report WHERE customer_id > 50000;

INSERT INTO orders
SELECT (SELECT max(order_id) FROM orders) + row_number() OVER (ORDER BY customer_id, n), customer_id,
       greatest(since, as_of - 1 - (draw(customer_id * 1000 + n, 24) * 29)::int),
       1 + (draw(customer_id * 1000 + n, 25) * product_categories)::int % product_categories + customer_id % 4,
       round((avg_order_value * greatest(0.2, 1 + 0.35 * draw_normal(customer_id * 1000 + n, 26)))::numeric, 2)
FROM report, july JOIN customers USING (customer_id),
     generate_series(1, floor(wanted + draw(customer_id, 27))::int) AS n;

INSERT INTO tickets
SELECT (SELECT max(ticket_id) FROM tickets) + row_number() OVER (ORDER BY customer_id, n), customer_id,
       as_of - 1 - (draw(customer_id * 1000 + n, 28) * 29)::int
FROM report, july, generate_series(1, complaints) AS n;

REFRESH MATERIALIZED VIEW customer_features;
DROP TABLE july;
