-- Fit: one model by name, or one per group as a value.

CREATE TYPE kmeans_fit_summary AS (
  model      text,
  version    int,
  k          int,
  n_features int,
  n_rows     bigint,
  n_skipped  bigint,
  inertia    float8,
  explained  float8,
  n_iter     int,
  converged  boolean,
  seed       bigint,
  elapsed    interval
);
COMMENT ON TYPE kmeans_fit_summary IS 'what a call of kmeans_fit has done';

CREATE FUNCTION kmeans_fit(
  model          text,
  source         text,
  columns        text[]   DEFAULT NULL,
  k              int      DEFAULT 8,
  init           text     DEFAULT 'auto',
  init_centroids float8[] DEFAULT NULL,
  n_init         int      DEFAULT NULL,
  max_iter       int      DEFAULT 300,
  tol            float8   DEFAULT 1e-4,
  seed           bigint   DEFAULT 0,
  metric         text     DEFAULT 'euclidean',
  scale          text     DEFAULT 'none',
  on_null        text     DEFAULT 'skip',
  weight         text     DEFAULT NULL,
  id_column      text     DEFAULT NULL,
  replace        boolean  DEFAULT false,
  verbose        boolean  DEFAULT false
) RETURNS kmeans_fit_summary
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION kmeans_fit(text, text, text[], int, text, float8[], int, int, float8, bigint, text, text, text, text, text, boolean, boolean) IS
'fit k clusters to the rows of a source (a relation, or one read-only query) and store them as a model, or with replace as its next version: columns null for all but text, keys, id_column and weight; the best of n_init runs from seed, of max_iter passes at most; init auto, k-means++, k-means|| or random; metric euclidean or cosine; scale none, standard or minmax; on_null skip, error or mean';

CREATE FUNCTION kmeans_agg_transfn(internal, int, "any") RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_agg_transfn(internal, int, "any") IS 'transition function of kmeans_agg';

CREATE FUNCTION kmeans_agg_transfn(internal, int, "any", jsonb) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_agg_transfn(internal, int, "any", jsonb) IS 'transition function of kmeans_agg';

CREATE FUNCTION kmeans_agg_finalfn(internal) RETURNS kmeans_model
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_agg_finalfn(internal) IS 'final function of kmeans_agg';

CREATE AGGREGATE kmeans_agg(k int, features "any") (
  SFUNC = kmeans_agg_transfn,
  STYPE = internal,
  SSPACE = 16384,
  FINALFUNC = kmeans_agg_finalfn,
  FINALFUNC_MODIFY = READ_ONLY,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_agg(int, "any") IS
'fit k clusters to the arrays or row values of a group';

CREATE AGGREGATE kmeans_agg(k int, features "any", options jsonb) (
  SFUNC = kmeans_agg_transfn,
  STYPE = internal,
  SSPACE = 16384,
  FINALFUNC = kmeans_agg_finalfn,
  FINALFUNC_MODIFY = READ_ONLY,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_agg(int, "any", jsonb) IS
'fit k clusters to the arrays or row values of a group, with the options of kmeans_fit as JSON';

CREATE FUNCTION kmeans_save(model text, result kmeans_model, replace boolean DEFAULT false)
RETURNS int
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION kmeans_save(text, kmeans_model, boolean) IS
'store a value of type kmeans_model under a name; returns its version';

CREATE FUNCTION kmeans_get(model text) RETURNS kmeans_model
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_get(text) IS 'a stored model as a value';
