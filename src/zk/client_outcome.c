#include "src/zk/client_outcome.h"

#include <string.h>

#include "src/base/assert.h"
#include "src/zk/opcode.h"

/* ---- what a request is about ---- */

static bool read_set(struct jute_reader *reader, struct zk_subject *subject)
{
	struct zk_set_data_request record;

	zk_set_data_request_read(reader, &record);
	subject->path = record.path;
	subject->data = record.data;
	subject->version = record.version;
	return !reader->error;
}

/* Its name is the server's choice, so no look at the path tells anything. */
static bool is_sequential(int32_t flags)
{
	return flags == ZK_PERSISTENT_SEQUENTIAL || flags == ZK_EPHEMERAL_SEQUENTIAL ||
	       flags == ZK_PERSISTENT_SEQUENTIAL_WITH_TTL;
}

static bool read_create(struct jute_reader *reader, struct zk_subject *subject)
{
	struct zk_create_request record;

	zk_create_request_read(reader, &record);
	subject->path = record.path;
	subject->data = record.data;
	return !reader->error && !is_sequential(record.flags);
}

static bool read_path_version(struct jute_reader *reader, struct bytes *ret_path)
{
	struct zk_path_version_request record;

	zk_path_version_request_read(reader, &record);
	*ret_path = record.path;
	return !reader->error;
}

/* One operation of a rename: the first that makes or sets is the target, the last delete the
 * source. */
static bool read_rename_step(struct jute_reader *reader, int32_t opcode, struct zk_subject *subject)
{
	struct zk_subject step;
	struct bytes path;

	switch (opcode) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_SET_DATA:
		if (opcode == ZK_OP_SET_DATA ? !read_set(reader, &step)
					     : !read_create(reader, &step))
			return false;
		if (bytes_is_null(subject->path)) {
			subject->path = step.path;
			subject->data = step.data;
		}
		return true;
	case ZK_OP_DELETE:
		return read_path_version(reader, &subject->source);
	case ZK_OP_CHECK:
		return read_path_version(reader, &path);
	default:
		return false;
	}
}

static bool read_rename(struct jute_reader *reader, struct zk_subject *subject)
{
	struct zk_multi_header header;

	for (;;) {
		zk_multi_header_read(reader, &header);
		if (reader->error)
			return false;
		if (header.done)
			return !bytes_is_null(subject->path) && !bytes_is_null(subject->source);
		if (!read_rename_step(reader, header.type, subject))
			return false;
	}
}

static bool is_create(int32_t opcode)
{
	return opcode == ZK_OP_CREATE || opcode == ZK_OP_CREATE2 ||
	       opcode == ZK_OP_CREATE_CONTAINER || opcode == ZK_OP_CREATE_TTL;
}

static bool read_subject(int32_t opcode, struct jute_reader *reader, struct zk_subject *subject)
{
	switch (subject->intent) {
	case ZK_INTENT_SET:
	case ZK_INTENT_APPEND:
		return opcode == ZK_OP_SET_DATA && read_set(reader, subject);
	case ZK_INTENT_CREATE:
	case ZK_INTENT_CREATE_TRUNCATE:
	case ZK_INTENT_CREATE_EXCLUSIVE:
	case ZK_INTENT_CREATE_EPHEMERAL:
		return is_create(opcode) && read_create(reader, subject);
	case ZK_INTENT_DELETE:
		return opcode == ZK_OP_DELETE && read_path_version(reader, &subject->path);
	case ZK_INTENT_RENAME:
		return opcode == ZK_OP_MULTI && read_rename(reader, subject);
	case ZK_INTENT_NONE:
	case ZK_INTENT_AGAIN:
		return true;
	}
	return false;
}

void zk_subject_read(int32_t opcode, enum zk_intent intent, struct bytes record,
		     struct zk_subject *ret_subject)
{
	struct zk_subject subject = {
		.intent = intent, .path = BYTES_NULL, .source = BYTES_NULL, .data = BYTES_NULL};
	struct jute_reader reader;

	jute_reader_init(&reader, record.data, bytes_size(record), bytes_size(record));
	if (!read_subject(opcode, &reader, &subject))
		subject.intent = ZK_INTENT_NONE;
	*ret_subject = subject;
}

/* ---- what to look at ---- */

bool zk_intent_needs_probe(enum zk_intent intent)
{
	return intent != ZK_INTENT_NONE && intent != ZK_INTENT_AGAIN;
}

void zk_subject_probe(const struct zk_subject *subject, enum zk_probe_step step,
		      struct zk_request *ret_request)
{
	if (step == ZK_PROBE_TARGET) {
		zk_request_get_data(ret_request, subject->path, false);
		return;
	}
	switch (subject->intent) {
	case ZK_INTENT_SET:
	case ZK_INTENT_APPEND:
	case ZK_INTENT_CREATE:
	case ZK_INTENT_CREATE_TRUNCATE:
		zk_request_get_data(ret_request, subject->path, false);
		return;
	case ZK_INTENT_RENAME:
		zk_request_exists(ret_request, subject->source, false);
		return;
	default:
		zk_request_exists(ret_request, subject->path, false);
		return;
	}
}

bool zk_finding_read(int32_t opcode, struct jute_reader *body, struct zk_finding *ret_finding)
{
	struct zk_finding finding = {.absent = false, .data = BYTES_NULL};
	struct zk_get_data_response response;

	if (opcode == ZK_OP_GET_DATA) {
		zk_get_data_response_read(body, &response);
		finding.stat = response.stat;
		finding.data = response.data;
	} else {
		zk_stat_read(body, &finding.stat);
	}
	if (body->error)
		return false;
	*ret_finding = finding;
	return true;
}

