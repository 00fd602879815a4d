foreach(target cdb attrs list sense spc twophase)
    liosd_fuzz(NAME fuzz_${target} SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_${target}.c
               USES wire common CORPUS ${target})
endforeach()
liosd_fuzz(NAME fuzz_continuation SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_continuation.c
           USES interpreter store wire common CORPUS continuation)
