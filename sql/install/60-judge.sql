-- Judge.

CREATE FUNCTION kmeans_evaluate(
  model       text,
  source      text   DEFAULT NULL,
  sample_rows int    DEFAULT 10000,
  seed        bigint DEFAULT 0)
RETURNS TABLE (
  n_rows bigint,
  inertia float8,
  mean_squared_distance float8,
  explained float8,
  silhouette float8,
  silhouette_rows bigint,
  simplified_silhouette float8,
  davies_bouldin float8,
  calinski_harabasz float8)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION kmeans_evaluate(text, text, int, bigint) IS
'how well a model fits the rows of a source (NULL: its own): inertia, silhouette and other criteria in the space of the model; the silhouette is exact up to sample_rows distinct rows, beyond that from a sample that stands for silhouette_rows rows';

CREATE FUNCTION kmeans_evaluate(
  model       kmeans_model,
  source      text,
  sample_rows int    DEFAULT 10000,
  seed        bigint DEFAULT 0)
RETURNS TABLE (
  n_rows bigint,
  inertia float8,
  mean_squared_distance float8,
  explained float8,
  silhouette float8,
  silhouette_rows bigint,
  simplified_silhouette float8,
  davies_bouldin float8,
  calinski_harabasz float8)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;
COMMENT ON FUNCTION kmeans_evaluate(kmeans_model, text, int, bigint) IS
'how well a model fits the rows of a source: inertia, silhouette and other criteria in the space of the model; the silhouette is exact up to sample_rows distinct rows, beyond that from a sample that stands for silhouette_rows rows';

CREATE FUNCTION kmeans_choose_k(
  source      text,
  columns     text[] DEFAULT NULL,
  k_min       int    DEFAULT 2,
  k_max       int    DEFAULT 10,
  scale       text   DEFAULT 'none',
  metric      text   DEFAULT 'euclidean',
  n_init      int    DEFAULT NULL,
  seed        bigint DEFAULT 0,
  sample_rows int    DEFAULT 10000,
  on_null     text   DEFAULT 'skip',
  weight      text   DEFAULT NULL,
  id_column   text   DEFAULT NULL)
RETURNS TABLE (
  k int,
  inertia float8,
  explained float8,
  silhouette float8,
  davies_bouldin float8,
  calinski_harabasz float8,
  elbow float8,
  stability float8,
  smallest_cluster bigint,
  best_by text[])
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 9;
COMMENT ON FUNCTION kmeans_choose_k(text, text[], int, int, text, text, int, bigint, int, text, text, text) IS
'fit k_min to k_max clusters to rows that are read once, and show every criterion for each k, with the k that it calls best; elbow is one only from 0.2';

-- Two clusterings compared.

CREATE FUNCTION kmeans_adjusted_rand_index_transfn(internal, "any", "any") RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_adjusted_rand_index_transfn(internal, "any", "any") IS
'transition function of kmeans_adjusted_rand_index';

CREATE FUNCTION kmeans_adjusted_rand_index_combinefn(internal, internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_adjusted_rand_index_combinefn(internal, internal) IS
'combine function of kmeans_adjusted_rand_index';

CREATE FUNCTION kmeans_adjusted_rand_index_serialfn(internal) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_adjusted_rand_index_serialfn(internal) IS
'serialization function of kmeans_adjusted_rand_index';

CREATE FUNCTION kmeans_adjusted_rand_index_deserialfn(bytea, internal) RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_adjusted_rand_index_deserialfn(bytea, internal) IS
'deserialization function of kmeans_adjusted_rand_index';

CREATE FUNCTION kmeans_adjusted_rand_index_finalfn(internal) RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_adjusted_rand_index_finalfn(internal) IS
'final function of kmeans_adjusted_rand_index';

CREATE AGGREGATE kmeans_adjusted_rand_index(a "any", b "any") (
  SFUNC = kmeans_adjusted_rand_index_transfn,
  STYPE = internal,
  SSPACE = 4096,
  COMBINEFUNC = kmeans_adjusted_rand_index_combinefn,
  SERIALFUNC = kmeans_adjusted_rand_index_serialfn,
  DESERIALFUNC = kmeans_adjusted_rand_index_deserialfn,
  FINALFUNC = kmeans_adjusted_rand_index_finalfn,
  FINALFUNC_MODIFY = READ_ONLY,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_adjusted_rand_index("any", "any") IS
'how far two clusterings of the same rows agree, whatever their names: 1 if they are equal, about 0 if they are unrelated; rows with a NULL are ignored';

-- One clustering judged, row by row.

CREATE FUNCTION kmeans_silhouette_transfn(internal, int, "any") RETURNS internal
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_silhouette_transfn(internal, int, "any") IS
'transition function of kmeans_silhouette';

CREATE FUNCTION kmeans_silhouette_finalfn(internal) RETURNS float8
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION kmeans_silhouette_finalfn(internal) IS
'final function of kmeans_silhouette';

CREATE AGGREGATE kmeans_silhouette(cluster int, features "any") (
  SFUNC = kmeans_silhouette_transfn,
  STYPE = internal,
  SSPACE = 8192,
  FINALFUNC = kmeans_silhouette_finalfn,
  FINALFUNC_MODIFY = READ_ONLY,
  PARALLEL = SAFE
);
COMMENT ON AGGREGATE kmeans_silhouette(int, "any") IS
'the exact mean silhouette of clustered rows, given as arrays of numbers or row values of the features; rows with a NULL are ignored; every pair of rows is compared';
