/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Reservations against a model of SPC-5's rules: three initiators in random order, and after each
 * command what each of them sees, hears and may do. STGT_SEED= takes another order,
 * STGT_MODEL_STEPS= a longer one, STGT_MODEL_TRACE= shows it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka.h needs the four above */
#include <cmocka.h>

#include "base/bytes.h"
#include "fixture_scsi.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N     FIXTURE_SCSI_NEXUSES
#define STEPS 2500u

#define SPEC_I_PT 0x08
#define ALL_TG_PT 0x04
#define APTPL	  0x01
#define UNREG	  0x02

enum operation {
	REGISTER,
	RESERVE,
	RELEASE,
	CLEAR,
	PREEMPT,
	PREEMPT_AND_ABORT,
	IGNORE,
	MOVE,
	/* What is no service action of PERSISTENT RESERVE OUT. */
	RESERVE_6,
	RELEASE_6,
	RESET,
	RESTART,
	OPERATIONS,
};

/* A step, as it is drawn. */
struct step {
	enum operation operation;
	unsigned int n, other; /* whose command, and whom it names */
	uint8_t type, flags;
	uint64_t key, action_key;
};

/* What a unit remembers, in SPC-5's words. */
struct model {
	uint64_t key[N]; /* 0: not registered */
	uint8_t type;	 /* 0: no reservation */
	unsigned int holder;
	uint32_t generation;
	bool kept;
	int simple;	       /* who holds RESERVE(6), or -1 */
	uint16_t attention[N]; /* what the step makes them hear, or 0 */
};

struct expected {
	uint8_t status;
	uint16_t asc;
};

static const struct expected good = {SCSI_GOOD, 0};
static const struct expected conflict = {SCSI_RESERVATION_CONFLICT, 0};
static const struct expected bad_cdb = {SCSI_CHECK_CONDITION, SCSI_ASC_INVALID_FIELD_CDB};
static const struct expected bad_list = {SCSI_CHECK_CONDITION, SCSI_ASC_INVALID_FIELD_LIST};
static const struct expected bad_release = {SCSI_CHECK_CONDITION, SCSI_ASC_RELEASE_OF_RESERVATION};

static struct fixture_scsi fs;
static struct fixture_scsi_kept kept;
static struct model m;

/* ---- the model ---- */

static bool valid(uint8_t type)
{
	return type == 1 || type == 3 || (type >= 5 && type <= 8);
}

static bool everybodys(void)
{
	return m.type == 7 || m.type == 8;
}

static bool holds(unsigned int n)
{
	return m.key[n] && m.type && (everybodys() || m.holder == n);
}

static unsigned int registered(void)
{
	unsigned int count = 0;

	for (unsigned int n = 0; n < N; n++)
		count += m.key[n] != 0;
	return count;
}

/* All who are registered, but who asked. */
static void tell(unsigned int but, uint16_t what)
{
	for (unsigned int n = 0; n < N; n++)
		if (n != but && m.key[n] && !m.attention[n])
			m.attention[n] = what;
}

static void released(unsigned int by)
{
	if (m.type >= 5)
		tell(by, SCSI_ASC_RESERVATIONS_RELEASED);
	m.type = 0;
}

static void unregistered(unsigned int n)
{
	bool held = holds(n) && (!everybodys() || registered() == 1);

	m.key[n] = 0;
	if (held)
		released(n);
}

static struct expected model_register(const struct step *s)
{
	bool ignore = s->operation == IGNORE;

	if (!ignore && s->key != m.key[s->n])
		return conflict;
	if (s->flags & SPEC_I_PT && (ignore || m.key[s->n] || !s->action_key))
		return bad_list;
	if (!m.key[s->n] && !s->action_key)
		return good;
	if (s->action_key)
		m.key[s->n] = s->action_key;
	else
		unregistered(s->n);
	if (s->flags & SPEC_I_PT && !m.key[s->other])
		m.key[s->other] = s->action_key;
	m.kept = s->flags & APTPL;
	m.generation++;
	return good;
}

