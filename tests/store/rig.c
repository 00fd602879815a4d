/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/rig.c - see rig.h
 */
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "rig.h"
#include "store/guarded.h"

typedef osd_status (*opener)(const struct store_config *cfg, struct osd_store **ret,
                             char *reason, size_t reason_len);

static const struct kind {
    const char *name;
    opener open;
    bool persists, idle;
} kinds[] = {
    {"memory", store_memory_open, false, false},
    {"rocksdb", store_rocksdb_open, true, false},
    {"rocksdb-idle", store_rocksdb_open, true, true},
};

static const struct kind *chosen = &kinds[0];

void rig_choose(const char *kind)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
        if (strcmp(kinds[i].name, kind) == 0)
            chosen = &kinds[i];
}

bool rig_persists(void)
{
    return chosen->persists;
}

bool rig_indexes(void)
{
    return chosen->persists && !chosen->idle;
}

static struct sigaction guard;

/* Before cmocka's handlers, so that it has the default action behind it. */
__attribute__((constructor)) static void guard_first(void)
{
    char c;

    guarded_read(&c, "", 1);
    sigaction(SIGBUS, NULL, &guard);
}

void rig_guard(void)
{
    sigaction(SIGBUS, &guard, NULL);
}

static uint64_t fixed_time(void *arg)
{
    return 1000000;
}

static const struct osd_clock fixed_clock = {fixed_time, NULL};

void rig_open(struct rig *r)
{
    char reason[256] = "";

    if (chosen->open(&r->cfg, &r->s, reason, sizeof(reason)) != OSD_OK)
        fail_msg("open: %s", reason);
    r->ops = r->s->ops;
    r->opened = true;
}

int rig_setup(void **state)
{
    struct rig *r = calloc(1, sizeof(*r));
    const char *tmp = getenv("TMPDIR");

    assert_non_null(r);
    snprintf(r->dir, sizeof(r->dir), "%s/store-XXXXXX", tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(r->dir));
    r->cfg = (struct store_config){.path = r->dir,
                                   .create = true,
                                   .capacity = RIG_CAPACITY,
                                   .idle = chosen->idle,
                                   .clock = &fixed_clock};
    rig_open(r);
    *state = r;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static void print_finding(void *arg, struct store_id id, const char *finding)
{
    print_error("%llx.%llx: %s\n", (unsigned long long)id.pid, (unsigned long long)id.oid,
                finding);
}

/* Look for findings, but clean up before failing over them. */
int rig_teardown(void **state)
{
    struct rig *r = *state;
    struct store_check_result result = {.findings = 0};
    osd_status status = OSD_OK;

    if (r->opened) {
        status = r->ops->check(r->s, false, print_finding, NULL, &result);
        r->ops->close(r->s);
    }
    nftw(r->dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(r);
    return status || result.findings ? -1 : 0;
}

void rig_close(struct rig *r)
{
    r->ops->close(r->s);
    r->opened = false;
}

void rig_reopen(struct rig *r)
{
    rig_close(r);
    rig_open(r);
}

void rig_check(struct rig *r)
{
    struct store_check_result result;

    rig_ok(r->ops->check(r->s, false, print_finding, NULL, &result));
    assert_int_equal(result.findings, 0);
}

struct store_meta rig_meta(enum store_kind kind)
{
    struct store_meta m = store_root_defaults(1000);

    m.kind = (uint8_t)kind;
    return m;
}

struct store_txn *rig_begin(struct rig *r, struct store_id id, enum store_mode mode)
{
    struct store_txn *t = NULL;

    rig_ok(r->ops->begin(r->s, id, mode, &t));
    return t;
}

void rig_commit(struct rig *r, struct store_txn *t)
{
    rig_ok(r->ops->commit(t, 0));
}

static struct store_id create(struct rig *r, struct store_id in, enum store_kind kind)
{
    struct store_meta m = rig_meta(kind);
    struct store_txn *t = rig_begin(r, in, STORE_SHARED);
    struct store_id id = {0, 0};

    rig_ok(r->ops->create(t, in, &m, &id));
    rig_commit(r, t);
    return id;
}

struct store_id rig_partition(struct rig *r)
{
    return create(r, (struct store_id){0, 0}, STORE_PARTITION);
}

struct store_id rig_object(struct rig *r, uint64_t pid)
{
    return create(r, (struct store_id){pid, 0}, STORE_USER);
}

struct store_id rig_collection(struct rig *r, uint64_t pid)
{
    return create(r, (struct store_id){pid, 0}, STORE_COLLECTION);
}

struct store_meta rig_get_meta(struct rig *r, struct store_id id)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    struct store_meta m;

    rig_ok(r->ops->get_meta(t, id, &m));
    rig_commit(r, t);
    return m;
}

void rig_put_meta(struct rig *r, struct store_id id, const struct store_meta *m)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    rig_ok(r->ops->put_meta(t, id, m));
    rig_commit(r, t);
}

