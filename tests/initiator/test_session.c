/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/initiator/test_session.c - commands of a session against scripted targets
 */
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/crc32c.h"
#include "mock.h"

static uint8_t cdb[ISC_CDB_MAX];
static uint8_t pattern[1 << 20];

static int setup(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(cdb); i++)
        cdb[i] = (uint8_t)(i + 1);
    for (size_t i = 0; i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i * 7 + (i >> 9));
    return 0;
}

/* A session on a pair with a script; tune the parameters through link before. */
static struct iscsi_session *session_on(const struct isc_link *link,
                                        const struct iscsi_options *opt)
{
    struct iscsi_url url = {.n_portals = 1, .portals = {"127.0.0.1:1"}, .has_target = true};
    struct iscsi_options o;
    struct iscsi_session *s;

    isc_options_fill(opt, &o);
    assert_int_equal(isc_session_make(&url, &o, link, &s), OSD_OK);
    return s;
}

/* Times that suit a test; under the lock, because the keeper reads them. */
static void hurry(struct iscsi_session *s, uint32_t quiet_ms, uint32_t ping_ms,
                  uint32_t abort_ms)
{
    pthread_mutex_lock(&s->lock);
    s->tick_ms = 10;
    s->backoff_ms = 10;
    s->quiet_ms = quiet_ms;
    s->ping_ms = ping_ms;
    s->abort_ms = abort_ms;
    pthread_cond_signal(&s->keeper_cond);
    pthread_mutex_unlock(&s->lock);
}

struct call {
    struct iscsi_command cmd;
    struct iovec v;
    int calls;
    int order;
};

static int order;

static void on_done(struct iscsi_command *cmd, void *arg)
{
    struct call *c = arg;

    assert_ptr_equal(cmd, &c->cmd);
    c->calls++;
    c->order = __atomic_add_fetch(&order, 1, __ATOMIC_SEQ_CST);
}

static struct iscsi_command *call_make(struct call *c, void *in, size_t in_len, const void *out,
                                       size_t out_len)
{
    memset(c, 0, sizeof(*c));
    c->v = (struct iovec){in ? in : (void *)out, in ? in_len : out_len};
    c->cmd = (struct iscsi_command){.cdb = cdb, .cdb_len = 16, .done = on_done, .arg = c};
    if (in)
        c->cmd.in = osd_iov_make(&c->v, 1);
    else if (out)
        c->cmd.out = osd_iov_make(&c->v, 1);
    return &c->cmd;
}

static void serve_until(struct iscsi_session *s, const struct call *c)
{
    for (int i = 0; i < 1000 && c->calls == 0; i++)
        if (iscsi_service(s, 1000) < 0)
            break;
    assert_int_equal(c->calls, 1);
}

/* Until a script has come so far; one that has failed never does, and mock_stop() tells why. */
static void await_script(sem_t *so_far)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    (void)sem_timedwait(so_far, &until);
}

static void data_in(struct mock *m, uint32_t itt, uint32_t sn, uint32_t at, size_t len,
                    bool status, uint32_t residual)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_begin(
        m, bhs, ISC_DATA_IN,
        (uint8_t)(ISC_F_FINAL | (status ? ISC_F_STATUS : 0) | (residual ? ISC_F_UNDERFLOW : 0)),
        itt, status);
    be32_put(bhs + ISC_TTT, ISC_NO_TAG);
    be32_put(bhs + ISC_DATA_SN, sn);
    be32_put(bhs + ISC_OFFSET, at);
    be32_put(bhs + ISC_RESIDUAL, residual);
    mock_send(m, bhs, pattern + at, len);
}

static uint32_t itt_of(const struct mock *m)
{
    return isc_word(m->bhs, ISC_ITT);
}

/* ---- CDBs ---- */

static const size_t cdb_lens[] = {6, 10, 16, 17, 32, 200, 236, 260};

static void script_cdbs(struct mock *m)
{
    for (size_t i = 0; i < sizeof(cdb_lens) / sizeof(cdb_lens[0]); i++) {
        size_t n = cdb_lens[i];
        mock_expect(m, ISC_COMMAND);
        MOCK_CHECK(m, memcmp(m->bhs + ISC_CDB, cdb, n < 16 ? n : 16) == 0);
        MOCK_CHECK(m, m->ahs_len == (n > 16 ? (n - 16 + 4 + 3) / 4 * 4 : 0));
        MOCK_CHECK(m, n <= 16 || be16_get(m->ahs) == n - 15);
        MOCK_CHECK(m, n <= 16 || memcmp(m->ahs + 4, cdb + 16, n - 16) == 0);
        MOCK_CHECK(m, m->bhs[ISC_FLAGS] == (ISC_F_FINAL | ISC_F_SIMPLE));
        MOCK_CHECK(m, isc_word(m->bhs, ISC_CMD_SN) == i + 1);
        MOCK_CHECK(m, isc_word(m->bhs, ISC_EXP_STAT_SN) == m->stat_sn);
        mock_respond(m, itt_of(m), 0, NULL, 0);
    }
    mock_until_closed(m);
}

