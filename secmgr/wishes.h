/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/wishes.h - which integrity algorithm credentials of a device shall have
 *
 * The usual one, and those of devices that are to have another. Devices go by the names under which they
 * were enrolled; a name that no device has means nothing.
 */
#ifndef SECMGR_WISHES_H
#define SECMGR_WISHES_H

#include <string.h>

#include "db.h"
#include "security/algorithms.h"

#define SM_WISHES 64

struct sm_wishes {
    enum osd_wish usual;
    unsigned n;
    struct {
        char osd[SM_NAME_LEN];
        enum osd_wish wish;
    } others[SM_WISHES]; /* the last one about a device counts */
};

static inline enum osd_wish sm_wish_of(const struct sm_wishes *w, const char *osd)
{
    for (unsigned i = w->n; i > 0; i--)
        if (strcmp(w->others[i - 1].osd, osd) == 0)
            return w->others[i - 1].wish;
    return w->usual;
}

#endif
