/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/status.c - names and sentences of osd_status, one row each
 */
#include "osd/status.h"

#include <stddef.h>

static const struct {
    const char *name;
    const char *text;
} table[OSD_STATUS_MAX] = {
    [OSD_OK] = {"ok", "success"},
    [OSD_E_NOMEM] = {"nomem", "out of memory or a bounded buffer is full"},
    [OSD_E_INVALID] = {"invalid", "malformed input or argument out of range"},
    [OSD_E_NOT_FOUND] = {"not_found", "no such partition, object or attribute"},
    [OSD_E_EXISTS] = {"exists", "the id or name is already taken"},
    [OSD_E_NOT_EMPTY] = {"not_empty", "the partition or collection still has content"},
    [OSD_E_QUOTA] = {"quota", "a quota, or the space that is left, forbids it"},
    [OSD_E_NO_SPACE] = {"no_space", "no space left on the device"},
    [OSD_E_DENIED] = {"denied", "the capability or login does not allow it"},
    [OSD_E_PAST_END] = {"past_end", "beyond the logical length of the object"},
    [OSD_E_IO] = {"io", "input/output failure"},
    [OSD_E_CORRUPT] = {"corrupt", "a checksum or structure does not hold"},
    [OSD_E_BUSY] = {"busy", "the device is busy; try again"},
    [OSD_E_UNREACHABLE] = {"unreachable", "the target cannot be reached"},
    [OSD_E_PROTOCOL] = {"protocol", "the peer broke the protocol"},
    [OSD_E_TIMEOUT] = {"timeout", "no answer in time"},
    [OSD_E_UNSUPPORTED] = {"unsupported", "not supported by this device or build"},
    [OSD_E_VERSION] = {"version", "the format is newer than this program"},
    [OSD_E_INTERRUPTED] = {"interrupted", "interrupted"},
    [OSD_E_PARTIAL] = {"partial", "some of the items failed"},
};

const char *osd_status_name(osd_status status)
{
    return (unsigned)status < OSD_STATUS_MAX ? table[status].name : "unknown";
}

const char *osd_status_text(osd_status status)
{
    return (unsigned)status < OSD_STATUS_MAX ? table[status].text : "unknown status";
}
