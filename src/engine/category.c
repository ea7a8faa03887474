/*
 * category.c
 *		The categories of a column: texts, by their bytes, and their numbers.
 *
 * A hash table finds the code of a text; an array finds the text of a code:
 *
 *		texts	"web", "shop", "phone"		codes 0, 1, 2
 *				\--- known --/\learned/
 *
 * Codes depend on the order of rows, the settled order does not.
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "catalog/pg_enum.h"
#include "common/hashfn.h"
#include "lib/stringinfo.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

#include "engine/category.h"

typedef struct KmCategoryText
{
	const char *bytes;
	int			nbytes;
} KmCategoryText;

typedef struct KmCategoryEntry
{
	KmCategoryText text;
	int			code;
	char		status;
} KmCategoryEntry;

static inline bool
km_category_same(KmCategoryText a, KmCategoryText b)
{
	return a.nbytes == b.nbytes && memcmp(a.bytes, b.bytes, a.nbytes) == 0;
}

#define SH_PREFIX		km_category
#define SH_ELEMENT_TYPE	KmCategoryEntry
#define SH_KEY_TYPE		KmCategoryText
#define SH_KEY			text
#define SH_HASH_KEY(tb, key) \
	hash_bytes((const unsigned char *) (key).bytes, (key).nbytes)
#define SH_EQUAL(tb, a, b)	km_category_same(a, b)
#define SH_SCOPE		static inline
#define SH_DECLARE
#define SH_DEFINE
#include "lib/simplehash.h"

struct KmCategories
{
	MemoryContext cxt;
	const char *column;			/* its name */
	int			nknown;			/* at the beginning */
	int			n;
	int			room;
	char	  **texts;			/* n */
	km_category_hash *codes;
};

/* A text while the order is settled. */
typedef struct KmSettling
{
	char	   *text;
	float4		order;			/* of an enum's label; else 0 */
} KmSettling;

static int	km_categories_add(KmCategories *categories, char *text);
static void km_settling_append(StringInfo message, const KmCategories *categories);
static float4 km_settling_order(Oid enum_type, const char *text);
static int	km_settling_compare(const void *a, const void *b);

KmCategories *
km_categories_create(const KmColumn *column)
{
	KmCategories *categories = palloc0(sizeof(KmCategories));

	categories->cxt = CurrentMemoryContext;
	categories->column = column->name;
	categories->nknown = column->nfeatures;
	categories->room = Max(column->nfeatures, 8);
	categories->texts = palloc(mul_size(categories->room, sizeof(char *)));
	categories->codes = km_category_create(CurrentMemoryContext, categories->room, NULL);
	for (int i = 0; i < column->nfeatures; i++)
		(void) km_categories_add(categories, column->categories[i]);
	return categories;
}

/* text stays where it is */
static int
km_categories_add(KmCategories *categories, char *text)
{
	KmCategoryText key = {text, strlen(text)};
	bool		found;

	if (categories->n == categories->room)
	{
		categories->room *= 2;
		categories->texts = repalloc(categories->texts,
									 mul_size(categories->room, sizeof(char *)));
	}
	categories->texts[categories->n] = text;
	km_category_insert(categories->codes, key, &found)->code = categories->n;
	return categories->n++;
}

int
km_categories_find(const KmCategories *categories, const char *bytes, int nbytes)
{
	KmCategoryText key = {bytes, nbytes};
	KmCategoryEntry *entry = km_category_lookup(categories->codes, key);

	return entry != NULL ? entry->code : -1;
}

int
km_categories_learn(KmCategories *categories, const char *bytes, int nbytes,
					int64 ordinal)
{
	int			code = km_categories_find(categories, bytes, nbytes);
	MemoryContext old;

	if (code >= 0)
		return code;
	if (categories->n >= KM_MAX_CATEGORIES)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
				 errmsg("column \"%s\" has more than %d categories",
						categories->column, KM_MAX_CATEGORIES),
				 errdetail("Row %lld brings one more.", (long long) ordinal),
				 errhint("Turn rare values into one category in the source query, or leave the column out.")));
	old = MemoryContextSwitchTo(categories->cxt);
	code = km_categories_add(categories, pnstrdup(bytes, nbytes));
	MemoryContextSwitchTo(old);
	return code;
}

/* ---- One order for all ---- */

int *
km_categories_settle(KmTeam *team, const KmCategories *categories, Oid enum_type,
					 KmColumn *column)
{
	StringInfoData mine;
	const char *all;
	size_t		total;
	KmColumn	known = *column;
	KmCategories *together;
	KmSettling *fresh;
	int			nfresh;
	int		   *place = palloc(mul_size(Max(categories->n, 1), sizeof(int)));

	initStringInfo(&mine);
	km_settling_append(&mine, categories);
	all = mine.data;
	total = mine.len;
	if (team->size > 1)
		all = team->gather(team->arg, mine.data, mine.len, &total);

	known.nfeatures = categories->nknown;
	known.categories = categories->texts;
	together = km_categories_create(&known);
	for (const char *text = all; text < all + total; text += strlen(text) + 1)
		(void) km_categories_learn(together, text, strlen(text), 0);

	nfresh = together->n - together->nknown;
	fresh = palloc(mul_size(Max(nfresh, 1), sizeof(KmSettling)));
	for (int i = 0; i < nfresh; i++)
	{
		fresh[i].text = together->texts[together->nknown + i];
		fresh[i].order = km_settling_order(enum_type, fresh[i].text);
	}
	qsort(fresh, nfresh, sizeof(KmSettling), km_settling_compare);

	known.nfeatures = together->n;
	known.categories = palloc(mul_size(Max(together->n, 1), sizeof(char *)));
	for (int i = 0; i < together->n; i++)
		known.categories[i] = pstrdup(i < together->nknown ? together->texts[i] :
									  fresh[i - together->nknown].text);
	*column = known;

	together = km_categories_create(column);
	for (int code = 0; code < categories->n; code++)
		place[code] = km_categories_find(together, categories->texts[code],
										 strlen(categories->texts[code]));
	return place;
}

/* what was learned, text by text, each with its end */
static void
km_settling_append(StringInfo message, const KmCategories *categories)
{
	for (int code = categories->nknown; code < categories->n; code++)
		appendBinaryStringInfo(message, categories->texts[code],
							   strlen(categories->texts[code]) + 1);
}

static float4
km_settling_order(Oid enum_type, const char *text)
{
	HeapTuple	tuple;
	float4		order;

	if (!OidIsValid(enum_type))
		return 0;
	tuple = SearchSysCache2(ENUMTYPOIDNAME, ObjectIdGetDatum(enum_type),
							CStringGetDatum(text));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for label \"%s\" of enum %u", text, enum_type);
	order = ((Form_pg_enum) GETSTRUCT(tuple))->enumsortorder;
	ReleaseSysCache(tuple);
	return order;
}

static int
km_settling_compare(const void *a, const void *b)
{
	const KmSettling *x = a;
	const KmSettling *y = b;

	if (x->order != y->order)
		return x->order < y->order ? -1 : 1;
	return strcmp(x->text, y->text);
}
