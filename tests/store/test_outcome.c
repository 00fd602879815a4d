/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_outcome.c - outcomes of commands are there exactly as long as what the commands did
 *
 * A worker takes steps, each of which records its outcome under a nonce that tells its number, and ends
 * without closing the store: before or behind the n-th time that the store asks RocksDB to write or to sync,
 * for every n there is, so between any two of what draining, making room in the journal and taking it over at
 * open do. The store is opened then, and knows the outcomes of the steps it holds, and no other.
 */
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/bytes.h"
#include "raw.h"
#include "rig.h"

#define JOURNAL    65536u /* a file of it: they take turns often */
#define LARGE      9u     /* attributes of PIECE bytes that are too much to be ahead */
#define PIECE      4000u
#define ATTR       7u
#define STEPS      45u /* of a round */
#define DIED       3   /* how a worker ends at its time */
#define VALUE_HEAD (8u + STORE_NONCE_LEN)

/* ---- when a worker ends ---- */

static unsigned asked;   /* so often was RocksDB asked to write or to sync */
static unsigned dies_at; /* 0: it does not */
static bool dies_before, dies_synced;
static void (*at_batch)(void); /* called once when a batch is made; NULL: nothing */

void __real_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *b, char **err);
void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *b, char **err);
void __real_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **err);
void __wrap_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **err);
rocksdb_writebatch_t *__real_rocksdb_writebatch_create_from(const char *data, size_t len);
rocksdb_writebatch_t *__wrap_rocksdb_writebatch_create_from(const char *data, size_t len);

static void die_if(bool before)
{
    if (dies_at && asked == dies_at && before == dies_before)
        _exit(DIED);
}

void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *o,
                          rocksdb_writebatch_t *b, char **err)
{
    asked++;
    die_if(true);
    __real_rocksdb_write(db, o, b, err);
    if (dies_synced) {
        __real_rocksdb_flush_wal(db, 1, err);
        _exit(DIED);
    }
    die_if(false);
}

void __wrap_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **err)
{
    asked++;
    die_if(true);
    __real_rocksdb_flush_wal(db, sync, err);
    die_if(false);
}

rocksdb_writebatch_t *__wrap_rocksdb_writebatch_create_from(const char *data, size_t len)
{
    void (*call)(void) = at_batch;

    at_batch = NULL;
    if (call)
        call();
    return __real_rocksdb_writebatch_create_from(data, len);
}

/* ---- steps ---- */

static const struct store_id part = {STORE_ID_FIRST, 0};
static const struct store_id object = {STORE_ID_FIRST, STORE_ID_FIRST};
static const struct store_id other = {STORE_ID_FIRST, STORE_ID_FIRST + 1};

static void make_object(struct rig *r)
{
    assert_int_equal(rig_partition(r).pid, part.pid);
    assert_int_equal(rig_object(r, part.pid).oid, object.oid);
}

static void nonce_of(uint64_t step, uint8_t ret[STORE_NONCE_LEN])
{
    memset(ret, 5, STORE_NONCE_LEN);
    be64_put(ret, step);
}

/* An attribute has a key of its own. One step in 13 does not fit into what is ahead, but goes to the database
 * at once. */
static osd_status change(struct store_txn *t, uint64_t step)
{
    static uint8_t bytes[PIECE];
    const struct store_ops *ops = t->store->ops;
    uint8_t nonce[STORE_NONCE_LEN];
    osd_status st = ops->set_attr(t, object, ATTR, 1, &step, sizeof(step));

    bytes[0] = (uint8_t)step;
    if (!st)
        st = ops->set_attr(t, object, ATTR, 2, bytes, PIECE / 10);
    for (uint32_t i = 0; i < LARGE && step % 13 == 5 && !st; i++)
        st = ops->set_attr(t, object, ATTR, 3 + i, bytes, sizeof(bytes));
    nonce_of(step, nonce);
    return st ? st : ops->record(t, nonce, &step, sizeof(step));
}

