#ifndef REPLICA_IO_STATUS_H
#define REPLICA_IO_STATUS_H

/*
 * `zkfsd --status zoo.cfg`, which is what zkServer.sh status runs: ask the server
 * of that configuration, on this machine, for its mode (srvr), and print what
 * Apache's script prints. 0; 1 if it does not answer or serves nobody; 2 for
 * a bad configuration.
 */
int status_print(const char *config_file);

#endif
