/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/raw.c - see raw.h
 */
#include "raw.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/bytes.h"
#include "rig.h"
#include "store/journal.h"

static const char *const families[] = {"default", "ids",     "objects", "attrs",
                                       "extents", "records", "members"};

struct raw raw_open(const char *dir)
{
    struct raw w = {.o = rocksdb_options_create(),
                    .wo = rocksdb_writeoptions_create(),
                    .ro = rocksdb_readoptions_create()};
    rocksdb_options_t *plain = rocksdb_options_create();
    const rocksdb_options_t *all[RAW_FAMILIES];
    char path[100], *err = NULL;

    /* Where the store lies in memory, what is reserved for a log would have to be cleared. */
    rocksdb_get_options_from_string(plain, "allow_fallocate=false", w.o, &err);
    assert_null(err);
    rocksdb_options_destroy(plain);
    for (int i = 0; i < RAW_FAMILIES; i++)
        all[i] = w.o;
    snprintf(path, sizeof(path), "%s/db", dir);
    w.db = rocksdb_open_column_families(w.o, path, RAW_FAMILIES, families, all, w.cf, &err);
    if (err)
        fail_msg("%s", err);
    return w;
}

void raw_close(struct raw *w)
{
    for (int i = 0; i < RAW_FAMILIES; i++)
        rocksdb_column_family_handle_destroy(w->cf[i]);
    rocksdb_close(w->db);
    rocksdb_options_destroy(w->o);
    rocksdb_writeoptions_destroy(w->wo);
    rocksdb_readoptions_destroy(w->ro);
}

void raw_put(struct raw *w, enum raw_family cf, const void *key, size_t key_len,
             const void *value, size_t len)
{
    char *err = NULL;

    rocksdb_put_cf(w->db, w->wo, w->cf[cf], key, key_len, value, len, &err);
    assert_null(err);
}

void raw_delete(struct raw *w, enum raw_family cf, const void *key, size_t key_len)
{
    char *err = NULL;

    rocksdb_delete_cf(w->db, w->wo, w->cf[cf], key, key_len, &err);
    assert_null(err);
}

size_t raw_get(struct raw *w, struct store_id id, uint8_t dst[OBJECT_MAX])
{
    uint8_t key[OBJECT_KEY_LEN];
    char *err = NULL;
    size_t len = 0;

    key_object(key, id);
    char *v =
        rocksdb_get_cf(w->db, w->ro, w->cf[RAW_OBJECTS], (char *)key, sizeof(key), &len, &err);
    assert_null(err);
    assert_non_null(v);
    assert_true(len <= OBJECT_MAX);
    memcpy(dst, v, len);
    rocksdb_free(v);
    return len;
}

void raw_set(struct raw *w, struct store_id id, const uint8_t *value, size_t len)
{
    uint8_t key[OBJECT_KEY_LEN];

    key_object(key, id);
    raw_put(w, RAW_OBJECTS, key, sizeof(key), value, len);
}

/* ---- files ---- */

bool raw_table(struct raw *w, const char *store, enum raw_family cf, unsigned n, char *path)
{
    const rocksdb_livefiles_t *all = rocksdb_livefiles(w->db);
    bool found = false;

    for (int i = 0; i < rocksdb_livefiles_count(all) && !found; i++) {
        if (strcmp(rocksdb_livefiles_column_family_name(all, i), families[cf]) != 0 || n-- > 0)
            continue;
        snprintf(path, 120, "%s/db%s", store, rocksdb_livefiles_name(all, i));
        found = true;
    }
    rocksdb_livefiles_destroy(all);
    return found;
}

uint64_t raw_applied(const char *store)
{
    struct raw w = raw_open(store);
    char *err = NULL;
    size_t len = 0;
    char *applied = rocksdb_get_cf(w.db, w.ro, w.cf[RAW_DEFAULT], "journal", 7, &len, &err);
    uint64_t number = len == 8 ? be64_get((const uint8_t *)applied) : 0;

    assert_null(err);
    rocksdb_free(applied);
    raw_close(&w);
    return number;
}

void raw_journal(const char *store, uint64_t missing, bool apart, const struct raw_record *v,
                 size_t n)
{
    struct journal *j;
    char path[200];

    snprintf(path, sizeof(path), "%s/journal", store);
    missing += raw_applied(store);
    rig_ok(journal_open(path, missing, apart ? 1 : 0, &j));
    for (size_t i = 0; i < n; i++) {
        struct iovec one = {(void *)v[i].data, v[i].len};
        rig_ok(journal_written(j, journal_add(j, &one, 1, journal_crc(&one, 1))));
    }
    journal_close(j);
}

static unsigned flip_in_file(const char *path, const void *bytes, size_t len)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct stat st;
    unsigned n = 0;

    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    if (st.st_size > 0) {
        uint8_t *map =
            mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        assert_true(map != MAP_FAILED);
        uint8_t *end = map + st.st_size, *at = map;
        while ((at = memmem(at, (size_t)(end - at), bytes, len))) {
            at[len / 2] ^= 4;
            n++;
        }
        munmap(map, (size_t)st.st_size);
    }
    close(fd);
    return n;
}

unsigned raw_flip(const char *store, const char *dir, const char *ending, const void *bytes,
                  size_t len)
{
    char path[400];
    struct dirent *e;
    unsigned n = 0;
    DIR *d;

    snprintf(path, sizeof(path), "%s/%s", store, dir);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d))) {
        size_t name = strlen(e->d_name), tail = strlen(ending);
        if (e->d_name[0] == '.' || name < tail || strcmp(e->d_name + name - tail, ending) != 0)
            continue;
        snprintf(path, sizeof(path), "%s/%s/%s", store, dir, e->d_name);
        n += flip_in_file(path, bytes, len);
    }
    closedir(d);
    return n;
}
