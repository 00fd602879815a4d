/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_journal.c - any bytes as what a crash left in the journal of a store
 *
 * Input: how (8 bits), the number that the database has (8). If bit 0 of `how` is set, a length
 * (16) and the two files as they are, the first one so long. Otherwise records, which get their
 * heads with right checksums here: flags (8), what is added to the number that would go on (8,
 * signed), length (16), content. Bit 1 of `how`: the numbers are the last there can be.
 * Holds: exactly those records are shown that are whole and go on, in the order of their numbers, as they
 * are in the files; nothing beyond a file or a record is read; the content of a record is either
 * CORRUPT, and then replaying ends with that, or makes a batch that RocksDB takes and that is the
 * content of a record again; what was added is what is shown.
 */
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"
#include "common/crc32c.h"
#include "store/rocksdb_internal.h"

#define HEAD_LEN   20u
#define FRAMES     64u
#define FILE_MAX   (1u << 20)
#define SMALL_FILE 256u /* of the journal that is written */
#define FAR        (UINT64_MAX - 255)

enum { RAW = 1, AT_THE_END = 2 };                            /* how */
enum { SECOND_FILE = 1, FLAW = 0x0e, WRITTEN_ALONE = 0x80 }; /* flags */
enum flaw { NONE, CONTENT, CHECKSUM, LENGTH, CUT, FLAWS };   /* bits 1 to 3 of the flags */

/** A record as it was put into a file. */
struct frame {
    unsigned file;
    uint64_t number;
    const uint8_t *data;
    size_t len;
    bool whole, alone;
};

struct image {
    uint8_t bytes[FILE_MAX];
    size_t len;
    bool ended;
    uint64_t next;
};

/** What is to be shown, and how much of that was. */
struct shown {
    const struct frame *frame[FRAMES];
    size_t n, at;
    bool any; /* shows whatever it is */
};

static struct place {
    char dir[64], files[80], written[80];
    struct osd_store *store;
    rocksdb_writeoptions_t *unlogged;
    struct image image[2];
    struct frame frame[FRAMES];
    size_t frames;
} place;

/* The checksum's code is not instrumented: its bytes are looked at here first. */
uint32_t __real_osd_crc32c(uint32_t crc, const void *data, size_t len);
uint32_t __wrap_osd_crc32c(uint32_t crc, const void *data, size_t len);
uint32_t __wrap_osd_crc32c(uint32_t crc, const void *data, size_t len)
{
    const volatile uint8_t *p = data;

    for (size_t i = 0; i < len; i++)
        (void)p[i];
    return __real_osd_crc32c(crc, data, len);
}

