/* pool_priv.h - what pool.c and writer.c share. */
#ifndef PROV_POOL_PRIV_H
#define PROV_POOL_PRIV_H

#include <pthread.h>
#include <stdatomic.h>

#include "pool.h"

/* First in, first out, linked through the jobs. */
struct job_list {
    struct prov_job *head, *tail;
    unsigned n;
};

void prov_jobs_push(struct job_list *list, struct prov_job *job);
struct prov_job *prov_jobs_pop(struct job_list *list); /* NULL when empty */
/* Moves all of `from` behind what `to` holds. */
void prov_jobs_move(struct job_list *to, struct job_list *from);

/*
 * A job is in exactly one list, or held by the one thread that took it from there. Everything from
 * to_prepare on is guarded by lock; of what stands before it, the threads are the broker's.
 */
struct prov_pool {
    struct prov_pool_conf conf;
    pthread_t workers[PROV_POOL_MAX_WORKERS], writer;
    unsigned n_workers;
    bool has_writer;
    pthread_mutex_t lock;
    pthread_cond_t prepare_more, write_more, finished_more;
    struct job_list to_prepare, to_write, finished;
    struct prov_pool_stats stats;
    bool stopping;
    atomic_bool ready; /* finished is not empty */
};

/* worker, writer: hands jobs to the broker's thread and wakes it, once for all of them. */
void prov_pool_finish(struct prov_pool *pool, struct job_list *jobs);

/* The writer thread; arg is the pool. */
void *prov_writer_main(void *arg);

#endif