static void test_initiator_session__cdbs_of_every_length_arrive_whole(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_cdbs, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct call c;

    (void)state;
    for (size_t i = 0; i < sizeof(cdb_lens) / sizeof(cdb_lens[0]); i++) {
        call_make(&c, NULL, 0, NULL, 0)->cdb_len = cdb_lens[i];
        assert_int_equal(iscsi_execute(s, &c.cmd), OSD_OK);
        assert_int_equal(c.cmd.scsi_status, 0);
        assert_int_equal(c.calls, 0);
    }
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void test_initiator_session__impossible_commands_are_refused_at_once(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(mock_until_closed, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    uint8_t byte = 0;
    struct call c;

    (void)state;
    call_make(&c, NULL, 0, NULL, 0)->cdb_len = 5;
    assert_int_equal(iscsi_submit(s, &c.cmd), OSD_E_INVALID);
    c.cmd.cdb_len = 261;
    assert_int_equal(iscsi_execute(s, &c.cmd), OSD_E_INVALID);
    call_make(&c, &byte, 1, NULL, 0)->out = c.cmd.in; /* both directions */
    assert_int_equal(iscsi_submit(s, &c.cmd), OSD_E_INVALID);
    call_make(&c, NULL, 0, NULL, 0)->lun = 20000;
    assert_int_equal(iscsi_submit(s, &c.cmd), OSD_E_INVALID);
    call_make(&c, &byte, 1ULL << 32, NULL, 0);
    assert_int_equal(iscsi_submit(s, &c.cmd), OSD_E_INVALID);
    call_make(&c, NULL, 0, NULL, 0)->done = NULL;
    assert_int_equal(iscsi_submit(s, &c.cmd), OSD_E_INVALID);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* ---- Data-In ---- */

static void script_data_in(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    /* Three PDUs, odd lengths, status in the last with a residual. */
    mock_expect(m, ISC_COMMAND);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == (ISC_F_FINAL | ISC_F_READ | ISC_F_SIMPLE));
    MOCK_CHECK(m, isc_word(m->bhs, ISC_EDTL) == 100000);
    data_in(m, itt_of(m), 0, 0, 40001, false, 0);
    data_in(m, itt_of(m), 1, 40001, 50000, false, 0);
    data_in(m, itt_of(m), 2, 90001, 999, true, 100000 - 91000);
    /* Data, then a SCSI Response with sense and residual: both are reported. */
    mock_expect(m, ISC_COMMAND);
    data_in(m, itt_of(m), 0, 0, 5000, false, 0);
    mock_begin(m, bhs, ISC_RESPONSE, ISC_F_FINAL | ISC_F_UNDERFLOW, itt_of(m), true);
    bhs[ISC_STATUS] = 2;
    be32_put(bhs + ISC_RESIDUAL, 95000);
    mock_send(m, bhs, "\0\4abcdxx", 8);
    /* No data at all is right for a CHECK CONDITION without residual, as LIO does. */
    mock_expect(m, ISC_COMMAND);
    mock_respond(m, itt_of(m), 2, "sense", 5);
    /* Byte by byte. */
    mock_expect(m, ISC_COMMAND);
    uint32_t itt = itt_of(m);
    mock_begin(m, bhs, ISC_DATA_IN, ISC_F_FINAL | ISC_F_STATUS | ISC_F_UNDERFLOW, itt, true);
    be32_put(bhs + ISC_RESIDUAL, 99998);
    isc_pdu_set_data_len(bhs, 2);
    for (int i = 0; i < ISC_BHS_LEN; i++) {
        mock_raw(m, bhs + i, 1);
        usleep(200);
    }
    mock_raw(m, "x", 1);
    usleep(2000);
    mock_raw(m, "yz", 2);
    usleep(2000);
    mock_raw(m, "z", 1);
    mock_until_closed(m);
}

static void test_initiator_session__data_in_reaches_the_callers_memory(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_data_in, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    uint8_t *in = calloc(1, 100000);
    struct call c;

    (void)state;
    assert_int_equal(iscsi_execute(s, call_make(&c, in, 100000, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.in_len, 91000);
    assert_memory_equal(in, pattern, 91000);
    for (int i = 91000; i < 100000; i++)
        assert_int_equal(in[i], 0);

    assert_int_equal(iscsi_execute(s, call_make(&c, in, 100000, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.scsi_status, 2);
    assert_int_equal(c.cmd.in_len, 5000);
    assert_int_equal(c.cmd.sense_len, 4);
    assert_memory_equal(c.cmd.sense, "abcd", 4);

    assert_int_equal(iscsi_execute(s, call_make(&c, in, 100000, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.in_len, 0);
    assert_memory_equal(c.cmd.sense, "sense", 5);

    assert_int_equal(iscsi_execute(s, call_make(&c, in, 100000, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.in_len, 2);
    assert_memory_equal(in, "xy", 2);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
    free(in);
}

static void script_scattered(struct mock *m)
{
    mock_expect(m, ISC_COMMAND);
    data_in(m, itt_of(m), 0, 0, 200000, true, 0);
    mock_until_closed(m);
}

/* Would catch: pieces mixed up when there are more than one system call takes. */
static void test_initiator_session__data_in_is_scattered_over_many_pieces(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_scattered, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    uint8_t *in = calloc(1, 200000);
    struct iovec v[400];
    struct call c;

    (void)state;
    for (int i = 0; i < 400; i++)
        v[i] = (struct iovec){in + i * 500, 500};
    call_make(&c, NULL, 0, NULL, 0)->in = osd_iov_make(v, 400);
    assert_int_equal(iscsi_execute(s, &c.cmd), OSD_OK);
    assert_int_equal(c.cmd.in_len, 200000);
    assert_memory_equal(in, pattern, 200000);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
    free(in);
}

/* What a broken target may send; every one must end the connection, not the process. */
static const struct wrong {
    const char *name;
    uint8_t opcode;
    uint32_t sn, at, len;
    uint32_t declared; /* DataSegmentLength, 0: len */
    osd_status want;
} wrongs[] = {
    {"beyond the end", ISC_DATA_IN, 0, 0, 1001, 0, OSD_E_UNREACHABLE},
    {"offset beyond the end", ISC_DATA_IN, 0, 5000, 10, 0, OSD_E_UNREACHABLE},
    {"offset wraps", ISC_DATA_IN, 0, 0xfffffff0, 32, 0, OSD_E_UNREACHABLE},
    {"gap", ISC_DATA_IN, 0, 10, 10, 0, OSD_E_UNREACHABLE},
    {"DataSN", ISC_DATA_IN, 1, 0, 10, 0, OSD_E_UNREACHABLE},
    {"segment too long", ISC_DATA_IN, 0, 0, 10, 0xffffff, OSD_E_UNREACHABLE},
    {"R2T for a read", ISC_R2T, 0, 0, 0, 0, OSD_E_UNREACHABLE},
    {"login in the middle", ISC_LOGIN_RESPONSE, 0, 0, 0, 0, OSD_E_UNREACHABLE},
    {"initiator's PDU", ISC_COMMAND, 0, 0, 0, 0, OSD_E_UNREACHABLE},
    {"GOOD without the data", ISC_RESPONSE, 0, 0, 0, 0, OSD_E_PROTOCOL},
    {"short data with GOOD", ISC_DATA_IN, 0, 0, 10, 0, OSD_E_PROTOCOL},
};

static void script_wrong(struct mock *m)
{
    const struct wrong *w = m->arg;
    uint8_t bhs[ISC_BHS_LEN];

    mock_expect(m, ISC_COMMAND);
    mock_begin(m, bhs, w->opcode, ISC_F_FINAL | (w->opcode == ISC_DATA_IN ? ISC_F_STATUS : 0),
               itt_of(m), true);
    be32_put(bhs + ISC_DATA_SN, w->sn);
    be32_put(bhs + ISC_OFFSET, w->at);
    if (w->declared) {
        isc_pdu_set_data_len(bhs, w->declared);
        mock_raw(m, bhs, ISC_BHS_LEN);
    } else {
        mock_send(m, bhs, pattern, w->len);
    }
    mock_until_closed(m);
}

static void test_initiator_session__wrong_answers_do_no_harm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(wrongs) / sizeof(wrongs[0]); i++) {
        struct isc_link link;
        struct mock *m = mock_start_pair(script_wrong, (void *)&wrongs[i], &link);
        struct iscsi_session *s = session_on(&link, NULL);
        uint8_t in[1000 + 64];
        struct call c;

        memset(in, 0xee, sizeof(in));
        osd_status st = iscsi_execute(s, call_make(&c, in, 1000, NULL, 0));
        if (st != wrongs[i].want)
            fail_msg("%s: %s", wrongs[i].name, osd_status_name(st));
        for (size_t k = 1000; k < sizeof(in); k++)
            assert_int_equal(in[k], 0xee);
        iscsi_disconnect(s);
        assert_true(mock_stop(m));
    }
}

static void script_sense(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_expect(m, ISC_COMMAND); /* longer than we keep */
    mock_respond(m, itt_of(m), 2, pattern, 900);
    mock_expect(m, ISC_COMMAND); /* claims more than it brings */
    mock_begin(m, bhs, ISC_RESPONSE, ISC_F_FINAL, itt_of(m), true);
    bhs[ISC_STATUS] = 2;
    mock_send(m, bhs,
              "\xff\xff"
              "abc",
              5);
    mock_expect(m, ISC_COMMAND); /* one byte only */
    mock_begin(m, bhs, ISC_RESPONSE, ISC_F_FINAL, itt_of(m), true);
    bhs[ISC_STATUS] = 8;
    mock_send(m, bhs, "x", 1);
    mock_expect(m, ISC_COMMAND); /* target failure */
    mock_begin(m, bhs, ISC_RESPONSE, ISC_F_FINAL, itt_of(m), true);
    bhs[ISC_REASON] = 1;
    mock_send(m, bhs, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_session__sense_is_bounded(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_sense, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct call c;

    (void)state;
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.sense_len, ISCSI_SENSE_MAX);
    assert_memory_equal(c.cmd.sense, pattern, ISCSI_SENSE_MAX);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.sense_len, 3);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_OK);
    assert_int_equal(c.cmd.scsi_status, 8);
    assert_int_equal(c.cmd.sense_len, 0);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_E_IO);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* ---- Data-Out ---- */

struct write_case {
    uint32_t len, immediate, unsolicited; /* expected */
    bool initial_r2t, immediate_data, digest, early;
    uint32_t max_recv, max_burst, first_burst;
};

/* Data-Out PDUs of one sequence: from at, len bytes. */
static void expect_sequence(struct mock *m, const struct write_case *w, uint32_t itt,
                            uint32_t ttt, uint32_t at, uint32_t len)
{
    for (uint32_t sn = 0, done = 0; done < len; sn++) {
        mock_expect(m, ISC_DATA_OUT);
        MOCK_CHECK(m, isc_word(m->bhs, ISC_ITT) == itt);
        MOCK_CHECK(m, isc_word(m->bhs, ISC_TTT) == ttt);
        MOCK_CHECK(m, isc_word(m->bhs, ISC_DATA_SN) == sn);
        MOCK_CHECK(m, isc_word(m->bhs, ISC_OFFSET) == at + done);
        MOCK_CHECK(m, m->len > 0 && m->len <= w->max_recv && done + m->len <= len);
        MOCK_CHECK(m, memcmp(m->data, pattern + at + done, m->len) == 0);
        done += (uint32_t)m->len;
        MOCK_CHECK(m, ((m->bhs[ISC_FLAGS] & ISC_F_FINAL) != 0) == (done == len));
    }
}

static void send_r2t(struct mock *m, uint32_t itt, uint32_t sn, uint32_t at, uint32_t len)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_begin(m, bhs, ISC_R2T, ISC_F_FINAL, itt, false);
    be32_put(bhs + ISC_TTT, 0x1000 + sn);
    be32_put(bhs + ISC_DATA_SN, sn);
    be32_put(bhs + ISC_OFFSET, at);
    be32_put(bhs + ISC_DESIRED, len);
    mock_send(m, bhs, NULL, 0);
}

static void script_write(struct mock *m)
{
    const struct write_case *w = m->arg;

    m->data_digest = w->digest;
    mock_expect(m, ISC_COMMAND);
    uint32_t itt = itt_of(m), at = w->immediate + w->unsolicited;
    MOCK_CHECK(m, isc_word(m->bhs, ISC_EDTL) == w->len);
    MOCK_CHECK(m, m->len == w->immediate);
    MOCK_CHECK(m, memcmp(m->data, pattern, m->len) == 0);
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] ==
                      (ISC_F_WRITE | ISC_F_SIMPLE | (w->unsolicited ? 0 : ISC_F_FINAL)));
    MOCK_CHECK(m, m->ahs_len == 188 && memcmp(m->ahs + 4, cdb + 16, 184) == 0);
    uint32_t sn = 0, n = w->len - at < w->max_burst ? w->len - at : w->max_burst;
    if (w->early)
        send_r2t(m, itt, sn, at, n);
    expect_sequence(m, w, itt, ISC_NO_TAG, w->immediate, w->unsolicited);
    while (at < w->len) {
        n = w->len - at < w->max_burst ? w->len - at : w->max_burst;
        if (sn > 0 || !w->early)
            send_r2t(m, itt, sn, at, n);
        expect_sequence(m, w, itt, 0x1000 + sn, at, n);
        at += n;
        sn++;
    }
    mock_respond(m, itt, 0, NULL, 0);
    mock_until_closed(m);
}

static const struct write_case write_cases[] = {
    /* all immediate; exactly; one more than immediate */
    {4000, 4000, 0, true, true, false, false, 8192, 65536, 16384},
    {8192, 8192, 0, true, true, false, false, 8192, 65536, 16384},
    {8193, 8192, 0, true, true, false, false, 8192, 65536, 16384},
    /* several bursts of several PDUs, odd end */
    {200001, 8192, 0, true, true, false, false, 8192, 65536, 16384},
    {200001, 8192, 0, true, true, true, false, 8192, 65536, 16384},
    {200001, 0, 0, true, false, true, false, 8192, 65536, 16384},
    /* unsolicited data behind immediate, and without */
    {200001, 8192, 8192, false, true, false, false, 8192, 65536, 16384},
    {200001, 0, 16384, false, false, true, false, 8192, 65536, 16384},
    {10001, 8192, 1809, false, true, false, false, 8192, 65536, 16384},
    {10001, 0, 10001, false, false, false, false, 8192, 65536, 16384},
    /* the R2T comes before the unsolicited data has left */
    {1000001, 65536, 458752, false, true, true, true, 65536, 262144, 524288},
    /* everything small */
    {5000, 512, 0, true, true, true, false, 512, 512, 512},
};

static void test_initiator_session__data_out_is_split_as_negotiated(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(write_cases) / sizeof(write_cases[0]); i++) {
        const struct write_case *w = &write_cases[i];
        struct isc_link link;
        struct mock *m = mock_start_pair(script_write, (void *)w, &link);
        struct call c;

        link.agreed.initial_r2t = w->initial_r2t;
        link.agreed.immediate_data = w->immediate_data;
        link.agreed.data_digest = w->digest;
        link.agreed.max_recv = w->max_recv;
        link.agreed.max_burst = w->max_burst;
        link.agreed.first_burst = w->first_burst;
        struct iscsi_session *s = session_on(&link, NULL);
        call_make(&c, NULL, 0, pattern, w->len)->cdb_len = 200;
        osd_status st = iscsi_execute(s, &c.cmd);
        iscsi_disconnect(s);
        bool good = mock_stop(m);
        if (!good || st)
            fail_msg("case %zu: %s", i, osd_status_name(st));
    }
}

/* Would catch: a PDU longer than the pieces one system call takes, or bytes lost in between. */
static void test_initiator_session__data_out_is_gathered_from_many_pieces(void **state)
{
    static const size_t sizes[] = {1, 3, 500, 7};
    struct write_case w = {.len = 40000,
                           .immediate = 0,
                           .initial_r2t = true,
                           .digest = true,
                           .max_recv = 40000,
                           .max_burst = 65536,
                           .first_burst = 65536};

    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        struct isc_link link;
        struct mock *m = mock_start_pair(script_write, &w, &link);
        size_t n = w.len / sizes[k];
        struct iovec *v = calloc(n + 1, sizeof(*v));
        struct call c;

        for (size_t i = 0; i < n; i++)
            v[i] = (struct iovec){pattern + i * sizes[k], sizes[k]};
        v[n] = (struct iovec){pattern + n * sizes[k], w.len - n * sizes[k]};
        link.agreed.immediate_data = 0;
        link.agreed.data_digest = 1;
        link.agreed.max_recv = w.max_recv;
        struct iscsi_session *s = session_on(&link, NULL);
        call_make(&c, NULL, 0, NULL, 0)->cdb_len = 200;
        c.cmd.out = osd_iov_make(v, (int)n + 1);
        assert_int_equal(iscsi_execute(s, &c.cmd), OSD_OK);
        iscsi_disconnect(s);
        assert_true(mock_stop(m));
        free(v);
    }
}

static const struct {
    uint32_t sn, at, len;
} bad_r2ts[] = {{1, 0, 100}, {0, 0, 0}, {0, 0, 2000}, {0, 900, 101}, {0, 0xffffffff, 2}};

static void script_bad_r2t(struct mock *m)
{
    int i = *(int *)m->arg;

    mock_expect(m, ISC_COMMAND);
    send_r2t(m, itt_of(m), bad_r2ts[i].sn, bad_r2ts[i].at, bad_r2ts[i].len);
    MOCK_CHECK(m, !mock_receive(m, 5000)); /* hangs up without sending anything */
}

/* Would catch: memory behind the Data-Out sent to whoever asks for it. */
static void test_initiator_session__improper_r2ts_are_not_answered(void **state)
{
    (void)state;
    for (int i = 0; i < (int)(sizeof(bad_r2ts) / sizeof(bad_r2ts[0])); i++) {
        struct isc_link link;
        struct mock *m = mock_start_pair(script_bad_r2t, &i, &link);
        struct call c;

        link.agreed.immediate_data = 0;
        link.agreed.max_burst = 1500;
        struct iscsi_session *s = session_on(&link, NULL);
        assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, pattern, 1000)),
                         OSD_E_UNREACHABLE);
        iscsi_disconnect(s);
        assert_true(mock_stop(m));
    }
}