static struct expected model_reserve(const struct step *s)
{
	if (!valid(s->type))
		return bad_cdb;
	if (m.type)
		return holds(s->n) && m.type == s->type ? good : conflict;
	m.type = s->type;
	m.holder = s->n;
	return good;
}

static struct expected model_release(const struct step *s)
{
	if (!holds(s->n))
		return good;
	if (m.type != s->type)
		return bad_release;
	released(s->n);
	return good;
}

static struct expected model_clear(const struct step *s)
{
	tell(s->n, SCSI_ASC_RESERVATIONS_PREEMPTED);
	memset(m.key, 0, sizeof(m.key));
	m.type = 0;
	m.generation++;
	return good;
}

/* Others with the key, or all others; returns how many. */
static unsigned int preempted(const struct step *s, bool all)
{
	unsigned int count = 0;

	for (unsigned int n = 0; n < N; n++) {
		if (n == s->n || !m.key[n] || (!all && m.key[n] != s->action_key))
			continue;
		m.key[n] = 0;
		m.attention[n] = SCSI_ASC_REGISTRATIONS_PREEMPTED;
		count++;
	}
	return count;
}

static struct expected model_preempt(const struct step *s)
{
	bool takes = everybodys() ? !s->action_key : m.type && m.key[m.holder] == s->action_key;
	unsigned int count;

	if (!s->action_key && !everybodys())
		return bad_list;
	if (takes && !valid(s->type))
		return bad_cdb;
	count = preempted(s, !s->action_key);
	if (!takes && s->key == s->action_key) {
		unregistered(s->n);
		count++;
	}
	if (!takes && !count)
		return conflict;
	if (takes) {
		if (m.type != s->type)
			tell(s->n, SCSI_ASC_RESERVATIONS_RELEASED);
		m.type = s->type;
		m.holder = s->n;
	}
	m.generation++;
	return good;
}

static struct expected model_move(const struct step *s)
{
	if (!holds(s->n) || everybodys())
		return conflict;
	if (!s->action_key || s->other == s->n)
		return bad_list;
	m.key[s->other] = s->action_key;
	m.holder = s->other;
	if (s->flags & UNREG)
		m.key[s->n] = 0;
	m.kept = s->flags & APTPL;
	m.generation++;
	return good;
}

/* SPC-5 5.14.3: beside registrations it is tolerated, and means nothing. */
static struct expected model_simple(const struct step *s)
{
	if (registered())
		return holds(s->n) || (m.key[s->n] && m.type >= 5) ? good : conflict;
	if (s->operation == RELEASE_6) {
		m.simple = m.simple == (int)s->n ? -1 : m.simple;
		return good;
	}
	if (m.simple >= 0 && m.simple != (int)s->n)
		return conflict;
	m.simple = (int)s->n;
	return good;
}

static struct expected model_reset(const struct step *s)
{
	m.simple = -1;
	for (unsigned int n = 0; n < N; n++)
		m.attention[n] = SCSI_ASC_RESET_OCCURRED;
	return good;
}

static struct expected model_restart(const struct step *s)
{
	if (!m.kept || !registered())
		m = (struct model){};
	m.simple = -1;
	m.generation = 0;
	return good;
}

static struct expected (*const rules[OPERATIONS])(const struct step *s) = {
	[REGISTER] = model_register, [RESERVE] = model_reserve, [RELEASE] = model_release,
	[CLEAR] = model_clear,	     [PREEMPT] = model_preempt, [PREEMPT_AND_ABORT] = model_preempt,
	[IGNORE] = model_register,   [MOVE] = model_move,	[RESERVE_6] = model_simple,
	[RELEASE_6] = model_simple,  [RESET] = model_reset,	[RESTART] = model_restart,
};

static struct expected model_run(const struct step *s)
{
	bool persistent = s->operation <= MOVE;
	bool registers = s->operation == REGISTER || s->operation == IGNORE;

	memset(m.attention, 0, sizeof(m.attention));
	if (persistent && m.simple >= 0)
		return conflict;
	if (persistent && !registers && (!m.key[s->n] || m.key[s->n] != s->key))
		return conflict;
	return rules[s->operation](s);
}

