#include "replica/io/clients.h"

#include <stdlib.h>
#include <string.h>

#include "src/base/assert.h"
#include "src/base/mem.h"

static size_t slot_of(connection_id_t id)
{
	return id & (CLIENTS_COUNT_MAX - 1);
}

/* ---- hosts ---- */

static struct client_host *get_host(struct clients *clients, const char *address)
{
	struct map_entry *entry = map_find(&clients->hosts, bytes_of_text(address));
	struct client_host *host;

	if (entry)
		return map_item(entry, struct client_host, entry);
	host = mem_zalloc(sizeof(*host));
	memcpy(host->address, address, strlen(address) + 1);
	map_insert(&clients->hosts, &host->entry, bytes_of_text(host->address));
	return host;
}

static void put_host(struct clients *clients, struct client_host *host)
{
	if (host->count > 0)
		return;
	map_remove(&clients->hosts, &host->entry);
	free(host);
}

/* ---- slots ---- */

static void grow_slots(struct clients *clients)
{
	size_t count = clients->slot_count ? 2 * clients->slot_count : 64;

	clients->slots = mem_realloc(clients->slots, count * sizeof(*clients->slots));
	memset(clients->slots + clients->slot_count, 0,
	       (count - clients->slot_count) * sizeof(*clients->slots));
	clients->slot_next = clients->slot_count;
	clients->slot_count = count;
}

/* At most half of the slots are taken, so the search is short on average. */
static size_t find_free_slot(struct clients *clients)
{
	if (clients->count * 2 >= clients->slot_count && clients->slot_count < CLIENTS_COUNT_MAX)
		grow_slots(clients);
	while (clients->slots[clients->slot_next])
		clients->slot_next = (clients->slot_next + 1) & (clients->slot_count - 1);
	return clients->slot_next;
}

struct client *clients_find(const struct clients *clients, connection_id_t id)
{
	size_t slot = slot_of(id);
	struct client *client = slot < clients->slot_count ? clients->slots[slot] : NULL;

	return client && client->id == id ? client : NULL;
}

/* ---- coming and going ---- */

static const char *limit_reached(const struct clients *clients, const struct client_host *host)
{
	if (clients->per_host_max > 0 && host->count >= clients->per_host_max)
		return "maxClientCnxns, the connections from one address, is reached";
	if (clients->count_max > 0 && clients->count >= (size_t)clients->count_max)
		return "maxCnxns is reached";
	if (clients->count >= CLIENTS_COUNT_MAX)
		return "the largest number of connections is reached";
	return NULL;
}

struct client *clients_add(struct clients *clients, struct conn *conn, msec_t now_ms,
			   msec_t wall_ms, const char **ret_why)
{
	struct client_host *host = get_host(clients, conn_peer_host(conn));
	const char *why = limit_reached(clients, host);
	struct client *client;
	size_t slot;

	if (why) {
		put_host(clients, host);
		*ret_why = why;
		return NULL;
	}
	slot = find_free_slot(clients);
	client = mem_zalloc(sizeof(*client));
	client->id = ++clients->sequence << CLIENTS_SLOT_BITS | slot;
	client->conn = conn;
	client->host = host;
	client->opened_ms = now_ms;
	client->opened_wall_ms = wall_ms;
	host->count++;
	list_append(&clients->all, &client->link);
	list_append(&clients->nascent, &client->nascent);
	list_init(&client->clogged_link);
	list_init(&client->closing);
	clients->slots[slot] = client;
	clients->count++;
	return client;
}

void clients_remove(struct clients *clients, struct client *client)
{
	ASSERT(clients_find(clients, client->id) == client);
	client->host->count--;
	put_host(clients, client->host);
	list_remove(&client->link);
	list_remove(&client->nascent);
	list_remove(&client->clogged_link);
	list_remove(&client->closing);
	clients->slots[slot_of(client->id)] = NULL;
	clients->count--;
	free(client);
}

/* ---- reading and not reading ---- */

static void update_reading(struct client *client)
{
	if (client->paused || client->clogged)
		conn_pause(client->conn);
	else
		conn_resume(client->conn);
}

void clients_set_paused(struct clients *clients, struct client *client, bool paused)
{
	client->paused = paused;
	update_reading(client);
}

void clients_check_output(struct clients *clients, struct client *client)
{
	if (client->clogged || conn_output_size(client->conn) < CLIENTS_CLOGGED_SIZE)
		return;
	/* Most often it is only a large answer, and the kernel takes it. */
	conn_flush(client->conn);
	if (conn_output_size(client->conn) < CLIENTS_CLOGGED_SIZE)
		return;
	client->clogged = true;
	list_append(&clients->clogged, &client->clogged_link);
	update_reading(client);
}

void clients_unclog(struct clients *clients)
{
	list_for_each_safe (&clients->clogged, at) {
		struct client *client = list_item(at, struct client, clogged_link);

		if (conn_output_size(client->conn) >= CLIENTS_DRAINED_SIZE)
			continue;
		client->clogged = false;
		list_remove(&client->clogged_link);
		update_reading(client);
	}
}

/* ---- looking at them ---- */

struct client *clients_first(const struct clients *clients)
{
	struct list *first = list_first(&clients->all);

	return first ? list_item(first, struct client, link) : NULL;
}

struct client *clients_next(const struct clients *clients, const struct client *client)
{
	struct list *next = client->link.next;

	return next == &clients->all ? NULL : list_item(next, struct client, link);
}

struct client *clients_first_nascent(const struct clients *clients)
{
	struct list *first = list_first(&clients->nascent);

	return first ? list_item(first, struct client, nascent) : NULL;
}

void clients_init(struct clients *clients, int per_host_max, int count_max)
{
	*clients = (struct clients){.per_host_max = per_host_max, .count_max = count_max};
	list_init(&clients->all);
	list_init(&clients->nascent);
	list_init(&clients->clogged);
	map_init(&clients->hosts);
}

void clients_release(struct clients *clients)
{
	ASSERT(clients->count == 0 && clients->hosts.count == 0);
	map_release(&clients->hosts);
	free(clients->slots);
	clients->slots = NULL;
}

void clients_check(const struct clients *clients)
{
	size_t count = 0, host_total = 0;

	for (struct client *at = clients_first(clients); at; at = clients_next(clients, at)) {
		ASSERT(clients_find(clients, at->id) == at);
		ASSERT(at->clogged == list_is_linked(&at->clogged_link));
		ASSERT(at->host->count > 0);
		count++;
	}
	map_for_each (&clients->hosts, entry)
		host_total += (size_t)map_item(entry, struct client_host, entry)->count;
	ASSERT(count == clients->count);
	ASSERT(host_total == clients->count);
}
