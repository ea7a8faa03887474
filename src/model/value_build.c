/*
 * value_build.c
 *		From what was read of a kmeans_model's text to a model.
 *
 * An object is complete when its end has been read: only then is it known which
 * keys are missing, and how long its arrays should be.  The model itself comes
 * last; its counts say how long everything else has to be.
 */
#include "postgres.h"

#include "model/value_reading.h"
#include "storage/shmem.h"

static void check_complete(KmReading *reading);
static void take_object(KmReading *reading, void *base, const int *counts);
static void take_value(KmReading *reading, const KmKey *key, KmSlot *slot, void *base);
static void *narrow(const KmSlot *slot);

/* One more column is complete. */
void
km_reading_end_column(KmReading *reading)
{
	KmSlot	   *slots = reading->column.slots;
	KmColumn   *column;
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1};

	if (reading->ncolumns == reading->capacity)
	{
		reading->capacity = reading->capacity == 0 ? 16 : reading->capacity * 2;
		reading->columns = reading->columns == NULL ?
			palloc(mul_size(reading->capacity, sizeof(KmColumn))) :
			repalloc(reading->columns, mul_size(reading->capacity, sizeof(KmColumn)));
	}
	column = &reading->columns[reading->ncolumns];
	memset(column, 0, sizeof(KmColumn));

	check_complete(reading);
	counts[KM_PER_CATEGORY] = slots[KEY_CATEGORIES].n;
	take_object(reading, column, counts);

	for (int key = KEY_LENGTH; key <= KEY_CATEGORIES; key++)
	{
		bool		wanted = !km_key_absent(&km_column_keys[key], column);

		reading->object->key = key;
		if (wanted != slots[key].seen)
			km_reading_bad_value(reading, wanted ? "missing for kind \"%s\"" :
								 "not allowed for kind \"%s\"", km_column_kind_name(column->kind));
	}
	if (column->kind == KM_COLUMN_CATEGORY)
		column->nfeatures = slots[KEY_CATEGORIES].n;
	else if (column->kind != KM_COLUMN_ARRAY)
		column->nfeatures = 1;

	if (++reading->ncolumns > KM_MAX_FEATURES)
		km_reading_malformed(km_model_validate_counts(1, KM_MAX_FEATURES, reading->ncolumns));
	km_reading_init_object(&reading->column, km_column_keys, COLUMN_KEYS);
	reading->object = &reading->model;
}

void
km_reading_end_histogram(KmReading *reading)
{
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1};

	check_complete(reading);
	counts[KM_PER_BIN] = reading->histogram.slots[KEY_UPPER].n;
	take_object(reading, &reading->outliers, counts);
	reading->outliers.nbins = counts[KM_PER_BIN];
	reading->object = &reading->model;
}

/* The counts come first: they say how long everything else has to be. */
KmModel *
km_reading_end_model(KmReading *reading)
{
	KmModel    *model = palloc0(sizeof(KmModel));
	KmSlot	   *slots = reading->model.slots;
	int			counts[KM_EXTENTS] = {[KM_ONE] = 1};
	char	   *problem;

	if (slots[KEY_FORMAT].seen && slots[KEY_FORMAT].values.integers[0] != KM_JSON_FORMAT)
	{
		reading->object->key = KEY_FORMAT;
		km_reading_bad_value(reading, INT64_FORMAT " is not supported, only %d",
							 slots[KEY_FORMAT].values.integers[0], KM_JSON_FORMAT);
	}
	check_complete(reading);

	model->ncolumns = reading->ncolumns;
	model->d = slots[KEY_FEATURES].n;
	problem = km_model_validate_counts(slots[KEY_K].values.integers[0], model->d,
									   model->ncolumns);
	if (problem != NULL)
		km_reading_malformed(problem);

	counts[KM_PER_CLUSTER] = slots[KEY_K].values.integers[0];
	counts[KM_PER_FEATURE] = model->d;
	take_object(reading, model, counts);
	if (model->ids == NULL)
	{
		model->ids = palloc(model->k * sizeof(int32));
		for (int j = 0; j < model->k; j++)
			model->ids[j] = j;
	}
	return model;
}

static void
check_complete(KmReading *reading)
{
	KmObject   *object = reading->object;

	for (object->key = 0; object->key < object->nkeys; object->key++)
	{
		if (!km_reading_slot(reading)->seen && (km_reading_key(reading)->flags & KM_OPTIONAL) == 0)
			km_reading_bad_value(reading, "missing");
	}
}

/* Compare all lengths, and put the values where the keys say. */
static void
take_object(KmReading *reading, void *base, const int *counts)
{
	KmObject   *object = reading->object;

	for (object->key = 0; object->key < object->nkeys; object->key++)
	{
		const KmKey *key = km_reading_key(reading);
		KmSlot	   *slot = km_reading_slot(reading);
		int			rows = km_key_depth(key) == 2 ? slot->rows : slot->n;

		if (!slot->seen || slot->isnull)
			continue;
		if (key->rows != KM_ONE && rows != counts[key->rows])
			km_reading_bad_value(reading, "%d elements, expected %d", rows, counts[key->rows]);
		if (key->width != KM_ONE && slot->width != counts[key->width])
			km_reading_bad_value(reading, "arrays of %d elements, expected %d",
								 slot->width, counts[key->width]);
		take_value(reading, key, slot, base);
	}
}

static void
take_value(KmReading *reading, const KmKey *key, KmSlot *slot, void *base)
{
	char	   *target = (char *) base + key->offset;
	bool		array = key->rows != KM_ONE;

	switch (key->element)
	{
		case KM_JSON_REAL:
			if (array)
				*(double **) target = slot->values.reals;
			else
				*(double *) target = slot->values.reals[0];
			break;
		case KM_JSON_INT:
			if (array)
				*(int32 **) target = narrow(slot);
			else
				*(int32 *) target = slot->values.integers[0];
			break;
		case KM_JSON_BIGINT:
			if (array)
				*(int64 **) target = slot->values.integers;
			else
				*(int64 *) target = slot->values.integers[0];
			break;
		case KM_JSON_BOOLEAN:
			*(bool *) target = slot->values.integers[0] != 0;
			break;
		case KM_JSON_TEXT:
			if (array)
				*(char ***) target = slot->values.texts;
			else
				*(char **) target = slot->values.texts[0];
			break;
		case KM_JSON_METRIC:
			if (!km_metric_parse(slot->values.texts[0], (KmMetric *) target))
				km_reading_bad_value(reading, "unknown metric \"%s\"", km_reading_quote(slot->values.texts[0]));
			break;
		case KM_JSON_KIND:
			if (!km_column_kind_parse(slot->values.texts[0], (KmColumnKind *) target))
				km_reading_bad_value(reading, "unknown kind \"%s\"", km_reading_quote(slot->values.texts[0]));
			break;
		case KM_JSON_COLUMNS:
			*(KmColumn **) target = reading->columns;
			break;
		case KM_JSON_HISTOGRAM:
			*(KmHistogram *) target = reading->outliers;
			break;
		case KM_JSON_OPTIONS:
			*(char **) target = reading->options;
			break;
		case KM_JSON_FORMAT_NUMBER:
			break;
	}
}

/* The integers of a slot, all in the range of int32, as such. */
static void *
narrow(const KmSlot *slot)
{
	int32	   *integers = palloc(mul_size(slot->n, sizeof(int32)));

	for (int i = 0; i < slot->n; i++)
		integers[i] = slot->values.integers[i];
	return integers;
}
