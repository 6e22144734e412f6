#include "t/unit/fake-ensemble.h"

#include <stdlib.h>

#include "replica/tree/txn.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "t/unit/cmocka.h"

/* A packet, or (type 0) the news that everything up to zxid is proposed, or with is_commit,
 * committed. */
struct fake_message {
	struct list link;
	struct zab_packet packet;
	struct buf bytes;
	bool is_commit;
	zxid_t zxid;
};

struct fake_driver *fake_node(struct fake_ensemble *ensemble, int node)
{
	return &ensemble->nodes[node].driver;
}

zxid_t fake_proposed(const struct fake_ensemble *ensemble)
{
	return zxid_make(FAKE_EPOCH, (uint32_t)ensemble->log_count);
}

/* ---- messages ---- */

static void queue_packet(struct list *queue, const struct zab_packet *packet)
{
	struct fake_message *message = mem_zalloc(sizeof(*message));
	int64_t size;

	/* By way of the bytes, as on the wire. */
	buf_init(&message->bytes, SIZE_MAX);
	zab_packet_write(&message->bytes, packet);
	size = zab_packet_read(buf_bytes(&message->bytes), SIZE_MAX, &message->packet);
	assert_int_equal(size, message->bytes.size);
	list_append(queue, &message->link);
}

static void queue_news(struct list *queue, zxid_t zxid, bool is_commit)
{
	struct fake_message *message = mem_zalloc(sizeof(*message));

	message->zxid = zxid;
	message->is_commit = is_commit;
	list_append(queue, &message->link);
}

static void tell_learners(struct fake_ensemble *ensemble, zxid_t zxid, bool is_commit)
{
	for (int at = FAKE_LEADER + 1; at < FAKE_NODE_COUNT; at++) {
		struct fake_node *node = &ensemble->nodes[at];

		if (is_commit || !node->is_observer)
			queue_news(&node->to_learner, zxid, is_commit);
	}
}

static struct fake_node *by_link(struct fake_ensemble *ensemble, zab_link_t link)
{
	for (int at = FAKE_LEADER + 1; at < FAKE_NODE_COUNT; at++)
		if (ensemble->nodes[at].link == link)
			return &ensemble->nodes[at];
	ASSERT(!"a link");
}

static void append(struct fake_ensemble *ensemble, const struct server_action *action)
{
	struct txn txn;

	assert_int_equal(txn_decode(blob_bytes(action->txn), &txn), 0);
	assert_int_equal(action->zxid, fake_proposed(ensemble) + 1);
	assert_int_equal(txn.header.zxid, action->zxid);
	ensemble->log =
		mem_realloc(ensemble->log, (ensemble->log_count + 1) * sizeof(*ensemble->log));
	ensemble->log[ensemble->log_count++] = blob_ref(action->txn);
	tell_learners(ensemble, action->zxid, false);
}

static void divert(void *data, const struct server_action *action)
{
	struct fake_node *node = data;
	struct fake_ensemble *ensemble = node->ensemble;

	switch (action->type) {
	case SERVER_APPEND:
		assert_ptr_equal(node, &ensemble->nodes[FAKE_LEADER]);
		append(ensemble, action);
		break;
	case SERVER_TO_LEARNER:
		assert_ptr_equal(node, &ensemble->nodes[FAKE_LEADER]);
		queue_packet(&by_link(ensemble, action->link)->to_learner, &action->packet);
		break;
	case SERVER_CLOSE_LEARNER:
		by_link(ensemble, action->link)->is_cut = true;
		break;
	default:
		assert_int_equal(action->type, SERVER_TO_LEADER);
		assert_ptr_not_equal(node, &ensemble->nodes[FAKE_LEADER]);
		queue_packet(&node->to_leader, &action->packet);
	}
}

/* ---- life ---- */

