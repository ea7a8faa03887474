-- Look inside.

-- The views select from functions that return only what the user may see:
-- a filter in a view could be made to leak by a function of the user's.

CREATE FUNCTION kmeans_list_models()
RETURNS TABLE (
    model text,
    owner text,
    grantees text[],
    version int,
    versions int,
    k int,
    n_features int,
    metric text,
    scale text,
    source text,
    columns text[],
    id_column text,
    n_rows bigint,
    inertia float8,
    explained float8,
    fitted_at timestamptz)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_list_models() IS
'the models that the current user may read; what the view kmeans_models shows';

CREATE FUNCTION kmeans_list_versions()
RETURNS TABLE (
    model text,
    version int,
    promoted boolean,
    k int,
    n_features int,
    n_rows bigint,
    n_skipped bigint,
    inertia float8,
    explained float8,
    n_iter int,
    converged boolean,
    seed bigint,
    metric text,
    scale text,
    source text,
    columns text[],
    id_column text,
    options jsonb,
    fitted_by text,
    fitted_at timestamptz,
    elapsed interval)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_list_versions() IS
'the versions of the models that the current user may read; what the view kmeans_versions shows';

CREATE VIEW kmeans_models AS
SELECT m.model, m.owner, m.grantees, m.version, m.versions, m.k, m.n_features,
       m.metric, m.scale, m.source, m.columns, m.id_column, m.n_rows,
       m.inertia, m.explained, m.fitted_at,
       pg_catalog.clock_timestamp() - m.fitted_at AS age
FROM kmeans_list_models() AS m;

COMMENT ON VIEW kmeans_models IS
'the models that you may read: one row per model, with its promoted version';
COMMENT ON COLUMN kmeans_models.model IS 'name of the model';
COMMENT ON COLUMN kmeans_models.owner IS 'the role the model belongs to; a number if that role was dropped';
COMMENT ON COLUMN kmeans_models.grantees IS 'roles that may read the model and predict with it';
COMMENT ON COLUMN kmeans_models.version IS 'the promoted version: what the name means';
COMMENT ON COLUMN kmeans_models.versions IS 'number of versions kept';
COMMENT ON COLUMN kmeans_models.k IS 'number of clusters';
COMMENT ON COLUMN kmeans_models.n_features IS 'number of features, after encoding';
COMMENT ON COLUMN kmeans_models.metric IS 'euclidean or cosine';
COMMENT ON COLUMN kmeans_models.scale IS 'none, standard or minmax; null if the model was imported without it';
COMMENT ON COLUMN kmeans_models.source IS 'qualified text of what was fitted; null if it is not stored';
COMMENT ON COLUMN kmeans_models.columns IS 'columns of the source that are features, in order';
COMMENT ON COLUMN kmeans_models.id_column IS 'column of the source that identifies a row';
COMMENT ON COLUMN kmeans_models.n_rows IS 'rows fitted';
COMMENT ON COLUMN kmeans_models.inertia IS 'weighted sum of squared distances to the assigned centroid, after scaling';
COMMENT ON COLUMN kmeans_models.explained IS '1 - inertia / inertia of one single cluster; null if that is 0';
COMMENT ON COLUMN kmeans_models.fitted_at IS 'time of the fit';
COMMENT ON COLUMN kmeans_models.age IS 'time since the fit';

CREATE VIEW kmeans_versions AS
SELECT v.model, v.version, v.promoted, v.k, v.n_features, v.n_rows,
       v.n_skipped, v.inertia, v.explained, v.n_iter, v.converged, v.seed,
       v.metric, v.scale, v.source, v.columns, v.id_column, v.options,
       v.fitted_by, v.fitted_at, v.elapsed
FROM kmeans_list_versions() AS v;

COMMENT ON VIEW kmeans_versions IS
'the versions of the models that you may read';
COMMENT ON COLUMN kmeans_versions.model IS 'name of the model';
COMMENT ON COLUMN kmeans_versions.version IS 'number of the version, from 1; model@version addresses it';
COMMENT ON COLUMN kmeans_versions.promoted IS 'true for the version that the name means';
COMMENT ON COLUMN kmeans_versions.k IS 'number of clusters';
COMMENT ON COLUMN kmeans_versions.n_features IS 'number of features, after encoding';
COMMENT ON COLUMN kmeans_versions.n_rows IS 'rows fitted';
COMMENT ON COLUMN kmeans_versions.n_skipped IS 'rows skipped because of nulls';
COMMENT ON COLUMN kmeans_versions.inertia IS 'weighted sum of squared distances to the assigned centroid, after scaling';
COMMENT ON COLUMN kmeans_versions.explained IS '1 - inertia / inertia of one single cluster; null if that is 0';
COMMENT ON COLUMN kmeans_versions.n_iter IS 'passes of the best run';
COMMENT ON COLUMN kmeans_versions.converged IS 'false if the best run stopped at max_iter';
COMMENT ON COLUMN kmeans_versions.seed IS 'seed of the fit';
COMMENT ON COLUMN kmeans_versions.metric IS 'euclidean or cosine';
COMMENT ON COLUMN kmeans_versions.scale IS 'none, standard or minmax; null if the model was imported without it';
COMMENT ON COLUMN kmeans_versions.source IS 'qualified text of what was fitted; null if it is not stored';
COMMENT ON COLUMN kmeans_versions.columns IS 'columns of the source that are features, in order';
COMMENT ON COLUMN kmeans_versions.id_column IS 'column of the source that identifies a row';
COMMENT ON COLUMN kmeans_versions.options IS 'the options of the fit';
COMMENT ON COLUMN kmeans_versions.fitted_by IS 'the role that fitted; a number if that role was dropped';
COMMENT ON COLUMN kmeans_versions.fitted_at IS 'time of the fit';
COMMENT ON COLUMN kmeans_versions.elapsed IS 'duration of the fit';

