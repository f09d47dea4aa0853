/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How portals and initiators of iSCSI targets are written. Any thread. */
#ifndef STGT_CONFIG_ISCSI_WORDS_H
#define STGT_CONFIG_ISCSI_WORDS_H

#include "iscsi/iscsi.h"

#define CONFIG_ISCSI_PORT 3260u

/*
 * ADDR, ADDR:PORT, [ADDR] or [ADDR]:PORT, in numbers, and perhaps ,GROUP behind it; the port is
 * CONFIG_ISCSI_PORT and the group SCSI_GROUP_USUAL when they are not said. -EINVAL says what is
 * wrong.
 */
int config_portal_parse(const char *text, struct iscsi_portal *portal, struct error *err);
#define CONFIG_PORTAL_TEXT (ISCSI_PORTAL_MAX + sizeof(",65535"))
/* As that reads it: with the port, and with the group if it is not the usual one. */
void config_portal_format(const struct iscsi_portal *portal, char text[CONFIG_PORTAL_TEXT]);

/*
 * WHO[/lun=N[-M]]...[/ro]: `any`, an initiator's name, or a pattern with `*` in it; which LUNs it
 * sees (all when none is said), and whether it may only read. -EINVAL names what is wrong.
 */
int config_rule_parse(const char *text, struct iscsi_rule *rule, struct error *err);

/* As config_rule_parse() reads it; the caller frees. NULL: out of memory. */
char *config_rule_text(const struct iscsi_rule *rule);
bool config_rule_equal(const struct iscsi_rule *a, const struct iscsi_rule *b);

#endif