void fake_ensemble_init(struct fake_ensemble *ensemble, const struct server_config *config)
{
	*ensemble = (struct fake_ensemble){0};
	for (int at = 0; at < FAKE_NODE_COUNT; at++) {
		struct fake_node *node = &ensemble->nodes[at];
		struct server_config own = *config;

		own.server_id = (uint8_t)(at + 1);
		node->ensemble = ensemble;
		node->link = (zab_link_t)at;
		list_init(&node->to_leader);
		list_init(&node->to_learner);
		fake_driver_init_as(&node->driver, &own,
				    at == FAKE_LEADER ? SERVER_LEADER : SERVER_LEARNER, FAKE_EPOCH,
				    tree_new(config->extended_types), divert, node);
	}
}

static void drop(struct fake_message *message)
{
	list_remove(&message->link);
	buf_release(&message->bytes);
	free(message);
}

static void drop_all(struct list *queue)
{
	list_for_each_safe (queue, at)
		drop(list_item(at, struct fake_message, link));
}

void fake_ensemble_release(struct fake_ensemble *ensemble)
{
	for (int at = 0; at < FAKE_NODE_COUNT; at++) {
		drop_all(&ensemble->nodes[at].to_leader);
		drop_all(&ensemble->nodes[at].to_learner);
		fake_driver_release(&ensemble->nodes[at].driver);
	}
	for (size_t at = 0; at < ensemble->log_count; at++)
		blob_unref(ensemble->log[at]);
	free(ensemble->log);
}

/* ---- what arrives ---- */

static void at_leader(struct fake_node *node, const struct zab_packet *packet)
{
	struct fake_driver *leader = fake_node(node->ensemble, FAKE_LEADER);
	const struct auth_ids ids = {.count = packet->auth_count, .encoded = packet->auth};
	struct zab_request request;
	struct zab_session session;

	if (packet->type == ZAB_REQUEST) {
		assert_int_equal(zab_request_read(packet->data, &request), 0);
		node->ensemble->request_count++;
		server_learner_request(leader->server, node->link, &request,
				       packet->auth_count < 0 ? NULL : &ids);
	} else {
		assert_int_equal(packet->type, ZAB_REVALIDATE);
		assert_int_equal(zab_session_read(packet->data, &session), 0);
		server_learner_revalidate(leader->server, node->link, &session);
	}
	fake_perform_all(leader);
}

static void packet_at_learner(struct fake_node *node, const struct zab_packet *packet)
{
	struct server *server = node->driver.server;
	session_id_t id;
	bool is_valid;

	if (packet->type == ZAB_SYNC) {
		assert_true(server_synced(server));
	} else {
		assert_int_equal(packet->type, ZAB_REVALIDATE);
		assert_int_equal(zab_revalidated_read(packet->data, &id, &is_valid), 0);
		server_revalidated(server, id, is_valid);
	}
	fake_perform_all(&node->driver);
}

static void at_learner(struct fake_node *node, const struct fake_message *message)
{
	struct server *server = node->driver.server;
	struct blob *txn;

	if (message->packet.type != 0) {
		packet_at_learner(node, &message->packet);
		return;
	}
	if (!message->is_commit) {
		server_note_proposed(server, message->zxid);
		return;
	}
	txn = node->ensemble->log[zxid_counter(message->zxid) - 1];
	server_deliver(server, message->zxid, blob_bytes(txn));
	fake_perform_all(&node->driver);
}

static bool deliver_from(struct fake_node *node, bool to_leader)
{
	struct list *first = list_first(to_leader ? &node->to_leader : &node->to_learner);
	struct fake_message *message;

	if (!first)
		return false;
	message = list_item(first, struct fake_message, link);
	if (!to_leader)
		at_learner(node, message);
	else if (!node->is_cut)
		at_leader(node, &message->packet);
	drop(message);
	return true;
}

