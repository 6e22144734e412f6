/*
 * An item (a count, a session, an ACL list, a node, the signature) is read in
 * two steps. A scan goes over its lengths alone and tells whether it is whole,
 * still short of bytes, or no such thing, which can be told before it is whole.
 * What is whole is then read, and can't fail any more.
 */
#include <errno.h>
#include <stdlib.h>

#include "replica/tree/snapshot.h"
#include "replica/tree/snapshot_acls.h"
#include "src/base/assert.h"
#include "src/base/endian.h"
#include "src/zk/jute.h"

/* The least that an ACL takes: perms, and the lengths of scheme and id. */
enum { ACL_SIZE_MIN = 12, STAT_SIZE = 60, SESSION_SIZE = 12 };

/* ---- scanning ---- */

struct scan {
	const uint8_t *begin;
	const uint8_t *at;
	const uint8_t *end;
	size_t field_size_max;
	bool is_short;
	bool is_bad;
};

/* The next size bytes; NULL where the item ends the scan. */
static const uint8_t *scan_bytes(struct scan *scan, size_t size)
{
	const uint8_t *at = scan->at;

	if (scan->is_short || scan->is_bad)
		return NULL;
	if (size > (size_t)(scan->end - at)) {
		scan->is_short = true;
		return NULL;
	}
	scan->at += size;
	return at;
}

static int32_t scan_int(struct scan *scan)
{
	const uint8_t *at = scan_bytes(scan, 4);

	return at ? (int32_t)endian_get_u32(at) : 0;
}

static void scan_field(struct scan *scan, size_t size_max, bool may_be_null)
{
	int32_t size = scan_int(scan);

	if (scan->is_short || scan->is_bad || (size == -1 && may_be_null))
		return;
	if (size < 0 || (size_t)size > size_max)
		scan->is_bad = true;
	else
		(void)scan_bytes(scan, (size_t)size); /* only whether they are there */
}

static void scan_acls(struct scan *scan)
{
	const uint8_t *begin;
	int32_t count;

	(void)scan_bytes(scan, 8); /* the id */
	count = scan_int(scan);
	begin = scan->at;
	/* Java takes a count below -1 for none, and has no use for a null list. */
	if (count == -1 || (count > 0 && (size_t)count > scan->field_size_max / ACL_SIZE_MIN))
		scan->is_bad = true;
	for (int32_t i = 0; i < count && !scan->is_short && !scan->is_bad; i++) {
		(void)scan_int(scan); /* perms */
		scan_field(scan, scan->field_size_max, false);
		scan_field(scan, scan->field_size_max, false);
		if ((size_t)(scan->at - begin) > scan->field_size_max)
			scan->is_bad = true;
	}
}

/* Whether the path is the terminator, behind which no node follows. */
static bool scan_path(struct scan *scan)
{
	const uint8_t *begin = scan->at;

	scan_field(scan, scan->field_size_max, false);
	return scan->at - begin == 5 && begin[4] == '/';
}

static void scan_node(struct scan *scan)
{
	if (scan_path(scan))
		return;
	scan_field(scan, scan->field_size_max, true);
	(void)scan_bytes(scan, 8 + STAT_SIZE);
}

static void scan_item(struct scan *scan, const struct snapshot_reader *reader)
{
	switch (reader->state) {
	case SNAPSHOT_READER_SESSION_COUNT:
	case SNAPSHOT_READER_ACL_COUNT:
		(void)scan_int(scan);
		break;
	case SNAPSHOT_READER_SESSIONS:
		(void)scan_bytes(scan, SESSION_SIZE);
		break;
	case SNAPSHOT_READER_ACLS:
		scan_acls(scan);
		break;
	case SNAPSHOT_READER_NODES:
		scan_node(scan);
		break;
	default:
		ASSERT(reader->state == SNAPSHOT_READER_SIGNATURE);
		scan_field(scan, sizeof(SNAPSHOT_SIGNATURE) - 1, false);
	}
}

/* ---- reading ---- */

