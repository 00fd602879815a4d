# Every outside library, found in one place.
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(JANSSON REQUIRED IMPORTED_TARGET jansson)
pkg_check_modules(CRYPTO REQUIRED IMPORTED_TARGET libcrypto)
find_library(ISAL_LIBRARY isal REQUIRED)
find_library(ROCKSDB_LIBRARY rocksdb REQUIRED)
# The security manager is built where its libraries are; the rest does not need them.
pkg_check_modules(SQLITE IMPORTED_TARGET sqlite3)
pkg_check_modules(LIBPQ IMPORTED_TARGET libpq)
pkg_check_modules(MICROHTTPD IMPORTED_TARGET libmicrohttpd)
pkg_check_modules(GNUTLS IMPORTED_TARGET gnutls)
pkg_check_modules(SYSTEMD IMPORTED_TARGET libsystemd)
pkg_check_modules(CURL IMPORTED_TARGET libcurl)
