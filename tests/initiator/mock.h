/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/mock.h - a target that follows a script, for what real targets do not do
 *
 * A script runs in its own thread on one end of a connection. Its checks do not fail the test
 * at once (cmocka cannot jump out of a foreign thread): they note the first failure, hang up
 * and end the script; mock_stop() hands the note to the test.
 */
#ifndef TESTS_INITIATOR_MOCK_H
#define TESTS_INITIATOR_MOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "initiator/initiator_internal.h"

struct mock {
    int fd, listen_fd;
    int port;
    pthread_t thread;
    void (*script)(struct mock *m);
    void *arg; /* the test's own */
    char failure[300];
    bool data_digest;
    uint32_t stat_sn, exp_cmd_sn, max_cmd_sn;
    /* the PDU received last */
    uint8_t bhs[ISC_BHS_LEN], ahs[1024], data[1 << 20];
    size_t ahs_len, len;
};

/** Note a failure and end the script. */
_Noreturn void mock_fail(struct mock *m, const char *file, int line, const char *what);
#define MOCK_CHECK(m, cond)                                                                    \
    do {                                                                                       \
        if (!(cond))                                                                           \
            mock_fail(m, __FILE__, __LINE__, #cond);                                           \
    } while (0)

/** Receive a PDU and check its opcode (pings are answered on the way unless wanted). */
void mock_expect(struct mock *m, enum isc_opcode opcode);

/** Receive a PDU if one comes within ms. */
bool mock_receive(struct mock *m, int ms);

/** Start a PDU to the initiator with current numbers; takes_sn: it uses up a StatSN. */
void mock_begin(struct mock *m, uint8_t bhs[ISC_BHS_LEN], uint8_t opcode, uint8_t flags,
                uint32_t itt, bool takes_sn);

/** Send it with data, padded and with digest when on. */
void mock_send(struct mock *m, uint8_t *bhs, const void *data, size_t len);

/** SCSI Response to the command tagged itt. */
void mock_respond(struct mock *m, uint32_t itt, uint8_t status, const void *sense, size_t len);

/** Send these bytes as they are. */
void mock_raw(struct mock *m, const void *data, size_t len);

/** Wait for a connection on the listening socket (at most 10 s). */
void mock_accept(struct mock *m);
/** Hang up. */
void mock_hang_up(struct mock *m);
/** Accept whatever login comes, with these operational keys (NUL-separated, or NULL). */
void mock_login(struct mock *m, const char *keys, size_t keys_len);
/** Answer the login PDU received last. */
void mock_login_answer(struct mock *m, uint8_t flags, uint16_t status, const void *text,
                       size_t len);
/** Receive until the initiator hangs up; a logout is answered. */
void mock_until_closed(struct mock *m);

/** Run a script on a socket pair; *ret_link is the initiator's end, ready for a session. */
struct mock *mock_start_pair(void (*script)(struct mock *m), void *arg,
                             struct isc_link *ret_link);
/** Run a script that accepts connections on 127.0.0.1, m->port. */
struct mock *mock_start_tcp(void (*script)(struct mock *m), void *arg);
/** Wait for the script's end, free. Returns false and prints the note if a check failed. */
bool mock_stop(struct mock *m);

#endif
