#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "src/base/assert.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/base/mem.h"
#include "src/zk/opcode.h"
#include "t/unit/vectors.h"

/*
 * make-corpus DIR: makes the fuzzers' first inputs, DIR/FUZZER/NUMBER, from
 * what was captured (t/unit/vectors-*.txt) and from the texts below.
 */
static const char *directory;
static const struct bytes nothing = {.data = "", .size = 0};

static void check(int result, const char *path)
{
	if (result < 0 && errno != EEXIST) {
		perror(path);
		exit(1);
	}
}

static void make_directory(const char *fuzzer)
{
	char *path = mem_printf("%s/%s", directory, fuzzer);

	check(mkdir(path, 0777), path);
	free(path);
}

static void add(const char *fuzzer, int number, struct bytes prefix, struct bytes bytes)
{
	char *path = mem_printf("%s/%s/%03d", directory, fuzzer, number);
	FILE *file = fopen(path, "wb");

	check(file ? 0 : -1, path);
	(void)fwrite(prefix.data, 1, bytes_size(prefix), file); /* ferror tells */
	(void)fwrite(bytes.data, 1, bytes_size(bytes), file);
	check(ferror(file) || fclose(file) ? -1 : 0, path);
	free(path);
}

static struct bytes behind(struct bytes bytes, size_t offset)
{
	ASSERT(offset <= bytes_size(bytes));
	return bytes_of((const uint8_t *)bytes.data + offset, bytes_size(bytes) - offset);
}

static uint32_t int_at(struct bytes bytes, size_t offset)
{
	ASSERT(offset + 4 <= bytes_size(bytes));
	return endian_get_u32((const uint8_t *)bytes.data + offset);
}

/* The opcode of the latest request with this reply's xid; a notification's and connect's is 0. */
static uint32_t opcode_of_reply(const struct vectors *vectors, int index)
{
	uint32_t xid = int_at(vectors->items[index].bytes, 4);

	for (int i = index; i-- > 0;) {
		if (vectors->items[i].direction == '>' && int_at(vectors->items[i].bytes, 4) == xid)
			return int_at(vectors->items[i].bytes, 8);
	}
	return ZK_OP_NOTIFICATION;
}

static void add_frames(void)
{
	struct vectors vectors;

	vectors_load(&vectors, "vectors-client.txt");
	for (int i = 0; i < (int)vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		uint8_t opcode[4];

		if (vector->direction == '>') {
			add("request", vector->line, nothing, behind(vector->bytes, 4));
		} else if (vector->direction == '<') {
			endian_put_u32(opcode, opcode_of_reply(&vectors, i));
			add("response", vector->line, bytes_of(opcode, 4),
			    behind(vector->bytes, 4));
		}
	}
	vectors_release(&vectors);
}

static void append_txn(struct buf *run, struct bytes txn)
{
	uint8_t size[2] = {(uint8_t)(txn.size >> 8), (uint8_t)txn.size};

	buf_append(run, size, sizeof(size));
	buf_append(run, txn.data, bytes_size(txn));
}

/* Each alone, and for fuzz-apply each behind those before it. */
static void add_txns(void)
{
	struct vectors vectors;
	struct buf run;

	vectors_load(&vectors, "vectors-log.txt");
	buf_init(&run, 1 << 20);
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		struct bytes txn;

		if (vector->direction != '=' || strcmp(vector->note, "file header") == 0)
			continue;
		txn = behind(vector->bytes, 12); /* checksum and length */
		txn.size--;                      /* 'B' */
		add("txn", vector->line, nothing, txn);
		append_txn(&run, txn);
		add("apply", vector->line, nothing, buf_bytes(&run));
	}
	buf_release(&run);
	vectors_release(&vectors);
}

/* ---- snapshots ---- */

/* The parts of one file between its header and its seals, each piece size in front of the stream.
 */
static void add_snapshots(void)
{
	static const uint8_t piece_sizes[] = {0, 3, 255};
	struct vectors vectors;
	struct buf stream;

	vectors_load(&vectors, "vectors-snapshot.txt");
	buf_init(&stream, 1 << 20);
	for (size_t i = 0; i < vectors.count; i++) {
		if (vectors.items[i].direction != '=')
			continue;
		if (strncmp(vectors.items[i].note, "file header", 11) != 0)
			buf_append(&stream, vectors.items[i].bytes.data,
				   bytes_size(vectors.items[i].bytes));
		if (strcmp(vectors.items[i].note, "terminator") == 0)
			break;
	}
	buf_append(&stream, "\0\0\0\012BenWasHere", 14);
	for (size_t i = 0; i < sizeof(piece_sizes); i++)
		add("snapshot", (int)i + 1, bytes_of(&piece_sizes[i], 1), buf_bytes(&stream));
	buf_release(&stream);
	vectors_release(&vectors);
}

