/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What of an interface's offloads hides VLAN tags from XDP: ethtool features, netdev netlink. */
#include "base/cleanup.h"
#include "xdp/netif.h"

#include <errno.h>
#include <linux/ethtool.h>
#include <linux/genetlink.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

/* The kernel's bits are numbered by the order of its feature names. */
#define FEATURES_MAX	256
#define FEATURES_BLOCKS (FEATURES_MAX / 32)

/* ethtool's structures end in arrays without a length: each gets room for its array. */
union sset_info {
	struct ethtool_sset_info head;
	char room[sizeof(struct ethtool_sset_info) + sizeof(__u32)];
};

union feature_names {
	struct ethtool_gstrings head;
	char room[sizeof(struct ethtool_gstrings) + FEATURES_MAX * ETH_GSTRING_LEN];
};

union features_get {
	struct ethtool_gfeatures head;
	char room[sizeof(struct ethtool_gfeatures) +
		  FEATURES_BLOCKS * sizeof(struct ethtool_get_features_block)];
};

union features_set {
	struct ethtool_sfeatures head;
	char room[sizeof(struct ethtool_sfeatures) +
		  FEATURES_BLOCKS * sizeof(struct ethtool_set_features_block)];
};

static const char *const rxvlan_names[] = {"rx-vlan-hw-parse", "rx-vlan-stag-hw-parse"};

struct rxvlan {
	bool present[2];
	bool active[2];
	bool changeable[2];
	unsigned int bit[2];
	unsigned int blocks;
};

static int ethtool(int fd, const struct netif *netif, void *command)
{
	struct ifreq ifr = {.ifr_data = command};

	/* It may have been renamed, and its name be another's. */
	if (!if_indextoname(netif->ifindex, ifr.ifr_name))
		return -errno;
	return ioctl(fd, SIOCETHTOOL, &ifr) < 0 ? -errno : 0;
}

static int feature_count(int fd, const struct netif *netif)
{
	union sset_info sset = {};
	int rc;

	sset.head.cmd = ETHTOOL_GSSET_INFO;
	sset.head.sset_mask = 1ull << ETH_SS_FEATURES;
	rc = ethtool(fd, netif, &sset);
	if (rc)
		return rc;
	if (!sset.head.sset_mask || sset.head.data[0] > FEATURES_MAX)
		return -EOPNOTSUPP;
	return (int)sset.head.data[0];
}

static int rxvlan_read(int fd, const struct netif *netif, struct rxvlan *out)
{
	union feature_names names = {};
	union features_get state = {};
	int count = feature_count(fd, netif), rc, i, f;

	memset(out, 0, sizeof(*out));
	if (count < 0)
		return count;
	names.head.cmd = ETHTOOL_GSTRINGS;
	names.head.string_set = ETH_SS_FEATURES;
	names.head.len = (__u32)count;
	rc = ethtool(fd, netif, &names);
	if (rc)
		return rc;
	out->blocks = ((unsigned int)count + 31) / 32;
	state.head.cmd = ETHTOOL_GFEATURES;
	state.head.size = out->blocks;
	rc = ethtool(fd, netif, &state);
	if (rc)
		return rc;
	for (i = 0; i < count; i++) {
		const struct ethtool_get_features_block *block = &state.head.features[i / 32];
		const __u8 *name = names.head.data + (size_t)i * ETH_GSTRING_LEN;
		__u32 mask = 1u << (i % 32);

		for (f = 0; f < 2; f++) {
			if (strncmp((const char *)name, rxvlan_names[f], ETH_GSTRING_LEN))
				continue;
			out->bit[f] = (unsigned int)i;
			out->active[f] = block->active & mask;
			out->changeable[f] =
				block->available & mask && !(block->never_changed & mask);
			out->present[f] = out->active[f] || out->changeable[f];
		}
	}
	return 0;
}

static int features_socket(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	return fd < 0 ? -errno : fd;
}

int netif_rxvlan_get(const struct netif *netif)
{
	_cleanup_close_ int fd = features_socket();
	struct rxvlan now;
	int rc;

	if (fd < 0)
		return fd;
	rc = rxvlan_read(fd, netif, &now);
	if (rc)
		return rc;
	if (!now.present[0] && !now.present[1])
		return -EOPNOTSUPP;
	return now.active[0] || now.active[1];
}

