/* Records from where they were decoded to their places in batches. */
#include <stdint.h>
#include <string.h>

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
            memcpy(batch + moves[i][2] * size, records + moves[i][1] * size, (size_t)size);
        }
    }
}
