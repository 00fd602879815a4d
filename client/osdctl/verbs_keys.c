/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs_keys.c - keys of the device, credentials
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/number.h"
#include "security/names.h"
#include "verbs.h"

#define CREDENTIAL_MAX  1024
#define DEFAULT_SECONDS 3600
#define MAX_SECONDS     (100ull * 366 * 24 * 3600)

/* ---- key ---- */

int verb_key(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    uint64_t pid;
    osd_status st;

    if (!s)
        return key_with_manager(o, argc, argv);
    if (!o->key)
        return usage_error("keys are made of the device's master key: give --key FILE");
    for (int i = 1; i < argc; i++)
        if (!osd_number_parse(argv[i], &pid))
            return usage_error("\"%s\" is not a partition", argv[i]);
    if ((st = osd_install_keys(s, 0)))
        return fail(st);
    for (int i = 1; i < argc; i++)
        if (osd_number_parse(argv[i], &pid) && (st = osd_install_keys(s, pid)))
            return fail(st);
    return succeed(json_object());
}

/* ---- credential ---- */

/* "all" is a word like others here. */
static uint16_t permission(const char *name, size_t len)
{
    return len == 3 && strncmp(name, "all", 3) == 0 ? osd_permissions_all()
                                                    : osd_permission_by_name(name, len);
}

/* Names with commas between them. */
static bool parse_permissions(const char *s, uint16_t *ret)
{
    *ret = 0;
    for (;;) {
        size_t len = strcspn(s, ",");
        uint16_t bits = permission(s, len);
        if (!bits)
            return false;
        *ret |= bits;
        if (!s[len])
            return true;
        s += len + 1;
    }
}

/* A new file that nobody else may read. */
static int write_secret(const char *path, const char *text)
{
    size_t len = strlen(text);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    bool good;

    if (fd < 0)
        return fail_errno(path);
    errno = ENOSPC;
    good = write(fd, text, len) == (ssize_t)len;
    good = close(fd) == 0 && good;
    if (good)
        return 0;
    unlink(path);
    return fail_errno(path);
}

int verb_credential(const struct options *o, struct osd_session *s, int argc, char **argv)
{
    struct osd_allowance a = {0};
    uint64_t seconds = DEFAULT_SECONDS;
    char text[CREDENTIAL_MAX];
    struct target t;
    osd_status st;
    int rc;

    if (strcmp(argv[0], "mint") != 0)
        return usage_error("\"%s\" is not mint", argv[0]);
    if (!o->key)
        return usage_error(
            "credentials are made with the device's master key: give --key FILE");
    if (!parse_target(argv[2], &t))
        return usage_error("\"%s\" is not PID or PID/OID", argv[2]);
    if (!parse_permissions(argv[3], &a.permissions))
        return usage_error("\"%s\": permissions are read, write, append, create, remove, "
                           "get-attr, set-attr, obj-mgmt, dev-mgmt, global, pol-sec, m-object, "
                           "query, gbl-rem, all",
                           argv[3]);
    if (argc > 4 &&
        (!osd_number_parse(argv[4], &seconds) || seconds == 0 || seconds > MAX_SECONDS))
        return usage_error("\"%s\" is not a number of seconds", argv[4]);
    a.pid = t.pid;
    a.oid = t.oid;
    a.expires_ms = ((uint64_t)time(NULL) + seconds) * 1000;
    st = osd_mint(s, &a, text, sizeof(text));
    if (st)
        return fail(st);
    rc = write_secret(argv[1], text);
    explicit_bzero(text, sizeof(text));
    return rc ? rc
              : succeed(json_pack("{s:s,s:I}", "file", argv[1], "expires",
                                  (json_int_t)a.expires_ms));
}
