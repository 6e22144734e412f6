#include "fs/dir.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fs/file.h"
#include "fs/name.h"
#include "fs/place.h"
#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/code.h"
#include "src/zk/path.h"

enum {
	/* So many entries are answered at a time, whatever room the kernel has. */
	DIR_WINDOW_MAX = 512,
	/* Stats are asked for so many entries ahead of the reader, where not too much waits. */
	DIR_AHEAD_MAX = 512,
	DIR_AHEAD_PENDING_MAX = ZK_CLIENT_FLIGHT_MAX,
	/* The smallest entry that the kernel is given: its header, and a name padded to 8 bytes. */
	DIR_ENTRY_SIZE_MIN = 32,
	/* "." and ".." come first. */
	DIR_DOTS = 2,
};

enum entry_state { ENTRY_UNKNOWN, ENTRY_ASKED, ENTRY_KNOWN, ENTRY_GONE };

struct entry {
	char *shown;
	char *path; /* of the znode; NULL where type and inode are known from the beginning */
	enum entry_state state;
	mode_t type;
	uint64_t ino;
};

/* A READDIR that waits for the types of the entries it will return. */
struct reader {
	struct list link;
	struct request *request;
	size_t size;
	off_t offset;
	size_t at;  /* the first entry that may still be unknown */
	size_t end; /* more than this don't fit */
};

struct stream {
	struct fs *fs;
	struct node *dir;
	struct entry *entries;
	size_t count;
	size_t capacity;
	size_t asked; /* entries before this one are asked for, or known */
	size_t asking;
	unsigned generation; /* of the snapshot */
	int error;           /* of a question: the next READDIR tells */
	bool was_read;
	bool released;
	bool answering;
	struct list readers;
};

/* What a question about one entry leads back to. */
struct question {
	struct stream *stream;
	size_t index;
	unsigned generation;
};

static struct stream *stream_of(const struct fuse_file_info *fi)
{
	return (struct stream *)(uintptr_t)fi->fh;
}

static void drop_entries(struct stream *stream)
{
	for (size_t i = 0; i < stream->count; i++) {
		free(stream->entries[i].shown);
		free(stream->entries[i].path);
	}
	stream->count = 0;
	stream->asked = 0;
	stream->error = 0;
	stream->generation++;
}

static void free_if_unused(struct stream *stream)
{
	if (!stream->released || stream->asking > 0 || !list_is_empty(&stream->readers))
		return;
	drop_entries(stream);
	free(stream->entries);
	node_drop(stream->fs, stream->dir);
	free(stream);
}

static struct entry *add_entry(struct stream *stream, const char *shown)
{
	struct entry *entry;

	if (stream->count == stream->capacity) {
		stream->capacity = stream->capacity ? 2 * stream->capacity : 64;
		stream->entries =
			mem_realloc(stream->entries, stream->capacity * sizeof(*stream->entries));
	}
	entry = &stream->entries[stream->count++];
	*entry = (struct entry){.shown = mem_strdup(shown)};
	return entry;
}

static void add_known(struct stream *stream, const char *shown, mode_t type, uint64_t ino)
{
	struct entry *entry = add_entry(stream, shown);

	entry->state = ENTRY_KNOWN;
	entry->type = type;
	entry->ino = ino;
}

/* ---- the snapshot ---- */

static uint64_t ino_of_kind(const struct stream *stream, enum node_kind kind)
{
	struct bytes path = bytes_of_text(stream->dir->path);
	const struct node *node = node_of_key(stream->fs, kind, path, NULL);

	return node ? node->ino : node_ino(kind, path, 0);
}

static void take_dots(struct stream *stream)
{
	const struct node *dir = stream->dir;
	const struct node *parent = dir;

	if (!node_is_root(dir) && dir->kind == NODE_DIR)
		parent = node_of_path(stream->fs, zk_path_parent(bytes_of_text(dir->path)));
	add_known(stream, ".", S_IFDIR, node_is_root(dir) ? FUSE_ROOT_ID : dir->ino);
	add_known(stream, "..", S_IFDIR,
		  !parent || node_is_root(parent) ? FUSE_ROOT_ID : parent->ino);
}