GRANT SELECT ON kmeans_models, kmeans_versions TO PUBLIC;

CREATE FUNCTION kmeans_centroids(model text)
RETURNS TABLE (cluster int, label text, feature text, value float8, scaled_value float8)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_centroids(text) IS
'the centroids of a model (name or name@version), one row per cluster and feature: value in original units (cosine: the mean of the cluster''s rows), scaled_value as fitted (after scaling; cosine: of length 1)';

CREATE FUNCTION kmeans_centroids(model kmeans_model)
RETURNS TABLE (cluster int, label text, feature text, value float8, scaled_value float8)
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_centroids(kmeans_model) IS
'the centroids of a kmeans_model, one row per cluster and feature: value in original units (cosine: the mean of the cluster''s rows), scaled_value as fitted (after scaling; cosine: of length 1); no row for null';

CREATE FUNCTION kmeans_clusters(model text)
RETURNS TABLE (cluster int, label text, size bigint, weight float8, share float8,
               inertia float8, radius_rms float8, radius_max float8, centroid float8[])
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_clusters(text) IS
'the clusters of a model (name or name@version), one row each: size in rows, weight their sum of weights, share of the total weight; inertia (weighted sum of squared distances to the centroid), radius_rms and radius_max as fitted, after scaling; centroid in original units, one value per feature';

CREATE FUNCTION kmeans_clusters(model kmeans_model)
RETURNS TABLE (cluster int, label text, size bigint, weight float8, share float8,
               inertia float8, radius_rms float8, radius_max float8, centroid float8[])
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_clusters(kmeans_model) IS
'the clusters of a kmeans_model, one row each: size in rows, weight their sum of weights, share of the total weight; inertia (weighted sum of squared distances to the centroid), radius_rms and radius_max as fitted, after scaling; centroid in original units, one value per feature; no row for null';

CREATE FUNCTION kmeans_profile(model text)
RETURNS TABLE (cluster int, label text, feature text, mean float8, stddev float8,
               min float8, max float8, overall_mean float8, z float8, rank int,
               level text)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_profile(text) IS
'what is typical of the clusters of a model (name or name@version), one row per cluster and feature, in original units, from stored statistics: mean, population standard deviation, min and max of the cluster''s rows; overall_mean of all rows; z = (mean - overall_mean) / overall standard deviation; rank of the cluster''s features by |z|; level of the mean among those of the clusters: lowest, low, middle, high or highest';

CREATE FUNCTION kmeans_profile(model kmeans_model)
RETURNS TABLE (cluster int, label text, feature text, mean float8, stddev float8,
               min float8, max float8, overall_mean float8, z float8, rank int,
               level text)
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_profile(kmeans_model) IS
'what is typical of the clusters of a kmeans_model, one row per cluster and feature, in original units, from stored statistics: mean, population standard deviation, min and max of the cluster''s rows; overall_mean of all rows; z = (mean - overall_mean) / overall standard deviation; rank of the cluster''s features by |z|; level of the mean among those of the clusters: lowest, low, middle, high or highest; no row for null';

CREATE FUNCTION kmeans_describe(model text)
RETURNS TABLE (cluster int, label text, size bigint, share float8, description text)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_describe(text) IS
'one sentence about each cluster of a model (name or name@version), from stored statistics: its share of the rows and the features in which its mean is at least half a standard deviation above or below that of all rows, at most three, in original units';

CREATE FUNCTION kmeans_describe(model kmeans_model)
RETURNS TABLE (cluster int, label text, size bigint, share float8, description text)
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_describe(kmeans_model) IS
'one sentence about each cluster of a kmeans_model, from stored statistics: its share of the rows and the features in which its mean is at least half a standard deviation above or below that of all rows, at most three, in original units; no row for null';

CREATE FUNCTION kmeans_feature_importance(model text)
RETURNS TABLE (feature text, between_ss float8, total_ss float8, eta2 float8,
               f_ratio float8, rank int)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_feature_importance(text) IS
'how much each feature separates the clusters of a model (name or name@version), from stored statistics: total_ss the feature''s weighted sum of squares about its mean and between_ss what of it the clusters explain, both after scaling (cosine: before division by the length of the row); eta2 = between_ss / total_ss; f_ratio of one-way analysis of variance, (between_ss / (k - 1)) / (within / (n - k)); rank by eta2; null where undefined';

CREATE FUNCTION kmeans_feature_importance(model kmeans_model)
RETURNS TABLE (feature text, between_ss float8, total_ss float8, eta2 float8,
               f_ratio float8, rank int)
AS 'MODULE_PATHNAME'
LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE ROWS 10;

COMMENT ON FUNCTION kmeans_feature_importance(kmeans_model) IS
'how much each feature separates the clusters of a kmeans_model, from stored statistics: total_ss the feature''s weighted sum of squares about its mean and between_ss what of it the clusters explain, both after scaling (cosine: before division by the length of the row); eta2 = between_ss / total_ss; f_ratio of one-way analysis of variance, (between_ss / (k - 1)) / (within / (n - k)); rank by eta2; null where undefined; no row for null';

CREATE FUNCTION kmeans_iterations(model text)
RETURNS TABLE (run int, iteration int, inertia float8, shift float8,
               reassigned bigint, elapsed_ms float8, best boolean)
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE ROWS 100;

COMMENT ON FUNCTION kmeans_iterations(text) IS
'the iterations of the fit of a model (name or name@version), of all runs, both counted from 1: inertia of the pass, shift (sum over centroids of squared movement, after scaling), reassigned rows, elapsed_ms; best marks the run that became the model; no rows for a model that was saved from a kmeans_model';
