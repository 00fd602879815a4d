/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/tcmu/runner.c - see runner.h
 */
#include "runner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define CMDR_OFF  128u
#define CMDR_SIZE 4096u
#define ENTRY     272u /* does not divide the ring: padding at its end */

struct tcmu_device {
    char cfgstring[512], wwn[128];
    bool has_wwn;
    int64_t lbas;
    void *priv;
    uint8_t *map;
    pthread_mutex_t mutex; /* all below */
    pthread_cond_t completed;
    uint32_t reaped; /* the kernel's own tail */
    struct flight flights[RUNNER_IN_FLIGHT];
    unsigned n_submitted, n_completed, n_kicks;
};

struct tcmur_handler *runner_handler;
static bool *raised;
char runner_last_error[512];

/* ---- the kernel ---- */

static struct tcmu_ring_mailbox *mailbox(struct tcmu_device *dev)
{
    return (struct tcmu_ring_mailbox *)dev->map;
}

static struct ring_entry *entry_at(struct tcmu_device *dev, uint32_t at)
{
    return (struct ring_entry *)(dev->map + CMDR_OFF + at);
}

static void take(struct tcmu_device *dev, const struct ring_entry *e)
{
    struct flight *f = &dev->flights[e->cmd_id];

    if (e->cmd_id >= RUNNER_IN_FLIGHT || !f->used || f->done) {
        fprintf(stderr, "completion of command %u, which is not in flight\n", e->cmd_id);
        abort();
    }
    f->done = true;
    f->status = e->rsp.scsi_status;
    f->uflags = e->uflags;
    f->read_len = e->rsp.read_len;
    memcpy(f->sense, e->rsp.sense, sizeof(f->sense));
    f->completed_by = pthread_self();
    dev->n_completed++;
}

static void reap_locked(struct tcmu_device *dev)
{
    uint32_t tail = __atomic_load_n(&mailbox(dev)->cmd_tail, __ATOMIC_ACQUIRE);

    while (dev->reaped != tail) {
        struct ring_entry *e = entry_at(dev, dev->reaped);
        if ((e->len_op & RING_OP_MASK) == RING_OP_CMD)
            take(dev, e);
        dev->reaped = (dev->reaped + (e->len_op & ~RING_OP_MASK)) % CMDR_SIZE;
    }
}

static uint32_t room(struct tcmu_device *dev)
{
    return (dev->reaped + CMDR_SIZE - mailbox(dev)->cmd_head - 8) % CMDR_SIZE;
}

static int free_number(const struct tcmu_device *dev)
{
    for (int i = 0; i < RUNNER_IN_FLIGHT; i++)
        if (!dev->flights[i].used)
            return i;
    return -1;
}

/* An entry for command n at the head of the ring. */
static void put_entry(struct tcmu_device *dev, int n)
{
    struct tcmu_ring_mailbox *mb = mailbox(dev);
    uint32_t head = mb->cmd_head;
    struct ring_entry *e;

    if (CMDR_SIZE - head < ENTRY) {
        entry_at(dev, head)->len_op = CMDR_SIZE - head;
        head = 0;
    }
    e = entry_at(dev, head);
    memset(e, 0xee, ENTRY);
    e->len_op = ENTRY | RING_OP_CMD;
    e->cmd_id = (uint16_t)n;
    mb->cmd_head = (head + ENTRY) % CMDR_SIZE;
}

static int enter(struct tcmu_device *dev, const struct iovec *iov, int n_iov)
{
    int n;

    pthread_mutex_lock(&dev->mutex);
    while ((n = free_number(dev)) < 0 || room(dev) < 2 * ENTRY)
        pthread_cond_wait(&dev->completed, &dev->mutex);
    dev->flights[n] = (struct flight){.used = true, .n_iov = n_iov};
    for (int i = 0; i < n_iov; i++)
        dev->flights[n].iov[i] = iov[i];
    put_entry(dev, n);
    dev->n_submitted++;
    pthread_mutex_unlock(&dev->mutex);
    return n;
}

/* ---- tcmu-runner ---- */

/* One allocation, as libtcmu does it: the handler frees it as a whole. */
static struct tcmulib_cmd *make_cmd(int n, const uint8_t *cdb, size_t len, struct flight *f)
{
    struct tcmulib_cmd *cmd = malloc(sizeof(*cmd) + len);

    assert_non_null(cmd);
    memset(cmd, 0, sizeof(*cmd));
    cmd->cmd_id = (uint16_t)n;
    cmd->cdb = (uint8_t *)(cmd + 1);
    memcpy(cmd->cdb, cdb, len);
    cmd->iovec = f->iov;
    cmd->iov_cnt = (size_t)f->n_iov;
    return cmd;
}

static void hand_over(struct tcmu_device *dev, int n, const uint8_t *cdb, size_t len)
{
    struct tcmur_cmd rcmd = {.lib_cmd = make_cmd(n, cdb, len, &dev->flights[n])};
    int rc, before, after;

    if (raised)
        *raised = true;
    pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &before);
    rc = runner_handler->handle_cmd(dev, &rcmd);
    pthread_setcancelstate(before, &after);
    if (raised)
        *raised = false;
    assert_int_equal(rc, TCMU_STS_ASYNC_HANDLED);
    assert_int_equal(after, PTHREAD_CANCEL_ENABLE); /* given back as it was */
}

int runner_submit(struct tcmu_device *dev, const uint8_t *cdb, size_t len,
                  const struct iovec *iov, int n_iov)
{
    int n = enter(dev, iov, n_iov);

    hand_over(dev, n, cdb, len);
    return n;
}