static void take_unborn(struct stream *stream)
{
	char shown[NAME_SIZE_MAX + 1];

	for (struct node *node = file_unborn_first(stream->dir); node;
	     node = file_unborn_next(stream->dir, node)) {
		if (!node->attached || node->kind != NODE_FILE)
			continue;
		place_shown_name(stream->fs, bytes_of_text(node->path), shown);
		add_known(stream, shown, S_IFREG, node->ino);
	}
}

static bool is_unborn(const struct fs *fs, struct bytes path)
{
	const struct node *node = node_of_path(fs, path);

	return node && node->kind == NODE_FILE && file_is_unborn(node);
}

static void take_children(struct stream *stream, const struct znode *znode)
{
	struct bytes dir_path = bytes_of_text(stream->dir->path);
	bool in_root = node_is_root(stream->dir);
	char shown[NAME_SIZE_MAX + 1];
	struct bytes name;
	char *path;

	for (size_t at = 0; jute_strings_next(&znode->children, &at, &name);) {
		if (name_is_contender(name))
			continue;
		path = zk_path_join(dir_path, name);
		if (is_unborn(stream->fs, bytes_of_text(path))) {
			free(path); /* another made it too: it is listed already */
			continue;
		}
		name_show(name, in_root, shown);
		add_entry(stream, shown)->path = path;
	}
}

static void take_znode(struct stream *stream, const struct znode *znode)
{
	drop_entries(stream);
	take_dots(stream);
	if (znode->stat.data_length > 0)
		add_known(stream, ".data", S_IFREG, ino_of_kind(stream, NODE_DATA));
	take_unborn(stream);
	take_children(stream, znode);
}

static void take_virtual(struct stream *stream)
{
	drop_entries(stream);
	take_dots(stream);
	if (stream->dir->kind == NODE_ZKFS) {
		add_known(stream, "events", S_IFREG, ino_of_kind(stream, NODE_EVENTS));
		add_known(stream, "status", S_IFREG, ino_of_kind(stream, NODE_STATUS));
	}
}

/* ---- opendir ---- */

struct opening {
	struct request *request;
	struct stream *stream;
	struct fuse_file_info fi;
};

static struct stream *stream_new(struct fs *fs, struct node *dir)
{
	struct stream *stream = mem_zalloc(sizeof(*stream));

	stream->fs = fs;
	stream->dir = dir;
	node_hold(dir);
	list_init(&stream->readers);
	return stream;
}

static void stream_release(struct stream *stream)
{
	stream->released = true;
	free_if_unused(stream);
}

static void give_stream(struct request *request, struct stream *stream, struct fuse_file_info *fi)
{
	fi->fh = (uintptr_t)stream;
	if (!request_reply_open(request, fi))
		stream_release(stream);
}

static void on_opened(void *data, int32_t code, int error, struct znode *znode)
{
	struct opening *opening = data;
	struct request *request = opening->request;
	struct stream *stream = opening->stream;

	if (error) {
		request_reply_error(request, error);
		stream_release(stream);
	} else {
		take_znode(stream, znode);
		give_stream(request, stream, &opening->fi);
	}
	request_drop(request);
	free(opening);
}

void dir_open(struct request *request, struct node *dir, struct fuse_file_info *fi)
{
	struct stream *stream;
	struct opening *opening;

	if (!dir->attached) {
		request_reply_error(request, ESTALE);
		return;
	}
	stream = stream_new(request->fs, dir);
	if (dir->kind != NODE_DIR) {
		take_virtual(stream);
		give_stream(request, stream, fi);
		return;
	}
	opening = mem_alloc(sizeof(*opening));
	*opening = (struct opening){.request = request, .stream = stream, .fi = *fi};
	request_hold(request);
	znode_get(request->fs, bytes_of_text(dir->path), ZNODE_CHILDREN, on_opened, opening);
}

