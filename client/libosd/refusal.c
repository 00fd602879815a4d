/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/libosd/refusal.c - what was wrong with a credential, by the byte of the CDB at which the
 * device refused it (reference 5, 9)
 *
 * The sentence behind it says what was to be done with what; this one says which permission was
 * missing, or why the credential does not count.
 */
#include <stdio.h>

#include "libosd.h"
#include "security/names.h"
#include "wire/sense.h"

#define AT(offset) (OSD_CAPABILITY_AT + (offset))
#define BOTH       0
#define PERMISSION AT(49)

static const struct {
    uint16_t field;
    uint8_t gen; /* BOTH, or the one */
    const char *text;
} refusals[] = {
    {16, BOTH, "the credential is for another partition"},
    {24, BOTH, "the credential is for another object"},
    {32, BOTH, "the credential is for another part of the object"},
    {40, BOTH, "the credential is for another part of the object, or another source"},
    {48, BOTH, "the credential for the second object is none, or does not allow it"},
    {AT(0), BOTH, "the device asks for a credential"},
    {AT(1), BOTH, "the device has no such key; keys have to be installed first"},
    {AT(2), BOTH, "the device asks for a credential, or for a stronger security method"},
    {AT(4), BOTH, "the credential has expired"},
    {AT(42), BOTH, "the credential is for an object of this id that was made at another time"},
    {AT(48), BOTH, "the credential is for another type of object"},
    {AT(55), BOTH, "the credential is for another type of object"},
    {AT(56), OSD_GEN1, "the credential was revoked: the object has another policy access tag"},
    {AT(60), OSD_GEN2, "the credential was revoked: the object has another policy access tag"},
    {AT(64), OSD_GEN2, "the credential ended when the device was started again"},
    {160, OSD_GEN1,
     "the credential's key is not the device's, or somebody changed the command"},
    {184, OSD_GEN2,
     "the credential's key is not the device's, or somebody changed the command"},
};

/* Those that the command needs and the credential does not give; all that it needs, where the
 * credential seems to give them. */
static const char *lacks(const struct build *b, char dst[REFUSAL_TEXT])
{
    uint16_t given = be16_get(b->raw + PERMISSION), needed = b->cdb.cap.permissions;
    char names[OSD_PERMISSIONS_TEXT];

    snprintf(
        dst, REFUSAL_TEXT, "the credential lacks permission %s",
        osd_permissions_format(needed & ~given ? needed & (uint16_t)~given : needed, names));
    return dst;
}

const char *refusal_text(const struct build *b, const struct osd_sense *s,
                         char dst[REFUSAL_TEXT])
{
    if (s->asc == ASC_KEY_FROZEN)
        return "the key of the credential is frozen";
    if (s->asc == ASC_AUDIT_FROZEN)
        return "the credential was ended: its audit value is frozen";
    if (!s->has_field || !s->field_in_cdb)
        return NULL;
    if (s->field == PERMISSION)
        return lacks(b, dst);
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
        if (refusals[i].field == s->field &&
            (refusals[i].gen == BOTH || refusals[i].gen == b->cdb.gen))
            return refusals[i].text;
    return NULL;
}
