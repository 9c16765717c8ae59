/* Batches that several threads work on. */
#ifndef MULTIAUG_POOL_H
#define MULTIAUG_POOL_H

#include "warp.h"

/* Stays where it is from `multiaug_start` until `multiaug_finish` has returned. */
typedef struct Job {
    const Batch *batch;
    struct Job *next;
    int32_t wanted, helping; /* threads */
} Job;

int multiaug_abi(void);
void multiaug_warp(const Batch *batch);

/* Let other threads begin with a batch; as many as there are, at most `helpers`. */
void multiaug_start(Job *job, int helpers);

/* Work on jobs until nothing is left to do, and wait for the helpers. One call for all of them: no
 * signal can keep the caller from the rest. Places may be 0, and a job may be finished twice. */
void multiaug_finish(Job *const *all, int64_t count);

#endif