/* A target may end a write early; the memory must not be given back before it has left. */
static void script_early_end(struct mock *m)
{
    mock_expect(m, ISC_COMMAND);
    uint32_t itt = itt_of(m);
    send_r2t(m, itt, 0, 0, 1 << 20);
    usleep(20000); /* the socket fills */
    mock_respond(m, itt, 2, "early", 5);
    usleep(50000);
    for (uint32_t done = 0; done < 1 << 20; done += (uint32_t)m->len) {
        if (!mock_receive(m, 300))
            break;
        MOCK_CHECK(m, isc_opcode(m->bhs) == ISC_DATA_OUT);
        MOCK_CHECK(m, memcmp(m->data, pattern + done, m->len) == 0);
    }
    mock_until_closed(m);
}

static void test_initiator_session__memory_is_kept_until_it_has_left(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_early_end, NULL, &link);
    uint8_t *out = malloc(1 << 20);
    struct call c;

    (void)state;
    memcpy(out, pattern, 1 << 20);
    link.agreed.immediate_data = 0;
    link.agreed.max_burst = 1 << 20;
    struct iscsi_session *s = session_on(&link, NULL);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, out, 1 << 20)), OSD_OK);
    assert_int_equal(c.cmd.scsi_status, 2);
    memset(out, 0, 1 << 20); /* ours again: nothing of this may arrive */
    free(out);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* ---- numbers and the window ---- */

