/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The list of what is wrong with a configuration, with the line of each mistake. */
#ifndef STGT_CONFIG_PROBLEMS_H
#define STGT_CONFIG_PROBLEMS_H

#include "config/config.h"
#include "config/lines.h"

/* A field: list[index].field[item], with as much of it as is not NULL or negative. */
struct config_field {
	const char *list;
	int index;
	const char *field;
	int item;
};

#define FIELD_TOP(key)		     ((struct config_field){key, -1, NULL, -1})
#define FIELD_OF(list, i, key)	     ((struct config_field){list, (int)(i), key, -1})
#define FIELD_ITEM(list, i, key, at) ((struct config_field){list, (int)(i), key, (int)(at)})

struct config_problem {
	char *path;
	char *text; /* the whole line, without newline */
	unsigned int line;
	unsigned int order; /* of being found */
};

struct config_problems {
	const struct config_lines *lines; /* NULL: not from a file */
	struct config_problem list[CONFIG_PROBLEMS_MAX];
	unsigned int count;
	unsigned int more; /* found and not listed */
	bool no_memory;
};

void config_problems_init(struct config_problems *problems, const struct config_lines *lines);
void config_problems_fini(struct config_problems *problems);

void config_problem_add(struct config_problems *problems, struct config_field field,
			const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* The field, or something in it, is listed already: what follows from that is not worth a line. */
bool config_problem_known(const struct config_problems *problems, struct config_field field);

/* 0: none was added. Else -EINVAL or -ENOMEM as config_check() returns them. */
int config_problems_report(struct config_problems *problems, char **text, struct error *err);

/* The same for one mistake that is already told in `err`, which is made fit to be printed. */
int config_problems_one(char **text, int ret, struct error *err);

#endif
