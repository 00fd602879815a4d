/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/short.c - the short forms of osd.h: common calls, transfers in several commands
 */
#include "common/bytes.h"
#include "libosd.h"
#include "wire/attrs.h"

#define TRANSFER_MAX (1u << 20) /* bytes in one command of osd_read() and osd_write() */

osd_status osd_create_partition(struct osd_session *s, uint64_t pid, uint64_t *ret_pid)
{
    struct osd_call c = {.verb = OSD_V_CREATE_PARTITION, .pid = pid};
    osd_status st = osd_execute(s, &c);

    if (!st && ret_pid)
        *ret_pid = c.ret_pid;
    return st;
}

osd_status osd_remove_partition(struct osd_session *s, uint64_t pid, bool contents)
{
    struct osd_call c = {.verb = OSD_V_REMOVE_PARTITION, .pid = pid, .option = contents};

    return osd_execute(s, &c);
}

osd_status osd_create(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t *ret_oid)
{
    struct osd_call c = {.verb = OSD_V_CREATE, .pid = pid, .oid = oid};
    osd_status st = osd_execute(s, &c);

    if (!st && ret_oid)
        *ret_oid = c.ret_oid;
    return st;
}

osd_status osd_remove(struct osd_session *s, uint64_t pid, uint64_t oid)
{
    struct osd_call c = {.verb = OSD_V_REMOVE, .pid = pid, .oid = oid};

    return osd_execute(s, &c);
}

/* Nothing there: the range begins at or beyond the end. No error for a reader. */
static bool at_end(const struct osd_call *c, osd_status st)
{
    return st == OSD_E_PAST_END || (st == OSD_E_INVALID && c->start > 0);
}

osd_status osd_read(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t start,
                    void *buf, size_t len, size_t *ret_len)
{
    size_t done = 0;
    osd_status st = OSD_OK;

    if (start + len < start)
        return failed(OSD_E_INVALID, "osd_read: start and length exceed 64 bits");
    while (done < len && !st) {
        struct osd_call c = {.verb = OSD_V_READ, .pid = pid, .oid = oid, .start = start + done};
        c.in = (char *)buf + done;
        c.in_len = len - done < TRANSFER_MAX ? len - done : TRANSFER_MAX;
        st = osd_execute(s, &c);
        if (at_end(&c, st)) {
            done += st == OSD_E_PAST_END ? c.ret_len : 0;
            st = OSD_OK;
            break;
        }
        if (!st && c.ret_len == 0)
            return failed(OSD_E_PROTOCOL, "osd_read: the device sent no data");
        done += c.ret_len;
    }
    if (!st)
        *ret_len = done;
    return st;
}

osd_status osd_write(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t start,
                     const void *buf, size_t len)
{
    osd_status st = OSD_OK;

    for (size_t done = 0; done < len && !st;) {
        struct osd_call c = {
            .verb = OSD_V_WRITE, .pid = pid, .oid = oid, .start = start + done};
        c.out = (const char *)buf + done;
        c.out_len = len - done < TRANSFER_MAX ? len - done : TRANSFER_MAX;
        st = osd_execute(s, &c);
        done += c.out_len;
    }
    return st;
}

osd_status osd_append(struct osd_session *s, uint64_t pid, uint64_t oid, const void *buf,
                      size_t len, uint64_t *ret_start)
{
    struct osd_call c = {.verb = OSD_V_APPEND,
                         .pid = pid,
                         .oid = oid,
                         .out = buf,
                         .out_len = len,
                         .no_results = !ret_start};
    osd_status st = osd_execute(s, &c);

    if (!st && ret_start)
        *ret_start = c.ret_start;
    return st;
}

osd_status osd_truncate(struct osd_session *s, uint64_t pid, uint64_t oid, uint64_t length)
{
    uint8_t value[8];
    struct osd_attr a = {OSD_PAGE_U + OSD_PG_INFORMATION, 0x82, value, sizeof(value)};

    be64_put(value, length);
    return osd_set_attrs(s, pid, oid, &a, 1);
}

osd_status osd_get_attrs(struct osd_session *s, uint64_t pid, uint64_t oid,
                         struct osd_attr_get *get, size_t n)
{
    struct osd_call c = {
        .verb = OSD_V_GET_ATTRIBUTES, .pid = pid, .oid = oid, .get = get, .n_get = n};

    return osd_execute(s, &c);
}

osd_status osd_set_attrs(struct osd_session *s, uint64_t pid, uint64_t oid,
                         const struct osd_attr *set, size_t n)
{
    struct osd_call c = {
        .verb = OSD_V_SET_ATTRIBUTES, .pid = pid, .oid = oid, .set = set, .n_set = n};

    return osd_execute(s, &c);
}

osd_status osd_flush(struct osd_session *s)
{
    struct osd_call c = {.verb = OSD_V_FLUSH_OSD, .option = 2};

    return osd_execute(s, &c);
}
