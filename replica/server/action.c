/* What an event wants: the actions, in order, and the packets that they name. */
#include "replica/server/server_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

enum { STEP_CAPACITY_MIN = 64 };

static struct step *add_step(struct server *server, const struct server_action *action)
{
	struct step *step;

	if (server->step_count == server->step_capacity) {
		server->step_capacity =
			server->step_capacity ? server->step_capacity * 2 : STEP_CAPACITY_MIN;
		server->steps =
			mem_realloc(server->steps, server->step_capacity * sizeof(*server->steps));
	}
	step = &server->steps[server->step_count++];
	*step = (struct step){.action = *action};
	return step;
}

void server_emit(struct server *server, const struct server_action *action)
{
	(void)add_step(server, action); /* no packet to place */
}

struct buf *server_packet_begin(struct server *server, enum server_action_type type,
				zab_link_t link, enum zab_packet_type packet)
{
	const struct server_action action = {
		.type = type,
		.link = link,
		.packet = {.type = packet, .zxid = -1, .data = BYTES_NULL, .auth_count = -1},
	};

	add_step(server, &action)->packet_at = server->packets.size;
	return &server->packets;
}

void server_packet_end(struct server *server, const struct auth_ids *ids)
{
	struct step *step = &server->steps[server->step_count - 1];
	struct zab_packet *packet = &step->action.packet;

	/* Where it lies is known when nothing more is appended. */
	packet->data = bytes_of("", server->packets.size - step->packet_at);
	if (!ids)
		return;
	packet->auth_count = ids->count;
	packet->auth = ids->encoded;
	buf_append(&server->packets, ids->encoded.data, bytes_size(ids->encoded));
}

/* The buffer is at its final place: nothing more comes before the actions are taken. */
static void place_packet(const struct server *server, const struct step *step,
			 struct zab_packet *packet)
{
	const uint8_t *at = (const uint8_t *)buf_bytes(&server->packets).data + step->packet_at;

	if (!bytes_is_null(packet->data))
		packet->data = bytes_of(at, bytes_size(packet->data));
	packet->auth = bytes_of(at + bytes_size(packet->data), bytes_size(packet->auth));
}

bool server_take_action(struct server *server, struct server_action *ret_action)
{
	const struct step *step;

	if (server->step_at == server->step_count)
		return false;
	step = &server->steps[server->step_at++];
	*ret_action = step->action;
	if (step->action.type == SERVER_SEND)
		ret_action->bytes =
			buf_bytes(&server_find_connection(server, step->action.connection)->out);
	if (step->action.type == SERVER_TO_LEADER || step->action.type == SERVER_TO_LEARNER)
		place_packet(server, step, &ret_action->packet);
	return true;
}

static void empty(struct buf *buf)
{
	if (buf->capacity > CONNECTION_OUTPUT_SIZE_KEPT)
		buf_release(buf);
	buf_reset(buf);
}

/* Everything of the last event was performed: its bytes are no longer needed. */
void server_begin_event(struct server *server)
{
	ASSERT(server->started);
	ASSERT(server->step_at == server->step_count);
	server->step_at = server->step_count = 0;
	empty(&server->packets);
	list_for_each_safe (&server->outgoing, at) {
		struct connection *connection = list_item(at, struct connection, outgoing);

		list_remove(&connection->outgoing);
		empty(&connection->out);
	}
}
