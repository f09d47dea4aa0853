/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The status page, page.html as it was when this was built. */
#ifndef STGT_METRICS_PAGE_H
#define STGT_METRICS_PAGE_H

extern const char metrics_page[], metrics_page_end[];

#endif