/* ---- fuzz-server's events ---- */

enum { EVENT_FRAME = 0x00, EVENT_CLOSE = 0x20, EVENT_TIME = 0x30 };

static void append_frame(struct buf *events, uint8_t connection, struct bytes frame)
{
	uint8_t head[3] = {EVENT_FRAME | connection, (uint8_t)(frame.size >> 8),
			   (uint8_t)frame.size};

	buf_append(events, head, sizeof(head));
	buf_append(events, frame.data, bytes_size(frame));
}

static uint8_t connection_of(const char *note)
{
	if (strncmp(note, "(w)", 3) == 0)
		return 1;
	if (strncmp(note, "(third", 6) == 0)
		return 2;
	return strncmp(note, "(own", 4) == 0 ? 3 : 0;
}

/* Each "(own connection)" of the captured exchange is a new one. */
static void append_request(struct buf *events, const struct vector *vector, struct bytes connect,
			   bool is_connected[4])
{
	static const uint8_t close_own[] = {EVENT_CLOSE | 3};
	uint8_t connection = connection_of(vector->note);

	if (connection == 3 && is_connected[3])
		buf_append(events, close_own, sizeof(close_own));
	if (connection == 3 || !is_connected[connection])
		append_frame(events, connection, connect);
	is_connected[connection] = true;
	append_frame(events, connection, behind(vector->bytes, 4));
}

/* The whole exchange in one input, and each request alone behind connect and create. */
static void add_exchanges(void)
{
	static const uint8_t expire[] = {EVENT_TIME, 0xff, 0xff};
	bool is_connected[4] = {false};
	struct bytes connect = BYTES_NULL;
	struct bytes create = BYTES_NULL;
	struct vectors vectors;
	struct buf all;

	vectors_load(&vectors, "vectors-client.txt");
	buf_init(&all, 1 << 20);
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		struct buf one;

		if (vector->direction != '>')
			continue;
		if (bytes_is_null(connect)) {
			connect = behind(vector->bytes, 4);
			continue;
		}
		if (bytes_is_null(create))
			create = behind(vector->bytes, 4);
		append_request(&all, vector, connect, is_connected);
		buf_init(&one, 1 << 20);
		append_frame(&one, 0, connect);
		append_frame(&one, 0, create);
		append_frame(&one, 0, behind(vector->bytes, 4));
		buf_append(&one, expire, sizeof(expire));
		add("server", vector->line, nothing, buf_bytes(&one));
		buf_release(&one);
	}
	add("server", 0, nothing, buf_bytes(&all));
	buf_release(&all);
	vectors_release(&vectors);
}

/* ---- fuzz-replica's events ---- */

enum { REPLICA_LEADS = 0, REPLICA_FOLLOWS = 1, EVENT_CLIENT = 0x10, EVENT_LINK = 0x20 };

static void append_event(struct buf *events, uint8_t control, struct bytes bytes)
{
	uint8_t head[3] = {control, (uint8_t)(bytes.size >> 8), (uint8_t)bytes.size};

	buf_append(events, head, sizeof(head));
	buf_append(events, bytes.data, bytes_size(bytes));
}

static bool begins_conversation(const struct vector *vector)
{
	return vector->direction == '>' && (strncmp(vector->note, "FOLLOWERINFO", 12) == 0 ||
					    strncmp(vector->note, "OBSERVERINFO", 12) == 0);
}

/*
 * What each learner of a capture sent, to one that leads; what its leader sent, to one that
 * follows, behind a link that is ours up to LEADERINFO.
 */
