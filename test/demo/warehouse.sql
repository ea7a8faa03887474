-- A small warehouse: 50,000 customers, a million orders, their tickets, and
-- what each customer looks like on the day of the report.
--
-- Every number comes from a hash of what it belongs to, so the same warehouse
-- is built on every server.  Behind the numbers are five habits, which the
-- clustering is not told.

-- A number in [0, 1) that looks random: nth of the entity.
CREATE FUNCTION draw(entity bigint, nth int) RETURNS float8
IMMUTABLE PARALLEL SAFE
RETURN (hashint8extended(entity, nth) & 9007199254740991) / 9007199254740992.0::float8;

-- About normal: mean 0, standard deviation 1.
CREATE FUNCTION draw_normal(entity bigint, nth int) RETURNS float8
IMMUTABLE PARALLEL SAFE
RETURN (draw(entity, nth) + draw(entity, nth + 1000) + draw(entity, nth + 2000) - 1.5) * 2;

CREATE TABLE report (as_of date);
INSERT INTO report VALUES ('2026-07-01');

-- How customers of a habit behave: share of customers, orders a month, value
-- of an order, categories they look at, tickets a year, months since they
-- came (from, to), and days since they were seen last, at most.
CREATE TEMP TABLE habit (habit int, share_to float8, orders float8, order_value float8, categories int, tickets float8,
                         months_from int, months_to int, silent int);
INSERT INTO habit VALUES
  (1, 0.16, 6.0, 42, 9, 0.4, 14, 60, 10),     -- many small orders of everything
  (2, 0.32, 0.8, 240, 4, 1.0, 14, 60, 40),    -- few large ones
  (3, 0.52, 2.6, 48, 3, 0.5, 1, 6, 10),       -- came lately, and came to stay
  (4, 0.70, 0.9, 70, 3, 7.0, 30, 60, 150),    -- leaving, after much trouble
  (5, 1.00, 1.2, 55, 5, 0.7, 12, 60, 35);     -- all others

CREATE TEMP TABLE draft AS
SELECT c AS customer_id, h.*,
       months_from + (months_to - months_from) * draw(c, 2) AS months,
       greatest(0.25, orders * (1 + 0.25 * draw_normal(c, 3))) AS orders_per_month,
       greatest(5, order_value * (1 + 0.20 * draw_normal(c, 4))) AS mean_value,
       greatest(1, round(categories + 0.9 * draw_normal(c, 5)))::int AS breadth,
       CASE WHEN silent = 150 THEN 90 ELSE 0 END + draw(c, 6) * silent AS silence
FROM generate_series(1, 50000) AS c
JOIN LATERAL (SELECT * FROM habit WHERE draw(c, 1) < share_to ORDER BY share_to LIMIT 1) AS h ON true;

CREATE TABLE customers AS
SELECT customer_id, as_of - (months * 30.44)::int AS since,
       CASE WHEN draw(customer_id, 7) < CASE habit WHEN 3 THEN 0.7 WHEN 4 THEN 0.1 ELSE 0.35 END THEN 'app'
            WHEN draw(customer_id, 8) < CASE habit WHEN 4 THEN 0.7 ELSE 0.25 END THEN 'phone'
            ELSE 'web' END AS channel
FROM draft, report;
ALTER TABLE customers ADD PRIMARY KEY (customer_id);

-- The last twelve months.  An order is somewhere between the customer's first
-- day in them and her last.
CREATE TABLE orders AS
SELECT row_number() OVER (ORDER BY customer_id, n) AS order_id, customer_id,
       as_of - (silence + draw(customer_id * 1000 + n, 9) * greatest(months_seen * 30.44 - silence, 1))::int AS ordered_on,
       1 + (draw(customer_id * 1000 + n, 10) * breadth)::int % breadth + customer_id % 4 AS category,
       round((mean_value * greatest(0.2, 1 + 0.35 * draw_normal(customer_id * 1000 + n, 11)))::numeric, 2) AS amount
FROM report, draft, LATERAL (SELECT least(months, 12) AS months_seen) AS s,
     generate_series(1, greatest(1, round(orders_per_month * months_seen))::int) AS n;

CREATE TABLE tickets AS
SELECT row_number() OVER (ORDER BY customer_id, n) AS ticket_id, customer_id,
       as_of - (draw(customer_id * 1000 + n, 12) * least(months, 12) * 30.44)::int AS opened_on
FROM report, draft,
     generate_series(1, greatest(0, round(tickets * (1 + 0.45 * draw_normal(customer_id, 13)) + draw(customer_id, 14) - 0.5))::int) AS n;

-- What marketing calls RFM (recency, frequency, money), and a little more:
-- one row for each customer who has bought in the twelve months before the report.
CREATE MATERIALIZED VIEW customer_features AS
SELECT customer_id, channel,
       as_of - o.last_order AS recency_days,
       round(o.orders / least(months, 12), 2) AS orders_per_month,
       round(o.amount / o.orders, 2) AS avg_order_value,
       o.product_categories,
       coalesce(t.tickets, 0) AS support_tickets,
       round(months, 1) AS months_with_us
FROM report
CROSS JOIN customers
CROSS JOIN LATERAL (SELECT greatest((as_of - since) / 30.44, 1) AS months) AS m
JOIN (SELECT customer_id, max(ordered_on) AS last_order, count(*) AS orders, sum(amount) AS amount,
             count(DISTINCT category) AS product_categories
      FROM orders, report WHERE ordered_on BETWEEN as_of - 365 AND as_of GROUP BY customer_id) AS o USING (customer_id)
LEFT JOIN (SELECT customer_id, count(*) AS tickets
           FROM tickets, report WHERE opened_on BETWEEN as_of - 365 AND as_of GROUP BY customer_id) AS t USING (customer_id);

DROP TABLE habit;
ANALYZE customers, orders, tickets, customer_features;