static bool may_write(unsigned int n)
{
	if (m.simple >= 0)
		return m.simple == (int)n;
	return !m.type || holds(n) || (m.key[n] && m.type >= 5);
}

static bool may_read(unsigned int n)
{
	return may_write(n) || (m.simple < 0 && m.type % 2 && m.type != 3);
}

/* ---- the unit ---- */

static struct fixture_scsi_answer out(const struct step *s)
{
	bool longer =
		s->operation == MOVE || (s->operation != MOVE && s->flags & SPEC_I_PT &&
					 (s->operation == REGISTER || s->operation == IGNORE));
	uint8_t cdb[10] = {0x5f, (uint8_t)s->operation, s->type}, list[28 + 24] = {};
	uint32_t at = s->operation == MOVE ? 24 : 28, len = longer ? at + 24 : 24;

	put_be64(list, s->key);
	put_be64(list + 8, s->action_key);
	if (s->operation == MOVE) {
		list[17] = s->flags & (UNREG | APTPL);
		list[19] = 1;
		list[23] = 24;
	} else {
		list[20] = s->flags & (SPEC_I_PT | ALL_TG_PT | APTPL);
		list[27] = 24;
	}
	if (longer) {
		put_be32(list + at, 0x05000014);
		list[at + 4] = (uint8_t)('a' + s->other);
	}
	put_be32(cdb + 5, len);
	return fixture_scsi_run(&fs, s->n, cdb, 10, list, len, 0);
}

static struct fixture_scsi_answer six(unsigned int n, uint8_t opcode)
{
	const uint8_t cdb[6] = {opcode};

	return fixture_scsi_run(&fs, n, cdb, 6, NULL, 0, 0);
}

static void managed(struct scsi_tmf *tmf)
{
}

static struct fixture_scsi_answer unit_run(const struct step *s)
{
	struct scsi_tmf tmf = {.function = SCSI_LU_RESET, .done = managed};

	switch (s->operation) {
	case RESERVE_6:
		return six(s->n, 0x16);
	case RELEASE_6:
		return six(s->n, 0x17);
	case RESET:
		scsi_task_management(fs.nexus[s->n], &tmf);
		fixture_scsi_turn(&fs);
		return (struct fixture_scsi_answer){};
	case RESTART:
		fixture_scsi_restart(&fs, &kept);
		return (struct fixture_scsi_answer){};
	default:
		return out(s);
	}
}

/* ---- what everybody sees ---- */

static void check_attentions(void)
{
	for (unsigned int n = 0; n < N; n++) {
		if (m.attention[n])
			assert_int_equal(six(n, 0).asc, m.attention[n]);
		assert_int_equal(six(n, 0).asc, 0);
	}
}

static void check_access(void)
{
	static const uint8_t read[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 1};
	static const uint8_t write[10] = {0x2a, 0, 0, 0, 0, 0, 0, 0, 1}, block[512];
	enum lu_exclusion others = m.type % 2 && m.type != 3 ? LU_READ_ONLY : LU_EXCLUSIVE;

	for (unsigned int n = 0; n < N; n++) {
		assert_int_equal(fixture_scsi_run(&fs, n, write, 10, block, 512, 0).status,
				 may_write(n) ? SCSI_GOOD : SCSI_RESERVATION_CONFLICT);
		assert_int_equal(fixture_scsi_run(&fs, n, read, 10, NULL, 0, 512).status,
				 may_read(n) ? SCSI_GOOD : SCSI_RESERVATION_CONFLICT);
	}
	assert_int_equal(lu_excluded(&fs.lu), m.type || m.simple >= 0 ? others : LU_OPEN);
}

static struct fixture_scsi_answer in(uint8_t action)
{
	const uint8_t cdb[10] = {0x5e, action, 0, 0, 0, 0, 0, 4, 0};

	return fixture_scsi_run(&fs, 0, cdb, 10, NULL, 0, 1024);
}

