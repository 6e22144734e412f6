#ifndef T_UNIT_FAKE_ZNODES_H
#define T_UNIT_FAKE_ZNODES_H

#include <stddef.h>

#include "src/base/bytes.h"
#include "src/zk/record.h"

/*
 * A server's znodes behind what fs/znode.c asks of the client: a question waits
 * until the test lets it be answered, and is answered with what is there then.
 * Each change is a txn with the next zxid; no events are sent, that is for the
 * test to do.
 */
void fake_znodes_init(void);
void fake_znodes_release(void);

zxid_t fake_znodes_create(const char *path);
zxid_t fake_znodes_set(const char *path);
zxid_t fake_znodes_delete(const char *path);
/* What is changed between these is one txn. */
void fake_znodes_begin_multi(void);
void fake_znodes_end_multi(void);
struct zk_stat fake_znodes_stat(const char *path);

/* How many questions wait. */
size_t fake_znodes_asked(void);
/* The oldest one is answered. */
void fake_znodes_answer(void);
/* So are all, and those that the answers lead to. */
void fake_znodes_answer_all(void);

#endif