/* ---- what it says ---- */

static bool begins_with(struct bytes value, struct bytes beginning)
{
	size_t size = bytes_size(beginning);

	return bytes_size(value) >= size &&
	       (size == 0 || !memcmp(value.data, beginning.data, size));
}

/* Versions are 32 bits and wrap. */
static int32_t version_distance(int32_t from, int32_t to)
{
	return (int32_t)((uint32_t)to - (uint32_t)from);
}

static enum zk_verdict judge_set(const struct zk_subject *subject, const struct zk_finding *finding)
{
	int32_t distance = version_distance(subject->version, finding->stat.version);
	bool appends = subject->intent == ZK_INTENT_APPEND;

	/* Removed, and perhaps made anew: its versions say nothing about ours. */
	if (finding->absent || finding->stat.czxid > subject->base)
		return ZK_VERDICT_UNKNOWN;
	if (distance == 0)
		return ZK_VERDICT_AGAIN;
	if (distance == 1 && bytes_equal(finding->data, subject->data))
		return ZK_VERDICT_DONE;
	if (appends && distance > 0 && begins_with(finding->data, subject->data))
		return ZK_VERDICT_DONE;
	/* The one set there was is somebody else's, so ours can only be refused. */
	return distance == 1 ? ZK_VERDICT_AGAIN : ZK_VERDICT_UNKNOWN;
}

static enum zk_verdict judge_create(const struct zk_subject *subject,
				    const struct zk_finding *finding)
{
	/* Older than the request: it can only be refused with NODEEXISTS. */
	if (finding->absent || finding->stat.czxid <= subject->base)
		return ZK_VERDICT_AGAIN;
	if (finding->stat.version == 0 && bytes_equal(finding->data, subject->data))
		return ZK_VERDICT_DONE;
	return subject->intent == ZK_INTENT_CREATE_TRUNCATE ? ZK_VERDICT_EXISTS
							    : ZK_VERDICT_UNKNOWN;
}

/* Two who both believe to have made it would be worse than one who doesn't know. */
static enum zk_verdict judge_create_exclusive(const struct zk_subject *subject,
					      const struct zk_finding *finding)
{
	if (finding->absent || finding->stat.czxid <= subject->base)
		return ZK_VERDICT_AGAIN;
	return ZK_VERDICT_UNKNOWN;
}

static enum zk_verdict judge_create_ephemeral(const struct zk_subject *subject,
					      const struct zk_finding *finding)
{
	bool ours = !finding->absent && finding->stat.czxid > subject->base &&
		    finding->stat.ephemeral_owner == subject->session_id;

	return ours ? ZK_VERDICT_DONE : ZK_VERDICT_AGAIN;
}

static enum zk_verdict judge_delete(const struct zk_subject *subject,
				    const struct zk_finding *finding)
{
	if (finding->absent)
		return ZK_VERDICT_DONE;
	/* One that is newer is somebody else's: never delete it in place of the old one. */
	return finding->stat.czxid <= subject->base ? ZK_VERDICT_AGAIN : ZK_VERDICT_UNKNOWN;
}

static enum zk_verdict judge_rename(const struct zk_subject *subject, enum zk_probe_step step,
				    const struct zk_finding *finding)
{
	if (step == ZK_PROBE_FIRST) {
		if (finding->absent)
			return ZK_VERDICT_LOOK_AT_TARGET;
		return finding->stat.czxid <= subject->base ? ZK_VERDICT_AGAIN : ZK_VERDICT_UNKNOWN;
	}
	if (!finding->absent && finding->stat.mzxid > subject->base &&
	    bytes_equal(finding->data, subject->data))
		return ZK_VERDICT_DONE;
	return ZK_VERDICT_UNKNOWN;
}

enum zk_verdict zk_subject_judge(const struct zk_subject *subject, enum zk_probe_step step,
				 const struct zk_finding *finding)
{
	switch (subject->intent) {
	case ZK_INTENT_SET:
	case ZK_INTENT_APPEND:
		return judge_set(subject, finding);
	case ZK_INTENT_CREATE:
	case ZK_INTENT_CREATE_TRUNCATE:
		return judge_create(subject, finding);
	case ZK_INTENT_CREATE_EXCLUSIVE:
		return judge_create_exclusive(subject, finding);
	case ZK_INTENT_CREATE_EPHEMERAL:
		return judge_create_ephemeral(subject, finding);
	case ZK_INTENT_DELETE:
		return judge_delete(subject, finding);
	case ZK_INTENT_RENAME:
		return judge_rename(subject, step, finding);
	case ZK_INTENT_NONE:
	case ZK_INTENT_AGAIN:
		break;
	}
	return ZK_VERDICT_UNKNOWN;
}

zxid_t zk_subject_own_zxid(const struct zk_subject *subject, const struct zk_finding *finding)
{
	if (finding->absent)
		return 0;
	switch (subject->intent) {
	case ZK_INTENT_CREATE:
	case ZK_INTENT_CREATE_TRUNCATE:
	case ZK_INTENT_CREATE_EPHEMERAL:
		return finding->stat.czxid;
	case ZK_INTENT_SET:
	case ZK_INTENT_APPEND:
		return version_distance(subject->version, finding->stat.version) == 1
			       ? finding->stat.mzxid
			       : 0;
	default:
		return 0;
	}
}
