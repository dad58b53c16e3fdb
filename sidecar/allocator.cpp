// How jemalloc works in this program, unless MALLOC_CONF says otherwise (http://jemalloc.net/jemalloc.3.html).
#include <jemalloc/jemalloc.h>

// A thread of its own gives free memory back within seconds, also where the program has become idle.
const char* malloc_conf = "background_thread:true,dirty_decay_ms:3000,muzzy_decay_ms:0";
