/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/conform/model/differ.c - random commands to the device and to the model, side by side
 *
 *     differ [--store memory|rocksdb] [--commands N] [--seed S] [--episode N] [--failures N]
 *            [--broken]
 *
 * An episode begins with FORMAT OSD and goes on with random commands of both generations. The
 * clock is ours and stands still during a command, so times must agree to the millisecond. When
 * an answer differs, the episode is cut down to what is needed for it, and comes out as a script
 * for `osdctl conform` with what the model expects. Exit code 1 then. --broken puts a mistake into
 * the device, to see that: the first byte that READ of OSD-2 returns is wrong.
 */
#include <ftw.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bytes.h"
#include "conform/request.h"
#include "generate.h"
#include "interpreter/interpreter.h"

#define START       0x019b76daa800ULL /* 2026-01-01 */
#define EPISODE_MAX 2000
#define WHY         320
#define NONCE       "request_nonce_random"

struct step {
    char line[LINE_SIZE];
    unsigned ms; /* the clock goes on by this before the command */
};

struct bench {
    struct osd_clock clock;
    uint64_t now;
    struct osd_device *dev;
    struct model *model;
    struct m_answer want;
    struct osd_response got;
    struct request request;
    uint8_t *in;
    size_t in_cap;
    char dir[64];
    bool broken;
    unsigned runs; /* of episodes: no nonce comes again in another one */
    uint64_t good; /* commands of episodes that ended with GOOD, or read past the end */
};

static uint64_t bench_now(void *arg)
{
    return ((struct bench *)arg)->now;
}

static void die(const char *what, const char *more)
{
    fprintf(stderr, "differ: %s%s%s\n", what, *more ? ": " : "", more);
    exit(2);
}

/* ---- both sides ---- */

static void run_device(struct bench *b)
{
    struct request *r = &b->request;
    struct iovec out = {.iov_base = r->out.data, .iov_len = r->out.len}, in;
    struct osd_request q = {.cdb = r->cdb, .cdb_len = r->cdb_len};

    if (r->in_len > b->in_cap) {
        b->in_cap = r->in_len * 2;
        b->in = realloc(b->in, b->in_cap);
        if (!b->in)
            die("no memory", "");
    }
    if (r->in_len)
        memset(b->in, 0xa5, r->in_len);
    in = (struct iovec){.iov_base = b->in, .iov_len = r->in_len};
    q.out = osd_iov_make(&out, r->out.len ? 1 : 0);
    q.in = osd_iov_make(&in, r->in_len ? 1 : 0);
    osd_device_execute(b->dev, &q, &b->got);
    osd_device_settle(b->dev);
    if (b->broken && be16_get(r->cdb + 8) == 0x8885 && b->got.status == 0 && b->got.in_len > 0)
        b->in[0] ^= 1;
}

static void run_model(struct bench *b)
{
    const struct request *r = &b->request;
    bool eof = b->got.status == 2 && (b->got.sense[1] & 15) == 1;
    struct m_request q = {.cdb = r->cdb,
                          .cdb_len = r->cdb_len,
                          .out = r->out.data,
                          .out_len = r->out.len,
                          .in_room = r->in_len,
                          .now = b->now,
                          .device_good = b->got.status == 0 || eof,
                          .device_in = b->in,
                          .device_in_len = b->got.in_len};

    model_execute(b->model, &q, &b->want);
}

/* "OSD-2 READ ...", as in scripts */
static bool build(struct bench *b, const char *line, char *why)
{
    static struct words words;

    if (words_split(&words, line + 6) &&
        request_build(&words, line[4] - '0', NULL, &b->request, why, WHY) == OSD_OK) {
        if (strstr(line, NONCE))
            be32_put(b->request.cdb + (line[4] == '1' ? 180 : 216), b->runs);
        return true;
    }
    request_free(&b->request);
    return false;
}

/* ---- comparing ---- */

struct sense {
    uint8_t key;
    uint16_t asc;
    bool has_field, in_cdb, has_object, has_attr, has_info, malformed;
    uint16_t field;
    uint32_t not_initiated, completed, page, number;
    uint64_t pid, oid, info;
};

