/* What the network and the disk tell a replica: events of its core, a turn each. */
#include <inttypes.h>

#include "t/sim/sim-replica-impl.h"

enum { SNAPSHOT_IS_DAMAGED_ONE_IN = 40 };

/* ---- what the network tells ---- */

static void on_notification(void *data, int64_t from, struct bytes bytes)
{
	struct sim_replica *replica = data;
	struct notification notification;

	if (!sim_turn_begin(replica))
		return;
	if (!notification_read(bytes, &notification)) {
		sim_trace(replica->world, replica->sid, "heard", from, notification.vote.leader,
			  notification.vote.zxid);
		if (notification.vote.leader > 0 && notification.vote.leader < SIM_NODES_MAX)
			replica->votes[from] |= UINT32_C(1) << notification.vote.leader;
		replica->heard[from].is_looking = notification.state == ZAB_LOOKING;
		replica->heard[from].vote = notification.vote;
		replica->heard[from].round = notification.election_epoch;
	}
	zab_notification(replica->zab, from, bytes);
	sim_turn_end(replica);
}

static void on_reachable(void *data, int64_t sid, bool is_reachable)
{
	struct sim_replica *replica = data;

	if (!sim_turn_begin(replica))
		return;
	sim_trace(replica->world, replica->sid, "reachable", sid, is_reachable, 0);
	zab_set_reachable(replica->zab, sid,
			  is_reachable ? ELECTION_REACHABLE : ELECTION_UNREACHABLE);
	sim_turn_end(replica);
}

static void on_accepted(void *data, uint64_t link)
{
	struct sim_replica *replica = data;

	if (!sim_turn_begin(replica))
		return;
	if (replica->is_leading) {
		sim_trace(replica->world, replica->sid, "accepted", (int64_t)link, 0, 0);
		sim_talk_begin(replica, link);
		zab_link_accepted(replica->zab, link);
	} else { /* the tick has ended that */
		sim_net_close(replica->net, link);
	}
	sim_turn_end(replica);
}

static void on_connected(void *data, uint64_t link)
{
	struct sim_replica *replica = data;

	if (!sim_turn_begin(replica))
		return;
	sim_trace(replica->world, replica->sid, "connected", (int64_t)link, 0, 0);
	if (link != ZAB_LINK_NONE)
		sim_talk_begin(replica, link);
	zab_connected(replica->zab, link);
	sim_turn_end(replica);
}

static void on_closed(void *data, uint64_t link)
{
	struct sim_replica *replica = data;

	if (!sim_turn_begin(replica))
		return;
	if (sim_talk_of(replica, link)) { /* or the tick has closed it */
		sim_trace(replica->world, replica->sid, "closed", (int64_t)link, 0, 0);
		sim_talk_end(replica, link);
		zab_link_closed(replica->zab, link);
	}
	sim_turn_end(replica);
}

static void on_packet(void *data, uint64_t link, struct bytes bytes)
{
	struct sim_replica *replica = data;
	struct sim_talk *talk;
	struct zab_packet packet;

	if (!sim_read_packet(replica, bytes, &packet) || !sim_turn_begin(replica))
		return;
	talk = sim_talk_of(replica, link);
	if (talk) { /* or the tick has closed it */
		sim_check_received(replica->check, replica->sid, talk, &packet);
		replica->is_uptodate = replica->is_uptodate || packet.type == ZAB_UPTODATE;
		zab_packet(replica->zab, link, &packet);
	}
	sim_turn_end(replica);
}

static void on_stream(void *data, uint64_t link, struct blob *stream)
{
	struct sim_replica *replica = data;

	if (!sim_turn_begin(replica))
		return;
	if (replica->receiving == link)
		sim_timer_stop(replica->world, &replica->receive);
	if (replica->receiving != link) {
		/* Nobody waits for it any more. */
	} else if (sim_one_in(&replica->chance, SNAPSHOT_IS_DAMAGED_ONE_IN)) {
		zab_snapshot_received(replica->zab, link, false);
	} else {
		sim_net_hold(replica->net, link, true);
		sim_disk_stage_tree(&replica->disk, stream);
	}
	sim_turn_end(replica);
}

struct sim_endpoint sim_endpoint_of(struct sim_replica *replica)
{
	return (struct sim_endpoint){
		.data = replica,
		.notification = on_notification,
		.reachable = on_reachable,
		.accepted = on_accepted,
		.connected = on_connected,
		.closed = on_closed,
		.packet = on_packet,
		.stream = on_stream,
	};
}

/* ---- what the disk tells ---- */

static void on_logged(void *data, zxid_t zxid)
{
	struct sim_replica *replica = data;

	sim_trace(replica->world, replica->sid, "logged", zxid, 0, 0);
	if (!sim_turn_begin(replica))
		return;
	zab_logged(replica->zab, zxid);
	sim_turn_end(replica);
}

static void on_installed(void *data)
{
	struct sim_replica *replica = data;
	const struct sim_generation *valid = &replica->disk.valid;

	if (!sim_app_restore(replica->app, valid->tree))
		sim_fail(replica->world, "server %" PRId64 ": its snapshot can't be read",
			 replica->sid);
	replica->receiving = 0;
	sim_check_restored(replica->check, replica->sid, valid->base, sim_app_digest(replica->app));
}

static void on_epochs_durable(void *data)
{
	struct sim_replica *replica = data;

	sim_trace(replica->world, replica->sid, "epochs durable", replica->disk.accepted_epoch,
		  replica->disk.current_epoch, 0);
	sim_check_epochs(replica->check, replica->sid, replica->is_leading);
	if (!sim_turn_begin(replica))
		return;
	zab_epochs_durable(replica->zab);
	sim_turn_end(replica);
}

static void on_truncated(void *data)
{
	struct sim_replica *replica = data;

	sim_trace(replica->world, replica->sid, "truncated", sim_disk_logged(&replica->disk), 0, 0);
	if (!sim_turn_begin(replica))
		return;
	zab_truncated(replica->zab);
	sim_turn_end(replica);
}

static void on_staged(void *data)
{
	struct sim_replica *replica = data;
	uint64_t link = replica->receiving;

	if (!sim_turn_begin(replica))
		return;
	sim_net_hold(replica->net, link, false);
	if (replica->receiving == link) {
		sim_trace(replica->world, replica->sid, "staged", (int64_t)link, 0, 0);
		zab_snapshot_received(replica->zab, link, true);
	}
	sim_turn_end(replica);
}

static void on_tree_durable(void *data, zxid_t zxid)
{
	struct sim_replica *replica = data;

	sim_trace(replica->world, replica->sid, "tree durable", zxid, 0, 0);
	if (!sim_turn_begin(replica))
		return;
	zab_tree_durable(replica->zab, zxid);
	sim_turn_end(replica);
}

static void on_failed(void *data)
{
	sim_replica_crash(data, false);
}

struct sim_disk_user sim_disk_user_of(struct sim_replica *replica)
{
	return (struct sim_disk_user){
		.data = replica,
		.logged = on_logged,
		.installed = on_installed,
		.epochs_durable = on_epochs_durable,
		.truncated = on_truncated,
		.staged = on_staged,
		.tree_durable = on_tree_durable,
		.failed = on_failed,
	};
}
