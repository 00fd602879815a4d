/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/expect.h - what a script says of an answer, compared with the answer
 *
 * Sense data, attribute lists and LIST data are read here by tables of this room, not by wire/.
 */
#ifndef CONFORM_EXPECT_H
#define CONFORM_EXPECT_H

#include <stdbool.h>
#include <stdint.h>

#include "request.h"

#define SENSE_MAX 252

struct answer {
    uint8_t status; /* SAM */
    uint8_t sense[SENSE_MAX];
    size_t sense_len;
    struct osd_buf in; /* request.in_len bytes */
    uint64_t in_len;   /* of them carried, as the transport says */
    bool in_process;   /* no transport in between: what is not carried is zero */
};

/** Check what must hold of every answer (reference 7: sense is well formed, names the object;
 *  nothing shows beyond what is carried). False: a sentence in why. */
bool answer_sound(const struct request *r, const struct answer *a, char *why, size_t why_len);

/**
 * Check one expectation line ("->" and what follows, variables replaced).
 *
 * @param vars gets what "save=" names.
 * @return OSD_OK; OSD_E_NOT_FOUND when the answer is another; OSD_E_INVALID when the line is
 *         malformed; why gets a sentence for both.
 */
osd_status expect_check(const struct words *line, const struct request *r,
                        const struct answer *a, struct vars *vars, char *why, size_t why_len);

/** Whether the answer says that the device does not have the command at all. */
bool answer_refuses_command(const struct answer *a);

/** One human line for status and sense. */
void answer_format(const struct answer *a, char *dst, size_t len);

#endif
