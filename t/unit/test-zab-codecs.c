#include "t/unit/cmocka.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "replica/zab/members.h"
#include "replica/zab/notification.h"
#include "replica/zab/packet.h"
#include "src/base/buf.h"
#include "src/base/endian.h"
#include "src/zk/jute.h"
#include "t/unit/vectors.h"

#define SPAN(literal) bytes_of(literal, sizeof(literal) - 1)
#define TEXT(literal) bytes_of_text(literal)

enum { DATA_SIZE_MAX = 1 << 20 };

static struct bytes first(struct bytes bytes, size_t size)
{
	assert_true(size <= bytes_size(bytes));
	return bytes_of(bytes.data, size);
}

/* ---- packets ---- */

/* A snapshot's stream stands behind SNAP; its note says so. */
static bool is_packet(const struct vector *vector)
{
	return vector->direction != '#' && !strstr(vector->note, "BenWasHere");
}

/* The first word of the note is the packet's name. */
static void check_name(const struct vector *vector, const struct zab_packet *packet)
{
	const char *name = zab_packet_name(packet->type);

	assert_memory_equal(vector->note, name, strlen(name));
	assert_true(strchr(" ", vector->note[strlen(name)])); /* or its end */
}

/* What is inside data is read, and written again to the same bytes. */
static void check_data(const struct vector *vector, const struct zab_packet *packet)
{
	struct zab_learner_info info;
	struct zab_session session;
	struct zab_request request;
	session_id_t id;
	bool valid;
	struct buf buf;

	buf_init(&buf, DATA_SIZE_MAX);
	switch (packet->type) {
	case ZAB_FOLLOWERINFO:
	case ZAB_OBSERVERINFO:
		assert_int_equal(zab_learner_info_read(packet->data, &info), 0);
		assert_int_equal(info.protocol_version, ZAB_PROTOCOL_VERSION);
		zab_learner_info_write(&buf, &info);
		break;
	case ZAB_REQUEST:
		assert_int_equal(zab_request_read(packet->data, &request), 0);
		zab_request_write(&buf, &request);
		break;
	case ZAB_REVALIDATE:
		if (vector->direction == '>') {
			assert_int_equal(zab_session_read(packet->data, &session), 0);
			zab_session_write(&buf, &session);
		} else {
			assert_int_equal(zab_revalidated_read(packet->data, &id, &valid), 0);
			zab_revalidated_write(&buf, id, valid);
		}
		break;
	default:
		buf_release(&buf);
		return;
	}
	assert_true(bytes_equal(buf_bytes(&buf), packet->data));
	buf_release(&buf);
}

static void captured_packets_are_read_and_written_to_the_same_bytes(void **state)
{
	struct vectors vectors;
	size_t count = 0;

	vectors_load(&vectors, "vectors-quorum.txt");
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		struct zab_packet packet;
		struct buf buf;

		if (!is_packet(vector))
			continue;
		assert_int_equal(zab_packet_read(vector->bytes, DATA_SIZE_MAX, &packet),
				 vector->bytes.size);
		check_name(vector, &packet);
		check_data(vector, &packet);
		buf_init(&buf, DATA_SIZE_MAX);
		zab_packet_write(&buf, &packet);
		assert_true(bytes_equal(buf_bytes(&buf), vector->bytes));
		buf_release(&buf);
		count++;
	}
	assert_int_equal(count, 95);
	vectors_release(&vectors);
}

static void a_packet_that_is_cut_short_is_not_whole_yet(void **state)
{
	struct vectors vectors;

	vectors_load(&vectors, "vectors-quorum.txt");
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		struct zab_packet packet = {.type = -7};

		if (!is_packet(vector))
			continue;
		for (size_t size = 0; size < bytes_size(vector->bytes); size++) {
			assert_int_equal(
				zab_packet_read(first(vector->bytes, size), DATA_SIZE_MAX, &packet),
				0);
			assert_int_equal(packet.type, -7);
		}
	}
	vectors_release(&vectors);
}

