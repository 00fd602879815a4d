/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/tcmu/abi.h - the binary interface of tcmu-runner 1.5.4 to 1.6.x and of the TCMU ring
 *
 * Distributions ship no headers for out-of-tree handlers, so the declarations stand here, each
 * offset checked at compile time (x86-64 and other LP64 machines). Only what the handler uses
 * is named. The ring structures follow linux/target_core_user.h, version 2 of the mailbox.
 */
#ifndef TCMU_ABI_H
#define TCMU_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct tcmu_device;
struct tcmulib_cfg_info;

#define TCMU_SENSE_LEN 96

struct tcmulib_cmd {
    uint16_t cmd_id;
    uint8_t *cdb;
    struct iovec *iovec;
    size_t iov_cnt;
    uint8_t sense_buf[TCMU_SENSE_LEN];
    void *hm_private;
};

struct tcmur_cmd {
    struct tcmulib_cmd *lib_cmd;
};

/** What handle_cmd returns: "I complete it" (the only one this handler uses). */
#define TCMU_STS_ASYNC_HANDLED (-2)

struct tcmur_handler {
    const char *name;
    const char *subtype;
    const char *cfg_desc;
    void *opaque;
    bool (*check_config)(const char *cfgstring, char **reason);
    int (*reconfig)(struct tcmu_device *dev, struct tcmulib_cfg_info *cfg);
    int (*open)(struct tcmu_device *dev, bool reopen);
    void (*close)(struct tcmu_device *dev);
    int nr_threads;
    int (*handle_cmd)(struct tcmu_device *dev, struct tcmur_cmd *cmd);
    void *data_ops[6]; /* read, write, flush, unmap, writesame, caw: NULL = pass everything */
    void *report_event;
    void *lock_ops[4];
    bool is_dbus_handler;
    void *update_logdir;
    void *init, *destroy;
};

_Static_assert(offsetof(struct tcmulib_cmd, cdb) == 8, "tcmulib_cmd");
_Static_assert(offsetof(struct tcmulib_cmd, iovec) == 16, "tcmulib_cmd");
_Static_assert(offsetof(struct tcmulib_cmd, sense_buf) == 32, "tcmulib_cmd");
_Static_assert(offsetof(struct tcmulib_cmd, hm_private) == 128, "tcmulib_cmd");
_Static_assert(sizeof(struct tcmulib_cmd) == 136, "tcmulib_cmd");
_Static_assert(offsetof(struct tcmur_handler, check_config) == 32, "tcmur_handler");
_Static_assert(offsetof(struct tcmur_handler, open) == 48, "tcmur_handler");
_Static_assert(offsetof(struct tcmur_handler, nr_threads) == 64, "tcmur_handler");
_Static_assert(offsetof(struct tcmur_handler, handle_cmd) == 72, "tcmur_handler");
_Static_assert(offsetof(struct tcmur_handler, report_event) == 128, "tcmur_handler");
_Static_assert(offsetof(struct tcmur_handler, is_dbus_handler) == 168, "tcmur_handler");
_Static_assert(offsetof(struct tcmur_handler, init) == 184, "tcmur_handler");
_Static_assert(sizeof(struct tcmur_handler) == 200, "tcmur_handler");

/* Exported by tcmu-runner and libtcmu. */
int tcmur_register_handler(struct tcmur_handler *handler);
void tcmur_dev_set_private(struct tcmu_device *dev, void *priv);
void *tcmur_dev_get_private(struct tcmu_device *dev);
const char *tcmu_dev_get_cfgstring(struct tcmu_device *dev);
int64_t tcmu_dev_get_num_lbas(struct tcmu_device *dev);
uint32_t tcmu_dev_get_block_size(struct tcmu_device *dev);
char *tcmu_cfgfs_dev_get_wwn(struct tcmu_device *dev);
int tcmu_dev_get_memory_info(struct tcmu_device *dev, void **base, size_t *len, off_t *offset);
void tcmulib_processing_complete(struct tcmu_device *dev);
void tcmu_err_message(struct tcmu_device *dev, const char *func, int line, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));
void tcmu_warn_message(struct tcmu_device *dev, const char *func, int line, const char *fmt,
                       ...) __attribute__((format(printf, 4, 5)));
void tcmu_info_message(struct tcmu_device *dev, const char *func, int line, const char *fmt,
                       ...) __attribute__((format(printf, 4, 5)));

/* ---- the ring ---- */

struct tcmu_ring_mailbox {
    uint16_t version, flags;
    uint32_t cmdr_off, cmdr_size;
    uint32_t cmd_head;
    uint32_t cmd_tail __attribute__((aligned(64)));
};

#define RING_OP_MASK       0x7u
#define RING_OP_CMD        1u
#define RING_FLAG_READ_LEN 0x2u /* uflags: rsp.read_len is valid */
#define RING_CAP_READ_LEN  0x2u /* mailbox flags */

struct ring_response {
    uint8_t scsi_status, pad1;
    uint16_t pad2;
    uint32_t read_len;
    uint8_t sense[TCMU_SENSE_LEN];
};

struct ring_entry {
    uint32_t len_op; /* length in the upper bits, operation in the lower three */
    uint16_t cmd_id;
    uint8_t kflags, uflags;
    struct ring_response rsp; /* shares its place with the request */
};

_Static_assert(offsetof(struct tcmu_ring_mailbox, cmd_tail) == 64, "mailbox");
_Static_assert(offsetof(struct ring_entry, rsp) == 8, "ring entry");
_Static_assert(offsetof(struct ring_response, sense) == 8, "ring response");

#endif
