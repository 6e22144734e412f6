#ifndef T_SIM_WHOLE_CLIENT_IMPL_H
#define T_SIM_WHOLE_CLIENT_IMPL_H

/* Only for whole-client.c, whole-wire.c and whole-watch.c. */
#include "t/sim/whole-client.h"

enum { WHOLE_PATH_SIZE = 64 };

/* ---- whole-wire.c ---- */

struct sim_endpoint whole_client_endpoint(struct whole_client *client);
/* Perform what the machine wants. */
void whole_client_pump(struct whole_client *client);
msec_t whole_client_now_ms(const struct whole_client *client);
/* The connection is given up; the machine is not told. */
void whole_client_hang_up(struct whole_client *client);

/* ---- whole-watch.c ---- */

enum whole_watch { WHOLE_WATCH_DATA, WHOLE_WATCH_CHILDREN };

/* A read has shown that, and leaves a watch or not. stat is NULL: it is not there. */
void whole_watch_read(struct whole_client *client, enum whole_watch type, struct bytes path,
		      const struct zk_stat *stat, bool leaves_watch);
void whole_watch_event(struct whole_client *client, const struct zk_client_event *event);
void whole_watch_forget_all(struct whole_client *client);
/* The path of each that is watched. */
typedef void whole_watch_fn(struct whole_client *client, enum whole_watch type, struct bytes path);
void whole_watch_each(struct whole_client *client, whole_watch_fn *visit);

#endif
