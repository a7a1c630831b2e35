#error "core knows no broker, no LMDB and no thread: see plugin/CMakeLists.txt"
