/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Opening a file or block device: what it is, whose it is, how large, and what it can do.
 */
#include "base/cleanup.h"
#include "base/log.h"
#include "base/patience.h"
#include "blk/bounce.h"
#include "blk/encryption.h"
#include "blk/identity.h"
#include "blk/space.h"
#include "blk/uring_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#define FILE_BLOCK_MAX 4096u

static int store_check_kind(const struct disk_spec *spec, const struct stat *st, struct error *err)
{
	if (S_ISDIR(st->st_mode))
		return error_set(err, EISDIR, "it is a directory: name a file in it");
	if (spec->kind == DISK_BLOCK && !S_ISBLK(st->st_mode))
		return error_set(err, ENOTBLK, "it is not a block device: write file:%s",
				 spec->path);
	if (spec->kind == DISK_FILE && S_ISBLK(st->st_mode))
		return error_set(err, EINVAL, "it is a block device: write block:%s", spec->path);
	if (spec->kind == DISK_FILE && !S_ISREG(st->st_mode))
		return error_set(err, EINVAL, "it is neither a regular file nor a block device");
	return 0;
}

static int store_open_failed(const struct disk_spec *spec, int code, struct error *err)
{
	bool readable = access(spec->path, R_OK) == 0;

	if (code == EROFS)
		return error_set(err, code,
				 "it cannot be written (%s): add ro to serve it read-only, or name "
				 "its folder in the service's ReadWritePaths=",
				 strerror(code));
	if ((code == EACCES || code == EPERM) && !spec->read_only && readable)
		return error_set(err, code,
				 "it cannot be written (%s): add ro to serve it read-only, or let "
				 "uid %u or its groups write it",
				 strerror(code), geteuid());
	if (code == EACCES)
		return error_set(err, code,
				 "cannot open it: %s; let uid %u or its groups read and write it",
				 strerror(code), geteuid());
	if (code == EBUSY)
		return error_set(err, code, "it is in use by another process, or mounted");
	return error_set(err, code, "cannot open it: %s", strerror(code));
}

