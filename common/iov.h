/* SPDX-License-Identifier: Apache-2.0 */
/*
 * common/iov.h - one logical buffer made of several pieces, read and written by offset
 *
 * Invariants:
 *  (1) len is the sum of the pieces' lengths.
 *  (2) Copies are clipped at len; nothing outside the pieces is touched.
 * The pieces belong to the caller and outlive the struct.
 */
#ifndef COMMON_IOV_H
#define COMMON_IOV_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct osd_iov {
    const struct iovec *v;
    int n;
    uint64_t len;
};

/** Wrap n pieces; computes len. */
struct osd_iov osd_iov_make(const struct iovec *v, int n);

/** Copy up to len bytes out of iov from offset off. Returns the bytes copied. */
size_t osd_iov_read(const struct osd_iov *iov, uint64_t off, void *dst, size_t len);

/** Copy up to len bytes into iov at offset off. Returns the bytes copied. */
size_t osd_iov_write(const struct osd_iov *iov, uint64_t off, const void *src, size_t len);

/** Zero the bytes off..off+len-1, clipped. */
void osd_iov_zero(const struct osd_iov *iov, uint64_t off, uint64_t len);

/**
 * Sub-range of an iov as pieces of its own.
 *
 * @param ret_v room for max_n pieces; iov->n pieces always suffice.
 * @return number of pieces written, at most max_n; the range is clipped to iov.
 */
int osd_iov_slice(const struct osd_iov *iov, uint64_t off, uint64_t len, struct iovec *ret_v,
                  int max_n);

#endif
