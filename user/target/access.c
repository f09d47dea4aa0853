/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Access lists: the `acl` map of each interface is where they are kept, because the XDP program
 * reads them there and administrators may write there. Workers ask it, and so does status.
 */
#include "target/internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ACCESS_ADDRESS_MAX 0xffffffu /* of a shelf and a slot, in the map */

static uint32_t map_address(const struct aoe_address *addr)
{
	return (uint32_t)addr->shelf << 8 | addr->slot;
}

static struct stgt_acl_key access_key(const struct aoe_address *addr, const uint8_t mac[6])
{
	struct stgt_acl_key key = {
		.proto = STGT_PROTO_AOE,
		.vlan = addr->vlan,
		.address = map_address(addr),
	};

	memcpy(key.mac, mac, sizeof(key.mac));
	return key;
}

static enum stgt_access access_lookup(void *ctx, const struct aoe_address *addr,
				      const uint8_t mac[6])
{
	const struct target_interface *interface = ctx;
	const struct steer_maps maps = {.acl = interface->acl};
	const struct stgt_acl_key key = access_key(addr, mac);

	return steer_acl_lookup(&maps, &key);
}

struct aoe_access_source target_access_source(struct target_interface *interface)
{
	return (struct aoe_access_source){.lookup = access_lookup, .ctx = interface};
}

/* ---- reading ---- */

struct access_entry {
	struct aoe_address addr;
	struct aoe_acl_entry entry;
};

/* Of one interface, sorted by address and MAC. */
struct access_map {
	const struct target_interface *interface;
	char name[IF_NAMESIZE]; /* the interface's, which may be gone */
	struct access_entry *entries;
	struct aoe_acl_entry *lists; /* the same without the addresses */
	size_t n, room;
	bool failed;
};

struct target_access {
	struct access_map *maps;
	unsigned int n;
	struct aoe_acl joined; /* of lists that differ */
};

static int address_compare(const struct aoe_address *a, const struct aoe_address *b)
{
	if (a->vlan != b->vlan)
		return a->vlan < b->vlan ? -1 : 1;
	if (a->shelf != b->shelf)
		return a->shelf < b->shelf ? -1 : 1;
	return (int)a->slot - (int)b->slot;
}

static int entry_compare(const void *a, const void *b)
{
	const struct access_entry *x = a, *y = b;
	int order = address_compare(&x->addr, &y->addr);

	return order ? order : memcmp(x->entry.mac, y->entry.mac, sizeof(x->entry.mac));
}

/* Anybody may write to the map: an entry that no frame looks up grants nothing and is none. */
static bool access_key_is_ours(const struct stgt_acl_key *key)
{
	return key->proto == STGT_PROTO_AOE && key->address <= ACCESS_ADDRESS_MAX && !key->zero;
}

static void access_found(void *ctx, const struct stgt_acl_key *key, const struct stgt_acl *value)
{
	struct access_map *map = ctx;
	struct access_entry *entry;

	if (!access_key_is_ours(key))
		return;
	if (map->n == map->room) {
		size_t room = map->room ? 2 * map->room : 64;
		struct access_entry *entries = realloc(map->entries, room * sizeof(*entries));

		if (!entries) {
			map->failed = true;
			return;
		}
		map->entries = entries;
		map->room = room;
	}
	entry = &map->entries[map->n++];
	entry->addr = (struct aoe_address){
		.vlan = key->vlan,
		.shelf = (uint16_t)(key->address >> 8),
		.slot = (uint8_t)key->address,
	};
	memcpy(entry->entry.mac, key->mac, sizeof(key->mac));
	entry->entry.access = value->access <= STGT_ACCESS_RW ? (enum stgt_access)value->access
							      : STGT_ACCESS_DENY;
}

/* A walk over a map that changes meanwhile may meet an entry twice. */
static void access_sort(struct access_map *map)
{
	size_t n = 0;

	if (map->n)
		qsort(map->entries, map->n, sizeof(*map->entries), entry_compare);
	for (size_t i = 0; i < map->n; i++)
		if (!n || entry_compare(&map->entries[n - 1], &map->entries[i]))
			map->entries[n++] = map->entries[i];
	map->n = n;
	map->lists = calloc(n ? n : 1, sizeof(*map->lists));
	if (!map->lists) {
		map->failed = true;
		map->n = 0;
	}
	for (size_t i = 0; i < map->n; i++)
		map->lists[i] = map->entries[i].entry;
}