bool fake_ensemble_deliver_one(struct fake_ensemble *ensemble, uint32_t choice)
{
	enum { QUEUE_COUNT = 2 * FAKE_NODE_COUNT };

	for (uint32_t at = 0; at < QUEUE_COUNT; at++) {
		uint32_t queue = (choice + at) % QUEUE_COUNT;

		if (deliver_from(&ensemble->nodes[queue / 2], queue % 2))
			return true;
	}
	return false;
}

void fake_ensemble_commit(struct fake_ensemble *ensemble, size_t count)
{
	struct fake_driver *leader = fake_node(ensemble, FAKE_LEADER);

	for (; count > 0 && ensemble->committed_count < ensemble->log_count; count--) {
		zxid_t zxid = zxid_make(FAKE_EPOCH, (uint32_t)++ensemble->committed_count);

		tell_learners(ensemble, zxid, true);
		server_committed(leader->server, zxid);
		fake_perform_all(leader);
	}
}

void fake_ensemble_pump(struct fake_ensemble *ensemble)
{
	do {
		while (fake_ensemble_deliver_one(ensemble, 0))
			;
		if (!ensemble->is_slow)
			fake_ensemble_commit(ensemble, SIZE_MAX);
	} while (fake_ensemble_deliver_one(ensemble, 0));
	fake_ensemble_check(ensemble);
}

void fake_ensemble_advance(struct fake_ensemble *ensemble, msec_t by_ms)
{
	for (int at = 0; at < FAKE_NODE_COUNT; at++)
		fake_advance(fake_node(ensemble, at), by_ms);
	fake_ensemble_pump(ensemble);
}

void fake_ensemble_ping(struct fake_ensemble *ensemble)
{
	for (int at = FAKE_LEADER + 1; at < FAKE_NODE_COUNT; at++) {
		struct buf table;

		buf_init(&table, SIZE_MAX);
		server_take_touched(fake_node(ensemble, at)->server, &table);
		assert_int_equal(server_learner_touched(fake_node(ensemble, FAKE_LEADER)->server,
							buf_bytes(&table)),
				 0);
		buf_release(&table);
	}
}

void fake_ensemble_request(struct fake_ensemble *ensemble, int node,
			   const struct zab_request *request, const struct auth_ids *ids)
{
	struct fake_driver *leader = fake_node(ensemble, FAKE_LEADER);

	server_learner_request(leader->server, ensemble->nodes[node].link, request, ids);
	fake_perform_all(leader);
}

void fake_ensemble_check(struct fake_ensemble *ensemble)
{
	for (int a = 0; a < FAKE_NODE_COUNT; a++) {
		for (int b = a + 1; b < FAKE_NODE_COUNT; b++) {
			struct tree *tree = fake_node(ensemble, a)->tree;
			struct tree *other = fake_node(ensemble, b)->tree;

			if (tree_zxid(tree) != tree_zxid(other))
				continue;
			assert_int_equal(tree_digest(tree), tree_digest(other));
			assert_int_equal(tree_session_count(tree), tree_session_count(other));
			assert_int_equal(tree_ephemeral_count(tree), tree_ephemeral_count(other));
		}
	}
}

/* ---- for tests ---- */

int fake_ensemble_setup(void **state)
{
	struct server_config config;

	server_config_init(&config);
	*state = test_calloc(1, sizeof(struct fake_ensemble));
	fake_ensemble_init(*state, &config);
	return 0;
}

int fake_ensemble_teardown(void **state)
{
	fake_ensemble_check(*state);
	fake_ensemble_release(*state);
	test_free(*state);
	return 0;
}

session_id_t fake_ensemble_connect(struct fake_ensemble *ensemble, int node, connection_id_t id)
{
	struct fake_driver *driver = fake_node(ensemble, node);
	session_id_t session_id;

	fake_send_connect(driver, id, 0, BYTES_NULL, 0);
	fake_ensemble_pump(ensemble);
	session_id = fake_take_session(driver, id);
	assert_int_not_equal(session_id, 0);
	return session_id;
}
