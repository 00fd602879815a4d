/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_memory.c - what only the memory store can be asked: running out of memory at
 * every allocation, and a check that finds damage put in by hand
 *
 * Linked with --wrap for malloc, calloc and aligned_alloc.
 */
#include <stdlib.h>
#include <string.h>

#include "dump.h"
#include "rig.h"
#include "store/memory.h"

#define B STORE_BLOCK

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t n);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t n);

static uint64_t countdown; /* fail when it reaches 0 by counting; 0: never */
static bool failed;

static bool fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return false;
    failed = true;
    return true;
}

void *__wrap_malloc(size_t n)
{
    return fails() ? NULL : __real_malloc(n);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t n)
{
    return fails() ? NULL : __real_aligned_alloc(align, n);
}

/* ---- out of memory ---- */

static struct store_id p, user, other;

static void build(struct rig *r)
{
    uint8_t bytes[6 * B];

    p = rig_partition(r);
    user = rig_object(r, p.pid);
    other = rig_object(r, p.pid);
    rig_fill(bytes, sizeof(bytes), 1);
    rig_write(r, user, 0, bytes, sizeof(bytes));
    rig_set_attr(r, user, 1, 1, "one", 3);
}

static osd_status change_objects(struct osd_store *s, struct store_txn *t)
{
    struct store_meta m = rig_meta(STORE_USER);
    struct store_id made;
    osd_status status = s->ops->create(t, p, &m, &made);

    if (status == OSD_OK)
        status = rig_txn_write(t, made, 3 * B - 1, "new", 3);
    if (status == OSD_OK)
        status = s->ops->create(t, (struct store_id){p.pid, 0x70000}, &m, &made);
    if (status == OSD_OK)
        status = s->ops->remove(t, other, false);
    if (status == OSD_OK)
        status = s->ops->put_meta(t, p, &m);
    return status;
}

static osd_status change_content(struct osd_store *s, struct store_txn *t)
{
    uint8_t nonce[STORE_NONCE_LEN] = {3};
    osd_status status = rig_txn_write(t, user, 100, "abc", 3);

    if (status == OSD_OK)
        status = s->ops->set_attr(t, user, 1, 1, "two", 3);
    if (status == OSD_OK)
        status = s->ops->set_attr(t, user, 1, 2, "more", 4);
    if (status == OSD_OK)
        status = s->ops->punch(t, user, 10, B + 5);
    if (status == OSD_OK)
        status = s->ops->clear(t, user, 2 * B + 1, B + 5);
    if (status == OSD_OK)
        status = s->ops->truncate(t, user, 3 * B + 5);
    return status ? status : s->ops->record(t, nonce, "x", 1);
}

static osd_status change_partition(struct osd_store *s)
{
    struct store_txn *t;
    osd_status status = s->ops->begin(s, p, STORE_EXCLUSIVE, &t);

    if (status)
        return status;
    status = change_objects(s, t);
    if (status == OSD_OK)
        status = change_content(s, t);
    if (status == OSD_OK)
        return s->ops->commit(t, 0);
    s->ops->abort(t);
    return status;
}

static osd_status change_root(struct osd_store *s)
{
    struct store_meta m = rig_meta(STORE_PARTITION), root = rig_meta(STORE_ROOT);
    struct store_id made;
    struct store_txn *t;
    osd_status status = s->ops->begin(s, (struct store_id){0, 0}, STORE_EXCLUSIVE, &t);

    if (status)
        return status;
    status = s->ops->format(t, 0, &root);
    if (status == OSD_OK)
        status = s->ops->create(t, (struct store_id){0, 0}, &m, &made);
    if (status == OSD_OK)
        status = s->ops->set_attr(t, made, 1, 1, "x", 1);
    if (status == OSD_OK)
        return s->ops->commit(t, 0);
    s->ops->abort(t);
    return status;
}

