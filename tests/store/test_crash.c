/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_crash.c - the RocksDB store is killed at any moment, again and again
 *
 * A worker process changes a store from several threads and notes every step it begins and
 * every step that must survive: its commit returned, and if that left the log to publish(), a
 * publish or another commit after it did, too. It is killed, the store is opened, and must hold
 * these steps, and of those that were begun after them the first few, or none or all: compared with
 * a model that replays them. Each thread has a partition of its own with two objects; the partition's
 * attribute says which step was the last, and is set in the transaction of the step. One more
 * thread makes duplicates of the partitions, in place of earlier ones: each must be what its
 * partition was after the step that its own attribute tells. Steps also set attributes that are
 * indexed, and now and then another index is asked for: the store's check compares. The duplicates of
 * one partition have so many objects that they are removed by range, those of the others go key by key
 * unless they are not complete, or have an index.
 * STORE_CRASH_ROUNDS in the environment changes how often, STORE_CRASH_SEED what happens.
 */
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "rig.h"

#define THREADS 3
#define OBJECTS 2
#define LEN_MAX (40 * STORE_BLOCK)
#define PAGE    7u

/** What worker and watcher share. */
struct notes {
    struct {
        uint64_t begun, done; /* steps; atomic */
    } thread[THREADS];
};

struct model {
    bool exists;
    uint64_t length;
    uint8_t bytes[LEN_MAX];
};

enum verb { WRITE, CLEAR, TRUNCATE, PUNCH, RENEW, REMOVE };

/** A step: what happens to which object. */
struct step {
    enum verb verb;
    unsigned object, fill;
    uint64_t off, len;
};

/* The numbers from THREADS on are those of the duplicates. */
static struct store_id partition_of(unsigned thread)
{
    return (struct store_id){STORE_ID_FIRST + thread, 0};
}

static struct store_id object_of(unsigned thread, unsigned object)
{
    return (struct store_id){STORE_ID_FIRST + thread, STORE_ID_FIRST + object};
}

/* Step number n of a thread, a function of the numbers and the object's length alone. */
static struct step step_make(uint64_t world, unsigned thread, uint64_t n)
{
    static const enum verb often[] = {WRITE, WRITE, WRITE, WRITE,    WRITE,
                                      CLEAR, CLEAR, PUNCH, TRUNCATE, RENEW};
    uint64_t seed = world + n * 16 + thread;
    struct step s = {.object = (unsigned)rig_random(&seed, OBJECTS), .fill = (unsigned)n};

    s.verb = often[rig_random(&seed, sizeof(often) / sizeof(often[0]))];
    if (rig_random(&seed, 40) == 0)
        s.verb = REMOVE;
    s.off = rig_random(&seed, 3) ? rig_random(&seed, LEN_MAX / STORE_BLOCK) * STORE_BLOCK
                                 : rig_random(&seed, LEN_MAX);
    s.len = 1 + rig_random(&seed, LEN_MAX - s.off);
    return s;
}

/* The part of a punch that lies in the object; false when there is none. */
static bool punch_cut(struct step *s, uint64_t length)
{
    if (s->off >= length)
        return false;
    if (s->len > length - s->off)
        s->len = length - s->off;
    return true;
}

static void model_step(struct model *m, struct step s)
{
    uint64_t end = s.off + s.len;

    if (s.verb == RENEW || s.verb == REMOVE || !m->exists)
        *m = (struct model){.exists = s.verb != REMOVE};
    if (s.verb == WRITE) {
        rig_fill(m->bytes + s.off, s.len, s.fill);
    } else if (s.verb == CLEAR) {
        memset(m->bytes + s.off, 0, s.len);
    } else if (s.verb == TRUNCATE) {
        m->length = s.off;
        memset(m->bytes + s.off, 0, LEN_MAX - s.off);
    } else if (s.verb == PUNCH && punch_cut(&s, m->length)) {
        memmove(m->bytes + s.off, m->bytes + s.off + s.len, m->length - s.off - s.len);
        m->length -= s.len;
        memset(m->bytes + m->length, 0, LEN_MAX - m->length);
    }
    if ((s.verb == WRITE || s.verb == CLEAR) && end > m->length)
        m->length = end;
}

/* ---- the worker ---- */

struct worker {
    struct osd_store *s;
    struct notes *notes;
    uint64_t world;
    unsigned thread;
};

