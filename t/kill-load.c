/*
 * Writes to a server, kills it with SIGKILL in the middle, and proves after its
 * restart that nothing it had acknowledged is lost, and nothing is half there.
 *
 *	kill-load HOST-PORT PID STATE SEED	prove, then write, then kill PID
 *	kill-load HOST-PORT - STATE -		prove only
 *
 * The writes are numbered from 0 and each is a function of its number, so the
 * whole history is known from how far it got. They go over one connection, in
 * order; so what a server has after its death must be the effect of exactly the
 * first P of them, for some P that is not below those acknowledged and not
 * above those sent. Write n is
 *
 *	n % 4 = 0	create /k/n with a value of n's own
 *	n % 4 = 1	set /s/<n % 16> to "n"
 *	n % 4 = 2	one transaction: create /m/n.a, create /m/n.b, set /t to "n"
 *	n % 8 = 3	delete /k/<n - 3>
 *	n % 8 = 7	set /k/<n - 7>, which is deleted: NONODE
 *
 * STATE holds the two numbers: acknowledged and sent.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/base/prng.h"
#include "src/zk/code.h"
#include "src/zk/opcode.h"
#include "src/zk/record.h"

enum {
	BUFFER_SIZE_MAX = 64 << 20,
	FRAME_SIZE_MAX = 32 << 20,
	VALUE_SIZE_MAX = 20000,
	SLOTS = 16,
	WINDOW_MAX = 256,
	ACKS_MAX = 12000,
	/* Values of writes so far back are read again; older ones must be there, by name. */
	VALUES_PROVED = 3000,
};

_Noreturn static void die(const char *what, long long number)
{
	fprintf(stderr, "kill-load: %s: %lld\n", what, number);
	exit(1);
}

/* ---- one connection, blocking ---- */

static int sock;
static struct buf input;
static size_t input_at;
static int32_t last_xid;

static void connect_to(const char *host_port)
{
	const char *colon = strrchr(host_port, ':');
	struct sockaddr_in address = {.sin_family = AF_INET};
	struct zk_connect_request request = {
		.timeout_ms = 10000,
		.password = bytes_of("0123456789abcdef", ZK_PASSWORD_SIZE),
	};
	struct buf frame;

	address.sin_port = htons((uint16_t)atoi(colon + 1));
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	sock = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(sock, (struct sockaddr *)&address, sizeof(address)) < 0)
		die("can't connect", errno);
	buf_init(&input, BUFFER_SIZE_MAX);
	buf_init(&frame, BUFFER_SIZE_MAX);
	buf_extend(&frame, 4);
	zk_connect_request_write(&frame, &request);
	endian_put_u32(frame.data, (uint32_t)frame.size - 4);
	if (send(sock, frame.data, frame.size, MSG_NOSIGNAL) != (ssize_t)frame.size)
		die("can't send", errno);
	buf_release(&frame);
}

/* False when the server is gone. */
static bool send_all(const struct buf *frames)
{
	size_t at = 0;
	ssize_t size;

	while (at < frames->size) {
		size = send(sock, frames->data + at, frames->size - at, MSG_NOSIGNAL);
		if (size < 0)
			return false;
		at += (size_t)size;
	}
	return true;
}

static bool has_frame(void)
{
	size_t size = input.size - input_at;

	return size >= 4 && size - 4 >= endian_get_u32(input.data + input_at);
}

static bool receive_more(void)
{
	uint8_t piece[65536];
	ssize_t size;

	if (input_at > 0) {
		buf_consume(&input, input_at);
		input_at = 0;
	}
	size = recv(sock, piece, sizeof(piece), 0);
	if (size <= 0)
		return false;
	buf_append(&input, piece, (size_t)size);
	return true;
}

static bool next_frame(struct bytes *ret_frame)
{
	while (!has_frame())
		if (!receive_more())
			return false;
	*ret_frame = bytes_of(input.data + input_at + 4, endian_get_u32(input.data + input_at));
	input_at += 4 + (size_t)ret_frame->size;
	return true;
}

/* ---- the writes ---- */

static size_t begin_frame(struct buf *out, int32_t opcode)
{
	size_t begin = out->size;
	struct zk_request_header header = {.xid = ++last_xid, .opcode = opcode};

	buf_extend(out, 4);
	zk_request_header_write(out, &header);
	return begin;
}

