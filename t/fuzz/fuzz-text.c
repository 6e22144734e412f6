#include "t/fuzz/fuzz.h"

#include <stdlib.h>

#include "src/base/assert.h"
#include "src/base/mem.h"
#include "src/zk/acl.h"
#include "src/zk/client_servers.h"
#include "src/zk/path.h"

/*
 * What a user types, or names in a path: an ACL's text, a path and a connect string. Claims: an
 * ACL that parses is printed as a text that parses to the same ACL; a valid
 * path is the join of a valid parent and a valid name; a connect string has
 * servers with ports and a chroot that is one, or a sentence against it.
 */
static void check_acl(const char *text)
{
	struct zk_acls acls;
	struct zk_acls again;
	struct buf encoded;
	struct buf printed;
	struct buf encoded_again;

	buf_init(&encoded, 20 * FUZZ_SIZE_MAX); /* "a::" becomes 13 bytes */
	buf_init(&printed, FUZZ_SIZE_MAX + 1);
	buf_init(&encoded_again, 20 * FUZZ_SIZE_MAX);
	if (zk_acls_parse(text, &encoded, &acls) == 0) {
		zk_acls_format(&printed, &acls);
		buf_append(&printed, "", 1);
		ASSERT(!printed.error);
		ASSERT(zk_acls_parse((const char *)printed.data, &encoded_again, &again) == 0);
		ASSERT(zk_acls_equal(&acls, &again));
	}
	buf_release(&encoded);
	buf_release(&printed);
	buf_release(&encoded_again);
}

static void check_path(struct bytes path)
{
	struct bytes parent;
	struct bytes name;
	char *joined;

	if (!zk_path_is_valid(path) || path.size == 1)
		return;
	parent = zk_path_parent(path);
	name = zk_path_name(path);
	ASSERT(zk_path_is_valid(parent));
	ASSERT(zk_path_name_is_valid(name));
	ASSERT(zk_path_is_within(path, parent) && !zk_path_is_within(parent, path));
	joined = zk_path_join(parent, name);
	ASSERT(bytes_equal_text(path, joined));
	free(joined);
}

static void check_servers(const char *text)
{
	struct zk_servers servers;
	char *error = NULL;

	if (zk_servers_parse(text, &servers, &error) < 0) {
		ASSERT(error && error[0] != '\0');
		free(error);
		return;
	}
	ASSERT(!error);
	ASSERT(servers.count > 0 && servers.count <= ZK_SERVERS_MAX);
	for (size_t i = 0; i < servers.count; i++)
		ASSERT(servers.servers[i].host[0] != '\0' && servers.servers[i].port != 0);
	ASSERT(servers.chroot[0] == '\0' || zk_path_is_valid(bytes_of_text(servers.chroot)));
	zk_servers_release(&servers);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > FUZZ_SIZE_MAX)
		return 0;
	text = mem_dup(data, size);
	check_acl(text);
	check_servers(text);
	free(text);
	check_path(bytes_of(data, size));
	return 0;
}
