/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/main.c - the command line: options, the table of verbs, errors and exit codes
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "osdctl.h"
#include "verbs.h"

static const struct verb {
    const char *name;
    int min_args, max_args;
    const char *args;
    const char *help;
    int (*run)(struct options *o, struct osd_session *s, int argc, char **argv);
    bool no_device; /* opens no session */
} verbs[] = {
    {"info", 0, 0, "", "what the device is and holds", verb_info, false},
    {"ls", 0, 1, "[PID]", "list partitions, or the objects of one (-l: lengths)", verb_ls,
     false},
    {"mk", 2, 2, "partition PID|0", "create a partition (0: the device chooses)", verb_mk,
     false},
    {"create", 1, 1, "PID[/OID]", "create an empty object", verb_create, false},
    {"put", 2, 2, "FILE PID[/OID]", "store a file (- is standard input)", verb_put, false},
    {"get", 2, 2, "PID/OID FILE", "fetch an object into a file", verb_get, false},
    {"cat", 1, 1, "PID/OID", "write an object to standard output", verb_cat, false},
    {"rm", 1, 2, "PID/OID | partition PID", "remove (--contents: a partition with all in it)",
     verb_rm, false},
    {"stat", 1, 1, "PID[/OID]", "length, capacity, timestamps", verb_stat, false},
    {"attr", 2, 5, "get|set|ls PID[/OID] [PAGE NUMBER [VALUE]]", "attributes", verb_attr,
     false},
    {"quota", 1, 3, "PID [capacity|objects|length VALUE]", "show or set quotas", verb_quota,
     false},
    {"flush", 0, 0, "", "bring everything to stable storage", verb_flush, false},
    {"format", 0, 1, "[CAPACITY] --yes", "remove everything", verb_format, false},
    {"cp", 2, 2, "-r DIR PID | -r PID DIR", "copy a directory tree in or out", verb_cp, false},
    {"append", 2, 2, "FILE PID/OID", "append a file to an object", verb_append, false},
    {"check", 0, 1, "[STORE]", "check a store that nobody serves (--repair)", verb_check, true},
    {"explain", 1, 1, "SENSE-HEX|EXIT-CODE", "say what sense data or an exit code means",
     verb_explain, true},
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct option long_options[] = {{"device", required_argument, NULL, 'd'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"recursive", no_argument, NULL, 'r'},
                                             {"long", no_argument, NULL, 'l'},
                                             {"yes", no_argument, NULL, 'y'},
                                             {"contents", no_argument, NULL, 'c'},
                                             {"repair", no_argument, NULL, 'R'},
                                             {"create-store", no_argument, NULL, 'C'},
                                             {"capacity", required_argument, NULL, 'K'},
                                             {"generation", required_argument, NULL, 'g'},
                                             {"progress", required_argument, NULL, 'P'},
                                             {"quiet", no_argument, NULL, 'q'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, 'V'},
                                             {NULL, 0, NULL, 0}};

static void help(void)
{
    printf("usage: osdctl [OPTION]... VERB [ARGUMENT]...\n\n"
           "A T10 object-based storage device from the command line.\n\nverbs:\n");
    for (size_t i = 0; i < N_VERBS; i++)
        printf("  %-8s %-40s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
    printf(
        "\noptions:\n"
        "  -d, --device URL      iscsi://[user%%secret@]host[:port]/iqn/lun or file:///path\n"
        "                        (default: environment variable OSD_DEVICE)\n"
        "  -j, --json            results and errors as JSON on standard output\n"
        "  -r, --recursive       cp: a whole tree\n"
        "  -l, --long            ls: with lengths\n"
        "  -y, --yes             format: yes, remove everything\n"
        "      --contents        rm partition: with everything in it\n"
        "      --repair          check: repair what can be repaired\n"
        "      --create-store    file:// URLs: make the store if there is none\n"
        "      --capacity SIZE   of a store made here\n"
        "  -g, --generation N    speak OSD-1 or OSD-2 (default 2)\n"
        "      --progress FD     cp: write \"done/total\" lines of bytes to a descriptor\n"
        "  -q, --quiet           no progress bar\n"
        "  -h, --help            this text\n"
        "      --version         the version\n\nSee osdctl(1).\n");
}

/* ---- reporting ---- */

static const int exit_codes[OSD_STATUS_MAX] = {
    [OSD_OK] = 0,
    [OSD_E_NOMEM] = EXIT_FAILED,
    [OSD_E_INVALID] = EXIT_FAILED,
    [OSD_E_NOT_FOUND] = EXIT_NOT_FOUND,
    [OSD_E_EXISTS] = EXIT_EXISTS,
    [OSD_E_NOT_EMPTY] = EXIT_FAILED,
    [OSD_E_QUOTA] = EXIT_NO_SPACE,
    [OSD_E_NO_SPACE] = EXIT_NO_SPACE,
    [OSD_E_DENIED] = EXIT_DENIED,
    [OSD_E_PAST_END] = EXIT_FAILED,
    [OSD_E_IO] = EXIT_FAILED,
    [OSD_E_CORRUPT] = EXIT_INTEGRITY,
    [OSD_E_BUSY] = EXIT_BUSY,
    [OSD_E_UNREACHABLE] = EXIT_UNREACHABLE,
    [OSD_E_PROTOCOL] = EXIT_PROTOCOL,
    [OSD_E_TIMEOUT] = EXIT_BUSY,
    [OSD_E_UNSUPPORTED] = EXIT_FAILED,
    [OSD_E_VERSION] = EXIT_FAILED,
    [OSD_E_INTERRUPTED] = EXIT_INTERRUPTED,
    [OSD_E_PARTIAL] = EXIT_PARTIAL,
};

int exit_code(osd_status st)
{
    return (unsigned)st < OSD_STATUS_MAX ? exit_codes[st] : EXIT_FAILED;
}

static void print_json(json_t *o)
{
    json_dumpf(o, stdout, JSON_COMPACT | JSON_ENSURE_ASCII);
    putchar('\n');
    json_decref(o);
}

void report_data(const struct options *o, json_t *data)
{
    if (o->json)
        print_json(json_pack("{s:s, s:b, s:o}", "schema", "osdctl/1", "ok", 1, "data", data));
    else
        json_decref(data);
}

int report_failure(const struct options *o, osd_status st)
{
    if (o->json)
        print_json(json_pack("{s:s, s:b, s:{s:i, s:s, s:s}}", "schema", "osdctl/1", "ok", 0,
                             "error", "code", exit_code(st), "status", osd_status_name(st),
                             "message", osd_last_error()));
    else
        fprintf(stderr, "osdctl: %s\n", osd_last_error());
    return exit_code(st);
}

int usage_error(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fprintf(stderr, "osdctl: ");
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "; see osdctl --help\n");
    va_end(ap);
    return EXIT_USAGE;
}

/* ---- numbers ---- */

bool parse_number(const char *s, uint64_t *ret)
{
    char *end;

    if (s[0] < '0' || s[0] > '9')
        return false;
    errno = 0;
    uint64_t v = strtoull(s, &end, 0);
    if (errno || *end)
        return false;
    *ret = v;
    return true;
}

bool parse_size(const char *s, uint64_t *ret)
{
    static const char units[] = "kmgt";
    size_t len = strlen(s);
    char digits[32];
    int shift = 0;

    if (len == 0 || len >= sizeof(digits))
        return false;
    memcpy(digits, s, len + 1);
    const char *u = strchr(units, digits[len - 1] | 0x20);
    if (u && *u) {
        shift = 10 * (int)(u - units + 1);
        digits[len - 1] = 0;
    }
    if (!parse_number(digits, ret) || (shift && *ret > UINT64_MAX >> shift))
        return false;
    *ret <<= shift;
    return true;
}

bool parse_target(const char *s, struct target *ret)
{
    const char *slash = strchr(s, '/');
    char pid[32];
    size_t len = slash ? (size_t)(slash - s) : strlen(s);

    if (len >= sizeof(pid))
        return false;
    memcpy(pid, s, len);
    pid[len] = 0;
    ret->oid = 0;
    return parse_number(pid, &ret->pid) && (!slash || parse_number(slash + 1, &ret->oid));
}

/* ---- main ---- */

/* Returns -1 to go on, an exit code otherwise. */
static int parse_options(int argc, char **argv, struct options *o)
{
    uint64_t n;
    int c;

    while ((c = getopt_long(argc, argv, "d:jrlyg:qh", long_options, NULL)) != -1) {
        switch (c) {
        case 'd':
            o->device = optarg;
            break;
        case 'j':
            o->json = true;
            break;
        case 'r':
            o->recursive = true;
            break;
        case 'l':
            o->long_list = true;
            break;
        case 'y':
            o->yes = true;
            break;
        case 'c':
            o->contents = true;
            break;
        case 'R':
            o->repair = true;
            break;
        case 'C':
            o->create = true;
            break;
        case 'q':
            o->quiet = true;
            break;
        case 'K':
            if (!parse_size(optarg, &o->capacity))
                return usage_error("--capacity %s is not a size", optarg);
            break;
        case 'g':
            if (!parse_number(optarg, &n) || n < 1 || n > 2)
                return usage_error("--generation %s is neither 1 nor 2", optarg);
            o->generation = (int)n;
            break;
        case 'P':
            if (!parse_number(optarg, &n) || n > 1023)
                return usage_error("--progress %s is not a file descriptor", optarg);
            o->progress_fd = (int)n;
            break;
        case 'h':
            help();
            return 0;
        case 'V':
            printf("osdctl (liosd) %s\n", LIOSD_VERSION);
            return 0;
        default:
            return EXIT_USAGE;
        }
    }
    return -1;
}

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int run_with_session(struct options *o, const struct verb *v, int argc, char **argv)
{
    struct osd_options so = {
        .generation = o->generation, .create = o->create, .capacity = o->capacity};
    struct osd_session *s;
    osd_status st;
    int rc;

    if (!o->device)
        return usage_error("no device: give --device URL or set OSD_DEVICE");
    st = osd_open(o->device, &so, &s);
    if (st)
        return report_failure(o, st);
    rc = v->run(o, s, argc, argv);
    osd_close(s);
    return rc;
}

int main(int argc, char **argv)
{
    struct options o = {.device = getenv("OSD_DEVICE"), .progress_fd = -1};
    int rc = parse_options(argc, argv, &o);

    if (rc >= 0)
        return rc;
    if (optind == argc)
        return usage_error("no verb");
    const struct verb *v = find_verb(argv[optind]);
    if (!v)
        return usage_error("unknown verb \"%s\"", argv[optind]);
    argc -= optind + 1;
    argv += optind + 1;
    if (argc < v->min_args || argc > v->max_args)
        return usage_error("usage: osdctl %s %s", v->name, v->args);
    return v->no_device ? v->run(&o, NULL, argc, argv) : run_with_session(&o, v, argc, argv);
}
