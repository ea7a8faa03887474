-- Life of a model.

CREATE FUNCTION kmeans_drop(model text, if_exists boolean DEFAULT false)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_drop(text, boolean) IS
'Drop a model, all its versions and grants; true if there was one. With if_exists a missing model is a NOTICE and false. Owner only';

CREATE FUNCTION kmeans_rename(model text, new_name text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_rename(text, text) IS
'Give a model a new name of 1 to 63 bytes, without @, that no model has. Owner only';

CREATE FUNCTION kmeans_set_label(model text, cluster int, label text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_set_label(text, int, text) IS
'Give a cluster of a model (the promoted version, or name@version) a business name; null removes it. Several clusters may share one. Owner only';
