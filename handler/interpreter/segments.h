/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/segments.h - where the parts of a command lie in Data-Out and Data-In
 */
#ifndef INTERPRETER_SEGMENTS_H
#define INTERPRETER_SEGMENTS_H

#include "command.h"

#define ATTR_LIST_MAX (4 * MIB) /* longest attribute list or continuation segment */

/**
 * Find the segments (reference 1.5-1.7), check that they lie inside the buffers and apart from
 * each other, and bring lists and values into one piece. Fills sets, gets, data_off,
 * continuation, set_list, get_list. check_in false leaves Data-In unchecked (staged commands).
 */
osd_status segments_plan(struct command *c, bool check_in);

/** Free what segments_plan() and the attribute phases allocated. */
void segments_free(struct command *c);

/** A range of Data-In as one piece of memory, in place when it lies in one piece. */
struct in_window {
    struct osd_writer w;
    uint64_t off;
    void *copy; /* NULL: in place */
};

/** Open [off, off+len) of Data-In, clipped to it. OSD_E_NOMEM. */
osd_status in_window_open(struct command *c, uint64_t off, uint64_t len, struct in_window *ret);

/** Bring the bytes written so far home; returns how many they are. */
uint64_t in_window_close(struct command *c, struct in_window *iw);

/** Zero what the command has not filled (everything unless ok); returns in_len. */
uint64_t segments_finish(struct command *c, bool ok);

#endif