static void packets_follow_one_another_in_a_stream(void **state)
{
	struct zab_packet ping = {.type = ZAB_PING, .zxid = 5, .data = SPAN(""), .auth_count = -1};
	struct zab_packet sync = {.type = ZAB_SYNC,
				  .data = BYTES_NULL,
				  .auth_count = 1,
				  .auth = SPAN("\0\0\0\2ip\0\0\0\1a")};
	struct zab_packet packet;
	struct buf buf;

	buf_init(&buf, DATA_SIZE_MAX);
	zab_packet_write(&buf, &ping);
	zab_packet_write(&buf, &sync);
	assert_int_equal(zab_packet_read(buf_bytes(&buf), 0, &packet), ZAB_PACKET_SIZE_MIN);
	assert_int_equal(packet.type, ZAB_PING);
	assert_int_equal(packet.data.size, 0);
	assert_int_equal(packet.auth_count, -1);
	buf_consume(&buf, ZAB_PACKET_SIZE_MIN);
	assert_int_equal(zab_packet_read(buf_bytes(&buf), 0, &packet), buf.size);
	assert_true(bytes_is_null(packet.data));
	assert_int_equal(packet.auth_count, 1);
	assert_true(bytes_equal(packet.auth, sync.auth));
	buf_release(&buf);
}

/* type and zxid, then these. */
static int64_t read_after_zxid(struct bytes rest, size_t data_size_max)
{
	struct zab_packet packet;
	struct buf buf;
	int64_t result;

	buf_init(&buf, DATA_SIZE_MAX);
	jute_write_int(&buf, ZAB_REQUEST);
	jute_write_long(&buf, -1);
	buf_append(&buf, rest.data, bytes_size(rest));
	result = zab_packet_read(buf_bytes(&buf), data_size_max, &packet);
	buf_release(&buf);
	return result;
}

#define NO_DATA "\xff\xff\xff\xff"

static void a_length_out_of_bounds_is_told_as_soon_as_it_is_there(void **state)
{
	/* data */
	assert_int_equal(read_after_zxid(SPAN("\xff\xff\xff\xfe"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN("\x80\0\0\0"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN("\0\0\0\x0b"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN("\0\0\0\x0a"), 10), 0);
	/* the vector's count */
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\xff\xff\xff\xfe"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\x7f\xff\xff\xff"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\x40\x01"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\x40\0"), 10), 0);
	/* its elements */
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\0\1\xff\xff\xff\xfe"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\0\1\0\2\0\1"), 10), -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\0\1\0\2\0\0"), 10), 0);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\0\1\0\0\0\1a\xff\xff\xff\xfd"), 10),
			 -EBADMSG);
	assert_int_equal(read_after_zxid(SPAN(NO_DATA "\0\0\0\1\xff\xff\xff\xff\0\0\0\0"), 10), 28);
}

/* A vector of one scheme of this many bytes, and a null id. */
static int64_t read_with_scheme_of(size_t size)
{
	struct buf rest;
	void *scheme;
	int64_t result;

	buf_init(&rest, DATA_SIZE_MAX);
	jute_write_int(&rest, -1);
	jute_write_int(&rest, 1);
	jute_write_int(&rest, (int32_t)size);
	scheme = buf_extend(&rest, size);
	assert_non_null(scheme);
	memset(scheme, 'a', size);
	jute_write_int(&rest, -1);
	result = read_after_zxid(buf_bytes(&rest), 10);
	buf_release(&rest);
	return result;
}

static void ids_are_bounded_as_a_whole(void **state)
{
	assert_int_equal(read_with_scheme_of(ZAB_AUTH_SIZE_MAX - 8), 20 + ZAB_AUTH_SIZE_MAX);
	assert_int_equal(read_with_scheme_of(ZAB_AUTH_SIZE_MAX - 7), -EBADMSG);
}

static void names_are_those_of_the_protocol(void **state)
{
	assert_string_equal(zab_packet_name(ZAB_REQUEST), "REQUEST");
	assert_string_equal(zab_packet_name(ZAB_INFORMANDACTIVATE), "INFORMANDACTIVATE");
	assert_string_equal(zab_packet_name(0), "unknown");
	assert_string_equal(zab_packet_name(20), "unknown");
	assert_string_equal(zab_packet_name(-1), "unknown");
}

