# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# How the tests are built; tests/run runs them. Included by the top Makefile.

# ---- unit and golden: one program a file, linked with the layers from its module down ---------

CMOCKA_LIBS = $(shell $(PKG_CONFIG) --libs cmocka)
UNIT := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/unit/test_*.c))
GOLDEN := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/golden/test_*.c))
BPF_TESTS := $(patsubst tests/%.c,$(B)/tests/%,$(wildcard tests/bpf/test_*.c))
TEST_SUPPORT := $(B)/tests/lib.a

# The modules a test links, by the module it is named after (test_<module>_<what>.c).
links_base := base
links_arena := arena base
links_tap := tap base
links_state := state base
links_blk := blk arena base
links_lu := lu blk arena base
links_ata := ata lu state blk arena base
links_aoe := aoe ata lu state blk arena base
links_scsi := scsi lu state blk arena base
links_iscsi := iscsi scsi lu state blk arena base
links_initiator := initiator base
links_tcp := tcp iscsi scsi lu state blk arena base
links_classify :=
links_target := $(MODULES)
links_control := control base
links_metrics := metrics base
links_config := config control aoe ata iscsi scsi lu state blk arena base
links_attach := $(MODULES)
links_serve := $(MODULES)
links_report := base
links_top := base
links_xdp := xdp arena tap base
links_steer := xdp arena tap base
# What of the command line is tested by itself.
$(B)/tests/unit/test_attach_args: $(B)/user/attach_args.o $(B)/user/options.o
$(B)/tests/unit/test_serve_args: $(B)/user/serve_args.o $(B)/user/options.o
$(B)/tests/unit/test_config_command: $(B)/user/cmd_config.o $(B)/user/cmd.o $(B)/user/options.o
$(B)/tests/unit/test_report_text: $(B)/user/report_text.o
$(B)/tests/unit/test_top_model: $(B)/user/top_model.o
$(B)/tests/unit/test_top_text: $(B)/user/top_text.o $(B)/user/top_model.o
module_of = $(word 2,$(subst _, ,$(notdir $(1))))
libs_of = $(links_$(call module_of,$(1)):%=$(B)/lib/%.a)

define test_program
$(1): $(B)/$(patsubst $(B)/%,%,$(1)).o $(TEST_SUPPORT) $(call libs_of,$(1))
	$$(say) LD $$@
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $$@ $$(filter %.o,$$^) -Wl,--start-group \
		$$(filter %.a,$$^) -Wl,--end-group $(LIBS) $(CMOCKA_LIBS)
endef
$(foreach t,$(UNIT) $(GOLDEN) $(BPF_TESTS),$(eval $(call test_program,$(t))))

$(B)/tests/%.o: tests/%.c
	$(say) CC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) -Itests/lib $(CFLAGS_ALL) -Wno-missing-prototypes -MMD -MP -c -o $@ $<

# An archive, so that a test of the lower layers links only the helpers that it uses.
$(TEST_SUPPORT): $(patsubst %.c,$(B)/%.o,$(wildcard tests/lib/*.c))
	$(say) AR $@
	$(Q)mkdir -p $(@D) && rm -f $@ && ar rcs $@ $^

.PHONY: unit golden bpf
unit: $(UNIT)
golden: $(GOLDEN)
bpf: $(BPF_TESTS)
$(BPF_TESTS:%=%.o): | $(SKEL)

# ---- fuzzers: libFuzzer, every layer from the fuzzed one down instrumented ---------------------
#
# tests/fuzz/fuzz_NAME.c becomes build/fuzz/NAME, its corpus is tests/fuzz/corpus/NAME.

FUZZERS := $(patsubst tests/fuzz/fuzz_%.c,build/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_MODULES := control config aoe iscsi ata scsi lu state blk arena tap base initiator
FUZZ_SOURCES := $(foreach m,$(FUZZ_MODULES),$(wildcard user/$(m)/*.c)) user/service/request.c \
	$(wildcard tests/lib/*.c) $(wildcard tests/fuzz/lib/*.c)
FUZZ_OBJS := $(FUZZ_SOURCES:%.c=build/fuzz/obj/%.o)
FUZZ_SAN := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
# clang's own warnings differ; gcc has judged the code already.
FUZZ_CFLAGS := -std=gnu11 -O1 -g -fno-omit-frame-pointer -fno-strict-aliasing -pthread $(FUZZ_SAN)

build/fuzz/obj/%.o: %.c
	$(say) FUZZCC $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS_ALL) -Itests/lib -Itests/fuzz/lib $(FUZZ_CFLAGS) -MMD -MP -c -o $@ $<

build/fuzz/obj/all.a: $(FUZZ_OBJS)
	$(say) AR $@
	$(Q)rm -f $@ && ar rcs $@ $^

build/fuzz/%: build/fuzz/obj/tests/fuzz/fuzz_%.o build/fuzz/obj/all.a
	$(say) LD $@
	$(Q)$(CLANG) -fsanitize=fuzzer,address,undefined -pthread -o $@ $^ $(LIBS)

.PHONY: fuzz
.SECONDARY:
fuzz: $(FUZZERS)
-include $(FUZZ_OBJS:.o=.d) $(FUZZERS:build/fuzz/%=build/fuzz/obj/tests/fuzz/fuzz_%.d)

# ---- benchmark: load generator and echo, over the target's own AF_XDP sockets; the engine alone --

BENCH := $(B)/bench/aoe_load $(B)/bench/aoe_echo $(B)/bench/aoe_engine $(B)/bench/iscsi_load \
	$(B)/bench/cipher_speed
BENCH_LIBS := $(patsubst %,$(B)/lib/%.a,initiator xdp arena tap base)

$(B)/tests/bench/%.bpf.o: tests/bench/%.bpf.c vmlinux.h
	$(say) BPF $<
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<

$(B)/tests/bench/%.skel.h: $(B)/tests/bench/%.bpf.o
	$(say) SKEL $@
	$(Q)$(BPFTOOL) gen skeleton $< > $@

$(B)/tests/bench/bench_port.o: | $(B)/tests/bench/recv.skel.h

$(B)/bench/aoe_engine: $(B)/tests/bench/aoe_engine.o $(TEST_SUPPORT) $(links_aoe:%=$(B)/lib/%.a)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(LIBS)

$(B)/bench/cipher_speed: $(B)/tests/bench/cipher_speed.o $(links_blk:%=$(B)/lib/%.a)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(B)/bench/iscsi_load: PKGS += libiscsi
$(B)/bench/iscsi_load: $(B)/tests/bench/iscsi_load.o $(B)/lib/base.a
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $^ $(LIBS)

$(B)/bench/aoe_load: $(B)/tests/bench/load_options.o
$(B)/bench/%: $(B)/tests/bench/%.o $(B)/tests/bench/bench_port.o $(BENCH_LIBS)
	$(say) LD $@
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(LIBS)

.PHONY: bench
bench: bootstrap
	@$(MAKE) --no-print-directory all $(BENCH)
	@$(MAKE) --no-print-directory B=build/plain CPPFLAGS='$(CPPFLAGS) -DAOE_COUNT_PAIRS=0' \
		build/plain/stgt-xdp build/plain/bench/aoe_engine
	@$(PYTHON) tests/bench/run $(BENCH_ARGS)
	@$(PYTHON) tests/bench/iscsi.py $(BENCH_ARGS)
	@$(B)/bench/cipher_speed
