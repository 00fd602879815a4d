/* SPDX-License-Identifier: Apache-2.0 */
/*
 * security/keyfile.c - see keyfile.h
 */
#include "keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hex.h"

#define DIGITS   (2 * OSD_MASTER_LEN)
#define FILE_MAX 256 /* digits and white space */

static osd_status __attribute__((format(printf, 4, 5)))
explain(osd_status st, char *why, size_t why_len, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, why_len, fmt, ap);
    va_end(ap);
    return st;
}

static osd_status by_errno(int error)
{
    switch (error) {
    case ENOENT:
        return OSD_E_NOT_FOUND;
    case EEXIST:
        return OSD_E_EXISTS;
    case EACCES:
    case EPERM:
    case EROFS:
        return OSD_E_DENIED;
    case ENOSPC:
    case EDQUOT:
        return OSD_E_NO_SPACE;
    default:
        return OSD_E_IO;
    }
}

/* Digits of a text with white space before and after them only. */
static osd_status parse(const char *text, uint8_t ret[OSD_MASTER_LEN])
{
    const char *p = text + strspn(text, " \t\r\n");

    if (!osd_hex_parse(p, ret, OSD_MASTER_LEN))
        return OSD_E_INVALID;
    p += DIGITS;
    return p[strspn(p, " \t\r\n")] ? OSD_E_INVALID : OSD_OK;
}

static osd_status read_open(int fd, const char *path, char *text, size_t cap, char *why,
                            size_t why_len)
{
    struct stat s;
    ssize_t len;

    if (fstat(fd, &s) || !S_ISREG(s.st_mode))
        return explain(OSD_E_INVALID, why, why_len, "%s is not a file", path);
    if (s.st_mode & 077)
        return explain(OSD_E_DENIED, why, why_len,
                       "%s is open to others (mode %03o): chmod 600 it, and replace the key if "
                       "somebody may have read it",
                       path, s.st_mode & 0777);
    len = read(fd, text, cap - 1);
    if (len < 0)
        return explain(OSD_E_IO, why, why_len, "%s: %s", path, strerror(errno));
    text[len] = 0;
    return OSD_OK;
}

osd_status osd_secret_read(const char *path, char *text, size_t cap, char *why, size_t why_len)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    osd_status st;

    if (fd < 0)
        return explain(by_errno(errno), why, why_len, "%s: %s", path, strerror(errno));
    st = read_open(fd, path, text, cap, why, why_len);
    close(fd);
    return st;
}

osd_status osd_keyfile_read(const char *path, uint8_t ret[OSD_MASTER_LEN], char *why,
                            size_t why_len)
{
    uint8_t key[OSD_MASTER_LEN];
    char text[FILE_MAX];
    osd_status st = osd_secret_read(path, text, sizeof(text), why, why_len);

    if (st)
        return st;
    st = parse(text, key);
    if (st)
        explain(st, why, why_len, "%s does not hold a master key: %d hexadecimal digits", path,
                DIGITS);
    else
        memcpy(ret, key, sizeof(key));
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(key, sizeof(key));
    return st;
}

/* The name is on stable storage, too. */
static int sync_directory(const char *path)
{
    char dir[4096];
    const char *slash = strrchr(path, '/');
    int fd, rc;

    if (!slash)
        snprintf(dir, sizeof(dir), ".");
    else
        snprintf(dir, sizeof(dir), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    rc = fsync(fd);
    close(fd);
    return rc;
}

osd_status osd_keyfile_make(const char *path, uint8_t ret[OSD_MASTER_LEN], char *why,
                            size_t why_len)
{
    uint8_t key[OSD_MASTER_LEN];
    char text[DIGITS + 2];
    osd_status st = OSD_OK;
    int fd, error;

    if (RAND_priv_bytes(key, sizeof(key)) != 1)
        return explain(OSD_E_IO, why, why_len, "no random bytes for a key");
    fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return explain(by_errno(errno), why, why_len, "%s: %s", path, strerror(errno));
    osd_hex_put(key, sizeof(key), text);
    text[DIGITS] = '\n';
    errno = ENOSPC; /* what a short write means */
    error = write(fd, text, DIGITS + 1) != DIGITS + 1 || fsync(fd) || sync_directory(path)
                ? errno
                : 0;
    close(fd);
    if (error) {
        unlink(path);
        st = explain(by_errno(error), why, why_len, "%s: %s", path, strerror(error));
    } else {
        memcpy(ret, key, sizeof(key));
    }
    OPENSSL_cleanse(text, sizeof(text));
    OPENSSL_cleanse(key, sizeof(key));
    return st;
}
