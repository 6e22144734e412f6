#include "t/sim/sim-net.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/sim-mail.h"

enum {
	RETRY_US_MIN = 10 * 1000,
	RETRY_US_MAX = 60 * 1000,
	SILENT_US_MIN = 1000 * 1000,
	SILENT_US_MAX = 4000 * 1000,
};

enum parcel_type { PARCEL_PACKET, PARCEL_STREAM, PARCEL_END };

struct parcel {
	struct list link;
	enum parcel_type type;
	struct blob *blob;
	int64_t ready_us;
};

/* What is under way to one end of a link. */
struct way {
	struct link *link;
	struct list parcels;
	struct sim_timer timer;
	int64_t last_ready_us;
	bool is_held;
};

struct link {
	struct list list;
	struct sim_net *net;
	struct {
		int64_t sid;
		uint64_t number;
		bool is_open;
	} ends[2];
	struct way ways[2]; /* ways[i] leads to ends[i] */
	bool is_delivering;
};

/* ---- nodes ---- */

static void try_to_connect(void *data);

void sim_net_init(struct sim_net *net, struct sim_world *world, uint64_t seed)
{
	*net = (struct sim_net){.world = world, .delay_us_min = 100, .delay_us_max = 2000};
	prng_init(&net->chance, seed);
	list_init(&net->links);
	net->mail = sim_mail_new(net);
}

static struct sim_node *node_of(struct sim_net *net, int64_t sid)
{
	ASSERT(sid > 0 && sid < SIM_NET_NODES_MAX && net->nodes[sid].sid == sid);
	return &net->nodes[sid];
}

bool sim_net_is_client(int64_t sid)
{
	return sid >= SIM_NODES_MAX;
}

void sim_net_add(struct sim_net *net, int64_t sid, struct sim_endpoint endpoint)
{
	ASSERT(sid > 0 && sid < SIM_NET_NODES_MAX);
	net->nodes[sid] = (struct sim_node){.net = net, .sid = sid, .endpoint = endpoint};
	sim_timer_init(&net->nodes[sid].connect_timer, try_to_connect, &net->nodes[sid]);
}

int64_t sim_net_delay_us(struct sim_net *net)
{
	/* One in twenty takes ten times as long. */
	int64_t delay_us = sim_between(&net->chance, net->delay_us_min, net->delay_us_max);

	return sim_one_in(&net->chance, 20) ? delay_us * 10 : delay_us;
}

bool sim_net_is_cut(const struct sim_net *net, int64_t from, int64_t to)
{
	return net->cuts[from][to] > 0;
}

/* ---- links ---- */

static void deliver(void *data);

static void parcel_free(struct parcel *parcel)
{
	blob_unref(parcel->blob);
	free(parcel);
}

static void way_empty(struct way *way)
{
	list_for_each_safe (&way->parcels, at) {
		list_remove(at);
		parcel_free(list_item(at, struct parcel, link));
	}
	sim_timer_stop(way->link->net->world, &way->timer);
}

static void link_free(struct link *link)
{
	way_empty(&link->ways[0]);
	way_empty(&link->ways[1]);
	list_remove(&link->list);
	free(link);
}

static void link_free_if_done(struct link *link)
{
	if (!link->ends[0].is_open && !link->ends[1].is_open && !link->is_delivering)
		link_free(link);
}

static struct link *link_new(struct sim_net *net, int64_t from, int64_t to)
{
	struct link *link = mem_zalloc(sizeof(*link));

	link->net = net;
	for (int i = 0; i < 2; i++) {
		link->ends[i].sid = i == 0 ? from : to;
		link->ends[i].number = ++net->last_link;
		link->ends[i].is_open = true;
		link->ways[i].link = link;
		list_init(&link->ways[i].parcels);
		sim_timer_init(&link->ways[i].timer, deliver, &link->ways[i]);
	}
	list_append(&net->links, &link->list);
	return link;
}

/* The open link with that number at one of its ends, and which end; NULL: it is closed. */
static struct link *find(const struct sim_net *net, uint64_t number, int *ret_end)
{
	list_for_each (&net->links, at) {
		struct link *link = list_item(at, struct link, list);

		for (int i = 0; i < 2; i++)
			if (link->ends[i].number == number && link->ends[i].is_open) {
				*ret_end = i;
				return link;
			}
	}
	return NULL;
}

/* Let the first parcel of a way come when it is ready; of a way that is blocked none comes. */
static void way_wake(struct way *way)
{
	struct list *first = list_first(&way->parcels);

	if (first && !way->is_held)
		sim_timer_set(way->link->net->world, &way->timer,
			      list_item(first, struct parcel, link)->ready_us);
}