static void a_learner_of_3_4_sends_no_config_version(void **state)
{
	struct bytes data = SPAN("\0\0\0\0\0\0\0\7\0\1\0\0\0\0\0\1\0\0\0\2");
	struct zab_learner_info info;

	assert_int_equal(zab_learner_info_read(data, &info), 0);
	assert_int_equal(info.sid, 7);
	assert_int_equal(info.protocol_version, ZAB_PROTOCOL_VERSION);
	assert_int_equal(info.config_version, 0x100000002);
	assert_int_equal(zab_learner_info_read(first(data, 12), &info), 0);
	assert_int_equal(info.sid, 7);
	assert_int_equal(info.config_version, 0);
	assert_int_equal(zab_learner_info_read(first(data, 11), &info), -EBADMSG);
	assert_int_equal(zab_learner_info_read(first(data, 8), &info), -EBADMSG);
	assert_int_equal(zab_learner_info_read(BYTES_NULL, &info), -EBADMSG);
}

static void data_that_is_too_short_is_refused(void **state)
{
	struct bytes data = SPAN("\1\0\0\0\0\0\0\2\0\0\0\3\0\0\0\4");
	struct zab_session session;
	struct zab_request request;
	session_id_t id;
	bool valid;

	assert_int_equal(zab_session_read(first(data, 12), &session), 0);
	assert_int_equal(session.id, 0x0100000000000002);
	assert_int_equal(session.timeout_ms, 3);
	assert_int_equal(zab_session_read(first(data, 11), &session), -EBADMSG);
	assert_int_equal(zab_session_read(BYTES_NULL, &session), -EBADMSG);

	assert_int_equal(zab_revalidated_read(first(data, 9), &id, &valid), 0);
	assert_int_equal(id, 0x0100000000000002);
	assert_false(valid);
	assert_int_equal(zab_revalidated_read(first(data, 8), &id, &valid), -EBADMSG);
	assert_int_equal(zab_revalidated_read(BYTES_NULL, &id, &valid), -EBADMSG);

	assert_int_equal(zab_request_read(data, &request), 0);
	assert_int_equal(request.cxid, 3);
	assert_int_equal(request.opcode, 4);
	assert_int_equal(request.body.size, 0);
	assert_int_equal(zab_request_read(first(data, 15), &request), -EBADMSG);
	assert_int_equal(zab_request_read(BYTES_NULL, &request), -EBADMSG);
}

/* ---- notifications ---- */

static void captured_notifications_are_read_and_written_to_the_same_bytes(void **state)
{
	struct vectors vectors;
	size_t count = 0;

	vectors_load(&vectors, "vectors-election.txt");
	for (size_t i = 0; i < vectors.count; i++) {
		const struct vector *vector = &vectors.items[i];
		struct notification notification;
		struct members members;
		struct bytes frame;
		struct buf buf;

		if (vector->direction == '#' || strstr(vector->note, "initiation"))
			continue;
		assert_int_equal(endian_get_u32(vector->bytes.data), vector->bytes.size - 4);
		frame = bytes_of((const uint8_t *)vector->bytes.data + 4,
				 bytes_size(vector->bytes) - 4);
		assert_int_equal(notification_read(frame, &notification), 0);
		assert_int_equal(notification.election_epoch, 1);
		assert_int_equal(notification.vote.zxid, 0);
		assert_true(strstr(vector->note, "peerEpoch 1")
				    ? notification.vote.peer_epoch == 1
				    : notification.vote.peer_epoch == 0);
		assert_int_equal(notification.version, NOTIFICATION_VERSION);
		assert_int_equal(members_parse(notification.config, &members), 0);
		assert_int_equal(members_voter_count(&members), 3);
		members_release(&members);
		buf_init(&buf, NOTIFICATION_SIZE_MAX);
		notification_write(&buf, &notification);
		assert_true(bytes_equal(buf_bytes(&buf), frame));
		buf_release(&buf);
		count++;
	}
	assert_int_equal(count, 9);
	vectors_release(&vectors);
}

/* A follower of 3 answers; then some config. */
#define FOLLOWER                                                                                   \
	"\0\0\0\1"                                                                                 \
	"\0\0\0\0\0\0\0\3"                                                                         \
	"\0\0\0\1\0\0\0\4"                                                                         \
	"\0\0\0\0\0\0\0\5"                                                                         \
	"\0\0\0\0\0\0\0\2"

