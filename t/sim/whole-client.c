#include "t/sim/whole-client.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "t/sim/whole-client-impl.h"

enum {
	THINK_US_MAX = 40 * 1000,
	PENDING_MAX = 6,
	MOVE_ONE_IN = 100,
	SLEEP_ONE_IN = 100,
	CLOSE_ONE_IN = 150,
	DIE_ONE_IN = 150,
	NODES = 6,
	CHILDREN = 3,
	QUEUES = 2,
	INPUT_SIZE_MAX = 16 << 20,
	DATA_SIZE_MAX = 300,
	ACLS_SIZE_MAX = 256,
};

/* A request without its final reply. */
struct asked {
	struct list list;
	struct whole_client *client;
	int32_t opcode;
	bool has_watch;
	char path[WHOLE_PATH_SIZE];
	bool is_ephemeral;   /* and not sequential */
	uint64_t data_hash;  /* of a setData, and a create that is not sequential; 0: of others */
	zxid_t acknowledged; /* of a sync: what anybody knew then */
};

/* An ephemeral of a session, and how often the client was told that it has created it. */
struct made {
	struct map_entry entry;
	session_id_t session_id; /* with the path the key */
	char path[WHOLE_PATH_SIZE];
	size_t count;
};

/* ---- what reads must show ---- */

static bool same_stat(const struct zk_stat *a, const struct zk_stat *b)
{
	return a->czxid == b->czxid && a->mzxid == b->mzxid && a->ctime == b->ctime &&
	       a->mtime == b->mtime && a->version == b->version && a->cversion == b->cversion &&
	       a->aversion == b->aversion && a->ephemeral_owner == b->ephemeral_owner &&
	       a->data_length == b->data_length && a->num_children == b->num_children &&
	       a->pzxid == b->pzxid;
}

static void check_read(const struct asked *asked, const struct zk_reply *reply,
		       const struct zk_stat *stat, const uint64_t *data_hash)
{
	struct whole_client *client = asked->client;
	const struct whole_version *version =
		whole_check_at(client->check, bytes_of_text(asked->path), reply->zxid);
	bool exists = version && version->exists;

	client->counts.reads++;
	if (reply->zxid > whole_check_last(client->check))
		sim_fail(client->world,
			 "client %" PRId64 " reads at 0x%" PRIx64 ", which nobody has committed",
			 client->node, reply->zxid);
	else if (exists != (stat != NULL))
		sim_fail(client->world, "client %" PRId64 " reads at 0x%" PRIx64 " that %s %s",
			 client->node, reply->zxid, asked->path,
			 stat ? "is there" : "is not there");
	else if (stat && (!same_stat(stat, &version->stat) ||
			  (data_hash && *data_hash != version->data_hash)))
		sim_fail(client->world,
			 "client %" PRId64 " reads another %s at 0x%" PRIx64
			 " than there was: version %d, not %d",
			 client->node, asked->path, reply->zxid, stat->version,
			 version->stat.version);
}

static void take_read(const struct asked *asked, const struct zk_reply *reply)
{
	enum whole_watch type =
		asked->opcode == ZK_OP_GET_CHILDREN2 ? WHOLE_WATCH_CHILDREN : WHOLE_WATCH_DATA;
	struct zk_get_children2_response children;
	struct zk_get_data_response data;
	struct jute_reader body = reply->body;
	struct zk_stat stat;
	uint64_t hash;

	if (reply->code == ZK_NONODE) {
		check_read(asked, reply, NULL, NULL);
		if (type == WHOLE_WATCH_DATA)
			whole_watch_read(asked->client, type, bytes_of_text(asked->path), NULL,
					 asked->has_watch && asked->opcode == ZK_OP_EXISTS);
		return;
	}
	if (reply->code != ZK_OK)
		return;
	if (asked->opcode == ZK_OP_GET_DATA) {
		zk_get_data_response_read(&body, &data);
		stat = data.stat;
		hash = whole_check_hash(data.data);
		check_read(asked, reply, &stat, &hash);
	} else if (asked->opcode == ZK_OP_EXISTS) {
		zk_stat_read(&body, &stat);
		check_read(asked, reply, &stat, NULL);
	} else {
		zk_get_children2_response_read(&body, &children);
		stat = children.stat;
		check_read(asked, reply, &stat, NULL);
	}
	ASSERT(!body.error);
	whole_watch_read(asked->client, type, bytes_of_text(asked->path), &stat, asked->has_watch);
}

