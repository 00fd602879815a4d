liosd_fuzz(NAME fuzz_interpreter SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_interpreter.c
           USES interpreter security store wire common CORPUS interpreter)
