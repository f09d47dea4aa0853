/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "service/internal.h"

#include "base/cleanup.h"
#include "base/log.h"
#include "metrics/exporter.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* From here on the signals are read, not delivered; workers inherit the mask. */
static int open_signals(struct error *err)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN); /* a write beyond RLIMIT_FSIZE is an I/O error, not our end */
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0)
		return error_set(err, errno, "cannot wait for signals: %s", strerror(errno));
	return fd;
}

/* Every export takes descriptors; the soft limit is there for programs that use select(). */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int open_daemon(struct service *service, const char *path, struct error *err)
{
	if (!path)
		return 0;
	service->config_path = strdup(path);
	service->running = config_new();
	if (!service->config_path || !service->running)
		return error_set(err, ENOMEM, "out of memory");
	return 0;
}

int service_open(const struct service_options *options, struct service **service, struct error *err)
{
	struct service *s = calloc(1, sizeof(*s));
	const struct target_options target = {
		.state_dir = options->state_dir,
		.renamed = service_interface_renamed,
		.ctx = s,
	};
	int ret;

	if (!s)
		return error_set(err, ENOMEM, "out of memory");
	s->signals = s->watchdog = -1;
	ret = open_daemon(s, options->config_path, err);
	if (!ret)
		ret = s->signals = open_signals(err);
	if (ret >= 0) {
		log_start();
		raise_descriptor_limit();
		ret = target_open(&target, &s->target, err);
	}
	if (ret < 0) {
		service_close(s);
		return ret;
	}
	*service = s;
	return 0;
}

void service_close(struct service *service)
{
	exporter_close(service->exporter);
	if (service->server)
		control_server_close(service->server);
	if (service->target)
		target_close(service->target);
	cleanup_close(&service->watchdog);
	cleanup_close(&service->signals);
	config_free(service->running);
	free(service->config_path);
	free(service);
	log_stop();
}

int service_listen(struct service *service, const char *socket, const char *beside,
		   struct error *err)
{
	const char *path = socket ? socket : CONTROL_DEFAULT;
	int ret = control_server_open(path, service_commands, service, &service->server, err);
	char other[sizeof(CONTROL_DIR) + 64];

	if (ret != -EADDRINUSE || socket || !beside)
		return ret;
	snprintf(other, sizeof(other), CONTROL_DIR "/control-%s.sock", beside);
	return control_server_open(other, service_commands, service, &service->server, err);
}

/* ---- the running configuration --------------------------------------------------------------- */

static void running_export(void *ctx, const struct target_found *found)
{
	struct service *service = ctx;
	struct config_aoe *aoe = config_find_aoe(service->running, found->addr);
	struct aoe_acl copy;

	if (!aoe || aoe_acl_copy(found->acl, &copy))
		return;
	aoe_acl_fini(&aoe->acl);
	aoe->acl = copy;
	aoe->acl_differs = found->acl_differs;
	aoe->enabled = found->enabled;
}

static void running_disk(void *ctx, const char *name, const struct disk *disk)
{
	struct service *service = ctx;
	struct config_disk *noted = config_find_disk(service->running, name);

	if (!noted)
		return;
	noted->spec.size = disk->spec.size;
	noted->bytes = disk->nblocks * BLK_SECTOR;
}

static void running_limit(void *ctx, const uint8_t mac[6], const struct aoe_limit *limit)
{
	struct service *service = ctx;
	struct config_limit *entry = config_add_limit(service->running);

	if (!entry)
		return;
	memcpy(entry->mac, mac, sizeof(entry->mac));
	entry->iops = limit->iops;
	entry->bytes = limit->bytes;
}

static void running_alua(void *ctx, uint16_t group, struct scsi_access_state access)
{
	struct service *service = ctx;
	struct config_alua *entry = config_add_alua(service->running);

	if (entry)
		*entry = (struct config_alua){group, access};
}

struct config *service_running(struct service *service)
{
	if (service->running) {
		target_exports_each(service->target, running_export, service);
		target_disks_each(service->target, running_disk, service);
		while (service->running->nlimits)
			config_remove_limit(service->running, &service->running->limits[0]);
		target_limits_each(service->target, running_limit, service);
		while (service->running->nalua)
			config_remove_alua(service->running, &service->running->alua[0]);
		target_alua_each(service->target, running_alua, service);
	}
	return service->running;
}

