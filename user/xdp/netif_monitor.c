/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/netif.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

int netif_monitor_open(void)
{
	struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int rc;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

static void parse_link(const struct nlmsghdr *head, struct netif_event *event)
{
	const struct ifinfomsg *link = NLMSG_DATA(head);
	int left = (int)IFLA_PAYLOAD(head);
	const struct rtattr *attr;

	memset(event, 0, sizeof(*event));
	event->ifindex = (unsigned int)link->ifi_index;
	event->gone = head->nlmsg_type == RTM_DELLINK;
	event->up = (link->ifi_flags & IFF_UP) && (link->ifi_flags & IFF_RUNNING);
	for (attr = IFLA_RTA(link); RTA_OK(attr, left); attr = RTA_NEXT(attr, left)) {
		if (attr->rta_type == IFLA_IFNAME && RTA_PAYLOAD(attr) <= sizeof(event->name))
			memcpy(event->name, RTA_DATA(attr), RTA_PAYLOAD(attr));
		if (attr->rta_type == IFLA_MTU && RTA_PAYLOAD(attr) == sizeof(event->mtu))
			memcpy(&event->mtu, RTA_DATA(attr), sizeof(event->mtu));
		if (attr->rta_type == IFLA_ADDRESS && RTA_PAYLOAD(attr) == sizeof(event->mac))
			memcpy(event->mac, RTA_DATA(attr), sizeof(event->mac));
	}
}

/* Bridges and the like send link messages of their own family about their ports: not link state. */
static bool is_link(const struct nlmsghdr *head)
{
	const struct ifinfomsg *link = NLMSG_DATA(head);

	return (head->nlmsg_type == RTM_NEWLINK || head->nlmsg_type == RTM_DELLINK) &&
	       head->nlmsg_len >= NLMSG_LENGTH(sizeof(*link)) && link->ifi_family == AF_UNSPEC;
}

int netif_monitor_read(int fd, void (*changed)(void *ctx, const struct netif_event *event),
		       void *ctx)
{
	char buf[16384] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *head;
	struct netif_event event;
	ssize_t n;

	for (;;) {
		n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		for (head = (const void *)buf; NLMSG_OK(head, n); head = NLMSG_NEXT(head, n)) {
			if (!is_link(head))
				continue;
			parse_link(head, &event);
			changed(ctx, &event);
		}
	}
}
