/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "metrics/page.h"

__asm__(".section .rodata\n"
	".global metrics_page, metrics_page_end\n"
	"metrics_page:\n"
	".incbin \"user/metrics/page.html\"\n"
	"metrics_page_end:\n"
	".byte 0\n"
	".previous\n");