static void end_frame(struct buf *out, size_t begin)
{
	endian_put_u32(out->data + begin, (uint32_t)(out->size - begin - 4));
}

/* The value of /k/n. */
static struct bytes value_of(int64_t n)
{
	static uint8_t value[VALUE_SIZE_MAX];
	size_t size = n % 64 == 0 ? VALUE_SIZE_MAX : (size_t)(n * 37 % 700);
	struct prng prng;

	prng_init(&prng, (uint64_t)n);
	for (size_t i = 0; i < size; i++)
		value[i] = (uint8_t)prng_next(&prng);
	return bytes_of(value, size);
}

static void write_create(struct buf *out, const char *path, struct bytes data)
{
	struct zk_create_request request = {
		.path = bytes_of_text(path), .data = data, .acls = zk_acls_open()};

	zk_create_request_write(out, &request);
}

static void write_set(struct buf *out, const char *path, int64_t n)
{
	char text[32];
	struct zk_set_data_request request = {.path = bytes_of_text(path), .version = -1};

	(void)snprintf(text, sizeof(text), "%lld", (long long)n);
	request.data = bytes_of_text(text);
	zk_set_data_request_write(out, &request);
}

static void write_part(struct buf *out, int32_t type, bool done)
{
	struct zk_multi_header header = {.type = type, .done = done, .err = -1};

	zk_multi_header_write(out, &header);
}

static void write_transaction(struct buf *out, int64_t n)
{
	char path[64];

	write_part(out, ZK_OP_CREATE, false);
	(void)snprintf(path, sizeof(path), "/m/%lld.a", (long long)n);
	write_create(out, path, bytes_of("a", 1));
	write_part(out, ZK_OP_CREATE, false);
	(void)snprintf(path, sizeof(path), "/m/%lld.b", (long long)n);
	write_create(out, path, bytes_of("b", 1));
	write_part(out, ZK_OP_SET_DATA, false);
	write_set(out, "/t", n);
	write_part(out, -1, true);
}

static int32_t opcode_of(int64_t n)
{
	static const int32_t opcodes[] = {ZK_OP_CREATE, ZK_OP_SET_DATA, ZK_OP_MULTI,
					  ZK_OP_DELETE, ZK_OP_CREATE,   ZK_OP_SET_DATA,
					  ZK_OP_MULTI,  ZK_OP_SET_DATA};

	return opcodes[n % 8];
}

static void write_number(struct buf *out, int64_t n)
{
	char path[64];
	size_t begin = begin_frame(out, opcode_of(n));

	switch (n % 8) {
	case 0:
	case 4:
		(void)snprintf(path, sizeof(path), "/k/%lld", (long long)n);
		write_create(out, path, value_of(n));
		break;
	case 1:
	case 5:
		(void)snprintf(path, sizeof(path), "/s/%lld", (long long)(n % SLOTS));
		write_set(out, path, n);
		break;
	case 2:
	case 6:
		write_transaction(out, n);
		break;
	case 3: {
		struct zk_path_version_request request = {.version = -1};

		(void)snprintf(path, sizeof(path), "/k/%lld", (long long)(n - 3));
		request.path = bytes_of_text(path);
		zk_path_version_request_write(out, &request);
		break;
	}
	case 7:
		(void)snprintf(path, sizeof(path), "/k/%lld", (long long)(n - 7));
		write_set(out, path, n);
		break;
	}
	end_frame(out, begin);
}

/* ---- reading ---- */

/* The reply to one request, whose body is what `body` points to; its err. */
static int32_t ask(int32_t opcode, const char *path, struct jute_reader *ret_reader)
{
	struct zk_path_watch_request request = {.path = bytes_of_text(path)};
	struct zk_reply_header header;
	struct bytes frame;
	struct buf out;
	size_t begin;

	buf_init(&out, BUFFER_SIZE_MAX);
	begin = begin_frame(&out, opcode);
	zk_path_watch_request_write(&out, &request);
	end_frame(&out, begin);
	if (!send_all(&out) || !next_frame(&frame))
		die("the server is gone while the proof reads", 0);
	buf_release(&out);
	jute_reader_init(ret_reader, frame.data, bytes_size(frame), FRAME_SIZE_MAX);
	zk_reply_header_read(ret_reader, &header);
	if (header.xid != last_xid)
		die("a reply with a wrong xid", header.xid);
	return header.err;
}

