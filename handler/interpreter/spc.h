/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handler/interpreter/spc.h - commands every SCSI device answers, alone or inside PERFORM SCSI
 * COMMAND
 */
#ifndef INTERPRETER_SPC_H
#define INTERPRETER_SPC_H

#include "command.h"

#define SPC_DATA_MAX  (64 * KIB) /* longest answer: all operation codes */
#define SPC_PARAM_MAX 4096       /* longest parameter list that is taken */

/** One command under way. The caller fills the first group. */
struct spc {
    struct osd_device *dev;
    const uint8_t *cdb;
    const struct osd_iov *out;
    uint64_t out_off;    /* where the parameter list begins */
    bool direct;         /* not inside PERFORM SCSI COMMAND: no capability has been seen */
    struct osd_writer w; /* the answer, SPC_DATA_MAX bytes */

    uint32_t alloc;        /* allocation length */
    enum fault_kind fault; /* FAULT_NONE: it went well */
    uint16_t field;        /* byte of the CDB or of the parameter list */
};

/** Look the command up and run it; cdb_len is what there is of the CDB. False, with the fault
 *  filled, when it fails; FAULT_OPCODE when there is no such command. */
bool spc_run(struct spc *s, size_t cdb_len);

/** Note a fault; returns false. */
bool spc_bad(struct spc *s, enum fault_kind kind, uint16_t field);

/* spc_control.c */
bool spc_mode_sense(struct spc *s);
bool spc_mode_select(struct spc *s);
bool spc_log_sense(struct spc *s);
bool spc_send_diagnostic(struct spc *s);
bool spc_receive_diagnostic(struct spc *s);
bool spc_start_stop(struct spc *s);
bool spc_prevent_allow(struct spc *s);

#endif