static osd_status take_step(struct osd_store *s, uint64_t step)
{
    struct store_txn *t;
    osd_status st = s->ops->begin(s, object, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = change(t, step);
    if (!st)
        return s->ops->commit(t, 0);
    s->ops->abort(t);
    return st;
}

static uint64_t step_of(struct rig *r)
{
    struct store_txn *t = rig_begin(r, object, STORE_SHARED);
    uint64_t step = 0;
    uint32_t len;
    osd_status st = r->ops->get_attr(t, object, ATTR, 1, &step, sizeof(step), &len);

    r->ops->abort(t);
    assert_true(st == OSD_OK || st == OSD_E_NOT_FOUND);
    return step;
}

static void expect_outcome(struct rig *r, uint64_t step, bool there)
{
    uint8_t nonce[STORE_NONCE_LEN], raw[STORE_OUTCOME_MAX];
    size_t len = 0;

    nonce_of(step, nonce);
    rig_fails(r->ops->recall(r->s, nonce, raw, &len), there ? OSD_OK : OSD_E_NOT_FOUND);
    if (there) {
        assert_int_equal(len, sizeof(step));
        assert_memory_equal(raw, &step, len);
    }
}

/* What was recorded up to the last step that the store holds is there, as far as it need be. */
static uint64_t expect_outcomes(struct rig *r)
{
    uint64_t last = step_of(r);

    for (uint64_t step = 1; step <= last + 100; step++)
        expect_outcome(r, step, step <= last && step + STORE_RECORDS > last);
    return last;
}

/* ---- the worker ---- */

static bool see_attr(void *arg, uint32_t page, uint32_t number, const void *value, uint32_t len)
{
    (void)arg;
    (void)page;
    (void)number;
    (void)value;
    (void)len;
    return true;
}

/* Whoever walks over attributes that have keys of their own has what is ahead put into the database. */
static osd_status look(struct osd_store *s, struct store_id id)
{
    struct store_txn *t;
    osd_status st = s->ops->begin(s, id, STORE_SHARED, &t);

    if (st)
        return st;
    st = s->ops->each_attr(t, id, ATTR, 0, see_attr, NULL);
    s->ops->abort(t);
    return st;
}

/** The number of the last step that was committed, in memory that worker and test share. */
struct notes {
    int fd;
    uint64_t *done; /* atomic */
};

/* Steps from one on. It looks after as many as there may be between two drainings: few, and many. */
static int work(const struct store_config *cfg, uint64_t first, uint64_t n, uint64_t *done)
{
    char reason[200] = "";
    struct osd_store *s;
    osd_status st = store_rocksdb_open(cfg, &s, reason, sizeof(reason));

    for (uint64_t step = first; !st && step < first + n; step++) {
        st = take_step(s, step);
        if (!st)
            __atomic_store_n(done, step, __ATOMIC_SEQ_CST);
        if (!st && (step % 97 < 3 || step % 11 == 0))
            st = look(s, object);
    }
    if (st)
        fprintf(stderr, "worker: %s %s\n", osd_status_text(st), reason);
    return st ? 2 : 0;
}

/* In another process, which does not close the store. Returns how it ended. */
static int work_apart(const struct rig *r, uint64_t first, uint64_t n, unsigned at,
                      const struct notes *notes)
{
    char text[4][24];
    int status = 0;
    pid_t pid = fork();

    if (pid == 0) {
        snprintf(text[0], sizeof(text[0]), "%d", notes->fd);
        snprintf(text[1], sizeof(text[1]), "%llu", (unsigned long long)first);
        snprintf(text[2], sizeof(text[2]), "%llu", (unsigned long long)n);
        snprintf(text[3], sizeof(text[3]), "%u", at);
        execl("/proc/self/exe", "test_store_outcome", r->dir, text[0], text[1], text[2],
              text[3], NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static struct notes make_notes(void)
{
    struct notes n = {.fd = memfd_create("notes", 0)};

    assert_int_equal(ftruncate(n.fd, sizeof(*n.done)), 0);
    n.done = mmap(NULL, sizeof(*n.done), PROT_READ | PROT_WRITE, MAP_SHARED, n.fd, 0);
    assert_ptr_not_equal(n.done, MAP_FAILED);
    return n;
}

static void free_notes(struct notes *n)
{
    munmap(n->done, sizeof(*n->done));
    close(n->fd);
}

/* ---- tests ---- */

/* Would catch: an outcome that is in the database without its command, or missing there when the journal
 * lets it go; keys of slots and pages that do not fit together. */
static void test_store_outcome__death_at_any_moment_leaves_those_of_what_was_done(void **state)
{
    struct rig *r = *state;
    struct notes notes = make_notes();
    uint64_t last = 0;
    int how = DIED;
    unsigned at;

    make_object(r);
    for (at = 1; how == DIED; at++) {
        rig_close(r);
        how = work_apart(r, last + 1, STEPS, at, &notes);
        assert_true(how == DIED || how == 0);
        if (at % 3 == 0) /* the next one takes the journal over, and may die of it */
            work_apart(r, *notes.done + 1, 0, 1 + at / 3 % 6, &notes);
        rig_open(r);
        last = expect_outcomes(r);
        assert_in_range(last, *notes.done, *notes.done + 1);
    }
    assert_true(at > 25);
    rig_check(r);
    free_notes(&notes);
}

static void test_store_outcome__the_last_ones_stay_while_the_journal_turns(void **state)
{
    struct rig *r = *state;
    struct notes notes = make_notes();
    uint64_t n = STORE_RECORDS + 3000;

    make_object(r);
    rig_close(r);
    assert_int_equal(work_apart(r, 1, n, 0, &notes), 0);
    rig_open(r);
    assert_int_equal(expect_outcomes(r), n);
    rig_reopen(r);
    assert_int_equal(expect_outcomes(r), n);
    rig_close(r);
    assert_int_equal(work_apart(r, n + 1, 200, 0, &notes), 0);
    rig_open(r);
    assert_int_equal(expect_outcomes(r), n + 200);
    free_notes(&notes);
}

/* ---- what is committed while a batch is made ---- */

#define BEFORE 50u /* steps that the batch has */
#define LATER  56u

static struct osd_store *between;
static bool dies_then;

static void *take_later_steps(void *arg)
{
    for (uint64_t step = BEFORE + 1; step <= LATER; step++)
        if (take_step(between, step))
            _exit(2);
    dies_synced = dies_then;
    return arg;
}

/* By another thread: the one that drains holds a lock. */
static void step_between(void)
{
    pthread_t thread;

    if (pthread_create(&thread, NULL, take_later_steps, NULL))
        _exit(2);
    pthread_join(thread, NULL);
}

/* Dies behind the next write, or closes the store. */
static int drain_between(const struct store_config *cfg, bool dies)
{
    char reason[200] = "";
    osd_status st = store_rocksdb_open(cfg, &between, reason, sizeof(reason));

    for (uint64_t step = 1; step <= BEFORE && !st; step++)
        st = take_step(between, step);
    at_batch = step_between;
    dies_then = dies;
    st = st ? st : look(between, other);
    if (!st)
        between->ops->close(between);
    return st ? 2 : 0;
}

/* As a loss of power may leave it: the database's log reached the disk, and nothing of the journal. */
static void lose_journal(const struct rig *r)
{
    char path[100];

    for (const char *name = "ab"; *name; name++) {
        snprintf(path, sizeof(path), "%s/journal/%c", r->dir, *name);
        assert_int_equal(truncate(path, 0), 0);
    }
}

static void make_objects(struct rig *r)
{
    uint8_t bytes[300] = {0};

    make_object(r);
    assert_int_equal(rig_object(r, part.pid).oid, other.oid);
    rig_set_attr(r, other, ATTR, 1, bytes, sizeof(bytes));
}

/* Would catch: a page with outcomes of commands that the database does not have yet: who repeats one would be
 * told that it was carried out. */
static void test_store_outcome__those_of_later_commands_are_not_in_a_batch(void **state)
{
    struct rig *r = *state;
    struct notes notes = make_notes();

    make_objects(r);
    rig_close(r);
    assert_int_equal(work_apart(r, 0, 0, 0, &notes), DIED);
    free_notes(&notes);
    lose_journal(r);
    rig_open(r);
    assert_int_equal(expect_outcomes(r), BEFORE);
}

/* Would catch: a page that counts as put, without them. */
static void test_store_outcome__those_of_later_commands_are_in_the_next_one(void **state)
{
    struct rig *r = *state;
    struct notes notes = make_notes();

    make_objects(r);
    rig_close(r);
    assert_int_equal(work_apart(r, 0, 1, 0, &notes), 0);
    free_notes(&notes);
    rig_open(r);
    assert_int_equal(expect_outcomes(r), LATER);
}

/* ---- what keys there are ---- */

/* How many keys of slots and of pages a closed store has. */
static void count_keys(const struct rig *r, unsigned *ret_slots, unsigned *ret_pages)
{
    struct raw w = raw_open(r->dir);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(w.db, w.ro, w.cf[RAW_RECORDS]);

    *ret_slots = *ret_pages = 0;
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        size_t len;
        const char *key = rocksdb_iter_key(it, &len);
        ++*(be32_get((const uint8_t *)key) < STORE_RECORDS ? ret_slots : ret_pages);
    }
    rocksdb_iter_destroy(it);
    raw_close(&w);
}

static void take_steps(struct rig *r, uint64_t first, uint64_t n)
{
    for (uint64_t step = first; step < first + n; step++)
        rig_ok(take_step(r->s, step));
}

/* Would catch: a key for each outcome, which costs more than the rest of a small command. */
static void test_store_outcome__many_share_a_key_and_few_do_not(void **state)
{
    struct rig *r = *state;
    unsigned slots, pages;

    make_object(r);
    take_steps(r, 1, 2);
    rig_close(r);
    count_keys(r, &slots, &pages);
    assert_int_equal(slots, 2);
    assert_int_equal(pages, 0);
    rig_open(r);
    take_steps(r, 6, 12);
    assert_int_equal(step_of(r), 17);
    rig_close(r);
    count_keys(r, &slots, &pages);
    assert_int_equal(slots, 2);
    assert_int_equal(pages, 1);
    rig_open(r);
    for (uint64_t step = 1; step <= 17; step++)
        expect_outcome(r, step, step <= 2 || step >= 6);
}

/* Sequence number, nonce and outcome of a step, as versions up to 5 had it under the key of its slot. */
static void put_slot(struct raw *w, uint64_t step)
{
    uint8_t key[4], value[VALUE_HEAD + sizeof(step)];

    be32_put(key, (uint32_t)(step % STORE_RECORDS));
    be64_put(value, step);
    nonce_of(step, value + 8);
    memcpy(value + VALUE_HEAD, &step, sizeof(step));
    raw_put(w, RAW_RECORDS, key, sizeof(key), value, sizeof(value));
}

static void expect_format(const struct rig *r, uint8_t want)
{
    struct raw w = raw_open(r->dir);
    char *err = NULL;
    size_t len;
    char *found = rocksdb_get_cf(w.db, w.ro, w.cf[RAW_DEFAULT], "format", 6, &len, &err);

    assert_null(err);
    assert_int_equal(len, 4);
    assert_int_equal(be32_get((uint8_t *)found), want);
    rocksdb_free(found);
    raw_close(&w);
}

/* A store of an older version with some outcomes, which go round; its journal has another one, and a change
 * of the version that a program of then made. */
static void make_old(struct rig *r, uint8_t version, uint64_t from, uint64_t last)
{
    static const uint8_t indexed[] = {1,   0,   0,   0,   6,   0, 0, 0, 4, 'f',
                                      'o', 'r', 'm', 'a', 't', 0, 0, 0, 5};
    const struct raw_record record = {indexed, sizeof(indexed)};
    const uint8_t format[4] = {0, 0, 0, version};

    rig_close(r);
    struct raw w = raw_open(r->dir);
    for (uint64_t step = from; step <= last; step++)
        put_slot(&w, step);
    raw_put(&w, RAW_DEFAULT, "format", 6, format, sizeof(format));
    raw_close(&w);
    if (version == 4)
        raw_journal(r->dir, 0, false, &record, 1);
}

static void expect_range(struct rig *r, uint64_t from, uint64_t last)
{
    for (uint64_t step = 1; step <= last + 10; step++)
        expect_outcome(r, step, step >= from && step <= last);
}

static void test_store_outcome__an_older_store_keeps_its_own(void **state)
{
    const uint64_t last = STORE_RECORDS + 500, from = STORE_RECORDS - 300;
    struct rig *r = *state;

    make_object(r);
    make_old(r, 4, from, last);
    rig_open(r);
    expect_range(r, from, last);
    rig_close(r);
    expect_format(r, 7);
    rig_open(r);
    take_steps(r, last + 1, 3000);
    rig_reopen(r);
    expect_range(r, from, last + 3000);
}

static void test_store_outcome__what_was_recorded_goes_before_an_older_key(void **state)
{
    struct rig *r = *state;

    make_object(r);
    take_steps(r, 1, STORE_RECORDS + 100);
    make_old(r, 5, 1, 200);
    r->cfg.read_only = true;
    rig_open(r);
    expect_range(r, 101, STORE_RECORDS + 100);
    rig_close(r);
    expect_format(r, 5);
    r->cfg.read_only = false;
    rig_open(r);
    assert_int_equal(step_of(r), STORE_RECORDS + 100);
    expect_range(r, 101, STORE_RECORDS + 100);
    rig_close(r);
    expect_format(r, 7);
    rig_open(r);
}

/* Would catch: the first outcome of a nonce, which is in a slot behind that of the last one, found again. */
static void test_store_outcome__the_last_one_of_a_nonce_counts(void **state)
{
    struct rig *r = *state;
    uint8_t nonce[STORE_NONCE_LEN], raw[STORE_OUTCOME_MAX];
    size_t len;

    make_object(r);
    take_steps(r, 1, STORE_RECORDS - 5);
    for (uint8_t i = 0; i < 10; i++) {
        struct store_txn *t = rig_begin(r, object, STORE_EXCLUSIVE);
        nonce_of(0, nonce);
        rig_ok(r->ops->record(t, nonce, &i, sizeof(i)));
        rig_commit(r, t);
    }
    rig_reopen(r);
    rig_ok(r->ops->recall(r->s, nonce, raw, &len));
    assert_int_equal(raw[0], 9);
}

/* Outcomes that the store refuses to open with. */
static void test_store_outcome__a_page_that_makes_no_sense_is_refused(void **state)
{
    static const struct {
        uint8_t first;
        size_t len;
    } wrong[] = {
        {VALUE_HEAD + 8, VALUE_HEAD + 8}, {VALUE_HEAD - 1, VALUE_HEAD}, {255, 256}, {0, 1}};
    struct rig *r = *state;
    struct osd_store *s;
    uint8_t key[4], value[300] = {0};

    be32_put(key, STORE_RECORDS + 3);
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (r->opened)
            rig_close(r);
        struct raw w = raw_open(r->dir);
        value[0] = wrong[i].first;
        raw_put(&w, RAW_RECORDS, key, sizeof(key), value, wrong[i].len);
        raw_close(&w);
        rig_fails(store_rocksdb_open(&r->cfg, &s, NULL, 0), OSD_E_CORRUPT);
    }
    struct raw w = raw_open(r->dir);
    raw_delete(&w, RAW_RECORDS, key, sizeof(key));
    raw_close(&w);
    rig_open(r);
}

/* As work_apart() calls it; step 0: drain_between(), and none or one more: that it dies or does not. */
static int worker_main(char **argv)
{
    const struct store_config cfg = {.path = argv[1], .journal = JOURNAL, .idle = true};
    uint64_t first = strtoull(argv[3], NULL, 10), n = strtoull(argv[4], NULL, 10);
    unsigned at = (unsigned)strtoul(argv[5], NULL, 10);
    uint64_t *done = mmap(NULL, sizeof(*done), PROT_READ | PROT_WRITE, MAP_SHARED,
                          (int)strtol(argv[2], NULL, 10), 0);

    if (done == MAP_FAILED)
        return 2;
    dies_at = (at + 1) / 2;
    dies_before = at % 2;
    return first ? work(&cfg, first, n, done) : drain_between(&cfg, n == 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_outcome__death_at_any_moment_leaves_those_of_what_was_done),
        RIG_TEST(test_store_outcome__the_last_ones_stay_while_the_journal_turns),
        RIG_TEST(test_store_outcome__those_of_later_commands_are_not_in_a_batch),
        RIG_TEST(test_store_outcome__those_of_later_commands_are_in_the_next_one),
        RIG_TEST(test_store_outcome__many_share_a_key_and_few_do_not),
        RIG_TEST(test_store_outcome__an_older_store_keeps_its_own),
        RIG_TEST(test_store_outcome__what_was_recorded_goes_before_an_older_key),
        RIG_TEST(test_store_outcome__the_last_one_of_a_nonce_counts),
        RIG_TEST(test_store_outcome__a_page_that_makes_no_sense_is_refused),
    };

    if (argc == 6)
        _exit(worker_main(argv));
    rig_choose("rocksdb-idle");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
