/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/iov.c - see iov.h; every walk goes through osd_iov_slice-like stepping with clipping
 */
#include "common/iov.h"

#include <string.h>

struct osd_iov osd_iov_make(const struct iovec *v, int n)
{
    struct osd_iov iov = {.v = v, .n = n};

    for (int i = 0; i < n; i++)
        iov.len += v[i].iov_len;
    return iov;
}

/* The walk shared by all operations: calls step on each contiguous part of the range. */
typedef void (*step_fn)(void *part, size_t len, size_t done, void *arg);

static size_t walk(const struct osd_iov *iov, uint64_t off, uint64_t len, step_fn step,
                   void *arg)
{
    size_t done = 0;

    for (int i = 0; i < iov->n && done < len; i++) {
        size_t piece = iov->v[i].iov_len;

        if (off >= piece) {
            off -= piece;
            continue;
        }
        size_t take = piece - (size_t)off;
        if (take > len - done)
            take = (size_t)(len - done);
        step((uint8_t *)iov->v[i].iov_base + off, take, done, arg);
        done += take;
        off = 0;
    }
    return done;
}

static void step_read(void *part, size_t len, size_t done, void *arg)
{
    memcpy((uint8_t *)arg + done, part, len);
}

static void step_write(void *part, size_t len, size_t done, void *arg)
{
    memcpy(part, (const uint8_t *)arg + done, len);
}

static void step_zero(void *part, size_t len, size_t done, void *arg)
{
    (void)done;
    (void)arg;
    memset(part, 0, len);
}

size_t osd_iov_read(const struct osd_iov *iov, uint64_t off, void *dst, size_t len)
{
    return walk(iov, off, len, step_read, dst);
}

size_t osd_iov_write(const struct osd_iov *iov, uint64_t off, const void *src, size_t len)
{
    return walk(iov, off, len, step_write, (void *)src);
}

void osd_iov_zero(const struct osd_iov *iov, uint64_t off, uint64_t len)
{
    walk(iov, off, len, step_zero, NULL);
}

struct slice {
    struct iovec *v;
    int n, max;
};

static void step_slice(void *part, size_t len, size_t done, void *arg)
{
    struct slice *s = arg;

    (void)done;
    if (s->n < s->max)
        s->v[s->n++] = (struct iovec){.iov_base = part, .iov_len = len};
}

int osd_iov_slice(const struct osd_iov *iov, uint64_t off, uint64_t len, struct iovec *ret_v,
                  int max_n)
{
    struct slice s = {.v = ret_v, .max = max_n};

    walk(iov, off, len, step_slice, &s);
    return s.n;
}