static bool has_znode(const char *format, int64_t n)
{
	struct jute_reader reader;
	char path[64];

	(void)snprintf(path, sizeof(path), format, (long long)n);
	return ask(ZK_OP_EXISTS, path, &reader) == ZK_OK;
}

/* A number that was written as a znode's value; -1 for an empty one. */
static int64_t number_in(const char *format, int64_t n)
{
	struct zk_get_data_response response;
	struct jute_reader reader;
	char path[64];
	char text[32] = "";

	(void)snprintf(path, sizeof(path), format, (long long)n);
	if (ask(ZK_OP_GET_DATA, path, &reader) != ZK_OK)
		die("a znode of the frame is gone", n);
	zk_get_data_response_read(&reader, &response);
	memcpy(text, response.data.data,
	       bytes_size(response.data) < 31 ? bytes_size(response.data) : 31);
	return *text ? atoll(text) : -1;
}

static bool has_value(int64_t n)
{
	struct zk_get_data_response response;
	struct jute_reader reader;
	char path[64];

	(void)snprintf(path, sizeof(path), "/k/%lld", (long long)n);
	if (ask(ZK_OP_GET_DATA, path, &reader) != ZK_OK)
		return false;
	zk_get_data_response_read(&reader, &response);
	return bytes_equal(response.data, value_of(n));
}

/* ---- the proof ---- */

/* Has write n left its trace? Asked from the highest number down, so later ones have not. */
static bool is_done(int64_t n)
{
	switch (n % 8) {
	case 0:
	case 4:
		return has_znode("/k/%lld", n);
	case 1:
	case 5:
		return number_in("/s/%lld", n % SLOTS) >= n;
	case 2:
	case 6:
		return has_znode("/m/%lld.b", n);
	case 3:
		/* Made, and no longer there. */
		return is_done(n - 2) && !has_znode("/k/%lld", n - 3);
	}
	return true;
}

static int64_t find_progress(int64_t acknowledged, int64_t sent)
{
	for (int64_t n = sent - 1; n >= acknowledged; n--)
		if (n % 8 != 7 && is_done(n))
			return n + 1;
	return acknowledged;
}

/* The highest number below p that write_number made with this remainder mod 16, or -1. */
static int64_t last_in_slot(int64_t p, int64_t slot)
{
	for (int64_t n = p - 1; n >= 0 && n >= p - SLOTS; n--)
		if (n % SLOTS == slot)
			return n;
	return -1;
}

static int64_t count_children(const char *path)
{
	struct jute_strings children;
	struct jute_reader reader;

	if (ask(ZK_OP_GET_CHILDREN, path, &reader) != ZK_OK)
		die("a directory of the frame is gone", 0);
	children = jute_read_strings(&reader);
	return children.count;
}

static int64_t count_below(int64_t p, int64_t modulus, int64_t remainder)
{
	return p <= remainder ? 0 : (p - remainder + modulus - 1) / modulus;
}

/* Exactly the first p writes are there. */
static void prove(int64_t p)
{
	int64_t from = p > VALUES_PROVED ? p - VALUES_PROVED : 0;
	int64_t transactions = count_below(p, 4, 2);
	int64_t kept = count_below(p, 4, 0) - count_below(p, 8, 3);

	if (count_children("/k") != kept)
		die("wrong number of znodes in /k, not", kept);
	if (count_children("/m") != 2 * transactions)
		die("wrong number of znodes in /m, not", 2 * transactions);
	if (number_in("/t", 0) != (transactions ? 4 * transactions - 2 : -1))
		die("/t is not of the last transaction", 4 * transactions - 2);
	for (int64_t slot = 1; slot < SLOTS; slot += 4)
		if (number_in("/s/%lld", slot) != last_in_slot(p, slot))
			die("not the last value in slot", slot);
	for (int64_t n = from; n < p; n++) {
		if (n % 4 == 2 && (!has_znode("/m/%lld.a", n) || !has_znode("/m/%lld.b", n)))
			die("a transaction is half there", n);
		if ((n % 8 == 4 || (n % 8 == 0 && n + 3 >= p)) && !has_value(n))
			die("a value is not as it was written", n);
		if (n % 8 == 0 && n + 3 < p && has_znode("/k/%lld", n))
			die("a deleted znode is there", n);
	}
}

/* ---- the rounds ---- */