bool rig_exists(struct rig *r, struct store_id id)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    struct store_meta m;
    osd_status status = r->ops->get_meta(t, id, &m);

    r->ops->abort(t);
    assert_true(status == OSD_OK || status == OSD_E_NOT_FOUND);
    return status == OSD_OK;
}

void rig_remove(struct rig *r, struct store_id id)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    rig_ok(r->ops->remove(t, id, false));
    rig_commit(r, t);
}

osd_status rig_txn_write(struct store_txn *t, struct store_id id, uint64_t off, const void *src,
                         uint64_t len)
{
    struct iovec v = {(void *)src, len};
    struct osd_iov iov = osd_iov_make(&v, 1);

    return t->store->ops->write(t, id, off, len, &iov, 0);
}

osd_status rig_txn_read(struct store_txn *t, struct store_id id, uint64_t off, void *dst,
                        uint64_t len)
{
    struct iovec v = {dst, len};
    struct osd_iov iov = osd_iov_make(&v, 1);

    return t->store->ops->read(t, id, off, len, &iov, 0);
}

void rig_write(struct rig *r, struct store_id id, uint64_t off, const void *src, uint64_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    rig_ok(rig_txn_write(t, id, off, src, len));
    rig_commit(r, t);
}

void rig_read(struct rig *r, struct store_id id, uint64_t off, void *dst, uint64_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);

    rig_ok(rig_txn_read(t, id, off, dst, len));
    rig_commit(r, t);
}

void rig_set_attr(struct rig *r, struct store_id id, uint32_t page, uint32_t number,
                  const void *value, uint32_t len)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    rig_ok(r->ops->set_attr(t, id, page, number, value, len));
    rig_commit(r, t);
}

void rig_truncate(struct rig *r, struct store_id id, uint64_t length)
{
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    rig_ok(r->ops->truncate(t, id, length));
    rig_commit(r, t);
}

void rig_fill(void *dst, size_t len, unsigned seed)
{
    uint8_t *p = dst;

    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(1 + (i * 7 + i / 251 + seed * 31) % 255);
}

void rig_zeros(const void *p, size_t len)
{
    const uint8_t *b = p;

    for (size_t i = 0; i < len; i++)
        if (b[i] != 0)
            fail_msg("byte %zu is %u, not zero", i, b[i]);
}

uint64_t rig_random(uint64_t *seed, uint64_t n)
{
    uint64_t x = *seed += 0x9e3779b97f4a7c15ULL;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
    x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
    return (x ^ x >> 31) % n;
}

/* ---- ballast ---- */

osd_status rig_replay(const char *dir, uint64_t after, journal_visit visit, void *arg,
                      uint64_t *ret_last)
{
    struct journal_files *files;
    osd_status st = journal_read(dir, &files);

    if (st)
        return st;
    st = journal_replay(files, after, visit, arg, ret_last);
    journal_files_free(files);
    return st;
}

#define BALLAST    20u /* more than what is removed key by key */
#define BALLAST_AT 0x20000u

void rig_ballast(struct rig *r, uint64_t pid)
{
    struct store_meta m = rig_meta(STORE_USER);

    for (uint32_t i = 0; i < BALLAST; i++) {
        struct store_id id = {pid, BALLAST_AT + i};
        struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);
        rig_ok(r->ops->create(t, id, &m, &id));
        rig_ok(r->ops->set_attr(t, id, 1, i + 1, &i, sizeof(i)));
        rig_commit(r, t);
    }
}

void rig_check_ballast(struct rig *r, uint64_t pid)
{
    if (!rig_exists(r, (struct store_id){pid, 0}))
        return;
    for (uint32_t i = 0, value = 0, len = 0; i < BALLAST; i++) {
        struct store_id id = {pid, BALLAST_AT + i};
        struct store_txn *t = rig_begin(r, id, STORE_SHARED);
        rig_ok(r->ops->get_attr(t, id, 1, i + 1, &value, sizeof(value), &len));
        r->ops->abort(t);
        assert_int_equal(len, sizeof(i));
        assert_int_equal(value, i);
    }
}
