/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/conform/request.h - one command line of a script as CDB, Data-Out and room for Data-In
 *
 * What a line does not say is filled as a correct client would: lengths, offsets of the
 * segments, a capability that grants exactly the command. What it says is taken as it stands,
 * right or wrong.
 */
#ifndef CONFORM_REQUEST_H
#define CONFORM_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "common/buf.h"
#include "fields.h"
#include "sign.h"
#include "words.h"

#define CDB_MAX 260

struct request {
    int gen;
    const struct opcode *op;
    uint8_t cdb[CDB_MAX];
    size_t cdb_len;
    struct osd_buf out;
    size_t in_len;       /* room for Data-In */
    size_t in_data;      /* of it for command data, from the start */
    size_t retrieved_at; /* where retrieved attributes are expected */
    bool list_format;
    struct signature sign;
};

/** Build from a line whose variables are replaced. OSD_OK; OSD_E_INVALID or OSD_E_NOMEM with a
 *  sentence in reason. The request is to be freed in either case. facts: NULL when no line is
 *  signed; a line that is gives OSD_E_INVALID then. */
osd_status request_build(const struct words *line, int gen, const struct sign_facts *facts,
                         struct request *ret, char *reason, size_t reason_len);

/** Whether the line is to be signed. */
bool request_signs(const struct words *line);
void request_free(struct request *r);

/** Whether a device need not have the command. */
bool request_is_optional(const struct request *r);

/** Byte of the CDB that a field name ("FIELD" or "FIELD=VALUE") or a number means, -1 when
 *  neither. */
int request_field(const struct request *r, const char *text);

#endif
