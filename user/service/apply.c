/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * From one configuration to another, step by step (config_diff() finds the steps). After each step
 * the running configuration says what is true, so that what follows a failure is no different from
 * any other change: back to what there was.
 */
#include "service/internal.h"

#include "base/clock.h"
#include "base/log.h"
#include <errno.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>

#define SETTLE_NS 5000000000u /* how long the last requests of all removed exports may take */

/*
 * What is new and needs nothing to go first is tried first: a file that is missing or an interface
 * that is not there is found out before anything that works has been taken away. One that is in use
 * by another name has to be let go of first.
 */
static bool goes_first(const struct service *s, const struct config *before,
		       const struct config_step *step)
{
	if (step->kind == CONFIG_ADD_DISK)
		return !config_find_disk(before, step->wanted_disk->name) &&
		       !target_has_store(s->target, &step->wanted_disk->spec);
	if (step->kind == CONFIG_ADD_INTERFACE)
		return !config_find_interface(before, step->wanted_interface->name) &&
		       !target_has_ifindex(s->target, if_nametoindex(step->wanted_interface->name));
	return false;
}

/* Puts what goes first there; before any step is done, as steps change the answer. */
static int sort_steps(const struct service *s, const struct config *before,
		      struct config_step *steps, unsigned int n)
{
	struct config_step *others = n ? calloc(n, sizeof(*others)) : NULL;
	unsigned int nfirst = 0, nothers = 0;

	if (!n)
		return 0;
	if (!others)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++) {
		if (goes_first(s, before, &steps[i]))
			steps[nfirst++] = steps[i];
		else
			others[nothers++] = steps[i];
	}
	memcpy(&steps[nfirst], others, nothers * sizeof(*others));
	free(others);
	return 0;
}

static int run_step(struct service *s, const struct config_step *step, const struct config *wanted,
		    struct error *err)
{
	/* Taking hundreds of gigabytes of memory or of a file system takes its time. */
	bool slow = s->watchdog >= 0 && step->kind == CONFIG_ADD_DISK &&
		    step->wanted_disk->spec.prealloc;
	int ret;

	if (slow)
		watchdog_be_patient(true);
	ret = service_steps[step->kind](s, step, wanted, err);
	if (slow)
		watchdog_be_patient(false);
	if (ret)
		return error_prefix(err, -ret, "%s", step->text);
	log_notice("%s", step->text);
	return 0;
}

/* The way back does not end at what fails: one that cannot return must not keep others away. */
static int run_steps(struct service *s, const struct config *wanted,
		     const struct config_step *steps, unsigned int n, struct error *err)
{
	for (unsigned int i = 0; i < n; i++) {
		int ret = run_step(s, &steps[i], wanted, err);

		if (ret && s->undoing) {
			log_error("cannot undo it all: %s", err->text);
		} else if (ret) {
			/* Else the steps back stand in the log without a reason. A start's ends it.
			 */
			if (i && s->serving)
				log_warning("what was changed is undone: %s", err->text);
			return ret;
		}
	}
	return 0;
}

/* A state directory that cannot be written is found out before anything is touched. */
static int check_state(const struct service *s, const struct config_step *steps, unsigned int n,
		       struct error *err)
{
	for (unsigned int i = 0; i < n && !s->undoing; i++)
		if (steps[i].kind == CONFIG_ADD_EXPORT || steps[i].kind == CONFIG_ADD_TARGET ||
		    steps[i].kind == CONFIG_ADD_LUN)
			return target_state_check(s->target, err);
	return 0;
}

/* `before` must not be the running configuration itself, which changes on the way. */
static int change(struct service *s, const struct config *before, const struct config *wanted,
		  struct error *err)
{
	struct config_step *steps = NULL;
	unsigned int n = 0;
	int ret = config_diff(before, wanted, &steps, &n, err);

	if (!ret && sort_steps(s, before, steps, n))
		ret = error_set(err, ENOMEM, "out of memory");
	if (!ret)
		ret = check_state(s, steps, n, err);
	if (!ret)
		ret = run_steps(s, wanted, steps, n, err);
	config_steps_free(steps, n);
	return ret;
}

static void change_back(struct service *s, const struct config *wanted)
{
	struct config *before = config_copy(s->running);
	struct error err;

	s->undoing = true;
	if (!before || change(s, before, wanted, &err))
		log_error("cannot undo it all: %s", before ? err.text : "out of memory");
	s->undoing = false;
	config_free(before);
}

/* Exports that are served nowhere any more go, and come with their interface when that is added. */
static void drop_stranded_exports(struct service *s)
{
	struct config *running = s->running;

	for (unsigned int i = running->naoe; i-- > 0;) {
		struct config_aoe *aoe = &running->aoe[i];

		if (!aoe->ninterfaces && !target_remove_export(s->target, &aoe->addr, NULL))
			config_remove_aoe(running, aoe);
	}
}

/* An interface that went away by itself and is there again is one to be added. */
static void note_returned_interfaces(struct service *s)
{
	struct config *running = s->running;

	target_monitor_dispatch(s->target);
	target_drop_detached(s->target);
	for (unsigned int i = running->ninterfaces; i-- > 0;) {
		const char *name = running->interfaces[i].name;

		if (!target_has_interface(s->target, name) && if_nametoindex(name))
			service_note_no_interface(running, name);
	}
	drop_stranded_exports(s);
}

/* Nothing to remember where lists are the same everywhere; false: out of memory. */
static bool remember_lists(struct service *s, const struct config *before)
{
	bool differ = false;

	for (unsigned int i = 0; i < before->naoe; i++)
		differ |= before->aoe[i].acl_differs;
	s->lists = differ ? target_access_read(s->target) : NULL;
	return s->lists || !differ;
}

int service_apply(struct service *service, const struct config *wanted, struct error *err)
{
	struct config *before;
	int ret;

	service->settle_until_ns = clock_now_ns() + SETTLE_NS;
	note_returned_interfaces(service);
	before = config_copy(service_running(service));
	if (!before || !remember_lists(service, before)) {
		config_free(before);
		return error_set(err, ENOMEM, "out of memory");
	}
	/* What was written for an export that may come now must not open it by surprise. */
	target_access_sweep(service->target);
	ret = change(service, before, wanted, err);
	if (ret)
		change_back(service, before);
	target_access_free(service->lists);
	service->lists = NULL;
	config_free(before);
	return ret;
}