static void script_window(struct mock *m)
{
    uint32_t itt[2], first = *(uint32_t *)m->arg;

    m->exp_cmd_sn = first;
    m->max_cmd_sn = first + 1;
    for (uint32_t i = 0; i < 10; i += 2) {
        for (uint32_t k = 0; k < 2; k++) {
            mock_expect(m, ISC_COMMAND);
            MOCK_CHECK(m, isc_word(m->bhs, ISC_CMD_SN) == first + i + k);
            itt[k] = itt_of(m);
        }
        MOCK_CHECK(m, !mock_receive(m, 30)); /* the window is full */
        m->max_cmd_sn += 2;
        mock_respond(m, itt[1], 0, NULL, 0);
        m->max_cmd_sn -= 2; /* an old number must not shrink it */
        mock_respond(m, itt[0], 0, NULL, 0);
        m->max_cmd_sn += 2;
    }
    mock_until_closed(m);
}

static void test_initiator_session__max_cmd_sn_is_honoured(void **state)
{
    uint32_t firsts[] = {1, 0xfffffffb, 0x7ffffffc};

    (void)state;
    for (int f = 0; f < 3; f++) {
        struct isc_link link;
        struct mock *m = mock_start_pair(script_window, &firsts[f], &link);
        struct call c[10];

        link.cmd_sn = firsts[f];
        link.max_cmd_sn = firsts[f] + 1;
        struct iscsi_session *s = session_on(&link, NULL);
        assert_int_equal(iscsi_window(s), 2);
        for (int i = 0; i < 10; i++)
            assert_int_equal(iscsi_submit(s, call_make(&c[i], NULL, 0, NULL, 0)), OSD_OK);
        for (int i = 0; i < 10; i++)
            serve_until(s, &c[i]);
        iscsi_disconnect(s);
        assert_true(mock_stop(m));
    }
}

