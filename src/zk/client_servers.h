#ifndef ZK_CLIENT_SERVERS_H
#define ZK_CLIENT_SERVERS_H

#include <stddef.h>
#include <stdint.h>

/*
 * A connect string, as every ZooKeeper client takes it:
 *
 *	host[:port][,host[:port]...][/chroot]
 *
 * An IPv6 address stands in brackets, "[::1]:2181"; the port is 2181 where it
 * is left out. The chroot belongs to the whole list. Spaces around a host are
 * dropped (ConnectStringParser).
 */
enum { ZK_SERVERS_MAX = 64, ZK_PORT_DEFAULT = 2181 };

struct zk_server {
	char *host; /* a name or an address, without brackets */
	uint16_t port;
};

struct zk_servers {
	struct zk_server servers[ZK_SERVERS_MAX];
	size_t count; /* 1 or more */
	char *chroot; /* "/a/b", or "" for none (also for "/") */
};

/*
 * 0, or -EINVAL with a sentence in *ret_error that the caller frees
 * ("'a:70000': the port is not a number from 1 to 65535").
 */
int zk_servers_parse(const char *text, struct zk_servers *ret_servers, char **ret_error);
void zk_servers_release(struct zk_servers *servers);

#endif
