/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interpreter/test_crash.c - a process dies, or power fails, within a command
 *
 * A worker process carries one large command out and is killed somewhere in it. The store must
 * then hold what it held before, or what the finished command leaves, and nothing else; the
 * latter if the command had been answered (after loss of power: answered with FUA), or, when it is
 * tracked (IMMED_TR), had ended. Of a tracked one that had its status and did not happen, the page
 * of its collection says that it was aborted.
 * CRASH_ROUNDS in the environment changes how often, CRASH_SEED when.
 */
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "dump.h"
#include "powerloss.h"
#include "rig.h"

#define OBJECTS 200
#define OTHER   (RIG_PID + 1)
#define TRACKED (RIG_CID + 1)
#define MATCHES (RIG_CID + 2)
#define BIG     (RIG_OID + 1000)
#define BIG_LEN (1u << 20)
#define SEGMENT 40

/* ---- the commands ---- */

/* Begin a continuation segment in rig->out with one descriptor of len bytes; where its bytes
 * go. */
static uint8_t *continuation(struct rig *rig, struct osd_cdb *c, uint16_t action, uint16_t type,
                             uint32_t len)
{
    uint8_t *p = rig->out, pad = (uint8_t)(-len & 7);

    memset(p, 0, 512);
    p[0] = 1;
    be16_put(p + 2, action);
    be16_put(p + SEGMENT, type);
    p[SEGMENT + 3] = pad;
    be32_put(p + SEGMENT + 4, len);
    rig->out_len = c->cont_len = SEGMENT + 8 + len + pad;
    return p + SEGMENT + 8;
}

static void set_list(struct rig *rig, struct osd_cdb *c)
{
    struct osd_attr_id id = {0x10000, 7};
    static uint8_t value[1000];

    c->attr.format = OSD_ATTR_LIST;
    c->attr.retrieved_off = 0;
    c->attr.set_off = 0;
    rig->out_len = rig_set_list(rig, OSD_GEN2, 0, id, value, sizeof(value));
    c->attr.set_len = (uint32_t)rig->out_len;
}

static void make_create(struct rig *rig, struct osd_cdb *c)
{
    c->oid = 0;
    c->count = 500;
    set_list(rig, c);
}

static void make_copy(struct rig *rig, struct osd_cdb *c)
{
    uint8_t *p = continuation(rig, c, 0x8893, 0x0101, 20);

    be64_put(p, RIG_PID);
    be64_put(p + 8, BIG);
    p[16] = 1;
    c->pid = OTHER;
    c->oid = BIG;
}

static void make_query(struct rig *rig, struct osd_cdb *c)
{
    continuation(rig, c, 0x88a0, 2, 4); /* without criteria: everything */
    c->oid = TRACKED;
    c->start = MATCHES;
}

static void make_removal(struct rig *rig, struct osd_cdb *c)
{
    c->option = 1;
    c->oid = 0;
}

static void make_members(struct rig *rig, struct osd_cdb *c)
{
    c->oid = TRACKED;
}

static void make_set_members(struct rig *rig, struct osd_cdb *c)
{
    c->oid = TRACKED;
    set_list(rig, c);
}

static void make_punch(struct rig *rig, struct osd_cdb *c)
{
    c->oid = BIG;
    c->length = 5000;
}

static void make_write(struct rig *rig, struct osd_cdb *c)
{
    c->oid = BIG;
    c->start = 1000;
    rig->out_len = c->length = RIG_BUF;
}

static void make_format(struct rig *rig, struct osd_cdb *c)
{
    c->pid = c->oid = 0;
}

static const struct {
    const char *name;
    enum osd_op op;
    void (*make)(struct rig *rig, struct osd_cdb *c);
    bool tracked;
} commands[] = {
    {"FORMAT OSD", OSD_OP_FORMAT_OSD, make_format},
    {"REMOVE PARTITION", OSD_OP_REMOVE_PARTITION, make_removal},
    {"QUERY", OSD_OP_QUERY, make_query},
    {"COPY USER OBJECTS", OSD_OP_COPY_USER_OBJECTS, make_copy},
    {"CREATE", OSD_OP_CREATE, make_create},
    {"REMOVE MEMBER OBJECTS", OSD_OP_REMOVE_MEMBER_OBJECTS, make_members},
    {"SET MEMBER ATTRIBUTES", OSD_OP_SET_MEMBER_ATTRIBUTES, make_set_members},
    {"PUNCH", OSD_OP_PUNCH, make_punch},
    {"WRITE", OSD_OP_WRITE, make_write},
    {"QUERY, tracked", OSD_OP_QUERY, make_query, true},
    {"REMOVE MEMBER OBJECTS, tracked", OSD_OP_REMOVE_MEMBER_OBJECTS, make_members, true},
    {"SET MEMBER ATTRIBUTES, tracked", OSD_OP_SET_MEMBER_ATTRIBUTES, make_set_members, true},
};
#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

