/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/exchange.c - see exchange.h
 */
#include "exchange.h"

#include <openssl/crypto.h>

#include "common/clock.h"
#include "common/cond.h"

void exchange_init(struct exchange *x)
{
    *x = (struct exchange){.lifetime = EXCHANGE_MS};
    pthread_mutex_init(&x->lock, NULL);
    osd_cond_init(&x->bell);
}

void exchange_end(struct exchange *x)
{
    OPENSSL_cleanse(x->secret, sizeof(x->secret));
    x->len = 0;
}

bool exchange_lives(const struct exchange *x)
{
    return x->len > 0 && osd_monotonic_ms() < x->deadline;
}

static void *watch(void *arg)
{
    struct exchange *x = arg;

    pthread_mutex_lock(&x->lock);
    while (!x->stop && exchange_lives(x))
        osd_cond_wait_until(&x->bell, &x->lock, x->deadline);
    exchange_end(x);
    x->watched = false;
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

/* The thread of an exchange before may still be there, and then sees the new deadline. */
static osd_status start_watching(struct exchange *x)
{
    if (x->watched)
        return OSD_OK;
    if (x->to_join)
        pthread_join(x->thread, NULL); /* it has given the lock back */
    x->watched = x->to_join = pthread_create(&x->thread, NULL, watch, x) == 0;
    return x->watched ? OSD_OK : OSD_E_NOMEM;
}

osd_status exchange_begin(struct exchange *x)
{
    osd_status st;

    x->deadline = osd_monotonic_ms() + x->lifetime;
    st = start_watching(x);
    if (st == OSD_OK)
        st = osd_dh_make(x->group, x->secret, x->device);
    if (st)
        exchange_end(x);
    return st;
}

void exchange_destroy(struct exchange *x)
{
    pthread_mutex_lock(&x->lock);
    x->stop = true;
    pthread_cond_signal(&x->bell);
    pthread_mutex_unlock(&x->lock);
    if (x->to_join)
        pthread_join(x->thread, NULL);
    pthread_cond_destroy(&x->bell);
    pthread_mutex_destroy(&x->lock);
    OPENSSL_cleanse(x, sizeof(*x));
}
