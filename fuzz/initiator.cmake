foreach(name text login session)
    liosd_fuzz(NAME fuzz_iscsi_${name} SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_iscsi_${name}.c
               USES initiator common CORPUS iscsi_${name})
endforeach()