static void run_command(struct rig *rig, unsigned n, bool fua)
{
    struct osd_cdb c = rig_cmd(commands[n].op, OSD_GEN2, RIG_PID, RIG_OID);

    c.fua = fua;
    c.immed_tr = commands[n].tracked;
    rig->out_len = rig->in_len = 0;
    commands[n].make(rig, &c);
    rig_run(rig, &c);
}

/* ---- stores ---- */

static osd_status open_dir(struct rig *rig, const char *dir)
{
    struct store_config cfg = {.path = dir, .create = true, .clock = &osd_clock_system};
    struct osd_store *s;
    osd_status st = store_rocksdb_open(&cfg, &s, NULL, 0);

    *rig = (struct rig){.clock = osd_clock_system};
    if (!st)
        rig_open_on(rig, s);
    return st;
}

static void furnish(struct rig *rig)
{
    static uint8_t data[BIG_LEN];

    rig_partition(rig, RIG_PID);
    rig_partition(rig, OTHER);
    rig_collection(rig, RIG_PID, RIG_CID);
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)(i * 7 + i / 4096);
    for (uint64_t i = 0; i < OBJECTS; i++) {
        rig_object(rig, RIG_PID, RIG_OID + i);
        rig_write(rig, RIG_OID + i, 0, data + i, 5000);
        rig_join(rig, RIG_OID + i, 1, RIG_CID);
    }
    rig_tracking(rig, RIG_PID, TRACKED, RIG_CID);
    rig_tracking(rig, RIG_PID, MATCHES, 0);
    rig_object(rig, RIG_PID, BIG);
    rig_write(rig, BIG, 0, data, sizeof(data));
    rig_set(rig, OSD_GEN2, RIG_PID, BIG, 0x10003, 1, data, 500);
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    return remove(path);
}