static void add_conversations(char direction, uint8_t role)
{
	static const uint8_t new_link[] = {EVENT_LINK | 1};
	struct vectors vectors;
	struct buf events;
	int line = 0;

	vectors_load(&vectors, "vectors-quorum.txt");
	buf_init(&events, 1 << 20);
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];

		if (begins_conversation(vector) && events.size > 0)
			add("replica", 2 * line + role, nothing, buf_bytes(&events));
		if (begins_conversation(vector)) {
			line = vector->line;
			buf_reset(&events);
			buf_append(&events, &role, 1);
			if (role == REPLICA_FOLLOWS)
				buf_append(&events, new_link, sizeof(new_link));
		} else if (vector->direction == direction &&
			   strncmp(vector->note, "LEADERINFO", 10) != 0) {
			append_event(&events, 0, vector->bytes);
		}
	}
	add("replica", 2 * line + role, nothing, buf_bytes(&events));
	buf_release(&events);
	vectors_release(&vectors);
}

/* The clients' exchange, with either. */
static void add_clients(uint8_t role)
{
	static const uint8_t expire[] = {EVENT_TIME, 0xff, 0xff};
	struct vectors vectors;
	struct buf events;

	vectors_load(&vectors, "vectors-client.txt");
	buf_init(&events, 1 << 20);
	buf_append(&events, &role, 1);
	for (size_t i = 0; i < vectors.count; i++)
		if (vectors.items[i].direction == '>')
			append_event(&events, EVENT_CLIENT, behind(vectors.items[i].bytes, 4));
	buf_append(&events, expire, sizeof(expire));
	add("replica", role, nothing, buf_bytes(&events));
	buf_release(&events);
	vectors_release(&vectors);
}

/* ---- quorum and election ports ---- */

enum { PACKET_NEWLEADER = 10, PACKET_HEAD_SIZE = 16 };

/* Each alone, and all in one stream; and the configurations in them. */
static void add_packets(void)
{
	struct vectors vectors;
	struct buf all;

	vectors_load(&vectors, "vectors-quorum.txt");
	buf_init(&all, 1 << 20);
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];

		if (vector->direction == '#')
			continue;
		add("packet", vector->line, nothing, vector->bytes);
		if (!strstr(vector->note, "BenWasHere"))
			buf_append(&all, vector->bytes.data, bytes_size(vector->bytes));
		if (int_at(vector->bytes, 0) == PACKET_NEWLEADER) {
			struct bytes config = behind(vector->bytes, PACKET_HEAD_SIZE);

			config.size -= 4; /* the null vector behind it */
			add("members", vector->line, nothing, config);
		}
	}
	add("packet", 0, nothing, buf_bytes(&all));
	buf_release(&all);
	vectors_release(&vectors);
}

/* fuzz-election's events: see there. */
static void append_notification(struct buf *events, uint8_t sid, struct bytes frame)
{
	uint8_t head[2] = {sid, (uint8_t)frame.size};

	ASSERT(frame.size <= UINT8_MAX);
	buf_append(events, head, sizeof(head));
	buf_append(events, frame.data, bytes_size(frame));
}

static void add_notifications(void)
{
	static const uint8_t start[] = {0x31};
	static const uint8_t empty[] = {0x30, 0x15, 0x02};
	static const uint8_t end[] = {0x22, 0x40, 0x41, 0x61, 0x31, 0x24};
	struct vectors vectors;
	struct buf all;
	struct buf one;

	vectors_load(&vectors, "vectors-election.txt");
	buf_init(&all, 1 << 20);
	buf_append(&all, empty, sizeof(empty));
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		struct bytes frame;

		if (vector->direction == '#' || strstr(vector->note, "initiation"))
			continue;
		frame = behind(vector->bytes, 4);
		add("notification", vector->line, nothing, frame);
		buf_init(&one, 1 << 20);
		buf_append(&one, start, sizeof(start));
		for (uint8_t sid = 1; sid <= 6; sid++) {
			append_notification(&one, sid, frame);
			append_notification(&all, sid, frame);
		}
		buf_append(&one, end, sizeof(end));
		buf_append(&all, end, sizeof(end));
		add("election", vector->line, nothing, buf_bytes(&one));
		buf_release(&one);
	}
	add("election", 0, nothing, buf_bytes(&all));
	buf_release(&all);
	vectors_release(&vectors);
}

/* ---- texts ---- */

static const char *const texts[] = {
	"world:anyone:cdrwa",
	"digest:u:Jq7wMyA/w2Vd5WIDAKdu4OIIFEQ=:cdrwa,auth::r",
	"ip:10.0.0.0/8:rw,ip:fe80::/10:r",
	"x509:CN=zk1,O=Example,C=de:cdrwa",
	"zk1,zk2:2181, [::1]:2182/chroot/a",
	"/a/b/c",
	"/zookeeper/quota/gr\xc3\xbc\xc3\x9f/\xe4\xb8\xad",
	"/a/./b/../c//d/",
};

