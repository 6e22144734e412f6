#ifndef T_SIM_NET_H
#define T_SIM_NET_H

#include <stdbool.h>
#include <stdint.h>

#include "src/base/blob.h"
#include "src/base/list.h"
#include "src/base/prng.h"
#include "t/sim/sim-world.h"

/*
 * The network between the servers of a simulation, and their clients.
 *
 * A node is a machine with one process. What a process hears comes by the
 * callbacks of its endpoint; a scenario may put a puppet there. Between nodes:
 *
 *  - links, the connections to a quorum port: FIFO both ways, with a delay that
 *    varies. A link never loses what lies between two packets that it delivered.
 *    A link has two numbers, one for each end, never used twice.
 *  - mail, the election connections (sim-mail.h): one slot a pair, of servers.
 *
 * Clients are nodes, too. They have links only, which any server that is up accepts: it knows
 * by the peer's number to which port that is.
 *
 * What can go wrong:
 *  - a path (from, to) is cut: what is under way stays there, in order, until it is mended
 *    (TCP tries again); a connection over it can neither be made nor seen to end.
 *    A partition is cuts both ways; cuts are counted.
 *  - a link breaks: both ends hear it, what was under way is lost
 *  - a process pauses: what comes for it waits
 *  - a process ends: what it sent arrives up to some point, then the end of the link
 *
 * No callback comes from inside a call of this module.
 */
enum {
	SIM_NODES_MAX = 8,      /* servers: sids 1 to 7 */
	SIM_NET_NODES_MAX = 16, /* clients: from SIM_NODES_MAX on */
};

struct sim_endpoint {
	void *data;
	void (*notification)(void *data, int64_t from, struct bytes bytes);
	void (*reachable)(void *data, int64_t sid, bool is_reachable);
	void (*accepted)(void *data, uint64_t link);
	void (*connected)(void *data, uint64_t link); /* 0: failed for good */
	void (*closed)(void *data, uint64_t link);
	void (*packet)(void *data, uint64_t link, struct bytes bytes);
	void (*stream)(void *data, uint64_t link, struct blob *stream);
};

struct sim_node {
	struct sim_net *net;
	int64_t sid; /* 0: there is none */
	struct sim_endpoint endpoint;
	bool is_up;
	bool is_listening;
	int64_t paused_until_us;
	/* Its ZAB_CONNECT. */
	int64_t connecting_to; /* 0: none */
	int64_t connect_until_us;
	struct sim_timer connect_timer;
};

struct sim_net {
	struct sim_world *world;
	struct prng chance;
	int64_t delay_us_min;
	int64_t delay_us_max;
	struct sim_node nodes[SIM_NET_NODES_MAX];
	int cuts[SIM_NET_NODES_MAX][SIM_NET_NODES_MAX]; /* from, to */
	struct list links;
	uint64_t last_link;
	struct sim_mail *mail;
};

void sim_net_init(struct sim_net *net, struct sim_world *world, uint64_t seed);
void sim_net_release(struct sim_net *net);

bool sim_net_is_client(int64_t sid);
void sim_net_add(struct sim_net *net, int64_t sid, struct sim_endpoint endpoint);
/* Its process starts, or ends: without a word that anybody hears for seconds, if is_silent. */
void sim_net_up(struct sim_net *net, int64_t sid);
void sim_net_down(struct sim_net *net, int64_t sid, bool is_silent);
void sim_net_pause(struct sim_net *net, int64_t sid, int64_t until_us);

/* ---- for a process ---- */

void sim_net_listen(struct sim_net *net, int64_t sid, bool is_listening);
void sim_net_connect(struct sim_net *net, int64_t sid, int64_t to, int64_t until_us);
void sim_net_disconnect(struct sim_net *net, int64_t sid);
/* All three take the number of the own end. Bytes are one whole packet; a stream keeps a reference.
 * What is sent on a link that is closed is dropped. */
void sim_net_send(struct sim_net *net, uint64_t link, struct bytes bytes);
void sim_net_send_stream(struct sim_net *net, uint64_t link, struct blob *stream);
void sim_net_close(struct sim_net *net, uint64_t link);
/* Take nothing from it for now: the process is busy with the last of it. */
void sim_net_hold(struct sim_net *net, uint64_t link, bool is_held);
int64_t sim_net_peer(const struct sim_net *net, uint64_t link); /* 0: it is closed */

/* ---- for who breaks things ---- */

void sim_net_cut(struct sim_net *net, int64_t from, int64_t to);
void sim_net_mend(struct sim_net *net, int64_t from, int64_t to);
bool sim_net_is_cut(const struct sim_net *net, int64_t from, int64_t to);
/* One of the links that there are; false: there is none. */
bool sim_net_break_one(struct sim_net *net);

/* How long a message takes now. */
int64_t sim_net_delay_us(struct sim_net *net);

#endif