static osd_status change(struct store_txn *t, struct store_id id, struct step s)
{
    const struct store_ops *ops = t->store->ops;
    static uint8_t bytes[THREADS][LEN_MAX];
    uint8_t *mine = bytes[id.pid - STORE_ID_FIRST];
    struct store_meta m, fresh = rig_meta(STORE_USER);
    bool there = ops->get_meta(t, id, &m) == OSD_OK;
    osd_status st = OSD_OK;

    if (there && (s.verb == RENEW || s.verb == REMOVE))
        st = ops->remove(t, id, false);
    if (!st && s.verb != REMOVE && (!there || s.verb == RENEW))
        st = ops->create(t, id, &fresh, &id);
    if (st)
        return st;
    switch (s.verb) {
    case WRITE:
        rig_fill(mine, s.len, s.fill);
        return rig_txn_write(t, id, s.off, mine, s.len);
    case CLEAR:
        return ops->clear(t, id, s.off, s.len);
    case TRUNCATE:
        return ops->truncate(t, id, s.off);
    case PUNCH:
        return there && punch_cut(&s, m.length) ? ops->punch(t, id, s.off, s.len) : OSD_OK;
    default:
        return OSD_OK;
    }
}

/* Attributes that are indexed, one of them too long for the record. */
static osd_status tag(struct store_txn *t, struct store_id id, uint64_t n)
{
    uint8_t value[300] = {0};
    struct store_meta m;
    osd_status st = t->store->ops->get_meta(t, id, &m);

    memcpy(value, &n, sizeof(n));
    for (uint32_t i = 1; i <= 3 && !st; i++)
        st = t->store->ops->set_attr(t, id, PAGE, i, value,
                                     n % (i + 2) ? (uint32_t)(n * i % sizeof(value)) : 0);
    return st == OSD_E_NOT_FOUND ? OSD_OK : st;
}

/* Ask for an index over one attribute, over the page, or for none. */
static osd_status ask_index(struct store_txn *t, struct store_id part, uint64_t n)
{
    static const uint8_t specs[][8] = {{0, 0, 0, PAGE, 0, 0, 0, 2},
                                       {0, 0, 0, PAGE, 0xff, 0xff, 0xff, 0xff}};

    return t->store->ops->set_attr(t, part, STORE_INDEX_PAGE, 1, specs[n / 2 % 2],
                                   n % 2 ? 8 : 0);
}

/* Of five steps the first three and the fourth are left to publish(), which comes after the third;
 * the commit of the fifth is one that takes the fourth with it. */
static bool is_later(uint64_t n)
{
    return n % 5 != 0;
}

static bool is_unpublished(uint64_t n)
{
    return is_later(n) && n % 5 != 3;
}

