-- The catalog: one row per model, version, cluster, iteration and grant.
--
-- Only the extension's C code reads and writes these tables in daily use, and
-- it checks the rights of the user itself; nobody else is granted anything,
-- since a centroid can be a single customer.  The tables are plain so that
-- they can be read by an administrator, compared, dumped and restored; the
-- constraints are there for edited dumps.
--
-- Roles are regrole: a dump shows their names.  A role that was dropped is
-- dumped as a number, which a restore must not turn into whoever has that
-- number there: hence the checks for digits.
--
-- The schema may be one in which others create functions and operators, and
-- whatever a check binds to runs as whoever restores a dump.  So functions are
-- qualified, and operators are given exactly the types that pg_catalog has
-- them for: a closer match elsewhere would win.

CREATE SEQUENCE kmeans_model_id_seq;

COMMENT ON SEQUENCE kmeans_model_id_seq IS 'numbers of models, never used twice';

CREATE TABLE kmeans_catalog (
    model_id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    owner regrole NOT NULL,
    promoted int NOT NULL,
    last_version int NOT NULL,
    last_cluster int NOT NULL,
    revision bigint NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT kmeans_catalog_pkey PRIMARY KEY (model_id),
    CONSTRAINT kmeans_catalog_name_key UNIQUE (name),
    CONSTRAINT kmeans_catalog_name_check
        CHECK (pg_catalog.octet_length(name) BETWEEN 1 AND 63 AND pg_catalog.strpos(name, '@') = 0),
    CONSTRAINT kmeans_catalog_owner_check CHECK (owner::text !~ '^([0-9]+|-)$'),
    CONSTRAINT kmeans_catalog_promoted_check
        CHECK (promoted BETWEEN 1 AND last_version),
    CONSTRAINT kmeans_catalog_last_cluster_check CHECK (last_cluster >= 0)
);

COMMENT ON TABLE kmeans_catalog IS
'one row per model; see the view kmeans_models';
COMMENT ON COLUMN kmeans_catalog.model_id IS 'identifies the model in the other tables';
COMMENT ON COLUMN kmeans_catalog.name IS 'name of the model';
COMMENT ON COLUMN kmeans_catalog.owner IS 'the role the model belongs to';
COMMENT ON COLUMN kmeans_catalog.promoted IS 'the version that the name means';
COMMENT ON COLUMN kmeans_catalog.last_version IS 'highest version ever used';
COMMENT ON COLUMN kmeans_catalog.last_cluster IS 'highest cluster id that any version ever used';
COMMENT ON COLUMN kmeans_catalog.revision IS 'number of changes to the model, its versions, labels and grants';
COMMENT ON COLUMN kmeans_catalog.created_at IS 'time of the first fit';

CREATE TABLE kmeans_version (
    model_id bigint NOT NULL,
    version int NOT NULL,
    source text,
    columns text[] NOT NULL,
    kinds text[] NOT NULL,
    lengths int[] NOT NULL,
    categories text[] NOT NULL,
    id_column text,
    weight_column text,
    options jsonb NOT NULL,
    seed bigint NOT NULL,
    metric text NOT NULL,
    features text[] NOT NULL,
    shift float8[] NOT NULL,
    scale float8[] NOT NULL,
    fill float8[],
    k int NOT NULL,
    n_rows bigint NOT NULL,
    n_skipped bigint NOT NULL,
    inertia float8 NOT NULL,
    total_ss float8 NOT NULL,
    n_iter int NOT NULL,
    converged boolean NOT NULL,
    best_run int NOT NULL,
    outlier_upper float8[] NOT NULL,
    outlier_weight float8[] NOT NULL,
    outlier_largest float8 NOT NULL,
    elapsed_ms float8 NOT NULL,
    fitted_at timestamptz NOT NULL,
    fitted_by regrole NOT NULL,
    CONSTRAINT kmeans_version_pkey PRIMARY KEY (model_id, version),
    CONSTRAINT kmeans_version_version_check CHECK (version >= 1),
    CONSTRAINT kmeans_version_columns_check
        CHECK (pg_catalog.cardinality(columns) >= 1
               AND pg_catalog.cardinality(kinds) = pg_catalog.cardinality(columns)
               AND pg_catalog.cardinality(lengths) = pg_catalog.cardinality(columns)),
    CONSTRAINT kmeans_version_options_check CHECK (pg_catalog.jsonb_typeof(options) = 'object'),
    CONSTRAINT kmeans_version_metric_check CHECK (metric IN ('euclidean', 'cosine')),
    CONSTRAINT kmeans_version_features_check
        CHECK (pg_catalog.cardinality(features) BETWEEN 1 AND 16000
               AND pg_catalog.cardinality(shift) = pg_catalog.cardinality(features)
               AND pg_catalog.cardinality(scale) = pg_catalog.cardinality(features)
               AND pg_catalog.cardinality(fill) = pg_catalog.cardinality(features)),
    CONSTRAINT kmeans_version_k_check CHECK (k BETWEEN 1 AND 65535),
    CONSTRAINT kmeans_version_counts_check
        CHECK (n_rows >= 0 AND n_skipped >= 0 AND n_iter >= 0 AND best_run >= 0),
    CONSTRAINT kmeans_version_outlier_check
        CHECK (pg_catalog.cardinality(outlier_upper) = pg_catalog.cardinality(outlier_weight)),
    CONSTRAINT kmeans_version_time_check
        CHECK (pg_catalog.isfinite(fitted_at) AND elapsed_ms BETWEEN 0::float8 AND 1e12::float8)
);