static void script_reject(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN], refused[ISC_BHS_LEN];
    uint32_t itt[3], sn;

    for (int i = 0; i < 3; i++) {
        mock_expect(m, ISC_COMMAND);
        itt[i] = itt_of(m);
        if (i == 1)
            memcpy(refused, m->bhs, ISC_BHS_LEN);
    }
    sn = isc_word(refused, ISC_CMD_SN);
    m->exp_cmd_sn = sn; /* as LIO: the rejected number has not been taken */
    mock_respond(m, itt[0], 0, NULL, 0);
    mock_begin(m, bhs, ISC_REJECT, ISC_F_FINAL, ISC_NO_TAG, true);
    bhs[ISC_REASON] = 9;
    mock_send(m, bhs, refused, ISC_BHS_LEN);
    /* The gap is closed by a ping with that number; then the third is taken. */
    MOCK_CHECK(m, mock_receive(m, 5000));
    MOCK_CHECK(m, m->bhs[0] == ISC_NOP_OUT); /* not immediate */
    MOCK_CHECK(m, isc_word(m->bhs, ISC_CMD_SN) == sn);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_TTT) == ISC_NO_TAG);
    MOCK_CHECK(m, itt_of(m) != ISC_NO_TAG);
    m->exp_cmd_sn = sn + 2;
    mock_begin(m, bhs, ISC_NOP_IN, ISC_F_FINAL, itt_of(m), true);
    be32_put(bhs + ISC_TTT, ISC_NO_TAG);
    mock_send(m, bhs, NULL, 0);
    mock_respond(m, itt[2], 0, NULL, 0);
    mock_expect(m, ISC_COMMAND);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_CMD_SN) == sn + 2);
    mock_respond(m, itt_of(m), 0, NULL, 0);
    mock_until_closed(m);
}

