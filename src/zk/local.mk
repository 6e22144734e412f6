noinst_LIBRARIES += src/zk/libzk.a
src_zk_libzk_a_SOURCES = \
	%D%/acl.c %D%/acl.h \
	%D%/code.c %D%/code.h \
	%D%/jute.c %D%/jute.h \
	%D%/opcode.c %D%/opcode.h \
	%D%/path.c %D%/path.h \
	%D%/record.c %D%/record.h \
	%D%/zxid.h
