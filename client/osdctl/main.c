/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/main.c - the command line: tables of verbs and options, what goes with what
 *
 * Help, man page and bash completion name the same verbs and options (tests/osdctl compares
 * them). Every option is judged before the first error is reported, so that --json counts
 * wherever it stands.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/descriptors.h"
#include "common/number.h"
#include "osdctl.h"
#include "security/algorithms.h"
#include "verbs.h"

enum needs { DEVICE, NO_DEVICE, INSTALL_DEVICE /* with the word "install" */ };

#define VERB_OPTIONS    "rlycRPqnNIXOTQ"          /* go with the verbs that name them */
#define MANAGER_OPTIONS "SABD"                    /* name the security manager */
#define DEVICE_OPTIONS  "CKgkxmH" MANAGER_OPTIONS /* go with verbs that open a session */

/* options: those that only some verbs have. */
static const struct verb {
    const char *name;
    int min_args, max_args;
    const char *args;
    const char *help;
    verb_function *run;
    enum needs needs;
    const char *options;
} verbs[] = {
    {"info", 0, 0, "", "what the device is and holds", verb_info, DEVICE, ""},
    {"ls", 0, 1, "[PID]", "list partitions, or the objects of one (-l: sizes)", verb_ls, DEVICE,
     "l"},
    {"mk", 2, 2, "partition PID|0", "create a partition (0: the device chooses)", verb_mk,
     DEVICE, ""},
    {"create", 1, 1, "PID[/OID]", "create an empty object", verb_create, DEVICE, ""},
    {"put", 2, 2, "FILE PID[/OID]", "store a file (- is standard input)", verb_put, DEVICE, ""},
    {"append", 2, 2, "FILE PID/OID", "append a file to an object", verb_append, DEVICE, ""},
    {"get", 2, 2, "PID/OID FILE", "fetch an object into a file", verb_get, DEVICE, ""},
    {"cat", 1, 1, "PID/OID", "write an object to standard output", verb_cat, DEVICE, ""},
    {"rm", 1, 2, "PID/OID | partition PID", "remove an object or a partition", verb_rm, DEVICE,
     "c"},
    {"stat", 1, 1, "PID[/OID]", "length, capacity, timestamps", verb_stat, DEVICE, ""},
    {"attr", 2, 5, "ls|get|set|rm ID [PAGE [NUMBER [VALUE]]]", "attributes", verb_attr, DEVICE,
     ""},
    {"quota", 1, 3, "PID [capacity|objects|length SIZE|none]", "show or set quotas", verb_quota,
     DEVICE, ""},
    {"cp", 2, 2, "-r DIR PID | -r PID DIR", "copy a directory tree in or out", verb_cp, DEVICE,
     "rqPn"},
    {"snapshot", 2, 3, "create|clone PID [NEW] | restore PID FROM...",
     "snapshots and clones of partitions", verb_snapshot, DEVICE, ""},
    {"collection", 2, 3, "create|track|ls|add|drop|rm PID[/CID]...",
     "sets of objects of a partition", verb_collection, DEVICE, ""},
    {"query", 2, 2, "PID/CID EXPRESSION", "members of a collection by their attributes",
     verb_query, DEVICE, "Q"},
    {"compare", 2, 2, "PID/OID PID/OID",
     "where an object may differ from another, or its snapshot", verb_compare, DEVICE, ""},
    {"discover", 0, 1, "[HOST[:PORT]]", "URLs of the targets that an iSCSI portal has",
     verb_discover, NO_DEVICE, ""},
    {"ping", 0, 0, "", "ask the device whether it is ready, with times", verb_ping, DEVICE,
     "NI"},
    {"flush", 0, 0, "", "bring everything to stable storage", verb_flush, DEVICE, ""},
    {"format", 0, 1, "[CAPACITY] --yes", "remove everything", verb_format, DEVICE, "y"},
    {"key", 1, 64, "install [PID]... | ls|rotate|revoke|enrol...",
     "keys: of the device's master key, or the security manager's", verb_key, INSTALL_DEVICE,
     MANAGER_OPTIONS},
    {"credential", 4, 5, "mint FILE PID[/OID] PERM,... [SECONDS]", "make a credential",
     verb_credential, DEVICE, ""},
    {"acl", 2, 7, "ls|set|rm OSD [PLACE PRINCIPAL [PERM,...]]", "rules of the security manager",
     verb_acl, NO_DEVICE, MANAGER_OPTIONS},
    {"group", 1, 3, "ls|add|rm [GROUP PRINCIPAL]", "groups of the security manager", verb_group,
     NO_DEVICE, MANAGER_OPTIONS},
    {"secmgr", 1, 1, "status|osds", "state of the security manager, its devices", verb_secmgr,
     NO_DEVICE, MANAGER_OPTIONS},
    {"check", 0, 1, "[STORE]", "check a store that nobody serves", verb_check, NO_DEVICE, "R"},
    {"salvage", 2, 2, "STORE NEW-STORE", "make a new store of what is left of a damaged one",
     verb_salvage, NO_DEVICE, "q"},
    {"explain", 1, 1, "SENSE-HEX|EXIT-CODE", "say what sense data or an exit code means",
     verb_explain, NO_DEVICE, ""},
    {"conform", 0, 64, "URL [SCRIPT.osd | FILTER]...",
     "conformance suite (--destructive: all of it)", verb_conform, NO_DEVICE, "ylkXOTC"},
};
#define N_VERBS (sizeof(verbs) / sizeof(verbs[0]))

