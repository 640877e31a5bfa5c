/*
 * ini_file.c - reads a file of `name = value` lines with [sections], through libinih.
 *
 * In the supervisor, at start and on HUP. Owns the file while it reads. libinih takes
 * lines of 200 bytes, and a temporary token is longer: of a long line it gets the front,
 * for the name, and the value is cut from the line itself. Must never join lines: what
 * begins with a blank is not a continuation. Held by tests/common/test_options.c and
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
	bool is_long;              /* libinih has only its front */
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
	reader->is_long = len - skip >= (size_t)size;
	(void)snprintf(out, (size_t)size, "%s", reader->text);
	return out;
}

/* The value of the long line: after the first = or :, up to a comment, without blanks
 * around it. */
static const char *
long_value(char *text)
{
	char *value = text + strcspn(text, "=:");
	char *end;

	if (*value)
		value++;
	value += strspn(value, " \t");
	for (end = value; *end; end++) {
		if (*end == ';' && end > value && isspace((unsigned char)end[-1]))
			break;
	}
	while (end > value && isspace((unsigned char)end[-1]))
		end--;
	*end = '\0';
	return value;
}

static int
on_entry(void *arg, const char *section, const char *name, const char *value)
{
	struct reader *reader = arg;

	if (reader->refused)
		return 0;
	if (reader->is_long)
		value = long_value(reader->text);
	if (*name &&
	    reader->entry(reader->arg, section, name, value, reader->line, reader->error_out))
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