static void take_sync(const struct asked *asked, const struct zk_reply *reply)
{
	if (reply->code != ZK_OK || zxid_epoch(reply->zxid) < zxid_epoch(asked->acknowledged))
		return;
	if (reply->zxid < asked->acknowledged)
		sim_fail(asked->client->world,
			 "client %" PRId64 ": a sync is answered at 0x%" PRIx64 ", but 0x%" PRIx64
			 " was acknowledged before",
			 asked->client->node, reply->zxid, asked->acknowledged);
}

static void asked_free(struct asked *asked)
{
	list_remove(&asked->list);
	free(asked);
}

static struct made *get_made(struct whole_client *client, const char *path)
{
	struct made *made = mem_zalloc(sizeof(*made));
	struct bytes key =
		bytes_of(&made->session_id, sizeof(made->session_id) + sizeof(made->path));
	struct map_entry *entry;

	made->session_id = client->session_id;
	(void)snprintf(made->path, sizeof(made->path), "%s", path);
	entry = map_find(&client->made, key);
	if (!entry) {
		map_insert(&client->made, &made->entry, key);
		return made;
	}
	free(made);
	return map_item(entry, struct made, entry);
}

static void forget_made(struct whole_client *client)
{
	map_for_each (&client->made, at) {
		map_remove(&client->made, at);
		free(map_item(at, struct made, entry));
	}
	map_release(&client->made);
}

/* Who holds a lock must be one. */
static void check_ephemeral(const struct asked *asked, const struct zk_reply *reply)
{
	struct whole_client *client = asked->client;
	bool is_done = reply->outcome == ZK_OUTCOME_RESOLVED ||
		       (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_OK);

	if (!is_done)
		return;
	if (++get_made(client, asked->path)->count >
	    whole_check_ephemerals(client->check, bytes_of_text(asked->path), client->session_id))
		sim_fail(client->world,
			 "client %" PRId64 ": is told to have created %s more often than it has",
			 client->node, asked->path);
}

/* What it was, was found out after a loss. */
static void check_outcome(const struct asked *asked, enum zk_outcome outcome)
{
	struct whole_client *client = asked->client;

	if (outcome == ZK_OUTCOME_RESOLVED && asked->data_hash != 0 &&
	    !whole_check_had(client->check, bytes_of_text(asked->path), asked->data_hash))
		sim_fail(client->world,
			 "client %" PRId64 ": %s of %s was resolved as done, and was not",
			 client->node, zk_opcode_name(asked->opcode), asked->path);
}

void whole_client_check_refused(struct whole_client *client)
{
	list_for_each (&client->refused, at) {
		const struct asked *asked = list_item(at, struct asked, list);

		if (whole_check_had(client->check, bytes_of_text(asked->path), asked->data_hash))
			sim_fail(client->world,
				 "client %" PRId64
				 ": %s of %s timed out without effect, and was done",
				 client->node, zk_opcode_name(asked->opcode), asked->path);
	}
}