/* ---- the store whose records they are ---- */

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static void end(void)
{
    rocksdb_writeoptions_destroy(place.unlogged);
    place.store->ops->close(place.store);
    nftw(place.dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static void begin(void)
{
    const char *tmp = getenv("TMPDIR");
    struct store_config cfg = {.create = true, .idle = true};
    char path[80];

    snprintf(place.dir, sizeof(place.dir), "%s/fuzz-XXXXXX",
             tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    require(mkdtemp(place.dir) != NULL);
    snprintf(path, sizeof(path), "%s/store", place.dir);
    snprintf(place.files, sizeof(place.files), "%s/files", place.dir);
    snprintf(place.written, sizeof(place.written), "%s/written", place.dir);
    require(mkdir(place.files, 0700) == 0);
    cfg.path = path;
    require(store_rocksdb_open(&cfg, &place.store, NULL, 0) == OSD_OK);
    place.unlogged = rocksdb_writeoptions_create();
    rocksdb_writeoptions_disable_WAL(place.unlogged, 1);
    atexit(end);
}

/* The batch as a record: it is one, with the same changes. */
static void check_again(struct rdb *r, rocksdb_writebatch_t *b)
{
    rocksdb_writebatch_t *again;
    size_t len, len_again;
    const char *data = rocksdb_writebatch_data(b, &len);
    uint8_t *record = malloc(1 + len);

    require(record != NULL);
    record[0] = 2;
    memcpy(record + 1, data, len);
    require(ahead_decode(r, record, 1 + len, &again) == OSD_OK);
    const char *data_again = rocksdb_writebatch_data(again, &len_again);
    require(len_again == len && memcmp(data_again, data, len) == 0);
    rocksdb_writebatch_destroy(again);
    free(record);
}

/* A salvage names what a record changes, also one that makes no sense. */
static void look_at_key(void *arg, enum cf cf, const uint8_t *key, size_t len)
{
    uint8_t *sum = arg;

    require(cf < CF_MAX);
    for (size_t i = 0; i < len; i++)
        *sum ^= key[i];
}

/* What opening a store does with a record. */
static osd_status take(const void *data, size_t len)
{
    struct rdb *r = (struct rdb *)place.store;
    uint8_t *exact = malloc(len ? len : 1);
    rocksdb_writebatch_t *b;
    char *err = NULL;

    require(exact != NULL);
    memcpy(exact, data, len);
    uint8_t sum = 0;
    ahead_each(r, exact, len, look_at_key, &sum);
    osd_status st = ahead_decode(r, exact, len, &b);
    require(st == OSD_OK || st == OSD_E_CORRUPT);
    if (!st) {
        check_again(r, b);
        rocksdb_write(r->db, place.unlogged, b, &err);
        require(!err);
        rocksdb_writebatch_destroy(b);
    }
    free(exact);
    return st;
}

/* ---- two files ---- */

static void put_frame(struct image *m, struct frame *f, enum flaw flaw)
{
    uint8_t *p = m->bytes + m->len;
    uint32_t said = (uint32_t)f->len + (flaw == LENGTH);

    be32_put(p, said);
    be64_put(p + 4, f->number);
    be32_put(p + 12, osd_crc32c(0, f->data, f->len) ^ (flaw == CONTENT));
    be32_put(p + 16, osd_crc32c(0, p, 16) ^ (flaw == CHECKSUM));
    memcpy(p + HEAD_LEN, f->data, f->len);
    m->len += flaw == CUT ? (HEAD_LEN + f->len) / 2 : HEAD_LEN + f->len;
    m->ended = flaw == CUT;
    f->whole = flaw == NONE && f->number > 0;
}

/* The next record of the input into its file. Returns what it takes of the input. */
static size_t add_frame(const uint8_t *p, size_t len)
{
    struct frame *f = &place.frame[place.frames];
    struct image *m = &place.image[p[0] & SECOND_FILE];
    size_t said = be16_get(p + 2);

    *f = (struct frame){.file = p[0] & SECOND_FILE,
                        .number = m->next + (uint64_t)(int8_t)p[1],
                        .data = p + 4,
                        .len = said < len - 4 ? said : len - 4,
                        .alone = p[0] & WRITTEN_ALONE};
    if (!m->ended && m->len + HEAD_LEN + f->len <= FILE_MAX) {
        put_frame(m, f, (p[0] & FLAW) / 2 % FLAWS);
        m->next = f->number + 1;
        place.frames++;
    }
    return 4 + f->len;
}

static void write_files(void)
{
    for (int i = 0; i < 2; i++) {
        char path[100];
        snprintf(path, sizeof(path), "%s/%c", place.files, "ab"[i]);
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        require(fd >= 0);
        const struct image *m = &place.image[i];
        require(write(fd, m->bytes, m->len) == (ssize_t)m->len);
        close(fd);
    }
}

/* ---- what is shown ---- */

static osd_status show(void *arg, uint64_t number, const void *data, size_t len)
{
    struct shown *s = arg;

    if (!s->any) {
        require(s->at < s->n);
        const struct frame *f = s->frame[s->at++];
        require(f->number == number && f->len == len && !memcmp(f->data, data, len));
    }
    return take(data, len);
}

/* The first record of a file, if it is whole. */
static const struct frame *first_of(unsigned file)
{
    const struct frame *f = place.frame, *behind = f + place.frames;

    while (f < behind && f->file != file)
        f++;
    return f < behind && f->whole ? f : NULL;
}

/* What goes on in one file after number `last`; returns the number it gets to. */
static uint64_t expect(struct shown *s, unsigned file, uint64_t last)
{
    const struct frame *f = first_of(file), *before = NULL;

    for (; f && f < place.frame + place.frames; f++) {
        if (f->file != file)
            continue;
        if (!f->whole || (before && f->number != before->number + 1))
            break;
        before = f;
        if (f->number > last && f->number - last > 1)
            break;
        if (f->number <= last)
            continue;
        s->frame[s->n++] = f;
        last = f->number;
    }
    return last;
}

/* How replaying ends when records are taken as take() does. */
static osd_status outcome(const struct shown *s, uint64_t after, uint64_t *ret_last)
{
    osd_status st = OSD_OK;

    *ret_last = after;
    for (size_t i = 0; i < s->n && !st; i++) {
        st = take(s->frame[i]->data, s->frame[i]->len);
        *ret_last = s->frame[i]->number;
    }
    return st;
}

static osd_status replay(const char *dir, uint64_t after, journal_visit visit, struct shown *s,
                         uint64_t *ret_last)
{
    struct journal_files *files;

    require(journal_read(dir, &files) == OSD_OK);
    osd_status st = journal_replay(files, after, visit, s, ret_last);
    uint64_t next = journal_first(files, *ret_last), beyond = journal_beyond(files, *ret_last);
    require(st || !next || next > *ret_last + 1);
    require(!beyond || beyond > *ret_last);
    journal_files_free(files);
    return st;
}

static void replay_frames(uint64_t after)
{
    const struct frame *a = first_of(0), *b = first_of(1);
    unsigned older = b && (!a || b->number < a->number);
    struct shown s = {.n = 0};
    uint64_t last, expected_last;

    expect(&s, !older, expect(&s, older, after));
    osd_status expected = outcome(&s, after, &expected_last);
    osd_status st = replay(place.files, after, show, &s, &last);
    require(st == expected && last == expected_last && (st || s.at == s.n));
}

static void replay_raw(uint64_t after)
{
    struct shown s = {.any = true};
    uint64_t last;

    osd_status st = replay(place.files, after, show, &s, &last);
    require((st == OSD_OK || st == OSD_E_CORRUPT) && last >= after);
}

/* ---- what is added ---- */

static osd_status compare(void *arg, uint64_t number, const void *data, size_t len)
{
    struct shown *s = arg;

    require(s->at < s->n);
    const struct frame *f = s->frame[s->at++];
    require(f->len == len && !memcmp(f->data, data, len));
    return OSD_OK;
}

/* The same records, through a journal: all of them are shown, and from the middle on the rest. */
static void add_and_replay(uint64_t after)
{
    struct shown s = {.n = place.frames};
    struct journal *j;
    uint64_t last;

    require(journal_open(place.written, after, SMALL_FILE, &j) == OSD_OK);
    for (size_t i = 0; i < place.frames; i++) {
        const struct frame *f = s.frame[i] = &place.frame[i];
        struct iovec v[2] = {{(void *)f->data, f->len / 3},
                             {(void *)(f->data + f->len / 3), f->len - f->len / 3}};
        require(journal_add(j, v, 2, journal_crc(v, 2)) == after + i + 1);
        if (f->alone)
            require(journal_written(j, after + i + 1) == OSD_OK);
    }
    require(journal_written(j, journal_last(j)) == OSD_OK);
    journal_close(j);
    require(replay(place.written, after, compare, &s, &last) == OSD_OK);
    require(s.at == s.n && last == after + s.n);
    s.at = s.n / 2;
    require(replay(place.written, after + s.at, compare, &s, &last) == OSD_OK);
    require(s.at == s.n && last == after + s.n);
}

static void try_raw(const uint8_t *data, size_t size, uint64_t after)
{
    size_t first = be16_get(data) < size - 2 ? be16_get(data) : size - 2;

    for (unsigned i = 0; i < 2; i++) {
        struct image *m = &place.image[i];
        m->len = i ? size - 2 - first : first;
        if (m->len > FILE_MAX)
            m->len = FILE_MAX;
        memcpy(m->bytes, data + 2 + (i ? first : 0), m->len);
    }
    write_files();
    replay_raw(after);
}

static void try_frames(const uint8_t *data, size_t size, uint64_t after, bool far)
{
    place.frames = 0;
    for (unsigned i = 0; i < 2; i++) {
        place.image[i].len = 0;
        place.image[i].ended = false;
        place.image[i].next = after + 1;
    }
    while (size >= 4 && place.frames < FRAMES) {
        size_t n = add_frame(data, size);
        data += n;
        size -= n;
    }
    write_files();
    replay_frames(after);
    if (!far)
        add_and_replay(after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!place.store)
        begin();
    if (size < 4)
        return 0;
    bool far = data[0] & AT_THE_END;
    uint64_t after = data[1] + (far ? FAR : 0);
    if (data[0] & RAW)
        try_raw(data + 2, size - 2, after);
    else
        try_frames(data + 2, size - 2, after, far);
    return 0;
}
