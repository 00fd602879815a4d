/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_secmgr.c - acl, group, secmgr, and the part of key that asks a security
 * manager
 *
 * With --json the data of the manager's reply is the data of the document.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/number.h"
#include "verbs.h"

#define PATH_MAX_LEN  200
#define MASTER_DIGITS 80
#define PRINCIPAL_MAX 256

/* ---- requests ---- */

struct osd_options secmgr_options(const struct options *o)
{
    return (struct osd_options){.secmgr = o->secmgr,
                                .secmgr_ca = o->secmgr_ca,
                                .secmgr_cert = o->secmgr_cert,
                                .secmgr_key = o->secmgr_key};
}

/* The data of the reply, or NULL and *ret_rc the exit code. The body's reference is taken. */
static json_t *request(const struct options *o, const char *method, const char *path,
                       json_t *body, int *ret_rc)
{
    const struct osd_options so = secmgr_options(o);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL, *reply = NULL;
    json_t *doc, *data = NULL;
    osd_status st;

    json_decref(body);
    if (!o->secmgr) {
        *ret_rc = usage_error("no security manager: give --secmgr URL or set OSD_SECMGR");
        free(text);
        return NULL;
    }
    st = osd_secmgr_request(&so, method, path, text, &reply);
    doc = st ? NULL : json_loads(reply ? reply : "", 0, NULL);
    if (doc)
        data = json_incref(json_object_get(doc, "data"));
    json_decref(doc);
    free(reply);
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
    if (!data)
        *ret_rc = st ? fail(st)
                     : fail_with(OSD_E_PROTOCOL, "the security manager's reply is not JSON");
    return data;
}

static const char *text_of(const json_t *o, const char *name)
{
    const char *s = json_string_value(json_object_get(o, name));

    return s ? s : "";
}

/* A request whose reply has nothing to show. What it takes away must have ended. */
static int change(const struct options *o, const char *method, const char *path, json_t *body)
{
    int rc = 0;
    json_t *data = request(o, method, path, body, &rc);

    if (!data)
        return rc;
    if (strcmp(text_of(data, "revocation"), "pending") != 0)
        return succeed(data);
    rc = fail_with(OSD_E_UNREACHABLE,
                   "the change is made, but credentials given out before are still good: %s; "
                   "they end when the device answers the security manager, or expire",
                   text_of(data, "message"));
    json_decref(data);
    return rc;
}

