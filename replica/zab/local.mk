noinst_LIBRARIES += replica/zab/libzab.a
replica_zab_libzab_a_SOURCES = \
	%D%/election.c %D%/election.h \
	%D%/election_votes.c %D%/election_votes.h \
	%D%/members.c %D%/members.h \
	%D%/notification.c %D%/notification.h \
	%D%/packet.c %D%/packet.h \
	%D%/quorum_server.c %D%/quorum_server.h \
	%D%/zab.h
