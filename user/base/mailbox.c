/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "base/mailbox.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mailbox_open(struct mailbox *box)
{
	box->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (box->eventfd < 0)
		return -errno;
	pthread_mutex_init(&box->lock, NULL);
	list_init(&box->waiting);
	return 0;
}

void mailbox_close(struct mailbox *box)
{
	close(box->eventfd);
	pthread_mutex_destroy(&box->lock);
}

void mailbox_post(struct mailbox *box, struct message *msg)
{
	const uint64_t one = 1;
	bool first;

	pthread_mutex_lock(&box->lock);
	assert(!list_linked(&msg->link));
	first = list_empty(&box->waiting);
	list_add_tail(&box->waiting, &msg->link);
	pthread_mutex_unlock(&box->lock);
	/* The counter cannot overflow: it is written once for each time the list became empty. */
	if (first && write(box->eventfd, &one, sizeof(one)) < 0)
		return;
}

bool mailbox_withdraw(struct mailbox *box, struct message *msg)
{
	struct list *link;
	bool found = false;

	pthread_mutex_lock(&box->lock);
	for (link = box->waiting.next; link != &box->waiting && !found; link = link->next)
		found = link == &msg->link;
	if (found)
		list_del(&msg->link);
	pthread_mutex_unlock(&box->lock);
	return found;
}

bool mailbox_drain(struct mailbox *box)
{
	struct list taken;
	uint64_t count;

	list_init(&taken);
	if (read(box->eventfd, &count, sizeof(count)) < 0)
		return false;
	pthread_mutex_lock(&box->lock);
	list_splice_tail(&taken, &box->waiting);
	pthread_mutex_unlock(&box->lock);
	while (!list_empty(&taken)) {
		struct message *msg = container_of(list_pop(&taken), struct message, link);

		msg->run(msg);
	}
	return true;
}
