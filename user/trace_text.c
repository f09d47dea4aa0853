/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "trace_text.h"

#include "aoe/mac.h"
#include "base/clock.h"
#include <inttypes.h>
#include <stdio.h>

static const char *const points[AOE_TRACE_POINTS] = {
	[AOE_TRACE_RECEIVED] = "received",   [AOE_TRACE_PARSED] = "parsed",
	[AOE_TRACE_SUBMITTED] = "submitted", [AOE_TRACE_COMPLETED] = "completed",
	[AOE_TRACE_SENT] = "sent",	     [AOE_TRACE_RELEASED] = "released",
	[AOE_TRACE_DROPPED] = "dropped",
};

static const char *const ops[] = {
	[ATA_CLASS_READ] = "read",
	[ATA_CLASS_WRITE] = "write",
	[ATA_CLASS_FLUSH] = "flush",
	[ATA_CLASS_OTHER] = "other",
};

static const char *const commands[] = {
	[AOE_CMD_CONFIG] = "config",
	[AOE_CMD_MASK] = "mask",
	[AOE_CMD_RESERVE] = "reserve",
};

static void command_text(const struct aoe_step *step, char *text, size_t size)
{
	if (step->command == AOE_CMD_ATA)
		snprintf(text, size, "ata-%s command=0x%02x lba=%" PRIu64 " count=%u",
			 step->op < sizeof(ops) / sizeof(ops[0]) ? ops[step->op] : "?", step->ata,
			 step->lba, step->count);
	else if (step->command <= AOE_CMD_RESERVE)
		snprintf(text, size, "%s", commands[step->command]);
	else
		snprintf(text, size, "aoe command=0x%02x", step->command);
}

static void result_text(const struct aoe_step *step, char *text, size_t size)
{
	if (step->point < AOE_TRACE_COMPLETED)
		*text = 0;
	else if (step->point == AOE_TRACE_DROPPED)
		snprintf(text, size, " reason=%s",
			 step->reason < AOE_REASONS ? aoe_reason_name(step->reason) : "?");
	else if (step->aoe_error)
		snprintf(text, size, " aoe-error=%u", step->aoe_error);
	else if (step->status & ATA_ERR)
		snprintf(text, size, " status=0x%02x error=0x%02x", step->status, step->error);
	else
		snprintf(text, size, " ok");
}

void trace_text(const struct aoe_step *step, uint64_t since_ns, uint64_t ns, char text[TRACE_TEXT])
{
	const struct aoe_address address = {step->vlan, step->shelf, step->slot};
	char mac[MAC_TEXT], export[AOE_ADDRESS_TEXT], command[96], result[48];

	mac_format(step->mac, mac);
	aoe_address_format(&address, export);
	command_text(step, command, sizeof(command));
	result_text(step, result, sizeof(result));
	snprintf(text, TRACE_TEXT,
		 "%" PRIu64 ".%09" PRIu64 " +%-9" PRIu64 " %-9s %s %s tag=0x%08x %s%s",
		 ns / CLOCK_NS_PER_S, ns % CLOCK_NS_PER_S, since_ns,
		 step->point < AOE_TRACE_POINTS ? points[step->point] : "?", mac, export, step->tag,
		 command, result);
}
