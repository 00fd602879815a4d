/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/interop/wire_bytes.c - writes what wire/ encodes, so that other people's decoders can read it
 *
 * usage: wire_bytes NAME   the bytes on standard output
 *        wire_bytes        the names
 * test-interop-sg3.sh compares what sg3_utils says of them with what stands here.
 */
#include <stdio.h>
#include <string.h>

#include "common/bytes.h"
#include "wire/sense.h"
#include "wire/spc.h"

static const struct osd_identity me = {.vendor = "LIOSD",
                                       .product = "Object Storage",
                                       .revision = "0.1",
                                       .serial = "0123456789abcdef",
                                       .naa = {0x30, 1, 2, 3, 4, 5, 6, 7}};

static void inquiry(struct osd_writer *w)
{
    osd_inquiry_standard(w, &me);
}

static void vpd_serial(struct osd_writer *w)
{
    osd_vpd_serial(w, &me);
}

static void vpd_identification(struct osd_writer *w)
{
    osd_vpd_identification(w, &me);
}

static void vpd_token(struct osd_writer *w)
{
    static const uint8_t token[16] = "sixteen bytes  ";

    osd_vpd_security_token(w, token, sizeof(token));
}

static void put_sense(struct osd_writer *w, const struct osd_sense *s)
{
    uint8_t raw[OSD_SENSE_MAX];

    osd_writer_put(w, raw, osd_sense_encode(s, raw));
}

static void sense_field(struct osd_writer *w)
{
    static const struct osd_sense s = {.key = SENSE_ILLEGAL_REQUEST,
                                       .asc = ASC_INVALID_FIELD_CDB,
                                       .has_field = true,
                                       .field_in_cdb = true,
                                       .field = 129,
                                       .has_object = true,
                                       .not_initiated = 0x00103030,
                                       .completed = 0xa0000000,
                                       .pid = 0x10000,
                                       .oid = 0x10005};

    put_sense(w, &s);
}

static void sense_param(struct osd_writer *w)
{
    static const struct osd_sense s = {.key = SENSE_ILLEGAL_REQUEST,
                                       .asc = ASC_INVALID_FIELD_PARAM,
                                       .has_field = true,
                                       .field = 300};

    put_sense(w, &s);
}

static void sense_quota(struct osd_writer *w)
{
    static const struct osd_sense s = {.key = SENSE_DATA_PROTECT,
                                       .asc = ASC_QUOTA,
                                       .has_object = true,
                                       .n_attrs = 1,
                                       .attrs = {{0x30000002, 0x10001}}};

    put_sense(w, &s);
}

static void sense_past_end(struct osd_writer *w)
{
    static const struct osd_sense s = {.key = SENSE_RECOVERED,
                                       .asc = ASC_READ_PAST_END,
                                       .has_command_info = true,
                                       .command_info = 4711,
                                       .has_object = true};

    put_sense(w, &s);
}

static void sense_icv(struct osd_writer *w)
{
    static const struct osd_sense s = {.key = SENSE_ILLEGAL_REQUEST,
                                       .asc = ASC_NONCE_NOT_UNIQUE,
                                       .has_information = true,
                                       .information = 99,
                                       .icv_len = 32};

    put_sense(w, &s);
}

static const struct {
    const char *name;
    void (*put)(struct osd_writer *w);
} kinds[] = {
    {"inquiry", inquiry},
    {"vpd-supported", osd_vpd_supported},
    {"vpd-serial", vpd_serial},
    {"vpd-identification", vpd_identification},
    {"vpd-token", vpd_token},
    {"sense-field", sense_field},
    {"sense-param", sense_param},
    {"sense-quota", sense_quota},
    {"sense-past-end", sense_past_end},
    {"sense-icv", sense_icv},
};

int main(int argc, char **argv)
{
    static uint8_t raw[4096];
    struct osd_writer w = osd_writer_make(raw, sizeof(raw));

    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (argc < 2) {
            puts(kinds[i].name);
        } else if (strcmp(argv[1], kinds[i].name) == 0) {
            kinds[i].put(&w);
            return fwrite(raw, 1, w.full, stdout) == w.full ? 0 : 1;
        }
    }
    return argc < 2 ? 0 : 2;
}
