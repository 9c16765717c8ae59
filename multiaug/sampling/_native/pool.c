/* Threads that help with batches, without the interpreter: to hand work to a thread of Python costs
 * as much as a batch of small pictures.
 *
 * A job is in a list while it wants helpers. Whoever hands it in works on it himself and then
 * waits for those that still do.
 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static Job *jobs;
static int threads;

static void *help(void *unused)
{
    pthread_mutex_lock(&lock);
    for (;;) {
        Job *job = jobs;
        if (!job) {
            pthread_cond_wait(&wanted, &lock);
            continue;
        }
        if (--job->wanted == 0)
            jobs = job->next;
        job->helping++;
        pthread_mutex_unlock(&lock);
        multiaug_warp(job->batch);
        pthread_mutex_lock(&lock);
        if (--job->helping == 0)
            pthread_cond_broadcast(&left);
    }
    return unused;
}

/* Threads do not survive a fork. */
static void forget(void)
{
    pthread_mutex_init(&lock, 0);
    pthread_cond_init(&wanted, 0);
    pthread_cond_init(&left, 0);
    jobs = 0, threads = 0;
}

/* Where no thread can be made, there are fewer helpers. */
static void grow(int count)
{
    static int known;
    pthread_t made;
    sigset_t all, before;
    if (!known)
        known = !pthread_atfork(0, 0, forget);
    sigfillset(&all);
    /* Signals are for the threads of the interpreter. */
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (threads < count && !pthread_create(&made, 0, help, 0)) {
        pthread_detach(made);
        threads++;
    }
    pthread_sigmask(SIG_SETMASK, &before, 0);
}

void multiaug_start(Job *job, int helpers)
{
    pthread_mutex_lock(&lock);
    if (threads < helpers)
        grow(helpers);
    job->wanted = helpers, job->helping = 0, job->next = 0;
    if (helpers > 0) {
        Job **end = &jobs;
        while (*end)
            end = &(*end)->next;
        *end = job;
    }
    for (int i = 0; i < helpers; i++)
        pthread_cond_signal(&wanted);
    pthread_mutex_unlock(&lock);
}

void multiaug_finish(Job *job)
{
    multiaug_warp(job->batch);
    pthread_mutex_lock(&lock);
    for (Job **at = &jobs; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            break;
        }
    while (job->helping)
        pthread_cond_wait(&left, &lock);
    pthread_mutex_unlock(&lock);
}