static void way_put(struct way *way, enum parcel_type type, struct blob *blob, int64_t delay_us)
{
	struct parcel *parcel = mem_zalloc(sizeof(*parcel));
	int64_t ready_us = way->link->net->world->now_us + delay_us;

	if (ready_us < way->last_ready_us)
		ready_us = way->last_ready_us;
	way->last_ready_us = ready_us;
	*parcel = (struct parcel){.type = type, .blob = blob, .ready_us = ready_us};
	list_append(&way->parcels, &parcel->link);
	if (!sim_timer_is_set(&way->timer))
		way_wake(way);
}

static void hand_over(struct link *link, int end, const struct parcel *parcel)
{
	const struct sim_endpoint *endpoint = &link->net->nodes[link->ends[end].sid].endpoint;
	uint64_t number = link->ends[end].number;

	switch (parcel->type) {
	case PARCEL_PACKET:
		endpoint->packet(endpoint->data, number, blob_bytes(parcel->blob));
		break;
	case PARCEL_STREAM:
		endpoint->stream(endpoint->data, number, parcel->blob);
		break;
	case PARCEL_END:
		link->ends[end].is_open = false;
		endpoint->closed(endpoint->data, number);
		break;
	}
}

/* The first parcel of a way, unless something is in its way; who removes that wakes the way. */
static void deliver(void *data)
{
	struct way *way = data;
	struct link *link = way->link;
	struct sim_net *net = link->net;
	int end = way == &link->ways[1];
	struct sim_node *node = &net->nodes[link->ends[end].sid];
	struct parcel *parcel;

	if (!link->ends[end].is_open) {
		way_empty(way);
		return;
	}
	if (way->is_held || sim_net_is_cut(net, link->ends[!end].sid, node->sid))
		return;
	if (node->paused_until_us > net->world->now_us) {
		sim_timer_set(net->world, &way->timer, node->paused_until_us);
		return;
	}
	parcel = list_item(list_first(&way->parcels), struct parcel, link);
	list_remove(&parcel->link);
	link->is_delivering = true;
	hand_over(link, end, parcel);
	link->is_delivering = false;
	parcel_free(parcel);
	if (!sim_timer_is_set(&way->timer))
		way_wake(way);
	link_free_if_done(link);
}

/* An end is given up; the other hears of it behind what is under way to it. */
static void end_close(struct link *link, int end, int64_t delay_us)
{
	link->ends[end].is_open = false;
	if (link->ends[!end].is_open)
		way_put(&link->ways[!end], PARCEL_END, NULL, delay_us);
	link_free_if_done(link);
}

void sim_net_send(struct sim_net *net, uint64_t number, struct bytes bytes)
{
	int end;
	struct link *link = find(net, number, &end);

	if (link)
		way_put(&link->ways[!end], PARCEL_PACKET, blob_new(bytes), sim_net_delay_us(net));
}

void sim_net_send_stream(struct sim_net *net, uint64_t number, struct blob *stream)
{
	int end;
	struct link *link = find(net, number, &end);

	if (link)
		way_put(&link->ways[!end], PARCEL_STREAM, blob_ref(stream),
			sim_net_delay_us(net) * 10);
}

void sim_net_close(struct sim_net *net, uint64_t number)
{
	int end;
	struct link *link = find(net, number, &end);

	if (link)
		end_close(link, end, sim_net_delay_us(net));
}

void sim_net_hold(struct sim_net *net, uint64_t number, bool is_held)
{
	int end;
	struct link *link = find(net, number, &end);

	if (!link)
		return;
	link->ways[end].is_held = is_held;
	if (!is_held)
		way_wake(&link->ways[end]);
}

int64_t sim_net_peer(const struct sim_net *net, uint64_t number)
{
	int end;
	struct link *link = find(net, number, &end);

	return link ? link->ends[!end].sid : 0;
}

/* ---- connecting ---- */

void sim_net_listen(struct sim_net *net, int64_t sid, bool is_listening)
{
	node_of(net, sid)->is_listening = is_listening;
}

static void connect_end(struct sim_node *node, uint64_t link)
{
	node->connecting_to = 0;
	node->endpoint.connected(node->endpoint.data, link);
}

static void try_to_connect(void *data)
{
	struct sim_node *node = data;
	struct sim_net *net = node->net;
	struct sim_node *to = node_of(net, node->connecting_to);
	bool is_cut =
		sim_net_is_cut(net, node->sid, to->sid) || sim_net_is_cut(net, to->sid, node->sid);

	if (node->paused_until_us > net->world->now_us) {
		sim_timer_set(net->world, &node->connect_timer, node->paused_until_us);
	} else if (net->world->now_us > node->connect_until_us) {
		connect_end(node, 0);
	} else if (to->is_up && (to->is_listening || sim_net_is_client(node->sid)) && !is_cut &&
		   to->paused_until_us <= net->world->now_us) {
		struct link *link = link_new(net, node->sid, to->sid);
		uint64_t number = link->ends[0].number;

		/* The one that listens may end the link, or its process, at once. */
		link->is_delivering = true;
		to->endpoint.accepted(to->endpoint.data, link->ends[1].number);
		connect_end(node, number);
		link->is_delivering = false;
		link_free_if_done(link);
	} else {
		sim_timer_set(net->world, &node->connect_timer,
			      net->world->now_us +
				      sim_between(&net->chance, RETRY_US_MIN, RETRY_US_MAX));
	}
}

