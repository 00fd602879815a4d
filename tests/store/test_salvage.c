/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/test_salvage.c - a damaged store becomes a new one: what was not hit is there, what is
 * not there was named
 *
 * A store with a bit of everything is closed and brought into tables; files of it are damaged;
 * what the salvage makes is compared with the store before, object by object.
 */
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/crc32c.h"
#include "dump.h"
#include "raw.h"
#include "rig.h"
#include "store/journal.h"
#include "store/salvage.h"

#define OBJECTS  150u
#define REPORTED 20000u

/** What a salvage said. */
struct heard {
    struct store_id id[REPORTED];
    char text[REPORTED][120];
    unsigned n;
    struct store_id distrusted[20];
    bool own[20];
    unsigned n_distrusted;
    unsigned steps, kill_at; /* the process kills itself at that step; 0: never */
};

struct world {
    struct rig *r;
    char target[80];
    char *before; /* what the store held */
    struct heard heard;
    struct store_salvaged result;
    struct store_id p, big, other, cid, snapshot;
};

static void hear(void *arg, struct store_id id, const char *text)
{
    struct heard *h = arg;

    assert_true(h->n < REPORTED);
    h->id[h->n] = id;
    snprintf(h->text[h->n++], sizeof(h->text[0]), "%s", text);
}

static void count_step(void *arg, const char *step, uint64_t done, uint64_t total)
{
    struct heard *h = arg;

    assert_non_null(step);
    assert_true(total == 0 || done < total);
    if (++h->steps == h->kill_at)
        kill(getpid(), SIGKILL);
}

static osd_status distrust(void *arg, struct osd_store *s, uint64_t pid, bool own)
{
    struct heard *h = arg;

    assert_non_null(s);
    assert_true(h->n_distrusted < 20);
    h->own[h->n_distrusted] = own;
    h->distrusted[h->n_distrusted++] = (struct store_id){pid, 0};
    return OSD_OK;
}

/* ---- a store, its files, a salvage ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static void random_bytes(uint8_t *dst, size_t len, uint64_t seed)
{
    for (size_t i = 0; i < len; i++)
        dst[i] = (uint8_t)rig_random(&seed, 256);
}

static void join(struct rig *r, struct store_id collection, uint64_t oid)
{
    struct store_txn *t = rig_begin(r, (struct store_id){collection.pid, oid}, STORE_EXCLUSIVE);

    rig_ok(r->ops->set_member(t, collection, oid, true));
    rig_commit(r, t);
}

static void record(struct rig *r, struct store_id id, uint8_t nonce)
{
    uint8_t raw[STORE_NONCE_LEN] = {nonce};
    struct store_txn *t = rig_begin(r, id, STORE_EXCLUSIVE);

    rig_ok(r->ops->record(t, raw, "done", 4));
    rig_commit(r, t);
}

/* Many small objects, members of a collection, each with a small attribute and a large one; one
 * object with data of 3 MiB, one with a hole; a snapshot of all that. */
static void fill(struct world *w)
{
    static uint8_t bytes[3 * MIB];
    struct rig *r = w->r;

    w->p = rig_partition(r);
    w->cid = rig_collection(r, w->p.pid);
    for (unsigned i = 0; i < OBJECTS; i++) {
        struct store_id id = rig_object(r, w->p.pid);
        random_bytes(bytes, 500, i + 1);
        rig_set_attr(r, id, 1, 1, bytes, 200);
        rig_set_attr(r, id, 1, 2, bytes, 500);
        join(r, w->cid, id.oid);
        record(r, id, (uint8_t)i);
    }
    w->big = rig_object(r, w->p.pid);
    w->other = rig_object(r, w->p.pid);
    random_bytes(bytes, sizeof(bytes), 99);
    rig_write(r, w->big, 0, bytes, sizeof(bytes));
    rig_write(r, w->other, 5 * MIB, bytes, MIB);
    rig_set_attr(r, w->p, 9, 9, bytes, 300);
    rig_ok(r->ops->put_setting(r->s, "name", bytes, 300));

    struct store_meta m = rig_meta(STORE_PARTITION);
    struct store_txn *t = rig_begin(r, (struct store_id){0, 0}, STORE_EXCLUSIVE);
    m.duplicate = STORE_SNAPSHOT;
    m.source = w->p.pid;
    rig_ok(r->ops->duplicate(t, w->p.pid, (struct store_id){0, 0}, &m, &w->snapshot));
    rig_commit(r, t);
}

/* In tables, closed. */
static void settle(struct world *w)
{
    rig_reopen(w->r); /* the snapshot is complete */
    w->before = store_dump(w->r->s, STORE_DUMP_TIMES);
    rig_close(w->r);
    struct raw raw = raw_open(w->r->dir);
    raw_close(&raw);
}

static int make_world(void **state)
{
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    rig_setup((void **)&w->r);
    snprintf(w->target, sizeof(w->target), "%s-new", w->r->dir);
    *state = w;
    return 0;
}

