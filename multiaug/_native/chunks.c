/* Chunks decoded one after the other, without the interpreter in between.
 *
 * Nothing is explained here: at the first chunk that is not what it should be work stops, and Python,
 * which has words for it, reads that one. The libraries that decode are those of numcodecs, whose
 * functions `store/codecs/_native_step.py` finds. */
#include "chunks.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

typedef void Function(void);

/* What a run of chunks needs: of the codec, and memory for the bytes of one as they are stored. */
typedef struct Decoder {
    Function *const *functions;
    void *context;
    char *stored;
    int64_t room;
} Decoder;

/* ZSTD_createDCtx, ZSTD_freeDCtx, ZSTD_decompressDCtx of zstd.h. */
typedef void *ZstdCreate(void);
typedef size_t ZstdFree(void *);
typedef size_t ZstdDecompress(void *, void *, size_t, const void *, size_t);

static int zstd(const Decoder *decoder, int64_t stored_size, char *out, int64_t size)
{
    const char *stored = decoder->stored;
    ZstdDecompress *const decompress = (ZstdDecompress *)decoder->functions[2];
    return decompress(decoder->context, out, (size_t)size, stored, (size_t)stored_size) == (size_t)size;
}

static int64_t number(const char *bytes)
{
    const uint8_t *b = (const uint8_t *)bytes;
    return b[0] | b[1] << 8 | b[2] << 16 | (int64_t)b[3] << 24;
}

/* LZ4_decompress_safe of lz4.h; numcodecs writes the size before a block. */
typedef int Lz4Decompress(const char *, char *, int, int);

static int lz4(const Decoder *decoder, int64_t stored_size, char *out, int64_t size)
{
    const char *stored = decoder->stored;
    Lz4Decompress *const decompress = (Lz4Decompress *)decoder->functions[0];
    if (stored_size < 4 || number(stored) != size || size > INT32_MAX || stored_size > INT32_MAX)
        return 0;
    return decompress(stored + 4, out, (int)stored_size - 4, (int)size) == size;
}

/* blosc_decompress_ctx of blosc.h. It reads as far as the header says, also past the end. */
typedef int BloscDecompress(const void *, void *, size_t, int);

static int blosc(const Decoder *decoder, int64_t stored_size, char *out, int64_t size)
{
    const char *stored = decoder->stored;
    BloscDecompress *const decompress = (BloscDecompress *)decoder->functions[0];
    if (stored_size < 16 || number(stored + 4) != size || number(stored + 12) != stored_size)
        return 0;
    return decompress(stored, out, (size_t)size, 1) == size;
}

/* Read as much, or nothing of use. */
static int read_all(int file, char *target, int64_t first, int64_t size)
{
    while (size > 0) {
        const ssize_t got = pread(file, target, (size_t)size, (off_t)first);
        if (got <= 0)
            return 0;
        target += got, first += got, size -= got;
    }
    return 1;
}

/* Have memory for as many bytes. What is longer than codecs make a chunk is none of ours. */
static int make_room(Decoder *decoder, int64_t stored_size, int64_t size)
{
    if (stored_size <= decoder->room)
        return 1;
    if (stored_size > size + size / 8 + 4096)
        return 0;
    free(decoder->stored);
    decoder->room = stored_size + stored_size / 8;
    decoder->stored = malloc((size_t)decoder->room);
    if (!decoder->stored)
        decoder->room = 0;
    return decoder->stored != NULL;
}

static int decode(const Chunks *t, Decoder *decoder, int file, int64_t first, int64_t stored_size,
                  char *out)
{
    if (t->codec == CHUNK_PLAIN)
        return stored_size == t->size && read_all(file, out, first, t->size);
    if (!make_room(decoder, stored_size, t->size) || !read_all(file, decoder->stored, first, stored_size))
        return 0;
    switch (t->codec) {
    case CHUNK_ZSTD: return zstd(decoder, stored_size, out, t->size);
    case CHUNK_LZ4: return lz4(decoder, stored_size, out, t->size);
    case CHUNK_BLOSC: return blosc(decoder, stored_size, out, t->size);
    default: return 0;
    }
}

static int decode_file(const Chunks *t, Decoder *decoder, int64_t name, char *out)
{
    char path[4096];
    const int length = snprintf(path, sizeof path, "%s%lld%s", t->before, (long long)name, t->after);
    if (length < 0 || length >= (int)sizeof path)
        return 0;
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return 0;
    struct stat found;
    const int done = !fstat(file, &found) && S_ISREG(found.st_mode) &&
                     decode(t, decoder, file, 0, (int64_t)found.st_size, out);
    close(file);
    return done;
}

/* Decode chunks; returns how many are there before the first one that could not be decoded. */
int64_t multiaug_chunks(const Chunks *t)
{
    Decoder decoder = {.functions = t->functions};
    if (t->codec == CHUNK_ZSTD && !(decoder.context = ((ZstdCreate *)t->functions[0])()))
        return 0;
    int64_t i = 0;
    for (; i < t->count; i++) {
        const int64_t *place = t->places[i];
        char *out = t->out + i * t->size;
        if (!(t->before ? decode_file(t, &decoder, place[0], out)
                        : place[0] >= 0 && place[1] >= 0 && place[2] >= 0 &&
                              decode(t, &decoder, (int)place[0], place[1], place[2], out)))
            break;
    }
    if (decoder.context)
        ((ZstdFree *)t->functions[1])(decoder.context);
    free(decoder.stored);
    return i;
}
