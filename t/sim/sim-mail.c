#include "t/sim/sim-mail.h"

#include <stdlib.h>

#include "src/base/mem.h"

enum {
	ATTEMPT_US_MIN = 5 * 1000,
	ATTEMPT_US_MAX = 60 * 1000,
	/* A connection over a path that is cut: one in two is given up after such a time. */
	GIVE_UP_US_MIN = 50 * 1000,
	GIVE_UP_US_MAX = 600 * 1000,
	CONNECT_TIMEOUT_US = 300 * 1000,
};

/* From one server to another. */
struct slot {
	struct pair *pair;
	int from, to;
	struct blob *waiting; /* has not left */
	struct blob *flying;  /* on its way; the timer is its arrival */
	struct blob *last;    /* what was sent last, for the next connection */
	struct sim_timer timer;
};

enum told { TOLD_NOTHING, TOLD_REACHABLE, TOLD_UNREACHABLE };

/* A connection, of the servers low < high. */
struct pair {
	struct sim_net *net;
	int low, high;
	bool is_connected;
	int64_t gives_up_us; /* while it is connected and cut; 0: it holds */
	int64_t failing_since_us;
	enum told told_low, told_high; /* what each was told of the other */
	struct slot up, down;          /* low to high, high to low */
	struct sim_timer timer;        /* the next attempt, or the end of patience */
};

struct sim_mail {
	struct sim_net *net;
	struct pair pairs[SIM_NODES_MAX][SIM_NODES_MAX]; /* [low][high] */
};

static bool is_cut(const struct pair *pair)
{
	return sim_net_is_cut(pair->net, pair->low, pair->high) ||
	       sim_net_is_cut(pair->net, pair->high, pair->low);
}

static void slot_set(struct blob **slot, struct blob *blob)
{
	struct blob *old = *slot;

	*slot = blob_ref(blob);
	blob_unref(old);
}

static void slot_take_off(struct slot *slot)
{
	struct sim_net *net = slot->pair->net;

	if (!slot->pair->is_connected || slot->flying || !slot->waiting)
		return;
	slot->flying = slot->waiting;
	slot->waiting = NULL;
	sim_timer_set(net->world, &slot->timer, net->world->now_us + sim_net_delay_us(net));
}

static void slot_arrive(void *data)
{
	struct slot *slot = data;
	struct sim_net *net = slot->pair->net;
	struct sim_node *to = &net->nodes[slot->to];
	struct blob *blob;

	if (sim_net_is_cut(net, slot->from, slot->to))
		return; /* sim_mail_path_changed sets the timer again */
	if (to->paused_until_us > net->world->now_us) {
		sim_timer_set(net->world, &slot->timer, to->paused_until_us);
		return;
	}
	blob = slot->flying;
	slot->flying = NULL;
	slot_take_off(slot);
	if (to->is_up)
		to->endpoint.notification(to->endpoint.data, slot->from, blob_bytes(blob));
	blob_unref(blob);
}

static void slot_lose_flying(struct slot *slot)
{
	sim_timer_stop(slot->pair->net->world, &slot->timer);
	slot_set(&slot->flying, NULL);
}

/* The sender's process is gone, and its memory. */
static void slot_forget(struct slot *slot)
{
	slot_set(&slot->waiting, NULL);
	slot_set(&slot->last, NULL);
}

static void tell(struct pair *pair, bool is_reachable)
{
	enum told told = is_reachable ? TOLD_REACHABLE : TOLD_UNREACHABLE;
	struct sim_node *low = &pair->net->nodes[pair->low];
	struct sim_node *high = &pair->net->nodes[pair->high];

	if (low->is_up && pair->told_low != told) {
		pair->told_low = told;
		low->endpoint.reachable(low->endpoint.data, pair->high, is_reachable);
	}
	if (high->is_up && pair->told_high != told) {
		pair->told_high = told;
		high->endpoint.reachable(high->endpoint.data, pair->low, is_reachable);
	}
}

static void pair_connect(struct pair *pair)
{
	pair->is_connected = true;
	pair->gives_up_us = 0;
	tell(pair, true);
	for (int i = 0; i < 2; i++) {
		struct slot *slot = i == 0 ? &pair->up : &pair->down;

		if (!slot->waiting)
			slot_set(&slot->waiting, slot->last);
		slot_take_off(slot);
	}
}

static void pair_break(struct pair *pair)
{
	pair->is_connected = false;
	pair->failing_since_us = pair->net->world->now_us;
	slot_lose_flying(&pair->up);
	slot_lose_flying(&pair->down);
}

