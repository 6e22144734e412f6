#include "fs/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "fs/change.h"
#include "fs/file.h"
#include "fs/fs.h"
#include "fs/inject.h"
#include "fs/inval.h"
#include "fs/mountpoint.h"
#include "fs/ops.h"
#include "fs/request.h"
#include "fs/virtual.h"
#include "src/base/assert.h"
#include "src/base/log.h"
#include "src/base/mem.h"
#include "src/client/client.h"
#include "src/zk/code.h"

enum {
	/* A node of an ensemble may be the first that is started, and waits for the others. */
	QUORUM_TIMEOUT_MS = 60000,
	/* Largest write(2) that the kernel passes on in one piece, and st_blksize. */
	MOUNT_WRITE_SIZE_MAX = 1 << 20,
	/* Requests taken from the kernel before other events of the loop get their turn. */
	MOUNT_BATCH_MAX = 64,
};

enum phase {
	PHASE_CONNECTING,
	PHASE_PREPARING,
	PHASE_MOUNTED,
	PHASE_READY,
	PHASE_CLOSING, /* committing, then closing the session */
	PHASE_ENDED,
};

struct mount {
	struct fs fs;
	const struct mount_parts *parts;
	struct loop loop;
	struct zk_servers servers;
	enum phase phase;
	int status;
	bool init_answered;
	struct fuse_buf fuse_buf;
	uv_poll_t fuse_poll;
	uv_timer_t deadline; /* of connecting, then of closing */
	uv_signal_t signals[3];
	uv_poll_t replica_messages;
	struct buf replica_line;
	bool has_fuse_poll;
	bool has_replica_messages;
};

static void begin_closing(struct mount *mount);

/* ---- failing before it is ready ---- */

/* Takes the sentence. Only the first one counts. */
static void fail(struct mount *mount, int status, char *sentence)
{
	if (mount->phase < PHASE_READY && mount->status == FS_EXIT_OK)
		mount->status = report_failure(mount->parts->report, status, sentence);
	free(sentence);
	begin_closing(mount);
}

/* ---- the kernel's side ---- */

/*
 * libfuse 3.14.0 forgets to pass FUSE_PARALLEL_DIROPS on to the kernel, and
 * without it a second LOOKUP in a directory waits for the first one,
 * uninterruptibly. So the flag is added to the INIT reply, the first thing
 * that is ever written:
 *
 *	len:4 error:4 unique:8 | major:4 minor:4 max_readahead:4 flags:4 ...
 */
enum { INIT_FLAGS_OFFSET = 12, INIT_REPLY_SIZE_MIN = 16, INIT_PARALLEL_DIROPS = 0x40000 };

static ssize_t write_init(struct mount *mount, int fd, const struct iovec *iov)
{
	uint8_t *body = mem_dup(iov[1].iov_base, iov[1].iov_len);
	struct iovec patched[2] = {iov[0], {.iov_base = body, .iov_len = iov[1].iov_len}};
	uint32_t flags;
	ssize_t written;

	memcpy(&flags, body + INIT_FLAGS_OFFSET, sizeof(flags));
	flags |= INIT_PARALLEL_DIROPS;
	memcpy(body + INIT_FLAGS_OFFSET, &flags, sizeof(flags));
	written = writev(fd, patched, 2);
	free(body);
	mount->init_answered = true;
	return written;
}

static ssize_t write_to_kernel(int fd, struct iovec *iov, int count, void *data)
{
	struct mount *mount = data;

	if (!mount->init_answered && count == 2 && iov[1].iov_len >= INIT_REPLY_SIZE_MIN)
		return write_init(mount, fd, iov);
	return writev(fd, iov, count);
}

static ssize_t read_from_kernel(int fd, void *buf, size_t size, void *data)
{
	return read(fd, buf, size);
}

static void on_init(void *data, struct fuse_conn_info *connection)
{
	connection->max_write = MOUNT_WRITE_SIZE_MAX;
	connection->time_gran = 1000000; /* ZooKeeper's times are milliseconds */
	connection->want &= ~(unsigned)(FUSE_CAP_SPLICE_READ | FUSE_CAP_SPLICE_WRITE |
					FUSE_CAP_SPLICE_MOVE | FUSE_CAP_READDIRPLUS |
					FUSE_CAP_READDIRPLUS_AUTO | FUSE_CAP_WRITEBACK_CACHE);
	connection->want |= connection->capable & (FUSE_CAP_ATOMIC_O_TRUNC | FUSE_CAP_ASYNC_READ |
						   FUSE_CAP_FLOCK_LOCKS | FUSE_CAP_POSIX_LOCKS);
}

