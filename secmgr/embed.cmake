# embed.cmake - the API's description as a C file (cmake -DOUT=... -DIN=... -P embed.cmake)
file(READ ${IN} hex HEX)
string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
file(WRITE ${OUT} "/* Made from secmgr/openapi.json by secmgr/embed.cmake. */\n#include \"api.h\"\n\nconst char sm_openapi[] = {${bytes}0};\nconst size_t sm_openapi_len = sizeof(sm_openapi) - 1;\n")
