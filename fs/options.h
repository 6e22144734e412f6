#ifndef FS_OPTIONS_H
#define FS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * The command line of zkfs and of mount.zkfs (DESIGN.md 2), checked and with
 * its defaults filled in. Strings are owned by the struct.
 */
enum fs_source_kind {
	FS_SOURCE_ENSEMBLE, /* host:port[,...][/chroot] */
	FS_SOURCE_CONFIG,   /* a zoo.cfg: be that node */
	FS_SOURCE_EMBEDDED, /* a data directory: a standalone replica of our own */
};

enum fs_watch { FS_WATCH_AUTO, FS_WATCH_TREE, FS_WATCH_NODES };

struct fs_options {
	char *source;
	enum fs_source_kind source_kind;
	char *dir; /* absolute */
	bool foreground;
	bool fake; /* mount -f: check only */
	int32_t timeout_ms;
	bool ephemeral;
	bool sync;
	bool read_only;
	int32_t commit_ms; /* 0: only O_APPEND handles are committed when idle */
	char *acl;         /* zkCli's text form */
	uid_t uid;
	gid_t gid;
	mode_t file_mode;
	mode_t dir_mode;
	bool allow_other;
	bool default_permissions;
	size_t jute_maxbuffer;
	enum fs_watch watch;
	bool inotify;
	char *fsname; /* what mount(8) and df show as the source */
};

/* Exit statuses, as mount(8) has them. */
enum {
	FS_EXIT_OK = 0,
	FS_EXIT_USAGE = 1,
	FS_EXIT_CONFIG = 2,
	FS_EXIT_MOUNT = 32,
};

/*
 * 0; or an exit status with one sentence for stderr in ret_message, which the
 * caller frees. --help and --version print and set *ret_done.
 */
int fs_options_parse(struct fs_options *options, int argc, char **argv, bool *ret_done,
		     char **ret_message);
void fs_options_release(struct fs_options *options);

#endif