/* One step with its number as one transaction. */
static osd_status take_step(struct worker *w, uint64_t n)
{
    const struct store_ops *ops = w->s->ops;
    struct store_id part = partition_of(w->thread);
    struct step s = step_make(w->world, w->thread, n);
    struct store_txn *t;
    uint8_t nonce[STORE_NONCE_LEN] = {(uint8_t)w->thread, 1};
    osd_status st = ops->begin(w->s, part, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    memcpy(nonce + 4, &n, sizeof(n));
    st = change(t, object_of(w->thread, s.object), s);
    if (!st)
        st = tag(t, object_of(w->thread, s.object), n);
    if (!st && n % 23 == 0)
        st = ask_index(t, part, n / 23);
    if (!st)
        st = ops->set_attr(t, part, PAGE, 1, &n, sizeof(n));
    if (!st)
        st = ops->record(t, nonce, &n, sizeof(n));
    if (st) {
        ops->abort(t);
        return st;
    }
    return ops->commit(t, n % 29 == 0   ? STORE_COMMIT_SYNC
                          : is_later(n) ? STORE_COMMIT_LATER
                                        : 0);
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t n = __atomic_load_n(&w->notes->thread[w->thread].done, __ATOMIC_SEQ_CST);

    for (;;) {
        n++;
        __atomic_store_n(&w->notes->thread[w->thread].begun, n, __ATOMIC_SEQ_CST);
        osd_status st = take_step(w, n);
        if (!st && n % 5 == 3)
            st = w->s->ops->publish(w->s);
        if (st) {
            fprintf(stderr, "worker: thread %u step %llu: %s\n", w->thread,
                    (unsigned long long)n, osd_status_text(st));
            _exit(3);
        }
        if (!is_unpublished(n))
            __atomic_store_n(&w->notes->thread[w->thread].done, n, __ATOMIC_SEQ_CST);
        if (n % 17 == 0)
            w->s->ops->touch(w->s, object_of(w->thread, 0), STORE_TOUCH_DATA_ACCESSED, n);
        if (n % 61 == 0 && w->s->ops->flush(w->s))
            _exit(4);
    }
    return NULL;
}

static osd_status renew_duplicate(struct osd_store *s, unsigned thread)
{
    struct store_id id = partition_of(THREADS + thread);
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t;
    osd_status st = s->ops->begin(s, (struct store_id){0, 0}, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = s->ops->remove(t, id, true);
    if (st == OSD_OK || st == OSD_E_NOT_FOUND)
        st = s->ops->duplicate(t, partition_of(thread).pid, id, &m, &id);
    if (st) {
        s->ops->abort(t);
        return st;
    }
    return s->ops->commit(t, 0);
}

static void *make_duplicates(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0;; i++) {
        osd_status st = renew_duplicate(w->s, i % THREADS);
        if (st) {
            fprintf(stderr, "worker: duplicate: %s\n", osd_status_text(st));
            _exit(3);
        }
        usleep(i * 7919 % 20000);
    }
    return NULL;
}

/* Never returns by itself: the watcher kills it. */
static int worker_main(const char *dir, int fd, uint64_t world)
{
    struct store_config cfg = {.path = dir};
    struct notes *notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct worker w[THREADS];
    struct osd_store *s;
    char reason[200] = "";
    pthread_t tid;

    if (notes != MAP_FAILED && notes->thread[0].begun % 2)
        cfg.journal = 65536; /* its files take turns then */
    if (notes == MAP_FAILED || store_rocksdb_open(&cfg, &s, reason, sizeof(reason))) {
        fprintf(stderr, "worker: %s\n", reason);
        return 2;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){s, notes, world, i};
        if (pthread_create(&tid, NULL, work, &w[i]))
            return 2;
    }
    if (pthread_create(&tid, NULL, make_duplicates, &w[0]))
        return 2;
    pthread_join(tid, NULL);
    return 2;
}

/* ---- the watcher ---- */

static pid_t start_worker(const char *dir, int fd, uint64_t world)
{
    char fd_text[16], world_text[24];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    snprintf(world_text, sizeof(world_text), "%llu", (unsigned long long)world);
    execl("/proc/self/exe", "test_store_crash", "worker", dir, fd_text, world_text, NULL);
    _exit(127);
}

static void compare(struct rig *r, unsigned thread, unsigned object, const struct model *m)
{
    static uint8_t got[LEN_MAX];
    struct store_id id = object_of(thread, object);

    assert_int_equal(rig_exists(r, id), m->exists);
    if (!m->exists)
        return;
    assert_int_equal(rig_get_meta(r, id).length, m->length);
    rig_read(r, id, 0, got, LEN_MAX);
    assert_memory_equal(got, m->bytes, LEN_MAX);
}

/* The step that a partition's attribute tells; 0: none, or no such partition. */
static uint64_t step_of(struct rig *r, unsigned thread)
{
    struct store_txn *t = rig_begin(r, partition_of(thread), STORE_SHARED);
    uint64_t n = 0;
    uint32_t len;
    osd_status st = r->ops->get_attr(t, partition_of(thread), PAGE, 1, &n, sizeof(n), &len);

    r->ops->abort(t);
    assert_true(st == OSD_OK || st == OSD_E_NOT_FOUND);
    return n;
}

/* The last step the store knows of; it was begun, and no committed one is missing. */
static uint64_t last_step(struct rig *r, const struct notes *notes, unsigned thread)
{
    uint64_t n = step_of(r, thread);

    assert_true(n >= notes->thread[thread].done);
    assert_true(n <= notes->thread[thread].begun);
    return n;
}

/* Bring a thread's models to step `to`, and compare them with a partition. */
static void compare_partition(struct rig *r, unsigned number, struct model *models,
                              uint64_t world, uint64_t from, uint64_t to)
{
    for (uint64_t n = from + 1; n <= to; n++) {
        struct step s = step_make(world, number % THREADS, n);
        model_step(&models[s.object], s);
    }
    for (unsigned i = 0; i < OBJECTS; i++)
        compare(r, number, i, &models[i]);
}

