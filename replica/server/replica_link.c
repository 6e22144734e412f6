/*
 * Bytes of a peer. Packets go to the core, but for those whose transaction could
 * not be applied by us or by a Java server: they end the link before anything of them is logged
 * (lessons R23; spec/quorum-protocol.md 13.1).
 */
#include "replica/server/replica_impl.h"
#include "replica/tree/txn.h"
#include "src/base/assert.h"

/* Behind the designated leader of INFORMANDACTIVATE. */
enum { DESIGNATED_SIZE = 8 };

static struct bytes skip(struct bytes bytes, size_t size)
{
	if (bytes_size(bytes) < size)
		return BYTES_NULL;
	return bytes_of((const uint8_t *)bytes.data + size, bytes_size(bytes) - size);
}

static bool is_good_txn(zxid_t zxid, struct bytes bytes)
{
	struct txn txn;

	return !bytes_is_null(bytes) && txn_decode(bytes, &txn) == 0 && txn.header.zxid == zxid;
}

static bool is_good(const struct zab_packet *packet)
{
	switch (packet->type) {
	case ZAB_PROPOSAL:
	case ZAB_INFORM:
		return is_good_txn(packet->zxid, packet->data);
	case ZAB_INFORMANDACTIVATE:
		return is_good_txn(packet->zxid, skip(packet->data, DESIGNATED_SIZE));
	default:
		return true;
	}
}

/* What the core hands on comes with a later action, when the driver's bytes may be gone. */
static void keep(struct replica *replica, struct zab_packet *packet)
{
	if (packet->type != ZAB_REQUEST && packet->type != ZAB_REVALIDATE &&
	    packet->type != ZAB_PING && packet->type != ZAB_SYNC)
		return;
	buf_reset(&replica->packet);
	buf_append(&replica->packet, packet->data.data, bytes_size(packet->data));
	buf_append(&replica->packet, packet->auth.data, bytes_size(packet->auth));
	if (!bytes_is_null(packet->data))
		packet->data = bytes_of(buf_bytes(&replica->packet).data, bytes_size(packet->data));
	packet->auth = skip(buf_bytes(&replica->packet), bytes_size(packet->data));
}

size_t replica_link_bytes(struct replica *replica, zab_link_t link, struct bytes bytes)
{
	struct zab_packet packet;
	int64_t size;

	if (link == replica->receiving)
		return replica_snapshot_bytes(replica, bytes);
	size = zab_packet_read(bytes, replica->config.zab.data_size_max, &packet);
	if (size == 0)
		return 0;
	if (size < 0) {
		replica_log(replica, 2, "a peer sent what is no packet: closes the connection");
		replica_close_link(replica, link);
		return bytes_size(bytes);
	}
	if (!is_good(&packet)) {
		replica_log(replica, 3, "%s of 0x%llx holds no transaction: closes the connection",
			    zab_packet_name(packet.type), (unsigned long long)packet.zxid);
		replica_close_link(replica, link);
		return bytes_size(bytes);
	}
	keep(replica, &packet);
	zab_packet(replica->zab, link, &packet);
	return (size_t)size;
}
