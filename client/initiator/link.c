/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/link.c - a connection used by one thread: connect, send, receive, until a
 * deadline or a cancellation
 *
 * The descriptor is non-blocking throughout. Exactly the bytes of a PDU are read, so that the
 * session that takes the link over finds the stream at a PDU boundary.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/clock.h"
#include "initiator_internal.h"

osd_status isc_say(struct isc_reason *why, osd_status st, const char *fmt, ...)
{
    va_list ap;

    if (why && why->text && why->len > 0) {
        va_start(ap, fmt);
        vsnprintf(why->text, why->len, fmt, ap);
        va_end(ap);
    }
    return st;
}

struct isc_link isc_link_make(int cancel_fd)
{
    struct isc_link l = {.fd = -1, .cancel_fd = cancel_fd, .cmd_sn = 1};

    osd_random(l.isid + 1, 5);
    l.isid[0] = 0x80; /* type 10b: random */
    return l;
}

void isc_link_close(struct isc_link *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

/* Wait for events on the connection. OK, TIMEOUT or INTERRUPTED. */
static osd_status await(const struct isc_link *l, short events)
{
    for (;;) {
        struct pollfd p[2] = {{.fd = l->fd, .events = events},
                              {.fd = l->cancel_fd, .events = POLLIN}};
        uint64_t now = osd_monotonic_ms();
        uint64_t left = l->deadline_ms > now ? l->deadline_ms - now : 0;
        int n = poll(p, 2, left > INT_MAX ? INT_MAX : (int)left);

        if (n > 0)
            return p[1].revents ? OSD_E_INTERRUPTED : OSD_OK;
        if (n == 0)
            return OSD_E_TIMEOUT;
        if (errno != EINTR && errno != EAGAIN)
            return OSD_E_IO;
    }
}

static osd_status say_await(struct isc_reason *why, osd_status st, const char *portal)
{
    if (st == OSD_E_INTERRUPTED)
        return isc_say(why, st, "%s: stopped", portal);
    return isc_say(why, st, "%s does not answer in time", portal);
}

/* "host:port" to its halves; brackets of IPv6 go. */
static void split_portal(const char *portal, char host[ISC_PORTAL_MAX], const char **ret_port)
{
    const char *colon = strrchr(portal, ':');
    size_t len = colon ? (size_t)(colon - portal) : strlen(portal);

    if (portal[0] == '[' && len >= 2) {
        portal++;
        len -= 2;
    }
    snprintf(host, ISC_PORTAL_MAX, "%.*s", (int)len, portal);
    *ret_port = colon ? colon + 1 : "3260";
}

static osd_status connect_to(struct isc_link *l, const struct addrinfo *ai,
                             struct isc_reason *why)
{
    int one = 1, err = 0;
    socklen_t len = sizeof(err);
    osd_status st;

    l->fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (l->fd < 0)
        return isc_say(why, OSD_E_UNREACHABLE, "socket: %s", strerror(errno));
    setsockopt(l->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (connect(l->fd, ai->ai_addr, ai->ai_addrlen) < 0) {
        if (errno != EINPROGRESS) {
            err = errno;
        } else if ((st = await(l, POLLOUT))) {
            isc_link_close(l);
            return say_await(why, st, l->portal);
        } else {
            getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &err, &len);
        }
    }
    if (err) {
        isc_link_close(l);
        return isc_say(why, OSD_E_UNREACHABLE, "%s: %s", l->portal, strerror(err));
    }
    return OSD_OK;
}

osd_status isc_link_connect(struct isc_link *l, const char *portal, struct isc_reason *why)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list;
    char host[ISC_PORTAL_MAX];
    const char *port;
    osd_status st = OSD_E_UNREACHABLE;

    isc_link_close(l);
    snprintf(l->portal, sizeof(l->portal), "%s", portal);
    split_portal(l->portal, host, &port);
    int rc = getaddrinfo(host, port, &hints, &list);
    if (rc == EAI_NONAME || rc == EAI_ADDRFAMILY) { /* loopback only: numeric still works */
        hints.ai_flags = 0;
        rc = getaddrinfo(host, port, &hints, &list);
    }
    if (rc)
        return isc_say(why, st, "%s: %s", host, gai_strerror(rc));
    for (const struct addrinfo *ai = list; ai && st; ai = ai->ai_next)
        st = connect_to(l, ai, why);
    freeaddrinfo(list);
    return st;
}

static osd_status say_errno(struct isc_link *l, struct isc_reason *why)
{
    return isc_say(why, OSD_E_UNREACHABLE, "%s: %s", l->portal, strerror(errno));
}

osd_status isc_link_send(struct isc_link *l, uint8_t *bhs, struct osd_bytes data,
                         struct isc_reason *why)
{
    static const uint8_t zero[4];
    struct iovec v[3] = {
        {bhs, ISC_BHS_LEN}, {(void *)data.data, data.len}, {(void *)zero, isc_pad(data.len)}};
    struct osd_iov all = osd_iov_make(v, 3);
    uint64_t done = 0;

    isc_pdu_set_data_len(bhs, (uint32_t)data.len);
    all.len = ISC_BHS_LEN + data.len + isc_pad(data.len);
    while (done < all.len) {
        struct iovec part[3];
        struct msghdr m = {.msg_iov = part};
        m.msg_iovlen = (size_t)osd_iov_slice(&all, done, all.len - done, part, 3);
        ssize_t n = sendmsg(l->fd, &m, MSG_NOSIGNAL);
        if (n > 0) {
            done += (uint64_t)n;
        } else if (errno == EAGAIN) {
            osd_status st = await(l, POLLOUT);
            if (st)
                return say_await(why, st, l->portal);
        } else if (errno != EINTR) {
            return say_errno(l, why);
        }
    }
    return OSD_OK;
}

static osd_status receive_exactly(struct isc_link *l, uint8_t *dst, size_t len,
                                  struct isc_reason *why)
{
    while (len > 0) {
        osd_status st = await(l, POLLIN);
        if (st)
            return say_await(why, st, l->portal);
        ssize_t n = recv(l->fd, dst, len, 0);
        if (n > 0) {
            dst += n;
            len -= (size_t)n;
        } else if (n == 0) {
            return isc_say(why, OSD_E_UNREACHABLE, "%s closed the connection during login",
                           l->portal);
        } else if (errno != EINTR && errno != EAGAIN) {
            return say_errno(l, why);
        }
    }
    return OSD_OK;
}

osd_status isc_link_receive(struct isc_link *l, uint8_t bhs[ISC_BHS_LEN], struct osd_buf *data,
                            struct isc_reason *why)
{
    uint8_t skip[255 * 4];
    osd_status st = receive_exactly(l, bhs, ISC_BHS_LEN, why);

    if (st == OSD_OK)
        st = receive_exactly(l, skip, isc_ahs_len(bhs), why);
    if (st)
        return st;
    size_t len = isc_data_len(bhs);
    size_t whole = len + isc_pad(len);
    if (osd_buf_reserve(data, whole))
        return isc_say(why, OSD_E_PROTOCOL, "%s sends more text than the %zu bytes allowed",
                       l->portal, data->max);
    if (whole > 0)
        st = receive_exactly(l, data->data + data->len, whole, why);
    if (st == OSD_OK)
        data->len += len;
    return st;
}
