/* Memory of one thread, which it uses again from record to record. */
#ifndef MULTIAUG_SCRATCH_H
#define MULTIAUG_SCRATCH_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* What it is used for. */
enum {
    WEIGHTS_Y, WEIGHTS_X, MASSES,              /* of axes */
    FILL_ROW, PANELS, COLUMNS, STRIP, EXPANDED, /* of sums over rows and columns */
    SOURCE, VALUES, KNOWN, MASS, FILLS, RESULT, /* of sources that are prepared */
    SHOWN,                                      /* of validity */
    COEFFICIENTS,                               /* of splines, one slot each */
    SLOTS = COEFFICIENTS + 4
};

/* What a slot holds the results of. */
typedef struct {
    const void *of; /* null: nothing */
    int64_t record;
} Holding;

typedef struct {
    char *memory[SLOTS];
    int64_t sizes[SLOTS];
    Holding holding[SLOTS];
    int turn;   /* of the splines, which one is replaced next */
    int failed; /* some memory was not to be had */
} Scratch;

/* So many bytes at the beginning of a line of the cache, of any content; null where there are none. */
static void *room(Scratch *s, int slot, int64_t bytes)
{
    if (bytes <= s->sizes[slot])
        return s->memory[slot];
    void *memory = 0;
    free(s->memory[slot]);
    s->memory[slot] = 0, s->sizes[slot] = 0;
    if (bytes < 0 || posix_memalign(&memory, 64, (size_t)bytes)) {
        s->failed = 1;
        return 0;
    }
    s->memory[slot] = memory, s->sizes[slot] = bytes;
    return memory;
}

static void release(Scratch *s)
{
    for (int slot = 0; slot < SLOTS; slot++)
        free(s->memory[slot]);
}

#endif
