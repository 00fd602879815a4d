if(TARGET room_secmgr)
    foreach(target request config)
        liosd_fuzz(NAME fuzz_secmgr_${target}
                   SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_secmgr_${target}.c
                   USES secmgr wire common CORPUS secmgr_${target})
    endforeach()
endif()
