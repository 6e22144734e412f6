/*
 * The driver's half of a replica: the core's actions performed. What the network
 * and the disk tell becomes its events in sim-events.c.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/sim/sim-mail.h"
#include "t/sim/sim-replica-impl.h"

enum {
	SNAPSHOT_OPEN_US_MAX = 20 * 1000,
	SNAPSHOT_READ_US_MAX = 60 * 1000,
	SNAPSHOT_FAILS_ONE_IN = 30,
};

/* A snapshot on its way out. */
struct snapshot {
	struct list list;
	struct sim_replica *replica;
	uint64_t link;
	struct sim_timer timer;
	struct blob *stream; /* NULL: it is not opened yet */
};

/* ---- links ---- */

struct sim_talk *sim_talk_of(struct sim_replica *replica, uint64_t link)
{
	for (int i = 0; i < SIM_LINKS_MAX; i++)
		if (replica->links[i].number == link)
			return &replica->links[i].talk;
	return NULL;
}

void sim_talk_begin(struct sim_replica *replica, uint64_t link)
{
	for (int i = 0; i < SIM_LINKS_MAX; i++)
		if (replica->links[i].number == 0) {
			replica->links[i].number = link;
			replica->links[i].talk = (struct sim_talk){0};
			return;
		}
	sim_fail(replica->world, "server %" PRId64 ": more than %d links", replica->sid,
		 SIM_LINKS_MAX);
}

void sim_talk_end(struct sim_replica *replica, uint64_t link)
{
	for (int i = 0; i < SIM_LINKS_MAX; i++)
		if (replica->links[i].number == link)
			replica->links[i].number = 0;
	sim_snapshots_cancel(replica, link);
}

/* ---- snapshots that are sent ---- */

static void snapshot_free(struct snapshot *snapshot)
{
	sim_timer_stop(snapshot->replica->world, &snapshot->timer);
	list_remove(&snapshot->list);
	blob_unref(snapshot->stream);
	free(snapshot);
}

void sim_snapshots_cancel(struct sim_replica *replica, uint64_t link)
{
	list_for_each_safe (&replica->snapshots, at) {
		struct snapshot *snapshot = list_item(at, struct snapshot, list);

		if (link == 0 || snapshot->link == link)
			snapshot_free(snapshot);
	}
}

static void snapshot_open(struct snapshot *snapshot)
{
	struct sim_replica *replica = snapshot->replica;
	const struct sim_generation *valid = &replica->disk.valid;
	zxid_t zxid = valid->tree_zxid;

	if (valid->tree) {
		snapshot->stream = blob_ref(valid->tree);
	} else {
		struct sim_app *app = sim_app_new();

		snapshot->stream = sim_app_snapshot(app);
		sim_app_free(app);
	}
	sim_timer_set(replica->world, &snapshot->timer,
		      replica->world->now_us +
			      sim_between(&replica->chance, 0, SNAPSHOT_READ_US_MAX));
	replica->counts.snapshots++;
	zab_snapshot_opened(replica->zab, snapshot->link, zxid);
}

static void snapshot_end(struct snapshot *snapshot)
{
	struct sim_replica *replica = snapshot->replica;
	uint64_t link = snapshot->link;
	struct sim_talk *talk = sim_talk_of(replica, link);

	if (sim_one_in(&replica->chance, SNAPSHOT_FAILS_ONE_IN)) {
		sim_talk_end(replica, link); /* frees the snapshot */
		sim_net_close(replica->net, link);
		zab_link_closed(replica->zab, link);
		return;
	}
	sim_net_send_stream(replica->net, link, snapshot->stream);
	snapshot_free(snapshot);
	if (talk)
		talk->is_streaming = false;
	zab_snapshot_sent(replica->zab, link);
}

static void snapshot_turn(void *data)
{
	struct snapshot *snapshot = data;
	struct sim_replica *replica = snapshot->replica;
	uint64_t link = snapshot->link;

	if (sim_is_paused(replica, &snapshot->timer))
		return;
	/* The tick may end the link, and the snapshot with it. */
	if (!sim_turn_begin(replica))
		return;
	list_for_each_safe (&replica->snapshots, at) {
		snapshot = list_item(at, struct snapshot, list);
		if (snapshot->link != link)
			continue;
		if (snapshot->stream)
			snapshot_end(snapshot);
		else
			snapshot_open(snapshot);
		break;
	}
	sim_turn_end(replica);
}

static void snapshot_begin(struct sim_replica *replica, uint64_t link)
{
	struct snapshot *snapshot = mem_zalloc(sizeof(*snapshot));

	snapshot->replica = replica;
	snapshot->link = link;
	sim_timer_init(&snapshot->timer, snapshot_turn, snapshot);
	list_append(&replica->snapshots, &snapshot->list);
	sim_timer_set(replica->world, &snapshot->timer,
		      replica->world->now_us +
			      sim_between(&replica->chance, 0, SNAPSHOT_OPEN_US_MAX));
}

/* ---- a snapshot that is received ---- */

