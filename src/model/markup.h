/*
 * markup.h
 *		What users have named, in XML and HTML.
 *
 * Every program reads these documents as UTF-8.  In a database of another
 * encoding what is not ASCII becomes a character reference, so the text is the
 * same in whatever encoding it is sent and saved.  In a database of no encoding
 * (SQL_ASCII) bytes that are no UTF-8 become question marks.
 */
#ifndef KM_MARKUP_H
#define KM_MARKUP_H

#include "postgres.h"

#include "lib/stringinfo.h"

/*
 * The text as the content of an element.  What XML cannot hold, control
 * characters above all, becomes a question mark.
 */
extern void km_markup_content(StringInfo out, const char *text);

/* the same as the value of an attribute in double quotes */
extern void km_markup_attribute(StringInfo out, const char *text);

/* the first character of the text that XML cannot hold, or 0 */
extern unsigned int km_markup_forbidden(const char *text);

#endif							/* KM_MARKUP_H */