static uint64_t be(const uint8_t *p, int n)
{
    uint64_t v = 0;

    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

static void take_descriptor(struct sense *s, const uint8_t *d)
{
    switch (d[0]) {
    case 0x01:
        s->has_info = true;
        s->info = be(d + 4, 8);
        break;
    case 0x02:
        s->has_field = true;
        s->in_cdb = d[4] & 0x40;
        s->field = (uint16_t)be(d + 5, 2);
        break;
    case 0x06:
        s->has_object = true;
        s->not_initiated = (uint32_t)be(d + 8, 4);
        s->completed = (uint32_t)be(d + 12, 4);
        s->pid = be(d + 16, 8);
        s->oid = be(d + 24, 8);
        break;
    case 0x08:
        s->has_attr = true;
        s->page = (uint32_t)be(d + 4, 4);
        s->number = (uint32_t)be(d + 8, 4);
        break;
    default:
        s->malformed = true;
    }
}

static struct sense parse_sense(const struct osd_response *r)
{
    struct sense s = {.key = r->sense[1] & 15, .asc = (uint16_t)be(r->sense + 2, 2)};
    size_t at = 8, end = 8u + r->sense[7];

    if (r->sense_len < 8 || r->sense[0] != 0x72 || end != r->sense_len)
        return (struct sense){.malformed = true};
    for (; at < end; at += 2u + r->sense[at + 1])
        take_descriptor(&s, r->sense + at);
    s.malformed |= at != end;
    return s;
}

static bool is_fault(const struct sense *s, const struct m_fault *f)
{
    uint32_t failed = F_ALL & ~s->not_initiated & ~s->completed;

    if (s->key != f->key || s->asc != f->asc || s->has_field != (f->where != 0))
        return false;
    if (f->where &&
        ((f->where == 'c') != s->in_cdb || s->field < f->field || s->field > f->field_to))
        return false;
    if (f->has_attr && !s->has_attr)
        return false;
    if (s->has_attr && (s->page != f->page || s->number != f->number))
        return false;
    return f->function == 1 || failed == f->function;
}

/* The checks of capabilities for attributes may come before or after the command's work. */
static uint32_t completed_before(uint32_t function)
{
    return function == 0              ? 0
           : function == F_VALIDATION ? 0
           : function == F_CMD_CAP    ? F_VALIDATION
                                      : F_VALIDATION | F_CMD_CAP;
}

static void format_fault(char *why, const struct m_fault *f)
{
    size_t n = strlen(why);

    n += (size_t)snprintf(why + n, WHY - n, " %X/%02X/%02X", f->key, f->asc >> 8, f->asc & 255);
    if (n < WHY && f->where)
        n += (size_t)snprintf(why + n, WHY - n, " %s %u", f->where == 'c' ? "CDB" : "PAR",
                              f->field);
    if (n < WHY && f->has_attr)
        n += (size_t)snprintf(why + n, WHY - n, " attribute %x/%x", f->page, f->number);
    if (n < WHY)
        snprintf(why + n, WHY - n, " (%08x);", f->function);
}

static bool same_sense(const struct bench *b, char *why)
{
    struct sense s = parse_sense(&b->got);
    const struct m_answer *w = &b->want;
    size_t i = 0;

    if (s.malformed || !s.has_object) {
        snprintf(why, WHY, "sense data is malformed");
        return false;
    }
    if (w->past_end) {
        snprintf(why, WHY,
                 "sense of a READ past the end: %X/%04X, information %" PRIu64
                 ", wanted %" PRIu64,
                 s.key, s.asc, s.info, w->bytes_read);
        return s.key == 1 && s.asc == 0x3b17 && s.has_info && s.info == w->bytes_read;
    }
    while (i < w->n_faults && !is_fault(&s, &w->faults[i]))
        i++;
    /* Before a CDB is understood it addresses nothing. */
    if (i < w->n_faults && w->faults[i].function == 0 && s.pid == 0 && s.oid == 0)
        s.pid = w->pid, s.oid = w->oid;
    if (i < w->n_faults && s.pid == w->pid && s.oid == w->oid &&
        !(s.completed & s.not_initiated) &&
        (s.completed & ~(F_SA_CAP | F_GA_CAP)) ==
            completed_before(F_ALL & ~s.not_initiated & ~s.completed))
        return true;
    snprintf(why, WHY,
             "device: %X/%02X/%02X %s %u attribute %x/%x object %" PRIx64 "/%" PRIx64
             " not initiated %08x completed %08x; model:",
             s.key, s.asc >> 8, s.asc & 255, s.has_field ? s.in_cdb ? "CDB" : "PAR" : "-",
             s.field, s.page, s.number, s.pid, s.oid, s.not_initiated, s.completed);
    for (size_t k = 0; k < w->n_faults; k++)
        format_fault(why, &w->faults[k]);
    return false;
}

static bool same_data(const struct bench *b, char *why)
{
    const struct m_answer *w = &b->want;

    for (size_t i = 0; i < w->in_len && i < b->got.in_len; i++)
        if (w->known[i] && w->in[i] != b->in[i]) {
            snprintf(why, WHY, "byte %zu of Data-In is %02x, wanted %02x", i, b->in[i],
                     w->in[i]);
            return false;
        }
    if (b->got.in_len != w->in_len) {
        snprintf(why, WHY, "%" PRIu64 " bytes of Data-In, wanted %zu", b->got.in_len,
                 w->in_len);
        return false;
    }
    for (size_t i = w->in_len; i < b->request.in_len; i++)
        if (b->in[i]) {
            snprintf(why, WHY, "byte %zu behind the answer is not zero", i);
            return false;
        }
    return true;
}

static bool same(const struct bench *b, char *why)
{
    const struct m_answer *w = &b->want;
    bool good = w->n_faults == 0 && !w->past_end;

    if (w->complaint) {
        snprintf(why, WHY, "%s", w->complaint);
        return false;
    }
    if ((b->got.status == 0) != good || (b->got.status != 0 && b->got.status != 2)) {
        snprintf(why, WHY, "device: status %02x", b->got.status);
        if (b->got.status == 2) {
            struct sense s = parse_sense(&b->got);
            size_t n = strlen(why);
            snprintf(why + n, WHY - n, " %X/%02X/%02X %s %u attribute %x/%x", s.key, s.asc >> 8,
                     s.asc & 255, s.has_field ? s.in_cdb ? "CDB" : "PAR" : "-", s.field, s.page,
                     s.number);
        }
        strncat(why, good ? "; model: GOOD" : "; model:", WHY - strlen(why) - 1);
        for (size_t k = 0; k < w->n_faults; k++)
            format_fault(why, &w->faults[k]);
        return false;
    }
    if (!good && !same_sense(b, why))
        return false;
    return same_data(b, why);
}

/* The same bytes with a nonce once more: the same outcome, and nothing changes, of which the
 * commands that follow are the proof. What is got or read is that of now:
 * Data-In may differ, and a READ that shortens its object may end otherwise. */
static bool same_again(struct bench *b, char *why)
{
    struct osd_response first = b->got;

    run_device(b);
    snprintf(why, WHY,
             "repeated under its nonce: status %02x, %zu bytes of sense data, %" PRIu64
             " of Data-In",
             b->got.status, b->got.sense_len, b->got.in_len);
    if (strncmp(b->request.op->name, "READ", 4) == 0)
        return true;
    return b->got.status == first.status && b->got.sense_len == first.sense_len &&
           memcmp(b->got.sense, first.sense, first.sense_len) == 0;
}

/* ---- episodes ---- */

static bool run_step(struct bench *b, const struct step *s, char *why)
{
    bool ok;

    b->now += s->ms;
    if (!build(b, s->line, why)) {
        snprintf(why, WHY, "malformed line");
        return false;
    }
    run_device(b);
    run_model(b);
    ok = same(b, why);
    if (ok && strstr(s->line, NONCE))
        ok = same_again(b, why);
    request_free(&b->request);
    return ok;
}

static void begin_episode(struct bench *b)
{
    static const struct step format = {"OSD-2 FORMAT OSD cap=none", 5};
    char why[WHY];

    b->runs++;
    if (!run_step(b, &format, why))
        die("FORMAT OSD", why);
}

/* Run steps; the index of the one that differs, n if none does. */
static size_t run_steps(struct bench *b, const struct step *steps, size_t n, char *why)
{
    begin_episode(b);
    for (size_t i = 0; i < n; i++)
        if (!run_step(b, &steps[i], why))
            return i;
    return n;
}

/* ---- making it small ---- */

/* Differences are of one kind when what is said of them begins alike. */
static bool alike(const char *a, const char *b)
{
    size_t n = strcspn(a, "0123456789");

    return strncmp(a, b, n) == 0 && strcspn(b, "0123456789") == n;
}

/* Whether steps without [from, to) still end in a difference; then they stay away. */
static bool try_without(struct bench *b, struct step *steps, size_t *n, size_t from, size_t to,
                        const char *kind)
{
    struct step *less = malloc(*n * sizeof(*less));
    size_t kept = from + (*n - to), at;
    char why[WHY];

    if (!less)
        die("no memory", "");
    memcpy(less, steps, from * sizeof(*less));
    memcpy(less + from, steps + to, (*n - to) * sizeof(*less));
    at = kept ? run_steps(b, less, kept, why) : 0;
    if (kept == 0 || at == kept || !alike(kind, why)) {
        free(less);
        return false;
    }
    *n = at + 1;
    memcpy(steps, less, *n * sizeof(*less));
    free(less);
    return true;
}

static void fewer_steps(struct bench *b, struct step *steps, size_t *n, const char *kind)
{
    for (size_t chunk = *n / 2; chunk > 0; chunk /= 2)
        for (size_t from = 0; from < *n;)
            if (from + chunk > *n || !try_without(b, steps, n, from, from + chunk, kind))
                from += chunk;
}

/* Leave out words KEY=VALUE one by one. */
static void fewer_words(struct bench *b, struct step *steps, size_t *n, const char *kind)
{
    char why[WHY];

    for (size_t i = 0; i < *n; i++) {
        for (size_t at = 6; at < strlen(steps[i].line);) {
            struct step whole = steps[i];
            char *word = steps[i].line + at, *end = strchr(word + 1, ' ');
            size_t differs;
            if (!memchr(word, '=', end ? (size_t)(end - word) : strlen(word)) || *word != ' ' ||
                strncmp(word, " object_d", 9) == 0) {
                at = end ? (size_t)(end - steps[i].line) : strlen(steps[i].line);
                continue;
            }
            if (end)
                memmove(word, end, strlen(end) + 1);
            else
                *word = 0;
            differs = run_steps(b, steps, *n, why);
            if (differs == *n - 1 && alike(kind, why))
                continue;
            steps[i] = whole;
            end = strchr(steps[i].line + at + 1, ' ');
            at = end ? (size_t)(end - steps[i].line) : strlen(steps[i].line);
        }
    }
}

/* ---- the script ---- */

static void print_expectation(const struct bench *b, bool last)
{
    const struct m_answer *w = &b->want;
    const struct m_fault *f = &w->faults[0];

    if (w->past_end)
        printf("  -> past-end %" PRIu64, w->bytes_read);
    else if (w->n_faults == 0)
        printf("  -> good");
    else if (f->where)
        printf("  -> %s %u", f->where == 'c' ? "cdb" : "param", f->field);
    else
        printf("  -> sense %x/%02x/%02x", f->key, f->asc >> 8, f->asc & 255);
    if (last && w->in_len && w->in_len <= 2000) {
        printf(" data=hex(");
        for (size_t i = 0; i < w->in_len; i++)
            printf("%02x", w->in[i]);
        printf(") in=%zu", w->in_len);
    }
    printf("\n");
}

static void print_script(struct bench *b, const struct step *steps, size_t n, uint64_t seed)
{
    char why[WHY] = "";
    size_t i;

    begin_episode(b);
    printf("clause 0 differential model\n\ncase seed-%" PRIu64 " \"the model expects another "
           "answer\"\n  in-process\n  generation 2\n",
           seed);
    for (i = 0; i < n; i++) {
        bool ok = run_step(b, &steps[i], why);
        printf("  %s\n", steps[i].line);
        print_expectation(b, i == n - 1);
        if (!ok)
            break;
    }
    printf("end\n# %s\n\n", why);
    fflush(stdout);
}

/* ---- the device ---- */

/* What only the device knows of itself is what it says at the beginning. */
static void learn(struct bench *b, const char *line)
{
    const uint8_t *p;
    char why[WHY];
    size_t len;

    if (!build(b, line, why))
        die(line, why);
    run_device(b);
    if (b->got.status != 0)
        die("the root does not tell its attributes", line);
    p = b->in + 8;
    len = b->got.in_len;
    for (size_t at = 8; at + 16 <= len; at += 16 + (be(b->in + at + 14, 2) + 7) / 8 * 8) {
        p = b->in + at;
        model_learn(b->model, (uint32_t)be(p, 4), (uint32_t)be(p + 4, 4), p + 16,
                    (uint32_t)be(p + 14, 2));
    }
    request_free(&b->request);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

static void open_bench(struct bench *b, const char *kind, const char *under)
{
    bool rocksdb = strcmp(kind, "rocksdb") == 0;
    struct store_config cfg = {.path = b->dir, .create = true, .clock = &b->clock};
    struct osd_device_config dc = {.clock = &b->clock, .serial = "differ-1"};

    b->now = START;
    b->clock = (struct osd_clock){.now_ms = bench_now, .arg = b};
    if (rocksdb) {
        snprintf(b->dir, sizeof(b->dir), "%s/differ-XXXXXX", under);
        if (!mkdtemp(b->dir))
            die("cannot make a directory", b->dir);
    }
    if ((rocksdb ? store_rocksdb_open : store_memory_open)(&cfg, &dc.store, NULL, 0) ||
        osd_device_open(&dc, &b->dev))
        die("cannot open a device", kind);
    b->model = model_new(b->now);
    learn(b, "OSD-2 GET ATTRIBUTES 0/0 get=R+1h/0xffffffff");
    learn(b, "OSD-2 GET ATTRIBUTES 0/0 get=R+5h/0xffffffff");
}

static void close_bench(struct bench *b)
{
    osd_device_close(b->dev);
    model_free(b->model);
    model_answer_free(&b->want);
    free(b->in);
    if (b->dir[0])
        nftw(b->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- the run ---- */

struct plan {
    const char *store, *under;
    uint64_t commands, seed, failures;
    size_t episode;
    bool broken;
};

static bool run_episode(struct bench *b, struct step *steps, size_t n, uint64_t seed,
                        uint64_t *done)
{
    struct generator g = {.state = seed * 0x9e3779b97f4a7c15ULL + 1};
    char why[WHY];
    size_t i;

    begin_episode(b);
    for (i = 0; i < n; i++) {
        generate(&g, b->model, steps[i].line);
        steps[i].ms = 1 + (unsigned)generate_below(&g, 3);
        ++*done;
        if (!run_step(b, &steps[i], why))
            break;
        b->good += b->want.n_faults == 0;
        if (b->want.n_faults == 0 && b->want.invented)
            return true; /* from here on the model would be guessing */
    }
    if (i == n)
        return true;
    printf("# seed %" PRIu64 ", command %zu: %s\n# %s\n", seed, i, steps[i].line, why);
    n = i + 1;
    if (run_steps(b, steps, n, why) == n) {
        printf("# not again when repeated\n");
        return false;
    }
    fewer_steps(b, steps, &n, why);
    fewer_words(b, steps, &n, why);
    print_script(b, steps, n, seed);
    return false;
}

#define EPISODES_PER_STORE 100 /* then a new one: what many FORMATs leave behind costs time */

/* Some episodes on one store. */
static uint64_t run_store(const struct plan *p, struct step *steps, uint64_t *seed,
                          uint64_t *done, uint64_t *good, uint64_t failed)
{
    struct bench *b = calloc(1, sizeof(*b));

    if (!b)
        die("no memory", "");
    open_bench(b, p->store, p->under);
    b->broken = p->broken;
    for (int i = 0; i < EPISODES_PER_STORE && *done < p->commands && failed < p->failures; i++)
        failed += !run_episode(b, steps, p->episode, (*seed)++, done);
    *good += b->good;
    close_bench(b);
    free(b);
    return failed;
}

static int run(const struct plan *p)
{
    struct step *steps = calloc(p->episode, sizeof(*steps));
    uint64_t done = 0, good = 0, failed = 0, seed = p->seed;

    if (!steps)
        die("no memory", "");
    while (done < p->commands && failed < p->failures)
        failed = run_store(p, steps, &seed, &done, &good, failed);
    printf("# %s: %" PRIu64 " commands, %" PRIu64 " of them GOOD, seeds %" PRIu64 "-%" PRIu64
           ", %" PRIu64 " differences\n",
           p->store, done, good, p->seed, seed - 1, failed);
    free(steps);
    return failed ? 1 : 0;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {
        {"store", 1, NULL, 's'},   {"commands", 1, NULL, 'n'}, {"seed", 1, NULL, 'S'},
        {"episode", 1, NULL, 'e'}, {"failures", 1, NULL, 'f'}, {"dir", 1, NULL, 'd'},
        {"broken", 0, NULL, 'b'},  {NULL, 0, NULL, 0}};
    struct plan p = {.store = "memory",
                     .under = "/tmp",
                     .commands = 10000,
                     .seed = 1,
                     .failures = 1,
                     .episode = 200};
    int c;

    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        uint64_t v = optarg ? strtoull(optarg, NULL, 10) : 0;
        if (c == 's')
            p.store = optarg;
        else if (c == 'b')
            p.broken = true;
        else if (c == 'd')
            p.under = optarg;
        else if (c == 'n')
            p.commands = v;
        else if (c == 'S')
            p.seed = v;
        else if (c == 'f')
            p.failures = v;
        else if (c == 'e' && v > 0 && v <= EPISODE_MAX)
            p.episode = v;
        else
            return 2;
    }
    return run(&p);
}
