#ifndef T_UNIT_STORE_FIXTURE_H
#define T_UNIT_STORE_FIXTURE_H

#include "t/sim/store-rig.h"

/* What the tests of the store share: *state is a struct rig in a directory of its own. */
int store_setup(void **state);
int store_teardown(void **state);

/* The test fails if it doesn't. */
void store_must_open(struct rig *rig);
void store_must_refuse(struct rig *rig, int error, const char *about);
/* Close and open again: it is what the rig says it is. */
void store_must_come_back(struct rig *rig);

/* A history over several segments, with a tree behind it. */
void store_make_some(struct rig *rig);

/* The path of a file in the data directory; the caller frees it. */
char *store_file(const struct rig *rig, const char *name);
unsigned store_count_files(const char *dir, const char *prefix, const char *suffix);
unsigned store_count_segments(const struct rig *rig);

/* What another program sees: the first number that a query gives, 0 without a row. */
int64_t store_query(const struct rig *rig, const char *name, const char *sql);

#endif
