/*
 * markup.c
 *		What users have named, in XML and HTML.
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "model/markup.h"
#include "utils/xml.h"

static char *utf8_of(const char *text);
static bool is_char(pg_wchar c);
static void append_escaped(StringInfo out, const char *text, bool attribute);

void
km_markup_content(StringInfo out, const char *text)
{
	append_escaped(out, text, false);
}

void
km_markup_attribute(StringInfo out, const char *text)
{
	append_escaped(out, text, true);
}

unsigned int
km_markup_forbidden(const char *text)
{
	const char *p = utf8_of(text);

	for (; *p != '\0'; p += pg_encoding_mblen(PG_UTF8, p))
		if (!is_char(utf8_to_unicode((const unsigned char *) p)))
			return utf8_to_unicode((const unsigned char *) p);
	return 0;
}

/* the text itself, or palloc'd */
static char *
utf8_of(const char *text)
{
	int			length = strlen(text);
	char	   *bytes;

	if (GetDatabaseEncoding() != PG_SQL_ASCII)
		return (char *) pg_do_encoding_conversion((unsigned char *) unconstify(char *, text),
												  length, GetDatabaseEncoding(), PG_UTF8);
	bytes = pnstrdup(text, length);
	for (int i = 0; (i += pg_encoding_verifymbstr(PG_UTF8, bytes + i, length - i)) < length; i++)
		bytes[i] = '?';
	return bytes;
}

/* Char of XML 1.0: no control characters but three, not U+FFFE, not U+FFFF */
static bool
is_char(pg_wchar c)
{
	if (c < ' ')
		return c == '\t' || c == '\n' || c == '\r';
	return c != 0xFFFE && c != 0xFFFF;
}

/* Blanks other than a space would be read as one in an attribute. */
static void
append_escaped(StringInfo out, const char *text, bool attribute)
{
	bool		ascii = GetDatabaseEncoding() != PG_UTF8;
	char	   *escaped = escape_xml(utf8_of(text));
	int			length;

	for (const char *p = escaped; *p != '\0'; p += length)
	{
		pg_wchar	c = utf8_to_unicode((const unsigned char *) p);

		length = pg_encoding_mblen(PG_UTF8, p);
		if (!is_char(c))
			appendStringInfoChar(out, '?');
		else if (attribute && c == '"')
			appendStringInfoString(out, "&quot;");
		else if ((ascii && c >= 0x80) || (attribute && (c == '\t' || c == '\n')))
			appendStringInfo(out, "&#%u;", c);
		else
			appendBinaryStringInfo(out, p, length);
	}
	pfree(escaped);
}