static void on_attached(void *data)
{
	struct mount *mount = data;

	report_ready(mount->parts->report);
	log_info("mount", "%s is mounted at %s, session 0x%llx at %s",
		 mount->parts->options->source, mount->parts->options->dir,
		 (unsigned long long)zk_client_session_id(client_session(mount->fs.client)),
		 client_server(mount->fs.client));
}

static void announce(struct mount *mount)
{
	mount->phase = PHASE_READY;
	uv_timer_stop(&mount->deadline);
	inject_attach(&mount->fs, mount->parts->notifier, mount->parts->options->dir, on_attached,
		      mount);
}

static void on_fuse_readable(uv_poll_t *poll, int status, int events)
{
	struct mount *mount = poll->data;
	struct fuse_session *fuse = mount->fs.fuse;

	for (int i = 0; i < MOUNT_BATCH_MAX && !fuse_session_exited(fuse); i++) {
		int size = fuse_session_receive_buf(fuse, &mount->fuse_buf);

		if (size == -EINTR)
			continue;
		if (size == -EAGAIN)
			break;
		if (size <= 0) {
			fuse_session_exit(fuse);
			break;
		}
		fuse_session_process_buf(fuse, &mount->fuse_buf);
	}
	if (mount->phase == PHASE_MOUNTED && mount->init_answered)
		announce(mount);
	if (fuse_session_exited(fuse)) {
		uv_poll_stop(&mount->fuse_poll);
		begin_closing(mount);
	}
}

/* libfuse takes its mount options as text; a comma within one is written "\,". */
static char *fuse_option_text(const struct fs_options *options)
{
	struct buf text;
	char *result;

	buf_init(&text, 64 << 10);
	buf_append_text(&text, "nosuid,nodev,subtype=zkfs,fsname=");
	for (const char *at = options->fsname; *at; at++) {
		if (*at == ',' || *at == '\\')
			buf_append(&text, "\\", 1);
		buf_append(&text, at, 1);
	}
	if (options->allow_other)
		buf_append_text(&text, ",allow_other");
	if (options->default_permissions)
		buf_append_text(&text, ",default_permissions");
	result = mem_dup(text.data, text.size);
	buf_release(&text);
	return result;
}

static struct fuse_session *make_fuse_session(struct mount *mount)
{
	struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
	struct fuse_lowlevel_ops ops = fs_ops;
	char *text = fuse_option_text(mount->parts->options);
	struct fuse_session *fuse = NULL;

	ops.init = on_init;
	if (fuse_opt_add_arg(&args, "zkfs") == 0 && fuse_opt_add_arg(&args, "-o") == 0 &&
	    fuse_opt_add_arg(&args, text) == 0)
		fuse = fuse_session_new(&args, &ops, sizeof(ops), &mount->fs);
	fuse_opt_free_args(&args);
	free(text);
	return fuse;
}

static bool attach_to_kernel(struct mount *mount)
{
	static const struct fuse_custom_io io = {
		.writev = write_to_kernel,
		.read = read_from_kernel,
	};
	int fd = fuse_session_fd(mount->fs.fuse);

	if (fuse_session_custom_io(mount->fs.fuse, &io, fd) < 0 ||
	    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0)
		return false;
	return uv_poll_init(&mount->loop.uv, &mount->fuse_poll, fd) == 0;
}

static void do_mount(struct mount *mount)
{
	const struct fs_options *options = mount->parts->options;

	mount->fs.fuse = make_fuse_session(mount);
	if (!mount->fs.fuse || fuse_session_mount(mount->fs.fuse, options->dir) < 0) {
		if (mount->fs.fuse)
			fuse_session_destroy(mount->fs.fuse);
		mount->fs.fuse = NULL;
		fail(mount, FS_EXIT_MOUNT,
		     mem_printf("can't mount at %s: the kernel or fusermount3 refused it; mount as "
				"root, or at a directory of your own with fuse3 installed",
				options->dir));
		return;
	}
	mount->phase = PHASE_MOUNTED;
	if (!attach_to_kernel(mount)) {
		fail(mount, FS_EXIT_MOUNT, mem_strdup("can't take requests from /dev/fuse"));
		return;
	}
	mount->has_fuse_poll = true;
	mount->fuse_poll.data = mount;
	uv_poll_start(&mount->fuse_poll, UV_READABLE, on_fuse_readable);
	mount->fs.inval = inval_new(&mount->fs);
}