static const char *const configs[] = {
	"tickTime=2000\ndataDir=/var/lib/zookeeper\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n",
	"# an ensemble\ndataDir=/d\ndataLogDir=/l\nclientPort=2181\ninitLimit=10\nsyncLimit=5\n"
	"server.1=zk1:2888:3888\nserver.2=zk2:2888:3888\nserver.3=[::1]:2888:3888:observer\n",
	"dataDir=/d\nstandaloneEnabled=false\nreconfigEnabled=true\n"
	"dynamicConfigFile=/conf/zoo.cfg.dynamic\n",
	"server.1=127.0.0.1:2888:3888:participant;127.0.0.1:2181\n"
	"server.2=127.0.0.1:2889:3889:observer;2182\nversion=100000000\n",
	"dataDir: /d\\\n  /e\n! comment\nclientPort 2181\nclientPortAddress=\\u0061\n"
	"maxClientCnxns=60\nautopurge.snapRetainCount=3\n4lw.commands.whitelist=stat, ruok\n"
	"group.1=1:2:3\nweight.1=2\nserver.1=a:1:2|b:3:4\n",
	"tickTime=99999999999\nclientPort=-1\nserver.x=a\nserver.1=:::\n",
};

static const char *const memberships[] = {
	"server.1=a:1:2\nserver.2=b:1:2:participant;2181\nserver.3=[::1]:1:2:observer;h:1\n"
	"version=10000000a",
	"server.1=a:1:2|b:3:4\nserver.2=c:1:2\nserver.3=d:1:2\nserver.4=e:1:2\nserver.5=f:1:2\n"
	"group.1=1:2:3\ngroup.2=4:5\nweight.1=2\nweight.5=0\n",
	"# one\n! two\n server.1 : a\\:1\\:2\\:obs\\\n  erver\nserver.\\u0032 b:1:2\n",
};

/* Scripts of fuzz-client.c: two options, then a letter a step. */
static const char *const scripts[] = {
	"00ch0123456789oAAAnAAoAAAnAoBBBnAnAnAnAnAq",
	"00ch3456789lt\177choAnAnAnAnAoAAAoBBBoCCCoDDDnAnAnAnAq",
	"00ch4ltzcholtzcholtzcho5ltzchoAoAAAoAAAq",
	"00ch012onnnoAAoe1e2e3e4ltzchoAuAltzchq",
	"01ch34a0a1ltzcx",
	"00ch0349ltzcx3tzchoAAoAAq",
	"10sch03tztztzpA3lt\177t\177t\177t\177t\177t\177choAyA",
	"00ch89w\024\377\377\377\377\377\377\377\377\377\377\377\377\0\0\0\0\0",
};

static void add_texts(const char *fuzzer, const char *const *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		add(fuzzer, (int)i + 1, nothing, bytes_of_text(list[i]));
}

int main(int argc, char **argv)
{
	static const char *const fuzzers[] = {
		"request", "response", "txn",    "apply",  "snapshot", "server",       "replica",
		"text",    "config",   "client", "packet", "members",  "notification", "election",
	};

	if (argc != 2) {
		fprintf(stderr, "usage: make-corpus DIR\n");
		return 2;
	}
	directory = argv[1];
	check(mkdir(directory, 0777), directory);
	for (size_t i = 0; i < sizeof(fuzzers) / sizeof(fuzzers[0]); i++)
		make_directory(fuzzers[i]);
	add_frames();
	add_txns();
	add_snapshots();
	add_exchanges();
	add_conversations('>', REPLICA_LEADS);
	add_conversations('<', REPLICA_FOLLOWS);
	add_clients(REPLICA_LEADS);
	add_clients(REPLICA_FOLLOWS);
	add_packets();
	add_notifications();
	add_texts("members", memberships, sizeof(memberships) / sizeof(memberships[0]));
	add_texts("text", texts, sizeof(texts) / sizeof(texts[0]));
	add_texts("config", configs, sizeof(configs) / sizeof(configs[0]));
	add_texts("client", scripts, sizeof(scripts) / sizeof(scripts[0]));
	return 0;
}
