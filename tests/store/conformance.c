/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/store/conformance.c - what store.h promises, held against one implementation
 *
 * usage: conformance memory|rocksdb|rocksdb-idle [part]
 */
#include <stdio.h>
#include <string.h>

#include "rig.h"
#include "suite.h"

static const struct part {
    const char *name;
    int (*run)(void);
} parts[] = {
    {"objects", suite_objects},     {"data", suite_data},       {"attrs", suite_attrs},
    {"quota", suite_quota},         {"txn", suite_txn},         {"device", suite_device},
    {"threads", suite_threads},     {"persist", suite_persist}, {"fault", suite_fault},
    {"model", suite_model},         {"members", suite_members}, {"small", suite_small},
    {"duplicate", suite_duplicate}, {"index", suite_index},
};

int main(int argc, char **argv)
{
    int failed = 0;

    if (argc < 2) {
        fprintf(stderr, "usage: %s memory|rocksdb|rocksdb-idle [part]\n", argv[0]);
        return 2;
    }
    rig_choose(argv[1]);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        if (argc < 3 || strcmp(argv[2], parts[i].name) == 0)
            failed += parts[i].run();
    return failed ? 1 : 0;
}
