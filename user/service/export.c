/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "service/internal.h"

#include <errno.h>

int service_export(struct service *service, const char *listen, struct error *err)
{
	return listen ? error_set(err, EOPNOTSUPP, "no exporter") : 0;
}
