/* SPDX-License-Identifier: Apache-2.0 */
/*
 * osd/status.h - the one status enumeration of liosd
 *
 * Every function that can fail returns an osd_status; OSD_OK is zero. The human sentence that
 * goes with a failure travels beside it (osd_last_error(), struct osd_sense, a log line), never
 * inside it. New values go before OSD_STATUS_MAX; each has a name and a sentence in
 * common/status.c, and a test walks the whole range.
 */
#ifndef OSD_STATUS_H
#define OSD_STATUS_H

#ifdef __cplusplus
extern "C" {
#endif

/** What libosd.so exports. */
#define OSD_API __attribute__((visibility("default")))

typedef enum osd_status {
    OSD_OK = 0,
    OSD_E_NOMEM,       /* no memory, or a bounded buffer reached its maximum */
    OSD_E_INVALID,     /* malformed input or argument out of range */
    OSD_E_NOT_FOUND,   /* no such partition, object, attribute, file */
    OSD_E_EXISTS,      /* the id or name is taken */
    OSD_E_NOT_EMPTY,   /* partition or collection still has content */
    OSD_E_QUOTA,       /* a quota attribute forbids it */
    OSD_E_NO_SPACE,    /* the device or the file system below it is full */
    OSD_E_DENIED,      /* capability, permission or login refused */
    OSD_E_PAST_END,    /* beyond the logical length of a user object */
    OSD_E_IO,          /* input/output failure below */
    OSD_E_CORRUPT,     /* checksum or structure does not hold */
    OSD_E_BUSY,        /* not now; the same call may succeed later */
    OSD_E_UNREACHABLE, /* no connection to the target */
    OSD_E_PROTOCOL,    /* the peer broke the protocol */
    OSD_E_TIMEOUT,     /* no answer in time */
    OSD_E_UNSUPPORTED, /* not built or not offered by the device */
    OSD_E_VERSION,     /* format version newer than this program */
    OSD_E_INTERRUPTED, /* stopped by the caller */
    OSD_E_PARTIAL,     /* some of several items failed */
    OSD_STATUS_MAX
} osd_status;

/**
 * Name of a status as in this header without the prefix, lower case ("not_found").
 * Returns "unknown" for a value outside the enumeration. Static memory; any thread.
 */
OSD_API const char *osd_status_name(osd_status status);

/** One short English sentence for a status, without a full stop. Static memory; any thread. */
OSD_API const char *osd_status_text(osd_status status);

#ifdef __cplusplus
}
#endif
#endif