/* Opens what is there; a missing file is left for store_create(). */
static int store_open(const struct disk_spec *spec, int *fd, struct error *err)
{
	int flags = O_CLOEXEC | (spec->read_only ? O_RDONLY : O_RDWR);
	unsigned int tries = 0;
	struct stat st;
	int ret;

	/* Looked at before it is opened, because opening a FIFO would wait for its other end. */
	if (stat(spec->path, &st))
		return store_open_failed(spec, errno, err);
	ret = store_check_kind(spec, &st, err);
	if (ret)
		return ret;
	/* O_EXCL on a block device keeps file systems and other exclusive users out. */
	if (spec->kind == DISK_BLOCK && !spec->read_only)
		flags |= O_EXCL;
	do
		*fd = open(spec->path, flags);
	while (*fd < 0 && errno == EBUSY && patience_wait(&tries));
	if (*fd < 0)
		return store_open_failed(spec, errno, err);
	if (fstat(*fd, &st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	return store_check_kind(spec, &st, err);
}

/* The kernel lets a write-protected device be opened for writing and then fails each write. */
static int store_check_protection(const struct disk_spec *spec, int fd, struct error *err)
{
	int protected = 0;

	if (spec->kind != DISK_BLOCK || spec->read_only)
		return 0;
	if (ioctl(fd, BLKROGET, &protected))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	return protected ? store_open_failed(spec, EROFS, err) : 0;
}

/*
 * Readers share, a writer is alone; an OFD lock goes when the process does, however it ends, and
 * not before the kernel is done with what the process had asked of the store.
 */
static int store_lock(const struct disk_spec *spec, int fd, struct error *err)
{
	struct flock lock = {
		.l_type = spec->read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
	};
	unsigned int tries = 0;

	while (fcntl(fd, F_OFD_SETLK, &lock)) {
		if (errno != EAGAIN && errno != EACCES)
			return error_set(err, errno, "cannot lock it: %s", strerror(errno));
		if (!patience_wait(&tries))
			return error_set(err, EBUSY, "it is in use by another process");
	}
	return 0;
}

/*
 * close() alone would let go too late: the kernel may hold the open file for a request that was
 * answered, until the thread whose ring had it looks at that ring again.
 */
static void store_unlock(int fd)
{
	const struct flock none = {.l_type = F_UNLCK, .l_whence = SEEK_SET};

	fcntl(fd, F_OFD_SETLK, &none);
}

static int store_set_size(const struct disk_spec *spec, int fd, struct error *err)
{
	if (ftruncate(fd, (off_t)spec->size) || fsync(fd))
		return error_set(err, errno, "cannot make it %llu bytes large: %s",
				 (unsigned long long)spec->size, strerror(errno));
	return 0;
}

/* The new name must survive a power failure as well as the file. */
static int store_sync_directory(const struct disk_spec *spec, struct error *err)
{
	_cleanup_free_ char *copy = strdup(spec->path);
	_cleanup_close_ int dir = -1;

	if (!copy)
		return error_set(err, ENOMEM, "no memory");
	dir = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0 || fsync(dir))
		return error_set(err, errno, "cannot sync its directory: %s", strerror(errno));
	return 0;
}

/* `created`: there is a new file, which nobody else can have put anything in. */
static int store_create(const struct disk_spec *spec, int *fd, bool *created, struct error *err)
{
	int ret;

	*fd = open(spec->path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (*fd < 0)
		return error_set(err, errno, "cannot create it: %s",
				 errno == ENOENT ? "make its directory first" : strerror(errno));
	ret = store_lock(spec, *fd, err);
	if (ret)
		return ret;
	*created = true;
	ret = store_set_size(spec, *fd, err);
	return ret ? ret : store_sync_directory(spec, err);
}

static int store_grow(const struct disk_spec *spec, int fd, struct error *err)
{
	struct stat st;

	if (!spec->size)
		return 0;
	if (fstat(fd, &st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	if ((uint64_t)st.st_size >= spec->size)
		return 0;
	if (spec->read_only)
		return error_set(err, EINVAL,
				 "it is smaller than size= says, and ro forbids growing it");
	return store_set_size(spec, fd, err);
}

/* After this, writes fail for want of space only where a trim gave some back. */
static int store_allocate(const struct disk_spec *spec, int fd, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	if (!st.st_size || fallocate(fd, 0, 0, st.st_size) == 0)
		return 0;
	if (errno == EOPNOTSUPP)
		return error_set(
			err, errno,
			"its file system cannot take space in advance: leave out prealloc");
	if (errno == EBADF)
		return error_set(err, EINVAL, "ro and prealloc exclude each other");
	return error_set(err, errno, "cannot take %lld bytes of space for it: %s",
			 (long long)st.st_size, strerror(errno));
}

static int store_open_or_create(const struct disk_spec *spec, int *fd, bool *created,
				struct error *err)
{
	int ret;

	if (spec->kind == DISK_FILE && access(spec->path, F_OK) && errno == ENOENT) {
		if (!spec->size)
			return error_set(err, ENOENT, "it does not exist: add size= to create it");
		if (spec->read_only)
			return error_set(err, ENOENT,
					 "it does not exist, and ro forbids creating it");
		return store_create(spec, fd, created, err);
	}
	ret = store_open(spec, fd, err);
	if (!ret)
		ret = store_check_protection(spec, *fd, err);
	if (!ret)
		ret = store_lock(spec, *fd, err);
	if (!ret && spec->kind == DISK_FILE)
		ret = store_grow(spec, *fd, err);
	return ret;
}

/* 0 means that there is no direct I/O; the atoms of the overlap table need a power of two. */
static bool store_aligns(uint32_t align)
{
	return align && align <= BOUNCE_ALIGN && !(align & (align - 1));
}

static int store_plan_direct(struct uring_disk *u, struct error *err)
{
	struct statx stx;
	int flags;

	if (statx(u->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	if (!(stx.stx_mask & STATX_DIOALIGN))
		return error_set(
			err, EOPNOTSUPP,
			"the kernel does not say how to align direct I/O here: use direct=off");
	flags = fcntl(u->fd, F_GETFL);
	if (!store_aligns(stx.stx_dio_mem_align) || !store_aligns(stx.stx_dio_offset_align) ||
	    flags < 0 || fcntl(u->fd, F_SETFL, flags | O_DIRECT))
		return error_set(err, EOPNOTSUPP,
				 "its file system has no direct I/O: use direct=off");
	u->mem_align = stx.stx_dio_mem_align;
	u->offset_align = stx.stx_dio_offset_align;
	if (u->offset_align > BLK_SECTOR)
		u->disk.atom = u->offset_align >> BLK_SECTOR_SHIFT;
	return 0;
}

static int store_open_direct(struct uring_disk *u, struct error *err)
{
	const struct disk_spec *spec = &u->disk.spec;
	int ret;

	if (spec->direct == 0 || (spec->direct < 0 && spec->kind == DISK_FILE))
		return 0;
	ret = store_plan_direct(u, err);
	return ret && spec->direct < 0 ? 0 : ret;
}

int64_t uring_size(struct disk *disk, struct error *err)
{
	struct uring_disk *u = uring_disk(disk);
	uint64_t unit = u->offset_align > BLK_SECTOR ? u->offset_align : BLK_SECTOR;
	uint64_t bytes;
	struct stat st;

	if (fstat(u->fd, &st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(u->fd, BLKGETSIZE64, &bytes))
		return error_set(err, errno, "cannot read its size: %s", strerror(errno));
	if (bytes % unit)
		log_warning("disk '%s': its last %llu bytes are not a whole block and not served",
			    disk->name, (unsigned long long)(bytes % unit));
	return (int64_t)((bytes - bytes % unit) >> BLK_SECTOR_SHIFT);
}

/* Holes behind the end change nothing, but only a file system that can make them says yes. */
static bool store_file_unmaps(int fd, uint64_t nblocks)
{
	off_t beyond = (off_t)(((nblocks << BLK_SECTOR_SHIFT) + 65535) & ~65535ull);

	return fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, beyond, 65536) == 0;
}

/* The kernel frees blocks by fallocate() where the device can write zeroes without data. */
static bool store_block_unmaps(const struct stat *st)
{
	static const char *const where[] = {"", "/.."}; /* a disk, or a partition of one */
	char path[96], text[32] = "";

	for (unsigned int i = 0; i < 2; i++) {
		_cleanup_fclose_ FILE *f = NULL;

		snprintf(path, sizeof(path), "/sys/dev/block/%u:%u%s/queue/write_zeroes_max_bytes",
			 major(st->st_rdev), minor(st->st_rdev), where[i]);
		f = fopen(path, "re");
		if (f && fgets(text, sizeof(text), f))
			return text[0] != '0';
	}
	return false;
}

/*
 * A file system shares space between files. A disk that is to have all of its own (prealloc,
 * thin=off) must not, as it would need more when one of the two is written. What is encrypted means
 * nothing in another sector.
 */
static bool store_copies(const struct disk_spec *spec)
{
	return spec->kind == DISK_FILE && !uring_keeps_space(spec) && !spec->key_file;
}

/*
 * Copies go through the page cache. Where other writes do not, a copy fills whole pages: what else
 * lies in a page that it made dirty would be written back over what went straight to the disk.
 */
static uint32_t store_copy_align(const struct uring_disk *u)
{
	uint32_t page = (uint32_t)sysconf(_SC_PAGESIZE);

	if (!u->offset_align)
		return BLK_SECTOR;
	return u->offset_align > page ? u->offset_align : page;
}

/*
 * A file is in pieces of its file system's blocks, so no more than one of those is in one piece on
 * the device. Some say a larger number for what is best to write (a page, a stripe).
 */
static unsigned int store_file_block(const struct uring_disk *u, const struct stat *st)
{
	unsigned int block = FILE_BLOCK_MAX, least = u->disk.spec.logical_block;
	uint64_t found = (uint64_t)st->st_blksize;
	struct statfs fs;

	if (!fstatfs(u->fd, &fs) && (uint64_t)fs.f_bsize < found)
		found = (uint64_t)fs.f_bsize;
	if (!least)
		least = BLK_SECTOR;
	while (block > found && block > least)
		block /= 2;
	return block;
}

static int store_describe(struct uring_disk *u, struct error *err)
{
	struct disk *disk = &u->disk;
	int64_t nblocks = uring_size(disk, err);
	unsigned int block;
	int logical = BLK_SECTOR;
	struct stat st;

	if (nblocks < 0)
		return (int)nblocks;
	if (!nblocks)
		return error_set(err, EINVAL,
				 disk->spec.kind == DISK_FILE ? "it is empty: add size= to grow it"
							      : "the device is empty (no medium?)");
	if (fstat(u->fd, &st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	block = store_file_block(u, &st);
	if (S_ISBLK(st.st_mode) &&
	    (ioctl(u->fd, BLKPBSZGET, &block) || ioctl(u->fd, BLKSSZGET, &logical)))
		return error_set(err, errno, "cannot read its block size: %s", strerror(errno));
	disk->nblocks = (uint64_t)nblocks;
	disk->physical_block = disk->spec.block_size ? disk->spec.block_size : block;
	disk->read_only = disk->spec.read_only;
	disk->writeback = true;
	u->punch_align = (uint32_t)logical;
	if (!disk->read_only)
		disk->can_unmap = S_ISBLK(st.st_mode) ? store_block_unmaps(&st)
						      : store_file_unmaps(u->fd, disk->nblocks);
	if (store_copies(&disk->spec))
		disk->copy_align = store_copy_align(u);
	return 0;
}

/* A file that is larger than was asked for, as one that was grown since, stays so. */
static void store_note_size(struct disk *disk)
{
	uint64_t bytes = disk->nblocks << BLK_SECTOR_SHIFT;

	if (!disk->spec.size || bytes <= disk->spec.size)
		return;
	log_warning("disk '%s': it has %llu bytes, more than its size says, and stays so",
		    disk->name, (unsigned long long)bytes);
	disk->spec.size = bytes;
}

/* A file that is all hole: space taken in advance is none of its content. */
static bool store_is_blank(const struct uring_disk *u)
{
	return u->disk.spec.kind == DISK_FILE && lseek(u->fd, 0, SEEK_DATA) < 0 && errno == ENXIO;
}

int uring_open(struct disk *disk, struct error *err)
{
	_cleanup_free_ char *canonical = NULL;
	struct uring_disk *u = uring_disk(disk);
	int ret;

	u->fd = -1;
	ret = store_open_or_create(&disk->spec, &u->fd, &u->created, err);
	if (!ret && disk->spec.prealloc)
		ret = store_allocate(&disk->spec, u->fd, err);
	if (!ret)
		ret = store_open_direct(u, err);
	if (!ret)
		ret = store_describe(u, err);
	if (!ret && disk->spec.key_file)
		ret = encryption_open(disk, store_is_blank(u), err);
	if (ret) {
		if (u->created)
			unlink(disk->spec.path);
		cleanup_close(&u->fd);
		return ret;
	}
	if (disk->spec.kind == DISK_FILE) {
		store_note_size(disk);
		/* Without it everything works. */
		ret = disk_space_open(disk, u->fd);
		if (ret)
			log_warning("disk '%s': cannot tell how full its file system is: %s",
				    disk->name, strerror(-ret));
	}
	canonical = realpath(disk->spec.path, NULL);
	disk_identity_init(disk, canonical ? canonical : disk->spec.path);
	return 0;
}

void uring_close(struct disk *disk)
{
	const struct uring_disk *u = uring_disk(disk);

	encryption_close(disk);
	disk_space_close(disk);
	store_unlock(u->fd);
	close(u->fd);
}

void uring_unmake(struct disk *disk)
{
	const struct uring_disk *u = uring_disk(disk);
	struct stat st, there;

	if (!store_is_blank(u))
		return;
	encryption_unmake(disk);
	if (u->created && !fstat(u->fd, &st) && !lstat(disk->spec.path, &there) &&
	    st.st_dev == there.st_dev && st.st_ino == there.st_ino)
		unlink(disk->spec.path);
}

int uring_grow(struct disk *disk, uint64_t size, struct error *err)
{
	struct disk_spec spec = disk->spec;
	struct stat st;
	int ret;

	if (spec.kind != DISK_FILE)
		return error_set(err, EOPNOTSUPP, "a block device has its own size");
	if (size % BLK_SECTOR || size > INT64_MAX)
		return error_set(err, EINVAL, "%llu is no multiple of 512 bytes",
				 (unsigned long long)size);
	if (fstat(uring_disk(disk)->fd, &st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	if ((uint64_t)st.st_size > size)
		return error_set(err, EINVAL, "it has %llu bytes; files are never shrunk",
				 (unsigned long long)st.st_size);
	spec.size = size;
	ret = store_grow(&spec, uring_disk(disk)->fd, err);
	if (!ret && spec.prealloc)
		ret = store_allocate(&spec, uring_disk(disk)->fd, err);
	if (!ret)
		disk->spec.size = size;
	return ret;
}

/* Where the file has holes. A block device does not say. */
bool uring_mapped(struct disk *disk, uint64_t lba, uint64_t limit, uint64_t *n)
{
	int fd = uring_disk(disk)->fd;
	off_t at = (off_t)(lba << BLK_SECTOR_SHIFT), end = at + (off_t)(limit << BLK_SECTOR_SHIFT);
	off_t data = disk->spec.kind == DISK_FILE ? lseek(fd, at, SEEK_DATA) : at;
	bool mapped = data == at || (data < 0 && errno != ENXIO);
	off_t next = mapped && disk->spec.kind == DISK_FILE ? lseek(fd, at, SEEK_HOLE) : data;

	/* A hole that begins or ends within the sector, or is dug just now, leaves it mapped. */
	if (next < 0 || next > end || (mapped && disk->spec.kind != DISK_FILE))
		next = end;
	mapped |= next - at < BLK_SECTOR;
	*n = (uint64_t)(next - at + (mapped ? BLK_SECTOR - 1 : 0)) >> BLK_SECTOR_SHIFT;
	*n += !*n;
	return mapped;
}
