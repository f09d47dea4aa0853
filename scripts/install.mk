# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make install, uninstall, deb, rpm. Included by the top Makefile.
#
# DESTDIR goes before every path and into none. Where things go can be said one by one:

SBINDIR ?= $(PREFIX)/sbin
SYSCONFDIR ?= /etc
DATADIR ?= $(PREFIX)/share/stgt-xdp
DOCDIR ?= $(PREFIX)/share/doc/stgt-xdp
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
BASHDIR ?= $(PREFIX)/share/bash-completion/completions
ZSHDIR ?= $(PREFIX)/share/zsh/site-functions

# ---- install ---------------------------------------------------------------------------------

DOCS := README.md docs/architecture.md docs/bpf-maps.md docs/control-protocol.md

# mode:file:where it goes. uninstall removes what stands here.
INSTALLED := \
	0755:$(B)/stgt-xdp:$(SBINDIR)/stgt-xdp \
	0644:scripts/systemd/stgt-xdp.service:$(UNITDIR)/stgt-xdp.service \
	0644:scripts/systemd/sysusers.conf:$(SYSUSERSDIR)/stgt-xdp.conf \
	0644:scripts/systemd/tmpfiles.conf:$(TMPFILESDIR)/stgt-xdp.conf \
	0644:scripts/completions/stgt-xdp.bash:$(BASHDIR)/stgt-xdp \
	0644:scripts/completions/stgt-xdp.zsh:$(ZSHDIR)/_stgt-xdp \
	0644:scripts/grafana-dashboard.json:$(DATADIR)/grafana-dashboard.json \
	0644:scripts/prometheus-rules.yaml:$(DATADIR)/prometheus-rules.yaml \
	0644:docs/examples/stgt-xdp.yaml:$(DOCDIR)/examples/stgt-xdp.yaml \
	$(foreach file,$(DOCS),0644:$(file):$(DOCDIR)/$(notdir $(file))) \
	$(foreach page,$(MAN),0644:$(page):$(MANDIR)/man$(lastword $(subst ., ,$(page)))/$(notdir $(page)))
CONFIG := $(SYSCONFDIR)/stgt-xdp/stgt-xdp.yaml
# Folders that nothing else is in.
OWN_FOLDERS := $(DATADIR) $(DOCDIR)/examples $(DOCDIR) $(dir $(CONFIG))

# The n-th part of a line above.
part = $(word $(1),$(subst :, ,$(2)))

define install_one
	install -D -m $(call part,1,$(1)) $(call part,2,$(1)) $(DESTDIR)$(call part,3,$(1))

endef

# The configuration is the administrator's: what is there stays, at uninstall too if it was changed.
.PHONY: install uninstall
install: all
	$(foreach file,$(INSTALLED),$(call install_one,$(file)))
	sed -i 's,/usr/sbin/,$(SBINDIR)/,; s,/etc/stgt-xdp/,$(SYSCONFDIR)/stgt-xdp/,' \
		$(DESTDIR)$(UNITDIR)/stgt-xdp.service
	test -e $(DESTDIR)$(CONFIG) || install -D -m 0644 scripts/stgt-xdp.yaml $(DESTDIR)$(CONFIG)

uninstall:
	rm -f $(foreach file,$(INSTALLED),$(DESTDIR)$(call part,3,$(file)))
	! cmp -s scripts/stgt-xdp.yaml $(DESTDIR)$(CONFIG) || rm -f $(DESTDIR)$(CONFIG)
	for folder in $(OWN_FOLDERS:%=$(DESTDIR)%); do \
		test ! -d $$folder || rmdir --ignore-fail-on-non-empty $$folder; \
	done

# ---- packages --------------------------------------------------------------------------------

PACKAGES := build/packages
PACKAGE := stgt-xdp-$(VERSION)
PACKAGE_FILES := LICENSE LICENSES Makefile README.md VERSION bpf docs include scripts tests user \
	vmlinux.h

# A tree in the folder $(1), one for each package: both may be made at once.
define copy_tree
	rm -rf $(1)/$(PACKAGE)
	mkdir -p $(1)/$(PACKAGE)
	tar -c --exclude=__pycache__ $(PACKAGE_FILES) | tar -x -C $(1)/$(PACKAGE)
endef

.PHONY: deb rpm
DEB := $(PACKAGES)/stgt-xdp_$(VERSION)_$(shell dpkg --print-architecture 2>/dev/null).deb
deb: $(DEB)
	@ls $(PACKAGES)/*.deb

# Folders too, whose time changes when a file goes, but for that with the name of a target. Also checks that
# the changelog tells of this version.
$(DEB): $(filter-out bpf,$(shell find $(PACKAGE_FILES) -name __pycache__ -prune -o -print))
	$(call copy_tree,$(PACKAGES))
	grep -q '^stgt-xdp ($(VERSION))' scripts/debian/changelog
	cp -r scripts/debian $(PACKAGES)/$(PACKAGE)/debian
	cd $(PACKAGES)/$(PACKAGE) && env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL dpkg-buildpackage -b -us -uc

# Debian's rpm knows neither systemd's folders nor what is installed: RPMFLAGS=--nodeps there.
RPM_FOLDERS = $(if $(wildcard /usr/lib/rpm/macros.d/macros.systemd),,\
	--define '_unitdir /usr/lib/systemd/system' --define '_sysusersdir /usr/lib/sysusers.d' \
	--define '_tmpfilesdir /usr/lib/tmpfiles.d')
rpm:
	$(call copy_tree,$(PACKAGES)/rpm)
	mkdir -p $(PACKAGES)/rpm/SOURCES
	tar -c -z -C $(PACKAGES)/rpm -f $(PACKAGES)/rpm/SOURCES/$(PACKAGE).tar.gz $(PACKAGE)
	rpmbuild --define '_topdir $(abspath $(PACKAGES))/rpm' --define 'stgt_version $(VERSION)' \
		$(RPM_FOLDERS) $(RPMFLAGS) -ba scripts/rpm/stgt-xdp.spec
	@ls $(PACKAGES)/rpm/RPMS/*/*.rpm
