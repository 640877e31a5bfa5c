/*
 * asides.c - which records ahead of the last save are with the dead letters already.
 *
 * In a worker's delivery thread. Pure. Must never name a record that was not put aside: it
 * would be given to nobody. Held by tests/worker/test_asides.c.
 */
#include "worker/asides.h"

#include <string.h>

#include "common/ids.h"

static bool
is_of(const struct aside *aside, const struct record *record)
{
	return aside->sum == ids_hash(record->text, record->len);
}

static void
take_off(struct asides *asides, size_t i)
{
	asides->n--;
	memmove(&asides->list[i], &asides->list[i + 1],
		(asides->n - i) * sizeof(asides->list[0]));
}

bool
asides_put(struct asides *asides, uint64_t place, const struct record *record)
{
	size_t i = asides->n;
	if (asides->n == ASIDES_MAX)
		return false;
	while (i && asides->list[i - 1].place > place)
		i--;
	memmove(&asides->list[i + 1], &asides->list[i],
		(asides->n - i) * sizeof(asides->list[0]));
	asides->list[i] = (struct aside){ place, ids_hash(record->text, record->len) };
	asides->n++;
	return true;
}

void
asides_move(struct asides *asides, uint64_t records, uint64_t done)
{
	while (asides->n && asides->list[0].place < records + done)
		take_off(asides, 0);
	for (size_t i = 0; i < asides->n; i++)
		asides->list[i].place -= records;
}

size_t
asides_find(struct asides *asides, uint64_t place, const struct record *records, size_t n,
	    size_t out[ASIDES_MAX])
{
	size_t found = 0;
	for (size_t i = 0; i < asides->n;) {
		const struct aside *aside = &asides->list[i];
		if (aside->place < place || aside->place - place >= n) {
			i++;
		} else if (is_of(aside, &records[aside->place - place])) {
			out[found++] = (size_t)(aside->place - place);
			i++;
		} else {
			take_off(asides, i);
		}
	}
	return found;
}
