#ifndef ZK_ZXID_H
#define ZK_ZXID_H

#include <stdint.h>

#include "src/base/msec.h"

/*
 * A zxid is the number of a transaction: the epoch of the leader that proposed
 * it in the upper 32 bits, a counter within that epoch in the lower. Zxids are
 * compared as signed 64-bit numbers (ZxidUtils). Within an epoch each is the
 * one before it plus one; an epoch begins with counter 1.
 */
typedef int64_t zxid_t;

typedef int64_t session_id_t;

static inline uint32_t zxid_epoch(zxid_t zxid)
{
	return (uint32_t)((uint64_t)zxid >> 32);
}

static inline uint32_t zxid_counter(zxid_t zxid)
{
	return (uint32_t)zxid;
}

static inline zxid_t zxid_make(uint32_t epoch, uint32_t counter)
{
	return (zxid_t)((uint64_t)epoch << 32 | counter);
}

#endif
