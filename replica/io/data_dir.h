#ifndef REPLICA_IO_DATA_DIR_H
#define REPLICA_IO_DATA_DIR_H

#include <stdbool.h>
#include <stddef.h>

/*
 * What a node does in its data directory beside the databases (which are the
 * store's, io/store.h): it makes the directory, and while it serves, a file
 * says where. So who finds the directory locked can name the address that
 * serves it.
 */

/* An absolute path and what is missing above it (mkdir -p), durably. 0 or a negative errno. */
int data_dir_make(const char *path);

/* Where the databases are: path/zkfs-1. The caller frees it. */
char *data_dir_databases(const char *path);

/*
 * The file `initialize` in path, by which zkServer-initialize.sh says that this is a new
 * ensemble: an empty server may vote at once. It counts once.
 */
bool data_dir_may_bootstrap(const char *path);
void data_dir_forget_bootstrap(const char *path);

/* "host:port" for this machine's clients, in the file `address`. 0 or a negative errno. */
int data_dir_write_address(const char *databases, const char *address);
void data_dir_remove_address(const char *databases);

/* What stands there, for the caller to free; NULL if nothing does. */
char *data_dir_read_address(const char *databases);

#endif