int netif_rxvlan_set(const struct netif *netif, bool on)
{
	_cleanup_close_ int fd = features_socket();
	union features_set change = {};
	struct rxvlan now;
	int rc, f;

	if (fd < 0)
		return fd;
	rc = rxvlan_read(fd, netif, &now);
	if (rc)
		return rc;
	change.head.cmd = ETHTOOL_SFEATURES;
	change.head.size = now.blocks;
	for (f = 0; f < 2; f++) {
		struct ethtool_set_features_block *block = &change.head.features[now.bit[f] / 32];
		__u32 mask = 1u << (now.bit[f] % 32);

		if (!now.changeable[f] || now.active[f] == on)
			continue;
		block->valid |= mask;
		block->requested |= on ? mask : 0;
	}
	/* A positive result only says that something else changed along with it. */
	rc = ethtool(fd, netif, &change);
	if (rc)
		return rc;
	rc = netif_rxvlan_get(netif);
	if (rc < 0)
		return rc;
	return rc == on ? 0 : -EOPNOTSUPP;
}

/* ---- generic netlink, family "netdev": what of XDP's metadata the driver provides --------------
 */

#define NETDEV_CMD_DEV_GET		1
#define NETDEV_A_DEV_IFINDEX		1
#define NETDEV_A_DEV_XDP_RX_METADATA	5
#define NETDEV_XDP_RX_METADATA_VLAN_TAG 4

struct genl_message {
	struct nlmsghdr head;
	struct genlmsghdr genl;
	char attributes[64];
};

static void genl_prepare(struct genl_message *msg, uint16_t type, uint8_t command, uint8_t version)
{
	memset(msg, 0, sizeof(*msg));
	msg->head.nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN);
	msg->head.nlmsg_type = type;
	msg->head.nlmsg_flags = NLM_F_REQUEST;
	msg->genl.cmd = command;
	msg->genl.version = version;
}

static void genl_add(struct genl_message *msg, uint16_t type, const void *data, uint16_t len)
{
	char *at = (char *)msg + NLMSG_ALIGN(msg->head.nlmsg_len);
	struct nlattr attr = {.nla_len = (uint16_t)(NLA_HDRLEN + len), .nla_type = type};

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + NLA_HDRLEN, data, len);
	msg->head.nlmsg_len = NLMSG_ALIGN(msg->head.nlmsg_len) + NLA_ALIGN(NLA_HDRLEN + len);
}

/*
 * Asks, and copies the answer's attribute `type` to `value` (at most `len` bytes, the rest zero).
 * 0, or -ENOENT when there is no such answer.
 */
static int genl_ask(int fd, struct genl_message *msg, uint16_t type, void *value, size_t len)
{
	char reply[8192] __attribute__((aligned(NLMSG_ALIGNTO)));
	const struct nlmsghdr *head = (const void *)reply;
	size_t at = NLMSG_LENGTH(GENL_HDRLEN);
	ssize_t n;

	memset(value, 0, len);
	if (send(fd, msg, msg->head.nlmsg_len, 0) < 0)
		return -errno;
	n = recv(fd, reply, sizeof(reply), 0);
	if (n < (ssize_t)at || head->nlmsg_type == NLMSG_ERROR || head->nlmsg_len > (size_t)n)
		return -ENOENT;
	while (at + NLA_HDRLEN <= head->nlmsg_len) {
		struct nlattr attr;

		memcpy(&attr, reply + at, sizeof(attr));
		if (attr.nla_len < NLA_HDRLEN || attr.nla_len > head->nlmsg_len - at)
			return -ENOENT;
		if ((attr.nla_type & NLA_TYPE_MASK) == type) {
			size_t size = attr.nla_len - NLA_HDRLEN;

			memcpy(value, reply + at + NLA_HDRLEN, size < len ? size : len);
			return 0;
		}
		at += NLA_ALIGN(attr.nla_len);
	}
	return -ENOENT;
}

bool netif_has_vlan_metadata(const struct netif *netif)
{
	_cleanup_close_ int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_GENERIC);
	struct genl_message msg;
	uint32_t ifindex = netif->ifindex;
	uint64_t metadata;
	uint16_t family;

	if (fd < 0)
		return false;
	genl_prepare(&msg, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 1);
	genl_add(&msg, CTRL_ATTR_FAMILY_NAME, "netdev", sizeof("netdev"));
	if (genl_ask(fd, &msg, CTRL_ATTR_FAMILY_ID, &family, sizeof(family)))
		return false;
	genl_prepare(&msg, family, NETDEV_CMD_DEV_GET, 1);
	genl_add(&msg, NETDEV_A_DEV_IFINDEX, &ifindex, sizeof(ifindex));
	if (genl_ask(fd, &msg, NETDEV_A_DEV_XDP_RX_METADATA, &metadata, sizeof(metadata)))
		return false;
	return metadata & NETDEV_XDP_RX_METADATA_VLAN_TAG;
}