static void remove_dir(const char *dir)
{
    nftw(dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void copy_dir(const char *from, const char *to)
{
    char line[256];

    remove_dir(to);
    snprintf(line, sizeof(line), "cp -a --sparse=always '%s' '%s'", from, to);
    assert_int_equal(system(line), 0);
}

/* ---- the worker ---- */

enum { STARTING, BEGUN, ANSWERED, ENDED };

static int worker_main(char **argv)
{
    int fd = (int)strtol(argv[3], NULL, 10);
    volatile int *flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    unsigned n = (unsigned)strtoul(argv[4], NULL, 10);
    struct rig rig;

    if (argv[5][0])
        powerloss_watch(argv[2], argv[5]);
    if (open_dir(&rig, argv[2]))
        return 2;
    *flag = BEGUN;
    run_command(&rig, n, argv[5][0]);
    if (rig.r.status != SAM_GOOD)
        return 3;
    *flag = ANSWERED;
    osd_device_settle(rig.dev);
    *flag = ENDED;
    pause();
    return 4;
}

static pid_t start_worker(const char *dir, int fd, unsigned n, const char *writes)
{
    char fd_text[16], n_text[16];
    pid_t pid = fork();

    if (pid != 0)
        return pid;
    snprintf(fd_text, sizeof(fd_text), "%d", fd);
    snprintf(n_text, sizeof(n_text), "%u", n);
    execl("/proc/self/exe", "test_interpreter_crash", "worker", dir, fd_text, n_text, writes,
          NULL);
    _exit(127);
}

/* ---- the watcher ---- */

struct world {
    char base[80], dir[100], writes[100];
    char *before;
    struct {
        char *text;
        uint64_t us; /* how long it takes */
    } after[COMMANDS];
    volatile int *flag;
    int fd;
    uint64_t seed;
    unsigned old, new;
};

/* The length of a line without what it says of the capacity that a container uses, if it does. */
static size_t until_used(const char *line, size_t len)
{
    const char *used = memmem(line, len, " used ", 6);

    return used && strncmp(line, "  meta kind 4 ", 14) != 0 ? (size_t)(used - line) : len;
}

/* Takes the command tracking pages, and the capacity that they use, out of a dump. */
static void pass_over_tracking(char *text)
{
    char *to = text;

    for (char *at = text; *at;) {
        size_t len = strcspn(at, "\n") + 1;
        if (strncmp(at, "  attr 60000004.", 16) != 0) {
            size_t keep = until_used(at, len - 1);
            memmove(to, at, keep);
            to += keep;
            *to++ = '\n';
        }
        at += len;
    }
    *to = 0;
}

static char *dump_of(const char *dir)
{
    struct store_check_result result;
    struct rig rig;

    assert_int_equal(open_dir(&rig, dir), OSD_OK);
    assert_int_equal(rig.store->ops->check(rig.store, false, NULL, NULL, &result), OSD_OK);
    assert_int_equal(result.findings, 0);
    char *text = store_dump(rig.store, 0);
    assert_non_null(text);
    pass_over_tracking(text);
    rig_close(&rig);
    return text;
}

static uint64_t now_us(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

/* What every command makes of the store. */
static void foresee(struct world *w)
{
    struct rig rig;

    assert_int_equal(open_dir(&rig, w->base), OSD_OK);
    furnish(&rig);
    rig_close(&rig);
    w->before = dump_of(w->base);
    for (unsigned n = 0; n < COMMANDS; n++) {
        copy_dir(w->base, w->dir);
        assert_int_equal(open_dir(&rig, w->dir), OSD_OK);
        uint64_t begin = now_us();
        run_command(&rig, n, true);
        osd_device_settle(rig.dev);
        w->after[n].us = now_us() - begin;
        expect_good(&rig);
        rig_close(&rig);
        w->after[n].text = dump_of(w->dir);
        assert_string_not_equal(w->after[n].text, w->before);
    }
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    const char *seed = getenv("CRASH_SEED"), *tmp = getenv("TMPDIR");

    snprintf(w->base, sizeof(w->base), "%s/interpreter-crash-XXXXXX",
             tmp && strlen(tmp) < 40 ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->base));
    snprintf(w->dir, sizeof(w->dir), "%s-copy", w->base);
    snprintf(w->writes, sizeof(w->writes), "%s-writes", w->base);
    w->seed = seed ? strtoull(seed, NULL, 0) : 1;
    w->fd = memfd_create("flag", 0);
    assert_int_equal(ftruncate(w->fd, 4096), 0);
    w->flag = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, w->fd, 0);
    foresee(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    for (unsigned n = 0; n < COMMANDS; n++)
        free(w->after[n].text);
    free(w->before);
    remove_dir(w->base);
    remove_dir(w->dir);
    unlink(w->writes);
    close(w->fd);
    free(w);
    return 0;
}

static uint64_t next_random(struct world *w)
{
    w->seed = w->seed * 6364136223846793005u + 1442695040888963407u;
    return w->seed >> 33;
}

/* Kill a worker within command n; how far that was. */
static int interrupt_command(struct world *w, unsigned n, bool power)
{
    int status;

    *w->flag = STARTING;
    copy_dir(w->base, w->dir);
    pid_t pid = start_worker(w->dir, w->fd, n, power ? w->writes : "");
    for (int i = 0; i < 300000 && *w->flag == STARTING; i++)
        usleep(100);
    assert_int_not_equal(*w->flag, STARTING);
    usleep((useconds_t)(next_random(w) % (w->after[n].us * 3 / 2 + 1)));
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return *w->flag;
}

/* What the page of the collection says of a tracked command that had its status. */
static void expect_page(const char *dir, bool happened)
{
    const uint32_t page = OSD_PAGE_C + OSD_PG_COLLECTIONS;
    struct rig rig;

    assert_int_equal(open_dir(&rig, dir), OSD_OK);
    assert_int_equal(rig_get_u(&rig, RIG_PID, TRACKED, page, 1), happened ? 100 : 0);
    assert_int_equal(rig_get_u(&rig, RIG_PID, TRACKED, page, 2), 0);
    assert_int_equal(rig_get_u(&rig, RIG_PID, TRACKED, page, 3),
                     happened ? SAM_GOOD : SAM_CHECK_CONDITION);
    rig_close(&rig);
}

static void one_round(struct world *w, unsigned n, bool power)
{
    int far = interrupt_command(w, n, power);
    bool must = far >= (commands[n].tracked ? ENDED : ANSWERED);

    if (power)
        powerloss_cut(w->dir, w->writes, next_random(w));
    char *text = dump_of(w->dir);
    bool happened = strcmp(text, w->after[n].text) == 0;
    if (!happened && (must || strcmp(text, w->before) != 0)) {
        print_error("%s, %s, %s:\n%s\n", commands[n].name, power ? "power" : "kill",
                    must ? "answered" : "not answered", text);
        fail();
    }
    free(text);
    if (commands[n].tracked && far >= ANSWERED)
        expect_page(w->dir, happened);
    w->old += !happened;
    w->new += happened;
}

static void run_rounds(struct world *w, bool power)
{
    const char *value = getenv("CRASH_ROUNDS");
    unsigned rounds = value ? (unsigned)strtoul(value, NULL, 0) : 2;

    for (unsigned round = 0; round < rounds; round++)
        for (unsigned n = 0; n < COMMANDS; n++)
            one_round(w, n, power);
    print_message("%s: %u before, %u after\n", power ? "power" : "kill", w->old, w->new);
    w->old = w->new = 0;
}

static void test_interpreter_crash__a_killed_command_happened_or_not(void **state)
{
    run_rounds(*state, false);
}

/* With FUA the data is on stable storage before the log names it: not even a command that was
 * never answered can leave damaged blocks. */
static void test_interpreter_crash__loss_of_power_leaves_no_half_command(void **state)
{
    run_rounds(*state, true);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpreter_crash__a_killed_command_happened_or_not),
        cmocka_unit_test(test_interpreter_crash__loss_of_power_leaves_no_half_command),
    };

    if (argc == 6 && strcmp(argv[1], "worker") == 0)
        return worker_main(argv);
    return cmocka_run_group_tests(tests, setup, teardown);
}