static const struct option long_options[] = {{"device", required_argument, NULL, 'd'},
                                             {"json", no_argument, NULL, 'j'},
                                             {"recursive", no_argument, NULL, 'r'},
                                             {"long", no_argument, NULL, 'l'},
                                             {"list", no_argument, NULL, 'l'},
                                             {"yes", no_argument, NULL, 'y'},
                                             {"destructive", no_argument, NULL, 'X'},
                                             {"only", required_argument, NULL, 'O'},
                                             {"tap", no_argument, NULL, 'T'},
                                             {"contents", no_argument, NULL, 'c'},
                                             {"repair", no_argument, NULL, 'R'},
                                             {"create-store", no_argument, NULL, 'C'},
                                             {"capacity", required_argument, NULL, 'K'},
                                             {"generation", required_argument, NULL, 'g'},
                                             {"key", required_argument, NULL, 'k'},
                                             {"credential", required_argument, NULL, 'x'},
                                             {"method", required_argument, NULL, 'm'},
                                             {"hmac", required_argument, NULL, 'H'},
                                             {"secmgr", required_argument, NULL, 'S'},
                                             {"secmgr-ca", required_argument, NULL, 'A'},
                                             {"secmgr-cert", required_argument, NULL, 'B'},
                                             {"secmgr-key", required_argument, NULL, 'D'},
                                             {"progress", required_argument, NULL, 'P'},
                                             {"count", required_argument, NULL, 'N'},
                                             {"interval", required_argument, NULL, 'I'},
                                             {"dry-run", no_argument, NULL, 'n'},
                                             {"into", required_argument, NULL, 'Q'},
                                             {"quiet", no_argument, NULL, 'q'},
                                             {"help", no_argument, NULL, 'h'},
                                             {"version", no_argument, NULL, 'V'},
                                             {NULL, 0, NULL, 0}};

