#ifndef BASE_SIPHASH_H
#define BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

/*
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012),
 * a keyed hash for tables whose keys a stranger may choose.
 */
uint64_t siphash(const uint64_t key[2], const void *data, size_t size);

/*
 * The key of this process, drawn at the first call; from any thread. It differs
 * from run to run, so nothing that can be observed may depend on a hash.
 */
void siphash_process_key(uint64_t ret_key[2]);

#endif
