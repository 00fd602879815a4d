/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/check.h - what every fuzz target shares: a check that aborts
 */
#ifndef FUZZ_CHECK_H
#define FUZZ_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** The property under test; libFuzzer and the replay both notice the abort. */
static inline void require(bool holds)
{
    if (!holds)
        abort();
}

#endif
