/*
 * oversample.c
 *		Choosing the initial centroids: k-means||.
 *
 * Bahmani et al., "Scalable k-means++" (2012): instead of one centroid a pass,
 * draw 2k candidates a pass with probability proportional to weight x D^2, for
 * five passes.  Then every row goes to its nearest candidate, and the cells'
 * means and weights, a few times k instead of n rows, stand for the data: the
 * best of several runs of greedy k-means++ and Lloyd's algorithm on them is
 * the start.
 *
 * The candidates of a round are drawn one from each 2k-th part of the line.
 * So a content with more than that share of the mass is certainly drawn, and
 * one with less no more than twice.
 */
#include "core/oversample.h"

#include <string.h>

#include "core/contents.h"
#include "core/lloyd.h"
#include "core/neighbours.h"
#include "core/seed.h"
#include "core/stats.h"

#define OVERSAMPLE_ROUNDS	5
#define OVERSAMPLE_FACTOR	2	/* candidates of a round, over k */
#define OVERSAMPLE_VALUES	(1 << 20)	/* of candidates: fewer rounds beyond */
#define OVERSAMPLE_RUNS		10
#define OVERSAMPLE_WORK		(1 << 26)	/* runs x cells x k x d, roughly */
#define OVERSAMPLE_MAX_ITER	20
#define OVERSAMPLE_NEIGHBOURS 4096	/* cells that are worth sorting */
#define OVERSAMPLE_STREAM	((uint64_t) 1 << 32)	/* counters of a round */

typedef struct Oversample
{
	KmTeam	   *team;
	KmLine	   *line;
	int			d;
	int			k;
	int			run;
	int			n;				/* candidates so far */
	double	   *candidates;		/* in the space */
} Oversample;

static void oversample_rounds(Oversample *o);
static bool oversample_draw(Oversample *o, int round, int wanted);
static void oversample_cells(Oversample *o, const KmGrid *grid, KmChunk *cells);
static int	oversample_recluster(Oversample *o, KmChunk *cells, double *centroids);

int
km_oversample_size(int k)
{
	return OVERSAMPLE_FACTOR * k;
}

int
km_oversample(KmLine *line, const KmGrid *grid, int k, int run, double *centroids)
{
	KmTeam	   *team = line->team;
	Oversample	o = {.team = team,.line = line,.d = line->d,.k = k,.run = run};
	KmChunk		cells = {0};
	int			chosen;

	oversample_rounds(&o);
	oversample_cells(&o, grid, &cells);
	chosen = oversample_recluster(&o, &cells, centroids);
	km_team_release(team, cells.weight);
	km_team_release(team, cells.values);
	km_team_release(team, o.candidates);
	return chosen;
}

/*
 * The candidates, in the order of the line.  There are more rounds only while
 * there are fewer candidates than clusters, which takes contents of very
 * different mass.
 */
static void
oversample_rounds(Oversample *o)
{
	size_t		size = (size_t) km_oversample_size(o->k);
	size_t		rounds = OVERSAMPLE_VALUES / (size * o->d);
	bool		more = true;

	rounds = rounds < 1 ? 1 : rounds > OVERSAMPLE_ROUNDS ? OVERSAMPLE_ROUNDS : rounds;
	o->n = 0;
	o->candidates = km_team_alloc(o->team, 1 + (rounds + 1) * size,
								  o->d * sizeof(double));
	for (size_t round = 0; more && (round <= rounds || o->n < o->k); round++)
	{
		int			first = o->n;

		more = oversample_draw(o, (int) round, round > 0 ? (int) size : 1);
		if (more)
			km_line_nearer(o->line, o->candidates + (size_t) first * o->d, o->n - first);
	}
}

/* the candidates of a round; false if every row is at one already */
static bool
oversample_draw(Oversample *o, int round, int wanted)
{
	size_t		d = (size_t) o->d;
	int			first = o->n;
	double	   *drawn = o->candidates + first * d;

	if (!km_line_draw(o->line, o->run, (uint64_t) round * OVERSAMPLE_STREAM, wanted,
					  true, drawn))
		return false;
	for (int i = 0; i < wanted; i++)
	{
		double	   *z = drawn + i * d;

		km_space_row(o->line->space, z, z);
		if (!km_seed_taken(o->line->space, drawn, o->n - first, z))
			memmove(o->candidates + o->n++ * d, z, d * sizeof(double));
		km_team_check(o->team);
	}
	return true;
}

