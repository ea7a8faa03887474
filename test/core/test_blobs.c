/*
 * test_blobs.c
 *		Against make_blobs of scikit-learn 1.2.1, bit for bit.
 */
#include "test.h"

#include <stdlib.h>

#include "core/blobs.h"

/* FNV-1a */
static uint64_t
checksum(const void *data, size_t bytes)
{
	uint64_t	h = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < bytes; i++)
		h = (h ^ ((const unsigned char *) data)[i]) * UINT64_C(0x100000001b3);
	return h;
}

void
test_blobs(void)
{
	static const struct
	{
		KmBlobsParams params;
		uint64_t	x;
		uint64_t	y;
	}			known[] = {
		{{300, 4, 2, 0.7, -10.0, 10.0, true, UINT32_C(42)}, UINT64_C(0x23f169a57b30f3de), UINT64_C(0xcd8f546a5b095f55)},
		{{100, 3, 2, 1.0, -10.0, 10.0, true, UINT32_C(42)}, UINT64_C(0xb80c23fd63e8f06b), UINT64_C(0x393c687f38bc4eb6)},
		{{101, 7, 5, 2.5, 0.0, 1.0, true, UINT32_C(7)}, UINT64_C(0xa01bc62b238c8da2), UINT64_C(0x8c44ff2016020d86)},
		{{10, 3, 1, 1.0, -10.0, 10.0, false, UINT32_C(0)}, UINT64_C(0xf5a8636bdd2a1cca), UINT64_C(0x99e46c2a94d828b6)},
		{{11, 4, 3, 0.0, -3.5, 100.25, true, UINT32_C(4294967295)}, UINT64_C(0xed3ace89077fd4d0), UINT64_C(0x4cd34aca78a4a896)},
		{{2, 5, 4, 1.0, -10.0, 10.0, true, UINT32_C(1)}, UINT64_C(0x12ded277f1dd385e), UINT64_C(0x89cd31291d2aefa4)},
	};
	static const int labels[10] = {3, 3, 0, 2, 3, 2, 1, 2, 0, 1};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		const KmBlobsParams *p = &known[i].params;
		size_t		cells = (size_t) p->n_samples * p->n_features;
		double	   *x = malloc(cells * sizeof(double));
		int32_t    *y = malloc(p->n_samples * sizeof(int32_t));

		km_blobs(solo_team(), p, x, y);
		ok(checksum(x, cells * sizeof(double)) == known[i].x &&
		   checksum(y, p->n_samples * sizeof(int32_t)) == known[i].y,
		   "blobs(%d, %d, %d, %g, ...) as scikit-learn's", p->n_samples, p->centers,
		   p->n_features, p->cluster_std);
		if (i == 0)
		{
			bool		good = x[0] == -9.159880386314182 && x[1] == 6.728631856873349 &&
				x[2] == -9.440617112334778 && x[3] == 7.054334034537826 &&
				x[4] == -1.9334161845805178 && x[5] == 8.159695573218606;

			for (int row = 0; row < 10; row++)
				good = good && y[row] == labels[row];
			ok(good, "the first rows and labels of blobs(300, 4, 2, 0.7, 42)");
		}
		free(y);
		free(x);
	}
}
