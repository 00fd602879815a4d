/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_iscsi_login.c - any bytes as what a target says during login
 *
 * The first byte picks the kind of login (plain, CHAP, mutual CHAP; with or without data
 * digest; discovery), the rest is the target's stream, which then ends. Holds: the login ends
 * without waiting for its deadline, never succeeds with mutual CHAP (nobody here knows the
 * secret), and a refusal has a reason.
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "common/clock.h"
#include "initiator/initiator_internal.h"

#define STREAM_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct iscsi_url url = {.n_portals = 1, .target = "iqn.2026-11.test:fuzz"};
    struct isc_link l = isc_link_make(-1);
    char redirect[ISC_PORTAL_MAX] = "", reason[256] = "";
    struct isc_reason why = {reason, sizeof(reason)};
    struct iscsi_options o;
    int fd[2];

    if (size < 1 || size > STREAM_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, fd) != 0)
        return 0;
    if (data[0] & 3)
        snprintf(url.user, sizeof(url.user), "joe");
    if (data[0] & 2)
        snprintf(url.mutual_user, sizeof(url.mutual_user), "tgt");
    url.data_digest = data[0] & 4;
    isc_options_fill(NULL, &o);
    require(write(fd[0], data + 1, size - 1) == (ssize_t)size - 1);
    shutdown(fd[0], SHUT_WR);
    l.fd = fd[1];
    l.deadline_ms = osd_monotonic_ms() + 10000;
    osd_status st = isc_login(&l, &url, &o, data[0] & 8, redirect, &why);
    require(st != OSD_E_TIMEOUT && !(st == OSD_OK && url.mutual_user[0]));
    require(st == OSD_OK || (reason[0] && memchr(reason, 0, sizeof(reason))));
    isc_link_close(&l);
    close(fd[0]);
    return 0;
}
