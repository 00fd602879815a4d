/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/spread.c - see spread.h
 */
#include "store/spread.h"

void rwlock_init_fair(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t attr;

    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(lock, &attr);
    pthread_rwlockattr_destroy(&attr);
}

void spread_init(struct spread_lock *l)
{
    for (unsigned i = 0; i < OSD_PLACES; i++)
        rwlock_init_fair(&l->place[i].lock);
}

void spread_destroy(struct spread_lock *l)
{
    for (unsigned i = 0; i < OSD_PLACES; i++)
        pthread_rwlock_destroy(&l->place[i].lock);
}

void spread_read(struct spread_lock *l)
{
    pthread_rwlock_rdlock(&l->place[osd_thread_place()].lock);
}

void spread_read_end(struct spread_lock *l)
{
    pthread_rwlock_unlock(&l->place[osd_thread_place()].lock);
}

void spread_write(struct spread_lock *l)
{
    for (unsigned i = 0; i < OSD_PLACES; i++)
        pthread_rwlock_wrlock(&l->place[i].lock);
}

void spread_write_end(struct spread_lock *l)
{
    for (unsigned i = OSD_PLACES; i-- > 0;)
        pthread_rwlock_unlock(&l->place[i].lock);
}