/* ---- the server's side, until it is mounted ---- */

static void watch_by_node(struct mount *mount)
{
	change_by_node(&mount->fs);
	do_mount(mount);
}

static void on_watch_set(const struct zk_reply *reply, void *data)
{
	struct mount *mount = data;

	if (mount->phase != PHASE_PREPARING)
		return;
	mount->fs.znodes.watched = reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_OK;
	if (mount->fs.znodes.watched) {
		do_mount(mount);
	} else if (mount->parts->options->watch == FS_WATCH_TREE) {
		fail(mount, FS_EXIT_MOUNT,
		     mem_printf("%s refuses a recursive watch (%s); mount with watch=nodes",
				client_server(mount->fs.client), zk_code_name(reply->code)));
	} else {
		/* Before 3.6 it isn't known, and costs the connection too; the session goes on. */
		log_info("mount", "%s refuses a recursive watch (%s): watching by node",
			 client_server(mount->fs.client), zk_code_name(reply->code));
		watch_by_node(mount);
	}
}

static void set_watch(struct mount *mount)
{
	struct zk_request request;
	int err;

	if (mount->parts->options->watch == FS_WATCH_NODES) {
		watch_by_node(mount);
		return;
	}
	zk_request_add_watch(&request, bytes_of_text(mount->fs.root_path),
			     ZK_WATCH_PERSISTENT_RECURSIVE);
	err = client_submit(mount->fs.client, &request, on_watch_set, mount, NULL);
	if (err)
		fail(mount, FS_EXIT_MOUNT,
		     mem_printf("can't set a watch on %s: %s", mount->fs.root_path,
				strerror(-err)));
}

static void on_root_answer(const struct zk_reply *reply, void *data)
{
	struct mount *mount = data;

	if (mount->phase != PHASE_PREPARING)
		return;
	if (reply->outcome == ZK_OUTCOME_REPLIED && reply->code == ZK_NONODE)
		fail(mount, FS_EXIT_MOUNT,
		     mem_printf("the ensemble at %s has no znode %s; create it first, or leave the "
				"chroot out",
				client_server(mount->fs.client), mount->fs.root_path));
	else if (reply->outcome != ZK_OUTCOME_REPLIED)
		fail(mount, FS_EXIT_MOUNT,
		     mem_printf("the connection to %s was lost before the mount was there",
				client_server(mount->fs.client)));
	else
		set_watch(mount);
}

static void prepare(struct mount *mount)
{
	struct zk_request request;
	int err;

	mount->phase = PHASE_PREPARING;
	zk_request_exists(&request, bytes_of_text(mount->fs.root_path), false);
	err = client_submit(mount->fs.client, &request, on_root_answer, mount, NULL);
	if (err)
		fail(mount, FS_EXIT_MOUNT,
		     mem_printf("can't ask for %s: %s", mount->fs.root_path, strerror(-err)));
}

static void on_lost(struct mount *mount)
{
	const char *why = client_last_error(mount->fs.client);

	if (!mount->fs.session_live)
		return;
	mount->fs.session_live = false;
	virtual_disconnected(&mount->fs);
	znode_forget_all(&mount->fs);
	change_disconnected(&mount->fs);
	if (mount->phase < PHASE_CLOSING)
		log_warn("session", "the connection to %s is lost (%s); looking for a server",
			 client_server(mount->fs.client), *why ? why : "it says nothing");
}

static void on_connected(struct mount *mount, bool new_session)
{
	mount->fs.session_live = true;
	virtual_connected(&mount->fs);
	if (mount->phase == PHASE_CONNECTING) {
		prepare(mount);
		return;
	}
	log_info("session", "%s session 0x%llx at %s", new_session ? "new" : "back with",
		 (unsigned long long)zk_client_session_id(client_session(mount->fs.client)),
		 client_server(mount->fs.client));
	if (mount->phase == PHASE_READY)
		change_compare_all(&mount->fs);
}

