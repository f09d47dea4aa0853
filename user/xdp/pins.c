/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/pins.h"
#include "base/cleanup.h"
#include "base/lockfile.h"
#include "stgt/abi.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define BPF_FS	 "/sys/fs/bpf"
#define LOCK_DIR "/run/stgt-xdp"

#define PINS_PATH_MAX 128

/* STGT_BPFFS/NAME, or with `entry` the pin of that name in it. */
static void pins_path(char path[PINS_PATH_MAX], const char *name, const char *entry)
{
	snprintf(path, PINS_PATH_MAX, STGT_BPFFS "/%s%s%s", name, entry ? "/" : "",
		 entry ? entry : "");
}

static bool is_bpf_fs(const char *path)
{
	struct statfs fs;

	return !statfs(path, &fs) && fs.f_type == BPF_FS_MAGIC;
}

/* What a process without root's rights must find made for it. */
static const char *pins_hint(int code)
{
	return code == EACCES || code == EPERM ? "; have root make " STGT_BPFFS
						 " there, owned by this user"
					       : "";
}

int pins_mount(struct error *err)
{
	struct statfs fs;

	/* A service may be shown this directory and nothing of what is around it. */
	if (is_bpf_fs(STGT_BPFFS))
		return 0;
	if (statfs(BPF_FS, &fs) < 0)
		return error_set(err, errno, BPF_FS ": %s; is /sys mounted?", strerror(errno));
	if (fs.f_type != BPF_FS_MAGIC && mount("bpf", BPF_FS, "bpf", 0, "mode=0700") < 0)
		return error_set(err, errno, "cannot mount the BPF file system on " BPF_FS ": %s%s",
				 strerror(errno), pins_hint(errno));
	if (mkdir(STGT_BPFFS, 0700) < 0 && errno != EEXIST)
		return error_set(err, errno, "cannot make " STGT_BPFFS ": %s%s", strerror(errno),
				 pins_hint(errno));
	return 0;
}

bool pins_readable(const char *name)
{
	char path[PINS_PATH_MAX];

	pins_path(path, name, NULL);
	return !access(path, R_OK | W_OK | X_OK) || errno == ENOENT;
}

int pins_make(const char *name, struct error *err)
{
	char path[PINS_PATH_MAX];

	pins_path(path, name, NULL);
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return error_set(err, errno, "cannot make %s: %s", path, strerror(errno));
	return 0;
}

int pins_put(const char *name, const char *entry, int fd, struct error *err)
{
	char path[PINS_PATH_MAX];

	pins_path(path, name, entry);
	if (unlink(path) < 0 && errno != ENOENT)
		return error_set(err, errno, "cannot replace %s: %s", path, strerror(errno));
	if (bpf_obj_pin(fd, path) < 0)
		return error_set(err, errno, "cannot pin %s: %s", path, strerror(errno));
	return 0;
}

int pins_get(const char *name, const char *entry)
{
	char path[PINS_PATH_MAX];
	int fd;

	pins_path(path, name, entry);
	fd = bpf_obj_get(path);
	return fd < 0 ? -errno : fd;
}

void pins_remove(const char *name)
{
	char path[PINS_PATH_MAX];
	struct dirent *entry;
	DIR *dir;

	pins_path(path, name, NULL);
	dir = opendir(path);
	if (!dir)
		return;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.')
			unlinkat(dirfd(dir), entry->d_name, 0);
	closedir(dir);
	rmdir(path);
}

static void lock_path(char path[PINS_PATH_MAX], const char *name)
{
	snprintf(path, PINS_PATH_MAX, LOCK_DIR "/%s.lock", name);
}

int pins_lock(const char *name, struct error *err)
{
	char path[PINS_PATH_MAX];
	pid_t holder = 0;
	int fd;

	lock_path(path, name);
	if (mkdir(LOCK_DIR, 0755) < 0 && errno != EEXIST)
		return error_set(err, errno, "cannot make " LOCK_DIR ": %s", strerror(errno));
	fd = lockfile_take(path, &holder);
	if (fd == -EBUSY && holder)
		return error_set(err, EBUSY, "%s is served by another stgt-xdp process (pid %d)",
				 name, (int)holder);
	if (fd == -EBUSY)
		return error_set(err, EBUSY, "%s is served by another stgt-xdp process", name);
	if (fd == -EACCES)
		return error_set(err, EACCES,
				 "%s is another user's: if nothing serves %s, run "
				 "`stgt-xdp detach %s` as root first",
				 path, name, name);
	if (fd < 0)
		return error_set(err, -fd, "cannot lock %s: %s", path, strerror(-fd));
	return fd;
}

void pins_unlock(const char *name, int fd)
{
	char path[PINS_PATH_MAX];

	lock_path(path, name);
	lockfile_release(path, fd);
}

/* Never onto what is there: it may be an interface's of another network namespace. */
static int move(const char *from, const char *to)
{
	return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0 ? -errno : 0;
}

int pins_rename(const char *from, const char *to)
{
	char lock[2][PINS_PATH_MAX], pins[2][PINS_PATH_MAX];
	int ret;

	lock_path(lock[0], from);
	lock_path(lock[1], to);
	pins_path(pins[0], from, NULL);
	pins_path(pins[1], to, NULL);
	ret = move(lock[0], lock[1]);
	if (ret)
		return ret;
	ret = move(pins[0], pins[1]);
	if (ret)
		move(lock[1], lock[0]);
	return ret;
}

int pins_hold(const char *name, struct error *err)
{
	char path[PINS_PATH_MAX];
	int fd, ret;

	pins_path(path, name, NULL);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
	ret = lockfile_wait(fd);
	if (!ret)
		return fd;
	close(fd);
	if (ret != -EBUSY)
		return error_set(err, -ret, "cannot lock %s: %s", path, strerror(-ret));
	return error_set(err, EBUSY,
			 "%s is served by another stgt-xdp process, whose lock file was deleted: "
			 "end that process first",
			 name);
}
