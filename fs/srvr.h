#ifndef FS_SRVR_H
#define FS_SRVR_H

#include <stdbool.h>
#include <stdint.h>

#include "src/io/loop.h"

/*
 * Which part the server of the session plays in its ensemble: what every
 * ZooKeeper server answers to the four-letter word srvr, on a connection of its
 * own, in the line "Mode: follower". (No request of a session asks for it.)
 *
 * An answer comes within SRVR_DEADLINE_MS. One that doesn't come, that has no
 * such line (srvr is not on the server's whitelist, or it serves nobody), or
 * that names no mode of ZooKeeper's is "unknown", and as good an answer.
 *
 *	srvr_ask ---> on_answer, once, never from within srvr_ask
 *	    \-------> srvr_forget: on_answer is not called
 */
struct srvr;

enum {
	SRVR_DEADLINE_MS = 500,
	/* A version line, counters, and the mode: srvr's answer has some 300 bytes. */
	SRVR_ANSWER_SIZE_MAX = 4096,
};

/* May call everything here. */
typedef void srvr_on_answer(void *data);

struct srvr *srvr_new(struct loop *loop, srvr_on_answer *on_answer, void *data);
void srvr_free(struct srvr *srvr); /* NULL is ignored */

/* Begin to ask that server. What was being asked is given up; the last answer stays for now. */
void srvr_ask(struct srvr *srvr, const char *host, uint16_t port);
bool srvr_is_asking(const struct srvr *srvr);

/* There is no server: the mode is unknown, and nothing is asked. */
void srvr_forget(struct srvr *srvr);

/* "leader", "follower", "observer", "standalone", "read-only" or "unknown"; static. */
const char *srvr_mode(const struct srvr *srvr);
/* Since the last answer; INT64_MAX if there was none since srvr_forget. */
msec_t srvr_age_ms(const struct srvr *srvr);

#endif
