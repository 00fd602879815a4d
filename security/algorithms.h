/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/algorithms.h - which integrity algorithms a device lists, and the choice among them
 * (reference 4.8, 6.2)
 *
 * A device lists them in attributes 80000000h + index of the root's policy/security page; a
 * capability names one by its index. Codes E0h-FFh are each vendor's own: E0h is HMAC-SHA256 only
 * on a device of ours.
 */
#ifndef SECURITY_ALGORITHMS_H
#define SECURITY_ALGORITHMS_H

#include "icv.h"

#define OSD_ALGORITHMS      16
#define OSD_ALGORITHM_FIRST 0x80000000u /* attribute number of index 0 */
#define OSD_ALGORITHMS_TEXT 80

/** What a device says of itself. */
struct osd_algorithms {
    uint8_t code[OSD_ALGORITHMS]; /* by index; 0: none */
    bool ours;                    /* vendor codes mean what they mean here */
};

/** What somebody wants. SHA1 is the standard's own, which every device has. */
enum osd_wish { OSD_WISH_SHA1, OSD_WISH_SHA256, OSD_WISH_BEST, OSD_WISHES };

/** One algorithm and the index it has on a device. */
struct osd_algorithm {
    uint8_t index;
    enum osd_hmac hmac;
};

/** HMAC-SHA1 at the index it has where nothing is known of the device. */
#define OSD_ALGORITHM_STANDARD ((struct osd_algorithm){OSD_HMAC_INDEX_SHA1, OSD_HMAC_SHA1})

/** False, and ret untouched: the device does not list what is wanted. */
bool osd_algorithm_choose(const struct osd_algorithms *a, enum osd_wish wish,
                          struct osd_algorithm *ret);

/** "HMAC-SHA1, HMAC-SHA256"; "none that is known here". Returns dst. */
const char *osd_algorithms_format(const struct osd_algorithms *a,
                                  char dst[OSD_ALGORITHMS_TEXT]);

/** "sha1", "sha256", "best". */
const char *osd_wish_name(enum osd_wish wish);
bool osd_wish_parse(const char *s, enum osd_wish *ret);

/** "sha1", "sha256". */
const char *osd_hmac_name(enum osd_hmac hmac);
bool osd_hmac_by_name(const char *s, enum osd_hmac *ret);

/** Whether standard INQUIRY data is that of a device of ours. */
bool osd_inquiry_is_ours(const uint8_t *data, size_t len);

#endif
