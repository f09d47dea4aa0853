/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#include "xdp/netif.h"
#include "base/cleanup.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/sockios.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>

static int ioctl_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

static void ifreq_name(struct ifreq *ifr, const char *name)
{
	memset(ifr, 0, sizeof(*ifr));
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%s", name);
}

static int ethtool(int fd, const char *name, void *command)
{
	struct ifreq ifr;

	ifreq_name(&ifr, name);
	ifr.ifr_data = command;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static int query_link(int fd, struct netif *out, struct error *err)
{
	struct ifreq ifr;

	ifreq_name(&ifr, out->name);
	if (ioctl(fd, SIOCGIFINDEX, &ifr) < 0)
		return error_set(err, errno,
				 "no such interface %s: `ip link` lists those there are",
				 out->name);
	out->ifindex = (unsigned int)ifr.ifr_ifindex;
	if (ioctl(fd, SIOCGIFHWADDR, &ifr) < 0)
		return error_set(err, errno, "%s: cannot read its address: %s", out->name,
				 strerror(errno));
	if (ifr.ifr_hwaddr.sa_family != ARPHRD_ETHER)
		return error_set(err, EINVAL, "%s is not an Ethernet interface", out->name);
	memcpy(out->mac, ifr.ifr_hwaddr.sa_data, sizeof(out->mac));
	if (ioctl(fd, SIOCGIFMTU, &ifr) < 0)
		return error_set(err, errno, "%s: cannot read its MTU: %s", out->name,
				 strerror(errno));
	out->mtu = (unsigned int)ifr.ifr_mtu;
	if (ioctl(fd, SIOCGIFFLAGS, &ifr) < 0)
		return error_set(err, errno, "%s: cannot read its state: %s", out->name,
				 strerror(errno));
	out->up = ifr.ifr_flags & IFF_UP;
	return 0;
}

static void query_driver(int fd, struct netif *out)
{
	struct ethtool_channels channels = {.cmd = ETHTOOL_GCHANNELS};
	struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};

	if (!ethtool(fd, out->name, &driver))
		memcpy(out->driver, driver.driver, sizeof(out->driver) - 1);
	out->rx_queues = 0;
	if (!ethtool(fd, out->name, &channels))
		out->rx_queues = channels.rx_count + channels.combined_count;
	if (!out->rx_queues)
		out->rx_queues = 1;
}

int netif_name_check(const char *name, struct error *err)
{
	if (*name && strlen(name) < IF_NAMESIZE && !strpbrk(name, "/: \f\n\r\t\v") &&
	    strcmp(name, ".") && strcmp(name, ".."))
		return 0;
	return error_set(err, EINVAL, "`%s` cannot be the name of an interface", name);
}

int netif_query(const char *name, struct netif *out, struct error *err)
{
	_cleanup_close_ int fd = ioctl_socket();
	struct stat ns;
	int rc = netif_name_check(name, err);

	memset(out, 0, sizeof(*out));
	if (rc)
		return rc;
	if (fd < 0)
		return error_set(err, -fd, "cannot open a socket: %s", strerror(-fd));
	strcpy(out->name, name);
	rc = query_link(fd, out, err);
	if (rc)
		return rc;
	query_driver(fd, out);
	if (stat("/proc/thread-self/ns/net", &ns) < 0)
		return error_set(err, errno, "/proc/thread-self/ns/net: %s", strerror(errno));
	out->netns = ns.st_ino;
	return 0;
}
