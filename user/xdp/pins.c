/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/pins.h"
#include "base/cleanup.h"
#include "stgt/abi.h"

#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <time.h>

#define BPF_FS	 "/sys/fs/bpf"
#define LOCK_DIR "/run/stgt-xdp"

#define LOCK_TRIES    10
#define LOCK_RETRY_NS 50000000

void pins_path(char path[PINS_PATH_MAX], const char *name, const char *entry)
{
	snprintf(path, PINS_PATH_MAX, STGT_BPFFS "/%s%s%s", name, entry ? "/" : "",
		 entry ? entry : "");
}

int pins_mount(struct error *err)
{
	struct statfs fs;

	if (statfs(BPF_FS, &fs) < 0)
		return error_set(err, errno, BPF_FS ": %s; is /sys mounted?", strerror(errno));
	if (fs.f_type != BPF_FS_MAGIC && mount("bpf", BPF_FS, "bpf", 0, "mode=0700") < 0)
		return error_set(err, errno, "cannot mount the BPF file system on " BPF_FS ": %s",
				 strerror(errno));
	if (mkdir(STGT_BPFFS, 0700) < 0 && errno != EEXIST)
		return error_set(err, errno, "cannot make " STGT_BPFFS ": %s", strerror(errno));
	return 0;
}

bool pins_exist(const char *name)
{
	char path[PINS_PATH_MAX];

	pins_path(path, name, NULL);
	return !access(path, F_OK);
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

/* True when the file that was locked is still the one that others find at the path. */
static bool lock_current(int fd, const char *path)
{
	struct stat own, there;

	return !fstat(fd, &own) && !stat(path, &there) && own.st_ino == there.st_ino &&
	       own.st_dev == there.st_dev;
}

static int lock_refuse(int fd, const char *name, struct error *err)
{
	char pid[16] = "";
	ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);

	if (n <= 0)
		return error_set(err, EBUSY, "%s is served by another stgt-xdp process", name);
	pid[strcspn(pid, "\n")] = '\0';
	return error_set(err, EBUSY, "%s is served by another stgt-xdp process (pid %s)", name,
			 pid);
}

int pins_lock(const char *name, struct error *err)
{
	const struct timespec pause = {.tv_nsec = LOCK_RETRY_NS};
	char path[PINS_PATH_MAX];
	int fd = -1, tries = 0;

	lock_path(path, name);
	if (mkdir(LOCK_DIR, 0755) < 0 && errno != EEXIST)
		return error_set(err, errno, "cannot make " LOCK_DIR ": %s", strerror(errno));
	for (;;) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0)
			return error_set(err, errno, "cannot open %s: %s", path, strerror(errno));
		if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
			if (lock_current(fd, path))
				break;
		} else if (++tries == LOCK_TRIES) {
			lock_refuse(fd, name, err);
			close(fd);
			return -EBUSY;
		} else {
			nanosleep(&pause, NULL);
		}
		close(fd);
	}
	if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d\n", getpid()) < 0) {
		error_set(err, errno, "cannot write %s: %s", path, strerror(errno));
		pins_unlock(name, fd);
		return -EIO;
	}
	return fd;
}

void pins_unlock(const char *name, int fd)
{
	char path[PINS_PATH_MAX];

	lock_path(path, name);
	unlink(path);
	close(fd);
}
