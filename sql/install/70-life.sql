-- Life of a model.

CREATE FUNCTION kmeans_drop(model text, if_exists boolean DEFAULT false)
RETURNS boolean
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_drop(text, boolean) IS
'drop a model, all its versions and grants; true if there was one. With if_exists a missing model is a NOTICE and false. Owner only';

CREATE FUNCTION kmeans_rename(model text, new_name text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_rename(text, text) IS
'give a model a new name of 1 to 63 bytes, without @, that no model has. Owner only';

CREATE FUNCTION kmeans_set_label(model text, cluster int, label text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_set_label(text, int, text) IS
'give a cluster of a model (the promoted version, or name@version) a business name; null removes it. Several clusters may share one. Owner only';

CREATE FUNCTION kmeans_promote(model text, version int)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_promote(text, int) IS
'make the name of a model mean one of its versions, a newer or an older one. Owner only';

CREATE FUNCTION kmeans_prune(model text, keep int DEFAULT 5)
RETURNS int
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_prune(text, int) IS
'drop all versions of a model but the newest (keep of them) and the promoted one; how many were dropped. Their numbers are not used again. Owner only';

CREATE FUNCTION kmeans_set_owner(model text, role text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_set_owner(text, text) IS
'give a model to another owner, with whose rights its stored source is run from then on. Owner only, who must be a member of that role';

CREATE FUNCTION kmeans_grant(model text, role text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_grant(text, text) IS
'let a role, or public, read all versions of a model and predict with them. Owner only';

CREATE FUNCTION kmeans_revoke(model text, role text)
RETURNS void
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE;

COMMENT ON FUNCTION kmeans_revoke(text, text) IS
'take back what kmeans_grant gave to a role, or public. Owner only';

CREATE FUNCTION kmeans_refresh(
    model text,
    source text DEFAULT NULL,
    warm_start boolean DEFAULT true,
    promote boolean DEFAULT true,
    max_churn float8 DEFAULT NULL)
RETURNS TABLE (old_version int, new_version int, promoted boolean, n_rows bigint,
               n_skipped bigint, inertia float8, explained float8, churn float8,
               max_centroid_shift float8, n_iter int, converged boolean, elapsed interval)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1;

COMMENT ON FUNCTION kmeans_refresh(text, text, boolean, boolean, float8) IS
'fit a model (name, or name@version to start from that) again to the rows of its source as they are now, with all its options, and keep the result as the next version: clusters keep their ids and labels. source becomes the new source; warm_start starts from the old centroids; promote makes the name mean the new version, unless more than the share max_churn of the rows would change their cluster. Runs as the owner. Owner only';

CREATE FUNCTION kmeans_drift(model text, source text DEFAULT NULL)
RETURNS TABLE (cluster int, label text, share_then float8, share_now float8, psi float8,
               distance_ratio float8, outlier_rate float8, verdict text)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10;

COMMENT ON FUNCTION kmeans_drift(text, text) IS
'how far the rows of a source (null: the model''s own, run as its owner) have moved away from the fit of a model (name or name@version), without fitting again: shares of the clusters then and now, their population stability index, RMS distance to the centroid now / then, share of rows above the score that 5 % of the fitted rows exceeded, and a verdict: stable, watch or refresh. The last row, cluster null, is for the whole model';

CREATE FUNCTION kmeans_transitions(
    model text,
    version_a int,
    version_b int,
    source_a text DEFAULT NULL,
    source_b text DEFAULT NULL)
RETURNS TABLE (from_cluster int, from_label text, to_cluster int, to_label text,
               n bigint, share float8)
AS 'MODULE_PATHNAME'
LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 100;

COMMENT ON FUNCTION kmeans_transitions(text, int, int, text, text) IS
'how many rows go from which cluster of version_a to which of version_b, and their share of all rows of from_cluster. Without a source the rows of version_b''s (run as the owner), with one its rows, labelled by both versions; with both the rows of source_a by version_a and those of source_b by version_b, matched on the model''s id column: a row of one side only has null on the other';

CREATE FUNCTION kmeans_export(model text, format text DEFAULT 'json')
RETURNS text
AS 'MODULE_PATHNAME'
LANGUAGE C STABLE PARALLEL SAFE;

COMMENT ON FUNCTION kmeans_export(text, text) IS
'A model for programs that do not know the extension: ''json'', as kmeans_get()::text; ''sql'', one SELECT that labels the rows of a source on any server; ''pmml'', a PMML 4.4 document';
