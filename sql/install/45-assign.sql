-- Labelling rows in bulk.

CREATE FUNCTION kmeans_assign(
    model text,
    source text DEFAULT NULL,
    id_column text DEFAULT NULL)
RETURNS TABLE (id text, cluster int, label text, distance float8, next_cluster int,
               next_label text, confidence float8, outlier_score float8)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10000;

COMMENT ON FUNCTION kmeans_assign(text, text, text) IS
'every row of a source with its cluster, by a model (name or name@version): source a relation or one read-only query with the model''s columns (null: the model''s own, run as its owner), id_column the column that identifies a row (null: the model''s, else the row''s number); label the cluster''s label or else its id, distance to its centroid, the runner-up, confidence (1 - distance / distance to the runner-up) and outlier score; a row with a null column has null beside its id unless the model was fitted with on_null => ''mean''';

CREATE FUNCTION kmeans_outliers(
    model text,
    source text DEFAULT NULL,
    contamination float8 DEFAULT 0.1,
    id_column text DEFAULT NULL)
RETURNS TABLE (id text, cluster int, label text, distance float8, outlier_score float8,
               threshold float8, reason text)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1000;

COMMENT ON FUNCTION kmeans_outliers(text, text, float8, text) IS
'the rows of a source that lie unusually far from every cluster of a model (name or name@version), the highest score first: source and id_column as for kmeans_assign; threshold is the score that all but the share contamination (0 to 0.5) of the fitted rows stay within; reason names the features in which the row is farthest from the mean of its cluster, in units of the cluster''s standard deviation';
