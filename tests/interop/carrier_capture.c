/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interop/carrier_capture.c - commands on a device in memory, packets into a file (see
 * carrier.h)
 *
 * Each command is three packets at most: SCSI Command with all Data-Out as immediate data,
 * Data-In, SCSI Response (RFC 7143). Checksums of IP and TCP are left zero.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "carrier.h"
#include "common/bytes.h"
#include "common/iov.h"
#include "interpreter/interpreter.h"

#define BHS        48
#define IP_TCP     40
#define PACKET_MAX 65535
#define SERVER     3260
#define CLIENT     40000

enum { OP_COMMAND = 0x01, OP_RESPONSE = 0x21, OP_DATA_IN = 0x25 };
enum { AHS_CDB = 1, AHS_READ_LENGTH = 2 };

struct capture_carrier {
    struct carrier base;
    struct osd_device *dev;
    FILE *file;
    uint32_t seq[2]; /* next TCP sequence number of client and server */
    uint32_t cmd_sn, stat_sn, frames;
    uint8_t packet[PACKET_MAX];
};

/* ---- the file ---- */

/* pcap files are in the writer's byte order; the magic number tells. */
static void put_header(FILE *f)
{
    static const struct {
        uint32_t magic;
        uint16_t major, minor;
        uint32_t zone, figures, snaplen, link;
    } header = {0xa1b2c3d4, 2, 4, 0, 0, PACKET_MAX, 101 /* raw IP */};

    fwrite(&header, sizeof(header), 1, f);
}

/* One PDU as one TCP segment; from 0: client, 1: server. */
static void put_packet(struct capture_carrier *c, int from, const struct osd_writer *pdu)
{
    uint32_t record[4] = {c->frames / 1000, c->frames % 1000 * 1000,
                          (uint32_t)(IP_TCP + pdu->full), (uint32_t)(IP_TCP + pdu->full)};
    uint8_t head[IP_TCP] = {[0] = 0x45, [8] = 64, [9] = 6, [32] = 0x50, [33] = 0x18};

    be16_put(head + 2, (uint16_t)(IP_TCP + pdu->full));
    be16_put(head + 4, (uint16_t)c->frames);
    be32_put(head + 12, from ? 0x0a000002 : 0x0a000001);
    be32_put(head + 16, from ? 0x0a000001 : 0x0a000002);
    be16_put(head + 20, from ? SERVER : CLIENT);
    be16_put(head + 22, from ? CLIENT : SERVER);
    be32_put(head + 24, c->seq[from]);
    be32_put(head + 28, c->seq[!from]);
    be16_put(head + 34, 0xffff);
    c->seq[from] += (uint32_t)pdu->full;
    c->frames++;
    fwrite(record, sizeof(record), 1, c->file);
    fwrite(head, sizeof(head), 1, c->file);
    fwrite(c->packet, pdu->full, 1, c->file);
}

/* ---- iSCSI ---- */

static struct osd_writer start(struct capture_carrier *c, uint8_t opcode, uint8_t flags)
{
    struct osd_writer w = osd_writer_make(c->packet, PACKET_MAX - IP_TCP);

    osd_writer_zero(&w, BHS);
    c->packet[0] = opcode;
    c->packet[1] = flags;
    be32_put(c->packet + 16, c->cmd_sn); /* initiator task tag */
    return w;
}

static void pad(struct osd_writer *w)
{
    osd_writer_zero(w, (4 - w->full % 4) % 4);
}

/* Data segment: its length, the bytes, padding. */
static void put_data(struct capture_carrier *c, struct osd_writer *w, const void *data,
                     size_t len)
{
    c->packet[5] = (uint8_t)(len >> 16);
    be16_put(c->packet + 6, (uint16_t)len);
    osd_writer_put(w, data, len);
    pad(w);
}

static void put_additional_headers(struct capture_carrier *c, struct osd_writer *w,
                                   const struct exchange *x)
{
    if (x->cdb_len > 16) {
        osd_writer_be16(w, (uint16_t)(x->cdb_len - 16 + 1));
        osd_writer_u8(w, AHS_CDB);
        osd_writer_u8(w, 0);
        osd_writer_put(w, x->cdb + 16, x->cdb_len - 16);
        pad(w);
    }
    if (x->out_len && x->in_cap) {
        osd_writer_be16(w, 5);
        osd_writer_u8(w, AHS_READ_LENGTH);
        osd_writer_u8(w, 0);
        osd_writer_be32(w, (uint32_t)x->in_cap);
    }
    c->packet[4] = (uint8_t)((w->full - BHS) / 4);
}