static void fields_are_where_java_has_them(void **state)
{
	struct notification notification;

	assert_int_equal(notification_read(SPAN(FOLLOWER "\0\0\0\2\0\0\0\4conf"), &notification),
			 0);
	assert_int_equal(notification.state, ZAB_FOLLOWING);
	assert_int_equal(notification.vote.leader, 3);
	assert_int_equal(notification.vote.zxid, 0x100000004);
	assert_int_equal(notification.election_epoch, 5);
	assert_int_equal(notification.vote.peer_epoch, 2);
	assert_int_equal(notification.version, 2);
	assert_true(bytes_equal_text(notification.config, "conf"));
	/* What comes behind the config is nobody's. */
	assert_int_equal(notification_read(SPAN(FOLLOWER "\0\0\0\2\0\0\0\2conf"), &notification),
			 0);
	assert_true(bytes_equal_text(notification.config, "co"));
}

static void older_peers_send_less(void **state)
{
	struct bytes message = SPAN(FOLLOWER "\0\0\0\1");
	struct notification notification;

	assert_int_equal(notification_read(first(message, 28), &notification), 0);
	assert_int_equal(notification.version, 0);
	assert_int_equal(notification.vote.peer_epoch, 1); /* of the zxid */
	assert_true(bytes_is_null(notification.config));

	assert_int_equal(notification_read(message, &notification), 0);
	assert_int_equal(notification.version, 0);
	assert_int_equal(notification.vote.peer_epoch, 2);
	assert_true(bytes_is_null(notification.config));
}

static void a_version_before_configs_ends_the_message(void **state)
{
	struct notification notification;

	assert_int_equal(
		notification_read(SPAN(FOLLOWER "\0\0\0\1\xff\xff\xff\xff"), &notification), 0);
	assert_int_equal(notification.version, 1);
	assert_true(bytes_is_null(notification.config));
}

static void malformed_notifications_are_refused(void **state)
{
	struct bytes message = SPAN(FOLLOWER "\0\0\0\2\0\0\0\4conf");
	struct notification notification = {.version = 77};

	for (size_t size = 0; size < bytes_size(message); size++) {
		if (size != 28 && size != 40)
			assert_int_equal(notification_read(first(message, size), &notification),
					 -EBADMSG);
	}
	assert_int_equal(notification_read(BYTES_NULL, &notification), -EBADMSG);
	assert_int_equal(
		notification_read(SPAN(FOLLOWER "\0\0\0\2\xff\xff\xff\xff"), &notification),
		-EBADMSG);
	assert_int_equal(notification_read(SPAN(FOLLOWER "\0\0\0\2\0\0\0\5conf"), &notification),
			 -EBADMSG);
	assert_int_equal(
		notification_read(SPAN(FOLLOWER "\0\0\0\2\x7f\xff\xff\xff"), &notification),
		-EBADMSG);
	assert_int_equal(notification.version, 77);
}

static void a_state_that_is_none_is_refused(void **state)
{
	char message[] = FOLLOWER "\0\0\0\2\0\0\0\0";
	struct notification notification;

	for (int value = 0; value <= 255; value++) {
		message[3] = (char)value;
		assert_int_equal(
			notification_read(bytes_of(message, sizeof(message) - 1), &notification),
			value <= ZAB_OBSERVING ? 0 : -EBADMSG);
	}
	memset(message, 0xff, 4);
	assert_int_equal(notification_read(bytes_of(message, sizeof(message) - 1), &notification),
			 -EBADMSG);
}

static void states_have_names(void **state)
{
	assert_string_equal(zab_state_name(ZAB_LOOKING), "looking");
	assert_string_equal(zab_state_name(ZAB_FOLLOWING), "following");
	assert_string_equal(zab_state_name(ZAB_LEADING), "leading");
	assert_string_equal(zab_state_name(ZAB_OBSERVING), "observing");
}

/* ---- members ---- */

static struct members parse(const char *text)
{
	struct members members;

	assert_int_equal(members_parse(TEXT(text), &members), 0);
	return members;
}

static void refuse(const char *text)
{
	struct members members = {.version = 77};

	assert_int_equal(members_parse(TEXT(text), &members), -EBADMSG);
	assert_int_equal(members.version, 77);
}

#define THREE "server.1=a:1:2\nserver.2=b:1:2\nserver.3=c:1:2\n"

/* data is a set of sids, a bit each. */
static bool is_in(const void *data, int64_t sid)
{
	const uint64_t *set = data;

	return *set >> sid & 1;
}

/* Sids as decimal digits. */
static bool is_quorum(const struct members *members, const char *sids)
{
	uint64_t set = 0;

	for (; *sids; sids++)
		set |= 1u << (*sids - '0');
	return members_is_quorum(members, is_in, &set);
}

