/*
 * ini_file.c - reads a file of `name = value` lines with [sections], through libinih.
 *
 * In the supervisor, at start and on HUP. Owns the file while it reads. libinih finds sections
 * and names; the value is cut from the line itself, because libinih takes lines of 200 bytes
 * and ends a value at a `;`. Must never join lines: a line that begins with a blank is not a
 * continuation. Held by tests/common/test_options_file.c and
 * test_credentials.c.
 */
#include "common/ini_file.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 16 * 1024 + 256, LINES_MAX = 10000 };

struct reader {
	FILE *file;
	ini_file_entry *entry;
	void *arg;
	struct buf *error_out;
	char text[LINE_MAX_BYTES]; /* the line that libinih is at, without leading blanks
				    */
	char buffer[4096];         /* the file's, here so that it can be wiped */
	unsigned line;
	unsigned refused;    /* the line of the first entry that was refused; 0: none */
	const char *trouble; /* with the line as such */
};

/* libinih's fgets: the next line, at most `size` bytes of it. */
static char *
next_line(char *out, int size, void *stream)
{
	struct reader *reader = stream;
	size_t skip, len;

	if (reader->refused || reader->trouble ||
	    !fgets(reader->text, sizeof(reader->text), reader->file))
		return NULL;
	reader->line++;
	len = strlen(reader->text);
	if (reader->line > LINES_MAX)
		reader->trouble = "too many lines";
	else if (len + 1 == sizeof(reader->text))
		reader->trouble = "line too long";
	else if (len == 0 || (reader->text[len - 1] != '\n' && !feof(reader->file)))
		reader->trouble = "not text";
	if (reader->trouble)
		return NULL;
	skip = strspn(reader->text, " \t\r\n\f\v");
	memmove(reader->text, reader->text + skip, len - skip + 1);
	(void)snprintf(out, (size_t)size, "%s", reader->text);
	return out;
}

/* What stands behind the first = or :, without blanks around it. */
static const char *
value_of(char *line)
{
	char *value = line + strcspn(line, "=:");
	char *end;

	if (*value)
		value++;
	value += strspn(value, " \t");
	end = value + strlen(value);
	while (end > value && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return value;
}

static int
on_entry(void *arg, const char *section, const char *name, const char *front)
{
	struct reader *reader = arg;

	if (reader->refused)
		return 0;
	if (*name && reader->entry(reader->arg, section, name, value_of(reader->text),
				   reader->line, reader->error_out))
		return 1;
	if (!*name)
		reader->trouble = "a name is missing";
	reader->refused = reader->line;
	return 0;
}

static enum lts_err
read_open(struct reader *reader, const char *path, struct buf *error_out)
{
	int at = ini_parse_stream(next_line, reader, on_entry, reader);

	if (ferror(reader->file))
		return LTS_SYS;
	if (reader->refused && at == (int)reader->refused && !reader->trouble)
		return LTS_INVALID;
	if (!reader->trouble && !at)
		return LTS_OK;
	if (reader->trouble)
		at = (int)reader->line;
	buf_clear(error_out);
	(void)!buf_printf(error_out, "%s:%d: %s", path, at,
			  reader->trouble ? reader->trouble
					  : "neither [section] nor name = value");
	return LTS_INVALID;
}

enum lts_err
ini_file_read(const char *path, ini_file_entry *entry, void *arg, struct buf *error_out)
{
	struct reader reader = { .entry = entry, .arg = arg, .error_out = error_out };
	enum lts_err err;
	int kept_errno;

	reader.file = fopen(path, "re");
	if (!reader.file)
		return LTS_SYS;
	(void)setvbuf(reader.file, reader.buffer, _IOFBF, sizeof(reader.buffer));
	err = read_open(&reader, path, error_out);
	kept_errno = errno;
	(void)fclose(reader.file);
	explicit_bzero(reader.text, sizeof(reader.text));
	explicit_bzero(reader.buffer, sizeof(reader.buffer));
	errno = kept_errno;
	return err;
}

const char *
ini_value_refused(const char *value)
{
	if (*value == '"' || *value == '\'')
		return "quotes would be part of the value: leave them out";
	for (const char *c = value; *c; c++)
		if ((*c == ';' || *c == '#') && (c == value || isspace((unsigned char)c[-1])))
			return "a comment stands on a line of its own";
	return NULL;
}
