/*
 * export_pmml.c
 *		A model as a PMML 4.4 document.
 *
 * The elements, in the order in which the schema wants them:
 *
 *		Header
 *		DataDictionary			the columns; of an array, its elements
 *		ClusteringModel
 *			MiningSchema		what to do with NULLs and unseen categories
 *			LocalTransformations
 *				scaled(feature) filled, scaled, 0 or 1 for a category
 *				length			of the row of those (cosine only)
 *				unit(feature)	divided by it (cosine only)
 *			ComparisonMeasure	squared Euclidean distance
 *			ClusteringField		per feature, of what distances are taken
 *			Cluster				per cluster: id, label, centroid
 *
 * A number that counts as it stands needs no transformation.
 */
#include "postgres.h"

#include "miscadmin.h"
#include "model/display.h"
#include "model/export.h"
#include "model/markup.h"

typedef struct KmPmml
{
	StringInfoData out;
	const KmModel *model;
	int			depth;			/* open elements */
	char	   *prefix;			/* of names of transformations; no column's name
								 * begins with it */
} KmPmml;

static void choose_prefix(KmPmml *pmml);
static void new_line(KmPmml *pmml);
static void begin(KmPmml *pmml, const char *element);
static void attribute(KmPmml *pmml, const char *name, const char *value);
static void number_attribute(KmPmml *pmml, const char *name, double value);
static void open_element(KmPmml *pmml);
static void empty_element(KmPmml *pmml);
static void end_element(KmPmml *pmml, const char *element);
static void put_dictionary(KmPmml *pmml);
static void put_data_field(KmPmml *pmml, const KmColumn *column, const char *name);
static void put_model(KmPmml *pmml, const char *name);
static void put_mining_schema(KmPmml *pmml);
static void put_mining_field(KmPmml *pmml, const KmColumn *column, const char *name);
static bool plain(const KmModel *model, int t);
static char *made_up(const KmPmml *pmml, const char *what, int t);
static char *field_name(const KmPmml *pmml, int t);
static void put_transformations(KmPmml *pmml);
static void begin_derived(KmPmml *pmml, const char *name);
static void put_scaled(KmPmml *pmml, int t);
static void put_value(KmPmml *pmml, int t);
static void put_reference(KmPmml *pmml, const char *name);
static void put_constant(KmPmml *pmml, double value);
static void begin_apply(KmPmml *pmml, const char *function);
static void put_length(KmPmml *pmml);
static void put_comparison(KmPmml *pmml);
static void put_clusters(KmPmml *pmml);

char *
km_export_pmml(const KmModel *model, const char *name)
{
	KmPmml		pmml = {.model = model};

	initStringInfo(&pmml.out);
	choose_prefix(&pmml);
	appendStringInfoString(&pmml.out, "<?xml version=\"1.0\"?>");
	begin(&pmml, "PMML");
	attribute(&pmml, "xmlns", "http://www.dmg.org/PMML-4_4");
	attribute(&pmml, "version", "4.4");
	open_element(&pmml);
	begin(&pmml, "Header");
	open_element(&pmml);
	begin(&pmml, "Application");
	attribute(&pmml, "name", "kmeans");
	empty_element(&pmml);
	end_element(&pmml, "Header");
	put_dictionary(&pmml);
	put_model(&pmml, name);
	end_element(&pmml, "PMML");
	appendStringInfoChar(&pmml.out, '\n');
	return pmml.out.data;
}

static void
choose_prefix(KmPmml *pmml)
{
	const KmModel *model = pmml->model;

	pmml->prefix = "kmeans:";
	for (int c = 0; c < model->ncolumns;)
	{
		if (strncmp(model->columns[c].name, pmml->prefix, strlen(pmml->prefix)) == 0)
		{
			pmml->prefix = psprintf("%s:", pmml->prefix);
			c = 0;
		}
		else
			c++;
	}
}

/* ---- Elements ---- */

