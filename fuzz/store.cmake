liosd_fuzz(NAME fuzz_record SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_record.c
           USES store common CORPUS record)
liosd_fuzz(NAME fuzz_journal SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_journal.c
           USES store common LIBS ${ROCKSDB_LIBRARY} CORPUS journal)
foreach(target fuzz_journal fuzz_journal_replay)
    if(TARGET ${target})
        target_link_options(${target} PRIVATE -Wl,--wrap=osd_crc32c)
    endif()
endforeach()
