-- The value type kmeans_model.

CREATE TYPE kmeans_model;

CREATE FUNCTION kmeans_model_in(cstring) RETURNS kmeans_model
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION kmeans_model_out(kmeans_model) RETURNS cstring
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION kmeans_model_recv(internal) RETURNS kmeans_model
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION kmeans_model_send(kmeans_model) RETURNS bytea
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

-- Storage external: most of a model is float8 with full mantissas, which do not
-- compress, and a prediction should not pay for trying to decompress them.
CREATE TYPE kmeans_model (
    INPUT = kmeans_model_in,
    OUTPUT = kmeans_model_out,
    RECEIVE = kmeans_model_recv,
    SEND = kmeans_model_send,
    INTERNALLENGTH = VARIABLE,
    ALIGNMENT = double,
    STORAGE = external
);

CREATE FUNCTION kmeans_model_from_jsonb(jsonb) RETURNS kmeans_model
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE FUNCTION kmeans_model_to_jsonb(kmeans_model) RETURNS jsonb
AS 'MODULE_PATHNAME' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;

CREATE CAST (jsonb AS kmeans_model)
    WITH FUNCTION kmeans_model_from_jsonb(jsonb) AS ASSIGNMENT;

CREATE CAST (kmeans_model AS jsonb)
    WITH FUNCTION kmeans_model_to_jsonb(kmeans_model) AS ASSIGNMENT;

COMMENT ON TYPE kmeans_model IS
    'one fitted k-means model, whole; its text form is a JSON object';
COMMENT ON FUNCTION kmeans_model_in(cstring) IS
    'input of kmeans_model: the JSON text, checked';
COMMENT ON FUNCTION kmeans_model_out(kmeans_model) IS
    'output of kmeans_model: JSON text whose numbers read back exactly';
COMMENT ON FUNCTION kmeans_model_recv(internal) IS
    'binary input of kmeans_model: a version byte (1), then the JSON text';
COMMENT ON FUNCTION kmeans_model_send(kmeans_model) IS
    'binary output of kmeans_model: a version byte (1), then the JSON text';
COMMENT ON FUNCTION kmeans_model_from_jsonb(jsonb) IS
    'make a model from its JSON object, checked';
COMMENT ON FUNCTION kmeans_model_to_jsonb(kmeans_model) IS
    'the model as a JSON object';
COMMENT ON CAST (jsonb AS kmeans_model) IS
    'make a model from its JSON object, checked';
COMMENT ON CAST (kmeans_model AS jsonb) IS
    'the model as a JSON object';