static void on_reply(const struct zk_reply *reply, void *data)
{
	struct asked *asked = data;
	struct whole_client *client = asked->client;

	sim_trace(client->world, client->node, "outcome", asked->opcode, reply->outcome,
		  reply->code);
	if (reply->outcome == ZK_OUTCOME_LATE)
		return;
	client->counts.unknown += reply->outcome == ZK_OUTCOME_UNKNOWN;
	client->counts.resolved += reply->outcome == ZK_OUTCOME_RESOLVED;
	if (reply->outcome == ZK_OUTCOME_REPLIED) {
		if (asked->opcode == ZK_OP_GET_DATA || asked->opcode == ZK_OP_EXISTS ||
		    asked->opcode == ZK_OP_GET_CHILDREN2)
			take_read(asked, reply);
		else if (asked->opcode == ZK_OP_SYNC)
			take_sync(asked, reply);
	}
	if (asked->is_ephemeral)
		check_ephemeral(asked, reply);
	else
		check_outcome(asked, reply->outcome);
	if (asked->data_hash != 0 && reply->outcome == ZK_OUTCOME_TIMED_OUT) {
		list_remove(&asked->list);
		list_append(&client->refused, &asked->list);
	} else {
		asked_free(asked);
	}
}

/* ---- what it asks for ---- */

/* data is what the path has if it is done; null where that shows nothing. */
static void submit(struct whole_client *client, struct zk_request *request, const char *path,
		   bool has_watch, struct bytes data)
{
	struct asked *asked = mem_zalloc(sizeof(*asked));

	asked->client = client;
	asked->opcode = request->opcode;
	asked->has_watch = has_watch;
	asked->is_ephemeral = request->intent == ZK_INTENT_CREATE_EPHEMERAL;
	asked->data_hash = bytes_is_null(data) ? 0 : whole_check_hash(data);
	asked->acknowledged = whole_check_acknowledged(client->check);
	(void)snprintf(asked->path, sizeof(asked->path), "%s", path);
	list_append(&client->asked, &asked->list);
	if (zk_client_submit(client->client, request, whole_client_now_ms(client), on_reply, asked,
			     NULL)) {
		client->counts.refused++;
		asked_free(asked);
	}
}

static int below(struct whole_client *client, int count)
{
	return (int)prng_below(&client->chance, (uint64_t)count);
}

static struct bytes make_data(struct whole_client *client, char text[DATA_SIZE_MAX])
{
	int size = snprintf(text, DATA_SIZE_MAX, "%" PRId64 "-%" PRIu64 "-", client->node,
			    ++client->token);
	int padding = below(client, 4) == 0 ? below(client, DATA_SIZE_MAX - 64) : 0;

	memset(text + size, 'x', (size_t)padding);
	return bytes_of(text, (size_t)(size + padding));
}

static void choose_path(struct whole_client *client, char path[WHOLE_PATH_SIZE])
{
	switch (below(client, 8)) {
	case 0:
	case 1:
		(void)snprintf(path, WHOLE_PATH_SIZE, "/n%d/k%d", below(client, NODES),
			       below(client, CHILDREN));
		break;
	case 2:
		(void)snprintf(path, WHOLE_PATH_SIZE, "/e/%d-%d", below(client, 4),
			       below(client, 3));
		break;
	default:
		(void)snprintf(path, WHOLE_PATH_SIZE, "/n%d", below(client, NODES));
	}
}

static void create(struct whole_client *client, const char *path, int32_t flags)
{
	const struct zk_acls acls = zk_acls_open();
	bool is_sequential = flags == ZK_PERSISTENT_SEQUENTIAL || flags == ZK_EPHEMERAL_SEQUENTIAL;
	char text[DATA_SIZE_MAX];
	struct bytes data = make_data(client, text);
	struct zk_request request;

	zk_request_create(&request, bytes_of_text(path), data, &acls, flags, 0);
	submit(client, &request, path, false, is_sequential ? BYTES_NULL : data);
}