static void on_state(enum zk_client_state state, bool new_session, void *data)
{
	struct mount *mount = data;

	if (state == ZK_CLIENT_CONNECTED) {
		on_connected(mount, new_session);
		return;
	}
	on_lost(mount);
	if (state == ZK_CLIENT_EXPIRED)
		file_session_lost(&mount->fs);
	if (state == ZK_CLIENT_CLOSED)
		mount->phase = PHASE_ENDED;
	if (state == ZK_CLIENT_CLOSED)
		loop_stop(&mount->loop);
}

static void on_event(const struct zk_client_event *event, void *data)
{
	struct mount *mount = data;

	if (event->type != ZK_EVENT_PERSISTENT_WATCH_REMOVED) {
		change_event(&mount->fs, (enum zk_event_type)event->type, event->path, event->zxid);
		return;
	}
	log_warn("session", "%s can't hold the recursive watch: watching by node",
		 client_server(mount->fs.client));
	change_by_node(&mount->fs);
}

/* ---- the end ---- */

static void on_all_committed(void *data, int error)
{
	struct mount *mount = data;

	if (error)
		log_error("mount",
			  "what was written to a file and not closed could not be "
			  "committed: %s",
			  strerror(error));
	client_close(mount->fs.client);
}

static void on_close_deadline(uv_timer_t *timer)
{
	struct mount *mount = timer->data;

	log_error("session", "it could not be closed in time; the server ends it by its timeout");
	mount->phase = PHASE_ENDED;
	loop_stop(&mount->loop);
}

static void begin_closing(struct mount *mount)
{
	const struct fs_options *options = mount->parts->options;

	if (mount->phase >= PHASE_CLOSING)
		return;
	mount->phase = PHASE_CLOSING;
	mount->fs.closing = true;
	/* Dirty files are committed and the session closed in as much time as any caller gets. */
	uv_timer_start(&mount->deadline, on_close_deadline, (uint64_t)options->timeout_ms, 0);
	file_commit_all(&mount->fs, on_all_committed, mount);
}

static void on_signal(uv_signal_t *signal, int number)
{
	struct mount *mount = signal->data;

	begin_closing(mount);
}

static int32_t connect_timeout_ms(const struct fs_options *options)
{
	if (options->source_kind == FS_SOURCE_CONFIG && options->timeout_ms < QUORUM_TIMEOUT_MS)
		return QUORUM_TIMEOUT_MS;
	return options->timeout_ms;
}

static char *explain_no_session(const struct fs_options *options, const char *why)
{
	int seconds = connect_timeout_ms(options) / 1000;
	const char *colon = *why ? ": " : "";

	if (options->source_kind == FS_SOURCE_CONFIG)
		return mem_printf("the node of %s found no quorum within %d s%s%s; are enough of "
				  "the other servers running?",
				  options->source, seconds, colon, why);
	return mem_printf(
		"no server of %s answered within %d s%s%s; is it running, and is this its "
		"clientPort?",
		options->source, seconds, colon, why);
}

static void on_connect_deadline(uv_timer_t *timer)
{
	struct mount *mount = timer->data;
	const struct fs_options *options = mount->parts->options;

	fail(mount, FS_EXIT_MOUNT,
	     explain_no_session(options, client_last_error(mount->fs.client)));
}

/* ---- what our own replica says goes to our log ---- */

static void log_replica_lines(struct mount *mount)
{
	struct buf *line = &mount->replica_line;
	uint8_t *end;

	while (line->size > 0 && (end = memchr(line->data, '\n', line->size))) {
		*end = '\0';
		log_info("replica", "%s", (const char *)line->data);
		buf_consume(line, (size_t)(end - line->data) + 1);
	}
	if (line->size == line->size_max)
		buf_reset(line);
}

static void on_replica_message(uv_poll_t *poll, int status, int events)
{
	struct mount *mount = poll->data;
	char chunk[4096];
	ssize_t size = read(mount->parts->replica->messages_fd, chunk, sizeof(chunk));

	if (size <= 0) {
		if (size == 0)
			log_error("replica",
				  "it has ended; nothing is served until %s is mounted again",
				  mount->parts->options->source);
		uv_poll_stop(poll);
		return;
	}
	for (ssize_t i = 0; i < size; i++) {
		buf_append(&mount->replica_line, &chunk[i], 1);
		if (chunk[i] == '\n' || mount->replica_line.size == mount->replica_line.size_max)
			log_replica_lines(mount);
	}
}

