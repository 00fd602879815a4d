/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/initiator/negotiate.c - key=value text and the operational parameters (RFC 7143 13)
 *
 * One table says for every key how two values combine, its limits and the default that holds
 * when nobody speaks of it. The target's answer is combined with our offer once more, so a
 * target that answers more than was offered does not get it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "initiator_internal.h"

enum rule {
    RULE_MIN,
    RULE_MAX,
    RULE_AND,
    RULE_OR,
    RULE_DECLARE, /* each side states its own */
    RULE_DIGEST   /* None or CRC32C */
};

static const struct key {
    const char *name;
    enum rule rule;
    size_t at; /* in struct isc_params */
    uint32_t lo, hi, standard;
} keys[] = {
#define AT(field) offsetof(struct isc_params, field)
    {"HeaderDigest", RULE_DIGEST, AT(header_digest), 0, 1, 0},
    {"DataDigest", RULE_DIGEST, AT(data_digest), 0, 1, 0},
    {"InitialR2T", RULE_OR, AT(initial_r2t), 0, 1, 1},
    {"ImmediateData", RULE_AND, AT(immediate_data), 0, 1, 1},
    {"MaxBurstLength", RULE_MIN, AT(max_burst), 512, 0xffffff, 262144},
    {"FirstBurstLength", RULE_MIN, AT(first_burst), 512, 0xffffff, 65536},
    {"MaxRecvDataSegmentLength", RULE_DECLARE, AT(max_recv), 512, 0xffffff, 8192},
    {"MaxOutstandingR2T", RULE_MIN, AT(max_outstanding_r2t), 1, 65535, 1},
    {"DefaultTime2Wait", RULE_MAX, AT(time2wait), 0, 3600, 2},
    {"DefaultTime2Retain", RULE_MIN, AT(time2retain), 0, 3600, 20},
    {"MaxConnections", RULE_MIN, AT(max_connections), 1, 65535, 1},
    {"ErrorRecoveryLevel", RULE_MIN, AT(error_recovery), 0, 2, 0},
    {"DataPDUInOrder", RULE_OR, AT(pdu_in_order), 0, 1, 1},
    {"DataSequenceInOrder", RULE_OR, AT(sequence_in_order), 0, 1, 1},
#undef AT
};

#define N_KEYS (sizeof(keys) / sizeof(keys[0]))

/* Keys a target may bring up without expecting an answer. */
static const char *const declarations[] = {"TargetAlias",    "TargetPortalGroupTag",
                                           "TargetName",     "TargetAddress",
                                           "InitiatorAlias", "AuthMethod"};

/* Optional keys with a fixed answer; every other unknown key is NotUnderstood. */
static const struct {
    const char *name, *answer;
} refusals[] = {
    {"IFMarker", "No"},          {"OFMarker", "No"},           {"IFMarkInt", "Irrelevant"},
    {"OFMarkInt", "Irrelevant"}, {"TaskReporting", "RFC3720"}, {"iSCSIProtocolLevel", "1"},
};

static uint32_t *field(struct isc_params *p, const struct key *k)
{
    return (uint32_t *)(void *)((char *)p + k->at);
}

static uint32_t value_of(const struct isc_params *p, const struct key *k)
{
    return *(const uint32_t *)(const void *)((const char *)p + k->at);
}

static uint32_t combine(const struct key *k, uint32_t ours, uint32_t theirs)
{
    switch (k->rule) {
    case RULE_MIN:
        return ours < theirs ? ours : theirs;
    case RULE_MAX:
        return ours > theirs ? ours : theirs;
    case RULE_AND:
    case RULE_DIGEST:
        return ours & theirs;
    case RULE_OR:
        return ours | theirs;
    case RULE_DECLARE:
        break;
    }
    return theirs;
}

osd_status isc_text_next(struct osd_bytes text, size_t *pos, struct isc_pair *ret)
{
    while (*pos < text.len && text.data[*pos] == '\0')
        ++*pos;
    if (*pos >= text.len)
        return OSD_E_NOT_FOUND;

    const char *at = (const char *)text.data + *pos;
    size_t len = strnlen(at, text.len - *pos);
    const char *cut = memchr(at, '=', len);
    if (!cut || cut == at || (size_t)(cut - at) >= sizeof(ret->key) || *pos + len == text.len)
        return OSD_E_PROTOCOL;
    memcpy(ret->key, at, (size_t)(cut - at));
    ret->key[cut - at] = '\0';
    ret->value = cut + 1;
    *pos += len + 1;
    return OSD_OK;
}

const char *isc_text_find(struct osd_bytes text, const char *key)
{
    struct isc_pair pair;
    size_t pos = 0;

    while (isc_text_next(text, &pos, &pair) == OSD_OK) {
        if (strcmp(pair.key, key) == 0)
            return pair.value;
    }
    return NULL;
}

osd_status isc_text_add(struct osd_buf *b, const char *key, const char *value)
{
    size_t before = b->len;
    osd_status st = osd_buf_put(b, key, strlen(key));

    if (st == OSD_OK)
        st = osd_buf_put(b, "=", 1);
    if (st == OSD_OK)
        st = osd_buf_put(b, value, strlen(value) + 1);
    if (st)
        b->len = before;
    return st;
}

static uint32_t clamp(uint32_t v, uint32_t standard, uint32_t lo, uint32_t hi)
{
    if (v == 0)
        v = standard;
    return v < lo ? lo : v > hi ? hi : v;
}