static void
new_line(KmPmml *pmml)
{
	appendStringInfoChar(&pmml->out, '\n');
	appendStringInfoSpaces(&pmml->out, 2 * pmml->depth);
}

/* attributes follow, then open_element() or empty_element() */
static void
begin(KmPmml *pmml, const char *element)
{
	CHECK_FOR_INTERRUPTS();
	new_line(pmml);
	appendStringInfo(&pmml->out, "<%s", element);
}

static void
attribute(KmPmml *pmml, const char *name, const char *value)
{
	unsigned int forbidden = km_markup_forbidden(value);

	if (forbidden != 0)
		ereport(ERROR,
				(errcode(ERRCODE_UNTRANSLATABLE_CHARACTER),
				 errmsg("\"%s\" cannot be written as XML", value),
				 errdetail("It contains the character 0x%02x.", forbidden)));
	appendStringInfo(&pmml->out, " %s=\"", name);
	km_markup_attribute(&pmml->out, value);
	appendStringInfoChar(&pmml->out, '"');
}

static void
number_attribute(KmPmml *pmml, const char *name, double value)
{
	appendStringInfo(&pmml->out, " %s=\"", name);
	km_export_number(&pmml->out, value);
	appendStringInfoChar(&pmml->out, '"');
}

static void
open_element(KmPmml *pmml)
{
	appendStringInfoChar(&pmml->out, '>');
	pmml->depth++;
}

static void
empty_element(KmPmml *pmml)
{
	appendStringInfoString(&pmml->out, "/>");
}

static void
end_element(KmPmml *pmml, const char *element)
{
	pmml->depth--;
	new_line(pmml);
	appendStringInfo(&pmml->out, "</%s>", element);
}

/* ---- Columns ---- */

/* Do it for every field of the data: a column, or an element of an array. */
static void
for_each_field(KmPmml *pmml,
			   void (*put) (KmPmml *pmml, const KmColumn *column, const char *name))
{
	int			t = 0;

	for (int c = 0; c < pmml->model->ncolumns; c++)
	{
		const KmColumn *column = &pmml->model->columns[c];
		int			nfields = column->kind == KM_COLUMN_ARRAY ? column->nfeatures : 1;

		for (int i = 0; i < nfields; i++)
			put(pmml, column, column->kind == KM_COLUMN_ARRAY ?
				pmml->model->features[t + i] : column->name);
		t += column->nfeatures;
	}
}

static void
put_dictionary(KmPmml *pmml)
{
	begin(pmml, "DataDictionary");
	open_element(pmml);
	for_each_field(pmml, put_data_field);
	end_element(pmml, "DataDictionary");
}

static void
put_data_field(KmPmml *pmml, const KmColumn *column, const char *name)
{
	bool		categorical = false;
	const char *type = "double";

	switch (column->kind)
	{
		case KM_COLUMN_BOOLEAN:
			categorical = true;
			type = "boolean";
			break;
		case KM_COLUMN_CATEGORY:
			categorical = true;
			type = "string";
			break;
		case KM_COLUMN_DATE:
			type = "dateDaysSince[1970]";
			break;
		case KM_COLUMN_TIMESTAMP:
		case KM_COLUMN_TIMESTAMPTZ:
			type = "dateTimeSecondsSince[1970]";
			break;
		default:
			break;
	}
	begin(pmml, "DataField");
	attribute(pmml, "name", name);
	attribute(pmml, "optype", categorical ? "categorical" : "continuous");
	attribute(pmml, "dataType", type);
	if (column->kind != KM_COLUMN_CATEGORY)
	{
		empty_element(pmml);
		return;
	}
	open_element(pmml);
	for (int t = 0; t < column->nfeatures; t++)
	{
		begin(pmml, "Value");
		attribute(pmml, "value", column->categories[t]);
		empty_element(pmml);
	}
	end_element(pmml, "DataField");
}

