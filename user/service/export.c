/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Metrics over HTTP: opened, and moved to another address while it serves. */
#include "service/internal.h"

#include "base/listener.h"
#include "base/log.h"
#include "metrics/exporter.h"
#include <stdlib.h>
#include <string.h>

static json_t *export_status(void *ctx)
{
	return service_status(ctx);
}

static json_t *export_stats(void *ctx)
{
	return target_stats(((struct service *)ctx)->target, TARGET_FULL);
}

static json_t *export_brief_status(void *ctx)
{
	return target_status(((struct service *)ctx)->target, TARGET_BRIEF);
}

static json_t *export_brief_stats(void *ctx)
{
	return target_stats(((struct service *)ctx)->target, TARGET_BRIEF);
}

static int start(struct service *service, const char *listen, bool may_come, struct error *err)
{
	static const struct exporter_ops ops = {
		.status = export_status,
		.stats = export_stats,
		.brief_status = export_brief_status,
		.brief_stats = export_brief_stats,
	};
	struct sockaddr_storage address;
	socklen_t len;
	int fd, ret = config_listen_parse(listen, &address, &len, err);

	if (!ret) {
		fd = listener_open((struct sockaddr *)&address, len,
				   may_come ? LISTENER_MAY_COME : 0, SOMAXCONN, listen, err);
		ret = fd < 0 ? fd : exporter_open(fd, &ops, service, &service->exporter, err);
	}
	return ret ? error_prefix(err, -ret, "exporter") : 0;
}

int service_export(struct service *service, const char *listen, struct error *err)
{
	const char *before = service->running ? service->running->listen : NULL;
	struct error again;
	int ret;

	/* First: the old address and the new one may exclude each other. */
	exporter_close(service->exporter);
	service->exporter = NULL;
	ret = listen ? start(service, listen, service_addresses_may_come(service), err) : 0;
	if (ret && before && start(service, before, true, &again)) {
		log_error("%s: nobody answers there until a reload", again.text);
		/* What runs, so that a reload sees a difference. */
		free(service->running->listen);
		service->running->listen = NULL;
	}
	return ret;
}