static void access_map_read(struct access_map *map, const struct target_interface *interface)
{
	map->interface = interface;
	strcpy(map->name, interface->netif.name);
	if (steer_acl_each(steer_maps(interface->steer), access_found, map))
		map->failed = true;
	access_sort(map);
}

struct target_access *target_access_read(const struct target *target)
{
	struct target_access *access = calloc(1, sizeof(*access));
	const struct target_interface *interface;
	unsigned int n = 0;

	list_for_each_entry (interface, &target->interfaces, link)
		n++;
	if (access)
		access->maps = calloc(n ? n : 1, sizeof(*access->maps));
	if (!access || !access->maps) {
		free(access);
		return NULL;
	}
	list_for_each_entry (interface, &target->interfaces, link)
		access_map_read(&access->maps[access->n++], interface);
	return access;
}

static size_t access_first(const struct access_map *map, const struct aoe_address *addr)
{
	size_t low = 0, high = map->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (address_compare(&map->entries[mid].addr, addr) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low;
}

static struct aoe_acl access_list(const struct access_map *map, const struct aoe_address *addr)
{
	size_t first = access_first(map, addr), end = first;

	while (end < map->n && aoe_address_equal(&map->entries[end].addr, addr))
		end++;
	return (struct aoe_acl){.entries = map->lists + first,
				.count = (unsigned int)(end - first)};
}

/* Everybody on either list, with the most that either grants. */
static int access_join(const struct aoe_acl *a, const struct aoe_acl *b, struct aoe_acl *joined)
{
	unsigned int i = 0, k = 0;

	*joined = (struct aoe_acl){.entries = calloc(a->count + b->count, sizeof(*a->entries))};
	if (!joined->entries)
		return -ENOMEM;
	while (i < a->count || k < b->count) {
		int order = i == a->count   ? 1
			    : k == b->count ? -1
					    : memcmp(a->entries[i].mac, b->entries[k].mac,
						     sizeof(a->entries[i].mac));
		struct aoe_acl_entry *entry = &joined->entries[joined->count++];
		enum stgt_access other;

		*entry = order <= 0 ? a->entries[i] : b->entries[k];
		other = aoe_acl_lookup(order <= 0 ? b : a, entry->mac);
		if (other > entry->access)
			entry->access = other;
		i += order <= 0;
		k += order >= 0;
	}
	return 0;
}

struct aoe_acl target_access_of(struct target_access *access, const struct target_export *export,
				bool *differ)
{
	struct aoe_acl found = export->acl, list, joined;
	bool any = false, same = true;

	for (unsigned int i = 0; access && i < access->n; i++) {
		const struct access_map *map = &access->maps[i];

		if (map->failed || !target_interface_serves(map->interface, export))
			continue;
		list = access_list(map, &export->addr);
		if (!any)
			found = list;
		any = true;
		if (aoe_acl_equal(&found, &list))
			continue;
		same = false;
		if (access_join(&found, &list, &joined))
			continue;
		aoe_acl_fini(&access->joined);
		found = access->joined = joined;
	}
	if (differ)
		*differ = !same;
	return found;
}

bool target_access_on(const struct target_access *access, const char *interface,
		      const struct aoe_address *addr, struct aoe_acl *acl)
{
	for (unsigned int i = 0; i < access->n; i++) {
		const struct access_map *map = &access->maps[i];

		if (map->failed || strcmp(map->name, interface))
			continue;
		*acl = access_list(map, addr);
		return true;
	}
	return false;
}

void target_access_free(struct target_access *access)
{
	for (unsigned int i = 0; access && i < access->n; i++) {
		free(access->maps[i].entries);
		free(access->maps[i].lists);
	}
	if (access) {
		aoe_acl_fini(&access->joined);
		free(access->maps);
	}
	free(access);
}

/* ---- writing ---- */

static bool acl_lists(const struct aoe_acl *acl, const uint8_t mac[6])
{
	for (unsigned int i = 0; i < acl->count; i++)
		if (!memcmp(acl->entries[i].mac, mac, sizeof(acl->entries[i].mac)))
			return true;
	return false;
}

/* Takes out of the map what the list does not have. */
static void access_prune(struct target_interface *interface, const struct target_export *export,
			 const struct aoe_acl *acl)
{
	struct access_map map = {0};

	access_map_read(&map, interface);
	for (size_t i = access_first(&map, &export->addr);
	     i < map.n && aoe_address_equal(&map.entries[i].addr, &export->addr); i++) {
		const struct stgt_acl_key key = access_key(&export->addr, map.lists[i].mac);

		if (!acl_lists(acl, key.mac))
			steer_acl_del(interface->steer, &key);
	}
	free(map.entries);
	free(map.lists);
}

int target_access_add(struct target_interface *interface, const struct target_export *export,
		      const struct aoe_acl *acl)
{
	int ret = 0;

	for (unsigned int i = 0; i < acl->count && !ret; i++) {
		const struct stgt_acl_key key = access_key(&export->addr, acl->entries[i].mac);

		ret = steer_acl_set(interface->steer, &key, acl->entries[i].access);
	}
	return ret;
}

static void port_access_changed(const struct worker_view *view, void *arg)
{
	aoe_port_access_changed(view->port, arg);
}

/* New entries first: who is on both lists is never shut out. */
static int access_replace(struct target_interface *interface, const struct target_export *export,
			  const struct aoe_acl *acl)
{
	int ret = target_access_add(interface, export, acl);

	if (!ret)
		access_prune(interface, export, acl);
	target_interface_run(interface, port_access_changed, export->aoe);
	return ret;
}

void target_access_erase(struct target_interface *interface, const struct target_export *export)
{
	const struct aoe_acl nobody = {0};

	access_prune(interface, export, &nobody);
}

static bool interface_serves_address(const struct target_interface *interface,
				     const struct aoe_address *addr)
{
	for (unsigned int i = 0; i < interface->nexports; i++)
		if (aoe_address_equal(&interface->exports[i]->addr, addr))
			return true;
	return false;
}

static void interface_sweep(struct target_interface *interface)
{
	struct access_map map = {0};
	bool served = false;

	access_map_read(&map, interface);
	for (size_t i = 0; i < map.n; i++) {
		const struct aoe_address *addr = &map.entries[i].addr;
		const struct stgt_acl_key key = access_key(addr, map.lists[i].mac);

		if (!i || !aoe_address_equal(addr, &map.entries[i - 1].addr))
			served = interface_serves_address(interface, addr);
		if (!served)
			steer_acl_del(interface->steer, &key);
	}
	free(map.entries);
	free(map.lists);
}

void target_access_sweep(struct target *target)
{
	struct target_interface *interface;

	list_for_each_entry (interface, &target->interfaces, link)
		interface_sweep(interface);
}

/* ---- what administrators ask for ---- */

/* The list with the entries added, or changed in it. */
static int acl_copy_with(const struct aoe_acl *from, const struct aoe_acl *entries,
			 struct aoe_acl *to)
{
	struct aoe_acl with = {
		.entries = calloc(from->count + entries->count + 1ull, sizeof(*with.entries)),
	};
	int ret;

	if (!with.entries)
		return -ENOMEM;
	for (unsigned int i = 0; i < from->count; i++)
		if (!acl_lists(entries, from->entries[i].mac))
			with.entries[with.count++] = from->entries[i];
	for (unsigned int i = 0; i < entries->count; i++)
		with.entries[with.count++] = entries->entries[i];
	ret = aoe_acl_copy(&with, to);
	aoe_acl_fini(&with);
	return ret;
}

static int acl_failed(const struct target_export *export, int ret, struct error *err)
{
	char address[AOE_ADDRESS_TEXT];

	aoe_address_format(&export->addr, address);
	if (ret == -E2BIG)
		return error_set(
			err, E2BIG,
			"cannot change the access list of export %s: an interface has room for "
			"%d entries, and all are taken",
			address, STGT_MAX_ACL);
	return error_set(err, -ret, "cannot change the access list of export %s: %s", address,
			 strerror(-ret));
}

/* An entry as it was before it was written. */
struct access_was {
	struct target_interface *interface;
	struct stgt_acl_key key;
	struct stgt_acl value;
	bool listed;
};

static void access_undo(const struct access_was *was, size_t n)
{
	while (n--) {
		struct steer *steer = was[n].interface->steer;

		if (was[n].listed)
			steer_acl_set(steer, &was[n].key, (enum stgt_access)was[n].value.access);
		else
			steer_acl_del(steer, &was[n].key);
	}
}

/* Writes the entries on one interface, and to was[*n] on what was there. */
static int access_add_noted(struct target_interface *interface, const struct target_export *export,
			    const struct aoe_acl *entries, struct access_was *was, size_t *n)
{
	int ret = 0;

	for (unsigned int i = 0; i < entries->count && !ret; i++) {
		struct access_was *entry = &was[*n];

		entry->interface = interface;
		entry->key = access_key(&export->addr, entries->entries[i].mac);
		entry->listed =
			!steer_acl_get(steer_maps(interface->steer), &entry->key, &entry->value);
		ret = steer_acl_set(interface->steer, &entry->key, entries->entries[i].access);
		*n += !ret;
	}
	return ret;
}

/*
 * Writes the entries on every interface that serves the export, or none on any; then `whole` takes
 * out what else is there. New entries first: who is on both lists is never shut out.
 */
static int access_write(struct target *target, const struct target_export *export,
			const struct aoe_acl *entries, bool whole)
{
	struct target_interface *interface;
	struct access_was *was;
	size_t n = 0;
	int ret = 0;

	list_for_each_entry (interface, &target->interfaces, link)
		n++;
	was = calloc(n * entries->count + 1, sizeof(*was));
	if (!was)
		return -ENOMEM;
	n = 0;
	list_for_each_entry (interface, &target->interfaces, link) {
		if (!ret && target_interface_serves(interface, export))
			ret = access_add_noted(interface, export, entries, was, &n);
	}
	if (ret)
		access_undo(was, n);
	free(was);
	list_for_each_entry (interface, &target->interfaces, link) {
		if (!target_interface_serves(interface, export))
			continue;
		if (!ret && whole)
			access_prune(interface, export, entries);
		target_interface_run(interface, port_access_changed, export->aoe);
	}
	return ret;
}

/* `list`, which new interfaces get, becomes the export's; if that fails it is freed. */
static int acl_write(struct target *target, struct target_export *export,
		     const struct aoe_acl *entries, bool whole, struct aoe_acl *list,
		     struct error *err)
{
	int ret = access_write(target, export, entries, whole);

	if (ret) {
		aoe_acl_fini(list);
		return acl_failed(export, ret, err);
	}
	aoe_acl_fini(&export->acl);
	export->acl = *list;
	return 0;
}

int target_acl_set(struct target *target, const struct aoe_address *addr, const struct aoe_acl *acl,
		   struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct aoe_acl list;

	if (!export)
		return target_no_export(addr, err);
	if (aoe_acl_copy(acl, &list))
		return error_set(err, ENOMEM, "out of memory");
	return acl_write(target, export, acl, true, &list, err);
}

int target_acl_change(struct target *target, const struct aoe_address *addr,
		      const struct aoe_acl *entries, struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct aoe_acl list;

	if (!export)
		return target_no_export(addr, err);
	if (acl_copy_with(&export->acl, entries, &list))
		return error_set(err, ENOMEM, "out of memory");
	/* Other entries stay as they are, which need not be the same everywhere. */
	return acl_write(target, export, entries, false, &list, err);
}

int target_acl_set_on(struct target *target, const struct aoe_address *addr, const char *name,
		      const struct aoe_acl *acl, struct error *err)
{
	struct target_export *export = target_export_find(target, addr);
	struct target_interface *interface = target_interface_find(target, name);
	int ret = 0;

	if (!export)
		return target_no_export(addr, err);
	if (interface && target_interface_serves(interface, export))
		ret = access_replace(interface, export, acl);
	return ret ? acl_failed(export, ret, err) : 0;
}
