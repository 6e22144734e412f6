#include "replica/tree/txn-text.h"

#include <inttypes.h>

#include "src/base/assert.h"
#include "src/zk/code.h"

static bool is_printable(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void format_quoted(struct buf *buf, struct bytes bytes, size_t size_max)
{
	const uint8_t *at = bytes.data;
	size_t size = bytes_size(bytes) < size_max ? bytes_size(bytes) : size_max;

	if (bytes_is_null(bytes)) {
		buf_append_text(buf, "null");
		return;
	}
	buf_append(buf, "\"", 1);
	for (size_t i = 0; i < size; i++) {
		if (is_printable(at[i]))
			buf_append(buf, &at[i], 1);
		else
			buf_printf(buf, "\\x%02x", at[i]);
	}
	buf_append_text(buf, size < bytes_size(bytes) ? "\"..." : "\"");
}

static void format_path(struct buf *buf, struct bytes path)
{
	buf_append(buf, " ", 1);
	format_quoted(buf, path, SIZE_MAX);
}

static void format_data(struct buf *buf, struct bytes data)
{
	if (!bytes_is_null(data))
		buf_printf(buf, " %" PRId32 " bytes", data.size);
	buf_append(buf, " ", 1);
	format_quoted(buf, data, TXN_TEXT_DATA_MAX);
}

/* Ids are a client's choice of bytes, so the list is quoted like a value. */
static void format_acls(struct buf *buf, const struct zk_acls *acls)
{
	struct buf text;

	buf_init(&text, buf->size_max);
	zk_acls_format(&text, acls);
	buf_append_text(buf, " acl ");
	format_quoted(buf, buf_bytes(&text), SIZE_MAX);
	buf_release(&text);
}

static void format_create(struct buf *buf, int32_t type, const struct txn_create *create)
{
	format_path(buf, create->path);
	format_data(buf, create->data);
	format_acls(buf, &create->acls);
	if (create->ephemeral)
		buf_append_text(buf, " ephemeral");
	if (type == ZK_OP_CREATE_TTL)
		buf_printf(buf, " ttl %" PRId64 " ms", create->ttl_ms);
	buf_printf(buf, " parentCVersion %" PRId32, create->parent_cversion);
}

static void format_close_session(struct buf *buf, const struct txn_close_session *close)
{
	struct bytes path;

	if (!close->has_paths)
		buf_append_text(buf, " without paths");
	for (size_t at = 0; jute_strings_next(&close->paths, &at, &path);)
		format_path(buf, path);
}

static void format_record(struct buf *buf, const struct txn_record *record);

static void format_multi(struct buf *buf, const struct txn_multi *multi)
{
	struct txn_record record;

	buf_printf(buf, " of %" PRId32, multi->count);
	for (size_t at = 0; txn_multi_next(multi, &at, &record);) {
		buf_append_text(buf, " [");
		format_record(buf, &record);
		buf_append_text(buf, "]");
	}
}

static void format_record(struct buf *buf, const struct txn_record *record)
{
	buf_append_text(buf, zk_opcode_name(record->type));
	switch (record->type) {
	case ZK_OP_CREATE:
	case ZK_OP_CREATE2:
	case ZK_OP_CREATE_CONTAINER:
	case ZK_OP_CREATE_TTL:
		format_create(buf, record->type, &record->create);
		break;
	case ZK_OP_DELETE:
	case ZK_OP_DELETE_CONTAINER:
		format_path(buf, record->delete.path);
		break;
	case ZK_OP_SET_DATA:
	case ZK_OP_RECONFIG:
		format_path(buf, record->set_data.path);
		format_data(buf, record->set_data.data);
		buf_printf(buf, " version %" PRId32, record->set_data.version);
		break;
	case ZK_OP_SET_ACL:
		format_path(buf, record->set_acl.path);
		format_acls(buf, &record->set_acl.acls);
		buf_printf(buf, " version %" PRId32, record->set_acl.version);
		break;
	case ZK_OP_CHECK:
		format_path(buf, record->check.path);
		buf_printf(buf, " version %" PRId32, record->check.version);
		break;
	case ZK_OP_MULTI:
		format_multi(buf, &record->multi);
		break;
	case ZK_OP_CREATE_SESSION:
		buf_printf(buf, " timeout %" PRId32 " ms", record->create_session.timeout_ms);
		break;
	case ZK_OP_CLOSE_SESSION:
		format_close_session(buf, &record->close_session);
		break;
	case ZK_OP_ERROR:
		buf_printf(buf, " %" PRId32 " %s", record->error.err,
			   zk_code_name(record->error.err));
		break;
	default:
		ASSERT(!"a type of transaction");
	}
}

/*
 * The civil date of a count of days since 1970-01-01 (Howard Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms", civil_from_days): years begin
 * in March there, so that the leap day is the last of its year.
 */
static void format_date(struct buf *buf, int64_t days)
{
	int64_t since_era_0 = days + 719468;
	int64_t era = (since_era_0 >= 0 ? since_era_0 : since_era_0 - 146096) / 146097;
	int64_t day_of_era = since_era_0 - era * 146097;
	int64_t year_of_era =
		(day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;
	int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
	int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
	int64_t year = year_of_era + era * 400 + (month <= 2);

	buf_printf(buf, "%04" PRId64 "-%02" PRId64 "-%02" PRId64, year, month, day);
}

enum { DAY_MS = 86400000 };

/* UTC. No call of libc's: this folder knows no time zone. */
static void format_time(struct buf *buf, msec_t time)
{
	int64_t rest = time % DAY_MS;
	int64_t days = time / DAY_MS - (rest < 0);
	int64_t ms = rest < 0 ? rest + DAY_MS : rest;

	format_date(buf, days);
	buf_printf(buf, "T%02" PRId64 ":%02" PRId64 ":%02" PRId64 ".%03" PRId64 "Z", ms / 3600000,
		   ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
}

void txn_format(struct buf *buf, const struct txn *txn)
{
	buf_printf(buf, "0x%" PRIx64 " ", (uint64_t)txn->header.zxid);
	format_time(buf, txn->header.time);
	buf_printf(buf, " session 0x%" PRIx64 " cxid %" PRId32 " ",
		   (uint64_t)txn->header.session_id, txn->header.cxid);
	format_record(buf, &txn->record);
	if (txn->has_digest)
		buf_printf(buf, " digest 0x%" PRIx64, (uint64_t)txn->digest.tree_digest);
}