static void a_captured_text_is_read(void **state)
{
	/* Java's order is its hash table's. */
	static const char text[] = "server.1=127.0.0.1:29181:29182:participant;127.0.0.1:2181\n"
				   "server.9=127.0.0.1:29189:29190:observer\n"
				   "server.2=127.0.0.1:29183:29184:participant;0.0.0.0:2182\n"
				   "server.3=127.0.0.1:29185:29186:participant\n"
				   "version=20000000a";
	struct members members = parse(text);

	assert_int_equal(members.version, 0x20000000a);
	assert_int_equal(members.count, 4);
	assert_int_equal(members.members[0].sid, 1);
	assert_int_equal(members.members[1].sid, 2);
	assert_int_equal(members.members[2].sid, 3);
	assert_int_equal(members.members[3].sid, 9);
	assert_false(members.has_groups);
	assert_int_equal(members_voter_count(&members), 3);
	assert_true(members_is_voter(&members, 3));
	assert_false(members_is_voter(&members, 9));
	assert_false(members_is_voter(&members, 4));
	assert_true(members_find(&members, 9)->is_observer);
	assert_null(members_find(&members, 4));
	assert_string_equal(members_find(&members, 2)->address,
			    "127.0.0.1:29183:29184:participant;0.0.0.0:2182");
	assert_int_equal(members.text_size, sizeof(text) - 1);
	assert_string_equal(members.text, text);
	members_release(&members);
}

static void the_captured_configs_of_newleader_are_read(void **state)
{
	struct vectors vectors;
	size_t count = 0;

	vectors_load(&vectors, "vectors-quorum.txt");
	for (size_t i = 0; i < vectors.count; i++) {
		struct zab_packet packet;
		struct members members;

		if (!is_packet(&vectors.items[i]))
			continue;
		(void)zab_packet_read(vectors.items[i].bytes, DATA_SIZE_MAX, &packet); /* whole */
		if (packet.type != ZAB_NEWLEADER)
			continue;
		assert_int_equal(members_parse(packet.data, &members), 0);
		assert_int_equal(members_voter_count(&members), 3);
		members_release(&members);
		count++;
	}
	assert_int_equal(count, 6);
	vectors_release(&vectors);
}

static void the_syntax_is_that_of_java_properties(void **state)
{
	struct members members = parse("# a comment\n! another\n\n"
				       "  server.1 : a\\:1\\:2\\:obs\\\n    erver;3 \r\n"
				       "server.2 = [::1]:1:2 | b:3:4 ; c:5\n"
				       "server.\\u0033 d:1:2\n"
				       "version = AbC\n");

	assert_int_equal(members.count, 3);
	assert_int_equal(members.version, 0xabc);
	assert_string_equal(members_find(&members, 1)->address, "a:1:2:observer;3");
	assert_true(members_find(&members, 1)->is_observer);
	assert_int_equal(members_voter_count(&members), 2);
	members_release(&members);

	members = parse(THREE "server.3=later:1:2");
	assert_string_equal(members_find(&members, 3)->address, "later:1:2");
	members_release(&members);
}

static void a_text_without_a_version_has_version_0(void **state)
{
	struct members members = parse(THREE);

	assert_int_equal(members.version, 0);
	members_release(&members);
}

