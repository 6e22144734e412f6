noinst_LIBRARIES += replica/zab/libzab.a
replica_zab_libzab_a_SOURCES = \
	%D%/action.c \
	%D%/election.c %D%/election.h \
	%D%/election_votes.c %D%/election_votes.h \
	%D%/history.c %D%/history.h \
	%D%/leader.c \
	%D%/leader_broadcast.c \
	%D%/learner.c \
	%D%/learner_broadcast.c \
	%D%/members.c %D%/members.h \
	%D%/notification.c %D%/notification.h \
	%D%/packet.c %D%/packet.h \
	%D%/quorum.c \
	%D%/quorum_server.c %D%/quorum_server.h \
	%D%/role.c \
	%D%/status.c \
	%D%/zab.c %D%/zab.h \
	%D%/zab_impl.h
