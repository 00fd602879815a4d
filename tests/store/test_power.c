/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_power.c - the RocksDB store loses power at any moment
 *
 * A worker changes a store from several threads, syncing now and then, and is killed; then a
 * random part of what it had not synced is taken back (powerloss.h). The store must open, hold
 * every synced step, no step that was not begun, and the state of exactly one step: the last one
 * it knows of, with the outcomes of the steps up to that and no other. Blocks written after the last sync may be damaged, but only by saying so.
 * Now and then a thread duplicates its partition: the duplicate must hold one step's state too. One
 * partition has so many objects that its duplicate is removed by range.
 * A worker that finds what another one left has it all, and syncs it once before it goes on.
 * Another worker fills the store and empties it, so that data files give their space back and take
 * it again all the time, around what stays.
 * STORE_POWER_ROUNDS in the environment changes how often, STORE_POWER_SEED what happens.
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

#include "common/bytes.h"
#include "powerloss.h"
#include "rig.h"

#define THREADS 3
#define OBJECTS 3
#define BLOCKS  24
#define LEN_MAX (BLOCKS * STORE_BLOCK)
#define PAGE    7u
#define CHURN   UINT64_MAX /* a world that is filled and emptied */

/** What worker and watcher share; atomic. */
struct notes {
    struct {
        uint64_t begun, done, synced; /* steps */
        uint64_t duplicated;          /* the last step whose duplicate was synced */
    } thread[THREADS];
    uint64_t begun, filled, emptied, synced; /* rounds of the one that fills and empties */
    uint64_t taken_over;                     /* a worker synced what it found: ... */
    uint64_t rescued;                        /* ... steps that nobody had synced before */
};

enum verb { WRITE, APPEND, TRUNCATE, RENEW };

struct step {
    enum verb verb;
    unsigned object;
    uint64_t off, len;
};

struct model {
    uint64_t length;
    uint64_t touched[BLOCKS]; /* step that last changed the block */
    uint8_t bytes[LEN_MAX];
};

static struct store_id partition_of(unsigned thread)
{
    return (struct store_id){STORE_ID_FIRST + thread, 0};
}

/* The place of its duplicates. */
static struct store_id duplicate_of(unsigned thread)
{
    return (struct store_id){STORE_ID_FIRST + THREADS + thread, 0};
}

static struct store_id object_of(unsigned thread, unsigned object)
{
    return (struct store_id){STORE_ID_FIRST + thread, STORE_ID_FIRST + object};
}

static struct step step_make(uint64_t world, unsigned thread, uint64_t n)
{
    static const enum verb often[] = {WRITE, WRITE, WRITE, APPEND, APPEND, TRUNCATE, RENEW};
    uint64_t seed = world + n * 16 + thread;
    struct step s = {.object = (unsigned)rig_random(&seed, OBJECTS)};

    s.verb = often[rig_random(&seed, sizeof(often) / sizeof(often[0]))];
    s.off = rig_random(&seed, 2) ? rig_random(&seed, BLOCKS) * STORE_BLOCK
                                 : rig_random(&seed, LEN_MAX);
    s.len = 1 + rig_random(&seed, rig_random(&seed, 2) ? LEN_MAX - s.off : 100);
    return s;
}

/* Where a step begins and ends in an object of this length; len 0: nowhere. */
static void place(struct step *s, uint64_t length)
{
    if (s->verb == APPEND)
        s->off = length;
    if (s->off + s->len > LEN_MAX)
        s->len = LEN_MAX - s->off;
}

/* ---- the worker ---- */

struct worker {
    struct osd_store *s;
    struct notes *notes;
    uint64_t world, next;
    unsigned thread;
};

static osd_status change(struct store_txn *t, struct store_id id, struct step s, uint64_t n)
{
    const struct store_ops *ops = t->store->ops;
    struct store_meta m, fresh = rig_meta(STORE_USER);
    osd_status st = ops->get_meta(t, id, &m);
    uint8_t bytes[LEN_MAX];

    if (s.verb == RENEW && st == OSD_OK)
        st = ops->remove(t, id, false);
    if (st == OSD_E_NOT_FOUND || (st == OSD_OK && s.verb == RENEW)) {
        st = ops->create(t, id, &fresh, &id);
        m.length = 0;
    }
    if (st || s.verb == RENEW)
        return st;
    if (s.verb == TRUNCATE)
        return ops->truncate(t, id, s.off);
    place(&s, m.length);
    rig_fill(bytes, s.len, (unsigned)n);
    return s.len ? rig_txn_write(t, id, s.off, bytes, s.len) : OSD_OK;
}