static void create_something(struct whole_client *client)
{
	char path[WHOLE_PATH_SIZE];

	switch (below(client, 6)) {
	case 0:
		(void)snprintf(path, sizeof(path), "/q%d/s-", below(client, QUEUES));
		create(client, path,
		       below(client, 3) == 0 ? ZK_PERSISTENT_SEQUENTIAL : ZK_EPHEMERAL_SEQUENTIAL);
		break;
	case 1:
	case 2:
		(void)snprintf(path, sizeof(path), "/e/%d-%d", (int)(client->node - SIM_NODES_MAX),
			       below(client, 3));
		create(client, path, ZK_EPHEMERAL);
		break;
	default:
		choose_path(client, path);
		create(client, path, ZK_PERSISTENT);
	}
}

/* The version of now, or one that was; -1 in one of three. */
static int32_t choose_version(struct whole_client *client, const char *path)
{
	const struct whole_version *version =
		whole_check_at(client->check, bytes_of_text(path), INT64_MAX);

	if (!version || !version->exists || below(client, 3) == 0)
		return -1;
	return version->stat.version - (below(client, 6) == 0);
}

static void set_something(struct whole_client *client)
{
	char path[WHOLE_PATH_SIZE];
	char text[DATA_SIZE_MAX];
	struct bytes data = make_data(client, text);
	struct zk_request request;

	choose_path(client, path);
	zk_request_set_data(&request, bytes_of_text(path), data, choose_version(client, path));
	submit(client, &request, path, false, data);
}

static void delete_something(struct whole_client *client)
{
	char path[WHOLE_PATH_SIZE];
	struct zk_request request;

	choose_path(client, path);
	zk_request_delete(&request, bytes_of_text(path), choose_version(client, path));
	submit(client, &request, path, false, BYTES_NULL);
}

static void set_acl(struct whole_client *client)
{
	const char *text =
		below(client, 2) ? "world:anyone:cdrwa" : "world:anyone:cdrwa,ip:127.0.0.1:cdrwa";
	char path[WHOLE_PATH_SIZE];
	struct zk_request request;
	struct zk_acls acls;
	struct buf buf;

	buf_init(&buf, ACLS_SIZE_MAX);
	choose_path(client, path);
	if (zk_acls_parse(text, &buf, &acls))
		ASSERT(!"the list can be read");
	zk_request_set_acl(&request, bytes_of_text(path), &acls, -1);
	submit(client, &request, path, false, BYTES_NULL);
	buf_release(&buf);
}

static void ask_multi(struct whole_client *client)
{
	const struct zk_acls acls = zk_acls_open();
	char path[WHOLE_PATH_SIZE];
	char text[DATA_SIZE_MAX];
	struct zk_request request;

	zk_request_multi_begin(&request);
	choose_path(client, path);
	zk_request_multi_create(&request, bytes_of_text(path), make_data(client, text), &acls,
				ZK_PERSISTENT);
	zk_request_multi_set_data(&request, bytes_of_text(path), make_data(client, text), 0);
	if (below(client, 2))
		zk_request_multi_delete(&request, bytes_of_text(path), 1);
	(void)snprintf(path, sizeof(path), "/q%d/m-", below(client, QUEUES));
	zk_request_multi_create(&request, bytes_of_text(path), make_data(client, text), &acls,
				ZK_EPHEMERAL_SEQUENTIAL);
	if (below(client, 4) == 0)
		zk_request_multi_check(&request, bytes_of_text("/n0"), 1);
	zk_request_multi_end(&request);
	submit(client, &request, path, false, BYTES_NULL);
}

static void read_path(struct whole_client *client, int32_t opcode, struct bytes path, bool watch)
{
	struct zk_request request;
	char *text = bytes_dup(path);

	if (opcode == ZK_OP_GET_DATA)
		zk_request_get_data(&request, path, watch);
	else if (opcode == ZK_OP_EXISTS)
		zk_request_exists(&request, path, watch);
	else
		zk_request_get_children2(&request, path, watch);
	submit(client, &request, text, watch, BYTES_NULL);
	free(text);
}

