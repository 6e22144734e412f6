#ifndef T_SIM_MAIL_H
#define T_SIM_MAIL_H

#include "t/sim/sim-net.h"

/*
 * Election connections, as ZooKeeper's connection manager keeps them
 * (spec/quorum-protocol.md 2): one between two servers, made again and again
 * while it is down. For each direction one slot: a newer message replaces one
 * that has not left yet; on a new connection with an empty slot the last
 * message is sent again. A process is told whom it reaches, and that it does
 * not: soon where the peer's machine says so, after a while where nothing answers.
 *
 * Part of sim-net, which owns it.
 */
struct sim_mail;

struct sim_mail *sim_mail_new(struct sim_net *net);
void sim_mail_free(struct sim_mail *mail);

void sim_mail_send(struct sim_mail *mail, int64_t from, int64_t to, struct bytes bytes);

/* Told by sim-net: a process started or ended; a path was cut or mended. */
void sim_mail_node_changed(struct sim_mail *mail, int64_t sid);
void sim_mail_path_changed(struct sim_mail *mail, int64_t from, int64_t to);

#endif
