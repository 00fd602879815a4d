/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/algorithms.c - see algorithms.h
 */
#include "algorithms.h"

#include <stdio.h>
#include <string.h>

#define VENDOR_AT  8 /* in INQUIRY data */
#define VENDOR_LEN 8

/* In the order of preference. */
static const struct {
    enum osd_hmac hmac;
    const char *name, *title;
    bool vendors; /* its code is a vendor's own */
} known[] = {{OSD_HMAC_SHA256, "sha256", "HMAC-SHA256", true},
             {OSD_HMAC_SHA1, "sha1", "HMAC-SHA1", false}};
#define N_KNOWN (sizeof(known) / sizeof(known[0]))

static const char *const wishes[OSD_WISHES] = {
    [OSD_WISH_SHA1] = "sha1", [OSD_WISH_SHA256] = "sha256", [OSD_WISH_BEST] = "best"};

/* Index 0 is taken last: it means "the usual one", which may have an index of its own. */
static bool find(const struct osd_algorithms *a, size_t which, struct osd_algorithm *ret)
{
    for (size_t n = 1; n <= OSD_ALGORITHMS; n++) {
        uint8_t index = (uint8_t)(n % OSD_ALGORITHMS);
        if (a->code[index] != known[which].hmac || (known[which].vendors && !a->ours))
            continue;
        *ret = (struct osd_algorithm){index, known[which].hmac};
        return true;
    }
    return false;
}

bool osd_algorithm_choose(const struct osd_algorithms *a, enum osd_wish wish,
                          struct osd_algorithm *ret)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (wish == OSD_WISH_BEST || strcmp(known[i].name, osd_wish_name(wish)) == 0)
            if (find(a, i, ret))
                return true;
    return false;
}

const char *osd_algorithms_format(const struct osd_algorithms *a, char dst[OSD_ALGORITHMS_TEXT])
{
    struct osd_algorithm one;
    size_t at = 0;

    dst[0] = 0;
    for (size_t i = N_KNOWN; i-- > 0;)
        if (find(a, i, &one))
            at += (size_t)snprintf(dst + at, OSD_ALGORITHMS_TEXT - at, "%s%s", at ? ", " : "",
                                   known[i].title);
    if (at == 0)
        snprintf(dst, OSD_ALGORITHMS_TEXT, "none that is known here");
    return dst;
}

const char *osd_wish_name(enum osd_wish wish)
{
    return wishes[wish];
}

bool osd_wish_parse(const char *s, enum osd_wish *ret)
{
    for (int i = 0; i < OSD_WISHES; i++)
        if (strcmp(wishes[i], s) == 0) {
            *ret = (enum osd_wish)i;
            return true;
        }
    return false;
}

const char *osd_hmac_name(enum osd_hmac hmac)
{
    return hmac == OSD_HMAC_SHA256 ? "sha256" : "sha1";
}

bool osd_hmac_by_name(const char *s, enum osd_hmac *ret)
{
    for (size_t i = 0; i < N_KNOWN; i++)
        if (strcmp(known[i].name, s) == 0) {
            *ret = known[i].hmac;
            return true;
        }
    return false;
}

bool osd_inquiry_is_ours(const uint8_t *data, size_t len)
{
    char want[VENDOR_LEN + 1];

    snprintf(want, sizeof(want), "%-*s", VENDOR_LEN, OSD_VENDOR);
    return len >= VENDOR_AT + VENDOR_LEN && memcmp(data + VENDOR_AT, want, VENDOR_LEN) == 0;
}
