/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The small leaves: cursor, list, error, log. */
#include "base/error.h"
#include "base/list.h"
#include "base/log.h"
#include "cursor.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static void test_cursor_reads_in_wire_order(void **state)
{
	static const uint8_t bytes[] = {0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08};
	struct cursor c = cursor_over(bytes, sizeof(bytes));

	assert_int_equal(cursor_u8(&c), 0x01);
	assert_int_equal(cursor_be16(&c), 0x0203);
	assert_int_equal(cursor_be32(&c), 0x04050607);
	assert_int_equal(cursor_left(&c), 1);
	assert_false(c.short_read);
}

static void test_cursor_stops_at_the_end(void **state)
{
	static const uint8_t bytes[] = {0xff, 0xff, 0xff};
	struct cursor c = cursor_over(bytes, sizeof(bytes));

	assert_int_equal(cursor_be32(&c), 0);
	assert_true(c.short_read);
	/* The short read took nothing, and is remembered. */
	assert_int_equal(cursor_be16(&c), 0xffff);
	assert_null(cursor_bytes(&c, 2));
	assert_null(cursor_bytes(&c, SIZE_MAX));
	assert_int_equal(cursor_u8(&c), 0xff);
	assert_int_equal(cursor_u8(&c), 0);
	assert_true(c.short_read);
}

struct element {
	int value;
	struct list link;
};

static void assert_values(struct list *head, const int *values, unsigned int n)
{
	struct element *e;
	unsigned int i = 0;

	list_for_each_entry (e, head, link) {
		assert_true(i < n);
		assert_int_equal(e->value, values[i++]);
	}
	assert_int_equal(i, n);
}

static void test_list_keeps_order(void **state)
{
	struct element e[4] = {{.value = 0}, {.value = 1}, {.value = 2}, {.value = 3}};
	struct list a, b;

	list_init(&a);
	list_init(&b);
	assert_false(list_linked(&e[0].link));
	list_add_tail(&a, &e[1].link);
	list_add_tail(&a, &e[2].link);
	list_add_head(&a, &e[0].link);
	list_add_tail(&b, &e[3].link);
	assert_true(list_linked(&e[0].link));
	assert_values(&a, (int[]){0, 1, 2}, 3);

	list_splice_tail(&a, &b);
	assert_true(list_empty(&b));
	assert_values(&a, (int[]){0, 1, 2, 3}, 4);
	list_splice_tail(&a, &b);
	assert_values(&a, (int[]){0, 1, 2, 3}, 4);

	list_del(&e[1].link);
	assert_false(list_linked(&e[1].link));
	assert_values(&a, (int[]){0, 2, 3}, 3);
	assert_ptr_equal(list_pop(&a), &e[0].link);
	assert_values(&a, (int[]){2, 3}, 2);
}

static void test_list_body_may_delete(void **state)
{
	struct element e[3] = {{.value = 0}, {.value = 1}, {.value = 2}};
	struct element *pos, *tmp;
	struct list head;

	list_init(&head);
	for (unsigned int i = 0; i < 3; i++)
		list_add_tail(&head, &e[i].link);
	list_for_each_entry_safe (pos, tmp, &head, link)
		if (pos->value != 1)
			list_del(&pos->link);
	assert_values(&head, (int[]){1}, 1);
}

static void test_error_text(void **state)
{
	struct error err;

	assert_int_equal(error_set(&err, ENOENT, "no %s", "such thing"), -ENOENT);
	assert_string_equal(err.text, "no such thing");
	assert_int_equal(error_prefix(&err, EIO, "disk %d", 7), -EIO);
	assert_string_equal(err.text, "disk 7: no such thing");
	assert_int_equal(error_set(NULL, EINVAL, "unseen"), -EINVAL);
	assert_int_equal(error_prefix(NULL, EINVAL, "unseen"), -EINVAL);
}

static void test_error_says_which_limit_to_raise(void **state)
{
	struct error err;

	assert_int_equal(error_set(&err, EMFILE, "cannot open it"), -EMFILE);
	assert_int_equal(error_prefix(&err, EMFILE, "disk 7"), -EMFILE);
	assert_string_equal(err.text, "disk 7: cannot open it (raise the limit of open files: "
				      "`ulimit -n`, LimitNOFILE=)");
}

static void test_error_is_cut_not_overrun(void **state)
{
	struct error err;
	char longer[2 * sizeof(err.text)];

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	error_set(&err, EIO, "%s", longer);
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	error_prefix(&err, EIO, "what");
	assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
	assert_int_equal(strncmp(err.text, "what: xxx", 9), 0);
}

/* What log_write() leaves on stderr. */
static void logged(char *line, size_t size, const char *fmt, const char *arg)
{
	FILE *file = tmpfile();
	int saved = dup(STDERR_FILENO);
	size_t n;

	assert_non_null(file);
	assert_true(saved >= 0);
	fflush(stderr);
	assert_true(dup2(fileno(file), STDERR_FILENO) >= 0);
	log_write(LOG_WARNING, fmt, arg);
	fflush(stderr);
	dup2(saved, STDERR_FILENO);
	close(saved);
	rewind(file);
	n = fread(line, 1, size - 1, file);
	line[n] = '\0';
	fclose(file);
}

static void test_log_names_program_or_priority(void **state)
{
	char line[2048];

	unsetenv("JOURNAL_STREAM");
	logged(line, sizeof(line), "eth1 %s", "is down");
	assert_string_equal(line, "stgt-xdp: eth1 is down\n");
	setenv("JOURNAL_STREAM", "8:1", 1);
	logged(line, sizeof(line), "eth1 %s", "is down");
	assert_string_equal(line, "<4>eth1 is down\n");
	unsetenv("JOURNAL_STREAM");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cursor_reads_in_wire_order),
		cmocka_unit_test(test_cursor_stops_at_the_end),
		cmocka_unit_test(test_list_keeps_order),
		cmocka_unit_test(test_list_body_may_delete),
		cmocka_unit_test(test_error_text),
		cmocka_unit_test(test_error_says_which_limit_to_raise),
		cmocka_unit_test(test_error_is_cut_not_overrun),
		cmocka_unit_test(test_log_names_program_or_priority),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
