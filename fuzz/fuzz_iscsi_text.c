/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_iscsi_text.c - the initiator's text parsers: URL, key=value, negotiation, CHAP
 *
 * The first byte picks the parser, the rest is its input. Holds: what is accepted lies within
 * the limits of its type and of what was offered; nobody passes mutual CHAP without the secret.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "initiator/initiator_internal.h"

static void fuzz_url(const char *text)
{
    struct iscsi_url u;
    char reason[128];

    if (iscsi_url_parse(text, &u, reason, sizeof(reason)) == OSD_OK) {
        require(u.n_portals >= 1 && u.n_portals <= 8);
        require(strlen(u.target) < sizeof(u.target) && strlen(u.secret) < sizeof(u.secret));
        require(!u.mutual_user[0] || u.user[0]);
    }
}

static void fuzz_negotiation(struct osd_bytes text, bool digest)
{
    struct iscsi_options opt = {.max_burst = 65536};
    struct isc_params offer = isc_params_offer(&opt, digest), agreed = isc_params_start(&offer);
    struct osd_buf reply = osd_buf_make(8192);

    if (isc_params_take(text, &offer, &agreed, &reply, NULL) == OSD_OK) {
        require(agreed.max_burst <= 65536 && agreed.first_burst <= agreed.max_burst);
        require(agreed.max_recv >= 512 && agreed.max_outstanding_r2t == 1);
        require(agreed.header_digest == 0 && (digest || agreed.data_digest == 0));
    }
    osd_buf_free(&reply);
}

static void fuzz_chap(struct osd_bytes text)
{
    struct isc_chap c = {
        .user = "joe", .secret = "a", .mutual_user = "tgt", .mutual_secret = "b"};
    struct osd_buf out = osd_buf_make(8192);

    if (isc_chap_answer(&c, text, &out, NULL) == OSD_OK)
        require(isc_chap_verify(&c, text, NULL) != OSD_OK);
    osd_buf_free(&out);
}

static void fuzz_binary(const char *text)
{
    uint8_t bytes[16];
    size_t len = 0;

    if (isc_binary_decode(text, bytes, sizeof(bytes), &len) == OSD_OK)
        require(len > 0 && len <= sizeof(bytes));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = size > 0 ? malloc(size) : NULL; /* exactly as long as the input */

    if (!copy)
        return 0;
    memcpy(copy, data + 1, size - 1);
    copy[size - 1] = '\0';
    struct osd_bytes text = {(const uint8_t *)copy, size};
    switch (data[0] % 5) {
    case 0:
        fuzz_url(copy);
        break;
    case 1:
    case 2:
        fuzz_negotiation(text, data[0] % 5 == 1);
        break;
    case 3:
        fuzz_chap(text);
        break;
    default:
        fuzz_binary(copy);
    }
    free(copy);
    return 0;
}
