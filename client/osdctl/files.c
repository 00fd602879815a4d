/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/files.c - whole reads and writes of local files, "-" for the standard streams
 *
 * Invariant: no file that is opened later gets the number of a standard stream; what is meant
 * for a closed standard output would end up in the store's files.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "osdctl.h"

void hold_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 &&
            open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            abort();
}

bool is_output(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

ssize_t read_full(int fd, void *buf, size_t len)
{
    size_t done = 0;

    while (done < len) {
        ssize_t n = read(fd, (char *)buf + done, len - done);
        if (n < 0 && errno == EINTR && !interrupted())
            continue;
        if (n < 0)
            return -1;
        if (n == 0)
            break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

bool write_full(int fd, const void *buf, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = write(fd, (const char *)buf + done, len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

const char *input_name(const char *name)
{
    return strcmp(name, "-") == 0 ? "standard input" : name;
}

const char *output_name(const char *name)
{
    return strcmp(name, "-") == 0 ? "standard output" : name;
}

int open_input(const char *name)
{
    struct stat st;
    int fd;

    if (strcmp(name, "-") == 0)
        return dup(STDIN_FILENO);
    fd = open(name, O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode)) {
        close(fd);
        errno = EISDIR;
        return -1;
    }
    return fd;
}

int open_output(const char *name, bool *ret_new)
{
    int fd;

    *ret_new = false;
    if (strcmp(name, "-") == 0)
        return dup(STDOUT_FILENO);
    fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    *ret_new = fd >= 0;
    if (fd < 0 && errno == EEXIST)
        fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return fd;
}
