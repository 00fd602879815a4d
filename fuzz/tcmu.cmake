liosd_fuzz(NAME fuzz_cfgstring SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_cfgstring.c
           USES tcmu common CORPUS cfgstring)
