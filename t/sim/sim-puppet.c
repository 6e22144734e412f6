#include "t/sim/sim-puppet.h"

#include "replica/zab/notification.h"
#include "replica/zab/packet.h"
#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "t/sim/sim-mail.h"

enum { PACKET_SIZE_MAX = 1024 * 1024 };

void sim_puppet_send(struct sim_puppet *puppet, int type, zxid_t zxid, struct bytes data)
{
	struct zab_packet packet = {
		.type = type, .zxid = zxid, .data = data, .auth_count = -1, .auth = BYTES_NULL};
	struct buf buf;

	buf_init(&buf, PACKET_SIZE_MAX);
	zab_packet_write(&buf, &packet);
	ASSERT(!buf.error);
	sim_trace(puppet->world, puppet->sid, zab_packet_name(type), zxid, 0,
		  (int64_t)puppet->link);
	sim_net_send(puppet->net, puppet->link, buf_bytes(&buf));
	buf_release(&buf);
}

void sim_puppet_tell(struct sim_puppet *puppet, int64_t to)
{
	struct notification notification = {
		.state = puppet->leader == puppet->sid ? ZAB_LEADING : ZAB_FOLLOWING,
		.vote = {puppet->leader, puppet->vote_zxid, puppet->epoch},
		.election_epoch = puppet->round,
		.version = NOTIFICATION_VERSION,
		.config = bytes_of_text(puppet->config),
	};
	struct buf buf;

	buf_init(&buf, PACKET_SIZE_MAX);
	notification_write(&buf, &notification);
	ASSERT(!buf.error);
	sim_mail_send(puppet->net->mail, puppet->sid, to, buf_bytes(&buf));
	buf_release(&buf);
}

void sim_puppet_vote(struct sim_puppet *puppet, int64_t leader, uint32_t epoch, zxid_t zxid,
		     int64_t round)
{
	puppet->leader = leader;
	puppet->epoch = epoch;
	puppet->vote_zxid = zxid;
	puppet->round = round;
	sim_net_listen(puppet->net, puppet->sid, leader == puppet->sid);
}

void sim_puppet_hang_up(struct sim_puppet *puppet)
{
	sim_net_close(puppet->net, puppet->link);
	puppet->link = 0;
}

/* ---- what it hears ---- */

static void on_notification(void *data, int64_t from, struct bytes bytes)
{
	struct sim_puppet *puppet = data;
	struct notification notification;

	if (puppet->leader && !notification_read(bytes, &notification) &&
	    notification.state == ZAB_LOOKING)
		sim_puppet_tell(puppet, from);
}

static void on_reachable(void *data, int64_t sid, bool is_reachable)
{
	(void)data; /* its vote depends on nobody */
	(void)sid;
	(void)is_reachable;
}

static void on_accepted(void *data, uint64_t link)
{
	struct sim_puppet *puppet = data;

	puppet->link = link;
	puppet->learners++;
	puppet->has_ackepoch = false;
	puppet->has_newleader_ack = false;
}

static void on_connected(void *data, uint64_t link)
{
	(void)data;
	(void)link;
	ASSERT(!"a puppet connects to nobody");
}

static void on_closed(void *data, uint64_t link)
{
	struct sim_puppet *puppet = data;

	if (puppet->link != link)
		return;
	puppet->link = 0;
	puppet->losses++;
}

static void synchronize(struct sim_puppet *puppet)
{
	static const int types[] = {
		[SIM_PUPPET_DIFF] = ZAB_DIFF,
		[SIM_PUPPET_TRUNC] = ZAB_TRUNC,
		[SIM_PUPPET_SNAP] = ZAB_SNAP,
	};

	sim_puppet_send(puppet, types[puppet->sync], puppet->sync_zxid, BYTES_NULL);
	if (puppet->sync == SIM_PUPPET_SNAP)
		sim_net_send_stream(puppet->net, puppet->link, puppet->stream);
	sim_puppet_send(puppet, ZAB_NEWLEADER, zxid_make(puppet->epoch, 0),
			bytes_of_text(puppet->config));
}

static void on_packet(void *data, uint64_t link, struct bytes bytes)
{
	struct sim_puppet *puppet = data;
	struct zab_packet packet;
	uint8_t version[4];

	ASSERT(zab_packet_read(bytes, PACKET_SIZE_MAX, &packet) == bytes.size);
	sim_trace(puppet->world, puppet->sid, "got", packet.type, packet.zxid, (int64_t)link);
	switch (packet.type) {
	case ZAB_FOLLOWERINFO:
	case ZAB_OBSERVERINFO:
		endian_put_u32(version, ZAB_PROTOCOL_VERSION);
		sim_puppet_send(puppet, ZAB_LEADERINFO, zxid_make(puppet->epoch, 0),
				bytes_of(version, sizeof(version)));
		break;
	case ZAB_ACKEPOCH:
		puppet->has_ackepoch = true;
		puppet->ackepoch_zxid = packet.zxid;
		if (!puppet->is_mute)
			synchronize(puppet);
		break;
	case ZAB_ACK:
		if (zxid_counter(packet.zxid) != 0) {
			puppet->acked = packet.zxid;
		} else if (!puppet->has_newleader_ack) {
			puppet->has_newleader_ack = true;
			sim_puppet_send(puppet, ZAB_UPTODATE, -1, BYTES_NULL);
		}
		break;
	default:
		break; /* PING and the like */
	}
}

static void on_stream(void *data, uint64_t link, struct blob *stream)
{
	(void)data;
	(void)link;
	(void)stream;
	ASSERT(!"a puppet asks for no snapshot");
}

void sim_puppet_init(struct sim_puppet *puppet, struct sim_world *world, struct sim_net *net,
		     int64_t sid, const char *config)
{
	struct sim_endpoint endpoint = {
		.data = puppet,
		.notification = on_notification,
		.reachable = on_reachable,
		.accepted = on_accepted,
		.connected = on_connected,
		.closed = on_closed,
		.packet = on_packet,
		.stream = on_stream,
	};

	*puppet = (struct sim_puppet){.world = world, .net = net, .sid = sid, .config = config};
	sim_net_add(net, sid, endpoint);
	sim_net_up(net, sid);
}
