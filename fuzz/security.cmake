liosd_fuzz(NAME fuzz_credential SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_credential.c
           USES security wire common CORPUS credential)
