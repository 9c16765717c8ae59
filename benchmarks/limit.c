/* Files of chunks, read and decoded in C by the libraries of numcodecs: see limit.py. */
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NONE, ZSTD, BLOSC };

/* Every `step`-th chunk from the first, each to place (number modulo `places`) of `out`. The size of
 * what was decoded, in bytes; -1 where anything is wrong. */
int64_t decode_files(const char *before, const char *after, int64_t first, int64_t count, int64_t step,
                     char *out, int64_t places, int64_t size, char *stored, int64_t room, int codec,
                     void *(*create)(void), size_t (*release)(void *), void *function)
{
    size_t (*zstd)(void *, void *, size_t, const void *, size_t) = function;
    int (*blosc)(const void *, void *, size_t, int) = function;
    void *context = codec == ZSTD ? create() : NULL;
    int64_t total = 0;
    for (int64_t chunk = first; chunk < count; chunk += step) {
        char path[4096], *place = out + chunk % places * size;
        struct stat found;
        snprintf(path, sizeof path, "%s%lld%s", before, (long long)chunk, after);
        const int file = open(path, O_RDONLY);
        if (file < 0 || fstat(file, &found) || found.st_size > (codec ? room : size))
            return -1;
        int64_t got = pread(file, codec ? stored : place, (size_t)found.st_size, 0);
        close(file);
        if (codec == ZSTD)
            got = (int64_t)zstd(context, place, (size_t)size, stored, (size_t)got);
        else if (codec == BLOSC)
            got = blosc(stored, place, (size_t)size, 1);
        if (got != size)
            return -1;
        total += got;
    }
    if (context)
        release(context);
    return total;
}
