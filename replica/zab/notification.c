#include "replica/zab/notification.h"

#include <errno.h>

#include "src/base/assert.h"
#include "src/zk/jute.h"

enum {
	SIZE_WITHOUT_PEER_EPOCH = 28,
	SIZE_WITHOUT_CONFIG = 40, /* 3.4; the version that it sends is not looked at */
};

const char *zab_state_name(enum zab_state state)
{
	static const char *const names[] = {
		[ZAB_LOOKING] = "looking",
		[ZAB_FOLLOWING] = "following",
		[ZAB_LEADING] = "leading",
		[ZAB_OBSERVING] = "observing",
	};

	ASSERT((size_t)state < sizeof(names) / sizeof(names[0]));
	return names[state];
}

/* WorkerReceiver.run tells the layouts apart by their sizes alone. */
static void read_version_and_config(struct jute_reader *reader, size_t size,
				    struct notification *notification)
{
	int32_t config_size;

	if (size <= SIZE_WITHOUT_CONFIG) {
		(void)jute_read_int(reader); /* there or not is the reader's error to tell */
		return;
	}
	notification->version = jute_read_int(reader);
	if (notification->version < NOTIFICATION_VERSION)
		return;
	config_size = jute_read_int(reader);
	if (reader->error || config_size < 0 || (size_t)config_size > jute_left(reader)) {
		jute_fail(reader);
		return;
	}
	notification->config = bytes_of(reader->at, (size_t)config_size);
}

int notification_read(struct bytes bytes, struct notification *ret_notification)
{
	struct notification notification = {.config = BYTES_NULL};
	size_t size = bytes_size(bytes);
	struct jute_reader reader;
	int32_t state;

	jute_reader_init(&reader, bytes.data, size, size);
	state = jute_read_int(&reader);
	notification.vote.leader = jute_read_long(&reader);
	notification.vote.zxid = jute_read_long(&reader);
	notification.election_epoch = jute_read_long(&reader);
	if (size == SIZE_WITHOUT_PEER_EPOCH) {
		notification.vote.peer_epoch = zxid_epoch(notification.vote.zxid);
	} else {
		notification.vote.peer_epoch = jute_read_long(&reader);
		read_version_and_config(&reader, size, &notification);
	}
	if (reader.error || state < ZAB_LOOKING || state > ZAB_OBSERVING)
		return -EBADMSG;
	notification.state = (enum zab_state)state;
	*ret_notification = notification;
	return 0;
}

void notification_write(struct buf *buf, const struct notification *notification)
{
	ASSERT(notification->version == NOTIFICATION_VERSION);
	ASSERT(!bytes_is_null(notification->config));
	jute_write_int(buf, (int32_t)notification->state);
	jute_write_long(buf, notification->vote.leader);
	jute_write_long(buf, notification->vote.zxid);
	jute_write_long(buf, notification->election_epoch);
	jute_write_long(buf, notification->vote.peer_epoch);
	jute_write_int(buf, notification->version);
	jute_write_buffer(buf, notification->config);
}