static void read_something(struct whole_client *client)
{
	char path[WHOLE_PATH_SIZE];
	struct zk_request request;
	bool watch = below(client, 2);

	choose_path(client, path);
	switch (below(client, 8)) {
	case 0:
		(void)snprintf(path, sizeof(path), below(client, 2) ? "/q%d" : "/e",
			       below(client, QUEUES));
		read_path(client, ZK_OP_GET_CHILDREN2, bytes_of_text(path), watch);
		break;
	case 1:
		zk_request_sync(&request, bytes_of_text("/"));
		submit(client, &request, "/", false, BYTES_NULL);
		break;
	case 2:
	case 3:
		read_path(client, ZK_OP_EXISTS, bytes_of_text(path), watch);
		break;
	case 4:
		read_path(client, ZK_OP_GET_CHILDREN2, bytes_of_text(path), watch);
		break;
	default:
		read_path(client, ZK_OP_GET_DATA, bytes_of_text(path), watch);
	}
}

static void prepare(struct whole_client *client)
{
	client->has_prepared = true;
	create(client, "/q0", ZK_PERSISTENT);
	create(client, "/q1", ZK_PERSISTENT);
	create(client, "/e", ZK_PERSISTENT);
}

static void ask_something(struct whole_client *client)
{
	switch (below(client, 12)) {
	case 0:
	case 1:
	case 2:
		create_something(client);
		break;
	case 3:
	case 4:
		set_something(client);
		break;
	case 5:
		delete_something(client);
		break;
	case 6:
		if (below(client, 2))
			ask_multi(client);
		else
			set_acl(client);
		break;
	default:
		read_something(client);
	}
}

/* ---- its lives ---- */

static void on_state(enum zk_client_state state, bool new_session, void *data)
{
	struct whole_client *client = data;

	sim_trace(client->world, client->node, zk_client_state_name(state), new_session, 0, 0);
	client->is_over = client->is_over || state == ZK_CLIENT_CLOSED;
}

static void on_event(const struct zk_client_event *event, void *data)
{
	whole_watch_event(data, event);
}

static void begin_life(struct whole_client *client)
{
	const struct zk_client_options options = {
		.server_count = (size_t)client->server_count,
		.timeout_ms = client->timeout_ms,
		.seed = prng_next(&client->chance),
		.onexpire = ZK_ONEXPIRE_RECOVER,
		.hard = sim_one_in(&client->chance, 2),
	};
	const struct zk_client_callbacks callbacks = {on_state, on_event, client};

	client->client = zk_client_new(&options, &callbacks, whole_client_now_ms(client));
	client->is_asleep = false;
	client->is_closing = false;
	client->is_over = false;
	client->has_prepared = false;
	client->seen = 0;
	client->session_id = 0;
	client->counts.lives++;
	sim_trace(client->world, client->node, "begin", 0, 0, 0);
	whole_client_pump(client);
}

static void end_life(struct whole_client *client)
{
	sim_trace(client->world, client->node, "end", 0, 0, 0);
	whole_client_hang_up(client);
	sim_timer_stop(client->world, &client->tick);
	zk_client_free(client->client);
	client->client = NULL;
	list_for_each_safe (&client->asked, at)
		asked_free(list_item(at, struct asked, list));
	whole_watch_forget_all(client);
}

static void tick(void *data)
{
	struct whole_client *client = data;

	zk_client_tick(client->client, whole_client_now_ms(client));
	whole_client_pump(client);
}

static void move(struct whole_client *client)
{
	if (!client->link)
		return;
	client->counts.moves++;
	whole_client_hang_up(client);
	zk_client_disconnected(client->client, whole_client_now_ms(client));
	whole_client_pump(client);
}

/* Its machine sleeps; the servers hear no more of it. */
static void fall_asleep(struct whole_client *client)
{
	if (!client->link)
		return;
	sim_trace(client->world, client->node, "sleep", 0, 0, 0);
	client->is_asleep = true;
	whole_client_hang_up(client);
	sim_timer_stop(client->world, &client->tick);
	sim_timer_set(client->world, &client->think,
		      client->world->now_us + sim_between(&client->chance, client->timeout_ms,
							  2 * client->timeout_ms) *
						      1000);
}

