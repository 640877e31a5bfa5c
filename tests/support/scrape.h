/*
 * scrape.h - what an agent in a scenario says of itself over HTTP.
 */
#ifndef TESTS_SUPPORT_SCRAPE_H
#define TESTS_SUPPORT_SCRAPE_H

#include <stdbool.h>

/* `where` as metrics_listen has it. The body, "" when nobody answers; the caller frees.
 * status_out NULL: of no interest; 0: nobody answers. */
char *scrape(const char *where, const char *path, int *status_out);
/* The sum of the family's samples that have `label` (name="value") among their labels; "": all.
 * NAN: there is none. */
double scrape_sum(const char *text, const char *family, const char *label);
/* One scrape, one sum. */
double scrape_number(const char *where, const char *family, const char *label);
/* Its body holds `text`, and its status is that. */
bool scrape_says(const char *where, const char *path, int status, const char *text);

#endif
