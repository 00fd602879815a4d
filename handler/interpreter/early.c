/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/early.c - bytes of several WRITEs in one go to the store (interpreter.h)
 *
 * Nothing is judged here: bytes of a WRITE that will be refused lie in blocks that nothing refers to,
 * and are free again at the end. Commands whose Data-Out is more than whole blocks are left alone.
 */
#include "command.h"
#include "device.h"

#define LARGEST (256 * KIB)

static bool is_write(const struct osd_request *req)
{
    return req->cdb_len >= 10 && osd_op_by_action(be16_get(req->cdb + 8), NULL) == OSD_OP_WRITE;
}

/* A WRITE of whole blocks, and nothing else in its buffer. */
static bool is_plain(const struct osd_request *req, struct store_id *ret)
{
    struct osd_cdb c;

    if (!is_write(req) || req->out.len == 0 || req->out.len % STORE_BLOCK != 0 ||
        req->out.len >= LARGEST || osd_cdb_glance(req->cdb, req->cdb_len, &c) != OSD_OK)
        return false;
    *ret = (struct store_id){c.pid, c.oid};
    return c.length == req->out.len && c.start % STORE_BLOCK == 0;
}

void osd_device_early(struct osd_device *dev, struct osd_request *reqs, size_t n)
{
    const struct store_ops *ops = dev->store->ops;
    struct osd_iov data[STORE_EARLY_MAX];
    struct store_early *e = NULL;
    struct store_id whose = {0};
    unsigned found = 0;

    for (size_t i = 0; n > 1 && i < n && ops->early && found < STORE_EARLY_MAX; i++)
        if (is_plain(&reqs[i], &whose))
            data[found++] = reqs[i].out;
    if (found < 2 || ops->early(dev->store, whose, data, found, &e))
        return;
    for (size_t i = 0; i < n; i++)
        reqs[i].early = e;
}

void osd_device_early_end(struct osd_device *dev, struct store_early *e)
{
    if (e)
        dev->store->ops->early_end(dev->store, e);
}