/* Would catch: a session that stalls for good after one rejected command. */
static void test_initiator_session__a_reject_fails_one_command_and_leaves_no_gap(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_reject, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct call c[4];

    (void)state;
    for (int i = 0; i < 3; i++)
        assert_int_equal(iscsi_submit(s, call_make(&c[i], NULL, 0, NULL, 0)), OSD_OK);
    for (int i = 0; i < 3; i++)
        serve_until(s, &c[i]);
    assert_int_equal(c[0].cmd.status, OSD_OK);
    assert_int_equal(c[1].cmd.status, OSD_E_PROTOCOL);
    assert_int_equal(c[2].cmd.status, OSD_OK);
    assert_int_equal(iscsi_execute(s, call_make(&c[3], NULL, 0, NULL, 0)), OSD_OK);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* ---- digests ---- */

static void script_bad_digest(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    m->data_digest = true;
    mock_expect(m, ISC_COMMAND);
    data_in(m, itt_of(m), 0, 0, 30001, true, 0);
    mock_expect(m, ISC_COMMAND);
    mock_begin(m, bhs, ISC_DATA_IN, ISC_F_FINAL | ISC_F_STATUS, itt_of(m), true);
    isc_pdu_set_data_len(bhs, 30001);
    mock_raw(m, bhs, ISC_BHS_LEN);
    mock_raw(m, pattern, 30001);
    mock_raw(m, "\0\0\0abcd", 7);
    mock_until_closed(m);
}

static void test_initiator_session__a_wrong_digest_is_noticed(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_bad_digest, NULL, &link);
    uint8_t *in = calloc(1, 30001);
    struct call c;

    (void)state;
    link.agreed.data_digest = 1;
    struct iscsi_session *s = session_on(&link, NULL);
    assert_int_equal(iscsi_execute(s, call_make(&c, in, 30001, NULL, 0)), OSD_OK);
    assert_memory_equal(in, pattern, 30001);
    assert_int_equal(iscsi_execute(s, call_make(&c, in, 30001, NULL, 0)), OSD_E_UNREACHABLE);
    assert_non_null(strstr(s->why, "digest"));
    assert_int_equal(iscsi_service(s, 0), -1);
    assert_int_equal(iscsi_submit(s, call_make(&c, NULL, 0, NULL, 0)), OSD_E_UNREACHABLE);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
    free(in);
}

/* ---- the keeper ---- */

static void script_ping(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_begin(m, bhs, ISC_NOP_IN, ISC_F_FINAL, ISC_NO_TAG, false);
    be64_put(bhs + ISC_LUN, 0x0003000000000000);
    be32_put(bhs + ISC_TTT, 0x77);
    mock_send(m, bhs, NULL, 0);
    MOCK_CHECK(m, mock_receive(m, 5000));
    MOCK_CHECK(m, m->bhs[0] == (ISC_NOP_OUT | ISC_IMMEDIATE));
    MOCK_CHECK(m, itt_of(m) == ISC_NO_TAG);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_TTT) == 0x77);
    MOCK_CHECK(m, be64_get(m->bhs + ISC_LUN) == 0x0003000000000000);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_EXP_STAT_SN) == m->stat_sn);
    /* one that wants no answer */
    be32_put(bhs + ISC_TTT, ISC_NO_TAG);
    mock_send(m, bhs, NULL, 0);
    sem_post(m->arg);
    mock_until_closed(m);
}

/* Would catch: a session of a quiet program dropped by the target after its ping time. */
static void test_initiator_session__pings_are_answered_while_nobody_serves(void **state)
{
    struct isc_link link;
    sem_t answered;
    sem_init(&answered, 0, 0);
    struct mock *m = mock_start_pair(script_ping, &answered, &link);
    struct iscsi_session *s = session_on(&link, NULL);

    (void)state;
    hurry(s, 10000, 10000, 1000);
    await_script(&answered);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
    sem_destroy(&answered);
}

static void script_flood(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    mock_begin(m, bhs, ISC_NOP_IN, ISC_F_FINAL, ISC_NO_TAG, false);
    be32_put(bhs + ISC_TTT, 0x77);
    for (int i = 0; i < 100000 && m->fd >= 0; i++) {
        uint8_t copy[ISC_BHS_LEN];
        memcpy(copy, bhs, ISC_BHS_LEN);
        mock_send(m, copy, NULL, 0);
    }
}

