/*
 * describe.c
 *		Profiles in words.
 *
 * A sentence claims only what is unusual: a mean at least half a standard
 * deviation from that of all rows, and of those the three farthest.
 */
#include "postgres.h"

#include <math.h>

#include "lib/stringinfo.h"
#include "model/display.h"
#include "model/profile.h"

#define SHOWN_FEATURES	3

/* |z| from which a mean is worth a word, a plain one, a strong one */
#define UNUSUAL			0.5
#define PLAIN			1.0
#define STRONG			2.0

/* |deviation| of a single row that is worth a word beside a larger one */
#define FAR				2.0

/* what there is to say of high and low values, by kind of column */
typedef struct KmWords
{
	const char *highest;
	const char *lowest;
	const char *high;
	const char *low;
	bool		after;			/* they come after the feature */
} KmWords;

static const KmWords number_words = {"the highest", "the lowest", "high", "low", false};
static const KmWords time_words = {"the latest", "the earliest", "late", "early", false};
static const KmWords share_words = {"most often", "least often", "often", "seldom", true};

static void add_share(StringInfo out, const KmModel *model, const KmProfile *profile, int j);
static void add_feature(StringInfo out, const KmModel *model, const KmProfile *profile,
						int j, int t);
static char *word_for(const KmWords *words, double position, double z);
static int	find_rank(const KmModel *model, const KmProfile *profile, int j, int rank);
static const KmWords *words_of(const KmColumn *column);
static void comparable_row(const KmModel *model, int j, const double *x,
						   const double *z, double *row);
static void add_deviation(StringInfo out, const KmColumn *column, double value,
						  double mean, double deviation);
static double typical_length(const KmModel *model, int j);
static int	pick_largest(const double *values, int n, int *picked, int max);

char *
km_profile_describe(const KmModel *model, const KmProfile *profile, int j)
{
	StringInfoData out;
	int			unusual = 0;

	initStringInfo(&out);
	if (!(model->weights[j] > 0))
	{
		appendStringInfo(&out, "%lld of %lld rows, without any weight: there is nothing to say of them.",
						 (long long) model->sizes[j], (long long) model->n_rows);
		return out.data;
	}
	add_share(&out, model, profile, j);
	if (model->k == 1)
	{
		appendStringInfoString(&out, ": the only cluster, so there is nothing to compare it with.");
		return out.data;
	}

	while (unusual < Min(SHOWN_FEATURES, model->d) &&
		   fabs(profile->z[(Size) j * model->d +
						   find_rank(model, profile, j, unusual + 1)]) >= UNUSUAL)
		unusual++;
	for (int i = 0; i < unusual; i++)
	{
		appendStringInfoString(&out, i == 0 ? ": " : i < unusual - 1 ? ", " : " and ");
		add_feature(&out, model, profile, j, find_rank(model, profile, j, i + 1));
	}
	appendStringInfoString(&out, unusual > 0 ? "." :
						   ": close to the average in every feature.");
	return out.data;
}

/* '25 % of the rows (75 of 300)' */
static void
add_share(StringInfo out, const KmModel *model, const KmProfile *profile, int j)
{
	appendStringInfo(out, profile->weighted ? "%s of the weight (%lld of %lld rows)" :
					 "%s of the rows (%lld of %lld)",
					 km_display_share(model->weights[j] / profile->total_weight),
					 (long long) model->sizes[j], (long long) model->n_rows);
}

/*
 * 'the highest price (12.5 against 3.1 overall, +2.1 sd)', 'paid often (80 %
 * against 30 % overall, +1.1 sd)'
 */
static void
add_feature(StringInfo out, const KmModel *model, const KmProfile *profile, int j, int t)
{
	Size		cell = (Size) j * model->d + t;
	const KmColumn *column = km_display_column(model, t);
	const KmWords *words = words_of(column);
	char	   *word = word_for(words, profile->position[cell], profile->z[cell]);
	char	   *mean;
	char	   *mean_of_all;

	km_display_pair(column, model->mean[cell], profile->mean[t], &mean, &mean_of_all);
	appendStringInfo(out, "%s %s (%s against %s overall, %+.1f sd)",
					 words->after ? model->features[t] : word,
					 words->after ? word : model->features[t],
					 mean, mean_of_all, profile->z[cell]);
}

