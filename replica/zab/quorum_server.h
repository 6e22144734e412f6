#ifndef ZAB_QUORUM_SERVER_H
#define ZAB_QUORUM_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * One server of the ensemble, as a server.N line describes it
 * (QuorumPeer.QuorumServer):
 *
 *	server.N = address[|address...][;[clienthost:]clientport]
 *	address  = host:quorumPort:electionPort[:participant|observer]
 *
 * An IPv6 host is written in brackets and kept without them.
 */
enum { QUORUM_SERVER_ADDRESSES_MAX = 16 };

struct quorum_address {
	char *host;
	int quorum_port;
	int election_port;
};

struct quorum_server {
	int64_t id;
	bool is_observer;
	size_t address_count; /* at least 1 */
	struct quorum_address addresses[QUORUM_SERVER_ADDRESSES_MAX];
	char *client_host; /* "0.0.0.0" if only the port was given; NULL without a client part */
	int client_port;
	int64_t weight; /* 1 unless weight.N says otherwise */
	int line;       /* in the file it came from */
};

/*
 * Reads the value of server.N. 0, or -EINVAL with *ret_error a sentence that
 * the caller frees, and then nothing in ret_server to release.
 */
int quorum_server_parse(int64_t id, const char *value, struct quorum_server *ret_server,
			char **ret_error);
void quorum_server_release(struct quorum_server *server);

#endif
