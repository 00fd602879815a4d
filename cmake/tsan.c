/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmake/tsan.c - what ThreadSanitizer does not report; linked into every program it instruments
 *
 * librocksdb and its compressors are not instrumented, so what happens inside them cannot be
 * judged: their synchronisation is invisible, and memory they hand from thread to thread looks
 * raced for.
 */
const char *__tsan_default_suppressions(void);

__attribute__((visibility("default"))) const char *__tsan_default_suppressions(void)
{
    return "called_from_lib:librocksdb.so\n"
           "called_from_lib:libsnappy.so\n"
           "called_from_lib:liblz4.so\n"
           "called_from_lib:libzstd.so\n"
           "race:librocksdb.so\n"
           "race:libsnappy.so\n"
           "race:liblz4.so\n"
           "race:libzstd.so\n"
           "race:libstdc++.so\n"
           "race:operator delete\n";
}
