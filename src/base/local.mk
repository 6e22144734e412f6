noinst_LIBRARIES += src/base/libbase.a
src_base_libbase_a_SOURCES = \
	%D%/assert.c %D%/assert.h \
	%D%/blob.c %D%/blob.h \
	%D%/buf.c %D%/buf.h \
	%D%/bytes.c %D%/bytes.h \
	%D%/endian.h \
	%D%/heap.c %D%/heap.h \
	%D%/list.h \
	%D%/log.c %D%/log.h \
	%D%/map.c %D%/map.h \
	%D%/mem.c %D%/mem.h \
	%D%/msec.h \
	%D%/prng.c %D%/prng.h \
	%D%/properties.c %D%/properties.h \
	%D%/siphash.c %D%/siphash.h
