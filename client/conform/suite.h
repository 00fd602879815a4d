/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/suite.h - the project's scripts, part of the program (made by the build from
 * tests/conform)
 */
#ifndef CONFORM_SUITE_H
#define CONFORM_SUITE_H

#include <stddef.h>

struct suite_script {
    const char *file;
    const char *text;
    size_t len;
};

extern const struct suite_script suite_scripts[];
extern const size_t suite_count;

#endif
