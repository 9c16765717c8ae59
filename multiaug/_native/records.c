/* Records from where they were decoded to their places in batches. */
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { LINE = 64, LONG = 4096 };

/* Copy to memory that is not looked at before other things have taken the cache. */
static void copy(char *to, const char *from, int64_t size)
{
#ifdef __SSE2__
    if (size >= LONG) {
        const int64_t head = -(uintptr_t)to & (LINE - 1);
        memcpy(to, from, (size_t)head);
        to += head, from += head, size -= head;
        for (; size >= LINE; to += LINE, from += LINE, size -= LINE) {
            const __m128i *source = (const __m128i *)from;
            __m128i *target = (__m128i *)to;
            const __m128i a = _mm_loadu_si128(source), b = _mm_loadu_si128(source + 1);
            const __m128i c = _mm_loadu_si128(source + 2), d = _mm_loadu_si128(source + 3);
            _mm_stream_si128(target, a);
            _mm_stream_si128(target + 1, b);
            _mm_stream_si128(target + 2, c);
            _mm_stream_si128(target + 3, d);
        }
    }
#endif
    memcpy(to, from, (size_t)size);
}

/* Copy records.
 *
 * entries: of the records, for each where the first one is and the bytes of one
 * batches: for each batch where the first record of every entry is
 * moves: for each record the number of a batch, its place in `entries`, its place in the batch
 */
void multiaug_scatter(const int64_t (*entries)[2], int64_t entry_count, const int64_t *batches,
                      const int64_t (*moves)[3], int64_t count)
{
    for (int64_t entry = 0; entry < entry_count; entry++) {
        const char *records = (const char *)(intptr_t)entries[entry][0];
        const int64_t size = entries[entry][1];
        for (int64_t i = 0; i < count; i++) {
            char *batch = (char *)(intptr_t)batches[moves[i][0] * entry_count + entry];
            copy(batch + moves[i][2] * size, records + moves[i][1] * size, size);
        }
    }
#ifdef __SSE2__
    _mm_sfence(); /* others may be told that the records are there */
#endif
}