static int read_count(struct snapshot_reader *reader, struct jute_reader *jute)
{
	bool is_of_sessions = reader->state == SNAPSHOT_READER_SESSION_COUNT;
	int32_t count = jute_read_int(jute);

	if (is_of_sessions && count > SNAPSHOT_SESSION_COUNT_MAX)
		return -EBADMSG;
	/* A negative one is none, as in Java. */
	reader->left = count > 0 ? count : 0;
	reader->state = is_of_sessions ? SNAPSHOT_READER_SESSIONS : SNAPSHOT_READER_ACLS;
	return 0;
}

static int read_session(struct snapshot_reader *reader, struct jute_reader *jute)
{
	session_id_t id = jute_read_long(jute);
	int32_t timeout_ms = jute_read_int(jute);

	reader->left--;
	return reader->handler->session(id, timeout_ms, reader->data);
}

static struct map_entry *find_acls(const struct snapshot_reader *reader, const int64_t *id)
{
	return map_find(&reader->acls, bytes_of(id, sizeof(*id)));
}

static size_t kept_size(const struct snapshot_acls *kept)
{
	return sizeof(*kept) + kept->size;
}

static void forget_acls(struct snapshot_reader *reader, struct map_entry *entry)
{
	struct snapshot_acls *kept = map_item(entry, struct snapshot_acls, entry);

	reader->acls_size -= kept_size(kept);
	map_remove(&reader->acls, entry);
	free(kept);
}

static int read_acls(struct snapshot_reader *reader, struct jute_reader *jute)
{
	int64_t id = jute_read_long(jute);
	struct zk_acls acls = zk_acls_read(jute);
	struct map_entry *known = find_acls(reader, &id);
	struct snapshot_acls *kept;

	if (known)
		forget_acls(reader, known);
	kept = snapshot_acls_new(id, &acls);
	map_insert(&reader->acls, &kept->entry, bytes_of(&kept->id, sizeof(kept->id)));
	reader->acls_size += kept_size(kept);
	reader->left--;
	return reader->acls_size > SNAPSHOT_ACLS_SIZE_MAX ? -EBADMSG : 0;
}

/* world:anyone with no permission: who isn't super can do nothing. */
static struct zk_acls nobody(void)
{
	static const char encoded[] = "\0\0\0\0\0\0\0\005world\0\0\0\006anyone";

	return (struct zk_acls){.count = 1, .encoded = bytes_of(encoded, sizeof(encoded) - 1)};
}

static struct zk_acls acls_of_id(const struct snapshot_reader *reader, int64_t id)
{
	const struct map_entry *entry;

	if (id == SNAPSHOT_ACLS_OPEN_ID)
		return (struct zk_acls){.count = -1, .encoded = bytes_of("", 0)};
	entry = find_acls(reader, &id);
	return entry ? snapshot_acls_value(map_item(entry, const struct snapshot_acls, entry))
		     : nobody();
}

static void read_stat(struct jute_reader *jute, struct znode_stat *ret_stat)
{
	ret_stat->czxid = jute_read_long(jute);
	ret_stat->mzxid = jute_read_long(jute);
	ret_stat->ctime = jute_read_long(jute);
	ret_stat->mtime = jute_read_long(jute);
	ret_stat->version = jute_read_int(jute);
	ret_stat->cversion = jute_read_int(jute);
	ret_stat->aversion = jute_read_int(jute);
	ret_stat->ephemeral_owner = jute_read_long(jute);
	ret_stat->pzxid = jute_read_long(jute);
}

static int read_node(struct snapshot_reader *reader, struct jute_reader *jute)
{
	struct tree_row row = {.path = jute_read_ustring(jute)};

	if (bytes_equal_text(row.path, SNAPSHOT_TERMINATOR)) {
		reader->state = SNAPSHOT_READER_SIGNATURE;
		return 0;
	}
	if (reader->node_count == SNAPSHOT_NODE_COUNT_MAX)
		return -EBADMSG;
	reader->node_count++;
	if (row.path.size == 0)
		row.path = bytes_of_text("/");
	row.data = jute_read_buffer(jute);
	row.acls = acls_of_id(reader, jute_read_long(jute));
	read_stat(jute, &row.stat);
	return reader->handler->row(&row, reader->data);
}

