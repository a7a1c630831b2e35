/* OpenSSL's headers need the types; core may not use the calls. */
#include_next <pthread.h>
#pragma GCC poison pthread_create pthread_join pthread_detach pthread_kill pthread_self
#pragma GCC poison pthread_mutex_lock pthread_mutex_unlock pthread_cond_wait pthread_cond_signal