static void compare_thread(struct rig *r, unsigned thread, struct model *models, uint64_t world,
                           uint64_t from, uint64_t to)
{
    uint8_t nonce[STORE_NONCE_LEN] = {(uint8_t)thread, 1}, outcome[STORE_OUTCOME_MAX];
    size_t len;

    compare_partition(r, thread, models, world, from, to);
    if (to == 0)
        return;
    memcpy(nonce + 4, &to, sizeof(to));
    rig_ok(r->ops->recall(r->s, nonce, outcome, &len));
    to++;
    memcpy(nonce + 4, &to, sizeof(to));
    rig_fails(r->ops->recall(r->s, nonce, outcome, &len), OSD_E_NOT_FOUND);
}

/* Let a worker work for some time; short times hit it while it opens the store. */
static void kill_worker(pid_t pid, const struct notes *notes, uint64_t ms)
{
    uint64_t before = __atomic_load_n(&notes->thread[0].begun, __ATOMIC_SEQ_CST);
    int status = 0;

    for (int i = 0; i < 30000 && ms >= 50; i++) {
        if (__atomic_load_n(&notes->thread[0].begun, __ATOMIC_SEQ_CST) != before)
            break;
        usleep(1000);
    }
    usleep((useconds_t)ms * 1000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void make_partitions(struct rig *r)
{
    for (unsigned i = 0; i < THREADS; i++) {
        struct store_meta m = rig_meta(STORE_PARTITION);
        struct store_id id;
        struct store_txn *t = rig_begin(r, partition_of(i), STORE_EXCLUSIVE);
        rig_ok(r->ops->create(t, partition_of(i), &m, &id));
        rig_commit(r, t);
    }
    rig_ballast(r, partition_of(0).pid);
}

static void test_store_crash__every_committed_step_survives_and_no_half_one(void **state)
{
    struct rig *r = *state;
    uint64_t rounds = from_environment("STORE_CRASH_ROUNDS", 25);
    uint64_t world = from_environment("STORE_CRASH_SEED", 1) << 32, seed = world, total = 0,
             duplicates = 0;
    struct model *models = calloc(2 * THREADS * OBJECTS, sizeof(*models));
    int fd = memfd_create("notes", 0);
    struct notes *notes;

    assert_non_null(models);
    assert_int_equal(ftruncate(fd, sizeof(*notes)), 0);
    notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(notes, MAP_FAILED);
    make_partitions(r);
    for (uint64_t round = 0; round < rounds; round++) {
        rig_close(r);
        kill_worker(start_worker(r->dir, fd, world), notes, rig_random(&seed, 200));
        rig_open(r);
        rig_check(r);
        for (unsigned i = 0; i < THREADS; i++) {
            uint64_t to = last_step(r, notes, i), *verified = &notes->thread[i].done;
            static uint64_t from[THREADS];
            compare_thread(r, i, &models[i * OBJECTS], world, from[i], to);
            total += to - from[i];
            *verified = from[i] = to;
        }
        rig_check_ballast(r, partition_of(0).pid);
        rig_check_ballast(r, partition_of(THREADS).pid);
        for (unsigned i = THREADS; i < 2 * THREADS; i++) {
            static uint64_t from[2 * THREADS];
            uint64_t to = step_of(r, i);
            assert_true(to >= from[i]); /* none is older than the one before */
            compare_partition(r, i, &models[i * OBJECTS], world, from[i], to);
            duplicates += to > from[i];
            from[i] = to;
        }
    }
    assert_true(total > rounds); /* or nothing was tested */
    assert_true(duplicates > 0);
    print_message("crash: %llu rounds, %llu steps, %llu duplicates\n",
                  (unsigned long long)rounds, (unsigned long long)total,
                  (unsigned long long)duplicates);
    munmap(notes, sizeof(*notes));
    close(fd);
    free(models);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(test_store_crash__every_committed_step_survives_and_no_half_one),
    };

    if (argc == 5 && strcmp(argv[1], "worker") == 0)
        return worker_main(argv[2], (int)strtol(argv[3], NULL, 10),
                           strtoull(argv[4], NULL, 10));
    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
