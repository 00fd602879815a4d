/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_iscsi_session.c - any bytes as what a target says to a session with commands
 *
 * The first byte picks parameters, the rest is the target's stream, which then ends. Commands
 * of all directions are under way (task tags 0100h, 0201h, 0302h, 0403h; CmdSN 1..4). Every
 * callback must run exactly once, nothing outside the Data-In memory may change, and no result
 * says more than was received.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "initiator/initiator_internal.h"

#define STREAM_MAX 65536
#define COMMANDS   4
#define IN_LEN     10000
#define OUT_LEN    20001

struct call {
    struct iscsi_command cmd;
    struct iovec v[2];
    int calls;
};

static uint8_t cdb[236];

static void on_done(struct iscsi_command *cmd, void *arg)
{
    struct call *c = arg;

    c->calls++;
    require(cmd->in_len <= cmd->in.len && cmd->sense_len <= ISCSI_SENSE_MAX);
    require(!cmd->status || (cmd->scsi_status == 0 && cmd->sense_len == 0 && cmd->in_len == 0));
}

static struct iscsi_session *make_session(uint8_t kind, int fd)
{
    struct iscsi_url url = {.n_portals = 1, .portals = {"127.0.0.1:1"}, .has_target = true};
    struct isc_link l = isc_link_make(-1);
    struct iscsi_session *s = NULL;
    struct iscsi_options o;

    isc_options_fill(NULL, &o);
    l.fd = fd;
    l.offer = isc_params_offer(&o, kind & 1);
    l.agreed = isc_params_start(&l.offer);
    l.agreed.data_digest = kind & 1;
    l.agreed.initial_r2t = !(kind & 2);
    l.agreed.immediate_data = !(kind & 4);
    l.agreed.first_burst = kind & 8 ? 512 : 65536;
    l.agreed.max_recv = kind & 16 ? 512 : 8192;
    l.exp_stat_sn = 1;
    l.max_cmd_sn = kind & 32 ? 2 : 32;
    if (isc_session_make(&url, &o, &l, &s))
        close(fd);
    return s;
}

static void start(struct iscsi_session *s, struct call *c, int number, uint8_t *in,
                  uint8_t *out)
{
    *c = (struct call){.cmd = {.cdb = cdb, .cdb_len = 200, .done = on_done, .arg = c}};
    c->v[0] = (struct iovec){number % 2 ? out : in, 4000};
    c->v[1] = (struct iovec){(number % 2 ? out : in) + 4000,
                             number % 2 ? OUT_LEN - 4000 : IN_LEN - 4000};
    if (number % 2)
        c->cmd.out = osd_iov_make(c->v, 2);
    else if (number == 0)
        c->cmd.in = osd_iov_make(c->v, 2);
    if (iscsi_submit(s, &c->cmd))
        c->calls = 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct call c[COMMANDS];
    int fd[2];

    if (size < 1 || size > STREAM_MAX ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd) != 0)
        return 0;
    uint8_t *in = calloc(1, IN_LEN), *out = calloc(1, OUT_LEN);
    struct iscsi_session *s = in && out ? make_session(data[0], fd[1]) : NULL;
    if (s) {
        for (int i = 0; i < COMMANDS; i++)
            start(s, &c[i], i, in, out);
        require(write(fd[0], data + 1, size - 1) == (ssize_t)size - 1);
        shutdown(fd[0], SHUT_WR);
        while (iscsi_service(s, 5000) >= 0)
            ;
        iscsi_disconnect(s);
        for (int i = 0; i < COMMANDS; i++)
            require(c[i].calls == 1);
        for (int i = 0; i < OUT_LEN; i++)
            require(out[i] == 0);
    }
    close(fd[0]);
    free(in);
    free(out);
    return 0;
}
