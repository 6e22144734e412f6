#ifndef T_UNIT_FAKE_ENSEMBLE_H
#define T_UNIT_FAKE_ENSEMBLE_H

#include "t/unit/fake-driver.h"

/*
 * A leader's server and two learners', joined by what zab is to them: FIFO links, and every
 * proposal committed at all of them in order. What is on its way arrives when the test pumps;
 * what is proposed is committed then, too, if commits are not slow.
 */
enum { FAKE_NODE_COUNT = 3, FAKE_LEADER = 0, FAKE_EPOCH = 7 };

struct fake_node {
	struct fake_driver driver;
	struct fake_ensemble *ensemble;
	zab_link_t link;        /* of a learner, at the leader */
	bool is_cut;            /* the leader closed it */
	bool is_observer;       /* it hears of no proposal before that is committed */
	struct list to_leader;  /* struct fake_message: packets */
	struct list to_learner; /* packets, proposals and commits */
};

struct fake_ensemble {
	struct fake_node nodes[FAKE_NODE_COUNT];
	bool is_slow;      /* nothing is committed until fake_ensemble_commit */
	struct blob **log; /* the first is of counter 1 */
	size_t log_count;
	size_t committed_count;
	size_t request_count; /* REQUESTs that reached the leader */
};

void fake_ensemble_init(struct fake_ensemble *ensemble, const struct server_config *config);
void fake_ensemble_release(struct fake_ensemble *ensemble);

struct fake_driver *fake_node(struct fake_ensemble *ensemble, int node);
/* The zxid of the transaction that was proposed last. */
zxid_t fake_proposed(const struct fake_ensemble *ensemble);

/* One message arrives, somewhere. False: there is none. choice: any number. */
bool fake_ensemble_deliver_one(struct fake_ensemble *ensemble, uint32_t choice);
/* Commit the next count proposals: the commits are on their way then. */
void fake_ensemble_commit(struct fake_ensemble *ensemble, size_t count);
/* Until nothing is on its way. */
void fake_ensemble_pump(struct fake_ensemble *ensemble);
void fake_ensemble_advance(struct fake_ensemble *ensemble, msec_t by_ms);
/* The learners tell whose clients they heard of. */
void fake_ensemble_ping(struct fake_ensemble *ensemble);

/* As if the learner had sent it, whatever it is. */
void fake_ensemble_request(struct fake_ensemble *ensemble, int node,
			   const struct zab_request *request, const struct auth_ids *ids);
/* A new session there. */
session_id_t fake_ensemble_connect(struct fake_ensemble *ensemble, int node, connection_id_t id);
/* The trees that are at the same zxid are the same. */
void fake_ensemble_check(struct fake_ensemble *ensemble);

/* For tests whose *state is one, with the configuration that server_config_init makes. */
int fake_ensemble_setup(void **state);
int fake_ensemble_teardown(void **state);

#endif