/* Fail allocation 1, 2, 3... of a change until it succeeds. */
static void exhaust(struct rig *r, osd_status (*change)(struct osd_store *s))
{
    char *before = store_dump(r->s, STORE_DUMP_TIMES), *after;
    osd_status status = OSD_E_NOMEM;

    for (uint64_t nth = 1; status != OSD_OK; nth++) {
        assert_true(nth < 2000);
        failed = false;
        countdown = nth;
        status = change(r->s);
        countdown = 0;
        if (status == OSD_OK)
            break;
        assert_true(failed);
        assert_int_equal(status, OSD_E_NOMEM);
        after = store_dump(r->s, STORE_DUMP_TIMES);
        assert_string_equal(before, after);
        free(after);
        rig_check(r);
    }
    assert_false(failed); /* a failed allocation that nobody noticed */
    free(before);
}

static void test_store_memory__no_memory_leaves_the_content_as_before(void **state)
{
    struct rig *r = *state;

    build(r);
    exhaust(r, change_partition);
    exhaust(r, change_root);
}

static void test_store_memory__no_memory_to_open_is_an_error_with_a_reason(void **state)
{
    struct store_config cfg = {.capacity = 1 << 20};
    osd_status status = OSD_E_NOMEM;
    struct osd_store *s = NULL;

    for (uint64_t nth = 1; status != OSD_OK; nth++) {
        char reason[100] = "";
        countdown = nth;
        status = store_memory_open(&cfg, &s, reason, sizeof(reason));
        countdown = 0;
        if (status == OSD_OK)
            break;
        assert_int_equal(status, OSD_E_NOMEM);
        assert_non_null(strstr(reason, "memory"));
        assert_null(s);
    }
    s->ops->close(s);
}

/* ---- check ---- */

static void test_store_memory__check_finds_and_repairs_wrong_counters(void **state)
{
    struct rig *r = *state;
    struct mem_store *s = (struct mem_store *)r->s;
    struct store_check_result result;
    struct mem_part *part;

    build(r);
    part = tree_get(s->parts, p.pid);
    part->used += 5;
    part->count = 0;
    s->root->used -= 1;
    s->root->count = 7;
    part->reserved_used = 3;
    rig_ok(r->ops->check(r->s, false, NULL, NULL, &result));
    assert_int_equal(result.findings, 5);
    assert_int_equal(result.repaired, 0);
    rig_ok(r->ops->check(r->s, true, NULL, NULL, &result));
    assert_int_equal(result.findings, 5);
    assert_int_equal(result.repaired, 5);
    rig_check(r);
    assert_int_equal(rig_get_meta(r, p).count, 2);
}

static void last_finding(void *arg, struct store_id id, const char *finding)
{
    assert_true(id.pid == user.pid && id.oid == user.oid);
    strncpy(arg, finding, 99);
}

static void test_store_memory__check_finds_bytes_beyond_the_length(void **state)
{
    struct rig *r = *state;
    struct mem_store *s = (struct mem_store *)r->s;
    struct store_check_result result;
    struct mem_object *o;
    char text[100] = "";

    build(r);
    o = tree_get(((struct mem_part *)tree_get(s->parts, p.pid))->objects, user.oid);
    o->meta.length = 5 * B + 1;
    rig_ok(r->ops->check(r->s, false, last_finding, text, &result));
    assert_int_equal(result.findings, 1);
    assert_string_equal(text, "bytes beyond the length are not zero");
    o->meta.length = 5 * B;
    rig_ok(r->ops->check(r->s, false, last_finding, text, &result));
    assert_int_equal(result.findings, 1);
    assert_string_equal(text, "a block at 20480 beyond the length 20480");
    o->meta.length = 6 * B;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_memory__no_memory_leaves_the_content_as_before),
        cmocka_unit_test(test_store_memory__no_memory_to_open_is_an_error_with_a_reason),
        RIG_TEST(test_store_memory__check_finds_and_repairs_wrong_counters),
        RIG_TEST(test_store_memory__check_finds_bytes_beyond_the_length),
    };

    rig_choose("memory");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