COMMENT ON TABLE kmeans_version IS
'one row per version of a model; see the view kmeans_versions';
COMMENT ON COLUMN kmeans_version.model_id IS 'the model';
COMMENT ON COLUMN kmeans_version.version IS 'number of the version, from 1';
COMMENT ON COLUMN kmeans_version.source IS 'qualified text of the relation or query that was fitted; null if it is not stored';
COMMENT ON COLUMN kmeans_version.columns IS 'names of the columns, in order';
COMMENT ON COLUMN kmeans_version.kinds IS 'kind of each column: number, boolean, date, timestamp, timestamptz, interval, array, category';
COMMENT ON COLUMN kmeans_version.lengths IS 'number of features of each column';
COMMENT ON COLUMN kmeans_version.categories IS 'the categories of all category columns, one column after the other';
COMMENT ON COLUMN kmeans_version.id_column IS 'the column that identifies a row';
COMMENT ON COLUMN kmeans_version.weight_column IS 'the column of weights';
COMMENT ON COLUMN kmeans_version.options IS 'the options of the fit';
COMMENT ON COLUMN kmeans_version.seed IS 'seed of the fit';
COMMENT ON COLUMN kmeans_version.metric IS 'euclidean or cosine';
COMMENT ON COLUMN kmeans_version.features IS 'names of the features, in order';
COMMENT ON COLUMN kmeans_version.shift IS 'per feature: a value is scaled as (value - shift) / scale';
COMMENT ON COLUMN kmeans_version.scale IS 'per feature: a value is scaled as (value - shift) / scale';
COMMENT ON COLUMN kmeans_version.fill IS 'per feature: what a null counts as; null if nulls are not filled';
COMMENT ON COLUMN kmeans_version.k IS 'number of clusters';
COMMENT ON COLUMN kmeans_version.n_rows IS 'rows fitted';
COMMENT ON COLUMN kmeans_version.n_skipped IS 'rows skipped because of nulls';
COMMENT ON COLUMN kmeans_version.inertia IS 'weighted sum of squared distances to the centroids, after scaling';
COMMENT ON COLUMN kmeans_version.total_ss IS 'the inertia of one single cluster on the same rows';
COMMENT ON COLUMN kmeans_version.n_iter IS 'passes of the best run';
COMMENT ON COLUMN kmeans_version.converged IS 'false if the best run stopped at max_iter';
COMMENT ON COLUMN kmeans_version.best_run IS 'the run that became the model; 0 if none is stored';
COMMENT ON COLUMN kmeans_version.outlier_upper IS 'upper edges of the bins of the histogram of outlier scores';
COMMENT ON COLUMN kmeans_version.outlier_weight IS 'weight of the rows in each bin';
COMMENT ON COLUMN kmeans_version.outlier_largest IS 'the largest outlier score of a fitted row';
COMMENT ON COLUMN kmeans_version.elapsed_ms IS 'duration of the fit in milliseconds';
COMMENT ON COLUMN kmeans_version.fitted_at IS 'time of the fit';
COMMENT ON COLUMN kmeans_version.fitted_by IS 'the role that fitted';

CREATE TABLE kmeans_centroid (
    model_id bigint NOT NULL,
    version int NOT NULL,
    cluster int NOT NULL,
    label text,
    size bigint NOT NULL,
    weight float8 NOT NULL,
    inertia float8 NOT NULL,
    radius_rms float8 NOT NULL,
    radius_max float8 NOT NULL,
    centroid float8[] NOT NULL,
    mean float8[] NOT NULL,
    stddev float8[] NOT NULL,
    min float8[] NOT NULL,
    max float8[] NOT NULL,
    CONSTRAINT kmeans_centroid_pkey PRIMARY KEY (model_id, version, cluster),
    CONSTRAINT kmeans_centroid_cluster_check CHECK (cluster >= 0),
    CONSTRAINT kmeans_centroid_size_check CHECK (size >= 0 AND weight >= 0::float8),
    CONSTRAINT kmeans_centroid_features_check
        CHECK (pg_catalog.cardinality(centroid) >= 1
               AND pg_catalog.cardinality(mean) = pg_catalog.cardinality(centroid)
               AND pg_catalog.cardinality(stddev) = pg_catalog.cardinality(centroid)
               AND pg_catalog.cardinality(min) = pg_catalog.cardinality(centroid)
               AND pg_catalog.cardinality(max) = pg_catalog.cardinality(centroid))
);