static void wake_up(struct whole_client *client)
{
	client->is_asleep = false;
	zk_client_disconnected(client->client, whole_client_now_ms(client));
	whole_client_pump(client);
}

static void live(struct whole_client *client)
{
	if (sim_one_in(&client->chance, DIE_ONE_IN)) {
		end_life(client);
	} else if (sim_one_in(&client->chance, CLOSE_ONE_IN)) {
		client->is_closing = true;
		zk_client_close(client->client, whole_client_now_ms(client));
		whole_client_pump(client);
	} else if (sim_one_in(&client->chance, MOVE_ONE_IN)) {
		move(client);
	} else if (!client->is_awake && sim_one_in(&client->chance, SLEEP_ONE_IN)) {
		fall_asleep(client);
	} else if (zk_client_state(client->client) == ZK_CLIENT_CONNECTED &&
		   zk_client_pending(client->client) < PENDING_MAX) {
		if (!client->has_prepared)
			prepare(client);
		for (int count = 1 + below(client, 3); count > 0; count--)
			ask_something(client);
		whole_client_pump(client);
	}
}

static void think(void *data)
{
	struct whole_client *client = data;

	sim_timer_set(client->world, &client->think,
		      client->world->now_us +
			      sim_between(&client->chance, 100, client->think_us_max));
	if (client->client && client->is_over)
		end_life(client);
	else if (client->is_asleep)
		wake_up(client);
	else if (!client->client)
		begin_life(client);
	else if (!client->is_stopped)
		live(client);
}

void whole_client_init(struct whole_client *client, struct sim_world *world, struct sim_net *net,
		       struct whole_check *check, int64_t node, int server_count, msec_t timeout_ms,
		       uint64_t seed)
{
	*client = (struct whole_client){
		.world = world,
		.net = net,
		.check = check,
		.node = node,
		.server_count = server_count,
		.timeout_ms = timeout_ms,
		.think_us_max = THINK_US_MAX,
	};
	prng_init(&client->chance, seed);
	list_init(&client->asked);
	list_init(&client->refused);
	map_init(&client->watched);
	map_init(&client->made);
	buf_init(&client->input, INPUT_SIZE_MAX);
	sim_timer_init(&client->think, think, client);
	sim_timer_init(&client->tick, tick, client);
	sim_net_add(net, node, whole_client_endpoint(client));
	sim_net_up(net, node);
	sim_timer_set(world, &client->think, world->now_us + 1000);
}

void whole_client_release(struct whole_client *client)
{
	if (client->client)
		end_life(client);
	sim_timer_stop(client->world, &client->think);
	list_for_each_safe (&client->refused, at)
		asked_free(list_item(at, struct asked, list));
	forget_made(client);
	map_release(&client->watched);
	buf_release(&client->input);
}

void whole_client_awake(struct whole_client *client)
{
	client->is_awake = true;
	if (client->is_asleep)
		sim_timer_set(client->world, &client->think, client->world->now_us);
}

void whole_client_stop(struct whole_client *client)
{
	client->is_stopped = true;
}

bool whole_client_is_idle(const struct whole_client *client)
{
	return client->client && !client->is_closing && !client->is_asleep &&
	       zk_client_pending(client->client) == 0 &&
	       zk_client_state(client->client) == ZK_CLIENT_CONNECTED;
}

static void read_watched(struct whole_client *client, enum whole_watch type, struct bytes path)
{
	read_path(client, type == WHOLE_WATCH_DATA ? ZK_OP_EXISTS : ZK_OP_GET_CHILDREN2, path,
		  false);
}

void whole_client_read_all(struct whole_client *client)
{
	struct zk_request request;

	zk_request_sync(&request, bytes_of_text("/"));
	submit(client, &request, "/", false, BYTES_NULL);
	whole_watch_each(client, read_watched);
	whole_client_pump(client);
}
