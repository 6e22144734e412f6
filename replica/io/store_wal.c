/*
 * SQLite's WAL (https://www.sqlite.org/fileformat2.html, "The Write-Ahead
 * Log"): a header, then frames, each a page as one commit left it. All numbers
 * are big-endian.
 *
 *	header	 0  magic 0x377f0682, or ...83: checksums over big-endian words
 *		 4  version 3007000
 *		 8  page size
 *		12  checkpoint sequence
 *		16  salt 1, salt 2	new ones at every reset of the WAL
 *		24  checksum of the 24 bytes before, two words
 *
 *	frame	 0  page number
 *		 4  size of the database in pages after a commit; 0 for the others
 *		 8  salt 1, salt 2	the header's; others: what an older WAL left
 *		16  checksum of bytes 0 to 7 and the page, going on from the one
 *		    of the frame before (or of the header), two words
 *		24  the page
 *
 * The WAL ends behind the last commit frame up to which all salts and checksums
 * are right. What lies behind it with the salts of this WAL was written, and
 * perhaps not synced. As a commit begins only when the one before is synced,
 * those frames are of one torn commit, or something synced is damaged:
 *
 *	a commit frame, and a frame of this WAL behind it	damage
 *	a page number not above the frame's before		damage
 *
 * A disk writes a sector as a whole. So the header, which is synced before the
 * first frame is written, is never torn: a file with a bad header and frames is
 * damaged. And what a frame says of itself counts if it lies in one sector:
 * elsewhere the page number may be an old one beside new salts. A bad salt must
 * not hide a frame: one of the two is enough.
 *
 * A WAL may have been made ahead (store_spare.h). Then zeros, or the frames of a
 * segment that is gone, lie behind its end: neither has the salts of this WAL,
 * which SQLite draws anew. Zeros are no frame even if a salt should be zero.
 */
#include "replica/io/store_wal.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "replica/io/store_db.h"
#include "src/base/endian.h"
#include "src/base/mem.h"

enum {
	HEADER_SUMMED_SIZE = 24,
	FRAME_SUMMED_SIZE = 8,
	FRAME_CLAIM_SIZE = 16, /* page, size, salts */
	SECTOR_SIZE = 512,
	PAGE_SIZE_MIN = 512,
	PAGE_SIZE_MAX = 65536,
	READ_SIZE = 1 << 20,
};

#define WAL_MAGIC     UINT32_C(0x377f0682)
#define WAL_MAGIC_BIG UINT32_C(0x377f0683)
#define WAL_VERSION   UINT32_C(3007000)

struct wal {
	FILE *file;
	char *name;
	bool big_endian;
	uint32_t page_size;
	uint32_t salt[2];
	uint32_t sum[2];
	uint8_t *frame; /* the last one read, and where it was */
	long frame_at;
};

static uint32_t word_at(const struct wal *wal, const uint8_t *at)
{
	if (wal->big_endian)
		return endian_get_u32(at);
	return (uint32_t)at[3] << 24 | (uint32_t)at[2] << 16 | (uint32_t)at[1] << 8 | at[0];
}

static void add_to_sum(const struct wal *wal, uint32_t sum[2], const uint8_t *bytes, size_t size)
{
	for (size_t i = 0; i < size; i += 8) {
		sum[0] += word_at(wal, bytes + i) + sum[1];
		sum[1] += word_at(wal, bytes + i + 4) + sum[0];
	}
}

static bool sum_is_at(const uint32_t sum[2], const uint8_t *at)
{
	return endian_get_u32(at) == sum[0] && endian_get_u32(at + 4) == sum[1];
}

/* False for one that SQLite would not take either. */
static bool parse_header(struct wal *wal, const uint8_t header[STORE_WAL_HEADER_SIZE])
{
	uint32_t magic = endian_get_u32(header);

	wal->big_endian = magic == WAL_MAGIC_BIG;
	if (magic != WAL_MAGIC && magic != WAL_MAGIC_BIG)
		return false;
	wal->page_size = endian_get_u32(header + 8);
	if (endian_get_u32(header + 4) != WAL_VERSION || wal->page_size < PAGE_SIZE_MIN ||
	    wal->page_size > PAGE_SIZE_MAX || (wal->page_size & (wal->page_size - 1)) != 0)
		return false;
	wal->salt[0] = endian_get_u32(header + 16);
	wal->salt[1] = endian_get_u32(header + 20);
	wal->sum[0] = 0;
	wal->sum[1] = 0;
	add_to_sum(wal, wal->sum, header, HEADER_SUMMED_SIZE);
	return sum_is_at(wal->sum, header + HEADER_SUMMED_SIZE);
}

static bool read_frame(struct wal *wal)
{
	size_t size = STORE_WAL_FRAME_HEADER_SIZE + wal->page_size;

	wal->frame_at = ftell(wal->file);
	return fread(wal->frame, 1, size, wal->file) == size;
}

static uint32_t frame_page(const struct wal *wal)
{
	return endian_get_u32(wal->frame);
}

static bool frame_is_commit(const struct wal *wal)
{
	return endian_get_u32(wal->frame + 4) != 0;
}

