/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "blk/key_file.h"

#include "base/cleanup.h"
#include "base/lockfile.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

struct key_file {
	char *path;
	char *name, *temp; /* within `dir` */
	int dir, fd;
	bool made;	  /* by opening it */
	bool replaceable; /* by us */
};

bool key_file_generate(uint8_t key[CIPHER_KEY])
{
	return RAND_priv_bytes(key, CIPHER_KEY) == 1;
}

/* ---- finding and opening ---- */

/* The file itself, where a link leads to it. */
static int file_locate(struct key_file *file, const char *path, struct error *err)
{
	_cleanup_free_ char *dir = NULL;
	char *base;

	file->path = realpath(path, NULL);
	if (!file->path && errno == ENOENT)
		file->path = strdup(path);
	if (!file->path)
		return error_set(err, errno, "cannot find it: %s", strerror(errno));
	dir = strdup(file->path);
	base = strrchr(file->path, '/');
	file->name = strdup(base ? base + 1 : file->path);
	if (!dir || !file->name || asprintf(&file->temp, ".%s.tmp", file->name) < 0) {
		file->temp = NULL;
		return error_set(err, ENOMEM, "no memory");
	}
	file->dir = open(dirname(dir), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (file->dir < 0)
		return error_set(err, errno, "cannot open its directory: %s", strerror(errno));
	return 0;
}

/* O_NONBLOCK: opening a pipe that nobody writes to would wait. */
static int open_within(const struct key_file *file, int flags)
{
	return openat(file->dir, file->name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY,
		      0600);
}

static int file_create(struct key_file *file, struct error *err)
{
	file->fd = open_within(file, O_RDWR | O_CREAT | O_EXCL);
	if (file->fd < 0)
		return error_set(err, errno, "cannot create it: %s", strerror(errno));
	file->made = file->replaceable = true;
	return 0;
}

static int file_open(struct key_file *file, bool blank, bool fixed, struct error *err)
{
	if (!fixed)
		file->fd = open_within(file, O_RDWR);
	file->replaceable = file->fd >= 0 && !faccessat(file->dir, ".", W_OK | X_OK, AT_EACCESS);
	if (file->fd < 0)
		file->fd = open_within(file, O_RDONLY);
	if (file->fd >= 0)
		return 0;
	if (errno != ENOENT)
		return error_set(err, errno, "cannot open it: %s; let uid %u or its groups read it",
				 strerror(errno), geteuid());
	if (blank && !fixed)
		return file_create(file, err);
	return error_set(
		err, ENOENT,
		"it does not exist, and without it what is on the disk cannot be read. For "
		"a disk with nothing on it: (umask 077; head -c %u /dev/urandom > %s)",
		CIPHER_KEY, file->path);
}

static int file_check(const struct key_file *file, struct stat *st, struct error *err)
{
	if (fstat(file->fd, st))
		return error_set(err, errno, "cannot look at it: %s", strerror(errno));
	if (!S_ISREG(st->st_mode))
		return error_set(err, EINVAL, "it is not a regular file");
	if (st->st_mode & S_IRWXO)
		return error_set(err, EACCES, "everybody may open it: chmod o= it");
	return 0;
}

/*
 * Who may replace the key is alone with it, as another disk would lose its data, too; those who
 * only read it share.
 */
static int fd_lock(int fd, bool alone, struct error *err)
{
	int ret = alone ? lockfile_wait(fd) : flock(fd, LOCK_SH | LOCK_NB) ? -errno : 0;

	if (ret == -EBUSY || ret == -EWOULDBLOCK)
		return error_set(err, EBUSY,
				 "it is another disk's key: give each one of its own, or erasing "
				 "one would erase both");
	return ret ? error_set(err, -ret, "cannot lock it: %s", strerror(-ret)) : 0;
}

/* Somebody may have replaced it since it was opened. */
static bool file_is_current(const struct key_file *file)
{
	struct stat own, there;

	return !fstat(file->fd, &own) &&
	       !fstatat(file->dir, file->name, &there, AT_SYMLINK_NOFOLLOW) &&
	       there.st_dev == own.st_dev && there.st_ino == own.st_ino;
}

/* ---- writing ---- */

static int key_write(int fd, const uint8_t key[CIPHER_KEY], struct error *err)
{
	errno = ENOSPC; /* what a short write means */
	if (pwrite(fd, key, CIPHER_KEY, 0) != CIPHER_KEY || fsync(fd))
		return error_set(err, errno, "cannot write a key: %s", strerror(errno));
	return 0;
}

static int dir_sync(const struct key_file *file, struct error *err)
{
	if (fsync(file->dir))
		return error_set(err, errno, "cannot sync its directory: %s", strerror(errno));
	return 0;
}

static int key_make(const struct key_file *file, struct error *err)
{
	uint8_t key[CIPHER_KEY];
	int ret;

	if (!key_file_generate(key))
		return error_set(err, EIO, "libcrypto has no random numbers");
	ret = key_write(file->fd, key, err);
	OPENSSL_cleanse(key, sizeof(key));
	return ret ? ret : dir_sync(file, err);
}

/* Where the file system overwrites in place, nothing of the key is left on the medium. */
static int fd_wipe(int fd, struct error *err)
{
	static const uint8_t zeroes[CIPHER_KEY];

	return key_write(fd, zeroes, err);
}

/* What a replacement left that was cut short: the key that came too late, or the old one. */
static void leftover_remove(const struct key_file *file)
{
	_cleanup_close_ int fd = openat(file->dir, file->temp,
					O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) || !S_ISREG(st.st_mode) || st.st_nlink != 1 ||
	    st.st_size > CIPHER_KEY)
		return;
	if (fd_wipe(fd, NULL) || unlinkat(file->dir, file->temp, 0))
		log_warning("%s: what a CRYPTO ERASE that was cut short left beside it cannot be "
			    "removed: %s",
			    file->path, file->temp);
}

