noinst_LIBRARIES += src/io/libio.a
src_io_libio_a_SOURCES = \
	%D%/address.c %D%/address.h \
	%D%/conn.c %D%/conn.h %D%/conn_private.h \
	%D%/conn_read.c \
	%D%/conn_write.c \
	%D%/connect.c \
	%D%/listener.c \
	%D%/loop.c %D%/loop.h \
	%D%/worker.c %D%/worker.h