static void pair_turn(void *data)
{
	struct pair *pair = data;
	struct sim_net *net = pair->net;
	struct sim_node *low = &net->nodes[pair->low];
	struct sim_node *high = &net->nodes[pair->high];
	int64_t now_us = net->world->now_us;
	int64_t paused_until_us = low->paused_until_us > high->paused_until_us
					  ? low->paused_until_us
					  : high->paused_until_us;

	if (!low->is_up && !high->is_up) {
		pair_break(pair);
		return;
	}
	if (paused_until_us > now_us) {
		sim_timer_set(net->world, &pair->timer, paused_until_us);
		return;
	}
	if (pair->is_connected) {
		if (!low->is_up || !high->is_up ||
		    (is_cut(pair) && pair->gives_up_us && pair->gives_up_us <= now_us)) {
			pair_break(pair);
			tell(pair, false);
		} else {
			return;
		}
	} else if (low->is_up && high->is_up && !is_cut(pair)) {
		pair_connect(pair);
		return;
	} else if (!is_cut(pair) || now_us - pair->failing_since_us >= CONNECT_TIMEOUT_US) {
		tell(pair, false);
	}
	sim_timer_set(net->world, &pair->timer,
		      now_us + sim_between(&net->chance, ATTEMPT_US_MIN, ATTEMPT_US_MAX));
}

static void slot_init(struct slot *slot, struct pair *pair, int from, int to)
{
	*slot = (struct slot){.pair = pair, .from = from, .to = to};
	sim_timer_init(&slot->timer, slot_arrive, slot);
}

struct sim_mail *sim_mail_new(struct sim_net *net)
{
	struct sim_mail *mail = mem_zalloc(sizeof(*mail));

	mail->net = net;
	for (int low = 1; low < SIM_NODES_MAX; low++)
		for (int high = low + 1; high < SIM_NODES_MAX; high++) {
			struct pair *pair = &mail->pairs[low][high];

			*pair = (struct pair){.net = net, .low = low, .high = high};
			slot_init(&pair->up, pair, low, high);
			slot_init(&pair->down, pair, high, low);
			sim_timer_init(&pair->timer, pair_turn, pair);
		}
	return mail;
}

static struct pair *pair_of(struct sim_mail *mail, int64_t a, int64_t b)
{
	return a < b ? &mail->pairs[a][b] : &mail->pairs[b][a];
}

void sim_mail_send(struct sim_mail *mail, int64_t from, int64_t to, struct bytes bytes)
{
	struct pair *pair = pair_of(mail, from, to);
	struct slot *slot = from < to ? &pair->up : &pair->down;
	struct blob *blob = blob_new(bytes);

	slot_set(&slot->waiting, blob);
	slot_set(&slot->last, blob);
	blob_unref(blob);
	slot_take_off(slot);
}

void sim_mail_node_changed(struct sim_mail *mail, int64_t sid)
{
	struct sim_net *net = mail->net;

	if (sim_net_is_client(sid))
		return;
	for (int64_t peer = 1; peer < SIM_NODES_MAX; peer++) {
		struct pair *pair;

		if (peer == sid || !net->nodes[peer].sid)
			continue;
		pair = pair_of(mail, sid, peer);
		*(sid < peer ? &pair->told_low : &pair->told_high) = TOLD_NOTHING;
		slot_forget(sid < peer ? &pair->up : &pair->down);
		if (pair->is_connected && net->nodes[sid].is_up)
			pair_break(pair); /* it was down so shortly that nobody had looked */
		pair->failing_since_us = net->world->now_us;
		sim_timer_set(net->world, &pair->timer, net->world->now_us + sim_net_delay_us(net));
	}
}

void sim_mail_path_changed(struct sim_mail *mail, int64_t from, int64_t to)
{
	struct sim_net *net = mail->net;
	struct pair *pair;
	struct slot *slot;

	if (sim_net_is_client(from) || sim_net_is_client(to))
		return;
	pair = pair_of(mail, from, to);
	slot = from < to ? &pair->up : &pair->down;
	if (!sim_net_is_cut(net, from, to)) {
		if (slot->flying && !sim_timer_is_set(&slot->timer))
			sim_timer_set(net->world, &slot->timer,
				      net->world->now_us + sim_net_delay_us(net));
	} else if (!pair->is_connected) {
		pair->failing_since_us = net->world->now_us;
	} else if (sim_one_in(&net->chance, 2)) {
		pair->gives_up_us = net->world->now_us +
				    sim_between(&net->chance, GIVE_UP_US_MIN, GIVE_UP_US_MAX);
		sim_timer_set(net->world, &pair->timer, pair->gives_up_us);
	}
}

void sim_mail_free(struct sim_mail *mail)
{
	for (int low = 1; low < SIM_NODES_MAX; low++)
		for (int high = low + 1; high < SIM_NODES_MAX; high++) {
			struct pair *pair = &mail->pairs[low][high];

			slot_lose_flying(&pair->up);
			slot_lose_flying(&pair->down);
			slot_forget(&pair->up);
			slot_forget(&pair->down);
			sim_timer_stop(mail->net->world, &pair->timer);
		}
	free(mail);
}
