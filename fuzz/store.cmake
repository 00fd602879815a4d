liosd_fuzz(NAME fuzz_record SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_record.c
           USES store common CORPUS record)