/* ---- opening and closing ---- */

static int file_take(struct key_file *file, bool blank, bool fixed, struct error *err)
{
	struct stat st;
	int ret = file_open(file, blank, fixed, err);

	if (ret)
		return ret;
	ret = fd_lock(file->fd, file->replaceable, err);
	if (ret) {
		/* Who was faster has it for his own, and has filled it perhaps. */
		file->made = false;
		return ret;
	}
	ret = file_check(file, &st, err);
	if (!ret && !file_is_current(file))
		ret = error_set(err, EBUSY, "it is being replaced: try again");
	/* Empty is what a start leaves that is cut short. */
	if (!ret && !st.st_size && blank && file->replaceable)
		ret = key_make(file, err);
	else if (!ret && st.st_size != CIPHER_KEY)
		ret = error_set(err, EINVAL, "it has %lld bytes: a key has %u",
				(long long)st.st_size, CIPHER_KEY);
	if (!ret && file->replaceable)
		leftover_remove(file);
	return ret;
}

int key_file_open(const char *path, bool blank, bool fixed, struct key_file **out,
		  struct error *err)
{
	struct key_file *file = calloc(1, sizeof(*file));
	int ret;

	if (!file)
		return error_set(err, ENOMEM, "no memory");
	file->fd = file->dir = -1;
	ret = file_locate(file, path, err);
	if (!ret)
		ret = file_take(file, blank, fixed, err);
	if (ret) {
		key_file_unmake(file);
		key_file_close(file);
		return error_prefix(err, -ret, "key file '%s'", path);
	}
	*out = file;
	return 0;
}

void key_file_close(struct key_file *file)
{
	if (!file)
		return;
	cleanup_close(&file->fd);
	cleanup_close(&file->dir);
	free(file->path);
	free(file->name);
	free(file->temp);
	free(file);
}

void key_file_unmake(struct key_file *file)
{
	if (file->made)
		unlinkat(file->dir, file->name, 0);
}

int key_file_read(const struct key_file *file, uint8_t key[CIPHER_KEY], struct error *err)
{
	if (pread(file->fd, key, CIPHER_KEY, 0) == CIPHER_KEY)
		return 0;
	return error_set(err, EIO, "key file '%s': cannot read it", file->path);
}

bool key_file_replaceable(const struct key_file *file)
{
	return file->replaceable;
}

/* ---- replacing ---- */

/* The new key beside the old one: a descriptor, or negative errno. */
static int fresh_make(struct key_file *file, const uint8_t key[CIPHER_KEY], struct error *err)
{
	_cleanup_close_ int fd = -1;
	int ret;

	leftover_remove(file);
	fd = openat(file->dir, file->temp, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		    0600);
	if (fd < 0)
		return error_set(err, errno, "cannot create %s beside it: %s", file->temp,
				 strerror(errno));
	ret = fd_lock(fd, true, err);
	if (!ret)
		ret = key_write(fd, key, err);
	if (ret) {
		unlinkat(file->dir, file->temp, 0);
		return ret;
	}
	return cleanup_steal_fd(&fd);
}

/*
 * The old key gets the new one's name, so that it can still be found and overwritten after a crash;
 * not every file system can do that.
 */
static int fresh_put_in_place(struct key_file *file, struct error *err)
{
	if (!renameat2(file->dir, file->temp, file->dir, file->name, RENAME_EXCHANGE))
		return 0;
	if (errno == EINVAL && !renameat(file->dir, file->temp, file->dir, file->name))
		return 0;
	return error_set(err, errno, "cannot put another in its place: %s", strerror(errno));
}

static int replace(struct key_file *file, const uint8_t key[CIPHER_KEY], bool *replaced,
		   struct error *err)
{
	_cleanup_close_ int old = -1;
	int fd, ret;

	/* What has taken its name may be another disk's key, or a copy of this one. */
	if (!file_is_current(file))
		return error_set(err, ESTALE,
				 "it is not the file any more that the disk was opened with: put "
				 "that one back, or remove the disk and add it again");
	fd = fresh_make(file, key, err);
	if (fd < 0)
		return fd;
	ret = fresh_put_in_place(file, err);
	if (ret) {
		fd_wipe(fd, NULL);
		unlinkat(file->dir, file->temp, 0);
		close(fd);
		return ret;
	}
	*replaced = true;
	old = file->fd;
	file->fd = fd;
	ret = dir_sync(file, err);
	if (!ret)
		ret = fd_wipe(old, err);
	if (!ret && unlinkat(file->dir, file->temp, 0) && errno != ENOENT)
		ret = error_set(err, errno, "cannot remove %s beside it: %s", file->temp,
				strerror(errno));
	return ret;
}

int key_file_replace(struct key_file *file, const uint8_t key[CIPHER_KEY], bool *replaced,
		     struct error *err)
{
	int ret;

	*replaced = false;
	ret = replace(file, key, replaced, err);
	return ret ? error_prefix(err, -ret, "key file '%s'", file->path) : 0;
}