/* The stream's time is the driver's: nothing has come for initLimit. */
static void receive_fails(void *data)
{
	struct sim_replica *replica = data;
	uint64_t link = replica->receiving;

	if (sim_is_paused(replica, &replica->receive))
		return;
	if (!sim_turn_begin(replica))
		return;
	if (link != 0 && replica->receiving == link && sim_talk_of(replica, link)) {
		sim_talk_end(replica, link);
		sim_net_close(replica->net, link);
		zab_link_closed(replica->zab, link);
	}
	sim_turn_end(replica);
}

void sim_receive_init(struct sim_replica *replica)
{
	sim_timer_init(&replica->receive, receive_fails, replica);
}

/* ---- actions ---- */

static const char *notify_name(enum zab_state state)
{
	static const char *const names[] = {
		[ZAB_LOOKING] = "notify looking",
		[ZAB_FOLLOWING] = "notify following",
		[ZAB_LEADING] = "notify leading",
		[ZAB_OBSERVING] = "notify observing",
	};

	return names[state];
}

static void notify(struct sim_replica *replica, const struct zab_action *action)
{
	struct notification notification;

	sim_trace_bytes(replica->world, action->bytes);
	if (notification_read(action->bytes, &notification)) {
		sim_fail(replica->world, "server %" PRId64 " sends no notification", replica->sid);
		return;
	}
	sim_trace(replica->world, replica->sid, notify_name(notification.state), action->sid,
		  notification.vote.leader, notification.vote.zxid);
	sim_check_notified(replica->check, replica->sid, action->sid, &notification,
			   &replica->heard[action->sid], replica->is_serving, replica->was_wiped);
	sim_mail_send(replica->net->mail, replica->sid, action->sid, action->bytes);
}

bool sim_read_packet(struct sim_replica *replica, struct bytes bytes, struct zab_packet *ret_packet)
{
	if (zab_packet_read(bytes, replica->config.data_size_max, ret_packet) == bytes.size)
		return true;
	sim_fail(replica->world, "server %" PRId64 " sends what is not one packet", replica->sid);
	return false;
}

static void send_packet(struct sim_replica *replica, uint64_t link, struct bytes bytes)
{
	struct sim_talk *talk = sim_talk_of(replica, link);
	struct zab_packet packet;

	sim_trace_bytes(replica->world, bytes);
	if (!sim_read_packet(replica, bytes, &packet))
		return;
	sim_trace(replica->world, replica->sid, zab_packet_name(packet.type), packet.zxid,
		  sim_net_peer(replica->net, link), (int64_t)link);
	if (!talk) {
		sim_fail(replica->world, "server %" PRId64 " sends on a link that it has not",
			 replica->sid);
		return;
	}
	sim_check_sent(replica->check, replica->sid, talk, &packet);
	if (packet.type == ZAB_SNAP)
		talk->is_streaming = true;
	if (packet.type == ZAB_DIFF)
		replica->counts.diffs++;
	sim_net_send(replica->net, link, bytes);
}

static void listen(struct sim_replica *replica, bool is_listening)
{
	replica->is_leading = is_listening;
	sim_net_listen(replica->net, replica->sid, is_listening);
	if (is_listening)
		sim_check_elected(replica->check, replica->sid, replica->sid, replica->votes);
}

static void change_role(struct sim_replica *replica, const struct zab_action *action)
{
	bool was_serving = replica->is_serving;

	replica->state = action->state;
	replica->epoch = action->epoch;
	replica->is_serving = action->is_serving;
	if (action->state == ZAB_LOOKING) {
		replica->is_uptodate = false;
		for (int i = 0; i < SIM_NODES_MAX; i++)
			replica->heard[i].is_confirmed = false;
	}
	if (was_serving || action->state == ZAB_LOOKING)
		sim_drop_customers(replica);
	if (action->is_serving) {
		replica->counts.leaderships += action->state == ZAB_LEADING;
		sim_check_serving(replica->check, replica->sid, action->state, action->epoch);
	}
}

static void apply(struct sim_replica *replica, const struct zab_action *action)
{
	if (!replica->is_leading && !replica->is_uptodate)
		sim_fail(replica->world,
			 "server %" PRId64 " delivers 0x%" PRIx64 " before UPTODATE", replica->sid,
			 action->zxid);
	if (action->zxid <= sim_app_zxid(replica->app))
		sim_fail(replica->world,
			 "server %" PRId64 " delivers 0x%" PRIx64 " after 0x%" PRIx64, replica->sid,
			 action->zxid, sim_app_zxid(replica->app));
	else
		sim_apply(replica, action->zxid, action->txn);
}

