noinst_LIBRARIES += replica/server/libserver.a
replica_server_libserver_a_SOURCES = \
	%D%/action.c \
	%D%/commit.c \
	%D%/connection.c %D%/connection.h \
	%D%/establish.c \
	%D%/forward.c \
	%D%/intake.c \
	%D%/learners.c \
	%D%/proposal.c \
	%D%/read.c \
	%D%/replica.c %D%/replica.h \
	%D%/replica_actions.c \
	%D%/replica_clients.c \
	%D%/replica_impl.h \
	%D%/replica_link.c \
	%D%/replica_snapshot.c \
	%D%/reply.c \
	%D%/server.c %D%/server.h \
	%D%/server_impl.h \
	%D%/watching.c
