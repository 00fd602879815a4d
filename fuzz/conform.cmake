foreach(target conform_answer conform_script)
    liosd_fuzz(NAME fuzz_${target} SOURCES ${CMAKE_CURRENT_SOURCE_DIR}/fuzz_${target}.c
               USES conform common CORPUS ${target})
endforeach()