void dir_release(struct request *request, struct fuse_file_info *fi)
{
	stream_release(stream_of(fi));
	request_reply_error(request, 0);
}

/* ---- types ---- */

static void answer_readers(struct stream *stream);

static void settle_entry(struct stream *stream, struct entry *entry, int32_t code, int error,
			 const struct znode *znode)
{
	struct bytes path = bytes_of_text(entry->path);
	const struct node *node = node_of_path(stream->fs, path);
	enum node_kind kind;

	if (code == ZK_NONODE) {
		entry->state = ENTRY_GONE;
		return;
	}
	entry->state = ENTRY_KNOWN;
	if (error == EACCES) {
		/* No type to d_type: whoever wants more is told by stat. */
		entry->ino = node_ino(NODE_FILE, path, 0);
		return;
	}
	if (error) {
		stream->error = error;
		return;
	}
	/* A directory stays one until the kernel has forgotten it: see namespace_node. */
	if (node && node->czxid == znode->stat.czxid && node->kind == NODE_DIR)
		kind = NODE_DIR;
	else
		kind = znode_is_shown_as_dir(znode) ? NODE_DIR : NODE_FILE;
	entry->type = kind == NODE_DIR ? S_IFDIR : S_IFREG;
	if (node && node->kind == kind && (node->czxid == znode->stat.czxid || node->czxid == 0))
		entry->ino = node->ino;
	else
		entry->ino = node_ino(kind, path, znode->stat.czxid);
}

static void on_entry(void *data, int32_t code, int error, struct znode *znode)
{
	struct question *question = data;
	struct stream *stream = question->stream;

	if (question->generation == stream->generation)
		settle_entry(stream, &stream->entries[question->index], code, error, znode);
	free(question);
	stream->asking--;
	answer_readers(stream);
}

/* Ask for all entries before end, and beyond it for as many as keep the server busy. */
static void ask_until(struct stream *stream, size_t end)
{
	size_t pending = zk_client_pending(client_session(stream->fs->client));
	size_t last = pending < DIR_AHEAD_PENDING_MAX ? end + DIR_AHEAD_MAX : end;

	while (stream->asked < last && stream->asked < stream->count) {
		struct entry *entry = &stream->entries[stream->asked++];
		struct question *question;

		if (entry->state != ENTRY_UNKNOWN)
			continue;
		entry->state = ENTRY_ASKED;
		question = mem_alloc(sizeof(*question));
		*question = (struct question){stream, stream->asked - 1, stream->generation};
		stream->asking++;
		znode_get_shown(stream->fs, bytes_of_text(entry->path), on_entry, question);
	}
}

/* ---- readdir ---- */

static void reader_free(struct reader *reader)
{
	list_remove(&reader->link);
	request_drop(reader->request);
	free(reader);
}

static void answer_reader(struct stream *stream, struct reader *reader)
{
	struct request *request = reader->request;
	char *buf = mem_alloc(reader->size);
	size_t used = 0;

	for (size_t i = (size_t)reader->offset; i < reader->end && !request->answered; i++) {
		const struct entry *entry = &stream->entries[i];
		struct stat stat = {.st_ino = entry->ino, .st_mode = entry->type};
		size_t size;

		if (entry->state == ENTRY_GONE)
			continue;
		ASSERT(entry->state == ENTRY_KNOWN);
		size = fuse_add_direntry(request->fuse, buf + used, reader->size - used,
					 entry->shown, &stat, (off_t)i + 1);
		if (size > reader->size - used)
			break;
		used += size;
	}
	request_reply_data(request, buf, used);
	free(buf);
}

/* Are the types known of all that is to be answered? For what has gone, as much more is looked at.
 */
