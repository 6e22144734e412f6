#ifndef FS_REPLICA_H
#define FS_REPLICA_H

#include <sys/types.h>

#include "fs/options.h"

/*
 * A replica of our own (SOURCE is a data directory or a zoo.cfg): zkfsd as a
 * child process with the mount's lifetime. It ends when its control pipe
 * closes, so it ends with us however we end.
 *
 * zkfsd is taken from the directory that zkfs itself is in, else from where it
 * was installed.
 */
struct replica {
	pid_t pid;       /* 0: none */
	int control_fd;  /* closing it ends the replica */
	int messages_fd; /* what it says on stderr, for our log */
	char *servers;   /* "127.0.0.1:40123,zk2:2181": where it serves clients, then the others */
};

/*
 * Start it and wait until it serves. 0; or an exit status (FS_EXIT_CONFIG,
 * FS_EXIT_MOUNT) with one sentence, its own if it said one, in ret_message.
 */
int replica_start(struct replica *replica, const struct fs_options *options, char **ret_message);

/* Close the pipe and wait for its end. Takes one that was not started. */
void replica_stop(struct replica *replica);

#endif
