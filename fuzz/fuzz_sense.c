/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz/fuzz_sense.c - any bytes as sense data
 *
 * Holds: what decodes has a status and a sentence of any length, and, where it fits into the
 * 96 bytes that LIO carries, survives encoding.
 */
#include <string.h>

#include "check.h"
#include "wire/sense.h"

static void check_text(const struct osd_sense *s)
{
    char text[256];

    for (size_t len = 1; len <= sizeof(text); len += 17) {
        memset(text, 'x', sizeof(text));
        osd_sense_format(s, text, len);
        require(memchr(text, 0, len));
        require(len == sizeof(text) || text[len] == 'x');
    }
}

static size_t size_of(const struct osd_sense *s)
{
    return 8u + 12u * s->has_information + 12u * s->has_command_info + 8u * s->has_field +
           32u * s->has_object + (s->n_attrs ? 4u + 8u * s->n_attrs : 0) +
           (s->icv_len ? 2u + s->icv_len : 0);
}

static void check_same(const struct osd_sense *a, const struct osd_sense *b)
{
    require(a->key == b->key && a->asc == b->asc);
    require(a->has_field == b->has_field && a->field == b->field);
    require(a->field_in_cdb == b->field_in_cdb);
    require(a->has_command_info == b->has_command_info && a->command_info == b->command_info);
    require(a->has_information == b->has_information && a->information == b->information);
    require(a->has_object == b->has_object && a->oid == b->oid && a->pid == b->pid);
    require(a->not_initiated == b->not_initiated && a->completed == b->completed);
    require(a->n_attrs == b->n_attrs && a->icv_len == b->icv_len);
    for (int i = 0; i < a->n_attrs; i++)
        require(a->attrs[i].page == b->attrs[i].page &&
                a->attrs[i].number == b->attrs[i].number);
    require(memcmp(a->icv, b->icv, sizeof(a->icv)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t raw[OSD_SENSE_MAX];
    struct osd_sense s, again;
    size_t len;

    if (osd_sense_decode(data, size, &s))
        return 0;
    check_text(&s);
    (void)osd_sense_status(&s);
    len = osd_sense_encode(&s, raw);
    require(len >= 8 && len <= OSD_SENSE_MAX && raw[7] == len - 8);
    require(osd_sense_decode(raw, len, &again) == OSD_OK);
    if (size_of(&s) <= OSD_SENSE_MAX)
        check_same(&s, &again);
    else
        require(again.key == s.key && again.asc == s.asc && again.has_field == s.has_field);
    return 0;
}
