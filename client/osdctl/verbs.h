/* SPDX-License-Identifier: Apache-2.0 */
/*
 * client/osdctl/verbs.h - one function a verb: arguments in, exit code out
 */
#ifndef OSDCTL_VERBS_H
#define OSDCTL_VERBS_H

#include "osdctl.h"

typedef int verb_function(struct options *o, struct osd_session *s, int argc, char **argv);

verb_function verb_info, verb_ls, verb_mk, verb_create, verb_put, verb_get, verb_cat, verb_rm,
    verb_stat, verb_attr, verb_quota, verb_flush, verb_format, verb_cp, verb_append, verb_check,
    verb_explain;

#endif
