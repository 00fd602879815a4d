if(CURL_FOUND)
    liosd_fuzz(NAME fuzz_manager_reply SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_manager_reply.c
               USES libosd security wire common CORPUS manager_reply)
endif()
