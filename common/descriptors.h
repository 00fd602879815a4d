/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/descriptors.h - how many files a process may have open
 *
 * A store has one descriptor for each 64 MiB of data, some for files made ahead, and those of its
 * database. Most systems let a process begin with 1,024 and have many more for the asking.
 */
#ifndef COMMON_DESCRIPTORS_H
#define COMMON_DESCRIPTORS_H

#include <stdint.h>

/** What to say of EMFILE. */
#define OSD_TOO_MANY_FILES "too many open files: raise the limit (ulimit -n, LimitNOFILE=)"

/** Take what may be had for the asking: the soft limit becomes the hard one. For programs, not for
 *  libraries: select() knows descriptors below 1,024 only. */
void osd_descriptors_raise(void);

/** How many may be open now, as the soft limit says. */
uint64_t osd_descriptors_most(void);

/** strerror(), and what can be done about EMFILE. */
const char *osd_descriptors_why(int error);

#endif