static int help(void)
{
    printf("usage: osdctl [OPTION]... VERB [ARGUMENT]...\n\n"
           "A T10 object-based storage device from the command line.\n\nverbs:\n");
    for (size_t i = 0; i < N_VERBS; i++)
        printf("  %-10s %-41s %s\n", verbs[i].name, verbs[i].args, verbs[i].help);
    printf("\noptions:\n"
           "  -d, --device URL      iscsi://[user%%secret@]host[:port]/iqn/lun or "
           "file:///path\n"
           "                        (default: environment variable OSD_DEVICE)\n"
           "  -j, --json            result or error as one JSON document\n"
           "  -r, --recursive       cp: a whole tree\n"
           "  -l, --long            ls: with sizes\n"
           "      --list            conform: list the cases, run none\n"
           "      --only PART,...   conform: cases with this in the name, or clause:N.N\n"
           "      --tap             conform: output as TAP (the default; or --json)\n"
           "      --destructive     conform: the device is empty, and may be emptied again\n"
           "  -y, --yes             format, conform: yes, remove everything\n"
           "      --contents        rm partition: with everything in it\n"
           "      --repair          check: repair what can be repaired\n"
           "      --create-store    file:// URLs: make the store if there is none, with --key\n"
           "                        or --method nosec\n"
           "      --capacity SIZE   of a store made by --create-store\n"
           "  -g, --generation N    speak OSD-1 or OSD-2 (default 2)\n"
           "      --key FILE        the device's master key; every command gets a credential\n"
           "      --credential FILE a credential, for what it allows\n"
           "      --method METHOD   with --key: capkey, cmdrsp (default) or alldata;\n"
           "                        with --create-store: nosec (everybody may do everything)\n"
           "      --hmac NAME       with --key: sha1 (default), sha256, best of what is there\n"
           "      --secmgr URL      security manager to fetch credentials from: unix:/path or\n"
           "                        https://host[:port], several with commas (default:\n"
           "                        environment variable OSD_SECMGR)\n"
           "      --secmgr-ca FILE  authority that signed the manager's certificate\n"
           "      --secmgr-cert FILE, --secmgr-key FILE\n"
           "                        own certificate and key, for https\n"
           "  -n, --dry-run         cp: say what would be copied, copy nothing\n"
           "      --into CID        query: enter the matches into this collection\n"
           "      --progress FD     cp: \"done/total\" lines of bytes to a descriptor\n"
           "      --count N         ping: how often, 0 = until interrupted (default 4)\n"
           "      --interval MS     ping: milliseconds between two (default 1000)\n"
           "  -q, --quiet           cp, salvage: no progress bar\n"
           "  -h, --help            this text\n"
           "      --version         the version\n\nSee osdctl(1).\n");
    return 0;
}

/* ---- options ---- */

static bool flag_option(int c, struct options *o)
{
    bool *const flags[] = {
        ['j'] = &json_output, ['r'] = &o->recursive,   ['l'] = &o->long_list, ['y'] = &o->yes,
        ['c'] = &o->contents, ['R'] = &o->repair,      ['C'] = &o->create,    ['q'] = &o->quiet,
        ['n'] = &o->dry_run,  ['X'] = &o->destructive, ['T'] = &o->tap};

    if (c <= 0 || (size_t)c >= sizeof(flags) / sizeof(flags[0]) || !flags[c])
        return false;
    *flags[c] = true;
    return true;
}

static bool parse_method(const char *s, int *ret)
{
    static const struct {
        const char *name;
        int method; /* of struct osd_options */
    } names[] = {{"nosec", -1}, {"capkey", 1}, {"cmdrsp", 2}, {"alldata", 3}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(s, names[i].name) == 0) {
            *ret = names[i].method;
            return true;
        }
    }
    return false;
}

static bool parse_hmac(const char *s, int *ret)
{
    enum osd_wish wish;

    if (!osd_wish_parse(s, &wish))
        return false;
    *ret = (int)wish;
    return true;
}

