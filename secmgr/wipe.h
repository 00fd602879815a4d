/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/wipe.h - memory that held keys as text is wiped when it is freed
 *
 * Replies and requests are JSON texts with capability keys and master keys in them, and so is what
 * jansson makes of them on the way. OSDs' keys as bytes are wiped by whoever made them.
 */
#ifndef SECMGR_WIPE_H
#define SECMGR_WIPE_H

#include <malloc.h>
#include <openssl/crypto.h>
#include <stdlib.h>

#include "common/buf.h"

/** free() for memory of malloc(), wiped before. NULL is allowed. */
static inline void sm_wipe_free(void *p)
{
    if (p)
        OPENSSL_cleanse(p, malloc_usable_size(p));
    free(p);
}

/** osd_buf_free(), wiped before. */
static inline void sm_wipe_buf(struct osd_buf *b)
{
    if (b->data)
        OPENSSL_cleanse(b->data, b->cap);
    osd_buf_free(b);
}

#endif
