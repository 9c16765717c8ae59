/* Chunks of an array that lie in files. */
#ifndef MULTIAUG_CHUNKS_H
#define MULTIAUG_CHUNKS_H

#include <stdint.h>

enum { CHUNK_PLAIN, CHUNK_ZSTD, CHUNK_LZ4, CHUNK_BLOSC };

/* Chunks have files of their own, whose paths differ in a number; or they are parts of open files. */
typedef struct Chunks {
    const char *before, *after;  /* what is around the number in a path; NULL: files are open */
    const int64_t (*places)[3];  /* (count, 3): the number; or the file, the first byte, the size */
    int64_t count, size;         /* bytes of a decoded chunk */
    char *out;                   /* (count, size) */
    void (*const *functions)(void); /* of the library that decodes, in the order of chunks.c */
    int32_t codec, unused;          /* one of those above; what fills the structure up */
} Chunks;

#endif
