#ifndef TREE_SNAPSHOT_H
#define TREE_SNAPSHOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "replica/tree/tree.h"
#include "src/base/buf.h"
#include "src/base/bytes.h"
#include "src/base/map.h"
#include "src/zk/acl.h"
#include "src/zk/zxid.h"

/*
 * The stream that follows SNAP on a quorum connection: a tree, without its
 * zxid, which SNAP itself tells (spec/txn-formats.md 9.3).
 *
 *	int count		count times	long session id, int timeout in ms
 *	int count		count times	long ACL id, vector<ACL>
 *	nodes			each		ustring path, DataNode; parents first
 *	ustring "/"
 *	ustring "BenWasHere"
 *
 *	DataNode	buffer data, long ACL id, long czxid, mzxid, ctime, mtime,
 *			int version, cversion, aversion, long ephemeral owner, pzxid
 *
 * The root's path is "" there and "/" in a struct tree_row. ACL id -1 is the
 * open list, null in a row, and needs no entry. Both directions go piece by
 * piece: neither the stream nor the tree is ever in memory as a whole.
 */

/* ---- writing ---- */

/*
 * The lists come before the nodes that have them, so the tree is gone over
 * twice, and must be the same both times:
 *
 *	snapshot_writer_init(&writer)
 *	for each row			snapshot_writer_note_acls(&writer, &row.acls)
 *	snapshot_writer_begin(&writer, buf, session_count)
 *	for each session		snapshot_writer_session(&writer, buf, id, timeout_ms)
 *	while (snapshot_writer_acls(&writer, buf))
 *	for each row			snapshot_writer_row(&writer, buf, &row)
 *	snapshot_writer_end(&writer, buf)
 *	snapshot_writer_release(&writer)
 *
 * Each call appends one piece to buf, which the caller sends and empties
 * whenever it likes; what doesn't fit is buf's error. What stays in memory is
 * each distinct ACL list, once. Another order of calls, or a list that was not
 * noted, is a bug.
 */
struct snapshot_writer {
	enum {
		SNAPSHOT_WRITER_NOTING,
		SNAPSHOT_WRITER_SESSIONS,
		SNAPSHOT_WRITER_ACLS,
		SNAPSHOT_WRITER_NODES,
		SNAPSHOT_WRITER_DONE,
	} state;
	struct map acls; /* struct snapshot_acls by their encoded form; ids in order */
	const struct map_entry *acls_at;
	int32_t sessions_left;
};

void snapshot_writer_init(struct snapshot_writer *writer);
void snapshot_writer_release(struct snapshot_writer *writer);

/* The same list may be noted again. */
void snapshot_writer_note_acls(struct snapshot_writer *writer, const struct zk_acls *acls);

void snapshot_writer_begin(struct snapshot_writer *writer, struct buf *buf, int32_t session_count);
void snapshot_writer_session(struct snapshot_writer *writer, struct buf *buf, session_id_t id,
			     int32_t timeout_ms);
/* One list a call; false once none is left. */
bool snapshot_writer_acls(struct snapshot_writer *writer, struct buf *buf);
void snapshot_writer_row(struct snapshot_writer *writer, struct buf *buf,
			 const struct tree_row *row);
void snapshot_writer_end(struct snapshot_writer *writer, struct buf *buf);

/* ---- reading ---- */

enum {
	SNAPSHOT_SESSION_COUNT_MAX = 1 << 24,
	SNAPSHOT_NODE_COUNT_MAX = INT32_MAX,
	/* Of all ACL lists, with what keeping one takes; they are in memory until the end. */
	SNAPSHOT_ACLS_SIZE_MAX = 256 << 20,
	/* What a session, a list or a node takes besides its fields of variable size. */
	SNAPSHOT_ITEM_HEAD_SIZE_MAX = 128,
};

/* Spans are valid during the call. A callback returns 0, or a negative errno that ends it all. */
struct snapshot_handler {
	int (*session)(session_id_t id, int32_t timeout_ms, void *data);
	int (*row)(const struct tree_row *row, void *data);
};

/*
 * Fed with the bytes of a connection as they come; calls back for every session,
 * then every row, each as soon as it is there in whole. As tolerant as Java
 * (DataTree.deserialize): null data, ephemerals of sessions that the stream
 * does not have, siblings in any order, a list that no node has, an id given
 * twice (the later list counts). Whether a path has a place in a tree is for
 * tree_load_row to say.
 *
 * A stream that was written while transactions went on can have a node whose
 * list is missing; the transaction that created it follows and sets it
 * (ZOOKEEPER-3306). Until then that node has a list that allows nobody
 * anything.
 */
struct snapshot_reader {
	enum {
		SNAPSHOT_READER_SESSION_COUNT,
		SNAPSHOT_READER_SESSIONS,
		SNAPSHOT_READER_ACL_COUNT,
		SNAPSHOT_READER_ACLS,
		SNAPSHOT_READER_NODES,
		SNAPSHOT_READER_SIGNATURE,
		SNAPSHOT_READER_DONE,
		SNAPSHOT_READER_FAILED,
	} state;
	const struct snapshot_handler *handler;
	void *data;
	size_t field_size_max;
	int32_t left; /* sessions or lists still to come */
	int32_t node_count;
	struct map acls; /* struct snapshot_acls by id */
	size_t acls_size;
};

/*
 * field_size_max bounds a path, a node's data, and an ACL list as a whole
 * (jute.maxbuffer and what ZooKeeper allows beyond it). handler must live as
 * long as the reader.
 */
void snapshot_reader_init(struct snapshot_reader *reader, size_t field_size_max,
			  const struct snapshot_handler *handler, void *data);
void snapshot_reader_release(struct snapshot_reader *reader);

/*
 * Takes what is whole at the beginning of bytes, and tells how much that was,
 * also when it fails: the caller keeps the rest, and gives it again with more
 * behind it. The rest is always shorter than snapshot_reader_rest_size_max.
 * Behind "BenWasHere" nothing is taken any more.
 *
 * 0, -EBADMSG for what is no such stream (a field that is too long, as soon as
 * its length is there), or what a callback returned. After an error it fails
 * with -EBADMSG for ever.
 */
int snapshot_reader_feed(struct snapshot_reader *reader, struct bytes bytes, size_t *ret_consumed);
size_t snapshot_reader_rest_size_max(const struct snapshot_reader *reader);

/* The stream was read to its very end. */
bool snapshot_reader_is_done(const struct snapshot_reader *reader);

#endif
