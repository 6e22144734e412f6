noinst_LIBRARIES += src/zk/libzk.a
src_zk_libzk_a_SOURCES = \
	%D%/acl.c %D%/acl.h \
	%D%/client.c %D%/client.h %D%/client_private.h \
	%D%/client_loss.c \
	%D%/client_outcome.c %D%/client_outcome.h \
	%D%/client_receive.c \
	%D%/client_request.c %D%/client_request.h \
	%D%/client_servers.c %D%/client_servers.h \
	%D%/client_session.c \
	%D%/client_watches.c %D%/client_watches.h \
	%D%/code.c %D%/code.h \
	%D%/jute.c %D%/jute.h \
	%D%/opcode.c %D%/opcode.h \
	%D%/path.c %D%/path.h \
	%D%/record.c %D%/record.h \
	%D%/zxid.h
