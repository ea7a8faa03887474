/*
 * records.h
 *		Contents with their masses, collected from rows.
 *
 * A record holds the hash of a content, its mass and its d raw values.  Copies
 * are merged: their masses add up.  Records are in the order (hash, content)
 * after km_records_share().
 */
#ifndef KM_RECORDS_H
#define KM_RECORDS_H

#include "core/bits.h"
#include "core/sums.h"

#define KM_RECORD_HASH		0
#define KM_RECORD_LOW		1	/* the mass in two halves, as bits */
#define KM_RECORD_HIGH		2
#define KM_RECORD_VALUES	3

typedef struct KmRecords
{
	KmTeam	   *team;
	int			d;
	size_t		size;			/* doubles of a record */
	size_t		n;
	size_t		max;
	double	   *data;			/* max records */
} KmRecords;

/* expected: how many there will be, if known; more find room as well */
extern void km_records_init(KmRecords *records, KmTeam *team, int d, size_t expected);
extern void km_records_add(KmRecords *records, uint64_t hash, KmWide mass,
						   const double *values);

/* sort and merge everybody's records: then all have the same */
extern void km_records_share(KmRecords *records);
extern void km_records_free(KmRecords *records);

static inline const double *
km_record(const KmRecords *records, size_t i)
{
	return records->data + i * records->size;
}

static inline uint64_t
km_record_hash(const double *record)
{
	return km_bits_of(record[KM_RECORD_HASH]);
}

static inline KmWide
km_record_mass(const double *record)
{
	return (KmWide) km_bits_of(record[KM_RECORD_HIGH]) << 64 |
		km_bits_of(record[KM_RECORD_LOW]);
}

#endif							/* KM_RECORDS_H */
