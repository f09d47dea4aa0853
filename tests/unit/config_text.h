/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the tests of the configuration share. */
#ifndef TEST_CONFIG_TEXT_H
#define TEST_CONFIG_TEXT_H

#include "config/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A configuration of a text that must be right. */
static inline struct config *config_of(const char *text)
{
	struct config *config = NULL;
	struct error err;

	if (config_parse(text, strlen(text), "t.yaml", &config, NULL, &err))
		fail_msg("%s\n%s", err.text, text);
	return config;
}

#endif