/* A target that pings without reading answers must not make anything grow. */
static void test_initiator_session__a_flood_of_pings_ends_the_connection(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_flood, NULL, &link);

    (void)state;
    assert_int_equal(fcntl(link.fd, F_SETFL, O_NONBLOCK), 0); /* as every link */
    struct iscsi_session *s = session_on(&link, NULL);
    for (int i = 0; i < 1000 && iscsi_service(s, 100) >= 0; i++)
        ;
    assert_int_equal(iscsi_service(s, 0), -1);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void script_silent(struct mock *m)
{
    mock_expect(m, ISC_COMMAND);
    MOCK_CHECK(m, mock_receive(m, 5000));
    MOCK_CHECK(m, m->bhs[0] == (ISC_NOP_OUT | ISC_IMMEDIATE));
    MOCK_CHECK(m, itt_of(m) != ISC_NO_TAG && isc_word(m->bhs, ISC_TTT) == ISC_NO_TAG);
    MOCK_CHECK(m, !mock_receive(m, 5000)); /* and hangs up */
}

static void test_initiator_session__a_silent_target_is_given_up(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_silent, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct call c;

    (void)state;
    hurry(s, 50, 100, 1000);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_E_UNREACHABLE);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

static void script_abort(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];
    uint32_t itt, sn, tag;

    mock_expect(m, ISC_COMMAND);
    itt = itt_of(m);
    sn = isc_word(m->bhs, ISC_CMD_SN);
    mock_expect(m, ISC_TASK_REQUEST);
    MOCK_CHECK(m, m->bhs[0] == (ISC_TASK_REQUEST | ISC_IMMEDIATE));
    MOCK_CHECK(m, m->bhs[ISC_FLAGS] == (ISC_F_FINAL | 1));
    MOCK_CHECK(m, isc_word(m->bhs, ISC_REF_ITT) == itt);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_REF_CMD_SN) == sn);
    MOCK_CHECK(m, isc_word(m->bhs, ISC_CMD_SN) == sn + 1);
    tag = itt_of(m);
    mock_begin(m, bhs, ISC_TASK_RESPONSE, ISC_F_FINAL, tag, true);
    mock_send(m, bhs, NULL, 0);
    mock_respond(m, itt, 0, NULL, 0); /* too late: must be ignored */
    mock_expect(m, ISC_COMMAND);
    mock_respond(m, itt_of(m), 0, NULL, 0);
    mock_until_closed(m);
}

static void test_initiator_session__a_late_command_is_aborted(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_abort, NULL, &link);
    struct iscsi_options opt = {.command_timeout_ms = 60};
    struct iscsi_session *s = session_on(&link, &opt);
    struct call c;

    (void)state;
    hurry(s, 10000, 10000, 5000);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_E_TIMEOUT);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_OK);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* A command that never got into the window times out too. */
static void script_closed_window(struct mock *m)
{
    MOCK_CHECK(m, !mock_receive(m, 30));
    mock_until_closed(m);
}

static void test_initiator_session__a_waiting_command_times_out(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_closed_window, NULL, &link);
    struct iscsi_options opt = {.command_timeout_ms = 50};
    struct call c;

    (void)state;
    link.max_cmd_sn = link.cmd_sn - 1;
    struct iscsi_session *s = session_on(&link, &opt);
    hurry(s, 10000, 10000, 5000);
    assert_int_equal(iscsi_execute(s, call_make(&c, NULL, 0, NULL, 0)), OSD_E_TIMEOUT);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* ---- ends ---- */

static void script_hold(struct mock *m)
{
    for (int i = 0; i < 3; i++)
        mock_expect(m, ISC_COMMAND);
    sem_post(m->arg);
    mock_until_closed(m);
}

static void *execute_thread(void *arg)
{
    struct call *c = arg;
    struct iscsi_session *s = c->cmd.arg;

    iscsi_execute(s, &c->cmd);
    return NULL;
}