static void put_command(struct capture_carrier *c, const struct exchange *x)
{
    uint8_t flags = (uint8_t)(0x81 | (x->in_cap ? 0x40 : 0) | (x->out_len ? 0x20 : 0));
    struct osd_writer w = start(c, OP_COMMAND, flags);

    memcpy(c->packet + 32, x->cdb, x->cdb_len < 16 ? x->cdb_len : 16);
    be32_put(c->packet + 20, (uint32_t)(x->out_len ? x->out_len : x->in_cap));
    be32_put(c->packet + 24, c->cmd_sn);
    be32_put(c->packet + 28, c->stat_sn);
    put_additional_headers(c, &w, x);
    put_data(c, &w, x->out, x->out_len);
    put_packet(c, 0, &w);
}

static void put_data_in(struct capture_carrier *c, const struct exchange *x)
{
    struct osd_writer w = start(c, OP_DATA_IN, 0x80);

    be32_put(c->packet + 20, UINT32_MAX);
    be32_put(c->packet + 28, c->cmd_sn + 1);
    be32_put(c->packet + 32, c->cmd_sn + 64);
    put_data(c, &w, x->in, x->in_len);
    put_packet(c, 1, &w);
}

static void put_response(struct capture_carrier *c, const struct exchange *x)
{
    struct osd_writer w = start(c, OP_RESPONSE, 0x80);
    uint8_t data[2 + sizeof(x->sense)];

    c->packet[3] = x->status;
    be32_put(c->packet + 24, c->stat_sn++);
    be32_put(c->packet + 28, c->cmd_sn + 1);
    be32_put(c->packet + 32, c->cmd_sn + 64);
    be16_put(data, (uint16_t)x->sense_len);
    memcpy(data + 2, x->sense, x->sense_len);
    put_data(c, &w, data, x->sense_len ? 2 + x->sense_len : 0);
    put_packet(c, 1, &w);
}

/* ---- the carrier ---- */

static osd_status execute(struct carrier *base, struct exchange *x)
{
    struct capture_carrier *c = (struct capture_carrier *)base;
    struct iovec out = {.iov_base = (void *)x->out, .iov_len = x->out_len};
    struct iovec in = {.iov_base = x->in, .iov_len = x->in_cap};
    struct osd_request req = {.cdb = x->cdb, .cdb_len = x->cdb_len};
    struct osd_response r;

    if (x->out_len + x->cdb_len + BHS + 64 > PACKET_MAX - IP_TCP ||
        x->in_cap + BHS > PACKET_MAX - IP_TCP)
        return OSD_E_INVALID;
    if (x->out_len)
        req.out = osd_iov_make(&out, 1);
    if (x->in_cap)
        req.in = osd_iov_make(&in, 1);
    osd_device_execute(c->dev, &req, &r);
    x->status = r.status;
    x->in_len = r.in_len;
    x->sense_len = r.sense_len;
    memcpy(x->sense, r.sense, r.sense_len);
    put_command(c, x);
    if (x->in_len)
        put_data_in(c, x);
    put_response(c, x);
    c->cmd_sn++;
    return OSD_OK;
}

static void close_capture(struct carrier *base)
{
    struct capture_carrier *c = (struct capture_carrier *)base;

    osd_device_close(c->dev);
    fclose(c->file);
    free(c);
}

struct carrier *carrier_capture(const char *path)
{
    struct store_config store = {.create = true, .capacity = 1ULL << 30};
    struct osd_device_config device = {.serial = "interop"};
    struct capture_carrier *c = calloc(1, sizeof(*c));

    if (!c || store_memory_open(&store, &device.store, NULL, 0) ||
        osd_device_open(&device, &c->dev) || !(c->file = fopen(path, "wb"))) {
        perror(path);
        exit(1);
    }
    put_header(c->file);
    c->cmd_sn = c->stat_sn = 1;
    c->seq[0] = c->seq[1] = 1000;
    c->base = (struct carrier){.execute = execute, .close = close_capture, .both_ways = true};
    return &c->base;
}
