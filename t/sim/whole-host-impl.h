#ifndef T_SIM_WHOLE_HOST_IMPL_H
#define T_SIM_WHOLE_HOST_IMPL_H

/* Only for whole-host.c, whole-driver.c and whole-stream.c. */
#include "t/sim/whole-host.h"

/* One end of a connection, of a peer or of a client. */
struct whole_link {
	struct list list;
	uint64_t number;
	int64_t peer;
	struct buf input; /* what came and is not consumed */
	bool is_streaming;
	bool is_greeted; /* a client's: its connect request was answered */
	bool is_closing; /* a client's: the replica is to be told of its end */
};

/*
 * A turn: tick, then the event, then everything that it asks for. The event is skipped where the
 * process crashed at the tick:
 *
 *	if (whole_turn_begin(host)) {
 *		replica_event(host->replica, ...);
 *		whole_turn_end(host);
 *	}
 */
bool whole_turn_begin(struct whole_host *host);
void whole_turn_end(struct whole_host *host);
bool whole_is_paused(struct whole_host *host, struct sim_timer *timer);
msec_t whole_local_ms(const struct whole_host *host);

/* ---- whole-driver.c ---- */

/* All actions of the replica. The process may be gone afterwards. */
void whole_perform_all(struct whole_host *host);
struct sim_endpoint whole_endpoint_of(struct whole_host *host);
struct whole_link *whole_link_find(const struct whole_host *host, uint64_t number);
void whole_link_forget(struct whole_host *host, struct whole_link *link);

/* ---- whole-store.c ---- */

struct sim_disk_user whole_disk_user_of(struct whole_host *host);
void whole_store_init(struct whole_host *host);
void whole_store_start(struct whole_host *host);
void whole_store_stop(struct whole_host *host);
/* An action on the disk; false: it is none. */
bool whole_store_perform(struct whole_host *host, const struct replica_action *action);
/* The tree of the disk. */
struct tree *whole_store_load(struct whole_host *host);
/* Have the checker see what the tree has become. */
void whole_store_look(struct whole_host *host);

/* ---- whole-stream.c ---- */

void whole_stream_send(struct whole_host *host, uint64_t link);
void whole_streams_cancel(struct whole_host *host, uint64_t link); /* 0: all */
void whole_stream_receive_init(struct whole_host *host);
/* Something came on the link on which a snapshot streams in. */
void whole_stream_moves(struct whole_host *host);
void whole_stream_received(struct whole_host *host);

#endif
