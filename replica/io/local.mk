noinst_LIBRARIES += replica/io/libreplicaio.a
replica_io_libreplicaio_a_SOURCES = \
	%D%/config.c %D%/config.h \
	%D%/config_keys.c %D%/config_keys.h \
	%D%/properties.c %D%/properties.h \
	%D%/quorum_server.c %D%/quorum_server.h