static int end_world(void **state)
{
    struct world *w = *state;
    void *r = w->r;

    nftw(w->target, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(w->before);
    free(w);
    return rig_teardown(&r);
}

static osd_status salvage_into(const char *source, const char *target,
                               const struct osd_clock *clock, struct heard *heard,
                               struct store_salvaged *ret)
{
    struct store_salvage what = {.source = source,
                                 .target = target,
                                 .report = hear,
                                 .progress = count_step,
                                 .distrust = distrust,
                                 .arg = heard,
                                 .clock = clock};
    char reason[300];
    osd_status st = store_rocksdb_salvage(&what, ret, reason, sizeof(reason));

    assert_true(st == OSD_OK || strlen(reason) > 0);
    return st;
}

static osd_status salvage(struct world *w)
{
    memset(&w->heard, 0, sizeof(w->heard));
    return salvage_into(w->r->dir, w->target, w->r->cfg.clock, &w->heard, &w->result);
}

/* The new store in place of the old one, which is left as it is. */
static void open_target(struct world *w)
{
    w->r->cfg.path = w->target;
    w->r->cfg.create = false;
    rig_open(w->r);
}

/* Nothing is missing in it. */
static void expect_all(struct world *w)
{
    open_target(w);
    char *after = store_dump(w->r->s, STORE_DUMP_TIMES);
    assert_string_equal(after, w->before);
    free(after);
}

static void back_to_source(struct world *w)
{
    rig_close(w->r);
    w->r->cfg.path = w->r->dir;
    nftw(w->target, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

/* Names, lengths and content of all files below a directory; the order is that of the names. */
static uint32_t digest_of(const char *path, uint32_t crc)
{
    struct dirent **all;
    int n = scandir(path, &all, NULL, alphasort);

    assert_true(n >= 0);
    for (int i = 0; i < n; i++) {
        char below[400];
        struct stat st;
        snprintf(below, sizeof(below), "%s/%s", path, all[i]->d_name);
        assert_int_equal(lstat(below, &st), 0);
        crc = osd_crc32c(crc, all[i]->d_name, strlen(all[i]->d_name));
        if (S_ISDIR(st.st_mode) && all[i]->d_name[0] != '.')
            crc = digest_of(below, crc);
        if (S_ISREG(st.st_mode)) {
            uint8_t *bytes = malloc((size_t)st.st_size + 1);
            int fd = open(below, O_RDONLY);
            assert_non_null(bytes);
            assert_int_equal(read(fd, bytes, (size_t)st.st_size), st.st_size);
            crc = osd_crc32c(crc, bytes, (size_t)st.st_size);
            close(fd);
            free(bytes);
        }
        free(all[i]);
    }
    free(all);
    return crc;
}

/* ---- before and after ---- */

static bool was_named(const struct world *w, struct store_id id)
{
    for (unsigned i = 0; i < w->heard.n; i++)
        if (w->heard.id[i].pid == id.pid && w->heard.id[i].oid == id.oid)
            return true;
    return false;
}

static bool was_said(const struct world *w, const char *part)
{
    for (unsigned i = 0; i < w->heard.n; i++)
        if (strstr(w->heard.text[i], part))
            return true;
    return false;
}

static void print_heard(const struct world *w)
{
    for (unsigned i = 0; i < w->heard.n && i < 500; i++)
        print_error("%llx/%llx: %s\n", (unsigned long long)w->heard.id[i].pid,
                    (unsigned long long)w->heard.id[i].oid, w->heard.text[i]);
}

/* The lines of one object, without the members that were named. */
static void same_object(const struct world *w, struct store_id id, const char *a, size_t len,
                        const char *after)
{
    char head[60], *copy = strndup(a, len), *line, *rest;
    const char *at;

    assert_non_null(copy);
    snprintf(head, sizeof(head), "object %llx.%llx\n", (unsigned long long)id.pid,
             (unsigned long long)id.oid);
    at = strstr(after, head);
    if (!at)
        print_heard(w);
    assert_non_null(at);
    for (line = strtok_r(copy, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        unsigned long long oid;
        bool same = strncmp(at, line, strlen(line)) == 0;
        if (!same && sscanf(line, "  member %llx", &oid) == 1 &&
            was_named(w, (struct store_id){id.pid, oid}))
            continue;
        if (!same) {
            print_heard(w);
            fail_msg("%s of %s became %.*s", line, head, (int)strcspn(at, "\n"), at);
        }
        at += strlen(line) + 1;
    }
    free(copy);
}

/* Every object that was not named is as it was, every other one is named. Returns how many were
 * named. */
static unsigned compare(struct world *w)
{
    unsigned named = 0;

    open_target(w);
    char *after = store_dump(w->r->s, STORE_DUMP_TIMES);
    assert_non_null(after);
    for (const char *at = strstr(w->before, "object "), *next; at; at = next) {
        unsigned long long pid, oid;
        struct store_id id;
        next = strstr(at + 1, "\nobject ");
        next = next ? next + 1 : NULL;
        assert_int_equal(sscanf(at, "object %llx.%llx", &pid, &oid), 2);
        id = (struct store_id){pid, oid};
        if (was_named(w, id))
            named++;
        else if (oid)
            same_object(w, id, at, next ? (size_t)(next - at) : strlen(at), after);
    }
    free(after);
    return named;
}

/* ---- tests ---- */

static void test_store_salvage__a_sound_store_is_copied_as_it_is(void **state)
{
    struct world *w = *state;
    struct store_info info;
    uint8_t name[300];
    size_t len;

    fill(w);
    settle(w);
    uint32_t digest = digest_of(w->r->dir, 0);
    rig_ok(salvage(w));
    assert_int_equal(digest_of(w->r->dir, 0), digest);
    assert_int_equal(w->heard.n, 0);
    assert_int_equal(w->heard.n_distrusted, 0);
    assert_int_equal(w->result.lost + w->result.harmed + w->result.dropped, 0);
    assert_false(w->result.older);
    assert_int_equal(w->result.partitions, 2);
    expect_all(w);
    w->r->ops->info(w->r->s, &info);
    assert_int_equal(info.capacity, RIG_CAPACITY);
    rig_ok(w->r->ops->get_setting(w->r->s, "name", name, sizeof(name), &len));
    assert_int_equal(len, 300);
    static const uint8_t nonce[STORE_NONCE_LEN] = {5};
    char outcome[STORE_OUTCOME_MAX];
    rig_ok(w->r->ops->recall(w->r->s, nonce, outcome, &len));
    assert_int_equal(len, 4);
    assert_int_equal(rig_get_meta(w->r, w->snapshot).duplicate, STORE_SNAPSHOT);
    rig_write(w->r, w->big, 0, "x", 1); /* what the snapshot has with it stays the snapshot's */
    rig_check(w->r);
    back_to_source(w);
}

/* ---- tables ---- */

enum damage { FLIP_FIRST, FLIP_MIDDLE, FLIP_MANY, CUT, NO_FOOTER, REMOVED, DAMAGES };

static void damage_file(const char *path, enum damage how)
{
    int fd = open(path, O_RDWR);
    struct stat st;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    uint8_t *bytes = malloc((size_t)st.st_size);
    assert_non_null(bytes);
    assert_int_equal(pread(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    if (how == FLIP_FIRST)
        bytes[20] ^= 1;
    if (how == FLIP_MIDDLE)
        bytes[st.st_size / 3] ^= 1;
    for (off_t at = 50; how == FLIP_MANY && at < st.st_size / 2; at += 9000)
        bytes[at] ^= 8;
    if (how == NO_FOOTER)
        memset(bytes + st.st_size - 40, 0, 40);
    assert_int_equal(pwrite(fd, bytes, (size_t)st.st_size, 0), st.st_size);
    if (how == CUT)
        assert_int_equal(ftruncate(fd, st.st_size / 2), 0);
    if (how == REMOVED)
        assert_int_equal(unlink(path), 0);
    close(fd);
    free(bytes);
}

static void copy_file(const char *from, const char *to)
{
    char command[400];

    snprintf(command, sizeof(command), "cp -f '%s' '%s'", from, to);
    assert_int_equal(system(command), 0);
}

static bool was_distrusted(const struct world *w, uint64_t pid)
{
    for (unsigned i = 0; i < w->heard.n_distrusted; i++)
        if (w->heard.distrusted[i].pid == pid)
            return true;
    return false;
}

/* Every kind of damage to one table of a family. */
static void damage_family(struct world *w, enum raw_family cf)
{
    char path[120], copy[160];
    struct raw raw = raw_open(w->r->dir);

    assert_true(raw_table(&raw, w->r->dir, cf, 0, path));
    raw_close(&raw);
    snprintf(copy, sizeof(copy), "%s-copy", w->r->dir);
    copy_file(path, copy);
    for (int how = 0; how < DAMAGES; how++) {
        copy_file(copy, path);
        damage_file(path, (enum damage)how);
        rig_ok(salvage(w));
        assert_true(compare(w) > 0);
        if (cf != RAW_OBJECTS) /* what is not in place is said, what is known is not lost */
            assert_int_equal(w->result.lost, 0);
        if (how < FLIP_MANY)
            assert_in_range(w->result.lost, 0, OBJECTS / 5);
        assert_int_equal(w->result.harmed + w->result.lost, w->heard.n);
        if (cf == RAW_DEFAULT || cf == RAW_RECORDS || w->result.older)
            assert_true(was_distrusted(w, 0));
        back_to_source(w);
    }
    copy_file(copy, path);
    unlink(copy);
}

static void test_store_salvage__what_a_damaged_table_leaves_is_there(void **state)
{
    struct world *w = *state;

    fill(w);
    settle(w);
    for (int cf = 0; cf < RAW_FAMILIES; cf++)
        damage_family(w, (enum raw_family)cf);
}

/* The store's own database files with such a beginning of their names. */
static void each_file(struct world *w, const char *beginning, void (*damage)(const char *path))
{
    char path[400];
    struct dirent *e;

    snprintf(path, sizeof(path), "%s/db", w->r->dir);
    DIR *d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d)))
        if (strncmp(e->d_name, beginning, strlen(beginning)) == 0) {
            snprintf(path, sizeof(path), "%s/db/%s", w->r->dir, e->d_name);
            damage(path);
        }
    closedir(d);
}

static void empty_file(const char *path)
{
    assert_int_equal(truncate(path, 0), 0);
}

static void flip_half_way(const char *path)
{
    damage_file(path, FLIP_MIDDLE);
}

static void remove_file(const char *path)
{
    assert_int_equal(unlink(path), 0);
}

/* Everything is there but for the list of what belongs together. */
static void without_list(struct world *w, const char *file, void (*damage)(const char *path))
{
    fill(w);
    settle(w);
    each_file(w, file, damage);
    rig_ok(salvage(w));
    assert_true(w->result.older);
    assert_true(was_distrusted(w, 0));
    assert_int_equal(w->result.lost, 0);
    expect_all(w);
}

static void test_store_salvage__a_damaged_list_of_tables_is_made_anew(void **state)
{
    without_list(*state, "MANIFEST", flip_half_way);
}

static void test_store_salvage__an_empty_list_of_tables_is_made_anew(void **state)
{
    without_list(*state, "MANIFEST", empty_file);
}

static void test_store_salvage__without_the_name_of_the_list_it_is_made_anew(void **state)
{
    without_list(*state, "CURRENT", remove_file);
}

/* All is in the log: what RocksDB has put into tables is nothing. */
static void test_store_salvage__a_damaged_log_is_read_as_far_as_it_goes(void **state)
{
    struct world *w = *state;
    struct store_id first = rig_object(w->r, rig_partition(w->r).pid), later;
    uint8_t bytes[300];
    bool any = false;

    random_bytes(bytes, sizeof(bytes), 1);
    rig_set_attr(w->r, first, 1, 1, bytes, 250);
    rig_reopen(w->r);
    for (unsigned i = 0; i < OBJECTS; i++) {
        later = rig_object(w->r, first.pid);
        rig_set_attr(w->r, later, 1, 1, bytes, 250);
    }
    w->before = store_dump(w->r->s, STORE_DUMP_TIMES);
    rig_close(w->r);
    each_file(w, "0", flip_half_way); /* logs and tables; whatever is hit */
    rig_ok(salvage(w));
    open_target(w);
    for (unsigned i = 0; i < w->heard.n; i++)
        any |= w->heard.id[i].pid == 0;
    assert_true(any);
    assert_true(was_distrusted(w, 0));
    rig_check(w->r);
}

/* Two changes, each in a record of the log of its own; the first one is damaged there. */
static struct store_id damage_log(struct world *w, const char *first, size_t len)
{
    struct rig *r = w->r;
    struct store_id p = rig_partition(r), id;

    rig_reopen(r);
    id = rig_object(r, p.pid);
    rig_set_attr(r, id, 1, 1, first, len);
    free(store_dump(r->s, 0)); /* whoever walks over keys has them put into the database */
    rig_object(r, p.pid);
    w->before = store_dump(r->s, 0);
    rig_close(r);
    assert_in_range(raw_flip(r->dir, "db", ".log", first, len), 1, 2);
    return id;
}

static void test_store_salvage__what_a_damaged_log_had_is_missed(void **state)
{
    static const char text[] = "what lay in the log alone";
    struct world *w = *state;
    struct rig *r = w->r;
    char command[200];

    damage_log(w, text, sizeof(text));
    snprintf(command, sizeof(command), "rm -r '%s/journal'", r->dir);
    assert_int_equal(system(command), 0);
    rig_ok(salvage(w));
    assert_true(w->result.older);
    assert_true(was_said(w, "log of the database is damaged"));
    assert_true(w->result.uncounted);
    assert_true(was_distrusted(w, 0));
    open_target(w);
    rig_check(r);
}

static void test_store_salvage__what_the_journal_has_of_a_damaged_log_is_there(void **state)
{
    static const char text[] = "what lay in the log and in the journal";
    struct world *w = *state;

    damage_log(w, text, sizeof(text));
    rig_ok(salvage(w));
    assert_false(w->result.older);
    assert_int_equal(w->heard.n, 0);
    open_target(w);
    char *after = store_dump(w->r->s, 0);
    assert_string_equal(after, w->before);
    free(after);
}

/* Would catch: a journal dropped as it begins behind what the database has, which only lost how far it leapt. */
static void test_store_salvage__a_leap_lost_with_a_damaged_log_costs_nothing(void **state)
{
    struct world *w = *state;
    struct journal_files *files;
    uint64_t first[2];
    uint8_t leapt[8];
    char path[120];

    rig_reopen(w->r);
    rig_set_attr(w->r, rig_object(w->r, rig_partition(w->r).pid), 1, 1, "in the journal", 14);
    w->before = store_dump(w->r->s, 0);
    rig_close(w->r);
    snprintf(path, sizeof(path), "%s/journal", w->r->dir);
    rig_ok(journal_read(path, &files));
    journal_begins(files, first);
    journal_files_free(files);
    be64_put(leapt, first[0] - 1);
    assert_int_equal(raw_flip(w->r->dir, "db", ".log", leapt, sizeof(leapt)), 1);
    rig_ok(salvage(w));
    assert_true(was_said(w, "log of the database is damaged"));
    assert_int_equal(w->result.dropped, 0);
    open_target(w);
    char *after = store_dump(w->r->s, 0);
    assert_string_equal(after, w->before);
    free(after);
}

/* ---- maps and data ---- */

static osd_status read_at(struct world *w, struct store_id id, uint64_t off, void *dst,
                          uint64_t len)
{
    struct store_txn *t = rig_begin(w->r, id, STORE_SHARED);
    osd_status st = rig_txn_read(t, id, off, dst, len);

    w->r->ops->abort(t);
    return st;
}

/* A piece of a map that makes no sense, or is not there. */
static void lose_chunk(struct world *w, bool absent)
{
    static uint8_t bytes[MIB], got[MIB];
    struct rig *r = w->r;
    struct store_id id = rig_object(r, rig_partition(r).pid);
    uint8_t key[EXTENT_KEY_LEN];

    random_bytes(bytes, sizeof(bytes), 5);
    rig_write(r, id, 0, bytes, sizeof(bytes));
    rig_close(r);
    struct raw raw = raw_open(r->dir);
    key_extent(key, id, 3);
    if (absent)
        raw_delete(&raw, RAW_EXTENTS, key, sizeof(key));
    else
        raw_put(&raw, RAW_EXTENTS, key, sizeof(key), "nonsense", 8);
    raw_close(&raw);
    rig_ok(salvage(w));
    open_target(w);
    assert_true(was_named(w, id));
    assert_true(was_said(w, "data damaged in bytes 393216..524287"));
    rig_ok(read_at(w, id, 0, got, 393216));
    assert_memory_equal(got, bytes, 393216);
    rig_fails(read_at(w, id, 393216, got, 10), OSD_E_CORRUPT);
    rig_fails(read_at(w, id, 524280, got, 10), OSD_E_CORRUPT);
    rig_ok(read_at(w, id, 524288, got, 1024));
    assert_memory_equal(got, bytes + 524288, 1024);
    rig_write(r, id, 393216, bytes, 131072); /* it is healed by writing it anew */
    rig_ok(read_at(w, id, 0, got, sizeof(got)));
    rig_check(r);
    rig_reopen(r);
    rig_check(r);
}

static void test_store_salvage__a_map_that_makes_no_sense_is_damaged_data(void **state)
{
    lose_chunk(*state, false);
}

static void test_store_salvage__a_map_that_is_counted_and_absent_is_damaged_data(void **state)
{
    lose_chunk(*state, true);
}

static void test_store_salvage__damaged_data_is_named_to_the_block(void **state)
{
    static uint8_t bytes[MIB], got[MIB];
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id id = rig_object(r, rig_partition(r).pid);

    random_bytes(bytes, sizeof(bytes), 6);
    rig_write(r, id, 0, bytes, sizeof(bytes));
    rig_close(r);
    assert_int_equal(raw_flip(r->dir, "data", "", bytes + 40960, 4096), 1);
    assert_int_equal(raw_flip(r->dir, "data", "", bytes + 45056, 4096), 1);
    rig_ok(salvage(w));
    assert_int_equal(w->heard.n, 1);
    assert_true(was_said(w, "data damaged in bytes 40960..49151"));
    assert_int_equal(w->heard.n_distrusted, 0);
    open_target(w);
    rig_fails(read_at(w, id, 40960, got, 1), OSD_E_CORRUPT);
    rig_ok(read_at(w, id, 49152, got, 4096));
    assert_memory_equal(got, bytes + 49152, 4096);
    rig_write(r, id, 40960, bytes + 40960, 8192);
}

static void test_store_salvage__a_missing_data_file_is_damaged_data(void **state)
{
    static uint8_t bytes[MIB];
    char path[120];
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id id = rig_object(r, rig_partition(r).pid);

    random_bytes(bytes, sizeof(bytes), 6);
    rig_write(r, id, 0, bytes, sizeof(bytes));
    rig_close(r);
    snprintf(path, sizeof(path), "%s/data/000000", r->dir);
    remove_file(path);
    rig_ok(salvage(w));
    assert_true(was_said(w, "data damaged in bytes 0..1048575"));
    assert_true(was_said(w, "data/000000 cannot be read"));
    open_target(w);
    rig_write(r, id, 0, bytes, sizeof(bytes));
}

/* ---- records that make no sense ---- */

static void test_store_salvage__records_that_make_no_sense_are_lost_and_the_others_are_not(
    void **state)
{
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id p = rig_partition(r), q = rig_partition(r), a = rig_object(r, p.pid),
                    b = rig_object(r, p.pid), c = rig_object(r, q.pid);
    uint8_t key[OBJECT_KEY_LEN];

    rig_set_attr(r, c, 1, 1, "text", 4);
    rig_close(r);
    struct raw raw = raw_open(r->dir);
    raw_set(&raw, a, (const uint8_t *)"nonsense", 8);
    key_object(key, q);
    raw_delete(&raw, RAW_OBJECTS, key, sizeof(key));
    raw_close(&raw);
    rig_ok(salvage(w));
    assert_int_equal(w->result.lost, 1);
    assert_true(was_named(w, a));
    assert_true(was_named(w, q));
    assert_true(was_distrusted(w, q.pid));
    assert_false(was_named(w, b));
    open_target(w);
    assert_false(rig_exists(r, a));
    assert_true(rig_exists(r, b));
    assert_true(rig_exists(r, q));
    assert_int_equal(rig_get_meta(r, c).used, 20);
    assert_int_not_equal(rig_get_meta(r, q).identity, rig_get_meta(r, p).identity);
}

/* An outcome of 5 bytes has no sequence number. */
static void test_store_salvage__outcomes_that_make_no_sense_are_dropped(void **state)
{
    struct world *w = *state;
    uint8_t key[4];

    be32_put(key, STORE_RECORDS + 3);
    rig_close(w->r);
    struct raw raw = raw_open(w->r->dir);
    raw_put(&raw, RAW_RECORDS, key, sizeof(key), "\5abcde", 6);
    raw_close(&raw);
    rig_ok(salvage(w));
    assert_true(was_distrusted(w, 0));
    open_target(w);
}

static void test_store_salvage__of_two_objects_with_one_block_one_has_it(void **state)
{
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id p = rig_partition(r), a = rig_object(r, p.pid), b = rig_object(r, p.pid);
    uint8_t block[STORE_BLOCK], value[OBJECT_MAX], other[OBJECT_MAX], byte;

    random_bytes(block, sizeof(block), 1);
    rig_write(r, a, 0, block, sizeof(block));
    random_bytes(block, sizeof(block), 2);
    rig_write(r, b, 0, block, sizeof(block));
    rig_close(r);
    struct raw raw = raw_open(r->dir);
    size_t len = raw_get(&raw, a, value);
    assert_int_equal(raw_get(&raw, b, other), len);
    memcpy(other + len - 10, value + len - 10, 6); /* the run, but not the checksum */
    raw_set(&raw, b, other, len);
    raw_close(&raw);
    rig_ok(salvage(w));
    assert_true(was_said(w, "data damaged in bytes 0..4095"));
    open_target(w);
    rig_ok(read_at(w, a, 0, &byte, 1));
    rig_fails(read_at(w, b, 0, &byte, 1), OSD_E_CORRUPT);
    rig_write(r, b, 0, block, sizeof(block));
    rig_ok(read_at(w, a, 0, &byte, 1));
}

/* Nothing else is wrong with the store, and what lies there is right for both. */
static void test_store_salvage__a_record_in_two_places_is_named(void **state)
{
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id p = rig_partition(r), a = rig_object(r, p.pid), b = rig_object(r, p.pid);
    uint8_t block[STORE_BLOCK], value[OBJECT_MAX], byte;

    random_bytes(block, sizeof(block), 1);
    rig_write(r, a, 0, block, sizeof(block));
    rig_close(r);
    struct raw raw = raw_open(r->dir);
    size_t len = raw_get(&raw, a, value);
    raw_set(&raw, b, value, len);
    raw_close(&raw);
    rig_ok(salvage(w));
    assert_true(was_named(w, b));
    open_target(w);
    rig_write(r, b, 0, "x", 1);
    rig_ok(read_at(w, a, 0, &byte, 1));
    assert_int_equal(byte, block[0]);
}

/* ---- the journal ---- */

/* The closed store's journal has these records, behind so many that are missing. known: the database
 * says which ones it has. */
static void leave_behind(struct rig *r, uint64_t missing, bool known, const void *const *data,
                         const size_t *len, size_t n)
{
    struct raw_record v[RAW_FAMILIES];
    char path[120];

    assert_true(n <= RAW_FAMILIES);
    for (size_t i = 0; i < n; i++)
        v[i] = (struct raw_record){data[i], len[i]};
    raw_journal(r->dir, missing, false, v, n);
    struct raw raw = raw_open(r->dir);
    assert_true(raw_table(&raw, r->dir, RAW_DEFAULT, 0, path));
    raw_close(&raw);
    if (!known)
        damage_file(path, FLIP_FIRST);
}

static void leave_records(struct rig *r, const void *const *data, const size_t *len, size_t n)
{
    leave_behind(r, 0, true, data, len, n);
}

/* Puts "vw" under k into the settings; makes no sense. */
static const uint8_t good[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'k', 'v', 'w'}, bad[] = {7, 7, 7};

static bool has_setting(struct world *w)
{
    uint8_t value[10];
    size_t n;

    open_target(w);
    return w->r->ops->get_setting(w->r->s, "k", value, sizeof(value), &n) == OSD_OK && n == 2;
}

/* Would catch: records that are applied to a database that lacks those before them. */
static void test_store_salvage__records_behind_a_gap_are_not_taken(void **state)
{
    const void *const all[] = {good};
    const size_t lens[] = {sizeof(good)};
    struct world *w = *state;

    rig_close(w->r);
    leave_behind(w->r, 50, true, all, lens, 1);
    rig_ok(salvage(w));
    assert_true(w->result.older);
    assert_true(was_said(w, "what was between is lost"));
    assert_int_equal(w->result.dropped, 51);
    assert_true(was_distrusted(w, 0));
    assert_false(has_setting(w));
}

/* Would catch: a journal that is not taken, or only a part of it, after which old values come last. */
static void without_number(void **state, size_t n)
{
    const void *const all[] = {good, bad};
    const size_t lens[] = {sizeof(good), sizeof(bad)};
    struct world *w = *state;

    rig_object(w->r, rig_partition(w->r).pid);
    rig_close(w->r);
    leave_behind(w->r, 0, false, all, lens, n);
    rig_ok(salvage(w));
    assert_int_equal(w->result.dropped, n == 1 ? 0 : 2);
    assert_true(was_distrusted(w, 0));
    assert_true(has_setting(w) == (n == 1));
}

static void test_store_salvage__without_a_number_all_of_the_journal_is_taken(void **state)
{
    without_number(state, 1);
}

static void test_store_salvage__without_a_number_nothing_is_taken_before_what_makes_no_sense(
    void **state)
{
    without_number(state, 2);
}

static void test_store_salvage__the_journal_is_taken_up_to_what_makes_no_sense(void **state)
{
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id id = rig_object(r, rig_partition(r).pid);
    uint8_t later[1 + 8 + OBJECT_KEY_LEN] = {1, 2, 1, 0, OBJECT_KEY_LEN};
    const void *const all[] = {good, bad, later};
    const size_t lens[] = {sizeof(good), sizeof(bad), sizeof(later)};
    char reason[200];
    struct osd_store *s;
    size_t n;

    key_object(later + 9, id); /* removes the object */
    rig_close(r);
    leave_records(r, all, lens, 3);
    rig_fails(store_rocksdb_open(&r->cfg, &s, reason, sizeof(reason)), OSD_E_CORRUPT);
    uint32_t digest = digest_of(r->dir, 0);
    rig_ok(salvage(w));
    assert_int_equal(digest_of(r->dir, 0), digest);
    assert_int_equal(w->result.dropped, 2);
    assert_true(w->result.older);
    assert_true(was_distrusted(w, 0));
    assert_true(was_named(w, id));
    assert_true(was_said(w, "makes no sense: it and those after it, 2 in all, are dropped"));
    open_target(w);
    assert_true(rig_exists(r, id));
    rig_ok(r->ops->get_setting(r->s, "k", reason, sizeof(reason), &n));
    assert_int_equal(n, 2);
    rig_object(r, id.pid);
    rig_reopen(r);
    rig_check(r);
}

/* The database takes such keys, and a store that has them does not open. */
static void test_store_salvage__keys_of_no_use_in_the_journal_are_left_out(void **state)
{
    struct world *w = *state;
    uint8_t records[RAW_FAMILIES][1 + 8 + 18 + 1];
    const void *all[RAW_FAMILIES];
    size_t lens[RAW_FAMILIES];

    fill(w);
    settle(w);
    for (int cf = 0; cf < RAW_FAMILIES; cf++) {
        size_t key = cf == RAW_IDS ? 3 : cf == RAW_RECORDS ? 5 : 18;
        memset(records[cf], 0xee, sizeof(records[cf]));
        memcpy(records[cf], "\1\0\0\0\0\0\0\0\1", 9);
        records[cf][1] = (uint8_t)cf;
        records[cf][4] = (uint8_t)key;
        all[cf] = records[cf];
        lens[cf] = 1 + 8 + key + 1;
    }
    leave_records(w->r, all, lens, RAW_FAMILIES);
    rig_ok(salvage(w));
    assert_int_equal(w->heard.n, 0);
    expect_all(w);
}

static void test_store_salvage__a_crash_is_taken_over_as_by_opening(void **state)
{
    const void *const all[] = {good};
    const size_t lens[] = {sizeof(good)};
    struct world *w = *state;
    uint8_t value[10];
    size_t n;

    rig_close(w->r);
    leave_records(w->r, all, lens, 1);
    rig_ok(salvage(w));
    assert_int_equal(w->heard.n, 0);
    open_target(w);
    rig_ok(w->r->ops->get_setting(w->r->s, "k", value, sizeof(value), &n));
}

/* What the database says of the journal lies in a table that cannot be read, and older ones say something
 * else. */
static void test_store_salvage__the_journal_is_taken_whatever_older_tables_say_of_it(
    void **state)
{
    const void *const all[] = {good};
    const size_t lens[] = {sizeof(good)};
    struct world *w = *state;
    struct rig *r = w->r;
    uint8_t number[8], value[10];
    size_t n;

    rig_object(r, rig_partition(r).pid);
    rig_close(r);
    struct raw raw = raw_open(r->dir); /* a table with an old number, and one with a new one */
    be64_put(number, 0x7172737475767778);
    raw_put(&raw, RAW_DEFAULT, "journal", 7, number, sizeof(number));
    raw_close(&raw);
    leave_records(r, all, lens, 1);
    raw = raw_open(r->dir);
    raw_close(&raw);
    assert_int_equal(raw_flip(r->dir, "db", ".sst", number, sizeof(number)), 1);
    rig_ok(salvage(w));
    assert_true(was_distrusted(w, 0));
    open_target(w);
    rig_ok(r->ops->get_setting(r->s, "k", value, sizeof(value), &n));
    assert_int_equal(n, 2);
}

/* One damaged record hides those behind it. */
static void test_store_salvage__what_lies_behind_a_damaged_record_is_missed(void **state)
{
    static const uint8_t one[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'k', 'v', 'w'},
                         two[] = {1, 0, 0, 0, 1, 0, 0, 0, 2, 'l', 'x', 'y'};
    const void *const all[] = {one, two, one};
    const size_t lens[] = {sizeof(one), sizeof(two), sizeof(one)};
    struct world *w = *state;

    rig_close(w->r);
    leave_records(w->r, all, lens, 3);
    assert_int_equal(raw_flip(w->r->dir, "journal", "", two, sizeof(two)), 1);
    rig_ok(salvage(w));
    assert_true(w->result.older);
    assert_true(was_said(w, "the journal cannot be read behind its record"));
    assert_int_equal(w->result.dropped, 2);
    assert_false(w->result.uncounted);
    assert_true(was_distrusted(w, 0));
}

/* ---- where it goes ---- */

static void test_store_salvage__only_an_empty_place_becomes_the_new_store(void **state)
{
    struct world *w = *state;
    char path[120];

    rig_fails(salvage(w), OSD_E_BUSY); /* it is open */
    rig_close(w->r);
    assert_int_equal(rmdir(w->target), -1);
    assert_int_equal(mkdir(w->target, 0700), 0);
    snprintf(path, sizeof(path), "%s/file", w->target);
    close(open(path, O_CREAT | O_WRONLY, 0600));
    rig_fails(salvage(w), OSD_E_EXISTS);
    unlink(path);
    rig_ok(salvage(w));
    rig_fails(salvage(w), OSD_E_EXISTS); /* it is a store now */
    open_target(w);
}

static osd_status fail_there(void *arg, struct osd_store *s, uint64_t pid, bool own)
{
    (void)arg;
    (void)s;
    (void)pid;
    (void)own;
    return OSD_E_NO_SPACE;
}

/* With all made that there is to make: only the last steps are left. */
static osd_status fail_late(struct world *w, char reason[300])
{
    struct store_salvage what = {.source = w->r->dir,
                                 .target = w->target,
                                 .distrust = fail_there,
                                 .arg = NULL,
                                 .clock = w->r->cfg.clock};

    return store_rocksdb_salvage(&what, &w->result, reason, 300);
}

static void test_store_salvage__one_that_fails_leaves_nothing(void **state)
{
    const void *const all[] = {bad};
    const size_t lens[] = {sizeof(bad)};
    struct world *w = *state;
    char reason[300];

    fill(w);
    settle(w);
    leave_records(w->r, all, lens, 1);
    uint32_t digest = digest_of(w->r->dir, 0);
    rig_fails(fail_late(w, reason), OSD_E_NO_SPACE);
    assert_non_null(strstr(reason, "removed again"));
    assert_int_equal(access(w->target, F_OK), -1);
    assert_int_equal(mkdir(w->target, 0700), 0);
    rig_fails(fail_late(w, reason), OSD_E_NO_SPACE);
    assert_int_equal(rmdir(w->target), 0); /* it was there, and is empty again */
    assert_int_equal(digest_of(w->r->dir, 0), digest);
    rig_ok(salvage(w));
}

/* A pipe that nobody writes into, say. */
static void test_store_salvage__what_is_no_file_is_not_waited_for(void **state)
{
    struct world *w = *state;
    struct rig *r = w->r;
    struct store_id id = rig_object(r, rig_partition(r).pid);
    static uint8_t bytes[MIB];
    char path[120];

    random_bytes(bytes, sizeof(bytes), 6);
    rig_write(r, id, 0, bytes, sizeof(bytes));
    rig_close(r);
    snprintf(path, sizeof(path), "%s/data/000000", r->dir);
    remove_file(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    snprintf(path, sizeof(path), "%s/journal/a", r->dir);
    remove_file(path);
    assert_int_equal(mkfifo(path, 0600), 0);
    rig_ok(salvage(w));
    assert_true(was_said(w, "data/000000 cannot be read"));
}

/* What a process of its own does: RocksDB's threads would not be in a fork of this one. */
static int salvage_and_die(const char *source, const char *target, const char *step)
{
    static struct heard heard;
    struct store_salvaged result;

    heard.kill_at = (unsigned)strtoul(step, NULL, 10);
    return salvage_into(source, target, &osd_clock_system, &heard, &result);
}

static void kill_at(struct world *w, unsigned step)
{
    char text[16];
    int status;

    snprintf(text, sizeof(text), "%u", step);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        execl("/proc/self/exe", "salvage", w->r->dir, w->target, text, (char *)NULL);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}

static void test_store_salvage__one_that_is_killed_leaves_no_store(void **state)
{
    struct world *w = *state;
    struct store_config cfg = w->r->cfg;
    struct osd_store *s;
    char reason[200];

    fill(w);
    settle(w);
    uint32_t digest = digest_of(w->r->dir, 0);
    rig_ok(salvage(w));
    unsigned steps = w->heard.steps;
    assert_true(steps > 3);
    nftw(w->target, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    cfg.path = w->target;
    for (unsigned step = 1; step <= steps; step += step < 5 || step + 5 >= steps ? 1 : 37) {
        kill_at(w, step);
        assert_int_equal(digest_of(w->r->dir, 0), digest);
        cfg.create = false;
        assert_int_not_equal(store_rocksdb_open(&cfg, &s, reason, sizeof(reason)), OSD_OK);
        cfg.create = true;
        assert_int_not_equal(store_rocksdb_open(&cfg, &s, reason, sizeof(reason)), OSD_OK);
        rig_fails(salvage(w), OSD_E_EXISTS);
        nftw(w->target, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    }
    rig_ok(salvage(w));
    expect_all(w);
}

int main(int argc, char **argv)
{
    if (argc == 4)
        return salvage_and_die(argv[1], argv[2], argv[3]);
#define WORLD_TEST(f) cmocka_unit_test_setup_teardown(f, make_world, end_world)
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_store_salvage__a_sound_store_is_copied_as_it_is),
        WORLD_TEST(test_store_salvage__what_a_damaged_table_leaves_is_there),
        WORLD_TEST(test_store_salvage__a_damaged_list_of_tables_is_made_anew),
        WORLD_TEST(test_store_salvage__an_empty_list_of_tables_is_made_anew),
        WORLD_TEST(test_store_salvage__without_the_name_of_the_list_it_is_made_anew),
        WORLD_TEST(test_store_salvage__a_damaged_log_is_read_as_far_as_it_goes),
        WORLD_TEST(test_store_salvage__a_map_that_makes_no_sense_is_damaged_data),
        WORLD_TEST(test_store_salvage__a_map_that_is_counted_and_absent_is_damaged_data),
        WORLD_TEST(test_store_salvage__damaged_data_is_named_to_the_block),
        WORLD_TEST(test_store_salvage__a_missing_data_file_is_damaged_data),
        WORLD_TEST(
            test_store_salvage__records_that_make_no_sense_are_lost_and_the_others_are_not),
        WORLD_TEST(test_store_salvage__outcomes_that_make_no_sense_are_dropped),
        WORLD_TEST(test_store_salvage__of_two_objects_with_one_block_one_has_it),
        WORLD_TEST(test_store_salvage__a_record_in_two_places_is_named),
        WORLD_TEST(test_store_salvage__records_behind_a_gap_are_not_taken),
        WORLD_TEST(test_store_salvage__without_a_number_all_of_the_journal_is_taken),
        WORLD_TEST(
            test_store_salvage__without_a_number_nothing_is_taken_before_what_makes_no_sense),
        WORLD_TEST(test_store_salvage__the_journal_is_taken_up_to_what_makes_no_sense),
        WORLD_TEST(test_store_salvage__keys_of_no_use_in_the_journal_are_left_out),
        WORLD_TEST(test_store_salvage__a_crash_is_taken_over_as_by_opening),
        WORLD_TEST(test_store_salvage__only_an_empty_place_becomes_the_new_store),
        WORLD_TEST(test_store_salvage__what_a_damaged_log_had_is_missed),
        WORLD_TEST(test_store_salvage__what_the_journal_has_of_a_damaged_log_is_there),
        WORLD_TEST(test_store_salvage__a_leap_lost_with_a_damaged_log_costs_nothing),
        WORLD_TEST(test_store_salvage__the_journal_is_taken_whatever_older_tables_say_of_it),
        WORLD_TEST(test_store_salvage__one_that_fails_leaves_nothing),
        WORLD_TEST(test_store_salvage__what_is_no_file_is_not_waited_for),
        WORLD_TEST(test_store_salvage__what_lies_behind_a_damaged_record_is_missed),
        WORLD_TEST(test_store_salvage__one_that_is_killed_leaves_no_store),
    };

    rig_choose("rocksdb");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
