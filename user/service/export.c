/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "service/internal.h"

#include "base/log.h"
#include "metrics/exporter.h"
#include <stdlib.h>

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

static int start(struct service *service, const char *listen, struct error *err)
{
	static const struct exporter_ops ops = {
		.status = export_status,
		.stats = export_stats,
		.brief_status = export_brief_status,
		.brief_stats = export_brief_stats,
	};
	struct sockaddr_storage address;
	socklen_t len;
	int ret = config_listen_parse(listen, &address, &len, err);

	if (!ret)
		ret = exporter_open((struct sockaddr *)&address, len, &ops, service,
				    &service->exporter, err);
	return ret ? error_prefix(err, -ret, "exporter %s", listen) : 0;
}

int service_export(struct service *service, const char *listen, struct error *err)
{
	const char *before = service->running ? service->running->listen : NULL;
	struct error again;
	int ret;

	/* First: the old address and the new one may exclude each other. */
	exporter_close(service->exporter);
	service->exporter = NULL;
	ret = listen ? start(service, listen, err) : 0;
	if (ret && before && start(service, before, &again)) {
		log_error("%s: nobody answers there until a reload", again.text);
		/* What runs, so that a reload sees a difference. */
		free(service->running->listen);
		service->running->listen = NULL;
	}
	return ret;
}
