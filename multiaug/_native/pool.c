/* Threads that help with batches, without the interpreter: to hand work to a thread of Python costs
 * as much as a batch of small pictures.
 *
 * A job is in a list while it wants helpers. Whoever hands it in works on it himself and then
 * waits for those that still do.
 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

/* To sleep and be woken takes as long as a batch of small pictures: who waits for little looks for
 * so many nanoseconds before. */
enum { SPIN_NS = 100000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t wanted = PTHREAD_COND_INITIALIZER, left = PTHREAD_COND_INITIALIZER;
static Job *jobs;
static int threads;

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");
#endif
}

static int64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec * INT64_C(1000000000) + at.tv_nsec;
}

static void wait_for_helpers(const Job *job)
{
    int64_t end = now() + SPIN_NS;
    do
        for (int i = 0; i < 32; i++) {
            if (!__atomic_load_n(&job->helping, __ATOMIC_RELAXED))
                return;
            relax();
        }
    while (now() < end);
}

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
        /* The job may be gone as soon as nobody helps. */
        if (__atomic_sub_fetch(&job->helping, 1, __ATOMIC_RELEASE) == 0)
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

static void finish(Job *job)
{
    multiaug_warp(job->batch);
    pthread_mutex_lock(&lock);
    for (Job **at = &jobs; *at; at = &(*at)->next)
        if (*at == job) {
            *at = job->next;
            break;
        }
    if (job->helping) {
        pthread_mutex_unlock(&lock);
        wait_for_helpers(job);
        pthread_mutex_lock(&lock);
    }
    while (job->helping)
        pthread_cond_wait(&left, &lock);
    pthread_mutex_unlock(&lock);
}

void multiaug_finish(Job *const *all, int64_t count)
{
    for (int64_t i = 0; i < count; i++)
        if (all[i])
            finish(all[i]);
}