static void perform(struct sim_replica *replica, const struct zab_action *action)
{
	struct sim_disk *disk = &replica->disk;

	switch (action->type) {
	case ZAB_NOTIFY:
		notify(replica, action);
		break;
	case ZAB_LISTEN:
	case ZAB_UNLISTEN:
		listen(replica, action->type == ZAB_LISTEN);
		break;
	case ZAB_CONNECT:
		sim_check_elected(replica->check, replica->sid, action->sid, replica->votes);
		sim_net_connect(replica->net, replica->sid, action->sid,
				sim_world_us(replica, action->deadline_ms));
		break;
	case ZAB_DISCONNECT:
		sim_net_disconnect(replica->net, replica->sid);
		break;
	case ZAB_SEND:
		send_packet(replica, action->link, action->bytes);
		break;
	case ZAB_CLOSE:
		sim_talk_end(replica, action->link);
		sim_net_close(replica->net, action->link);
		break;
	case ZAB_APPEND:
		sim_disk_append(disk, action->zxid, action->txn, action->committed);
		break;
	case ZAB_SET_EPOCHS:
		sim_disk_set_epochs(disk, action->accepted_epoch, action->current_epoch);
		break;
	case ZAB_TRUNCATE:
		replica->counts.truncations++;
		sim_disk_truncate(disk, action->zxid);
		break;
	case ZAB_SEND_SNAPSHOT:
		snapshot_begin(replica, action->link);
		break;
	case ZAB_RECEIVE_SNAPSHOT:
		replica->receiving = action->link;
		sim_disk_stage(disk, action->zxid);
		sim_timer_set(replica->world, &replica->receive,
			      replica->world->now_us +
				      replica->config.init_limit * replica->config.tick_ms * 1000);
		break;
	case ZAB_INSTALL_SNAPSHOT:
		sim_disk_install(disk, action->accepted_epoch, action->current_epoch);
		break;
	case ZAB_ABORT_SNAPSHOT:
		sim_net_hold(replica->net, replica->receiving, false);
		sim_timer_stop(replica->world, &replica->receive);
		replica->receiving = 0;
		sim_disk_abort(disk);
		break;
	case ZAB_ROLE:
		change_role(replica, action);
		break;
	case ZAB_DELIVER:
		apply(replica, action);
		break;
	case ZAB_RECEIVED:
		if (action->packet.type == ZAB_REQUEST && replica->is_serving)
			sim_queue_request(replica, action->packet.data);
		break;
	case ZAB_PINGED:
		zab_pong(replica->zab, bytes_of("", 0));
		break;
	case ZAB_LOG:
		if (replica->world->is_tracing)
			printf("%10.3f %" PRId64 " (%s)\n", (double)replica->world->now_us / 1000,
			       replica->sid, action->text);
		break;
	case ZAB_FATAL:
		sim_fail(replica->world, "server %" PRId64 " gives up: %s", replica->sid,
			 action->text);
		break;
	}
}

static const char *action_name(enum zab_action_type type)
{
	static const char *const names[] = {
		[ZAB_NOTIFY] = "do notify",
		[ZAB_LISTEN] = "do listen",
		[ZAB_UNLISTEN] = "do unlisten",
		[ZAB_CONNECT] = "do connect",
		[ZAB_DISCONNECT] = "do disconnect",
		[ZAB_SEND] = "do send",
		[ZAB_CLOSE] = "do close",
		[ZAB_APPEND] = "do append",
		[ZAB_SET_EPOCHS] = "do set-epochs",
		[ZAB_TRUNCATE] = "do truncate",
		[ZAB_SEND_SNAPSHOT] = "do send-snapshot",
		[ZAB_RECEIVE_SNAPSHOT] = "do receive-snapshot",
		[ZAB_INSTALL_SNAPSHOT] = "do install-snapshot",
		[ZAB_ABORT_SNAPSHOT] = "do abort-snapshot",
		[ZAB_ROLE] = "do role",
		[ZAB_DELIVER] = "do deliver",
		[ZAB_RECEIVED] = "do received",
		[ZAB_PINGED] = "do pinged",
		[ZAB_LOG] = "do log",
		[ZAB_FATAL] = "do fatal",
	};

	return names[type];
}

static void trace_action(struct sim_replica *replica, const struct zab_action *action)
{
	switch (action->type) {
	case ZAB_NOTIFY:
	case ZAB_SEND:
	case ZAB_LOG:
		break; /* traced with what is in them */
	case ZAB_ROLE:
		sim_trace(replica->world, replica->sid, action_name(action->type), action->state,
			  action->epoch, action->is_serving);
		break;
	case ZAB_SET_EPOCHS:
	case ZAB_INSTALL_SNAPSHOT:
		sim_trace(replica->world, replica->sid, action_name(action->type),
			  action->accepted_epoch, action->current_epoch, 0);
		break;
	case ZAB_CONNECT:
		sim_trace(replica->world, replica->sid, action_name(action->type), action->sid, 0,
			  0);
		break;
	default:
		sim_trace(replica->world, replica->sid, action_name(action->type), action->zxid,
			  (int64_t)action->link, action->committed);
	}
}

void sim_perform_all(struct sim_replica *replica)
{
	struct zab_action action;

	while (replica->zab && !replica->world->has_failed &&
	       zab_take_action(replica->zab, &action)) {
		trace_action(replica, &action);
		perform(replica, &action);
		if (replica->actions_left > 0 && --replica->actions_left == 0)
			sim_replica_crash(replica, sim_one_in(&replica->chance, 4));
	}
}
