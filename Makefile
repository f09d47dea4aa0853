# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# make            build/stgt-xdp          V=1 shows the commands, SAN=1 builds with ASan and UBSan,
#                                         SAN=thread with TSan,
#                                         CC=clang-19 with another compiler, into build/clang-19
# make demo       see it work on a veth pair of its own        (root)
# make check      every test, all tiers                        (root; see docs/HACKING.md)
# make conformance  libiscsi's test suite against stgt-xdp and tgt  (root)
# make bench      measure against vblade, the AF_XDP echo, tgt and istgt   (root)
# make install    to DESTDIR/PREFIX; scripts/install.mk has the other variables
# make deb, rpm   packages, into build/packages
#
# The first three install what is missing with scripts/bootstrap when run as root on Debian.

MAKEFLAGS += --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

PREFIX ?= /usr/local
CC := $(if $(filter default undefined,$(origin CC)),gcc,$(CC))
CLANG ?= clang
BPFTOOL ?= bpftool
PKG_CONFIG ?= pkg-config
PYTHON ?= /usr/bin/python3

ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n'
endif

# Objects of several compilers do not mix: gcc's lie in build, those of `make CC=clang-19` in a folder
# of that name in it.
B := build$(patsubst %,/%,$(filter-out gcc,$(notdir $(firstword $(CC)))))$(if $(SAN),/$(if $(filter thread,$(SAN)),tsan,san))

# ---- flags ---------------------------------------------------------------------------------

PKGS := libbpf libxdp liburing jansson libsystemd libmicrohttpd libcyaml libisal libcrypto
VERSION := $(shell cat VERSION)
# -iquote: "xdp/xsk.h" is ours, <xdp/xsk.h> is libxdp's.
CPPFLAGS_ALL := -D_GNU_SOURCE -DSTGT_VERSION='"$(VERSION)"' -Iinclude -iquote user -I$(B) $(CPPFLAGS)
WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wno-unused-parameter -Wvla
CFLAGS ?= -O2 -g
CFLAGS_ALL := -std=gnu11 $(WARN) -fno-strict-aliasing -fstack-protector-strong -pthread $(CFLAGS)
LDFLAGS_ALL := -pthread -Wl,-z,relro,-z,now $(LDFLAGS)
LIBS = $(shell $(PKG_CONFIG) --libs $(PKGS))
ifeq ($(SAN),thread)
# What gcc then warns of is not so.
CFLAGS_ALL += -fsanitize=thread -Wno-error
LDFLAGS_ALL += -fsanitize=thread
else ifdef SAN
CFLAGS_ALL += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
LDFLAGS_ALL += -fsanitize=address,undefined
endif
BPF_CFLAGS := -target bpf -g -O2 -mcpu=v3 -Wall -Wextra -Werror -Wno-unused-parameter -Iinclude -I.

# ---- modules, top layer first ----------------------------------------------------------------

MODULES := service metrics target control config tcp worker xdp aoe iscsi ata scsi lu state blk arena tap base
MODULE_LIBS := $(MODULES:%=$(B)/lib/%.a)
objects = $(patsubst %.c,$(B)/%.o,$(wildcard user/$(1)/*.c))
MAIN_OBJS := $(patsubst %.c,$(B)/%.o,$(wildcard user/*.c))
SKEL := $(B)/bpf/steer.skel.h $(B)/bpf/steer_tag.skel.h

.PHONY: all
all: $(B)/stgt-xdp man

# Only the program has a screen.
$(B)/stgt-xdp: PKGS += ncursesw
$(B)/stgt-xdp: $(MAIN_OBJS) $(MODULE_LIBS)
	$(say) LD $@
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(MAIN_OBJS) -Wl,--start-group $(MODULE_LIBS) \
		-Wl,--end-group $(LIBS)

define module
$(B)/lib/$(1).a: $(call objects,$(1))
	$$(say) AR $$@
	$(Q)mkdir -p $$(@D) && rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach m,$(MODULES) initiator,$(eval $(call module,$(m))))

$(B)/%.o: %.c
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c -o $@ $<

$(B)/user/metrics/page.o: user/metrics/page.html

# Only the loader needs the skeletons; they must exist before that is compiled for the first time.
$(call objects,xdp): | $(SKEL)

$(B)/bpf/%.bpf.o: bpf/%.bpf.c vmlinux.h
	$(say) BPF $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

$(B)/bpf/%.skel.h: $(B)/bpf/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< > $@

# ---- manual pages ----------------------------------------------------------------------------

MAN := $(patsubst docs/%.scd,$(B)/docs/%,$(wildcard docs/*.scd))
.PHONY: man
man: $(MAN)

$(B)/docs/%: docs/%.scd
	$(say) MAN $@
	$(Q)mkdir -p $(@D) && scdoc < $< > $@

include tests/tests.mk
include scripts/install.mk

# ---- housekeeping ----------------------------------------------------------------------------

.PHONY: bootstrap demo check conformance clean format
bootstrap:
	@scripts/bootstrap

demo: bootstrap
	@$(MAKE) --no-print-directory all
	@scripts/demo $(B)/stgt-xdp

check: bootstrap
	@$(PYTHON) tests/run $(CHECK_ARGS)

conformance: bootstrap
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tests/conformance/run --servers stgt-xdp,tgt --markdown docs/conformance.md

FORMATTED = $(shell git ls-files '*.c' '*.h' | grep -v '^vmlinux.h$$')
format:
	clang-format -i $(FORMATTED)

clean:
	rm -rf build

-include $(shell find $(B) -path build/packages -prune -o -type f -name '*.d' -print 2>/dev/null)