/* the candidates' cells: their means, as rows of the space, and weights */
static void
oversample_cells(Oversample *o, const KmGrid *grid, KmChunk *cells)
{
	KmTeam	   *team = o->team;
	int			d = o->d;
	KmSums	   *sums = km_sums_create(team, grid, o->n);
	KmKernel   *kernel = km_kernel_create(team, o->line->space, o->n);
	double	   *z = km_team_alloc(team, (size_t) KM_TILE * d, sizeof(double));
	KmSpace		unit = {d, NULL, NULL, o->line->space->unit};

	km_kernel_set(kernel, o->candidates, o->n);
	for (int c = 0; c < o->line->rows->nchunks; c++)
	{
		KmChunk    *chunk = km_rows_get(o->line->rows, c);

		for (int64_t start = 0; start < chunk->nrows; start += KM_TILE)
		{
			int			n = km_chunk_batch(chunk, start, KM_TILE);
			const double *w = km_chunk_weights(chunk, start);
			int32_t		nearest[KM_TILE];
			double		dist2[KM_TILE];

			km_kernel_assign(kernel, km_chunk_rows(chunk, d, start, n), n, nearest, dist2, z);
			for (int i = 0; i < n; i++)
				km_sums_add(sums, nearest[i], z + (size_t) i * d, w != NULL ? w[i] : 1, 1);
		}
	}
	cells->values = km_team_alloc(team, (size_t) o->n * d, sizeof(double));
	cells->weight = km_team_alloc(team, o->n, sizeof(double));
	km_sums_means(sums, cells->values, cells->weight);

	/* without rows, or for cosine without a direction: none */
	for (int j = 0; j < o->n; j++)
	{
		double	   *mean = cells->values + (size_t) j * d;

		if (!(cells->weight[j] > 0) || !km_space_row(&unit, mean, mean))
			continue;
		memmove(cells->values + cells->nrows * d, mean, d * sizeof(double));
		cells->weight[cells->nrows++] = cells->weight[j];
	}
	km_team_release(team, z);
	km_kernel_free(kernel);
	km_sums_free(sums);
}

/*
 * The best start on the cells.  Everybody does the same, without the others.
 * There are fewer runs where the cells are many, so that this stays the smaller
 * part of the work, and the cells are put in an order in which a candidate
 * need not be compared with most of them.
 */
static int
oversample_recluster(Oversample *o, KmChunk *cells, double *centroids)
{
	KmTeam		solo = km_contents_team(o->team);
	KmRows		rows;
	KmSpace		space = {o->d, NULL, NULL, o->line->space->unit};
	KmStats    *stats;
	KmGrid	   *grid;
	KmSeeder   *seeder;
	KmLloydParams params = {.max_iter = OVERSAMPLE_MAX_ITER};
	double	   *tried = km_team_alloc(o->team, (size_t) o->k * o->d, sizeof(double));
	double		runs = OVERSAMPLE_WORK /
		((double) (cells->nrows + 1) * o->k * o->d);
	double		least = 0;
	int			chosen = 0;

	if (cells->nrows >= OVERSAMPLE_NEIGHBOURS)
		km_neighbours_sort(&solo, cells, o->d);
	rows = km_contents_rows(&solo, cells, o->d);
	rows.neighbours = cells->nrows >= OVERSAMPLE_NEIGHBOURS;
	stats = km_stats(&solo, &rows, &space);
	grid = km_grid_create(&solo, o->d, stats->largest, stats->smallest);
	seeder = km_seeder_create(&solo, &rows, &space, grid, KM_SEED_PLUSPLUS, o->k,
							  o->line->seed);
	runs = runs < 1 ? 1 : runs > OVERSAMPLE_RUNS ? OVERSAMPLE_RUNS : runs;
	for (int r = 0; r < (int) runs; r++)
	{
		int			k;
		double		inertia;

		params.run = o->run * OVERSAMPLE_RUNS + r;
		k = km_seed_all(seeder, params.run, tried);
		inertia = km_lloyd(&solo, &rows, &space, grid, &params, tried, k).inertia;

		if (r == 0 || inertia < least)
		{
			least = inertia;
			chosen = k;
			memcpy(centroids, tried, (size_t) k * o->d * sizeof(double));
		}
	}
	km_seeder_free(seeder);
	km_grid_free(&solo, grid);
	km_stats_free(&solo, stats);
	km_contents_free(&solo, cells);
	km_team_release(o->team, tried);
	return chosen;
}
