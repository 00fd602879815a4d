/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/fault.h - a store around a store that fails the Nth call, for tests
 *
 * Raise N from 1 until the operation under test succeeds, and look after every failure whether
 * the content is as before. Everything that is not failed goes to the inner store.
 *
 * Invariants:
 *  (1) close, abort, info and touch never fail and are not counted.
 *  (2) A failed begin begins nothing. A failed commit has aborted. Any other failed call has
 * not reached the inner store and dooms its transaction: its commit aborts and returns the
 *      injected status.
 *  (3) A flush, touch or check by a thread that has a transaction open reaches nothing: flush
 * and check return INVALID, a touch dooms nothing but is lost. Threads: like any store; which
 * call is the Nth is then up to the scheduler.
 */
#ifndef STORE_FAULT_H
#define STORE_FAULT_H

#include "store.h"

/**
 * Wrap a store. Closing the wrapper closes inner. Not armed at first.
 *
 * @return OSD_OK or OSD_E_NOMEM (inner stays open and the caller's).
 */
osd_status store_fault_wrap(struct osd_store *inner, struct osd_store **ret);

/** Fail the nth counted call from now on (1: the next) with status, once. 0 disarms. Resets the
 *  count of store_fault_calls(). */
void store_fault_arm(struct osd_store *s, uint64_t nth, osd_status status);

/** Counted calls since the store was last armed (or wrapped). */
uint64_t store_fault_calls(const struct osd_store *s);

/** Transactions begun and not yet ended: not 0 when a caller forgot one. */
uint64_t store_fault_open_transactions(const struct osd_store *s);

#endif