struct isc_params isc_params_offer(const struct iscsi_options *opt, bool data_digest)
{
    struct isc_params p = {
        .data_digest = data_digest,
        .immediate_data = !opt->no_immediate_data,
        .max_burst = clamp(opt->max_burst, 1 << 20, 512, 0xffffff),
        .first_burst = clamp(opt->first_burst, 1 << 18, 512, 0xffffff),
        .max_recv = clamp(opt->max_recv_segment, 1 << 18, 512, 0xffffff),
        .max_outstanding_r2t = 1,
        .max_connections = 1,
        .pdu_in_order = 1,
        .sequence_in_order = 1,
    };

    if (p.first_burst > p.max_burst)
        p.first_burst = p.max_burst;
    return p;
}

struct isc_params isc_params_start(const struct isc_params *offer)
{
    struct isc_params p = *offer;

    for (size_t i = 0; i < N_KEYS; i++)
        *field(&p, &keys[i]) = combine(&keys[i], value_of(offer, &keys[i]), keys[i].standard);
    return p;
}

static void format_value(const struct key *k, uint32_t v, char dst[16])
{
    switch (k->rule) {
    case RULE_AND:
    case RULE_OR:
        snprintf(dst, 16, "%s", v ? "Yes" : "No");
        break;
    case RULE_DIGEST:
        snprintf(dst, 16, "%s", v ? "CRC32C" : "None");
        break;
    default:
        snprintf(dst, 16, "%u", v);
    }
}

osd_status isc_params_put(const struct isc_params *offer, struct osd_buf *b)
{
    osd_status st = OSD_OK;
    char value[16];

    for (size_t i = 0; i < N_KEYS && st == OSD_OK; i++) {
        format_value(&keys[i], value_of(offer, &keys[i]), value);
        st = isc_text_add(b, keys[i].name, value);
    }
    return st;
}

/* Value of a pair by the key's type. False when it is none of its values. */
static bool parse_value(const struct key *k, const char *text, uint32_t *ret)
{
    static const char *const words[2][2] = {{"No", "Yes"}, {"None", "CRC32C"}};
    unsigned long v;
    char *end;

    if (k->rule == RULE_AND || k->rule == RULE_OR || k->rule == RULE_DIGEST) {
        const char *const *w = words[k->rule == RULE_DIGEST];
        v = strcmp(text, w[1]) == 0;
        *ret = (uint32_t)v;
        return v || strcmp(text, w[0]) == 0;
    }
    if (text[0] < '0' || text[0] > '9')
        return false;
    v = strtoul(text, &end, 0);
    if (*end || v < k->lo || v > k->hi)
        return false;
    *ret = (uint32_t)v;
    return true;
}

static osd_status take_answer(const struct key *k, const char *text,
                              const struct isc_params *offer, struct isc_params *agreed,
                              struct isc_reason *why)
{
    uint32_t theirs, ours = value_of(offer, k);
    bool digest = k->rule == RULE_DIGEST;

    if (strcmp(text, "Irrelevant") == 0)
        return OSD_OK;
    if (strcmp(text, "Reject") == 0 || strcmp(text, "NotUnderstood") == 0) {
        if (digest && ours)
            return isc_say(why, OSD_E_UNSUPPORTED, "the target refuses %s=CRC32C", k->name);
        return OSD_OK;
    }
    if (!parse_value(k, text, &theirs))
        return isc_say(why, OSD_E_PROTOCOL, "the target answered %s=%.64s", k->name, text);
    if (digest && theirs != ours)
        return isc_say(why, OSD_E_UNSUPPORTED, "the target wants %s=%s", k->name, text);
    *field(agreed, k) = combine(k, ours, theirs);
    return OSD_OK;
}

static osd_status reply_to(const struct isc_pair *pair, struct osd_buf *reply)
{
    for (size_t i = 0; i < sizeof(declarations) / sizeof(declarations[0]); i++) {
        if (strcmp(pair->key, declarations[i]) == 0)
            return OSD_OK;
    }
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        if (strcmp(pair->key, refusals[i].name) == 0)
            return isc_text_add(reply, pair->key, refusals[i].answer);
    }
    if (strcmp(pair->value, "NotUnderstood") == 0)
        return OSD_OK;
    return isc_text_add(reply, pair->key, "NotUnderstood");
}

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++) {
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    }
    return NULL;
}

osd_status isc_params_take(struct osd_bytes text, const struct isc_params *offer,
                           struct isc_params *agreed, struct osd_buf *reply,
                           struct isc_reason *why)
{
    struct isc_pair pair;
    size_t pos = 0;
    osd_status st;

    while ((st = isc_text_next(text, &pos, &pair)) == OSD_OK) {
        const struct key *k = find_key(pair.key);
        st = k ? take_answer(k, pair.value, offer, agreed, why) : reply_to(&pair, reply);
        if (st == OSD_E_NOMEM)
            return isc_say(why, OSD_E_PROTOCOL, "the target brings up too many keys");
        if (st)
            return st;
    }
    if (st == OSD_E_PROTOCOL)
        return isc_say(why, st, "the target's login text is not key=value");
    if (agreed->first_burst > agreed->max_burst)
        agreed->first_burst = agreed->max_burst;
    return OSD_OK;
}