COMMENT ON TABLE kmeans_centroid IS
'one row per cluster of a version; see kmeans_clusters() and kmeans_centroids()';
COMMENT ON COLUMN kmeans_centroid.model_id IS 'the model';
COMMENT ON COLUMN kmeans_centroid.version IS 'the version';
COMMENT ON COLUMN kmeans_centroid.cluster IS 'id of the cluster';
COMMENT ON COLUMN kmeans_centroid.label IS 'business name of the cluster; null if it has none';
COMMENT ON COLUMN kmeans_centroid.size IS 'rows';
COMMENT ON COLUMN kmeans_centroid.weight IS 'sum of their weights';
COMMENT ON COLUMN kmeans_centroid.inertia IS 'weighted sum of squared distances to the centroid, after scaling';
COMMENT ON COLUMN kmeans_centroid.radius_rms IS 'sqrt(inertia / weight)';
COMMENT ON COLUMN kmeans_centroid.radius_max IS 'largest distance of a row to the centroid, after scaling';
COMMENT ON COLUMN kmeans_centroid.centroid IS 'the centroid, one value per feature, after scaling';
COMMENT ON COLUMN kmeans_centroid.mean IS 'mean of each feature, original units';
COMMENT ON COLUMN kmeans_centroid.stddev IS 'population standard deviation of each feature, original units';
COMMENT ON COLUMN kmeans_centroid.min IS 'smallest value of each feature, original units';
COMMENT ON COLUMN kmeans_centroid.max IS 'largest value of each feature, original units';

CREATE TABLE kmeans_iteration (
    model_id bigint NOT NULL,
    version int NOT NULL,
    run int NOT NULL,
    iteration int NOT NULL,
    inertia float8 NOT NULL,
    shift float8 NOT NULL,
    reassigned bigint NOT NULL,
    elapsed_ms float8 NOT NULL,
    CONSTRAINT kmeans_iteration_pkey PRIMARY KEY (model_id, version, run, iteration),
    CONSTRAINT kmeans_iteration_run_check CHECK (run >= 1 AND iteration >= 1)
);

COMMENT ON TABLE kmeans_iteration IS
'one row per iteration of a fit; see kmeans_iterations()';
COMMENT ON COLUMN kmeans_iteration.model_id IS 'the model';
COMMENT ON COLUMN kmeans_iteration.version IS 'the version';
COMMENT ON COLUMN kmeans_iteration.run IS 'number of the run (restart), from 1';
COMMENT ON COLUMN kmeans_iteration.iteration IS 'number of the pass within the run, from 1';
COMMENT ON COLUMN kmeans_iteration.inertia IS 'inertia of the pass';
COMMENT ON COLUMN kmeans_iteration.shift IS 'sum over centroids of squared movement, after scaling';
COMMENT ON COLUMN kmeans_iteration.reassigned IS 'rows that changed their cluster';
COMMENT ON COLUMN kmeans_iteration.elapsed_ms IS 'duration of the pass in milliseconds';

CREATE TABLE kmeans_privilege (
    model_id bigint NOT NULL,
    grantee regrole NOT NULL,
    CONSTRAINT kmeans_privilege_pkey PRIMARY KEY (model_id, grantee),
    CONSTRAINT kmeans_privilege_grantee_check CHECK (grantee::text !~ '^[0-9]+$')
);

COMMENT ON TABLE kmeans_privilege IS
'one row per role that may read a model and predict with it';
COMMENT ON COLUMN kmeans_privilege.model_id IS 'the model';
COMMENT ON COLUMN kmeans_privilege.grantee IS 'the role; - is everybody (public)';

REVOKE ALL ON SEQUENCE kmeans_model_id_seq FROM PUBLIC;
REVOKE ALL ON TABLE kmeans_catalog, kmeans_version, kmeans_centroid,
    kmeans_iteration, kmeans_privilege FROM PUBLIC;

SELECT pg_catalog.pg_extension_config_dump('kmeans_model_id_seq', '');
SELECT pg_catalog.pg_extension_config_dump('kmeans_catalog', '');
SELECT pg_catalog.pg_extension_config_dump('kmeans_version', '');
SELECT pg_catalog.pg_extension_config_dump('kmeans_centroid', '');
SELECT pg_catalog.pg_extension_config_dump('kmeans_iteration', '');
-- a grant to a role that was dropped is worth nothing, and would not restore
SELECT pg_catalog.pg_extension_config_dump('kmeans_privilege',
    $$WHERE grantee::text !~ '^[0-9]+$'$$);
