-- Labelling rows: every function by the name of a model, and for a model as a
-- value.  Not strict: a NULL column may have a fill in the model.

CREATE TYPE kmeans_assignment AS (
    cluster int,
    label text,
    distance float8,
    next_cluster int,
    next_label text,
    confidence float8,
    outlier_score float8);

COMMENT ON TYPE kmeans_assignment IS
'what kmeans_nearest says of a row: its cluster and that cluster''s label, the distance to the centroid, the runner-up and its label, confidence (1 - distance / distance to the runner-up) and outlier score (least distance in units of a cluster''s RMS radius)';

CREATE FUNCTION kmeans_label_support(internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

COMMENT ON FUNCTION kmeans_label_support(internal) IS
'tells the planner what a call of kmeans_predict and its relatives costs';

CREATE FUNCTION kmeans_predict(model text, VARIADIC "any") RETURNS int
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_predict(text, "any") IS
'the nearest cluster of a row, the lowest id on a tie: model a name or name@version, then the model''s columns as fitted, one by one, as one array, or as one row value matched by name; NULL for a NULL column unless the model was fitted with on_null => ''mean''';

CREATE FUNCTION kmeans_predict(model kmeans_model, VARIADIC "any") RETURNS int
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_predict(kmeans_model, "any") IS
'the nearest cluster of a row, the lowest id on a tie: a model as a value, then its columns as for kmeans_predict(text, ...)';

CREATE FUNCTION kmeans_label(model text, VARIADIC "any") RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_label(text, "any") IS
'the label of the nearest cluster of a row, or its id if it has no label: model a name or name@version, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_label(model kmeans_model, VARIADIC "any") RETURNS text
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_label(kmeans_model, "any") IS
'the label of the nearest cluster of a row, or its id if it has no label: a model as a value, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_distance(model text, VARIADIC "any") RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_distance(text, "any") IS
'the distance of a row to the nearest centroid, in the space of the fit (after scaling; for cosine the chord between unit vectors): model a name or name@version, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_distance(model kmeans_model, VARIADIC "any") RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_distance(kmeans_model, "any") IS
'the distance of a row to the nearest centroid, in the space of the fit (after scaling; for cosine the chord between unit vectors): a model as a value, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_transform(model text, VARIADIC "any") RETURNS float8[]
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_transform(text, "any") IS
'the distances of a row to all centroids, in ascending order of cluster id, in the space of the fit: model a name or name@version, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_transform(model kmeans_model, VARIADIC "any") RETURNS float8[]
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_transform(kmeans_model, "any") IS
'the distances of a row to all centroids, in ascending order of cluster id, in the space of the fit: a model as a value, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_nearest(model text, VARIADIC "any") RETURNS kmeans_assignment
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_nearest(text, "any") IS
'everything about where a row belongs, in one call, for FROM: cluster, label, distance, runner-up, confidence and outlier score; model a name or name@version, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_nearest(model kmeans_model, VARIADIC "any") RETURNS kmeans_assignment
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE SUPPORT kmeans_label_support;

COMMENT ON FUNCTION kmeans_nearest(kmeans_model, "any") IS
'everything about where a row belongs, in one call, for FROM: cluster, label, distance, runner-up, confidence and outlier score; a model as a value, then its columns as for kmeans_predict';

CREATE FUNCTION kmeans_explain(model text, VARIADIC "any")
RETURNS TABLE (cluster int, label text, next_cluster int, next_label text, feature text,
               value float8, centroid float8, next_centroid float8, contribution float8,
               share float8)
AS 'MODULE_PATHNAME' LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_explain(text, "any") IS
'why a row belongs to its cluster rather than to the runner-up, one row per feature, the largest contribution first: value, centroid and next_centroid in original units; contribution to the difference of the squared distances to both centroids, in the space of the fit, and its share of that difference (null if it is 0); model a name or name@version, then its columns as for kmeans_predict; no rows for a row with a null column unless the model was fitted with on_null => ''mean''; null beside the cluster if it is the only one';

CREATE FUNCTION kmeans_explain(model kmeans_model, VARIADIC "any")
RETURNS TABLE (cluster int, label text, next_cluster int, next_label text, feature text,
               value float8, centroid float8, next_centroid float8, contribution float8,
               share float8)
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_explain(kmeans_model, "any") IS
'why a row belongs to its cluster rather than to the runner-up, one row per feature, the largest contribution first: value, centroid and next_centroid in original units; contribution to the difference of the squared distances to both centroids, in the space of the fit, and its share of that difference (null if it is 0); a model as a value, then its columns as for kmeans_predict; no rows for a row with a null column unless the model was fitted with on_null => ''mean''; null beside the cluster if it is the only one';
