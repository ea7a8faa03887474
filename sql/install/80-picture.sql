-- Pictures and lab data.

CREATE FUNCTION kmeans_plot(
  model      text,
  x          text DEFAULT NULL,
  y          text DEFAULT NULL,
  source     text DEFAULT NULL,
  max_points int  DEFAULT 2000,
  width      int  DEFAULT 800,
  height     int  DEFAULT 600,
  title      text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION kmeans_plot(text, text, text, text, int, int, int, text) IS
'a picture (SVG) of at most max_points rows of a source (NULL: the model''s own), coloured by cluster, with centroids as red crosses and a legend; on the features x and y, or on the first two principal components';

CREATE FUNCTION kmeans_plot_elbow(
  source      text,
  columns     text[] DEFAULT NULL,
  k_min       int    DEFAULT 1,
  k_max       int    DEFAULT 10,
  scale       text   DEFAULT 'none',
  metric      text   DEFAULT 'euclidean',
  n_init      int    DEFAULT NULL,
  seed        bigint DEFAULT 0,
  sample_rows int    DEFAULT 10000,
  on_null     text   DEFAULT 'skip',
  weight      text   DEFAULT NULL,
  id_column   text   DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION kmeans_plot_elbow(text, text[], int, int, text, text, int, bigint, int, text, text, text) IS
'a picture (SVG) of what kmeans_choose_k computes: inertia and every criterion over k_min to k_max clusters, with the k that each calls best';

CREATE FUNCTION kmeans_plot_profile(model text)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_plot_profile(text) IS
'a picture (SVG) of what is typical of each cluster: a heat map of clusters and features, in standard deviations from the mean of all rows, from stored statistics';

CREATE FUNCTION kmeans_plot_silhouette(
  model      text,
  source     text DEFAULT NULL,
  max_points int  DEFAULT 2000)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION kmeans_plot_silhouette(text, text, int) IS
'a picture (SVG) of the silhouettes of at most max_points distinct rows of a source (NULL: the model''s own), sorted within their clusters, with the mean of all';

CREATE FUNCTION kmeans_report(
  model  text,
  source text DEFAULT NULL)
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION kmeans_report(text, text) IS
'one self-contained page (HTML) about a model and the rows of a source (NULL: its own): summary, pictures, descriptions, evaluation, iterations, versions; at most 500 kB';

-- Volatile and not for workers: a NULL seed is drawn.
CREATE FUNCTION kmeans_make_blobs(
  n_samples int DEFAULT 100,
  centers int DEFAULT 3,
  n_features int DEFAULT 2,
  cluster_std float8 DEFAULT 1.0,
  center_min float8 DEFAULT -10,
  center_max float8 DEFAULT 10,
  shuffle boolean DEFAULT true,
  seed bigint DEFAULT 0)
RETURNS TABLE (id int, x float8[], y int)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL RESTRICTED;

COMMENT ON FUNCTION kmeans_make_blobs(int, int, int, float8, float8, float8, boolean, bigint) IS
'rows around random centers, the same numbers as scikit-learn''s make_blobs for the same seed: n_samples rows of n_features values (x) in centers blobs (y, from 0) of equal size; centers uniform between center_min and center_max, cluster_std the standard deviation around them; seed 0 to 4294967295, NULL draws one';

CREATE FUNCTION kmeans_iris()
RETURNS TABLE (id int, sepal_length float8, sepal_width float8, petal_length float8, petal_width float8, species text)
LANGUAGE SQL IMMUTABLE PARALLEL SAFE ROWS 150
BEGIN ATOMIC
  SELECT v.id, v.sepal_length, v.sepal_width, v.petal_length, v.petal_width, v.species
  FROM (VALUES
    (1, 5.1::float8, 3.5::float8, 1.4::float8, 0.2::float8, 'setosa'::text),
    (2, 4.9, 3.0, 1.4, 0.2, 'setosa'),
    (3, 4.7, 3.2, 1.3, 0.2, 'setosa'),
    (4, 4.6, 3.1, 1.5, 0.2, 'setosa'),
    (5, 5.0, 3.6, 1.4, 0.2, 'setosa'),
    (6, 5.4, 3.9, 1.7, 0.4, 'setosa'),
    (7, 4.6, 3.4, 1.4, 0.3, 'setosa'),
    (8, 5.0, 3.4, 1.5, 0.2, 'setosa'),
    (9, 4.4, 2.9, 1.4, 0.2, 'setosa'),
    (10, 4.9, 3.1, 1.5, 0.1, 'setosa'),
    (11, 5.4, 3.7, 1.5, 0.2, 'setosa'),
    (12, 4.8, 3.4, 1.6, 0.2, 'setosa'),
    (13, 4.8, 3.0, 1.4, 0.1, 'setosa'),
    (14, 4.3, 3.0, 1.1, 0.1, 'setosa'),
    (15, 5.8, 4.0, 1.2, 0.2, 'setosa'),
    (16, 5.7, 4.4, 1.5, 0.4, 'setosa'),
    (17, 5.4, 3.9, 1.3, 0.4, 'setosa'),
    (18, 5.1, 3.5, 1.4, 0.3, 'setosa'),
    (19, 5.7, 3.8, 1.7, 0.3, 'setosa'),
    (20, 5.1, 3.8, 1.5, 0.3, 'setosa'),
    (21, 5.4, 3.4, 1.7, 0.2, 'setosa'),
    (22, 5.1, 3.7, 1.5, 0.4, 'setosa'),
    (23, 4.6, 3.6, 1.0, 0.2, 'setosa'),
    (24, 5.1, 3.3, 1.7, 0.5, 'setosa'),
    (25, 4.8, 3.4, 1.9, 0.2, 'setosa'),
    (26, 5.0, 3.0, 1.6, 0.2, 'setosa'),
    (27, 5.0, 3.4, 1.6, 0.4, 'setosa'),
    (28, 5.2, 3.5, 1.5, 0.2, 'setosa'),
    (29, 5.2, 3.4, 1.4, 0.2, 'setosa'),
    (30, 4.7, 3.2, 1.6, 0.2, 'setosa'),
    (31, 4.8, 3.1, 1.6, 0.2, 'setosa'),
    (32, 5.4, 3.4, 1.5, 0.4, 'setosa'),
    (33, 5.2, 4.1, 1.5, 0.1, 'setosa'),
    (34, 5.5, 4.2, 1.4, 0.2, 'setosa'),
    (35, 4.9, 3.1, 1.5, 0.2, 'setosa'),
    (36, 5.0, 3.2, 1.2, 0.2, 'setosa'),
    (37, 5.5, 3.5, 1.3, 0.2, 'setosa'),
    (38, 4.9, 3.6, 1.4, 0.1, 'setosa'),
    (39, 4.4, 3.0, 1.3, 0.2, 'setosa'),
    (40, 5.1, 3.4, 1.5, 0.2, 'setosa'),
    (41, 5.0, 3.5, 1.3, 0.3, 'setosa'),
    (42, 4.5, 2.3, 1.3, 0.3, 'setosa'),
    (43, 4.4, 3.2, 1.3, 0.2, 'setosa'),
    (44, 5.0, 3.5, 1.6, 0.6, 'setosa'),
    (45, 5.1, 3.8, 1.9, 0.4, 'setosa'),
    (46, 4.8, 3.0, 1.4, 0.3, 'setosa'),
    (47, 5.1, 3.8, 1.6, 0.2, 'setosa'),
    (48, 4.6, 3.2, 1.4, 0.2, 'setosa'),
    (49, 5.3, 3.7, 1.5, 0.2, 'setosa'),
    (50, 5.0, 3.3, 1.4, 0.2, 'setosa'),
    (51, 7.0, 3.2, 4.7, 1.4, 'versicolor'),
    (52, 6.4, 3.2, 4.5, 1.5, 'versicolor'),
    (53, 6.9, 3.1, 4.9, 1.5, 'versicolor'),
    (54, 5.5, 2.3, 4.0, 1.3, 'versicolor'),
    (55, 6.5, 2.8, 4.6, 1.5, 'versicolor'),
    (56, 5.7, 2.8, 4.5, 1.3, 'versicolor'),
    (57, 6.3, 3.3, 4.7, 1.6, 'versicolor'),
    (58, 4.9, 2.4, 3.3, 1.0, 'versicolor'),
    (59, 6.6, 2.9, 4.6, 1.3, 'versicolor'),
    (60, 5.2, 2.7, 3.9, 1.4, 'versicolor'),
    (61, 5.0, 2.0, 3.5, 1.0, 'versicolor'),
    (62, 5.9, 3.0, 4.2, 1.5, 'versicolor'),
    (63, 6.0, 2.2, 4.0, 1.0, 'versicolor'),
    (64, 6.1, 2.9, 4.7, 1.4, 'versicolor'),
    (65, 5.6, 2.9, 3.6, 1.3, 'versicolor'),
    (66, 6.7, 3.1, 4.4, 1.4, 'versicolor'),
    (67, 5.6, 3.0, 4.5, 1.5, 'versicolor'),
    (68, 5.8, 2.7, 4.1, 1.0, 'versicolor'),
    (69, 6.2, 2.2, 4.5, 1.5, 'versicolor'),
    (70, 5.6, 2.5, 3.9, 1.1, 'versicolor'),
    (71, 5.9, 3.2, 4.8, 1.8, 'versicolor'),
    (72, 6.1, 2.8, 4.0, 1.3, 'versicolor'),
    (73, 6.3, 2.5, 4.9, 1.5, 'versicolor'),
    (74, 6.1, 2.8, 4.7, 1.2, 'versicolor'),
    (75, 6.4, 2.9, 4.3, 1.3, 'versicolor'),
    (76, 6.6, 3.0, 4.4, 1.4, 'versicolor'),
    (77, 6.8, 2.8, 4.8, 1.4, 'versicolor'),
    (78, 6.7, 3.0, 5.0, 1.7, 'versicolor'),
    (79, 6.0, 2.9, 4.5, 1.5, 'versicolor'),
    (80, 5.7, 2.6, 3.5, 1.0, 'versicolor'),
    (81, 5.5, 2.4, 3.8, 1.1, 'versicolor'),
    (82, 5.5, 2.4, 3.7, 1.0, 'versicolor'),
    (83, 5.8, 2.7, 3.9, 1.2, 'versicolor'),
    (84, 6.0, 2.7, 5.1, 1.6, 'versicolor'),
    (85, 5.4, 3.0, 4.5, 1.5, 'versicolor'),
    (86, 6.0, 3.4, 4.5, 1.6, 'versicolor'),
    (87, 6.7, 3.1, 4.7, 1.5, 'versicolor'),
    (88, 6.3, 2.3, 4.4, 1.3, 'versicolor'),
    (89, 5.6, 3.0, 4.1, 1.3, 'versicolor'),
    (90, 5.5, 2.5, 4.0, 1.3, 'versicolor'),
    (91, 5.5, 2.6, 4.4, 1.2, 'versicolor'),
    (92, 6.1, 3.0, 4.6, 1.4, 'versicolor'),
    (93, 5.8, 2.6, 4.0, 1.2, 'versicolor'),
    (94, 5.0, 2.3, 3.3, 1.0, 'versicolor'),
    (95, 5.6, 2.7, 4.2, 1.3, 'versicolor'),
    (96, 5.7, 3.0, 4.2, 1.2, 'versicolor'),
    (97, 5.7, 2.9, 4.2, 1.3, 'versicolor'),
    (98, 6.2, 2.9, 4.3, 1.3, 'versicolor'),
    (99, 5.1, 2.5, 3.0, 1.1, 'versicolor'),
    (100, 5.7, 2.8, 4.1, 1.3, 'versicolor'),
    (101, 6.3, 3.3, 6.0, 2.5, 'virginica'),
    (102, 5.8, 2.7, 5.1, 1.9, 'virginica'),
    (103, 7.1, 3.0, 5.9, 2.1, 'virginica'),
    (104, 6.3, 2.9, 5.6, 1.8, 'virginica'),
    (105, 6.5, 3.0, 5.8, 2.2, 'virginica'),
    (106, 7.6, 3.0, 6.6, 2.1, 'virginica'),
    (107, 4.9, 2.5, 4.5, 1.7, 'virginica'),
    (108, 7.3, 2.9, 6.3, 1.8, 'virginica'),
    (109, 6.7, 2.5, 5.8, 1.8, 'virginica'),
    (110, 7.2, 3.6, 6.1, 2.5, 'virginica'),
    (111, 6.5, 3.2, 5.1, 2.0, 'virginica'),
    (112, 6.4, 2.7, 5.3, 1.9, 'virginica'),
    (113, 6.8, 3.0, 5.5, 2.1, 'virginica'),
    (114, 5.7, 2.5, 5.0, 2.0, 'virginica'),
    (115, 5.8, 2.8, 5.1, 2.4, 'virginica'),
    (116, 6.4, 3.2, 5.3, 2.3, 'virginica'),
    (117, 6.5, 3.0, 5.5, 1.8, 'virginica'),
    (118, 7.7, 3.8, 6.7, 2.2, 'virginica'),
    (119, 7.7, 2.6, 6.9, 2.3, 'virginica'),
    (120, 6.0, 2.2, 5.0, 1.5, 'virginica'),
    (121, 6.9, 3.2, 5.7, 2.3, 'virginica'),
    (122, 5.6, 2.8, 4.9, 2.0, 'virginica'),
    (123, 7.7, 2.8, 6.7, 2.0, 'virginica'),
    (124, 6.3, 2.7, 4.9, 1.8, 'virginica'),
    (125, 6.7, 3.3, 5.7, 2.1, 'virginica'),
    (126, 7.2, 3.2, 6.0, 1.8, 'virginica'),
    (127, 6.2, 2.8, 4.8, 1.8, 'virginica'),
    (128, 6.1, 3.0, 4.9, 1.8, 'virginica'),
    (129, 6.4, 2.8, 5.6, 2.1, 'virginica'),
    (130, 7.2, 3.0, 5.8, 1.6, 'virginica'),
    (131, 7.4, 2.8, 6.1, 1.9, 'virginica'),
    (132, 7.9, 3.8, 6.4, 2.0, 'virginica'),
    (133, 6.4, 2.8, 5.6, 2.2, 'virginica'),
    (134, 6.3, 2.8, 5.1, 1.5, 'virginica'),
    (135, 6.1, 2.6, 5.6, 1.4, 'virginica'),
    (136, 7.7, 3.0, 6.1, 2.3, 'virginica'),
    (137, 6.3, 3.4, 5.6, 2.4, 'virginica'),
    (138, 6.4, 3.1, 5.5, 1.8, 'virginica'),
    (139, 6.0, 3.0, 4.8, 1.8, 'virginica'),
    (140, 6.9, 3.1, 5.4, 2.1, 'virginica'),
    (141, 6.7, 3.1, 5.6, 2.4, 'virginica'),
    (142, 6.9, 3.1, 5.1, 2.3, 'virginica'),
    (143, 5.8, 2.7, 5.1, 1.9, 'virginica'),
    (144, 6.8, 3.2, 5.9, 2.3, 'virginica'),
    (145, 6.7, 3.3, 5.7, 2.5, 'virginica'),
    (146, 6.7, 3.0, 5.2, 2.3, 'virginica'),
    (147, 6.3, 2.5, 5.0, 1.9, 'virginica'),
    (148, 6.5, 3.0, 5.2, 2.0, 'virginica'),
    (149, 6.2, 3.4, 5.4, 2.3, 'virginica'),
    (150, 5.9, 3.0, 5.1, 1.8, 'virginica')
  ) AS v (id, sepal_length, sepal_width, petal_length, petal_width, species);
END;

COMMENT ON FUNCTION kmeans_iris() IS
'Fisher''s Iris data: 150 flowers, four measurements in cm and the species, 50 of each of three, in the usual order';
