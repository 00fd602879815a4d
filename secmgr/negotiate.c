/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secmgr/negotiate.c - see negotiate.h: GSSAPI of MIT Kerberos
 *
 * One token from the client, no token back: exchanges that need more steps are refused. The
 * channel is TLS, whose certificate says who the server is.
 */
#include "negotiate.h"

#include <errno.h>
#include <gssapi/gssapi_ext.h>
#include <gssapi/gssapi_krb5.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define TOKEN_MAX (24u << 10)

static gss_cred_id_t acceptor = GSS_C_NO_CREDENTIAL; /* set once, before threads */

static void describe(OM_uint32 code, char *dst, size_t len)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor, context = 0;

    gss_display_status(&minor, code, GSS_C_MECH_CODE, GSS_C_NO_OID, &context, &text);
    snprintf(dst, len, "%.*s", (int)text.length, text.value ? (const char *)text.value : "");
    gss_release_buffer(&minor, &text);
}

osd_status sm_negotiate_open(const char *keytab, char *why, size_t why_len)
{
    gss_key_value_element_desc element = {"keytab", keytab};
    gss_key_value_set_desc store = {1, &element};
    OM_uint32 major, minor;
    char text[200];

    if (access(keytab, R_OK) != 0) {
        snprintf(why, why_len, "keytab = %s: %s", keytab, strerror(errno));
        return OSD_E_NOT_FOUND;
    }
    major = gss_acquire_cred_from(&minor, GSS_C_NO_NAME, GSS_C_INDEFINITE, GSS_C_NO_OID_SET,
                                  GSS_C_ACCEPT, &store, &acceptor, NULL, NULL);
    if (!GSS_ERROR(major))
        return OSD_OK;
    describe(minor, text, sizeof(text));
    snprintf(why, why_len, "keytab = %.100s: %s", keytab, text);
    return OSD_E_INVALID;
}

/* The token of "Negotiate BASE64". Its length; 0: none. */
static size_t decode(const char *header, uint8_t token[TOKEN_MAX])
{
    size_t len, padding = 0;
    int n;

    if (strncasecmp(header, "Negotiate ", 10) != 0)
        return 0;
    header += 10;
    len = strlen(header);
    if (len == 0 || len % 4 || len / 4 * 3 > TOKEN_MAX)
        return 0;
    while (padding < 2 && header[len - 1 - padding] == '=')
        padding++;
    n = EVP_DecodeBlock(token, (const uint8_t *)header, (int)len);
    return n > (int)padding ? (size_t)n - padding : 0;
}

static bool take_name(gss_name_t name, struct sm_identity *who)
{
    gss_buffer_desc text = GSS_C_EMPTY_BUFFER;
    OM_uint32 minor;
    bool good = !GSS_ERROR(gss_display_name(&minor, name, &text, NULL)) &&
                strnlen(text.value, text.length) == text.length &&
                snprintf(who->name, sizeof(who->name), "krb:%.*s", (int)text.length,
                         (const char *)text.value) < (int)sizeof(who->name) &&
                sm_principal_valid(who->name);

    gss_release_buffer(&minor, &text);
    return good;
}

bool sm_negotiate(const char *header, struct sm_identity *who, const char **ret_refusal)
{
    uint8_t token[TOKEN_MAX];
    gss_buffer_desc in = {decode(header, token), token}, out = GSS_C_EMPTY_BUFFER;
    gss_ctx_id_t context = GSS_C_NO_CONTEXT;
    gss_name_t name = GSS_C_NO_NAME;
    OM_uint32 major, minor;
    bool good = false;

    if (in.length == 0) {
        *ret_refusal = "the Authorization header is no Negotiate token";
        return false;
    }
    major = gss_accept_sec_context(&minor, &context, acceptor, &in, GSS_C_NO_CHANNEL_BINDINGS,
                                   &name, NULL, &out, NULL, NULL, NULL);
    if (major == GSS_S_COMPLETE)
        good = take_name(name, who);
    if (!good)
        *ret_refusal = GSS_ERROR(major)                 ? "the Kerberos ticket is not good"
                       : major == GSS_S_CONTINUE_NEEDED ? "Kerberos asks for a second step"
                                                        : "the Kerberos name is no principal";
    gss_release_name(&minor, &name);
    gss_release_buffer(&minor, &out);
    gss_delete_sec_context(&minor, &context, GSS_C_NO_BUFFER);
    return good;
}