static void texts_that_cant_be_read_are_refused(void **state)
{
	struct members members = {.version = 77};
	struct buf text;

	refuse("");
	refuse("version=1");
	refuse("server.1=a:1:2:observer");
	refuse(THREE "version=xyz");
	refuse(THREE "version=");
	refuse(THREE "version=-1");
	refuse(THREE "version=8000000000000000");
	refuse(THREE "version.1=1");
	refuse(THREE "clientPort=2181");
	refuse(THREE "server=a:1:2");
	refuse(THREE "server.=a:1:2");
	refuse(THREE "server.x=a:1:2");
	refuse(THREE "server.-4=a:1:2");
	refuse(THREE "server.9223372036854775808=a:1:2");
	refuse(THREE "server.03=a:1:2");
	refuse(THREE "server.4=a:1");
	refuse(THREE "server.4=a:1:2:leader");
	refuse(THREE "server.4=");
	refuse(THREE "server.4=\\u12");
	refuse(THREE "weight.4=1");
	refuse(THREE "weight.1=x");
	refuse(THREE "weight.1=2147483648");
	refuse(THREE "group.1=1:2:4");
	refuse(THREE "group.1=1:2");
	refuse(THREE "group.1=1:2:3\ngroup.2=3");
	refuse(THREE "group.1=1:2::3");
	refuse(THREE "group.1=");
	refuse(THREE "group.x=1:2:3");
	refuse(THREE "server.4=d:1:2:observer\ngroup.1=1:2:3:4");
	assert_int_equal(members_parse(BYTES_NULL, &members), -EBADMSG);
	assert_int_equal(members_parse(SPAN(THREE "\0"), &members), -EBADMSG);

	buf_init(&text, DATA_SIZE_MAX);
	buf_append_text(&text, THREE "#");
	while (text.size < MEMBERS_TEXT_SIZE_MAX)
		buf_append_text(&text, " ");
	assert_int_equal(members_parse(buf_bytes(&text), &members), 0);
	members_release(&members);
	buf_append_text(&text, " ");
	assert_int_equal(members_parse(buf_bytes(&text), &members), -EBADMSG);
	buf_release(&text);
}

static void as_many_members_as_have_a_byte_of_a_session_id(void **state)
{
	struct members members = {0};
	struct buf text;

	buf_init(&text, DATA_SIZE_MAX);
	for (int sid = MEMBERS_MAX; sid > 0; sid--)
		buf_printf(&text, "server.%d=a:1:2\n", sid);
	assert_int_equal(members_parse(buf_bytes(&text), &members), 0);
	assert_int_equal(members.count, MEMBERS_MAX);
	assert_int_equal(members.members[0].sid, 1);
	members_release(&members);
	buf_append_text(&text, "server.0=a:1:2\n");
	assert_int_equal(members_parse(buf_bytes(&text), &members), -EBADMSG);
	buf_release(&text);
}

static void a_majority_of_the_voters_is_a_quorum(void **state)
{
	struct members members = parse(THREE "server.8=d:1:2:observer\nserver.9=e:1:2:observer\n"
					     "weight.1=100");

	assert_false(is_quorum(&members, ""));
	assert_false(is_quorum(&members, "1"));
	assert_false(is_quorum(&members, "189"));
	assert_true(is_quorum(&members, "12"));
	assert_true(is_quorum(&members, "32"));
	assert_true(is_quorum(&members, "123"));
	assert_true(members_may_lead(&members, 1));
	assert_false(members_may_lead(&members, 8));
	assert_false(members_may_lead(&members, 7));
	members_release(&members);

	members = parse(THREE "server.4=d:1:2");
	assert_false(is_quorum(&members, "12"));
	assert_true(is_quorum(&members, "124"));
	members_release(&members);

	members = parse("server.1=a:1:2");
	assert_false(is_quorum(&members, "2"));
	assert_true(is_quorum(&members, "1"));
	members_release(&members);
}

#define NINE                                                                                       \
	THREE "server.4=d:1:2\nserver.5=e:1:2\nserver.6=f:1:2\n"                                   \
	      "server.7=g:1:2\nserver.8=h:1:2\nserver.9=i:1:2\n"

static void a_quorum_of_groups_is_a_majority_in_a_majority_of_them(void **state)
{
	struct members members = parse(NINE "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9");

	assert_true(members.has_groups);
	assert_int_equal(members_find(&members, 9)->group, 3);
	assert_true(is_quorum(&members, "1245"));
	assert_true(is_quorum(&members, "4689"));
	assert_false(is_quorum(&members, "789"));
	assert_false(is_quorum(&members, "14789"));
	members_release(&members);
}

static void weights_count_inside_groups(void **state)
{
	struct members members = parse(NINE "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n"
					    "weight.1=3\nweight.7=0\nweight.8=0\nweight.9=0");

	/* Group 3 weighs nothing and is not counted: both others are needed. */
	assert_true(is_quorum(&members, "145"));
	assert_false(is_quorum(&members, "2345"));
	assert_false(is_quorum(&members, "1789"));
	assert_false(is_quorum(&members, "4578"));
	assert_true(members_may_lead(&members, 2));
	assert_false(members_may_lead(&members, 9));
	members_release(&members);

	/* An observer's weight is part of its group's, as in Java. */
	members = parse(THREE "server.4=d:1:2:observer\ngroup.1=1:2:3:4\nweight.4=1");
	assert_false(is_quorum(&members, "12"));
	assert_false(is_quorum(&members, "124"));
	assert_true(is_quorum(&members, "123"));
	members_release(&members);
}

