/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs.h - one function a verb: arguments in, exit code out
 *
 * argc is within the limits of the verb's row in main.c. s is NULL for verbs that open no
 * session.
 */
#ifndef OSDCTL_VERBS_H
#define OSDCTL_VERBS_H

#include "osdctl.h"

typedef int verb_function(const struct options *o, struct osd_session *s, int argc,
                          char **argv);

/* verbs_show.c */
verb_function verb_info, verb_stat, verb_quota;
/* verbs_objects.c */
verb_function verb_ls, verb_mk, verb_create, verb_rm;
/* verbs_query.c */
verb_function verb_collection, verb_query;
/* verbs_data.c */
verb_function verb_put, verb_get, verb_cat, verb_append;
/* verbs_attr.c */
verb_function verb_attr;
/* verbs_device.c */
verb_function verb_flush, verb_format, verb_check, verb_salvage, verb_explain;
/* verbs_snapshot.c */
verb_function verb_snapshot, verb_compare;
/* verbs_keys.c */
verb_function verb_key, verb_credential;
/* verbs_secmgr.c */
verb_function verb_acl, verb_group, verb_secmgr;
int key_with_manager(const struct options *o, int argc, char **argv);
/** The members of osd_options that name the security manager. */
struct osd_options secmgr_options(const struct options *o);
/* verbs_net.c */
verb_function verb_discover, verb_ping;
/* tree.c */
verb_function verb_cp;
/* conform.c */
verb_function verb_conform;

#endif
