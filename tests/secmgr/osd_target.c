/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/osd_target.c - an OSD in memory behind a small iSCSI target, as a process
 *
 * osd_target PORT MASTER-KEY [METHOD [foreign]]: serves a device that asks for CMDRSP, or for method 1 to 3,
 * with this first master key (80 digits; "nosec": none, NOSEC), until its parent ends. Prints
 * "ready PORT". With "foreign" it is one of another vendor, and ends when a capability names an
 * algorithm that the standard does not. Like kernel LIO it carries one direction a command. A target as small as this is
 * for tests only: no authentication, no digests, no recovery.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "initiator/pdu.h"
#include "interpreter/interpreter.h"
#include "wire/cdb.h"
#include "wire/spc.h"

#define DATA_MAX (18u << 20)
#define BURST    262144u

static struct osd_device *device;
static bool foreign; /* pretends to be of another vendor */

struct conn {
    int fd;
    uint32_t stat_sn, exp_cmd_sn;
    uint8_t bhs[ISC_BHS_LEN], ahs[1024];
    uint8_t *out, *in, *data; /* DATA_MAX bytes each; data: segment of the last PDU */
    size_t len;
};

/* ---- PDUs ---- */

static bool receive_all(int fd, void *dst, size_t len)
{
    uint8_t *at = dst;

    while (len > 0) {
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool send_all(int fd, const void *src, size_t len)
{
    const uint8_t *at = src;

    while (len > 0) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        at += n;
        len -= (size_t)n;
    }
    return true;
}

static bool receive_pdu(struct conn *c)
{
    uint8_t pad[4];

    if (!receive_all(c->fd, c->bhs, ISC_BHS_LEN))
        return false;
    c->len = isc_data_len(c->bhs);
    return c->len <= DATA_MAX && receive_all(c->fd, c->ahs, isc_ahs_len(c->bhs)) &&
           receive_all(c->fd, c->data, c->len) && receive_all(c->fd, pad, isc_pad(c->len));
}

static bool send_pdu(struct conn *c, uint8_t *bhs, bool takes_sn, const void *data, size_t len)
{
    static const uint8_t pad[4];

    be32_put(bhs + ISC_STAT_SN, takes_sn ? c->stat_sn++ : c->stat_sn);
    be32_put(bhs + ISC_EXP_CMD_SN, c->exp_cmd_sn);
    be32_put(bhs + ISC_MAX_CMD_SN, c->exp_cmd_sn + 63);
    isc_pdu_set_data_len(bhs, (uint32_t)len);
    return send_all(c->fd, bhs, ISC_BHS_LEN) && send_all(c->fd, data, len) &&
           send_all(c->fd, pad, isc_pad(len));
}

/* ---- login ---- */

static const char security_keys[] = "TargetPortalGroupTag=1\0AuthMethod=None";
static const char operational_keys[] =
    "HeaderDigest=None\0DataDigest=None\0InitialR2T=Yes\0ImmediateData=Yes\0"
    "MaxRecvDataSegmentLength=262144\0MaxBurstLength=262144\0FirstBurstLength=262144\0"
    "MaxOutstandingR2T=1\0MaxConnections=1\0ErrorRecoveryLevel=0\0DefaultTime2Wait=0\0"
    "DefaultTime2Retain=0\0DataPDUInOrder=Yes\0DataSequenceInOrder=Yes";

static bool login(struct conn *c)
{
    uint8_t bhs[ISC_BHS_LEN], flags;

    do {
        if (!receive_pdu(c) || isc_opcode(c->bhs) != ISC_LOGIN_REQUEST)
            return false;
        flags = c->bhs[ISC_FLAGS];
        bool operational = (flags >> 2 & 3) == 1;
        c->exp_cmd_sn = isc_word(c->bhs, ISC_CMD_SN);
        isc_pdu_start(bhs, ISC_LOGIN_RESPONSE, flags, isc_word(c->bhs, ISC_ITT));
        memcpy(bhs + ISC_ISID, c->bhs + ISC_ISID, 6);
        bhs[ISC_TSIH + 1] = 1;
        if (!send_pdu(c, bhs, true, operational ? operational_keys : security_keys,
                      operational ? sizeof(operational_keys) : sizeof(security_keys)))
            return false;
    } while (!(flags & ISC_F_FINAL) || (flags & 3) != 3);
    return true;
}

/* ---- commands ---- */

/* What did not come with the command is asked for. */
static bool collect_out(struct conn *c, const uint8_t *command, uint32_t want, size_t got)
{
    uint8_t bhs[ISC_BHS_LEN];
    uint32_t ttt = 1, sn = 0;

    while (got < want) {
        uint32_t burst = want - (uint32_t)got < BURST ? want - (uint32_t)got : BURST;
        isc_pdu_start(bhs, ISC_R2T, ISC_F_FINAL, isc_word(command, ISC_ITT));
        memcpy(bhs + ISC_LUN, command + ISC_LUN, 8);
        be32_put(bhs + ISC_TTT, ttt);
        be32_put(bhs + ISC_DATA_SN, sn++);
        be32_put(bhs + ISC_OFFSET, (uint32_t)got);
        be32_put(bhs + ISC_DESIRED, burst);
        if (!send_pdu(c, bhs, false, NULL, 0))
            return false;
        for (uint32_t in = 0; in < burst;) {
            if (!receive_pdu(c))
                return false;
            if (isc_opcode(c->bhs) != ISC_DATA_OUT || c->len > burst - in) /* other commands */
                return false;
            memcpy(c->out + got, c->data, c->len);
            got += c->len;
            in += (uint32_t)c->len;
        }
    }
    return true;
}

static bool respond(struct conn *c, const uint8_t *command, const struct osd_response *r,
                    uint32_t room)
{
    uint8_t bhs[ISC_BHS_LEN], data[2 + OSD_SENSE_MAX];
    size_t in_len = r->in_len < room ? (size_t)r->in_len : room;
    uint32_t sn = 0;

    for (size_t at = 0; at < in_len; sn++) {
        size_t part = in_len - at < 65536 ? in_len - at : 65536;
        isc_pdu_start(bhs, ISC_DATA_IN, at + part == in_len ? ISC_F_FINAL : 0,
                      isc_word(command, ISC_ITT));
        be32_put(bhs + ISC_TTT, ISC_NO_TAG);
        be32_put(bhs + ISC_DATA_SN, sn);
        be32_put(bhs + ISC_OFFSET, (uint32_t)at);
        if (!send_pdu(c, bhs, false, c->in + at, part))
            return false;
        at += part;
    }
    isc_pdu_start(bhs, ISC_RESPONSE, ISC_F_FINAL | (in_len < room ? ISC_F_UNDERFLOW : 0),
                  isc_word(command, ISC_ITT));
    bhs[ISC_STATUS] = r->status;
    be32_put(bhs + ISC_DATA_SN, sn);
    be32_put(bhs + ISC_RESIDUAL, room - (uint32_t)in_len);
    be16_put(data, (uint16_t)r->sense_len);
    memcpy(data + 2, r->sense, r->sense_len);
    return send_pdu(c, bhs, true, data, r->sense_len ? 2 + r->sense_len : 0);
}

static bool carry_out(struct conn *c)
{
    uint8_t command[ISC_BHS_LEN], cdb[OSD_CDB_MAX + 64];
    uint32_t edtl = isc_word(c->bhs, ISC_EDTL);
    bool write = c->bhs[ISC_FLAGS] & ISC_F_WRITE, read = c->bhs[ISC_FLAGS] & ISC_F_READ;
    size_t more = isc_ahs_len(c->bhs) > 4 ? be16_get(c->ahs) - 1u : 0;
    struct osd_request req = {.cdb = cdb, .cdb_len = 16 + more};
    struct iovec out = {c->out, write ? edtl : 0}, in = {c->in, read ? edtl : 0};
    struct osd_response r;

    if (edtl > DATA_MAX || more > sizeof(cdb) - 16 || c->len > edtl)
        return false;
    memcpy(command, c->bhs, ISC_BHS_LEN);
    memcpy(cdb, c->bhs + ISC_CDB, 16);
    memcpy(cdb + 16, c->ahs + 4, more);
    c->exp_cmd_sn = isc_word(command, ISC_CMD_SN) + 1;
    memcpy(c->out, c->data, c->len);
    if (write && !collect_out(c, command, edtl, c->len))
        return false;
    req.out = osd_iov_make(&out, 1);
    req.in = osd_iov_make(&in, 1);
    if (foreign && req.cdb_len == OSD_CDB_MAX && (cdb[OSD_CAPABILITY_AT + 1] & 0xf) > 1) {
        fprintf(stderr, "osd_target: an algorithm that this device does not have\n");
        _exit(3);
    }
    osd_device_execute(device, &req, &r);
    if (foreign && cdb[0] == SPC_INQUIRY && cdb[1] == 0 && in.iov_len >= 16)
        memcpy(c->in + 8, "ACME    ", 8);
    return respond(c, command, &r, read ? edtl : 0);
}

static bool answer_ping(struct conn *c)
{
    uint8_t bhs[ISC_BHS_LEN];

    if (isc_word(c->bhs, ISC_ITT) == ISC_NO_TAG)
        return true;
    isc_pdu_start(bhs, ISC_NOP_IN, ISC_F_FINAL, isc_word(c->bhs, ISC_ITT));
    be32_put(bhs + ISC_TTT, ISC_NO_TAG);
    return send_pdu(c, bhs, true, c->data, c->len);
}

static bool log_out(struct conn *c)
{
    uint8_t bhs[ISC_BHS_LEN];

    isc_pdu_start(bhs, ISC_LOGOUT_RESPONSE, ISC_F_FINAL, isc_word(c->bhs, ISC_ITT));
    send_pdu(c, bhs, true, NULL, 0);
    return false;
}

static bool serve_one(struct conn *c)
{
    if (!receive_pdu(c))
        return false;
    switch (isc_opcode(c->bhs)) {
    case ISC_COMMAND:
        return carry_out(c);
    case ISC_NOP_OUT:
        return answer_ping(c);
    case ISC_LOGOUT_REQUEST:
        return log_out(c);
    default:
        return false;
    }
}

static void *serve(void *arg)
{
    struct conn c = {.fd = (int)(intptr_t)arg, .stat_sn = 1};
    int one = 1;

    c.out = malloc(DATA_MAX);
    c.in = malloc(DATA_MAX);
    c.data = malloc(DATA_MAX);
    setsockopt(c.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (c.out && c.in && c.data && login(&c))
        while (serve_one(&c))
            ;
    close(c.fd);
    free(c.out);
    free(c.in);
    free(c.data);
    return NULL;
}

/* ---- the program ---- */

static bool parse_key(const char *hex, uint8_t key[40])
{
    if (strlen(hex) != 80)
        return false;
    for (int i = 0; i < 40; i++) {
        char two[3] = {hex[2 * i], hex[2 * i + 1], 0};
        key[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return true;
}

static osd_status give_key(void *arg, uint8_t ret_key[40])
{
    memcpy(ret_key, arg, 40);
    return OSD_OK;
}

static osd_status open_device(const char *master, const char *method)
{
    struct store_config sc = {.path = "", .create = true, .clock = &osd_clock_system};
    struct osd_device_config dc = {.clock = &osd_clock_system};
    uint8_t key[40];
    char why[200] = "";
    osd_status st = store_memory_open(&sc, &dc.store, why, sizeof(why));

    if (!st && parse_key(master, key)) {
        dc.first_key = give_key;
        dc.key_arg = key;
        dc.default_method = method ? (uint8_t)strtoul(method, NULL, 10) : OSD_SEC_CMDRSP;
    }
    if (!st)
        st = osd_device_open(&dc, &device);
    if (st)
        fprintf(stderr, "osd_target: %s %s\n", osd_status_text(st), why);
    return st;
}

int main(int argc, char **argv)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    pthread_t t;

    prctl(PR_SET_PDEATHSIG, SIGTERM);
    foreign = argc > 4;
    if (argc < 3 || open_device(argv[2], argv[3]))
        return 2;
    a.sin_port = htons((uint16_t)strtoul(argv[1], NULL, 10));
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(fd, (struct sockaddr *)&a, len) != 0 || listen(fd, 64) != 0 ||
        getsockname(fd, (struct sockaddr *)&a, &len) != 0)
        return 2;
    printf("ready %u\n", ntohs(a.sin_port));
    fflush(stdout);
    for (;;) {
        int c = accept(fd, NULL, NULL);
        if (c < 0 || pthread_create(&t, NULL, serve, (void *)(intptr_t)c) != 0)
            return 1;
        pthread_detach(t);
    }
}