/* "/v1/osds/NAME/rest", if the name can stand in a path. */
static bool osd_path(char dst[PATH_MAX_LEN], const char *name, const char *rest)
{
    static const char good[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";

    return name[0] && name[strspn(name, good)] == 0 &&
           snprintf(dst, PATH_MAX_LEN, "/v1/osds/%s%s", name, rest) < PATH_MAX_LEN;
}

static int bad_name(const char *name)
{
    return usage_error("\"%s\" is no name of a device: letters, digits, _ . -", name);
}

/* ---- words ---- */

/* "root", PID, PID/OID, collection:PID/OID */
static json_t *parse_place(const char *s)
{
    bool collection = strncmp(s, "collection:", 11) == 0;
    char pid[24], oid[24];
    struct target t;

    if (strcmp(s, "root") == 0)
        return json_pack("{s:s}", "type", "root");
    if (!parse_target(s + (collection ? 11 : 0), &t) || (collection && !t.oid))
        return NULL;
    snprintf(pid, sizeof(pid), "0x%" PRIx64, t.pid);
    snprintf(oid, sizeof(oid), "0x%" PRIx64, t.oid);
    if (!t.oid)
        return json_pack("{s:s, s:s}", "type", "partition", "pid", pid);
    return json_pack("{s:s, s:s, s:s}", "type", collection ? "collection" : "object", "pid",
                     pid, "oid", oid);
}

/* "user:NAME" is the uid of a user here; all else is the manager's to judge. */
static bool put_principal(json_t *rule, const char *s)
{
    const struct passwd *pw;
    char text[PRINCIPAL_MAX];

    if (strncmp(s, "user:", 5) == 0) {
        pw = getpwnam(s + 5);
        if (!pw)
            return false;
        snprintf(text, sizeof(text), "uid:%u", (unsigned)pw->pw_uid);
        s = text;
    }
    return json_object_set_new(rule, "principal", json_string(s)) == 0;
}

/* ---- acl ---- */

static void print_perms(const json_t *list)
{
    size_t i;
    json_t *p;

    if (json_array_size(list) == 0)
        fputs("none", stdout);
    json_array_foreach(list, i, p) printf("%s%s", i ? "," : "", json_string_value(p));
}

static void print_rule(const json_t *r)
{
    const char *type = text_of(r, "type"), *pid = text_of(r, "pid"), *oid = text_of(r, "oid");
    const json_t *inherit = json_object_get(r, "inherit");
    json_int_t expires = json_integer_value(json_object_get(r, "expires"));

    printf("%s%s%s%s%s  ", strcmp(type, "collection") == 0 ? "collection:" : "",
           pid[0] ? pid : "root", oid[0] ? "/" : "", oid, "");
    print_clean(stdout, text_of(r, "principal"));
    fputs("  ", stdout);
    print_perms(json_object_get(r, "permissions"));
    if (inherit) {
        fputs("  inherit ", stdout);
        print_perms(inherit);
    }
    if (expires) {
        time_t t = (time_t)(expires / 1000);
        char text[40];
        struct tm tm;
        gmtime_r(&t, &tm);
        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        printf("  until %s", text);
    }
    putchar('\n');
}

static int acl_ls(const struct options *o, const char *path)
{
    int rc = 0;
    json_t *data = request(o, "GET", path, NULL, &rc), *r;
    size_t i;

    if (!data)
        return rc;
    if (!json_output)
        json_array_foreach(json_object_get(data, "rules"), i, r) print_rule(r);
    return succeed(data);
}

/* PLACE PRINCIPAL [PERMISSIONS [INHERIT [SECONDS]]] */
static json_t *make_rule(int argc, char **argv)
{
    json_t *rule = parse_place(argv[0]);
    uint64_t seconds = 0;

    if (!rule) {
        usage_error("\"%s\" is not root, PID, PID/OID or collection:PID/OID", argv[0]);
        return NULL;
    }
    if (!put_principal(rule, argv[1])) {
        usage_error("no user \"%s\" here", argv[1]);
        json_decref(rule);
        return NULL;
    }
    if (argc > 2)
        json_object_set_new(rule, "permissions", json_string(argv[2]));
    if (argc > 3 && strcmp(argv[3], "-") != 0)
        json_object_set_new(rule, "inherit", json_string(argv[3]));
    if (argc > 4 && (!osd_number_parse(argv[4], &seconds) || seconds > 100000000000ull)) {
        usage_error("\"%s\" is not a number of seconds", argv[4]);
        json_decref(rule);
        return NULL;
    }
    if (seconds)
        json_object_set_new(
            rule, "expires",
            json_integer(((json_int_t)time(NULL) + (json_int_t)seconds) * 1000));
    return rule;
}

static int acl_change(const struct options *o, const char *path, bool set, int argc,
                      char **argv)
{
    json_t *rule;

    if (set ? argc < 3 || argc > 5 : argc != 2)
        return usage_error("usage: osdctl acl set OSD PLACE PRINCIPAL PERM,... [INHERIT,...|- "
                           "[SECONDS]] | rm OSD PLACE PRINCIPAL");
    rule = make_rule(argc, argv);
    return rule ? change(o, set ? "PUT" : "DELETE", path, rule) : EXIT_USAGE;
}

int verb_acl(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    char path[PATH_MAX_LEN];

    (void)s;
    if (!osd_path(path, argv[1], "/acl"))
        return bad_name(argv[1]);
    if (strcmp(argv[0], "ls") == 0 && argc == 2)
        return acl_ls(o, path);
    if (strcmp(argv[0], "set") == 0 || strcmp(argv[0], "rm") == 0)
        return acl_change(o, path, argv[0][0] == 's', argc - 2, argv + 2);
    return usage_error("\"%s\" is not ls, set or rm", argv[0]);
}

/* ---- group ---- */

static int group_ls(const struct options *o)
{
    int rc = 0;
    json_t *data = request(o, "GET", "/v1/groups", NULL, &rc), *m;
    size_t i;

    if (!data)
        return rc;
    if (!json_output)
        json_array_foreach(json_object_get(data, "members"), i, m)
        {
            printf("%s  ", text_of(m, "group"));
            print_clean(stdout, text_of(m, "principal"));
            putchar('\n');
        }
    return succeed(data);
}

int verb_group(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    char path[PATH_MAX_LEN], name[PATH_MAX_LEN];
    bool add = strcmp(argv[0], "add") == 0;
    json_t *body;

    (void)s;
    if (strcmp(argv[0], "ls") == 0 && argc == 1)
        return group_ls(o);
    if ((!add && strcmp(argv[0], "rm") != 0) || argc != 3)
        return usage_error("usage: osdctl group ls | add GROUP PRINCIPAL | rm GROUP PRINCIPAL");
    if (!osd_path(name, argv[1], "/members"))
        return usage_error("\"%s\" is no name of a group: letters, digits, _ . -", argv[1]);
    snprintf(path, sizeof(path), "/v1/groups/%.150s", name + strlen("/v1/osds/"));
    body = json_object();
    if (!put_principal(body, argv[2])) {
        json_decref(body);
        return usage_error("no user \"%s\" here", argv[2]);
    }
    return change(o, add ? "PUT" : "DELETE", path, body);
}

/* ---- secmgr ---- */

static int secmgr_osds(const struct options *o)
{
    int rc = 0;
    json_t *data = request(o, "GET", "/v1/osds", NULL, &rc), *d;
    size_t i;

    if (!data)
        return rc;
    if (!json_output)
        json_array_foreach(json_object_get(data, "osds"), i, d)
            printf("%s  %s  %s  %s  %s\n", text_of(d, "name"), text_of(d, "osd_id"),
                   text_of(d, "method"),
                   text_of(d, "icv_algorithm")[0] ? text_of(d, "icv_algorithm") : "-",
                   text_of(d, "url"));
    return succeed(data);
}

static int secmgr_status(const struct options *o)
{
    int rc = 0;
    json_t *data = request(o, "GET", "/v1/status", NULL, &rc), *v;
    const char *name;

    if (!data)
        return rc;
    if (!json_output)
        json_object_foreach(data, name, v)
        {
            if (json_is_string(v))
                printf("%-13s %s\n", name, json_string_value(v));
            else
                printf("%-13s %" JSON_INTEGER_FORMAT "\n", name, json_integer_value(v));
        }
    return succeed(data);
}

int verb_secmgr(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    (void)s;
    (void)argc;
    if (strcmp(argv[0], "status") == 0)
        return secmgr_status(o);
    if (strcmp(argv[0], "osds") == 0)
        return secmgr_osds(o);
    return usage_error("\"%s\" is not status or osds", argv[0]);
}

/* ---- key ---- */

static int key_ls(const struct options *o, const char *name)
{
    char path[PATH_MAX_LEN];
    int rc = 0;
    json_t *data, *k;
    size_t i;

    if (!osd_path(path, name, "/keys"))
        return bad_name(name);
    data = request(o, "GET", path, NULL, &rc);
    if (!data)
        return rc;
    if (!json_output)
        json_array_foreach(json_object_get(data, "partitions"), i, k)
            printf("%s  %s  version %" JSON_INTEGER_FORMAT "\n", text_of(k, "pid"),
                   json_is_true(json_object_get(k, "ready")) ? "ready" : "not set up",
                   json_integer_value(json_object_get(k, "key_version")));
    return succeed(data);
}

/* OSD [PID], or to revoke: OSD [PID[/OID] | collection:PID/OID] */
static int key_rotate(const struct options *o, bool revoke, int argc, char **argv)
{
    json_t *place = argc > 1 ? parse_place(argv[1]) : json_object(), *body;
    const char *type = text_of(place, "type");
    char path[PATH_MAX_LEN];
    int rc;

    if (!osd_path(path, argv[0], "/keys/rotate")) {
        rc = bad_name(argv[0]);
    } else if (!place || strcmp(type, "root") == 0 ||
               (!revoke && json_object_get(place, "oid"))) {
        rc = usage_error("\"%s\" is not %s", argv[1],
                         revoke ? "PID, PID/OID or collection:PID/OID" : "a partition");
    } else {
        body = json_pack("{s:b}", "revoke", revoke);
        if (strcmp(type, "collection") == 0)
            json_object_set_new(body, "collection", json_true());
        json_object_del(place, "type");
        json_object_update(body, place);
        rc = change(o, "POST", path, body);
    }
    json_decref(place);
    return rc;
}

static const char *const methods[] = {"capkey", "cmdrsp", "alldata"};

/* NAME URL FILE */
static int key_enrol(const struct options *o, char **argv)
{
    char text[MASTER_DIGITS + 2] = "";
    json_t *body;
    ssize_t n;
    int fd;

    if (o->method < 0)
        return usage_error("there are no credentials for nosec: capkey, cmdrsp or alldata");
    fd = open_input(argv[2]);
    if (fd < 0)
        return fail_errno(argv[2]);
    n = read_full(fd, text, sizeof(text) - 1);
    close(fd);
    text[strcspn(text, "\n")] = 0;
    if (n < MASTER_DIGITS || strlen(text) != MASTER_DIGITS)
        return fail_with(OSD_E_INVALID, "%s: a master key has 80 hexadecimal digits", argv[2]);
    body = json_pack("{s:s, s:s, s:s}", "name", argv[0], "url", argv[1], "master_key", text);
    explicit_bzero(text, sizeof(text));
    if (o->method > 0)
        json_object_set_new(body, "method", json_string(methods[o->method - 1]));
    return change(o, "POST", "/v1/osds", body);
}

static int key_simple(const struct options *o, const char *method, const char *name,
                      const char *rest, json_t *body)
{
    char path[PATH_MAX_LEN];

    if (!osd_path(path, name, rest)) {
        json_decref(body);
        return bad_name(name);
    }
    return change(o, method, path, body);
}

int key_with_manager(const struct options *o, int argc, char **argv)
{
    const char *what = argv[0];

    if (strcmp(what, "ls") == 0 && argc == 2)
        return key_ls(o, argv[1]);
    if ((strcmp(what, "rotate") == 0 || strcmp(what, "revoke") == 0) && argc >= 2 && argc <= 3)
        return key_rotate(o, what[1] == 'e', argc - 1, argv + 1);
    if (strcmp(what, "enrol") == 0 && argc == 4)
        return key_enrol(o, argv + 1);
    if (strcmp(what, "reenrol") == 0 && argc == 2)
        return key_simple(o, "POST", argv[1], "/enrol", json_pack("{s:b}", "new_master", 1));
    if (strcmp(what, "forget") == 0 && argc == 2)
        return key_simple(o, "DELETE", argv[1], "", NULL);
    return usage_error("usage: osdctl key install [PID]... | ls OSD | rotate OSD [PID] | "
                       "revoke OSD [PID[/OID]] | "
                       "enrol NAME URL FILE | reenrol OSD | forget OSD");
}