static void check_reservation(void)
{
	struct fixture_scsi_answer a = in(1);

	assert_int_equal(get_be32(a.data), m.generation);
	assert_int_equal(get_be32(a.data + 4), m.type ? 16 : 0);
	if (!m.type)
		return;
	assert_int_equal(a.data[21], m.type);
	assert_int_equal(get_be64(a.data + 8), everybodys() ? 0 : m.key[m.holder]);
}

static void check_full_status(void)
{
	struct fixture_scsi_answer a = in(3);
	unsigned int count = get_be32(a.data + 4) / 48;

	assert_int_equal(count, registered());
	for (unsigned int i = 0; i < count; i++) {
		const uint8_t *at = a.data + 8 + 48 * i;
		unsigned int n = at[28] - 'a';

		assert_in_range(n, 0, N - 1);
		assert_int_equal(get_be64(at), m.key[n]);
		assert_int_equal(at[12] & 1, holds(n));
		assert_int_equal(at[13], holds(n) ? m.type : 0);
	}
}

static void check(void)
{
	if (m.simple >= 0) {
		check_access();
		assert_int_equal(in(0).status, SCSI_RESERVATION_CONFLICT);
		return;
	}
	check_attentions();
	check_access();
	check_reservation();
	check_full_status();
	assert_int_equal(in(2).data[3] & 1, m.kept);
}

/* ---- steps ---- */

static uint64_t some_key(unsigned int n)
{
	return rand() % 8 ? m.key[n] : (uint64_t)(rand() % 4);
}

static struct step draw(void)
{
	static const uint8_t types[] = {1, 3, 5, 6, 7, 8};
	static const enum operation rare[] = {RESET, RESTART, CLEAR};
	struct step s = {.n = (unsigned int)rand() % N, .other = (unsigned int)rand() % N};

	s.operation = (enum operation)(rand() % RESET);
	if (s.operation == CLEAR || rand() % 32 == 0)
		s.operation = rare[rand() % 3];
	s.type = rand() % 16 ? types[rand() % 6] : (uint8_t)(rand() % 32);
	if (m.type && rand() % 2)
		s.type = m.type;
	s.flags = (uint8_t)(rand() % 4 ? APTPL : 0);
	s.flags |= rand() % 4 ? 0 : SPEC_I_PT | UNREG;
	s.flags |= rand() % 8 ? 0 : ALL_TG_PT;
	s.key = some_key(s.n);
	s.action_key = rand() % 2 ? m.key[s.other] : (uint64_t)(rand() % 4);
	return s;
}

static unsigned int number_from(const char *name, unsigned int otherwise)
{
	const char *text = getenv(name);

	return text ? (unsigned int)strtoul(text, NULL, 0) : otherwise;
}

static void test_random_orders(void **state)
{
	unsigned int seed = number_from("STGT_SEED", (unsigned int)time(NULL));
	unsigned int steps = number_from("STGT_MODEL_STEPS", STEPS);

	print_message("STGT_SEED=%u\n", seed);
	srand(seed);
	for (unsigned int i = 0; i < steps; i++) {
		struct step s = draw();
		struct fixture_scsi_answer a;
		struct expected e;

		if (getenv("STGT_MODEL_TRACE"))
			print_message("%u: operation %d of %u, type %#x, key %#llx, %#llx, flags "
				      "%#x, other %u\n",
				      i, s.operation, s.n, s.type, (unsigned long long)s.key,
				      (unsigned long long)s.action_key, s.flags, s.other);
		e = model_run(&s);
		a = unit_run(&s);
		if (a.status != e.status || a.asc != e.asc)
			fail_msg("step %u: operation %d of %u ends with %#x and %#06x, not %#x and "
				 "%#06x",
				 i, s.operation, s.n, a.status, a.asc, e.status, e.asc);
		check();
	}
}

static int setup(void **state)
{
	m = (struct model){.simple = -1};
	fixture_scsi_open_kept(&fs, &kept, NULL);
	return 0;
}

static int teardown(void **state)
{
	fixture_scsi_close_kept(&fs, &kept);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_random_orders, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