static int read_signature(struct snapshot_reader *reader, struct jute_reader *jute)
{
	if (!bytes_equal_text(jute_read_ustring(jute), SNAPSHOT_SIGNATURE))
		return -EBADMSG;
	reader->state = SNAPSHOT_READER_DONE;
	return 0;
}

static int read_item(struct snapshot_reader *reader, const struct scan *scan)
{
	size_t size = (size_t)(scan->at - scan->begin);
	struct jute_reader jute;
	int error;

	jute_reader_init(&jute, scan->begin, size, size);
	switch (reader->state) {
	case SNAPSHOT_READER_SESSION_COUNT:
	case SNAPSHOT_READER_ACL_COUNT:
		error = read_count(reader, &jute);
		break;
	case SNAPSHOT_READER_SESSIONS:
		error = read_session(reader, &jute);
		break;
	case SNAPSHOT_READER_ACLS:
		error = read_acls(reader, &jute);
		break;
	case SNAPSHOT_READER_NODES:
		error = read_node(reader, &jute);
		break;
	default:
		ASSERT(reader->state == SNAPSHOT_READER_SIGNATURE);
		error = read_signature(reader, &jute);
	}
	ASSERT(!jute.error && jute_left(&jute) == 0);
	return error;
}

/* ---- the reader ---- */

void snapshot_reader_init(struct snapshot_reader *reader, size_t field_size_max,
			  const struct snapshot_handler *handler, void *data)
{
	ASSERT(field_size_max < INT32_MAX);
	*reader = (struct snapshot_reader){
		.state = SNAPSHOT_READER_SESSION_COUNT,
		.handler = handler,
		.data = data,
		.field_size_max = field_size_max,
	};
	map_init(&reader->acls);
}

void snapshot_reader_release(struct snapshot_reader *reader)
{
	snapshot_acls_release_map(&reader->acls);
}

/* Lists of no sessions, or of no ACLs, have no item. */
static void skip_empty(struct snapshot_reader *reader)
{
	if (reader->state == SNAPSHOT_READER_SESSIONS && reader->left == 0)
		reader->state = SNAPSHOT_READER_ACL_COUNT;
	if (reader->state == SNAPSHOT_READER_ACLS && reader->left == 0)
		reader->state = SNAPSHOT_READER_NODES;
}

static bool wants_more(const struct snapshot_reader *reader)
{
	return reader->state != SNAPSHOT_READER_DONE && reader->state != SNAPSHOT_READER_FAILED;
}

int snapshot_reader_feed(struct snapshot_reader *reader, struct bytes bytes, size_t *ret_consumed)
{
	const uint8_t *begin = bytes.size > 0 ? bytes.data : (const uint8_t *)"";
	struct scan scan = {
		.at = begin,
		.end = begin + bytes_size(bytes),
		.field_size_max = reader->field_size_max,
	};
	int error = reader->state == SNAPSHOT_READER_FAILED ? -EBADMSG : 0;

	*ret_consumed = 0;
	while (!error && wants_more(reader)) {
		scan.begin = scan.at;
		scan_item(&scan, reader);
		if (scan.is_bad)
			error = -EBADMSG;
		if (scan.is_short || scan.is_bad)
			break;
		error = read_item(reader, &scan);
		*ret_consumed = (size_t)(scan.at - begin);
		if (!error)
			skip_empty(reader);
	}
	if (error)
		reader->state = SNAPSHOT_READER_FAILED;
	return error;
}

size_t snapshot_reader_rest_size_max(const struct snapshot_reader *reader)
{
	return 2 * reader->field_size_max + SNAPSHOT_ITEM_HEAD_SIZE_MAX;
}

bool snapshot_reader_is_done(const struct snapshot_reader *reader)
{
	return reader->state == SNAPSHOT_READER_DONE;
}
