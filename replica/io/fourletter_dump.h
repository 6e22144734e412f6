#ifndef REPLICA_IO_FOURLETTER_DUMP_H
#define REPLICA_IO_FOURLETTER_DUMP_H

#include "replica/io/fourletter.h"

/* The answer to dump, of one that serves: sessions, their ephemerals, connections. */
void fourletter_dump(const struct fourletter_view *view, struct buf *answer);

#endif
