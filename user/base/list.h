/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Intrusive doubly linked list: the link lives in the element, the list owns nothing.
 *
 * An element is in at most one list per link. list_del() leaves the link pointing at itself, so
 * that list_linked() tells whether the element is in a list.
 */
#ifndef STGT_BASE_LIST_H
#define STGT_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next, *prev;
};

#ifndef container_of
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#endif

static inline void list_init(struct list *head)
{
	head->next = head->prev = head;
}

static inline bool list_empty(const struct list *head)
{
	return head->next == head;
}

static inline bool list_linked(const struct list *link)
{
	return link->next && link->next != link;
}

static inline void list_add_tail(struct list *head, struct list *link)
{
	link->prev = head->prev;
	link->next = head;
	head->prev->next = link;
	head->prev = link;
}

static inline void list_add_head(struct list *head, struct list *link)
{
	link->next = head->next;
	link->prev = head;
	head->next->prev = link;
	head->next = link;
}

static inline void list_del(struct list *link)
{
	link->next->prev = link->prev;
	link->prev->next = link->next;
	list_init(link);
}

/* Takes the first link out of a list that is not empty. */
static inline struct list *list_pop(struct list *head)
{
	struct list *link = head->next;

	list_del(link);
	return link;
}

/* Moves all of `from` to the end of `to`; `from` is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_for_each_entry(pos, head, member)                                                   \
	for (pos = container_of((head)->next, __typeof__(*pos), member); &pos->member != (head); \
	     pos = container_of(pos->member.next, __typeof__(*pos), member))

/* As above, for a body that may take `pos` out of the list. */
#define list_for_each_entry_safe(pos, tmp, head, member)                    \
	for (pos = container_of((head)->next, __typeof__(*pos), member),    \
	    tmp = container_of(pos->member.next, __typeof__(*pos), member); \
	     &pos->member != (head);                                        \
	     pos = tmp, tmp = container_of(pos->member.next, __typeof__(*pos), member))

#endif