void sim_net_connect(struct sim_net *net, int64_t sid, int64_t to, int64_t until_us)
{
	struct sim_node *node = node_of(net, sid);

	ASSERT(node->connecting_to == 0);
	node_of(net, to);
	node->connecting_to = to;
	node->connect_until_us = until_us;
	sim_timer_set(net->world, &node->connect_timer, net->world->now_us + sim_net_delay_us(net));
}

void sim_net_disconnect(struct sim_net *net, int64_t sid)
{
	struct sim_node *node = node_of(net, sid);

	node->connecting_to = 0;
	sim_timer_stop(net->world, &node->connect_timer);
}

/* ---- what breaks ---- */

void sim_net_up(struct sim_net *net, int64_t sid)
{
	struct sim_node *node = node_of(net, sid);

	ASSERT(!node->is_up);
	node->is_up = true;
	node->paused_until_us = 0;
	sim_mail_node_changed(net->mail, sid);
}

/* What a process had sent when it ended arrives up to some parcel. */
static void lose_some(struct sim_net *net, struct way *way)
{
	bool is_lost = false;

	list_for_each_safe (&way->parcels, at) {
		is_lost = is_lost || sim_one_in(&net->chance, 4);
		if (!is_lost)
			continue;
		list_remove(at);
		parcel_free(list_item(at, struct parcel, link));
	}
	if (list_is_empty(&way->parcels))
		sim_timer_stop(net->world, &way->timer);
}

void sim_net_down(struct sim_net *net, int64_t sid, bool is_silent)
{
	struct sim_node *node = node_of(net, sid);

	ASSERT(node->is_up);
	node->is_up = false;
	node->is_listening = false;
	sim_net_disconnect(net, sid);
	list_for_each_safe (&net->links, at) {
		struct link *link = list_item(at, struct link, list);

		for (int end = 0; end < 2; end++)
			if (link->ends[end].sid == sid && link->ends[end].is_open) {
				lose_some(net, &link->ways[!end]);
				end_close(link, end,
					  is_silent ? sim_between(&net->chance, SILENT_US_MIN,
								  SILENT_US_MAX)
						    : sim_net_delay_us(net));
				break;
			}
	}
	sim_mail_node_changed(net->mail, sid);
}

void sim_net_pause(struct sim_net *net, int64_t sid, int64_t until_us)
{
	node_of(net, sid)->paused_until_us = until_us;
}

void sim_net_cut(struct sim_net *net, int64_t from, int64_t to)
{
	net->cuts[from][to]++;
	sim_mail_path_changed(net->mail, from, to);
}

void sim_net_mend(struct sim_net *net, int64_t from, int64_t to)
{
	ASSERT(net->cuts[from][to] > 0);
	if (--net->cuts[from][to] > 0)
		return;
	sim_mail_path_changed(net->mail, from, to);
	list_for_each (&net->links, at) {
		struct link *link = list_item(at, struct link, list);

		for (int end = 0; end < 2; end++)
			if (link->ends[end].sid == to && link->ends[!end].sid == from)
				way_wake(&link->ways[end]);
	}
}

bool sim_net_break_one(struct sim_net *net)
{
	size_t count = 0;
	size_t chosen;

	list_for_each (&net->links, at)
		count++;
	if (count == 0)
		return false;
	chosen = (size_t)prng_below(&net->chance, count);
	list_for_each (&net->links, at) {
		struct link *link = list_item(at, struct link, list);

		if (chosen-- > 0)
			continue;
		for (int end = 0; end < 2; end++) {
			way_empty(&link->ways[end]);
			link->ways[end].is_held = false;
			if (link->ends[end].is_open)
				way_put(&link->ways[end], PARCEL_END, NULL, sim_net_delay_us(net));
		}
		return true;
	}
	return false;
}

void sim_net_release(struct sim_net *net)
{
	for (int sid = 1; sid < SIM_NET_NODES_MAX; sid++)
		if (net->nodes[sid].sid)
			sim_timer_stop(net->world, &net->nodes[sid].connect_timer);
	list_for_each_safe (&net->links, at)
		link_free(list_item(at, struct link, list));
	sim_mail_free(net->mail);
}