static void make_frame(void)
{
	static const char *const paths[] = {"/k", "/s", "/m", "/t"};
	struct bytes reply;
	struct buf out;
	int count = 0;

	buf_init(&out, BUFFER_SIZE_MAX);
	for (int i = 0; i < 4 + SLOTS / 4; i++) {
		char path[64];
		size_t begin = begin_frame(&out, ZK_OP_CREATE);

		if (i < 4)
			(void)snprintf(path, sizeof(path), "%s", paths[i]);
		else
			(void)snprintf(path, sizeof(path), "/s/%d", (i - 4) * 4 + 1);
		write_create(&out, path, bytes_of("", 0));
		end_frame(&out, begin);
		count++;
	}
	if (!send_all(&out))
		die("the server is gone at the start", 0);
	while (count-- > 0)
		if (!next_frame(&reply))
			die("the server is gone at the start", 0);
	buf_release(&out);
}

static int32_t expected_err(int64_t n)
{
	return n % 8 == 7 ? ZK_NONODE : ZK_OK;
}

static void take_reply(struct bytes frame, int64_t n)
{
	struct zk_reply_header header;
	struct jute_reader reader;

	jute_reader_init(&reader, frame.data, bytes_size(frame), FRAME_SIZE_MAX);
	zk_reply_header_read(&reader, &header);
	if (header.err != expected_err(n))
		die("a write was answered with error", header.err);
}

/* Writes until the server is dead; kills it itself after so many replies. */
static void write_and_kill(pid_t pid, uint64_t seed, int64_t *acknowledged, int64_t *sent)
{
	struct prng prng;
	struct bytes frame;
	struct buf out;
	int64_t window, kill_at;

	prng_init(&prng, seed);
	window = 1 + (int64_t)prng_below(&prng, WINDOW_MAX);
	kill_at =
		*acknowledged + 1 + (int64_t)prng_below(&prng, ACKS_MAX * window / WINDOW_MAX + 50);
	buf_init(&out, BUFFER_SIZE_MAX);
	for (;;) {
		buf_reset(&out);
		while (*sent - *acknowledged < window)
			write_number(&out, (*sent)++);
		if (!send_all(&out) || !next_frame(&frame))
			break;
		do {
			take_reply(frame, (*acknowledged)++);
			if (*acknowledged == kill_at && kill(pid, SIGKILL) < 0)
				die("can't kill", pid);
		} while (has_frame() && next_frame(&frame));
	}
	buf_release(&out);
	if (*acknowledged < kill_at)
		die("the server ended by itself at write", *acknowledged);
}

static bool load_state(const char *file, int64_t *ret_acknowledged, int64_t *ret_sent)
{
	FILE *stream = fopen(file, "r");
	long long acknowledged, sent;

	if (!stream)
		return false;
	if (fscanf(stream, "%lld %lld", &acknowledged, &sent) != 2)
		die("the state file is broken", 0);
	(void)fclose(stream); /* it was only read */
	*ret_acknowledged = acknowledged;
	*ret_sent = sent;
	return true;
}

static void save_state(const char *file, int64_t acknowledged, int64_t sent)
{
	FILE *stream = fopen(file, "w");

	if (!stream ||
	    fprintf(stream, "%lld %lld\n", (long long)acknowledged, (long long)sent) < 0 ||
	    fclose(stream) != 0)
		die("the state file can't be written", errno);
}

int main(int argc, char **argv)
{
	int64_t acknowledged = 0, sent = 0, progress = 0;
	struct bytes frame;

	if (argc != 5) {
		fprintf(stderr, "usage: kill-load HOST:PORT PID|- STATE SEED\n");
		return 2;
	}
	connect_to(argv[1]);
	if (!next_frame(&frame))
		die("no session", 0);
	if (load_state(argv[3], &acknowledged, &sent)) {
		progress = find_progress(acknowledged, sent);
		prove(progress);
		printf("acknowledged %lld, there %lld, sent %lld\n", (long long)acknowledged,
		       (long long)progress, (long long)sent);
	} else {
		make_frame();
	}
	if (strcmp(argv[2], "-") != 0) {
		acknowledged = sent = progress;
		write_and_kill((pid_t)atoi(argv[2]), strtoull(argv[4], NULL, 10), &acknowledged,
			       &sent);
		save_state(argv[3], acknowledged, sent);
	}
	buf_release(&input);
	return close(sock);
}
