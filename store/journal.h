/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store/journal.h - a log of what is committed, in two files that take turns
 *
 * A record has a number, one more than the one before it. Once it is written it outlives the process, and a
 * loss of power once it is synced. Once whoever reads the log has the content elsewhere, and durably, its
 * place is used again.
 *
 * On disk: length of the record (32 bits), number (64), CRC32C of the record (32), CRC32C of these
 * 16 bytes (32), big-endian, then the record, one after another from the start of a file. What
 * follows the last one is from earlier use: its number does not go on. Somebody may have made it up, who must
 * not know the numbers (JOURNAL_LEAP).
 *
 * Invariants:
 *  (1) Records lie in the order of their numbers, and are found up to the first that is not whole.
 *      One is written when those before it are: then it is found, as they are.
 *  (2) A file is written from its start only when all it held was released.
 *  (3) After a write or a sync that failed no record counts as written any more.
 *  (4) A file that cannot be mapped, or is not ready, takes records all the same, by system calls.
 */
#ifndef STORE_JOURNAL_H
#define STORE_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "common/thread.h"
#include "osd/status.h"

/** So many records are being copied at a time, at most. When the process dies one of them may not be whole,
 *  while some behind it are, less than this: nobody was told that these are written. */
#define JOURNAL_AT_ONCE OSD_PLACES

/** Whoever begins a journal anew lets its numbers begin at least so far behind those it had, and less than so
 *  much farther, by chance: clients choose what is in records, and could invent the one that comes next. No
 *  journal has so many records. */
#define JOURNAL_LEAP (1ULL << 32)

struct journal;

/** A record that was found, in the order of the numbers. Another status than OSD_OK ends it. */
typedef osd_status (*journal_visit)(void *arg, uint64_t number, const void *data, size_t len);

/** What lies in the files of a journal, read once for all questions about it. */
struct journal_files;

/** Changes nothing; a directory that is not there holds no records. OSD_E_IO, OSD_E_NOMEM. */
osd_status journal_read(const char *dir, struct journal_files **ret);

/** NULL is allowed. */
void journal_files_free(struct journal_files *files);

/**
 * Show the records after number `after`.
 *
 * @return OSD_OK, or what visit returned. *ret_last is the number of the last one shown, or after.
 */
osd_status journal_replay(const struct journal_files *files, uint64_t after,
                          journal_visit visit, void *arg, uint64_t *ret_last);

/** The least number beyond `after` of a record in the files; 0: there is none. When it is not the next
 *  one, a replay shows nothing. */
uint64_t journal_first(const struct journal_files *files, uint64_t after);

/** The numbers of the first record of each file; 0: it begins with none. */
void journal_begins(const struct journal_files *files, uint64_t ret[2]);

/** The greatest number beyond `after` in the head of a record, wherever in the files it lies, but not
 *  inside of another one that is whole; 0: there is none. What a replay does not show of these is behind
 *  damage. */
uint64_t journal_beyond(const struct journal_files *files, uint64_t after);

/**
 * Begin an empty journal in dir, which is made if it is absent, in place of what it held: the
 * caller has all of that elsewhere, and `last`, durably. The first record gets number last + 1. A file of more than
 * file_len bytes (0: 8 MiB) is left for the other one, if that is free. Who keeps up with making it ready has
 * records copied into up to twice as much.
 */
osd_status journal_open(const char *dir, uint64_t last, uint64_t file_len,
                        struct journal **ret);

/** What of the files is ready and not used is given back. NULL is allowed. */
void journal_close(struct journal *j);

/** The checksum that journal_add() takes: of all bytes of the pieces. */
uint32_t journal_crc(const struct iovec *v, int n);

/** Add a record. Returns its number; whether it is written journal_written() tells. 0 without memory, and
 *  when it has 4 GiB or more. Any thread; several copy at once. */
uint64_t journal_add(struct journal *j, const struct iovec *v, int n, uint32_t crc);

/** The number of the last record added. Any thread. */
uint64_t journal_last(struct journal *j);

/** Wait for those who add records up to this number, which is journal_last() or less, and tell whether
 *  these are in the files. Otherwise OSD_E_NO_SPACE or another reason why that one is not, OSD_E_IO for
 *  those after it. Any thread. */
osd_status journal_written(struct journal *j, uint64_t upto);

/** Everything added before is on stable storage. One thread at a time. After one that failed all do. */
osd_status journal_sync(struct journal *j);

/** Records up to this number are not needed any more. Any thread. */
void journal_release(struct journal *j, uint64_t upto);

/** Have blocks and pages of the files ready some way ahead of what is written, and when it is crowded twice as
 *  much behind the end of a file as was needed there before. The first of them are when the journal is open;
 *  without them adding costs more. Any thread; one that finds another at it leaves it to that. */
void journal_make_ready(struct journal *j);

/** Whether it is time for journal_make_ready(), or it is crowded. Costs nothing. Any thread. */
bool journal_calls(struct journal *j);

/** Whether it is time to release what has been written: the files grow otherwise. Any thread. */
bool journal_crowded(struct journal *j);

#endif