static void nonce_of(unsigned thread, uint64_t n, uint8_t ret[STORE_NONCE_LEN])
{
    be32_put(ret, thread);
    be64_put(ret + 4, n);
}

static osd_status record(struct store_txn *t, unsigned thread, uint64_t n)
{
    uint8_t nonce[STORE_NONCE_LEN];

    nonce_of(thread, n, nonce);
    return t->store->ops->record(t, nonce, &n, sizeof(n));
}

static osd_status take_step(struct worker *w, uint64_t n)
{
    const struct store_ops *ops = w->s->ops;
    struct store_id part = partition_of(w->thread);
    struct step s = step_make(w->world, w->thread, n);
    struct store_txn *t;
    osd_status st = ops->begin(w->s, part, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = change(t, object_of(w->thread, s.object), s, n);
    if (!st)
        st = ops->set_attr(t, part, PAGE, 1, &n, sizeof(n));
    if (!st)
        st = record(t, w->thread, n);
    if (st) {
        ops->abort(t);
        return st;
    }
    st = ops->commit(t, n % 17 == 0 ? STORE_COMMIT_SYNC : 0);
    return st || n % 41 ? st : ops->flush(w->s);
}

/* The present state of the partition takes the place of an earlier one. */
static osd_status duplicate(struct worker *w)
{
    const struct store_ops *ops = w->s->ops;
    struct store_id to = duplicate_of(w->thread), root = {0, 0};
    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t;
    osd_status st = ops->begin(w->s, root, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = ops->remove(t, to, true);
    if (!st || st == OSD_E_NOT_FOUND)
        st = ops->duplicate(t, partition_of(w->thread).pid, to, &m, &to);
    if (!st)
        return ops->commit(t, 0);
    ops->abort(t);
    return st;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    uint64_t copied = w->notes->thread[w->thread].duplicated;

    for (uint64_t n = w->next;; n++) {
        __atomic_store_n(&w->notes->thread[w->thread].begun, n, __ATOMIC_SEQ_CST);
        osd_status st = take_step(w, n);
        __atomic_store_n(&w->notes->thread[w->thread].done, n, __ATOMIC_SEQ_CST);
        if (n % 17 == 0 || n % 41 == 0) {
            __atomic_store_n(&w->notes->thread[w->thread].synced, n, __ATOMIC_SEQ_CST);
            __atomic_store_n(&w->notes->thread[w->thread].duplicated, copied, __ATOMIC_SEQ_CST);
        }
        if (!st && n % 23 == 0) {
            st = duplicate(w);
            copied = n;
        }
        if (st) {
            fprintf(stderr, "worker: step %llu: %s\n", (unsigned long long)n,
                    osd_status_text(st));
            _exit(3);
        }
    }
    return NULL;
}

/* The step whose state a partition says it holds; 0: none, or it is not there. */
static uint64_t step_found(struct osd_store *s, struct store_id part, osd_status *ret)
{
    struct store_txn *t;
    uint64_t n = 0;
    uint32_t len;

    *ret = s->ops->begin(s, part, STORE_SHARED, &t);
    if (*ret)
        return 0;
    *ret = s->ops->get_attr(t, part, PAGE, 1, &n, sizeof(n), &len);
    if (*ret == OSD_E_NOT_FOUND)
        *ret = OSD_OK;
    s->ops->abort(t);
    return n;
}

/* Everything that was committed before is synced with a commit that is. */
static osd_status commit_synced(struct osd_store *s)
{
    struct store_txn *t;
    osd_status st = s->ops->begin(s, partition_of(0), STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = s->ops->set_attr(t, partition_of(0), PAGE, 2, "sync", 4);
    if (!st)
        return s->ops->commit(t, STORE_COMMIT_SYNC);
    s->ops->abort(t);
    return st;
}

/* What the one before did is there, and stays: a flush, or a commit that is synced, is for that, too. */
static osd_status take_over(struct osd_store *s, struct notes *notes, bool flush)
{
    uint64_t found[THREADS], copy[THREADS];
    osd_status st = OSD_OK;

    for (unsigned i = 0; i < THREADS && !st; i++) {
        found[i] = step_found(s, partition_of(i), &st);
        if (!st && found[i] < notes->thread[i].done)
            st = OSD_E_PAST_END;
        if (!st)
            copy[i] = step_found(s, duplicate_of(i), &st);
    }
    if (!st)
        st = flush ? s->ops->flush(s) : commit_synced(s);
    for (unsigned i = 0; i < THREADS && !st; i++) {
        notes->rescued += found[i] - notes->thread[i].synced;
        notes->thread[i].synced = found[i];
        notes->thread[i].duplicated = copy[i];
    }
    if (!st)
        __atomic_store_n(&notes->taken_over, 1, __ATOMIC_SEQ_CST);
    return st;
}

/* ---- the worker that fills and empties ---- */

#define LARGE_MIB 80u
#define FRONT_MIB 56u /* so little is left that nobody syncs its removal at once */
#define STAY      16u /* blocks of the object that stays */
#define EMPTY_MS  24

static const struct store_id large = {STORE_ID_FIRST, STORE_ID_FIRST},
                             stays = {STORE_ID_FIRST, STORE_ID_FIRST + 1};

static osd_status write_once(struct osd_store *s, struct store_id id, uint64_t off, size_t len,
                             uint64_t round)
{
    static uint8_t bytes[MIB];
    struct store_txn *t;
    osd_status st = s->ops->begin(s, id, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    rig_fill(bytes, len, (unsigned)round);
    st = rig_txn_write(t, id, off, bytes, len);
    if (!st)
        return s->ops->commit(t, 0);
    s->ops->abort(t);
    return st;
}

/* The front becomes zeros, or all of it goes. */
static osd_status empty(struct osd_store *s, bool front)
{
    struct store_txn *t;
    osd_status st = s->ops->begin(s, large, STORE_EXCLUSIVE, &t);

    if (st)
        return st;
    st = front ? s->ops->clear(t, large, 0, FRONT_MIB * MIB) : s->ops->truncate(t, large, 0);
    if (!st)
        return s->ops->commit(t, 0);
    s->ops->abort(t);
    return st;
}

/* Fill, with pieces of what stays between. */
static osd_status fill(struct osd_store *s, uint64_t round)
{
    osd_status st = OSD_OK;

    for (uint64_t k = 0; k < LARGE_MIB && !st; k++) {
        st = write_once(s, large, k * MIB, MIB, round);
        if (!st && k % (LARGE_MIB / STAY) == 0)
            st = write_once(s, stays, k / (LARGE_MIB / STAY) * STORE_BLOCK, STORE_BLOCK, round);
    }
    return st ? st : s->ops->flush(s);
}

/* A round. Before what is removed is synced and after it, the thread of the data files has time for
 * what it should not do, and for what it should. */
static osd_status fill_and_empty(struct osd_store *s, struct notes *n, uint64_t round)
{
    __atomic_store_n(&n->begun, round, __ATOMIC_SEQ_CST);
    osd_status st = fill(s, round);
    __atomic_store_n(&n->filled, round, __ATOMIC_SEQ_CST);
    st = st ? st : empty(s, true);
    st = st ? st : s->ops->flush(s);
    st = st ? st : empty(s, false);
    __atomic_store_n(&n->emptied, round, __ATOMIC_SEQ_CST);
    usleep(EMPTY_MS * 500);
    st = st ? st : s->ops->flush(s);
    if (!st)
        __atomic_store_n(&n->synced, round, __ATOMIC_SEQ_CST);
    usleep(EMPTY_MS * 500);
    return st;
}

/* Never returns by itself. */
static int churn_main(struct osd_store *s, struct notes *notes)
{
    for (uint64_t round = 1;; round++) {
        osd_status st = fill_and_empty(s, notes, round);
        if (st) {
            fprintf(stderr, "worker: round %llu: %s\n", (unsigned long long)round,
                    osd_status_text(st));
            return 3;
        }
    }
}

/* ---- either of them ---- */

/* Never returns by itself: the watcher kills it. */
static int worker_main(const char *dir, int fd, uint64_t world, const char *writes)
{
    struct store_config cfg = {.path = dir, .quiet_ms = 1};
    struct notes *notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    struct worker w[THREADS];
    struct osd_store *s;
    char reason[200] = "";
    pthread_t tid;

    powerloss_watch(dir, writes);
    if (world != CHURN && world >> 24 & 1)
        cfg.journal = 65536; /* its files take turns then */
    if (notes == MAP_FAILED || store_rocksdb_open(&cfg, &s, reason, sizeof(reason))) {
        fprintf(stderr, "worker: %s\n", reason);
        return 2;
    }
    if (world == CHURN)
        return churn_main(s, notes);
    if (notes->thread[0].begun && take_over(s, notes, world >> 25 & 1)) {
        fprintf(stderr, "worker: what another one left is not there, or cannot be synced\n");
        return 3;
    }
    for (unsigned i = 0; i < THREADS; i++) {
        w[i] = (struct worker){s, notes, world, notes->thread[i].synced + 1, i};
        if (pthread_create(&tid, NULL, work, &w[i]))
            return 2;
    }
    pthread_join(tid, NULL);
    return 2;
}

/* ---- the watcher ---- */

static void model_touch(struct model *m, uint64_t from, uint64_t to, uint64_t n)
{
    for (uint64_t b = from / STORE_BLOCK; b * STORE_BLOCK < to && b < BLOCKS; b++)
        m->touched[b] = n;
}

static void model_step(struct model *m, struct step s, uint64_t n)
{
    place(&s, m->length);
    if (s.verb == RENEW || s.verb == TRUNCATE) {
        uint64_t from = s.verb == RENEW ? 0 : s.off;
        memset(m->bytes + from, 0, LEN_MAX - from);
        model_touch(m, from, LEN_MAX, n);
        m->length = from;
        return;
    }
    rig_fill(m->bytes + s.off, s.len, (unsigned)n);
    model_touch(m, s.off, s.off + s.len, n);
    if (s.off + s.len > m->length)
        m->length = s.off + s.len;
}

static void compare(struct rig *r, struct store_id id, const struct model *m, uint64_t synced,
                    uint64_t *damaged)
{
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    uint8_t got[STORE_BLOCK];
    struct store_meta meta;

    if (r->ops->get_meta(t, id, &meta) == OSD_E_NOT_FOUND)
        meta.length = 0;
    assert_int_equal(meta.length, m->length);
    for (uint64_t b = 0; b * STORE_BLOCK < m->length; b++) {
        osd_status st = rig_txn_read(t, id, b * STORE_BLOCK, got, sizeof(got));
        if (st == OSD_E_CORRUPT && m->touched[b] > synced) {
            ++*damaged;
            continue;
        }
        assert_int_equal(st, OSD_OK);
        assert_memory_equal(got, m->bytes + b * STORE_BLOCK, sizeof(got));
    }
    r->ops->abort(t);
}

static uint64_t step_of(struct rig *r, struct store_id part)
{
    osd_status st;
    uint64_t n = step_found(r->s, part, &st);

    rig_ok(st);
    return n;
}

/* Compare a partition with the state after a step of a thread. */
static void compare_part(struct rig *r, struct store_id part, unsigned thread, uint64_t step,
                         const struct notes *notes, uint64_t world, uint64_t *damaged)
{
    static struct model models[OBJECTS];

    memset(models, 0, sizeof(models));
    for (uint64_t n = 1; n <= step; n++) {
        struct step s = step_make(world, thread, n);
        model_step(&models[s.object], s, n);
    }
    for (unsigned k = 0; k < OBJECTS; k++) {
        struct store_id id = {part.pid, object_of(thread, k).oid};
        compare(r, id, &models[k], notes->thread[thread].synced, damaged);
    }
}

/* The outcomes of the steps up to the last one are known, those of later ones, which were lost, are not. */
static void compare_outcomes(struct rig *r, unsigned thread, uint64_t last, uint64_t begun)
{
    uint8_t nonce[STORE_NONCE_LEN], raw[STORE_OUTCOME_MAX];
    size_t len;

    for (uint64_t n = 1; n <= begun; n++) {
        nonce_of(thread, n, nonce);
        rig_fails(r->ops->recall(r->s, nonce, raw, &len), n <= last ? OSD_OK : OSD_E_NOT_FOUND);
    }
}

/* What happened so far, over all rounds. */
struct sum {
    uint64_t steps, forgotten, lost, damaged; /* forgotten: steps that were done */
    uint64_t rescued;
};

/* Every thread's last step, and what its objects and their duplicates are then. */
static void compare_all(struct rig *r, const struct notes *notes, uint64_t world,
                        struct sum *sum)
{

    for (unsigned i = 0; i < THREADS; i++) {
        uint64_t last = step_of(r, partition_of(i)), copy = step_of(r, duplicate_of(i));
        assert_in_range(last, notes->thread[i].synced, notes->thread[i].begun);
        assert_in_range(copy, notes->thread[i].duplicated, last);
        compare_part(r, partition_of(i), i, last, notes, world, &sum->damaged);
        compare_outcomes(r, i, last, notes->thread[i].begun);
        compare_part(r, duplicate_of(i), i, copy, notes, world, &sum->damaged);
        sum->steps += last;
        sum->forgotten += notes->thread[i].done > last ? notes->thread[i].done - last : 0;
    }
    rig_check_ballast(r, partition_of(0).pid);
    rig_check_ballast(r, duplicate_of(0).pid);
}

static void expect_damage(void *arg, struct store_id id, const char *finding)
{
    if (strncmp(finding, "data damaged", 12) != 0 &&
        strncmp(finding, "the journal could be read", 25) != 0) {
        print_error("%llx.%llx: %s\n", (unsigned long long)id.pid, (unsigned long long)id.oid,
                    finding);
        ++*(int *)arg;
    }
}

/* So many milliseconds after it has given its sign. */
static void kill_worker(pid_t pid, const uint64_t *sign, uint64_t ms)
{
    int status = 0;

    for (int i = 0; i < 30000 && !__atomic_load_n(sign, __ATOMIC_SEQ_CST); i++)
        usleep(1000);
    usleep((useconds_t)ms * 1000);
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

static pid_t start_worker(const char *dir, int fd, uint64_t world, const char *writes)
{
    char fd_text[16], world_text[24];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    snprintf(world_text, sizeof(world_text), "%llu", (unsigned long long)world);
    execl("/proc/self/exe", "test_store_power", "worker", dir, fd_text, world_text, writes,
          NULL);
    _exit(127);
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
}

static bool is_front(struct store_id id, uint64_t off, const uint8_t *got)
{
    static const uint8_t zeros[MIB];

    return id.oid == large.oid && off < FRONT_MIB * MIB && memcmp(got, zeros, MIB) == 0;
}

/* Whether a piece is that of a round from the last synced one to the last begun one. A damaged one
 * must be one that was not synced. */
static void compare_piece(struct rig *r, struct store_id id, uint64_t off, size_t len,
                          const struct notes *n, uint64_t *damaged)
{
    static uint8_t got[MIB], want[MIB];
    struct store_txn *t = rig_begin(r, id, STORE_SHARED);
    osd_status st = rig_txn_read(t, id, off, got, len);
    bool found = false;

    r->ops->abort(t);
    if (st == OSD_E_CORRUPT && n->begun > n->filled) {
        ++*damaged;
        return;
    }
    rig_ok(st);
    found = is_front(id, off, got);
    for (uint64_t round = n->filled ? n->filled : 1; round <= n->begun && !found; round++) {
        rig_fill(want, len, (unsigned)round);
        found = memcmp(got, want, len) == 0;
    }
    assert_true(found);
}

static void compare_churned(struct rig *r, const struct notes *n, uint64_t *damaged)
{
    uint64_t length = rig_get_meta(r, stays).length, full = rig_get_meta(r, large).length;

    assert_true(length <= STAY * STORE_BLOCK && full <= LARGE_MIB * MIB);
    if (n->filled)
        assert_int_equal(length, STAY * STORE_BLOCK);
    if (n->filled == n->begun && n->synced < n->begun)
        assert_true(full == 0 || full == LARGE_MIB * MIB);
    if (n->synced == n->begun)
        assert_int_equal(full, 0);
    for (uint64_t at = 0; at < length; at += STORE_BLOCK)
        compare_piece(r, stays, at, STORE_BLOCK, n, damaged);
    for (uint64_t at = 0; at < full; at += MIB)
        compare_piece(r, large, at, MIB, n, damaged);
}

#define NEVER UINT64_MAX

/* world: what a worker does; seed: what is lost. Another one takes over and is killed again_ms after that, or
 * NEVER. */
static void one_round(uint64_t world, uint64_t seed, uint64_t ms, uint64_t again_ms,
                      struct sum *sum)
{
    char writes[80];
    int fd = memfd_create("notes", 0), strange = 0;
    struct store_check_result result;
    struct notes *notes;
    struct rig *r;
    void *state;

    rig_setup(&state);
    r = state;
    snprintf(writes, sizeof(writes), "%s-writes", r->dir);
    assert_int_equal(ftruncate(fd, sizeof(*notes)), 0);
    notes = mmap(NULL, sizeof(*notes), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(notes, MAP_FAILED);
    make_partitions(r);
    if (world == CHURN) {
        assert_int_equal(rig_object(r, large.pid).oid, large.oid);
        assert_int_equal(rig_object(r, stays.pid).oid, stays.oid);
    } else {
        rig_ballast(r, partition_of(0).pid);
    }
    rig_close(r);
    kill_worker(start_worker(r->dir, fd, world, writes),
                world == CHURN ? &notes->emptied : &notes->thread[0].begun, ms);
    if (again_ms != NEVER)
        kill_worker(start_worker(r->dir, fd, world, writes), &notes->taken_over, again_ms);
    sum->lost += powerloss_cut(r->dir, writes, seed);
    rig_open(r);
    if (world == CHURN)
        compare_churned(r, notes, &sum->damaged);
    else
        compare_all(r, notes, world, sum);
    rig_ok(r->ops->check(r->s, false, expect_damage, &strange, &result));
    assert_int_equal(strange, 0);
    rig_close(r);
    rig_teardown(&state);
    sum->steps += notes->synced;
    sum->rescued += notes->rescued;
    munmap(notes, sizeof(*notes));
    unlink(writes);
    close(fd);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *value = getenv(name);

    return value ? strtoull(value, NULL, 0) : otherwise;
}

static void test_store_power__what_was_synced_survives_and_the_rest_is_whole(void **state)
{
    uint64_t rounds = from_environment("STORE_POWER_ROUNDS", 12);
    uint64_t world = from_environment("STORE_POWER_SEED", 1) << 32, seed = world;
    struct sum sum = {0};

    (void)state;
    for (uint64_t round = 0; round < rounds; round++)
        one_round(world + (round << 24), world + (round << 24), rig_random(&seed, 150), NEVER,
                  &sum);
    print_message("power: %llu rounds, %llu steps, %llu forgotten, %llu page writes lost, %llu "
                  "blocks damaged\n",
                  (unsigned long long)rounds, (unsigned long long)sum.steps,
                  (unsigned long long)sum.forgotten, (unsigned long long)sum.lost,
                  (unsigned long long)sum.damaged);
    assert_true(sum.lost > rounds && sum.forgotten > 0); /* or nothing was tested */
}

/* Would catch: files that a process which died did not sync, and which the next one believes to be on the disk. */
static void test_store_power__what_a_dead_process_left_is_synced_by_the_next(void **state)
{
    uint64_t rounds = from_environment("STORE_POWER_ROUNDS", 12);
    uint64_t world = from_environment("STORE_POWER_SEED", 1) << 32, seed = world;
    struct sum sum = {0};

    (void)state;
    for (uint64_t round = 0; round < rounds; round++) {
        uint64_t ms = rig_random(&seed, 50), again_ms = round % 3 ? 0 : rig_random(&seed, 50);
        one_round(world + (round << 24), seed, ms, again_ms, &sum);
    }
    print_message("power: %llu steps, %llu of them rescued, %llu page writes lost\n",
                  (unsigned long long)sum.steps, (unsigned long long)sum.rescued,
                  (unsigned long long)sum.lost);
    assert_true(sum.rescued > 0); /* or nothing was tested */
}

static void test_store_power__what_data_files_give_back_is_nothing_that_was_synced(void **state)
{
    uint64_t rounds = from_environment("STORE_POWER_ROUNDS", 12);
    uint64_t seed = from_environment("STORE_POWER_SEED", 1);
    struct sum sum = {0};

    (void)state;
    for (uint64_t round = 0; round < rounds; round++) {
        /* mostly before what was removed the first time is synced, or soon after */
        uint64_t ms = rig_random(&seed, round % 4 ? EMPTY_MS * 2 / 3 : 500);
        one_round(CHURN, seed, ms, NEVER, &sum);
    }
    print_message("power: %llu times filled and emptied, %llu page writes lost, %llu pieces "
                  "damaged\n",
                  (unsigned long long)sum.steps, (unsigned long long)sum.lost,
                  (unsigned long long)sum.damaged);
    assert_true(sum.lost > rounds);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_store_power__what_was_synced_survives_and_the_rest_is_whole),
        cmocka_unit_test(test_store_power__what_a_dead_process_left_is_synced_by_the_next),
        cmocka_unit_test(
            test_store_power__what_data_files_give_back_is_nothing_that_was_synced),
    };

    if (argc == 6 && strcmp(argv[1], "worker") == 0)
        return worker_main(argv[2], (int)strtol(argv[3], NULL, 10), strtoull(argv[4], NULL, 10),
                           argv[5]);
    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
