/* Connections of clients: they come and stay while a replica looks for a leader, too. */
#include <stdlib.h>

#include "replica/server/replica_impl.h"
#include "src/base/assert.h"
#include "src/base/mem.h"

static struct replica_client *find(const struct replica *replica, connection_id_t id)
{
	struct map_entry *entry = map_find(&replica->clients, bytes_of(&id, sizeof(id)));

	return entry ? map_item(entry, struct replica_client, by_id) : NULL;
}

void replica_client_opened(struct replica *replica, connection_id_t connection, const char *address)
{
	struct replica_client *client = mem_zalloc(sizeof(*client));

	client->id = connection;
	client->address = mem_strdup(address);
	client->state = CLIENT_WAITING;
	list_init(&client->waiting);
	list_append(&replica->waiting, &client->waiting);
	map_insert(&replica->clients, &client->by_id, bytes_of(&client->id, sizeof(client->id)));
	if (replica->server)
		(void)replica_serve_client(replica); /* nobody else waits */
}

bool replica_serve_client(struct replica *replica)
{
	struct list *first = list_first(&replica->waiting);
	struct replica_client *client;

	if (!first)
		return false;
	client = list_item(first, struct replica_client, waiting);
	list_remove(&client->waiting);
	client->state = CLIENT_SERVED;
	client->is_known = true;
	server_connection_opened(replica->server, client->id, client->address);
	return true;
}

static void close_client(struct replica *replica, struct replica_client *client)
{
	const struct replica_action close = {
		.type = REPLICA_CLIENT,
		.client = {.type = SERVER_CLOSE, .connection = client->id},
	};

	list_remove(&client->waiting);
	client->state = CLIENT_CLOSED;
	replica_put(replica, &close);
}

void replica_client_frame(struct replica *replica, connection_id_t connection, struct bytes frame)
{
	struct replica_client *client = find(replica, connection);

	ASSERT(client);
	if (client->is_known)
		server_frame(replica->server, connection, frame);
	else if (client->state == CLIENT_WAITING)
		close_client(replica, client);
}

static void forget(struct replica *replica, struct replica_client *client)
{
	map_remove(&replica->clients, &client->by_id);
	list_remove(&client->waiting);
	free(client->address);
	free(client);
}

void replica_client_closed(struct replica *replica, connection_id_t connection)
{
	struct replica_client *client = find(replica, connection);

	ASSERT(client);
	if (client->is_known)
		server_connection_closed(replica->server, connection);
	forget(replica, client);
}

void replica_note_client_closed(struct replica *replica, connection_id_t connection)
{
	find(replica, connection)->state = CLIENT_CLOSED;
}

void replica_close_clients(struct replica *replica)
{
	map_for_each (&replica->clients, at) {
		struct replica_client *client = map_item(at, struct replica_client, by_id);

		client->is_known = false;
		if (client->state == CLIENT_SERVED)
			close_client(replica, client);
	}
}

void replica_free_clients(struct replica *replica)
{
	map_for_each (&replica->clients, at)
		forget(replica, map_item(at, struct replica_client, by_id));
	map_release(&replica->clients);
}