static void watch_replica(struct mount *mount)
{
	int fd = mount->parts->replica->messages_fd;

	buf_init(&mount->replica_line, LOG_LINE_SIZE_MAX);
	if (mount->parts->replica->pid == 0 ||
	    uv_poll_init(&mount->loop.uv, &mount->replica_messages, fd) != 0)
		return;
	mount->has_replica_messages = true;
	mount->replica_messages.data = mount;
	uv_poll_start(&mount->replica_messages, UV_READABLE, on_replica_message);
}

/* ---- beginning and end of the whole ---- */

static int parse_servers(struct mount *mount)
{
	const struct mount_parts *parts = mount->parts;
	const char *text = parts->replica->pid ? parts->replica->servers : parts->options->source;
	char *error = NULL;
	char *sentence;

	if (zk_servers_parse(text, &mount->servers, &error) == 0)
		return FS_EXIT_OK;
	sentence = mem_printf("SOURCE %s", error);
	report_failure(parts->report, FS_EXIT_USAGE, sentence);
	free(sentence);
	free(error);
	return FS_EXIT_USAGE;
}

static void watch_signals(struct mount *mount)
{
	static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		uv_signal_init(&mount->loop.uv, &mount->signals[i]);
		mount->signals[i].data = mount;
		uv_signal_start(&mount->signals[i], on_signal, numbers[i]);
	}
}

static void init_fs(struct mount *mount)
{
	const struct fs_options *options = mount->parts->options;
	struct fs *fs = &mount->fs;
	struct client_options client_options = {
		.timeout_ms = options->timeout_ms,
		.frame_size_max = options->jute_maxbuffer,
		.onexpire = ZK_ONEXPIRE_RECOVER,
		.begins_with_first = mount->parts->replica->pid != 0,
	};
	struct zk_client_callbacks callbacks = {
		.on_state = on_state,
		.on_event = on_event,
		.data = mount,
	};

	fs->options = options;
	fs->loop = &mount->loop;
	fs->root_path = *mount->servers.chroot ? mount->servers.chroot : "/";
	list_init(&fs->requests);
	znode_cache_init(&fs->znodes);
	node_table_init(fs);
	fs->files = files_new(fs);
	fs->change = change_new(fs);
	fs->inject = inject_new(fs);
	fs->virtual = virtual_new(fs);
	fs->client = client_new(&mount->loop, &mount->servers, &client_options, &callbacks);
	uv_timer_init(&mount->loop.uv, &mount->deadline);
	mount->deadline.data = mount;
	uv_timer_start(&mount->deadline, on_connect_deadline, (uint64_t)connect_timeout_ms(options),
		       0);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, NULL);
}

/* The mount first, so that nobody waits for us any more; then what hangs on it. */
static void release(struct mount *mount)
{
	struct fs *fs = &mount->fs;

	request_fail_all(fs, EIO);
	if (mount->has_fuse_poll)
		close_handle((uv_handle_t *)&mount->fuse_poll);
	if (fs->fuse)
		fuse_session_unmount(fs->fuse);
	inval_free(fs->inval);
	client_free(fs->client);
	inject_free(fs->inject);
	change_free(fs->change);
	files_free(fs->files);
	virtual_free(fs->virtual);
	if (fs->fuse)
		fuse_session_destroy(fs->fuse);
	node_table_release(fs);
	znode_cache_release(&fs->znodes);
	close_handle((uv_handle_t *)&mount->deadline);
	for (size_t i = 0; i < sizeof(mount->signals) / sizeof(*mount->signals); i++)
		close_handle((uv_handle_t *)&mount->signals[i]);
	if (mount->has_replica_messages)
		close_handle((uv_handle_t *)&mount->replica_messages);
	buf_release(&mount->replica_line);
	free(mount->fuse_buf.mem);
	zk_servers_release(&mount->servers);
	if (loop_release(&mount->loop) != 0)
		log_debug("mount", "a handle was left open on the loop");
}

int mount_run(const struct mount_parts *parts)
{
	struct mount *mount = mem_zalloc(sizeof(*mount));
	int status;

	mount->parts = parts;
	status = parse_servers(mount);
	if (status != FS_EXIT_OK) {
		free(mount);
		return status;
	}
	ASSERT(loop_init(&mount->loop) == 0);
	watch_signals(mount);
	init_fs(mount);
	watch_replica(mount);
	while (mount->phase != PHASE_ENDED)
		loop_run(&mount->loop);
	release(mount);
	status = mount->status;
	free(mount);
	return status;
}
