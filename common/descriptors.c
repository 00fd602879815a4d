/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/descriptors.c - see descriptors.h
 */
#include "descriptors.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

void osd_descriptors_raise(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max)
        return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit); /* where it is refused, the old one goes on */
}

uint64_t osd_descriptors_most(void)
{
    struct rlimit limit;

    return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : UINT64_MAX;
}

const char *osd_descriptors_why(int error)
{
    return error == EMFILE ? OSD_TOO_MANY_FILES : strerror(error);
}