static char *
word_for(const KmWords *words, double position, double z)
{
	if (position == 1)
		return pstrdup(words->highest);
	if (position == 0)
		return pstrdup(words->lowest);
	return psprintf("%s%s", fabs(z) >= STRONG ? "very " : fabs(z) >= PLAIN ? "" : "rather ",
					z > 0 ? words->high : words->low);
}

/* the feature of that rank */
static int
find_rank(const KmModel *model, const KmProfile *profile, int j, int rank)
{
	int			t = 0;

	while (profile->rank[(Size) j * model->d + t] != rank)
		t++;
	return t;
}

static const KmWords *
words_of(const KmColumn *column)
{
	switch (column->kind)
	{
		case KM_COLUMN_DATE:
		case KM_COLUMN_TIMESTAMP:
		case KM_COLUMN_TIMESTAMPTZ:
			return &time_words;
		case KM_COLUMN_BOOLEAN:
		case KM_COLUMN_CATEGORY:
			return &share_words;
		default:
			return &number_words;
	}
}

/* ---- A row that sticks out ---- */

char *
km_profile_reason(const KmModel *model, int j, const double *x, const double *z)
{
	const double *mean = model->mean + (Size) j * model->d;
	const double *stddev = model->stddev + (Size) j * model->d;
	double	   *row;
	double	   *deviation;
	int			picked[SHOWN_FEATURES];
	int			npicked;
	StringInfoData out;

	if (!(model->weights[j] > 0))
		return NULL;
	row = palloc(mul_size(2 * model->d, sizeof(double)));
	deviation = row + model->d;
	comparable_row(model, j, x, z, row);
	for (int t = 0; t < model->d; t++)
		deviation[t] = row[t] == mean[t] ? 0 : (row[t] - mean[t]) / stddev[t];
	npicked = pick_largest(deviation, model->d, picked, SHOWN_FEATURES);

	initStringInfo(&out);
	for (int i = 0; i < npicked; i++)
	{
		int			t = picked[i];

		if (i > 0 && fabs(deviation[t]) < FAR)
			break;
		appendStringInfo(&out, "%s%s ", i > 0 ? ", " : "", model->features[t]);
		add_deviation(&out, km_display_column(model, t), row[t], mean[t], deviation[t]);
	}
	pfree(row);
	return out.data;
}

/*
 * The row in original units; for cosine at the length of the cluster's mean.
 */
static void
comparable_row(const KmModel *model, int j, const double *x, const double *z, double *row)
{
	double		length;

	if (model->metric != KM_METRIC_COSINE)
	{
		memcpy(row, x, model->d * sizeof(double));
		return;
	}
	length = typical_length(model, j);
	for (int t = 0; t < model->d; t++)
		row[t] = z[t] * length * model->scale[t] + model->shift[t];
}

/*
 * '+9.3 sd'; '12 instead of 5' where all rows of the cluster have one value,
 * so that the deviation is infinite.
 */
static void
add_deviation(StringInfo out, const KmColumn *column, double value, double mean,
			  double deviation)
{
	char	   *here;
	char	   *elsewhere;

	if (isfinite(deviation))
	{
		appendStringInfo(out, fabs(deviation) < 1000 ? "%+.1f sd" : "%+.3g sd", deviation);
		return;
	}
	km_display_pair(column, value, mean, &here, &elsewhere);
	appendStringInfo(out, "%s instead of %s", here, elsewhere);
}

/* of the cluster's mean, as scaled */
static double
typical_length(const KmModel *model, int j)
{
	const double *mean = model->mean + (Size) j * model->d;
	double		sum = 0;

	for (int t = 0; t < model->d; t++)
	{
		double		m = (mean[t] - model->shift[t]) / model->scale[t];

		sum += m * m;
	}
	return sqrt(sum);
}

/* indexes of the largest magnitudes, in descending order, the first of equals */
static int
pick_largest(const double *values, int n, int *picked, int max)
{
	int			npicked = 0;

	for (int t = 0; t < n; t++)
	{
		int			at = npicked;

		while (at > 0 && fabs(values[t]) > fabs(values[picked[at - 1]]))
			at--;
		if (at == max)
			continue;
		if (npicked < max)
			npicked++;
		memmove(picked + at + 1, picked + at, (npicked - at - 1) * sizeof(int));
		picked[at] = t;
	}
	return npicked;
}
