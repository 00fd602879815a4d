/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/suite.h - the parts of the conformance suite
 *
 * Every part is a function that runs its group on the chosen store and returns how many tests
 * failed.
 */
#ifndef TESTS_STORE_SUITE_H
#define TESTS_STORE_SUITE_H

int suite_objects(void);
int suite_data(void);
int suite_attrs(void);
int suite_quota(void);
int suite_txn(void);
int suite_device(void);
int suite_threads(void);
int suite_fault(void);
int suite_model(void);
int suite_members(void);
int suite_persist(void);
int suite_small(void);
int suite_duplicate(void);
int suite_index(void);

#endif
