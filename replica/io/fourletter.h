#ifndef REPLICA_IO_FOURLETTER_H
#define REPLICA_IO_FOURLETTER_H

#include <stdbool.h>
#include <stdint.h>

#include "replica/io/clients.h"
#include "replica/io/config.h"
#include "replica/server/replica.h"
#include "src/base/buf.h"

/*
 * The four-letter words: what a connection says instead of a connect request,
 * and is answered in plain text (FourLetterCommands, server.command). The
 * texts are Apache's byte for byte, because scripts parse them.
 *
 * 4lw.commands.whitelist says which are executed: a comma list, or '*' for all;
 * srvr always is.
 */
struct fourletter {
	uint32_t allowed; /* a bit a word, in the order of the table */
};

void fourletter_init(struct fourletter *fourletter, const char *whitelist);

/* Sizes in bytes; -1 before the first. */
struct fourletter_proposals {
	int64_t last;
	int64_t min;
	int64_t max;
};

/* Everything that an answer is made of. */
struct fourletter_view {
	const struct config *config;
	const struct clients *clients;
	struct replica *replica;
	const struct fourletter_proposals *proposals; /* made in this epoch */
	const char *data_dir;                         /* where the databases are, and the logs */
	const char *log_dir;
	int client_port;
	uint64_t *word_count; /* words answered since srst: each is a packet received */
	msec_t started_ms;
	msec_t role_ms; /* since when it serves in its role */
	msec_t now_ms;
	msec_t wall_ms;
};

/* Is it a word? Anything else is the length of a frame. */
bool fourletter_is_word(const char word[4]);

/* Appends the answer to a word. */
void fourletter_answer(const struct fourletter *fourletter, const char word[4],
		       const struct fourletter_view *view, struct buf *answer);

/* "3.9.5-zkfs-0.1.0, built on 2026-11-21 00:00 UTC" */
const char *fourletter_version(void);

/* sum / count as Java prints an average: up to 4 decimals, at least one. */
void fourletter_print_average(struct buf *text, uint64_t sum, uint64_t count);

#endif
