#ifndef T_UNIT_ZAB_SKIP_H
#define T_UNIT_ZAB_SKIP_H

#include "replica/zab/zab.h"

/*
 * As if the epoch had had transactions up to zxid, of which nothing is left but that they are in
 * the tree: to make them all would take days. Every member of an established ensemble in which
 * nothing was proposed yet must skip to the same one; its disk is the caller's to tell.
 */
void zab_skip_to(struct zab *zab, zxid_t zxid);

#endif