static bool are_equal(const char *left, const char *right)
{
	struct members a = parse(left);
	struct members b = parse(right);
	bool result = members_equal(&a, &b);

	assert_int_equal(members_equal(&b, &a), result);
	members_release(&a);
	members_release(&b);
	return result;
}

static void members_are_compared_not_texts(void **state)
{
	assert_true(are_equal(THREE, THREE "version=5"));
	assert_true(are_equal("server.1=a:1:2\nserver.2=b:1:2;3",
			      "server.2: b:1:2:participant;0.0.0.0:3\nserver.1=a\\:1:2"));
	assert_true(are_equal("server.1=a:1:2|b:3:4", "server.1=a:1:2|b:3:4:participant"));
	assert_false(are_equal(THREE, THREE "server.4=d:1:2"));
	assert_false(are_equal(THREE, THREE "server.3=d:1:2"));
	assert_false(are_equal(THREE, THREE "server.3=c:1:3"));
	assert_false(are_equal(THREE, THREE "server.3=c:3:2"));
	assert_false(are_equal(THREE, THREE "server.3=c:1:2:observer"));
	assert_false(are_equal(THREE, THREE "server.3=c:1:2;2181"));
	assert_false(are_equal(THREE, THREE "server.3=c:1:2|d:1:2"));
	assert_false(are_equal("server.1=a:1:2;a:3", "server.1=a:1:2;a:4"));
	assert_false(are_equal("server.1=a:1:2", "server.2=a:1:2"));
}

static void a_copy_stands_for_itself(void **state)
{
	struct members members = parse(NINE "group.1=1:2:3\ngroup.2=4:5:6\ngroup.3=7:8:9\n"
					    "weight.1=3\nversion=7");
	struct members copy;
	struct members none = {0};

	members_copy(&copy, &members);
	assert_true(members_equal(&copy, &members));
	members_release(&members);
	assert_int_equal(copy.version, 7);
	assert_int_equal(members_find(&copy, 1)->weight, 3);
	assert_true(is_quorum(&copy, "1245"));
	assert_int_equal(strlen(copy.text), copy.text_size);
	members_release(&copy);

	members_copy(&copy, &none);
	assert_int_equal(copy.count, 0);
	members_release(&copy);
	members_release(&none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(captured_packets_are_read_and_written_to_the_same_bytes),
		cmocka_unit_test(a_packet_that_is_cut_short_is_not_whole_yet),
		cmocka_unit_test(packets_follow_one_another_in_a_stream),
		cmocka_unit_test(a_length_out_of_bounds_is_told_as_soon_as_it_is_there),
		cmocka_unit_test(ids_are_bounded_as_a_whole),
		cmocka_unit_test(names_are_those_of_the_protocol),
		cmocka_unit_test(a_learner_of_3_4_sends_no_config_version),
		cmocka_unit_test(data_that_is_too_short_is_refused),
		cmocka_unit_test(captured_notifications_are_read_and_written_to_the_same_bytes),
		cmocka_unit_test(fields_are_where_java_has_them),
		cmocka_unit_test(older_peers_send_less),
		cmocka_unit_test(a_version_before_configs_ends_the_message),
		cmocka_unit_test(malformed_notifications_are_refused),
		cmocka_unit_test(a_state_that_is_none_is_refused),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(a_captured_text_is_read),
		cmocka_unit_test(the_captured_configs_of_newleader_are_read),
		cmocka_unit_test(the_syntax_is_that_of_java_properties),
		cmocka_unit_test(a_text_without_a_version_has_version_0),
		cmocka_unit_test(texts_that_cant_be_read_are_refused),
		cmocka_unit_test(as_many_members_as_have_a_byte_of_a_session_id),
		cmocka_unit_test(a_majority_of_the_voters_is_a_quorum),
		cmocka_unit_test(a_quorum_of_groups_is_a_majority_in_a_majority_of_them),
		cmocka_unit_test(weights_count_inside_groups),
		cmocka_unit_test(members_are_compared_not_texts),
		cmocka_unit_test(a_copy_stands_for_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
