/*
 * reader.h
 *		The rows of a source as a model sees them, a batch at a time.
 *
 * For everything that labels rows rather than fits them: kmeans_assign and
 * whatever judges, draws or compares.  The source's columns are found by the
 * names of the model's columns, and encoded as those.  Rows come in the order
 * in which a serial run of the source delivers them; none is held back, so
 * that any number of them takes the memory of one batch.
 */
#ifndef KM_READER_H
#define KM_READER_H

#include "postgres.h"

#include "core/kernel.h"
#include "core/space.h"
#include "engine/encode.h"

typedef struct KmReaderSpec
{
	const char *text;			/* as KmSourceSpec.text; bound in the current
								 * search_path, run with the current user's rights */
	const char *model;			/* for hints; may be NULL */
	const KmColumn *columns;	/* of the model, complete */
	int			ncolumns;
	char	   *const *features;	/* their names, for messages */
	const double *fill;			/* stands for NULL; or NULL */
	const KmSpace *space;		/* NULL: values are wanted as they are, NaN for what
								 * has no fill; then z is values, and isnull tells
								 * of the weight only */
	const char *weight;			/* a column; NULL: none */
	bool		ids;			/* are they wanted? */
	const char *id_column;		/* NULL: the row's ordinal */
	bool		id_optional;	/* if there is no such column: a NOTICE, and the
								 * ordinal */

	/*
	 * The caller has locked the source, and the rows are those of the active
	 * snapshot.  Otherwise they are those there are once the source is locked.
	 */
	bool		locked;
} KmReaderSpec;

/*
 * Up to KM_TILE rows.  Everything belongs to the reader and lasts until the
 * callback returns.
 */
typedef struct KmBatch
{
	int			n;
	int			d;
	int64		first;			/* ordinal of the first row, from 1 */

	/*
	 * n: is the row without a value in some column that has no fill, without a
	 * weight, or of length 0 under cosine?  Its features are zeros then.
	 */
	bool	   *isnull;
	double	   *values;			/* n x d, in original units */
	double	   *z;				/* n x d, in the space; may be values itself */
	double	   *weights;		/* n, >= 0; NULL if there is no weight column */
	char	  **ids;			/* n texts, NULL for a NULL id; NULL if not wanted */
} KmBatch;

/*
 * Called in a memory context that is reset afterwards.
 */
typedef void (*KmReaderCallback) (void *arg, const KmBatch *batch);

/*
 * Read all rows; returns their number.  Raises the errors of the reference
 * for sources; 42703 and 42804 for columns that are not there or of another
 * kind; for values what a fit would, with the row's ordinal.
 */
extern int64 km_reader_run(const KmReaderSpec *spec, KmReaderCallback callback,
						   void *arg);

#endif							/* KM_READER_H */