static bool value_option(int c, struct options *o)
{
    uint64_t n;

    switch (c) {
    case 'd':
        o->device = optarg;
        return true;
    case 'k':
        o->key = optarg;
        return *optarg != 0;
    case 'O':
        o->only = optarg;
        return *optarg != 0;
    case 'x':
        o->credential = optarg;
        return *optarg != 0;
    case 'S':
        o->secmgr = optarg[0] ? optarg : NULL;
        return true;
    case 'A':
        o->secmgr_ca = optarg;
        return true;
    case 'B':
        o->secmgr_cert = optarg;
        return true;
    case 'D':
        o->secmgr_key = optarg;
        return true;
    case 'H':
        return parse_hmac(optarg, &o->integrity);
    case 'm':
        return parse_method(optarg, &o->method);
    case 'K':
        return parse_size(optarg, &o->capacity);
    case 'g':
        if (!osd_number_parse(optarg, &n) || n < 1 || n > 2)
            return false;
        o->generation = (int)n;
        return true;
    case 'N':
        return osd_number_parse(optarg, &o->count);
    case 'Q':
        return osd_number_parse(optarg, &o->into) && o->into >= FIRST_ID;
    case 'I':
        return osd_number_parse(optarg, &o->interval_ms) && o->interval_ms <= 3600000;
    case 'P':
        if (!osd_number_parse(optarg, &n) || n > 1023)
            return false;
        o->progress_fd = (int)n;
        return true;
    default:
        return false;
    }
}

static const char *option_name(int c)
{
    for (const struct option *l = long_options; l->name; l++)
        if (l->val == c)
            return l->name;
    return "?";
}

struct parsed {
    char given[64]; /* options of particular verbs, as letters */
    char bad[256];  /* the first error */
    int early;      /* 'h' or 'V' */
};

static void note_error(struct parsed *p, int c, char **argv)
{
    if (p->bad[0])
        return;
    if (c == ':')
        snprintf(p->bad, sizeof(p->bad), "%s needs a value", argv[optind - 1]);
    else if (c == '?' && optopt > ' ' && optopt < 127)
        snprintf(p->bad, sizeof(p->bad), "unknown option -%c", optopt);
    else if (c == '?')
        snprintf(p->bad, sizeof(p->bad), "unknown option %.200s", argv[optind - 1]);
    else
        snprintf(p->bad, sizeof(p->bad), "--%s: \"%.200s\" is out of its range", option_name(c),
                 optarg);
}

static void parse_options(int argc, char **argv, struct options *o, struct parsed *p)
{
    size_t n = 0;
    int c;

    while ((c = getopt_long(argc, argv, ":d:jrlyg:qhn", long_options, NULL)) != -1) {
        if (c == 'h' || c == 'V')
            p->early = c;
        else if (!flag_option(c, o) && !value_option(c, o))
            note_error(p, c, argv);
        if (strchr(VERB_OPTIONS DEVICE_OPTIONS, c) && n + 1 < sizeof(p->given))
            p->given[n++] = (char)c;
    }
}

/* ---- the verb ---- */

static const struct verb *find_verb(const char *name)
{
    for (size_t i = 0; i < N_VERBS; i++)
        if (strcmp(verbs[i].name, name) == 0)
            return &verbs[i];
    return NULL;
}

static int open_failure(osd_status st, const struct options *o)
{
    if (st == OSD_E_INVALID)
        return usage_error("%s", osd_last_error());
    if (st == OSD_E_NOT_FOUND && strncmp(o->device, "file://", 7) == 0 &&
        strstr(osd_last_error(), "not an OSD store"))
        return fail_with(st, "%s; %s", osd_last_error(),
                         o->create
                             ? "to make one give --key FILE, or --method nosec if everybody "
                               "may do everything"
                             : "--create-store makes one");
    return fail(st);
}