bool service_addresses_may_come(const struct service *service)
{
	return service->config_path && (!service->serving || service->undoing);
}

int service_reload(struct service *service, struct error *err)
{
	struct config *wanted;
	int ret;

	if (!service->config_path) {
		/* What `attach` has always done on SIGHUP. */
		target_refresh_disks(service->target);
		return 0;
	}
	sd_notify(0, "RELOADING=1");
	ret = config_load(service->config_path, &wanted, NULL, err);
	if (!ret) {
		ret = service_apply(service, wanted, err);
		config_free(wanted);
		target_refresh_disks(service->target);
	}
	sd_notifyf(0, "READY=1\nSTATUS=%s", ret ? err->text : "configuration reloaded");
	return ret;
}

/* ---- the loop -------------------------------------------------------------------------------- */

static void handle_signals(struct service *service)
{
	struct signalfd_siginfo info;
	struct error err;

	while (read(service->signals, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo != SIGHUP)
			service->stop = true;
		else if (service_reload(service, &err))
			log_error("not reloaded, nothing changed: %s", err.text);
	}
}

static void say_ready(struct service *service)
{
	_cleanup_free_ char *summary = target_summary(service->target);
	const char *what = summary && *summary ? summary : "nothing is served yet";

	printf("ready: %s\n", what);
	fflush(stdout);
	sd_notifyf(0, "READY=1\nSTATUS=%s", what);
}

/* Without an interface a daemon waits for new ones; what `attach` began is over. */
static bool out_of_interfaces(const struct service *service)
{
	return !service->config_path && target_idle(service->target);
}

enum {
	WAIT_SIGNALS,
	WAIT_MAILBOX,
	WAIT_MONITOR,
	WAIT_WATCHDOG,
	WAIT_EXPORTER,
	WAIT_CONTROL
};

static void wait_and_serve(struct service *service)
{
	struct pollfd fds[WAIT_CONTROL + 1 + CONTROL_CLIENTS] = {
		[WAIT_SIGNALS] = {.fd = service->signals, .events = POLLIN},
		[WAIT_MAILBOX] = {.fd = target_mailbox(service->target)->eventfd, .events = POLLIN},
		[WAIT_MONITOR] = {.fd = target_monitor_fd(service->target), .events = POLLIN},
		[WAIT_WATCHDOG] = {.fd = service->watchdog, .events = POLLIN},
		[WAIT_EXPORTER] = {.fd = -1, .events = POLLIN},
	};
	int timeout_ms = -1;
	unsigned int n = control_server_pollfds(service->server, fds + WAIT_CONTROL);

	if (service->exporter) {
		fds[WAIT_EXPORTER].fd = exporter_fd(service->exporter);
		timeout_ms = exporter_timeout_ms(service->exporter);
	}
	if (poll(fds, WAIT_CONTROL + n, timeout_ms) < 0)
		return;
	if (fds[WAIT_SIGNALS].revents)
		handle_signals(service);
	if (fds[WAIT_MAILBOX].revents)
		mailbox_drain(target_mailbox(service->target));
	if (fds[WAIT_MONITOR].revents)
		target_monitor_dispatch(service->target);
	if (fds[WAIT_WATCHDOG].revents)
		watchdog_pat(service->watchdog, service->target);
	if (service->exporter)
		exporter_dispatch(service->exporter);
	control_server_dispatch(service->server, fds + WAIT_CONTROL, n);
	service->lost = !service->stop && out_of_interfaces(service);
}

int service_run(struct service *service, struct error *err)
{
	service->watchdog = watchdog_open(err);
	say_ready(service);
	service->serving = true;
	while (!service->stop && !service->lost)
		wait_and_serve(service);
	sd_notify(0, "STOPPING=1");
	if (service->lost)
		return error_set(err, ENODEV, "no interface is left to serve on");
	return 0;
}

int service_foreground(const struct service_foreground *what, struct error *err)
{
	const struct service_options options = {.state_dir = what->state_dir};
	struct service *service;
	int ret = service_open(&options, &service, err);

	if (ret)
		return ret;
	ret = what->fill(service->target, what->ctx, err);
	if (!ret)
		ret = service_listen(service, what->socket, what->beside, err);
	if (!ret && what->exporter)
		ret = service_export(service, what->exporter, err);
	if (ret)
		target_undo_disk(service->target, NULL);
	else
		ret = service_run(service, err);
	service_close(service);
	return ret;
}
