/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sizes as people write them.
 */
#ifndef STGT_BASE_SIZE_H
#define STGT_BASE_SIZE_H

#include <stdint.h>

/*
 * Decimal digits, then nothing (bytes) or one of K, M, G, T, KiB, MiB, GiB, TiB, all powers of
 * 1024. 0, -EINVAL for any other spelling, or -ERANGE when the number of bytes does not fit in
 * 64 bits.
 */
int size_parse(const char *text, uint64_t *bytes);

#endif
