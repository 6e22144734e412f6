/* What goes out: the queue of actions, and the packets and sentences in them. */
#include <stdarg.h>
#include <stdio.h>

#include "replica/zab/zab_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

struct zab_action *zab_emit(struct zab *zab, enum zab_action_type type, struct blob *owned)
{
	struct zab_queued *queued;

	if (zab->queue_count == zab->queue_capacity) {
		zab->queue_capacity = zab->queue_capacity > 0 ? 2 * zab->queue_capacity : 64;
		zab->queue = mem_realloc(zab->queue, zab->queue_capacity * sizeof(*zab->queue));
	}
	queued = &zab->queue[zab->queue_count++];
	*queued = (struct zab_queued){
		.action = {.type = type, .bytes = BYTES_NULL},
		.owned = owned,
	};
	return &queued->action;
}

bool zab_take_action(struct zab *zab, struct zab_action *ret_action)
{
	if (zab->queue_at < zab->queue_count) {
		*ret_action = zab->queue[zab->queue_at++].action;
		return true;
	}
	for (size_t i = 0; i < zab->queue_count; i++)
		blob_unref(zab->queue[i].owned);
	zab->queue_at = 0;
	zab->queue_count = 0;
	return false;
}

static void emit_text(struct zab *zab, enum zab_action_type type, int level, const char *format,
		      va_list arguments)
{
	char text[512];
	struct blob *owned;
	struct zab_action *action;

	(void)vsnprintf(text, sizeof(text), format, arguments); /* a long one is cut */
	owned = blob_new(bytes_of(text, sizeof(text)));
	action = zab_emit(zab, type, owned);
	action->level = level;
	action->text = (const char *)owned->bytes;
}

void zab_log(struct zab *zab, int level, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	emit_text(zab, ZAB_LOG, level, format, arguments);
	va_end(arguments);
}

void zab_fatal(struct zab *zab, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	emit_text(zab, ZAB_FATAL, 3, format, arguments);
	va_end(arguments);
	zab->is_dead = true;
}

void zab_leave(struct zab *zab, int level, const char *format, ...)
{
	va_list arguments;

	if (zab->is_leaving)
		return;
	va_start(arguments, format);
	emit_text(zab, ZAB_LOG, level, format, arguments);
	va_end(arguments);
	zab->is_leaving = true;
}

struct zab_packet zab_plain(enum zab_packet_type type, zxid_t zxid)
{
	return (struct zab_packet){
		.type = type,
		.zxid = zxid,
		.data = BYTES_NULL,
		.auth_count = -1,
		.auth = BYTES_NULL,
	};
}

struct blob *zab_encode(struct zab *zab, const struct zab_packet *packet)
{
	buf_reset(&zab->scratch);
	zab_packet_write(&zab->scratch, packet);
	ASSERT(zab->scratch.error == 0);
	return blob_new(buf_bytes(&zab->scratch));
}

void zab_send_encoded(struct zab *zab, zab_link_t link, struct blob *packet)
{
	struct zab_action *action = zab_emit(zab, ZAB_SEND, blob_ref(packet));

	action->link = link;
	action->bytes = blob_bytes(packet);
}

void zab_send_packet(struct zab *zab, zab_link_t link, const struct zab_packet *packet)
{
	struct blob *encoded = zab_encode(zab, packet);

	zab_send_encoded(zab, link, encoded);
	blob_unref(encoded);
}
