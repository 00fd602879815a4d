/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/mock.c - see mock.h
 */
#include "mock.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/crc32c.h"

#define PATIENCE_MS 10000

_Noreturn void mock_fail(struct mock *m, const char *file, int line, const char *what)
{
    snprintf(m->failure, sizeof(m->failure), "%s:%d: %s", file, line, what);
    mock_hang_up(m);
    pthread_exit(NULL);
}

static bool readable(int fd, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    return poll(&p, 1, ms) > 0;
}

static bool read_all(struct mock *m, void *dst, size_t len)
{
    uint8_t *at = dst;

    while (len > 0) {
        ssize_t n = readable(m->fd, PATIENCE_MS) ? recv(m->fd, at, len, 0) : -1;
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

bool mock_receive(struct mock *m, int ms)
{
    uint8_t tail[8];

    if (m->fd < 0 || !readable(m->fd, ms) || !read_all(m, m->bhs, ISC_BHS_LEN))
        return false;
    m->ahs_len = isc_ahs_len(m->bhs);
    m->len = isc_data_len(m->bhs);
    MOCK_CHECK(m, m->len <= sizeof(m->data));
    size_t pad = isc_pad(m->len), digest = m->data_digest && m->len ? 4 : 0;
    if (!read_all(m, m->ahs, m->ahs_len) || !read_all(m, m->data, m->len) ||
        !read_all(m, tail, pad + digest))
        return false;
    if (digest) {
        uint32_t crc = osd_crc32c(osd_crc32c(0, m->data, m->len), tail, pad);
        for (int i = 0; i < 4; i++)
            MOCK_CHECK(m, tail[pad + i] == (uint8_t)(crc >> 8 * i));
    }
    if (isc_opcode(m->bhs) == ISC_COMMAND)
        m->exp_cmd_sn = isc_word(m->bhs, ISC_CMD_SN) + 1;
    return true;
}

void mock_expect(struct mock *m, enum isc_opcode opcode)
{
    uint8_t bhs[ISC_BHS_LEN];

    for (;;) {
        MOCK_CHECK(m, mock_receive(m, PATIENCE_MS));
        if (isc_opcode(m->bhs) == opcode)
            return;
        if (isc_opcode(m->bhs) != ISC_NOP_OUT || isc_word(m->bhs, ISC_ITT) == ISC_NO_TAG) {
            char what[64];
            snprintf(what, sizeof(what), "got PDU %02x, want %02x", isc_opcode(m->bhs), opcode);
            mock_fail(m, __FILE__, __LINE__, what);
        }
        mock_begin(m, bhs, ISC_NOP_IN, ISC_F_FINAL, isc_word(m->bhs, ISC_ITT), true);
        be32_put(bhs + ISC_TTT, ISC_NO_TAG);
        mock_send(m, bhs, NULL, 0);
    }
}

void mock_begin(struct mock *m, uint8_t bhs[ISC_BHS_LEN], uint8_t opcode, uint8_t flags,
                uint32_t itt, bool takes_sn)
{
    isc_pdu_start(bhs, opcode, flags, itt);
    be32_put(bhs + ISC_STAT_SN, takes_sn ? m->stat_sn++ : m->stat_sn);
    be32_put(bhs + ISC_EXP_CMD_SN, m->exp_cmd_sn);
    be32_put(bhs + ISC_MAX_CMD_SN, m->max_cmd_sn);
}

void mock_raw(struct mock *m, const void *data, size_t len)
{
    const uint8_t *at = data;

    while (len > 0) {
        ssize_t n = send(m->fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the initiator hung up: seen at the next receive */
        at += n;
        len -= (size_t)n;
    }
}

void mock_send(struct mock *m, uint8_t *bhs, const void *data, size_t len)
{
    uint8_t *all = calloc(1, ISC_BHS_LEN + len + 8);
    size_t n = ISC_BHS_LEN + len + isc_pad(len);

    isc_pdu_set_data_len(bhs, (uint32_t)len);
    memcpy(all, bhs, ISC_BHS_LEN);
    if (len > 0)
        memcpy(all + ISC_BHS_LEN, data, len);
    if (m->data_digest && len > 0) {
        uint32_t crc = osd_crc32c(0, all + ISC_BHS_LEN, len + isc_pad(len));
        for (int i = 0; i < 4; i++)
            all[n++] = (uint8_t)(crc >> 8 * i);
    }
    mock_raw(m, all, n);
    free(all);
}

void mock_respond(struct mock *m, uint32_t itt, uint8_t status, const void *sense, size_t len)
{
    uint8_t bhs[ISC_BHS_LEN], data[2 + 1000];

    mock_begin(m, bhs, ISC_RESPONSE, ISC_F_FINAL, itt, true);
    bhs[ISC_STATUS] = status;
    be16_put(data, (uint16_t)len);
    if (len > 0)
        memcpy(data + 2, sense, len);
    mock_send(m, bhs, data, len ? len + 2 : 0);
}

void mock_accept(struct mock *m)
{
    mock_hang_up(m);
    MOCK_CHECK(m, readable(m->listen_fd, PATIENCE_MS));
    m->fd = accept(m->listen_fd, NULL, NULL);
    MOCK_CHECK(m, m->fd >= 0);
    m->stat_sn = 100;
}

void mock_hang_up(struct mock *m)
{
    if (m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}

void mock_login_answer(struct mock *m, uint8_t flags, uint16_t status, const void *text,
                       size_t len)
{
    uint8_t bhs[ISC_BHS_LEN];

    m->exp_cmd_sn = isc_word(m->bhs, ISC_CMD_SN);
    m->max_cmd_sn = m->exp_cmd_sn + 31;
    mock_begin(m, bhs, ISC_LOGIN_RESPONSE, flags, isc_word(m->bhs, ISC_ITT), true);
    memcpy(bhs + ISC_ISID, m->bhs + ISC_ISID, 6);
    if ((flags & 0x83) == 0x83)
        be16_put(bhs + ISC_TSIH, 1);
    be16_put(bhs + ISC_STATUS_CLASS, status);
    mock_send(m, bhs, text, len);
}

void mock_login(struct mock *m, const char *keys, size_t keys_len)
{
    static const char none[] = "AuthMethod=None";

    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0x81);
    mock_login_answer(m, 0x81, 0, none, sizeof(none));
    mock_expect(m, ISC_LOGIN_REQUEST);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == 0x87);
    mock_login_answer(m, 0x87, 0, keys, keys_len);
}

void mock_until_closed(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    while (mock_receive(m, PATIENCE_MS)) {
        if (isc_opcode(m->bhs) != ISC_LOGOUT_REQUEST)
            continue;
        mock_begin(m, bhs, ISC_LOGOUT_RESPONSE, ISC_F_FINAL, isc_word(m->bhs, ISC_ITT), true);
        mock_send(m, bhs, NULL, 0);
    }
    mock_hang_up(m);
}

static void *run(void *arg)
{
    struct mock *m = arg;

    m->script(m);
    mock_hang_up(m);
    return NULL;
}

static struct mock *make(void (*script)(struct mock *m), void *arg)
{
    struct mock *m = calloc(1, sizeof(*m));

    if (!m)
        abort();
    m->script = script;
    m->arg = arg;
    m->fd = m->listen_fd = -1;
    m->stat_sn = 100;
    m->exp_cmd_sn = 1;
    m->max_cmd_sn = 32;
    return m;
}

struct mock *mock_start_pair(void (*script)(struct mock *m), void *arg,
                             struct isc_link *ret_link)
{
    struct mock *m = make(script, arg);
    struct iscsi_options o = {.max_burst = 0};
    int fd[2];

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
        abort();
    m->fd = fd[0];
    *ret_link = isc_link_make(-1);
    ret_link->fd = fd[1];
    ret_link->offer = isc_params_offer(&o, false);
    ret_link->agreed = isc_params_start(&ret_link->offer);
    ret_link->exp_stat_sn = m->stat_sn;
    ret_link->max_cmd_sn = m->max_cmd_sn;
    snprintf(ret_link->portal, sizeof(ret_link->portal), "mock");
    pthread_create(&m->thread, NULL, run, m);
    return m;
}

struct mock *mock_start_tcp(void (*script)(struct mock *m), void *arg)
{
    struct mock *m = make(script, arg);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);

    m->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
    if (m->listen_fd < 0 || bind(m->listen_fd, (struct sockaddr *)&a, len) != 0 ||
        listen(m->listen_fd, 8) != 0 ||
        getsockname(m->listen_fd, (struct sockaddr *)&a, &len) != 0)
        abort();
    m->port = ntohs(a.sin_port);
    pthread_create(&m->thread, NULL, run, m);
    return m;
}

bool mock_stop(struct mock *m)
{
    pthread_join(m->thread, NULL);
    bool good = m->failure[0] == '\0';
    if (!good)
        fprintf(stderr, "the mock target found: %s\n", m->failure);
    if (m->listen_fd >= 0)
        close(m->listen_fd);
    free(m);
    return good;
}
