/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench/null_handler.c - a tcmu-runner plugin that does nothing: the ceiling for any handler
 *
 * Completes every command with GOOD in tcmu-runner's own thread, on the ring, as handler_osd
 * does, and tells the kernel of several completions at once as that does. READ and WRITE (both
 * generations) copy between the command's buffer and a piece of memory; everything else answers with
 * zeros. What handler_osd is slower than this is what its interpreter and its store cost.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "tcmu/abi.h"
#include "tcmu/ring.h"

#define MEDIUM    (64 * MIB)
#define KICK_LATE 8u

enum {
    OPCODE_OSD = 0x7f,
    READ_1 = 0x8805,
    READ_2 = 0x8885,
    WRITE_1 = 0x8806,
    WRITE_2 = 0x8886
};

struct null_lun {
    struct tcmu_device *dev;
    void *map;
    uint32_t place;
    unsigned late;
    uint8_t *medium;
};

/* Copy between the pieces of a buffer and the medium; returns the bytes copied. */
static size_t copy(uint8_t *medium, const struct tcmulib_cmd *cmd, bool to_medium)
{
    size_t done = 0;

    for (size_t i = 0; i < cmd->iov_cnt; i++) {
        const struct iovec *v = &cmd->iovec[i];
        if (done + v->iov_len > MEDIUM / 2)
            break;
        if (to_medium)
            memcpy(medium + done, v->iov_base, v->iov_len);
        else
            memcpy(v->iov_base, medium + done, v->iov_len);
        done += v->iov_len;
    }
    return done;
}

static void zero(const struct tcmulib_cmd *cmd)
{
    for (size_t i = 0; i < cmd->iov_cnt; i++)
        memset(cmd->iovec[i].iov_base, 0, cmd->iovec[i].iov_len);
}

static size_t perform(struct null_lun *lun, const struct tcmulib_cmd *cmd)
{
    unsigned action = cmd->cdb[0] == OPCODE_OSD ? be16_get(cmd->cdb + 8) : 0;
    uint64_t start = action ? be64_get(cmd->cdb + (action >= READ_2 ? 40 : 44)) : 0;
    uint8_t *place = lun->medium + start % (MEDIUM / 2);

    if (action == READ_1 || action == READ_2)
        return copy(place, cmd, false);
    if (action == WRITE_1 || action == WRITE_2)
        copy(place, cmd, true);
    else
        zero(cmd);
    return 0;
}

static int handle_cmd(struct tcmu_device *dev, struct tcmur_cmd *rcmd)
{
    struct null_lun *lun = tcmur_dev_get_private(dev);
    struct tcmulib_cmd *cmd = rcmd->lib_cmd;
    bool more = osd_ring_follow(lun->map, &lun->place, cmd->cmd_id);
    size_t len = perform(lun, cmd);

    osd_ring_complete(lun->map, cmd->cmd_id, 0, NULL, 0, (uint32_t)len);
    free(cmd);
    if (++lun->late >= KICK_LATE || !more) {
        lun->late = 0;
        tcmulib_processing_complete(dev);
    }
    return TCMU_STS_ASYNC_HANDLED;
}

static int open_lun(struct tcmu_device *dev, bool reopen)
{
    struct null_lun *lun = malloc(sizeof(*lun));
    size_t len;
    off_t offset;

    (void)reopen;
    if (!lun)
        return -1;
    lun->dev = dev;
    lun->medium = malloc(MEDIUM);
    if (!lun->medium) {
        free(lun);
        return -1;
    }
    memset(lun->medium, 0x5a, MEDIUM);
    tcmu_dev_get_memory_info(dev, &lun->map, &len, &offset);
    lun->place = osd_ring_start(lun->map);
    lun->late = 0;
    tcmur_dev_set_private(dev, lun);
    return 0;
}

static void close_lun(struct tcmu_device *dev)
{
    struct null_lun *lun = tcmur_dev_get_private(dev);

    free(lun->medium);
    free(lun);
}

static int reconfig(struct tcmu_device *dev, struct tcmulib_cfg_info *cfg)
{
    (void)dev;
    (void)cfg;
    return 0;
}

__attribute__((visibility("default"))) int handler_init(void);

int handler_init(void)
{
    static struct tcmur_handler handler = {
        .name = "Nothing, as fast as possible",
        .subtype = "osdnull",
        .cfg_desc = "anything",
        .reconfig = reconfig,
        .open = open_lun,
        .close = close_lun,
        .nr_threads = 0,
        .handle_cmd = handle_cmd,
    };

    return tcmur_register_handler(&handler);
}