static void test_initiator_session__disconnect_ends_what_is_under_way_once(void **state)
{
    struct isc_link link;
    sem_t has_all;
    sem_init(&has_all, 0, 0);
    struct mock *m = mock_start_pair(script_hold, &has_all, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct call c[3];
    pthread_t t;

    (void)state;
    for (int i = 0; i < 2; i++)
        assert_int_equal(iscsi_submit(s, call_make(&c[i], NULL, 0, NULL, 0)), OSD_OK);
    call_make(&c[2], NULL, 0, NULL, 0)->arg = s;
    pthread_create(&t, NULL, execute_thread, &c[2]);
    await_script(&has_all);
    iscsi_disconnect(s);
    pthread_join(t, NULL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(c[i].calls, 1);
        assert_int_equal(c[i].cmd.status, OSD_E_INTERRUPTED);
        assert_null(c[i].cmd.internal);
    }
    assert_int_equal(c[2].cmd.status, OSD_E_INTERRUPTED);
    assert_true(mock_stop(m));
    sem_destroy(&has_all);
}

static void script_hang_up(struct mock *m)
{
    for (int i = 0; i < 3; i++)
        mock_expect(m, ISC_COMMAND);
}

static void test_initiator_session__a_lost_connection_ends_every_command_in_order(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_hang_up, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct call c[3];

    (void)state;
    order = 0;
    for (int i = 0; i < 3; i++)
        assert_int_equal(iscsi_submit(s, call_make(&c[i], NULL, 0, NULL, 0)), OSD_OK);
    for (int i = 0; i < 3; i++) {
        serve_until(s, &c[i]);
        assert_int_equal(c[i].cmd.status, OSD_E_UNREACHABLE);
        assert_int_equal(c[i].order, i + 1);
    }
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

/* ---- many threads ---- */

#define THREADS 8
#define ROUNDS  200

static void script_echo(struct mock *m)
{
    uint8_t bhs[ISC_BHS_LEN];

    while (mock_receive(m, 10000)) {
        m->max_cmd_sn = m->exp_cmd_sn + 4;
        if (isc_opcode(m->bhs) == ISC_LOGOUT_REQUEST) {
            mock_begin(m, bhs, ISC_LOGOUT_RESPONSE, ISC_F_FINAL, itt_of(m), true);
            mock_send(m, bhs, NULL, 0);
        } else if (m->bhs[ISC_FLAGS] & ISC_F_READ) { /* the CDB says what comes back */
            uint8_t byte = m->bhs[ISC_CDB + 1];
            uint8_t data[64];
            memset(data, byte, sizeof(data));
            mock_begin(m, bhs, ISC_DATA_IN, ISC_F_FINAL | ISC_F_STATUS, itt_of(m), true);
            mock_send(m, bhs, data, sizeof(data));
        } else {
            mock_respond(m, itt_of(m), m->len > 0 ? m->data[0] : 0, NULL, 0);
        }
    }
}

struct worker {
    struct iscsi_session *s;
    int number;
    int wrong;
};

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct call c;

    for (int i = 0; i < ROUNDS; i++) {
        uint8_t mine = (uint8_t)(w->number * 31 + i), in[64] = {0}, mine_cdb[16] = {1, mine};
        if (i % 2 == 0) {
            call_make(&c, in, sizeof(in), NULL, 0)->cdb = mine_cdb;
            w->wrong +=
                iscsi_execute(w->s, &c.cmd) != OSD_OK || in[0] != mine || in[63] != mine;
        } else {
            call_make(&c, NULL, 0, &mine, 1);
            w->wrong += iscsi_execute(w->s, &c.cmd) != OSD_OK || c.cmd.scsi_status != mine;
        }
    }
    return NULL;
}

/* Would catch (with TSan): a race between the leader, the others and the keeper. */
static void test_initiator_session__many_threads_share_a_session(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_echo, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct worker w[THREADS];
    pthread_t t[THREADS];

    (void)state;
    hurry(s, 10000, 10000, 1000);
    for (int i = 0; i < THREADS; i++) {
        w[i] = (struct worker){s, i, 0};
        pthread_create(&t[i], NULL, worker_main, &w[i]);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(w[i].wrong, 0);
    }
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

struct chain {
    struct call call;
    struct iscsi_session *s;
    int left;
};

static void on_chain(struct iscsi_command *cmd, void *arg)
{
    struct chain *c = arg;

    if (c->left-- > 0 && iscsi_submit(c->s, cmd) != OSD_OK)
        c->left = -100;
}

static void test_initiator_session__callbacks_may_submit(void **state)
{
    struct isc_link link;
    struct mock *m = mock_start_pair(script_echo, NULL, &link);
    struct iscsi_session *s = session_on(&link, NULL);
    struct chain c[5];

    (void)state;
    for (int i = 0; i < 5; i++) {
        call_make(&c[i].call, NULL, 0, NULL, 0);
        c[i].s = s;
        c[i].left = 100;
        c[i].call.cmd.done = on_chain;
        c[i].call.cmd.arg = &c[i];
        assert_int_equal(iscsi_submit(s, &c[i].call.cmd), OSD_OK);
    }
    int n = 0;
    while (n < 5 * 101) {
        int k = iscsi_service(s, 5000);
        assert_true(k >= 0);
        n += k;
    }
    for (int i = 0; i < 5; i++)
        assert_int_equal(c[i].left, -1);
    iscsi_disconnect(s);
    assert_true(mock_stop(m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initiator_session__cdbs_of_every_length_arrive_whole),
        cmocka_unit_test(test_initiator_session__impossible_commands_are_refused_at_once),
        cmocka_unit_test(test_initiator_session__data_in_reaches_the_callers_memory),
        cmocka_unit_test(test_initiator_session__data_in_is_scattered_over_many_pieces),
        cmocka_unit_test(test_initiator_session__wrong_answers_do_no_harm),
        cmocka_unit_test(test_initiator_session__sense_is_bounded),
        cmocka_unit_test(test_initiator_session__data_out_is_split_as_negotiated),
        cmocka_unit_test(test_initiator_session__data_out_is_gathered_from_many_pieces),
        cmocka_unit_test(test_initiator_session__improper_r2ts_are_not_answered),
        cmocka_unit_test(test_initiator_session__memory_is_kept_until_it_has_left),
        cmocka_unit_test(test_initiator_session__max_cmd_sn_is_honoured),
        cmocka_unit_test(test_initiator_session__a_reject_fails_one_command_and_leaves_no_gap),
        cmocka_unit_test(test_initiator_session__a_wrong_digest_is_noticed),
        cmocka_unit_test(test_initiator_session__pings_are_answered_while_nobody_serves),
        cmocka_unit_test(test_initiator_session__a_flood_of_pings_ends_the_connection),
        cmocka_unit_test(test_initiator_session__a_silent_target_is_given_up),
        cmocka_unit_test(test_initiator_session__a_late_command_is_aborted),
        cmocka_unit_test(test_initiator_session__a_waiting_command_times_out),
        cmocka_unit_test(test_initiator_session__disconnect_ends_what_is_under_way_once),
        cmocka_unit_test(test_initiator_session__a_lost_connection_ends_every_command_in_order),
        cmocka_unit_test(test_initiator_session__many_threads_share_a_session),
        cmocka_unit_test(test_initiator_session__callbacks_may_submit),
    };

    return cmocka_run_group_tests(tests, setup, NULL);
}
