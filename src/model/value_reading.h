/*
 * value_reading.h
 *		What has been read of a kmeans_model's text, private to value_parse.c,
 *		which collects it, and value_build.c, which makes a model of it.
 *
 * The elements of each key are collected in a KmSlot, in the order of the
 * key's table; each kind of object has a KmObject, of which one is being read.
 */
#ifndef KM_VALUE_READING_H
#define KM_VALUE_READING_H

#include "compat.h"
#include "model/value_keys.h"

/* The elements read for one key. */
typedef struct KmSlot
{
	bool		seen;
	bool		isnull;			/* null instead of the value */
	int			n;				/* elements, of all rows */
	int			capacity;
	int			rows;			/* matrices: complete rows, each width long */
	int			width;
	union
	{
		void	   *any;
		double	   *reals;
		int64	   *integers;
		char	  **texts;
	}			values;
} KmSlot;

/* An object being read. */
typedef struct KmObject
{
	const KmKey *keys;
	int			nkeys;
	KmSlot	   *slots;			/* nkeys */
	int			key;			/* the one whose value is read, or -1 */
	int			nesting;		/* arrays open inside that value */
} KmObject;

/* The state of the parser's callbacks. */
typedef struct KmReading
{
	JsonLexContext *lexer;
	KmObject   *object;			/* the innermost one; NULL outside */
	KmObject	model;
	KmObject	column;
	KmObject	histogram;

	KmColumn   *columns;		/* complete ones */
	int			ncolumns;
	int			capacity;
	bool		columns_open;	/* inside the array of columns */
	KmHistogram outliers;

	int			options_depth;	/* nesting inside the options */
	const char *options_start;	/* in the JSON text */
	char	   *options;
} KmReading;

/* the key whose value is read, and where it goes */
static inline const KmKey *
km_reading_key(KmReading *reading)
{
	return &reading->object->keys[reading->object->key];
}

static inline KmSlot *
km_reading_slot(KmReading *reading)
{
	return &reading->object->slots[reading->object->key];
}

/* how deep a key's arrays are nested */
static inline int
km_key_depth(const KmKey *key)
{
	return (key->rows != KM_ONE) + (key->width != KM_ONE);
}

/* nothing of it has been read yet */
extern void km_reading_init_object(KmObject *object, const KmKey *keys, int nkeys);

/*
 * The end of the object being read: take what its slots hold, whose lengths
 * can be compared now.
 */
extern void km_reading_end_column(KmReading *reading);
extern void km_reading_end_histogram(KmReading *reading);
extern KmModel *km_reading_end_model(KmReading *reading);

/* 22P02, the first with the name of the current key */
extern void km_reading_bad_value(KmReading *reading, const char *format,...)
			pg_attribute_printf(2, 3) pg_attribute_noreturn();
extern void km_reading_malformed(const char *problem) pg_attribute_noreturn();

/* the text, or its beginning, cut between two characters */
extern char *km_reading_quote(const char *text);

#endif							/* KM_VALUE_READING_H */
