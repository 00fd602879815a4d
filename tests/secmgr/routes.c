/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tests/secmgr/routes.c - print the routes of the API's table, one a line
 */
#include <stdio.h>

#include "secmgr/api.h"

int main(void)
{
    for (size_t i = 0; sm_api_route(i); i++)
        puts(sm_api_route(i));
    return 0;
}
