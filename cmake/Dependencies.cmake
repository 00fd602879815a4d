# Every outside library, found in one place.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
find_library(ISAL_LIBRARY isal REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