static bool is_ready(struct stream *stream, struct reader *reader)
{
	if (reader->end > stream->count)
		reader->end = stream->count;
	while (reader->at < reader->end) {
		enum entry_state state = stream->entries[reader->at].state;

		if (state != ENTRY_KNOWN && state != ENTRY_GONE)
			return false;
		reader->at++;
		/* An answer without any entry would end the listing. */
		if (state == ENTRY_GONE && reader->end < stream->count)
			reader->end++;
	}
	return true;
}

/* False: it waits for an answer of the server. */
static bool serve_reader(struct stream *stream, struct reader *reader)
{
	size_t end;

	do {
		end = reader->end;
		ask_until(stream, end);
		if (stream->error) {
			request_reply_error(reader->request, stream->error);
			stream->error = 0;
			return true;
		}
		if (is_ready(stream, reader)) {
			answer_reader(stream, reader);
			return true;
		}
	} while (reader->end > end);
	return false;
}

static void answer_readers(struct stream *stream)
{
	/* A question that is answered at once comes back here from within ask_until. */
	if (stream->answering)
		return;
	stream->answering = true;
	list_for_each_safe (&stream->readers, at) {
		struct reader *reader = list_item(at, struct reader, link);

		if (serve_reader(stream, reader))
			reader_free(reader);
	}
	stream->answering = false;
	free_if_unused(stream);
}

static void begin_reading(struct stream *stream, struct request *request, size_t size, off_t offset)
{
	struct reader *reader = mem_zalloc(sizeof(*reader));
	size_t begin = (size_t)offset < stream->count ? (size_t)offset : stream->count;
	size_t room = size / DIR_ENTRY_SIZE_MIN + 1;

	if (room > DIR_WINDOW_MAX)
		room = DIR_WINDOW_MAX;
	reader->request = request;
	reader->size = size;
	reader->offset = (off_t)begin;
	reader->at = begin;
	reader->end = stream->count - begin < room ? stream->count : begin + room;
	list_init(&reader->link);
	request_hold(request);
	list_append(&stream->readers, &reader->link);
	stream->was_read = true;
	answer_readers(stream);
}

struct rewinding {
	struct stream *stream;
	struct request *request;
	size_t size;
};

static void on_rewound(void *data, int32_t code, int error, struct znode *znode)
{
	struct rewinding *rewinding = data;
	struct stream *stream = rewinding->stream;
	struct request *request = rewinding->request;

	if (error) {
		request_reply_error(request, error);
	} else {
		take_znode(stream, znode);
		begin_reading(stream, request, rewinding->size, 0);
	}
	stream->asking--;
	request_drop(request);
	free(rewinding);
	free_if_unused(stream);
}

void dir_read(struct request *request, struct fuse_file_info *fi, size_t size, off_t offset)
{
	struct stream *stream = stream_of(fi);
	struct rewinding *rewinding;

	if (offset > 0 || !stream->was_read || stream->dir->kind != NODE_DIR) {
		begin_reading(stream, request, size, offset);
		return;
	}
	rewinding = mem_alloc(sizeof(*rewinding));
	*rewinding = (struct rewinding){stream, request, size};
	request_hold(request);
	stream->asking++;
	znode_get(stream->fs, bytes_of_text(stream->dir->path), ZNODE_CHILDREN, on_rewound,
		  rewinding);
}

/* ---- sync ---- */

static void on_synced(struct request *request, const struct zk_reply *reply, void *data)
{
	request_reply_error(request, request_errno(reply));
}

void dir_sync(struct request *request, struct node *dir)
{
	struct zk_request zk_request;

	if (dir->kind != NODE_DIR) {
		request_reply_error(request, 0);
		return;
	}
	/* Every event of what the leader had done comes before the reply. */
	zk_request_sync(&zk_request, bytes_of_text(dir->path));
	request_submit(request, &zk_request, on_synced, NULL);
}
