#ifndef REPLICA_IO_INITIATION_H
#define REPLICA_IO_INITIATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/zab/quorum_server.h"
#include "src/base/buf.h"
#include "src/base/bytes.h"

/*
 * The first bytes of an election connection, by which the connecting side says
 * who it is; nothing is answered (spec/quorum-protocol.md 2.1):
 *
 *	long version | long sid | int n | n bytes "host:port[|host:port...]"
 *
 * Version -65536 names one address and -65535 several; either is read with a
 * list. A server of 3.4 sends its sid alone, which is not negative.
 *
 * A server calls back where it was told to, so what is read here is bounded and
 * checked: hosts are names or literal addresses, wildcards are left out.
 */
enum {
	INITIATION_TEXT_SIZE_MAX = 2048,
	INITIATION_ADDRESSES_MAX = 8, /* more are left out */
	INITIATION_HOST_SIZE = 256,
};

/* An observer without a number, as servers before 3.5 had them. */
#define INITIATION_ANONYMOUS INT64_MAX

struct initiation_address {
	char host[INITIATION_HOST_SIZE];
	uint16_t port;
};

struct initiation {
	int64_t sid; /* not negative */
	size_t address_count;
	struct initiation_address addresses[INITIATION_ADDRESSES_MAX];
};

/* How many bytes it has; 0: it is not whole yet; -EBADMSG: it is none. */
int initiation_read(struct bytes bytes, struct initiation *ret_initiation);

/* Of the server itself. several: its addresses, by version -65535; else the first, by -65536. */
void initiation_write(struct buf *buf, const struct quorum_server *self, bool several);

#endif
