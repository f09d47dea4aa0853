/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Members of a control request. One of another type than is wanted is refused, not passed over: who
 * wrote it meant something by it.
 */
#include "service/internal.h"

#include "config/words.h"
#include <errno.h>
#include <limits.h>

int request_optional_text(const json_t *request, const char *name, const char **text,
			  struct error *err)
{
	const json_t *member = json_object_get(request, name);

	*text = json_string_value(member);
	return !member || *text ? 0 : error_set(err, EINVAL, "'%s' must be text", name);
}

const char *request_text(const json_t *request, const char *name, struct error *err)
{
	const char *text;

	if (!request_optional_text(request, name, &text, err) && !text)
		error_set(err, EINVAL, "the request lacks '%s'", name);
	return text;
}

const json_t *request_list(const json_t *request, const char *name, struct error *err)
{
	const json_t *list = json_object_get(request, name);

	if (json_is_array(list))
		return list;
	error_set(err, EINVAL, list ? "'%s' must be a list" : "the request lacks '%s'", name);
	return NULL;
}

const json_t *request_texts(const json_t *request, const char *name, struct error *err)
{
	const json_t *list = request_list(request, name, err), *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (json_is_string(item))
			continue;
		error_set(err, EINVAL, "'%s' must be a list of texts, and one of them is none",
			  name);
		return NULL;
	}
	return list;
}

int request_number(const json_t *request, const char *name, unsigned int *number, struct error *err)
{
	const json_t *member = json_object_get(request, name);
	json_int_t value = json_integer_value(member);

	if (member && !json_is_integer(member))
		return error_set(err, EINVAL, "'%s' must be a whole number", name);
	*number = value < 0 || value > UINT_MAX ? UINT_MAX : (unsigned int)value;
	return 0;
}

int request_count(const json_t *request, const char *name, unsigned int max, unsigned int *number,
		  struct error *err)
{
	const json_t *member = json_object_get(request, name);
	const char *text = json_string_value(member);
	uint64_t value = (uint64_t)json_integer_value(member);

	if (!member)
		return error_set(err, EINVAL, "the request lacks '%s'", name);
	if (text ? !config_number_parse(text, max, &value)
		 : !json_is_integer(member) || value > max)
		return error_set(err, EINVAL, "'%s' must be a number up to %u", name, max);
	*number = (unsigned int)value;
	return 0;
}

int request_address(const json_t *request, struct aoe_address *addr, struct error *err)
{
	const char *text = request_text(request, "address", err);

	if (!text)
		return -EINVAL;
	if (!iscsi_name_check(text, NULL))
		return error_set(err, EINVAL,
				 "%s is an iSCSI target, and this is for AoE exports: change the "
				 "target in the configuration file, and reload",
				 text);
	return aoe_address_parse(text, addr, err);
}