static void
put_model(KmPmml *pmml, const char *name)
{
	begin(pmml, "ClusteringModel");
	attribute(pmml, "modelName", name);
	attribute(pmml, "functionName", "clustering");
	attribute(pmml, "algorithmName", "k-means");
	attribute(pmml, "modelClass", "centerBased");
	number_attribute(pmml, "numberOfClusters", pmml->model->k);
	open_element(pmml);
	put_mining_schema(pmml);
	put_transformations(pmml);
	put_comparison(pmml);
	put_clusters(pmml);
	end_element(pmml, "ClusteringModel");
}

static void
put_mining_schema(KmPmml *pmml)
{
	begin(pmml, "MiningSchema");
	open_element(pmml);
	for_each_field(pmml, put_mining_field);
	end_element(pmml, "MiningSchema");
}

/* A missing value is filled where it is transformed, else there is no answer. */
static void
put_mining_field(KmPmml *pmml, const KmColumn *column, const char *name)
{
	begin(pmml, "MiningField");
	attribute(pmml, "name", name);
	attribute(pmml, "missingValueTreatment",
			  pmml->model->fill != NULL ? "asIs" : "returnInvalid");
	if (column->kind == KM_COLUMN_CATEGORY)
		attribute(pmml, "invalidValueTreatment", "asIs");
	empty_element(pmml);
}

/* ---- Transformations ---- */

/* Does the feature count as it stands, but for the length of its row? */
static bool
plain(const KmModel *model, int t)
{
	KmColumnKind kind = km_display_column(model, t)->kind;

	return kind != KM_COLUMN_BOOLEAN && kind != KM_COLUMN_CATEGORY &&
		model->fill == NULL && model->shift[t] == 0 && model->scale[t] == 1;
}

static char *
made_up(const KmPmml *pmml, const char *what, int t)
{
	return psprintf("%s%s(%s)", pmml->prefix, what, pmml->model->features[t]);
}

/* the field that holds a feature as scaled */
static char *
field_name(const KmPmml *pmml, int t)
{
	return plain(pmml->model, t) ? pmml->model->features[t] : made_up(pmml, "scaled", t);
}

static void
put_transformations(KmPmml *pmml)
{
	const KmModel *model = pmml->model;
	bool		any = model->metric == KM_METRIC_COSINE;

	for (int t = 0; t < model->d; t++)
		any |= !plain(model, t);
	if (!any)
		return;
	begin(pmml, "LocalTransformations");
	open_element(pmml);
	for (int t = 0; t < model->d; t++)
		if (!plain(model, t))
			put_scaled(pmml, t);
	if (model->metric == KM_METRIC_COSINE)
		put_length(pmml);
	end_element(pmml, "LocalTransformations");
}

static void
begin_derived(KmPmml *pmml, const char *name)
{
	begin(pmml, "DerivedField");
	attribute(pmml, "name", name);
	attribute(pmml, "optype", "continuous");
	attribute(pmml, "dataType", "double");
	open_element(pmml);
}

/* (x - shift) / scale */
static void
put_scaled(KmPmml *pmml, int t)
{
	double		shift = pmml->model->shift[t];
	double		scale = pmml->model->scale[t];

	begin_derived(pmml, made_up(pmml, "scaled", t));
	if (shift == 0 && scale == 1)
		put_value(pmml, t);
	else
	{
		begin_apply(pmml, "/");
		begin_apply(pmml, "-");
		put_value(pmml, t);
		put_constant(pmml, shift);
		end_element(pmml, "Apply");
		put_constant(pmml, scale);
		end_element(pmml, "Apply");
	}
	end_element(pmml, "DerivedField");
}