static int run_with_session(const struct options *o, const struct verb *v, int argc,
                            char **argv)
{
    struct osd_options so = secmgr_options(o);
    struct osd_session *s;
    osd_status st;
    int rc;

    if (!o->device || !o->device[0])
        return usage_error("no device: give --device URL or set OSD_DEVICE");
    if (o->create && strncmp(o->device, "iscsi:", 6) == 0)
        return usage_error("--create-store makes stores in directories, of file:///path");
    if (o->capacity && !o->create)
        return usage_error("--capacity is that of a new store: say --create-store, too");
    if (o->key && o->credential)
        return usage_error("--key or --credential, not both");
    if (o->method < 0 && (o->key || !o->create))
        return usage_error("--method nosec goes with --create-store, and without --key");
    if (o->method > 0 && !o->key)
        return usage_error("--method goes with --key; a credential has its own");
    if (o->integrity && !o->key)
        return usage_error("--hmac goes with --key; a credential has its own algorithm");
    so.generation = o->generation;
    so.create = o->create;
    so.capacity = o->capacity;
    so.key_file = o->key;
    so.credential_file = o->credential;
    so.integrity = o->integrity;
    so.passphrase_file = getenv("OSD_PASSPHRASE_FILE");
    so.method = o->method;
    if (o->key || o->credential) /* the environment names a manager for the others */
        so.secmgr = NULL;
    st = osd_open(o->device, &so, &s);
    if (st)
        return open_failure(st, o);
    rc = v->run(o, s, argc, argv);
    osd_close(s);
    return rc;
}

static bool opens_device(const struct verb *v, int argc, char **argv)
{
    return v->needs == DEVICE ||
           (v->needs == INSTALL_DEVICE && argc > 0 && strcmp(argv[0], "install") == 0);
}

static bool has_option(const struct verb *v, char c)
{
    return strchr(v->options, c) || (v->needs != NO_DEVICE && strchr(DEVICE_OPTIONS, c));
}

static int run(int argc, char **argv, const struct options *o, const struct parsed *p)
{
    const struct verb *v;

    if (p->bad[0])
        return usage_error("%s", p->bad);
    if (argc == 0)
        return usage_error("no verb");
    v = find_verb(argv[0]);
    if (!v)
        return usage_error("unknown verb \"%s\"", argv[0]);
    for (const char *c = p->given; *c; c++)
        if (!has_option(v, *c))
            return usage_error("%s has no option --%s", v->name, option_name(*c));
    argc--;
    argv++;
    if (argc < v->min_args || argc > v->max_args)
        return usage_error("usage: osdctl %s%s%s", v->name, v->args[0] ? " " : "", v->args);
    if (o->progress_fd >= 0 && !is_output(o->progress_fd))
        return usage_error("--progress: descriptor %d is not open for writing", o->progress_fd);
    return opens_device(v, argc, argv) ? run_with_session(o, v, argc, argv)
                                       : v->run(o, NULL, argc, argv);
}

/* NULL also for an empty variable. */
static const char *environment(const char *name)
{
    const char *value = getenv(name);

    return value && value[0] ? value : NULL;
}

int main(int argc, char **argv)
{
    struct options o = {.device = getenv("OSD_DEVICE"),
                        .secmgr = environment("OSD_SECMGR"),
                        .secmgr_ca = environment("OSD_SECMGR_CA"),
                        .secmgr_cert = environment("OSD_SECMGR_CERT"),
                        .secmgr_key = environment("OSD_SECMGR_KEY"),
                        .progress_fd = -1,
                        .count = 4,
                        .interval_ms = 1000};
    struct parsed p = {0};
    int rc;

    hold_standard_streams();
    osd_descriptors_raise();
    opterr = 0;
    parse_options(argc, argv, &o, &p);
    if (p.early == 'h')
        rc = help();
    else if (p.early == 'V')
        rc = printf("osdctl (liosd) %s\n", LIOSD_VERSION) < 0;
    else
        rc = run(argc - optind, argv + optind, &o, &p);
    if ((fflush(stdout) != 0 || ferror(stdout)) && rc == 0) {
        fprintf(stderr, "osdctl: standard output: %s\n", strerror(errno));
        rc = EXIT_FAILED;
    }
    return rc;
}
