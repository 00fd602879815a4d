# Rooms: a room is a directory with one static library and a stated permission to include.
#
# liosd_room(NAME store DIR store SOURCES a.c b.c USES common [LIBS rocksdb])
#   makes the library room_<NAME>. Files of the room and of rooms that list it in USES can write
#   #include "<NAME>/x.h"; nobody else can, because the include path of a room is a directory in
#   the build tree that holds only one link, <NAME> -> source directory. The line USES is thus
#   the permission, in one place. A room's own internal headers are included without a path.
#
# liosd_test(NAME test_wire_cdb SOURCES ... USES wire [LIBS ...])
#   makes a cmocka program and registers it with ctest.
# liosd_fuzz(NAME fuzz_cdb SOURCES fuzz_cdb.c USES wire CORPUS dir)
#   a libFuzzer target where the compiler has one (LIOSD_FUZZ); always a replay program that
#   runs over the corpus as a test.

function(liosd_room)
    cmake_parse_arguments(R "" "NAME;DIR" "SOURCES;USES;LIBS" ${ARGN})
    set(link_dir ${CMAKE_BINARY_DIR}/rooms/${R_NAME})
    file(MAKE_DIRECTORY ${link_dir})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${R_DIR} ${link_dir}/${R_NAME} SYMBOLIC)
    list(TRANSFORM R_SOURCES PREPEND ${PROJECT_SOURCE_DIR}/${R_DIR}/)
    add_library(room_${R_NAME} STATIC ${R_SOURCES})
    target_include_directories(room_${R_NAME} PUBLIC ${link_dir} ${PROJECT_SOURCE_DIR}/include)
    list(TRANSFORM R_USES PREPEND room_)
    target_link_libraries(room_${R_NAME} PUBLIC ${R_USES} PRIVATE ${R_LIBS})
    set_target_properties(room_${R_NAME} PROPERTIES POSITION_INDEPENDENT_CODE ON)
endfunction()

function(liosd_test)
    cmake_parse_arguments(T "" "NAME;TIMEOUT" "SOURCES;USES;LIBS;ARGS;LABELS" ${ARGN})
    add_executable(${T_NAME} ${T_SOURCES})
    list(TRANSFORM T_USES PREPEND room_)
    target_link_libraries(${T_NAME} PRIVATE ${T_USES} ${T_LIBS} cmocka)
    target_compile_definitions(${T_NAME} PRIVATE SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    add_test(NAME ${T_NAME} COMMAND ${T_NAME} ${T_ARGS})
    if(NOT T_TIMEOUT)
        set(T_TIMEOUT 300) # of a minute with a sanitizer, on two CPUs that others use as well
    endif()
    set_tests_properties(${T_NAME} PROPERTIES TIMEOUT ${T_TIMEOUT} LABELS "unit;${T_LABELS}"
                         SKIP_RETURN_CODE 77)
endfunction()

function(liosd_fuzz)
    cmake_parse_arguments(F "" "NAME;CORPUS" "SOURCES;USES;LIBS" ${ARGN})
    list(TRANSFORM F_USES PREPEND room_)
    add_executable(${F_NAME}_replay ${F_SOURCES} ${PROJECT_SOURCE_DIR}/fuzz/replay.c)
    target_link_libraries(${F_NAME}_replay PRIVATE ${F_USES} ${F_LIBS})
    add_test(NAME ${F_NAME} COMMAND ${F_NAME}_replay ${PROJECT_SOURCE_DIR}/fuzz/corpus/${F_CORPUS})
    set_tests_properties(${F_NAME} PROPERTIES TIMEOUT 120 LABELS "fuzz")
    if(LIOSD_FUZZ)
        add_executable(${F_NAME} ${F_SOURCES})
        target_link_libraries(${F_NAME} PRIVATE ${F_USES} ${F_LIBS} -fsanitize=fuzzer)
    endif()
endfunction()