/* a feature in original units, filled */
static void
put_value(KmPmml *pmml, int t)
{
	const KmModel *model = pmml->model;
	const KmColumn *column = km_display_column(model, t);

	if (column->kind == KM_COLUMN_BOOLEAN || column->kind == KM_COLUMN_CATEGORY)
	{
		begin(pmml, "NormDiscrete");
		attribute(pmml, "field", column->name);

		/* the feature is called column=category */
		attribute(pmml, "value", column->kind == KM_COLUMN_BOOLEAN ? "true" :
				  model->features[t] + strlen(column->name) + 1);
	}
	else
	{
		begin(pmml, "FieldRef");
		attribute(pmml, "field", model->features[t]);
	}
	if (model->fill != NULL)
		number_attribute(pmml, "mapMissingTo", model->fill[t]);
	empty_element(pmml);
}

static void
put_reference(KmPmml *pmml, const char *name)
{
	begin(pmml, "FieldRef");
	attribute(pmml, "field", name);
	empty_element(pmml);
}

static void
put_constant(KmPmml *pmml, double value)
{
	begin(pmml, "Constant");
	attribute(pmml, "dataType", "double");
	appendStringInfoChar(&pmml->out, '>');
	km_export_number(&pmml->out, value);
	appendStringInfoString(&pmml->out, "</Constant>");
}

static void
begin_apply(KmPmml *pmml, const char *function)
{
	begin(pmml, "Apply");
	attribute(pmml, "function", function);
	open_element(pmml);
}

/* sqrt(sum(z * z, ...)), and each z divided by it */
static void
put_length(KmPmml *pmml)
{
	char	   *length = psprintf("%slength", pmml->prefix);

	begin_derived(pmml, length);
	begin_apply(pmml, "sqrt");
	begin_apply(pmml, "sum");
	for (int t = 0; t < pmml->model->d; t++)
	{
		begin_apply(pmml, "*");
		put_reference(pmml, field_name(pmml, t));
		put_reference(pmml, field_name(pmml, t));
		end_element(pmml, "Apply");
	}
	end_element(pmml, "Apply");
	end_element(pmml, "Apply");
	end_element(pmml, "DerivedField");
	for (int t = 0; t < pmml->model->d; t++)
	{
		begin_derived(pmml, made_up(pmml, "unit", t));
		begin_apply(pmml, "/");
		put_reference(pmml, field_name(pmml, t));
		put_reference(pmml, length);
		end_element(pmml, "Apply");
		end_element(pmml, "DerivedField");
	}
}

/* ---- Clusters ---- */

static void
put_comparison(KmPmml *pmml)
{
	begin(pmml, "ComparisonMeasure");
	attribute(pmml, "kind", "distance");
	attribute(pmml, "compareFunction", "absDiff");
	open_element(pmml);
	begin(pmml, "squaredEuclidean");
	empty_element(pmml);
	end_element(pmml, "ComparisonMeasure");
	for (int t = 0; t < pmml->model->d; t++)
	{
		begin(pmml, "ClusteringField");
		attribute(pmml, "field", pmml->model->metric == KM_METRIC_COSINE ?
				  made_up(pmml, "unit", t) : field_name(pmml, t));
		empty_element(pmml);
	}
}

static void
put_clusters(KmPmml *pmml)
{
	const KmModel *model = pmml->model;

	for (int j = 0; j < model->k; j++)
	{
		char	   *id = psprintf("%d", model->ids[j]);

		begin(pmml, "Cluster");
		attribute(pmml, "id", id);
		attribute(pmml, "name", model->labels[j] != NULL ? model->labels[j] : id);
		appendStringInfo(&pmml->out, " size=\"" INT64_FORMAT "\"", model->sizes[j]);
		open_element(pmml);
		begin(pmml, "Array");
		attribute(pmml, "type", "real");
		number_attribute(pmml, "n", model->d);
		appendStringInfoChar(&pmml->out, '>');
		for (int t = 0; t < model->d; t++)
		{
			if (t > 0)
				appendStringInfoChar(&pmml->out, ' ');
			km_export_number(&pmml->out, model->centroids[(Size) j * model->d + t]);
		}
		appendStringInfoString(&pmml->out, "</Array>");
		end_element(pmml, "Cluster");
	}
}
