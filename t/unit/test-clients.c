#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "replica/io/clients.h"
#include "src/base/mem.h"
#include "src/io/conn.h"
#include "src/io/loop.h"
#include "t/unit/cmocka.h"

/* Real connections over loopback, both ends on one loop. */
enum { CONNS_MAX = 8, TURNS_MAX = 100000 };

static struct loop loop;
static struct listener *listener;
static struct clients clients;
static struct client *accepted[CONNS_MAX];
static struct conn *peers[CONNS_MAX]; /* NULL once the server has closed it */
static int accepted_count, refused_count, peer_count;
static const char *refused_why;
static size_t peer_received;

static void on_frame(struct conn *conn, struct bytes frame, void *data)
{
}

static size_t on_bytes(struct conn *conn, struct bytes bytes, void *data)
{
	peer_received += bytes_size(bytes);
	return bytes_size(bytes);
}

static void on_closed(struct conn *conn, int error, void *data)
{
}

static void on_peer_closed(struct conn *conn, int error, void *data)
{
	*(struct conn **)data = NULL;
}

static const struct conn_callbacks server_side = {.on_frame = on_frame, .on_closed = on_closed};
static const struct conn_callbacks peer_side = {.on_bytes = on_bytes, .on_closed = on_peer_closed};

static void on_accept(struct listener *from, struct conn *conn, void *data)
{
	struct client *client = clients_add(&clients, conn, 1, 2, &refused_why);

	clients_check(&clients);
	if (client) {
		accepted[accepted_count++] = client;
		return;
	}
	refused_count++;
	conn_close(conn);
}

static void set_up(int per_host_max, int count_max)
{
	struct conn_options options = {.frame_size_max = 1 << 20,
				       .output_size_max = CLIENTS_OUTPUT_SIZE_MAX,
				       .callbacks = &server_side};

	accepted_count = refused_count = peer_count = 0;
	peer_received = 0;
	assert_int_equal(loop_init(&loop), 0);
	clients_init(&clients, per_host_max, count_max);
	assert_int_equal(
		listener_open(&loop, "127.0.0.1", 0, 16, &options, on_accept, NULL, &listener), 0);
}

static void join(void)
{
	struct conn_options options = {
		.frame_size_max = 1 << 20, .output_size_max = 1 << 20, .callbacks = &peer_side};
	struct conn **peer = &peers[peer_count++];
	int before = accepted_count + refused_count;

	*peer = conn_connect(&loop, "127.0.0.1", listener_port(listener), 5000, &options, peer);
	while (accepted_count + refused_count == before)
		loop_turn(&loop, true);
}

static void leave(struct client *client)
{
	conn_close(client->conn);
	clients_remove(&clients, client);
	clients_check(&clients);
}

static void tear_down(void)
{
	while (clients_first(&clients))
		leave(clients_first(&clients));
	for (int i = 0; i < peer_count; i++)
		conn_close(peers[i]);
	listener_close(listener);
	clients_release(&clients);
	assert_int_equal(loop_release(&loop), 0);
}

static void a_number_is_found_while_it_lives_and_never_again(void **state)
{
	connection_id_t gone;

	set_up(0, 0);
	join();
	gone = accepted[0]->id;
	assert_ptr_equal(clients_find(&clients, gone), accepted[0]);
	leave(accepted[0]);
	assert_null(clients_find(&clients, gone));
	join();
	assert_int_not_equal(accepted[1]->id, gone);
	assert_null(clients_find(&clients, gone));
	assert_null(clients_find(&clients, 0));
	assert_null(clients_find(&clients, UINT64_MAX));
	tear_down();
}

static void limits_refuse_and_a_place_that_is_free_again_is_taken(void **state)
{
	set_up(2, 0);
	for (int i = 0; i < 3; i++)
		join();
	assert_int_equal(accepted_count, 2);
	assert_int_equal(refused_count, 1);
	assert_non_null(strstr(refused_why, "maxClientCnxns"));
	leave(accepted[0]);
	join();
	assert_int_equal(accepted_count, 3);
	tear_down();
}

static void the_limit_of_all_counts_every_host(void **state)
{
	set_up(0, 1);
	join();
	join();
	assert_int_equal(refused_count, 1);
	assert_string_equal(refused_why, "maxCnxns is reached");
	assert_int_equal(clients.hosts.count, 1);
	tear_down();
}

static void they_are_listed_in_the_order_in_which_they_came(void **state)
{
	struct client *at;

	set_up(0, 0);
	for (int i = 0; i < 3; i++)
		join();
	leave(accepted[1]);
	at = clients_first(&clients);
	assert_ptr_equal(at, accepted[0]);
	at = clients_next(&clients, at);
	assert_ptr_equal(at, accepted[2]);
	assert_null(clients_next(&clients, at));
	assert_ptr_equal(clients_first_nascent(&clients), accepted[0]);
	tear_down();
}

static void who_does_not_read_is_not_read_from_until_it_does(void **state)
{
	size_t size = CLIENTS_CLOGGED_SIZE * 8;
	uint8_t *bytes = mem_zalloc(size);
	int turns = 0;

	set_up(0, 0);
	join();
	conn_pause(peers[0]);
	conn_write(accepted[0]->conn, bytes_of(bytes, size));
	clients_check_output(&clients, accepted[0]);
	assert_true(accepted[0]->clogged);
	assert_true(conn_is_paused(accepted[0]->conn));
	clients_check(&clients);
	clients_unclog(&clients);
	assert_true(accepted[0]->clogged);
	conn_resume(peers[0]);
	while (accepted[0]->clogged && turns++ < TURNS_MAX) {
		loop_turn(&loop, true);
		clients_unclog(&clients);
	}
	assert_false(accepted[0]->clogged);
	assert_false(conn_is_paused(accepted[0]->conn));
	while (peer_received < size && turns++ < TURNS_MAX)
		loop_turn(&loop, true);
	assert_int_equal(peer_received, size);
	clients_check(&clients);
	free(bytes);
	tear_down();
}

static void a_pause_of_the_server_outlives_a_clog(void **state)
{
	size_t size = CLIENTS_CLOGGED_SIZE * 8;
	uint8_t *bytes = mem_zalloc(size);
	int turns = 0;

	set_up(0, 0);
	join();
	conn_pause(peers[0]);
	conn_write(accepted[0]->conn, bytes_of(bytes, size));
	clients_check_output(&clients, accepted[0]);
	clients_set_paused(&clients, accepted[0], true);
	conn_resume(peers[0]);
	while (accepted[0]->clogged && turns++ < TURNS_MAX) {
		loop_turn(&loop, true);
		clients_unclog(&clients);
	}
	assert_false(accepted[0]->clogged);
	assert_true(conn_is_paused(accepted[0]->conn));
	clients_set_paused(&clients, accepted[0], false);
	assert_false(conn_is_paused(accepted[0]->conn));
	free(bytes);
	tear_down();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_number_is_found_while_it_lives_and_never_again),
		cmocka_unit_test(limits_refuse_and_a_place_that_is_free_again_is_taken),
		cmocka_unit_test(the_limit_of_all_counts_every_host),
		cmocka_unit_test(they_are_listed_in_the_order_in_which_they_came),
		cmocka_unit_test(who_does_not_read_is_not_read_from_until_it_does),
		cmocka_unit_test(a_pause_of_the_server_outlives_a_clog),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
