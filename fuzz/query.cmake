if(TARGET room_query)
    liosd_fuzz(NAME fuzz_query SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_query.c
               USES query CORPUS query)
endif()