void runner_submit_burst(struct tcmu_device *dev, struct runner_cmd *cmds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        cmds[i].number = enter(dev, cmds[i].iov, cmds[i].n_iov);
    for (unsigned i = 0; i < n; i++)
        hand_over(dev, cmds[i].number, cmds[i].cdb, cmds[i].len);
}

void runner_raise_while_handling(bool *flag)
{
    raised = flag;
}

int runner_reap(struct tcmu_device *dev)
{
    int n;

    pthread_mutex_lock(&dev->mutex);
    reap_locked(dev);
    n = (int)(dev->n_submitted - dev->n_completed);
    pthread_mutex_unlock(&dev->mutex);
    return n;
}

struct flight runner_wait(struct tcmu_device *dev, int number)
{
    struct flight f;

    pthread_mutex_lock(&dev->mutex);
    while (!dev->flights[number].done)
        pthread_cond_wait(&dev->completed, &dev->mutex);
    f = dev->flights[number];
    dev->flights[number].used = false;
    pthread_cond_broadcast(&dev->completed);
    pthread_mutex_unlock(&dev->mutex);
    return f;
}

static unsigned read_counter(struct tcmu_device *dev, const unsigned *counter)
{
    unsigned n;

    pthread_mutex_lock(&dev->mutex);
    n = *counter;
    pthread_mutex_unlock(&dev->mutex);
    return n;
}

unsigned runner_kicks(struct tcmu_device *dev)
{
    return read_counter(dev, &dev->n_kicks);
}

unsigned runner_submitted(struct tcmu_device *dev)
{
    return read_counter(dev, &dev->n_submitted);
}

unsigned runner_completed(struct tcmu_device *dev)
{
    return read_counter(dev, &dev->n_completed);
}

void runner_set_wwn(struct tcmu_device *dev, const char *wwn)
{
    snprintf(dev->wwn, sizeof(dev->wwn), "%s", wwn ? wwn : "");
    dev->has_wwn = wwn != NULL;
}

struct tcmu_device *runner_device(const char *cfgstring, int64_t lbas, const char *wwn)
{
    struct tcmu_device *dev = calloc(1, sizeof(*dev));

    assert_non_null(dev);
    snprintf(dev->cfgstring, sizeof(dev->cfgstring), "%s", cfgstring);
    runner_set_wwn(dev, wwn);
    dev->lbas = lbas;
    dev->map = aligned_alloc(64, CMDR_OFF + CMDR_SIZE);
    assert_non_null(dev->map);
    memset(dev->map, 0, CMDR_OFF + CMDR_SIZE);
    *mailbox(dev) = (struct tcmu_ring_mailbox){
        .version = 2, .flags = RING_CAP_READ_LEN, .cmdr_off = CMDR_OFF, .cmdr_size = CMDR_SIZE};
    pthread_mutex_init(&dev->mutex, NULL);
    pthread_cond_init(&dev->completed, NULL);
    return dev;
}

void runner_device_free(struct tcmu_device *dev)
{
    pthread_cond_destroy(&dev->completed);
    pthread_mutex_destroy(&dev->mutex);
    free(dev->map);
    free(dev);
}

/* ---- what tcmu-runner and libtcmu export ---- */

int tcmur_register_handler(struct tcmur_handler *handler)
{
    runner_handler = handler;
    return 0;
}

void tcmur_dev_set_private(struct tcmu_device *dev, void *priv)
{
    dev->priv = priv;
}

void *tcmur_dev_get_private(struct tcmu_device *dev)
{
    return dev->priv;
}

const char *tcmu_dev_get_cfgstring(struct tcmu_device *dev)
{
    return dev->cfgstring;
}

int64_t tcmu_dev_get_num_lbas(struct tcmu_device *dev)
{
    return dev->lbas;
}

uint32_t tcmu_dev_get_block_size(struct tcmu_device *dev)
{
    (void)dev;
    return 512;
}

char *tcmu_cfgfs_dev_get_wwn(struct tcmu_device *dev)
{
    return dev->has_wwn ? strdup(dev->wwn) : NULL;
}

int tcmu_dev_get_memory_info(struct tcmu_device *dev, void **base, size_t *len, off_t *offset)
{
    *base = dev->map;
    *len = CMDR_OFF + CMDR_SIZE;
    *offset = 0;
    return 0;
}

/* The real one writes to a file, where a thread may be cancelled: with locks held, or with a
 * command half done. */
void tcmulib_processing_complete(struct tcmu_device *dev)
{
    int old;

    pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
    if (old != PTHREAD_CANCEL_DISABLE) {
        fprintf(stderr, "a thread can be cancelled while it works for the device\n");
        abort();
    }
    pthread_mutex_lock(&dev->mutex);
    reap_locked(dev);
    dev->n_kicks++;
    pthread_cond_broadcast(&dev->completed);
    pthread_mutex_unlock(&dev->mutex);
}

static void note(const char *fmt, va_list ap)
{
    vsnprintf(runner_last_error, sizeof(runner_last_error), fmt, ap);
}

void tcmu_err_message(struct tcmu_device *dev, const char *func, int line, const char *fmt, ...)
{
    va_list ap;

    (void)dev, (void)func, (void)line;
    va_start(ap, fmt);
    note(fmt, ap);
    va_end(ap);
}

void tcmu_warn_message(struct tcmu_device *dev, const char *func, int line, const char *fmt,
                       ...)
{
    (void)dev, (void)func, (void)line, (void)fmt;
}

void tcmu_info_message(struct tcmu_device *dev, const char *func, int line, const char *fmt,
                       ...)
{
    (void)dev, (void)func, (void)line, (void)fmt;
}