static bool frame_is_of_this_wal(const struct wal *wal)
{
	uint32_t salt[2] = {endian_get_u32(wal->frame + 8), endian_get_u32(wal->frame + 12)};

	return (salt[0] == wal->salt[0] || salt[1] == wal->salt[1]) &&
	       (salt[0] != 0 || salt[1] != 0 || frame_page(wal) != 0);
}

static bool frame_claim_is_whole(const struct wal *wal)
{
	return wal->frame_at % SECTOR_SIZE <= SECTOR_SIZE - FRAME_CLAIM_SIZE;
}

/* Whether it goes on from the frames before as SQLite demands; the sum goes on only if so. */
static bool frame_continues(struct wal *wal)
{
	uint32_t sum[2] = {wal->sum[0], wal->sum[1]};

	if (endian_get_u32(wal->frame + 8) != wal->salt[0] ||
	    endian_get_u32(wal->frame + 12) != wal->salt[1] || frame_page(wal) == 0)
		return false;
	add_to_sum(wal, sum, wal->frame, FRAME_SUMMED_SIZE);
	add_to_sum(wal, sum, wal->frame + STORE_WAL_FRAME_HEADER_SIZE, wal->page_size);
	if (!sum_is_at(sum, wal->frame + 16))
		return false;
	memcpy(wal->sum, sum, sizeof(sum));
	return true;
}

/* Where SQLite ends the WAL: leave the file behind the last commit that is whole. */
static int find_end(struct wal *wal)
{
	long end = STORE_WAL_HEADER_SIZE;

	while (read_frame(wal) && frame_continues(wal))
		if (frame_is_commit(wal))
			end = ftell(wal->file);
	if (ferror(wal->file) || end < 0 || fseek(wal->file, end, SEEK_SET) != 0)
		return errno ? -errno : -EIO;
	return 0;
}

/* Whether all frames of this WAL from here on can be of one commit. */
static bool rest_is_one_commit(struct wal *wal)
{
	bool committed = false;
	uint32_t page = 0;

	while (read_frame(wal)) {
		if (!frame_is_of_this_wal(wal) || !frame_claim_is_whole(wal))
			continue;
		if (committed || frame_page(wal) <= page)
			return false;
		committed = frame_is_commit(wal);
		page = frame_page(wal);
	}
	return true;
}

static int check_frames(struct wal *wal, struct store_refusal *ret_refusal)
{
	long end;
	int error;

	error = find_end(wal);
	if (error)
		return store_refuse(ret_refusal, error, "%s: %s", wal->name, strerror(-error));
	end = ftell(wal->file);
	if (!rest_is_one_commit(wal))
		return store_refuse(ret_refusal, -EBADMSG,
				    "%s is damaged: behind byte %ld are commits that can't be read",
				    wal->name, end);
	return 0;
}

static int check_file(struct wal *wal, struct store_refusal *ret_refusal)
{
	uint8_t header[STORE_WAL_HEADER_SIZE];
	int error;

	/* Without a frame nothing was committed since all of it went into the database. */
	if (fread(header, 1, sizeof(header), wal->file) < sizeof(header) || fgetc(wal->file) == EOF)
		return 0;
	if (fseek(wal->file, STORE_WAL_HEADER_SIZE, SEEK_SET) != 0)
		return store_refuse(ret_refusal, -errno, "%s: %s", wal->name, strerror(errno));
	if (memcmp(header, STORE_WAL_MARK, STORE_WAL_HEADER_SIZE) == 0)
		return 0;
	if (!parse_header(wal, header))
		return store_refuse(ret_refusal, -EBADMSG, "%s is damaged: its header is",
				    wal->name);
	wal->frame = mem_alloc(STORE_WAL_FRAME_HEADER_SIZE + wal->page_size);
	error = check_frames(wal, ret_refusal);
	free(wal->frame);
	return error;
}

static int open_wal(struct wal *wal, const char *database, struct store_refusal *ret_refusal)
{
	int error = 0;

	*wal = (struct wal){.name = mem_printf("%s-wal", database)};
	wal->file = fopen(wal->name, "re");
	if (!wal->file && errno == ENOENT)
		return 0;
	if (!wal->file || fsync(fileno(wal->file)) != 0)
		error = store_refuse(ret_refusal, -errno, "%s: %s", wal->name, strerror(errno));
	return error;
}

static void close_wal(struct wal *wal)
{
	/* It was only read. */
	if (wal->file)
		(void)fclose(wal->file);
	free(wal->name);
}

int store_wal_check(const char *database, struct store_refusal *ret_refusal)
{
	struct wal wal;
	char *buffer = mem_alloc(READ_SIZE);
	int error = open_wal(&wal, database, ret_refusal);

	if (!error && wal.file) {
		/* Only speed is lost if it doesn't take the buffer. */
		(void)setvbuf(wal.file, buffer, _IOFBF, READ_SIZE);
		error = check_file(&wal, ret_refusal);
	}
	close_wal(&wal);
	free(buffer);
	return error;
}

int store_wal_sync(const char *database, struct store_refusal *ret_refusal)
{
	struct wal wal;
	int error = open_wal(&wal, database, ret_refusal);

	close_wal(&wal);
	return error;
}
