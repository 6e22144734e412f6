#ifndef T_FUZZ_FUZZ_H
#define T_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * A fuzzer is one function over one input (t/fuzz/fuzz-X.c), linked with
 * libFuzzer (configure --enable-fuzzers CC=clang), or with driver.c, which runs
 * the same function over the corpus in make check. A breach of what it claims
 * is an ASSERT; a read beyond the input is the sanitizers' to find.
 *
 *	make check TESTS= && t/fuzz/fuzz-txn t/fuzz/corpus/txn
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* No input of a fuzzer is longer, so no encoding of what it says is much longer. */
enum { FUZZ_SIZE_MAX = 1 << 20 };

#endif
