/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/generate.h - random command lines in the script language
 */
#ifndef CONFORM_MODEL_GENERATE_H
#define CONFORM_MODEL_GENERATE_H

#include "model.h"

#define LINE_SIZE 2048

struct generator {
    uint64_t state; /* of the random numbers; not 0 */
};

/** The next command, "OSD-1 READ ...", for a device in the model's state. Most are right, some
 *  have one thing wrong. */
void generate(struct generator *g, const struct model *m, char line[LINE_SIZE]);
uint64_t generate_below(struct generator *g, uint64_t n);

#endif
